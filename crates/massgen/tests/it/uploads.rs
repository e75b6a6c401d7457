//! Files that go with the question.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use massgen_testkit::model_server::ScriptedReply;
use serde_json::{Value, json};

use crate::program::{Running, Told, World, files};
use crate::server::{self, Server};

/// What is sent is not looked into.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really one";

/// The same in base64.
const ENCODED: &str = "iVBORw0KGgpub3QgcmVhbGx5IG9uZQ==";

/// A world with one agent that asks `server` and gets these files.
fn world(server: &Server, uploads: &Value) -> World {
    let mut config = server.config(1);
    config["agents"][0]["backend"]["upload_files"] = uploads.clone();
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    fs_err::write(world.work().join("chart.png"), PNG).unwrap();
    world.write("notes.md", "# Notes\nthe tide was late\n");
    world
}

fn picture_and_notes() -> Value {
    json!([{ "image_path": "chart.png" }, { "file_path": "notes.md" }])
}

/// A server that hands one file to the first who asks. Returned are its address and, later, the first line of the
/// request.
fn web(media_type: &'static str, file: &'static [u8]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let web = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        while !lines.next().unwrap().unwrap().is_empty() {}
        let length = file.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(file).unwrap();
        first
    });
    (address, web)
}

/// A run that was interrupted while its first call was under way.
fn interrupted(server: &Server, world: &World) {
    let running: Running = world.start(&["q"]);
    server.received(1);
    running.interrupt();
    running.wait().exits(4);
}

/// Does not answer the first request.
fn slow_at_first() -> Server {
    Server::start(|request| if request.number == 0 { ScriptedReply::Hang } else { server::team(request) })
}

#[test]
fn a_picture_reaches_the_model_and_a_resumed_run_sends_it_though_the_file_is_gone() {
    let server = slow_at_first();
    let world = world(&server, &picture_and_notes());
    interrupted(&server, &world);
    fs_err::remove_file(world.work().join("chart.png")).unwrap();
    world.write("notes.md", "other notes");
    let told = world.run(&["--resume", "latest"]).exits(0);
    assert_eq!(told.stdout, "the final words\n");

    let requests = server.requests();
    assert!(requests.len() > 2);
    assert_eq!(requests[0].body, requests[1].body, "the resumed run asks the same");
    for request in &requests {
        let body = request.json();
        let opening = body["messages"].as_array().unwrap().iter().find(|message| message["role"] == "user");
        let parts = opening.unwrap()["content"].as_array().unwrap().clone();
        let text = parts[0]["text"].as_str().unwrap();
        assert!(text.contains("the tide was late") && text.contains("chart.png"), "{text}");
        let image = json!({ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{ENCODED}") } });
        assert_eq!(parts[1..], [image]);
    }
    // The run keeps the file once, and no event holds it.
    let kept = files(&world.log_dir());
    assert_eq!(kept.values().filter(|content| content.as_slice() == PNG).count(), 1);
    let holds = |content: &Vec<u8>| content.windows(ENCODED.len()).any(|part| part == ENCODED.as_bytes());
    assert!(!kept.values().any(holds));
}

#[test]
fn a_run_whose_files_are_lost_is_not_resumed_without_them() {
    let server = slow_at_first();
    let world = world(&server, &picture_and_notes());
    interrupted(&server, &world);
    for (path, content) in files(&world.log_dir()) {
        if content == PNG {
            fs_err::remove_file(world.log_dir().join(path)).unwrap();
        }
    }
    let told = world.run(&["--resume", "latest"]).exits(1);
    assert!(told.stderr.contains("cannot be resumed: its file `chart.png` is lost"), "{told}");
    assert!(told.stderr.contains("hint: "), "{told}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn files_that_cannot_be_sent_are_told_all_at_once_and_nothing_is_begun() {
    let server = Server::start(server::team);
    let world = World::new();
    let config = format!(
        "agents:
  - id: a
    backend:
      type: chatcompletion
      model: m
      base_url: {}
      media_max_file_size_mb: 1
      upload_files:
        - image_path: missing.png
        - image_path: folder.png
        - image_path: empty.png
        - image_path: large.png
        - file_path: large.txt
        - file_path: latin.txt
        - image_path: fine.png
",
        server.base_url()
    );
    world.write("team.yaml", &config);
    fs_err::create_dir(world.work().join("folder.png")).unwrap();
    let write = |name: &str, content: &[u8]| fs_err::write(world.work().join(name), content).unwrap();
    write("empty.png", b"");
    write("fine.png", &vec![0; 1024 * 1024]);
    write("large.png", &vec![0; 1024 * 1024 + 1]);
    write("large.txt", &vec![b'x'; 1024 * 1024 + 1]);
    write("latin.txt", b"caf\xe9");
    let told = world.run(&["--config", "team.yaml", "q"]).exits(1);
    assert!(told.stdout.is_empty() && world.log_dirs().is_empty(), "{told}");
    assert!(server.requests().is_empty());
    insta::assert_snapshot!(told.stderr);
}

#[test]
fn what_a_service_does_not_read_at_an_address_is_read_before_the_run() {
    let (address, web) = web("audio/mpeg", b"mp3");
    let server = Server::start(server::team);
    let world = world(&server, &json!([{ "audio_path": format!("http://{address}/talk?id=7") }]));
    world.run(&["q"]).exits(0);
    assert_eq!(web.join().unwrap(), "GET /talk?id=7 HTTP/1.1");
    let body = server.requests()[0].json();
    let audio = json!({ "type": "input_audio", "input_audio": { "data": "bXAz", "format": "mp3" } });
    assert_eq!(body.pointer("/messages/1/content/1"), Some(&audio), "{body}");
}

#[test]
fn an_address_without_a_file_is_told_before_anything_is_begun() {
    let server = Server::start(server::team);
    let world = world(&server, &json!([{ "audio_path": format!("http://{}/gone.mp3", server.address()) }]));
    let told = world.run(&["q"]).exits(1);
    let words: Vec<_> = told.stderr.split_whitespace().collect();
    let error = "error: the file `gone.mp3` cannot be read: its server answers with status 404";
    assert!(words.join(" ").contains(error), "{told}");
    assert!(world.log_dirs().is_empty() && server.requests().is_empty(), "{told}");
}

/// Parts of addresses that nobody else may see: the file's name, and the rest of a signed address. A configuration that
/// names a key outright is refused; one can still come in under another name.
const SECRETS: [(&str, &str); 3] = [
    ("PICTURE_TOKEN", "canary-0123456789abcdef"),
    ("PICTURE", "canary-0123456789abcdef"),
    ("PICTURE_ADDRESS", "chart.png?X-Amz-Signature=canary2-fedcba"),
];

/// None of `canaries` is in what is told, on the disk or in a request.
fn assert_unseen(world: &World, server: &Server, told: &Told, canaries: &[&str]) {
    for canary in canaries {
        assert!(!told.stdout.contains(canary) && !told.stderr.contains(canary), "{told}");
        for (path, bytes) in files(&world.work()).into_iter().chain(files(&world.home())) {
            assert!(!String::from_utf8_lossy(&bytes).contains(canary), "{canary} in {}", path.display());
        }
        for request in server.requests() {
            assert!(!request.json().to_string().contains(canary), "{canary} was sent");
        }
    }
}

#[test]
fn a_secret_in_the_address_of_a_file_is_in_no_file_no_line_and_no_request() {
    for (written, asked, canary) in [
        ("${PICTURE}", "GET /f/canary-0123456789abcdef HTTP/1.1", "canary-"),
        ("${PICTURE_ADDRESS}", "GET /f/chart.png?X-Amz-Signature=canary2-fedcba HTTP/1.1", "canary2"),
        ("${PICTURE}/chart.png", "GET /f/canary-0123456789abcdef/chart.png HTTP/1.1", "canary-"),
    ] {
        let (address, web) = web("image/png", PNG);
        let server = Server::start(server::team);
        let world = world(&server, &json!([{ "image_path": format!("http://{address}/f/{written}") }]));
        let told = world.run_with(&SECRETS, &["--debug", "--stream-events", "q"]).exits(0);
        assert_eq!(web.join().unwrap(), asked);
        let image = format!("data:image/png;base64,{ENCODED}");
        let sent = server.requests()[0].json();
        assert_eq!(sent.pointer("/messages/1/content/1/image_url/url"), Some(&json!(image)), "{sent}");
        assert_unseen(&world, &server, &told, &[canary]);
    }
}

#[test]
fn a_secret_in_the_name_of_a_file_that_is_not_there_is_not_told() {
    let server = Server::start(server::team);
    let address = server.address();
    let world = world(&server, &json!([{ "image_path": format!("http://{address}/f/${{PICTURE}}") }]));
    let told = world.run_with(&SECRETS, &["--debug", "q"]).exits(1);
    assert!(told.stderr.contains("404"), "{told}");
    assert_unseen(&world, &server, &told, &["canary"]);
}

/// A claude, a gemini or a chat agent on `server` that gets `files`, each of so many bytes, and what is told.
fn sized(kind: &str, fallback: &Value, files: &[(&str, &str, usize)]) -> (Server, World, Told) {
    let server = Server::start(server::team);
    let world = World::new();
    let mut uploads = Vec::new();
    for (key, name, bytes) in files {
        fs_err::write(world.work().join(name), vec![0; *bytes]).unwrap();
        uploads.push(json!({ *key: name }));
    }
    let backend =
        json!({ "type": kind, "model": "m", "base_url": server.base_url(), "upload_files": uploads });
    let config = json!({ "agents": [{ "id": "a", "backend": backend, "fallback": fallback }] });
    world.write(".massgen/config.yaml", &config.to_string());
    let keys = [("ANTHROPIC_API_KEY", "k1"), ("GOOGLE_API_KEY", "k2")];
    let told = world.run_with(&keys, &["q"]);
    (server, world, told)
}

#[test]
fn a_file_that_is_too_large_for_a_service_is_told_before_the_run() {
    const IMAGE: usize = 3840 * 1024;
    const TOGETHER: usize = 15_000_000;
    const AGENT: usize = 32 * 1024 * 1024;
    let (none, claude) = (json!([]), json!([{ "type": "claude", "model": "m" }]));
    let one = |bytes| vec![("image_path", "a.png", bytes)];
    let two = |bytes| vec![("image_path", "a.png", 1), ("file_path", "b.pdf", bytes)];
    for (kind, fallback, files, error, hint) in [
        (
            "claude",
            &none,
            one(IMAGE + 1),
            "`a.png` is larger than 3840 KB",
            "the type `claude` takes no larger image",
        ),
        (
            "gemini",
            &none,
            one(TOGETHER + 1),
            "`a.png` is larger than 15000000 bytes",
            "files of 15000000 bytes together",
        ),
        ("gemini", &none, two(TOGETHER), "`b.pdf` is one too many", "files of 15000000 bytes together"),
        (
            "gemini",
            &claude,
            one(IMAGE + 1),
            "`a.png` is larger than 3840 KB",
            "the type `claude` takes no larger image",
        ),
        ("claude", &none, two(22_000_000), "`b.pdf` is one too many", "files of 22000000 bytes together"),
        (
            "chatcompletion",
            &none,
            vec![("image_path", "a.png", 1), ("image_path", "b.png", AGENT)],
            "`b.png` is one too many",
            "the files of one agent together are at most 32 MB",
        ),
        (
            "chatcompletion",
            &none,
            one(AGENT + 1),
            "`a.png` is larger than 32 MB",
            "the files of one agent together",
        ),
    ] {
        let (server, world, told) = sized(kind, fallback, &files);
        let told = told.exits(1);
        let words = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains(&format!("error: the file {error}")) && words.contains(hint),
            "{kind}: {told}"
        );
        assert!(world.log_dirs().is_empty() && server.requests().is_empty(), "{kind}: {told}");
    }
}
