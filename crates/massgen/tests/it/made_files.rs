//! Pictures that models make, from the wire to the disk.

use massgen_testkit::model_server::chunks::Frame;
use massgen_testkit::model_server::{ReceivedRequest, ScriptedReply};
use serde_json::{Value, json};

use crate::program::{World, files};
use crate::rebuild;
use crate::server::Server;

/// Bytes that are no text, each another picture, and the base64 of each.
const PNG: (&[u8], &str) = (b"\x89PNG\r\n\x1a\n\xff\x00gemini", "iVBORw0KGgr/AGdlbWluaQ==");
const LATER: (&[u8], &str) = (b"\x89PNG\r\n\x1a\n\xff\x00later", "iVBORw0KGgr/AGxhdGVy");
const WEBP: (&[u8], &str) = (b"RIFF\xff\x00WEBP", "UklGRv8AV0VCUA==");
const JPEG: (&[u8], &str) = (b"\xff\xd8\xff\x00chat", "/9j/AGNoYXQ=");

const KEYS: [(&str, &str); 2] = [("GOOGLE_API_KEY", "k1"), ("OPENAI_API_KEY", "k2")];

/// What is wanted of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Picture,
    Vote,
    Presentation,
}

impl Wanted {
    fn of(request: &ReceivedRequest) -> Self {
        let body = request.json();
        let said = ["contents", "input", "messages"].into_iter().find_map(|key| body[key].as_array());
        let last = said.and_then(|said| said.last()).unwrap().to_string();
        if last.contains("Coordination is over") {
            Self::Presentation
        } else if last.contains("<answer") {
            Self::Vote
        } else {
            Self::Picture
        }
    }

    /// The tool that is to be called, and with what.
    fn call(self) -> (&'static str, Value) {
        match self {
            Self::Picture => ("new_answer", json!({"content": "See the picture."})),
            Self::Vote => ("vote", json!({"agent_id": "agent2", "reason": "it is best"})),
            Self::Presentation => ("new_answer", json!({"content": "Two pictures."})),
        }
    }
}

fn stream(events: &[Value]) -> ScriptedReply {
    let frames = events.iter().map(|event| Frame::data(format!("data: {event}\n\n"))).collect();
    ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames }
}

/// The part in which Gemini hands over a picture.
fn part(picture: &str) -> Value {
    json!({"inlineData": {"mimeType": "image/png", "data": picture}, "thoughtSignature": "c2ln"})
}

fn gemini(wanted: Wanted) -> ScriptedReply {
    let (name, args) = wanted.call();
    let call = json!({"functionCall": {"name": name, "args": args}});
    let parts = match wanted {
        Wanted::Picture => json!([part(PNG.1), call]),
        Wanted::Vote => json!([call]),
        Wanted::Presentation => json!([part(LATER.1), call]),
    };
    let content = json!({"role": "model", "parts": parts});
    stream(&[json!({"candidates": [{"content": content, "finishReason": "STOP"}]})])
}

fn responses(wanted: Wanted) -> ScriptedReply {
    let (name, arguments) = wanted.call();
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name,
        "arguments": arguments.to_string(), "status": "completed"});
    let picture = json!({"type": "image_generation_call", "id": "ig_1", "status": "completed",
        "output_format": "webp", "result": WEBP.1});
    let output = if wanted == Wanted::Picture { vec![picture, call] } else { vec![call] };
    let done =
        |(index, item)| json!({"type": "response.output_item.done", "output_index": index, "item": item});
    let mut events: Vec<Value> = output.iter().enumerate().map(done).collect();
    events.push(json!({"type": "response.completed", "response": {"status": "completed", "output": output}}));
    stream(&events)
}

fn chat(wanted: Wanted) -> ScriptedReply {
    let (name, arguments) = wanted.call();
    let call = json!({"index": 0, "id": "call_1", "type": "function",
        "function": {"name": name, "arguments": arguments.to_string()}});
    let image =
        json!({"type": "image_url", "image_url": {"url": format!("data:image/jpeg;base64,{}", JPEG.1)}});
    let images = if wanted == Wanted::Picture { json!([image]) } else { json!([]) };
    let delta = json!({"role": "assistant", "images": images, "tool_calls": [call]});
    stream(&[json!({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})])
}

fn paint(request: &ReceivedRequest) -> ScriptedReply {
    let wanted = Wanted::of(request);
    match request.json() {
        body if body.get("contents").is_some() => gemini(wanted),
        body if body.get("input").is_some() => responses(wanted),
        _ => chat(wanted),
    }
}

/// Agents of three protocols, each of which paints; the painter wins and paints once more.
fn painters() -> (World, Server) {
    let server = Server::start(paint);
    let agent = |id: &str, kind: &str| json!({"id": id, "backend": {"type": kind, "model": "m", "base_url": server.base_url()}});
    let agents =
        json!([agent("painter", "gemini"), agent("drawer", "openai"), agent("sketcher", "chatcompletion")]);
    let world = World::new();
    world.write(".massgen/config.yaml", &json!({ "agents": agents }).to_string());
    (world, server)
}

#[test]
fn pictures_end_beside_the_answers_and_the_final_one_byte_for_byte() {
    let (world, server) = painters();
    let told = world.run_with(&KEYS, &["Paint a tree."]).exits(0);
    assert_eq!(told.stdout, "Two pictures.\n");
    let turn = world.log_dir().join("turn_1");
    let mut made: Vec<_> = files(&turn)
        .into_iter()
        .filter(|(path, _)| path.parent().is_some_and(|folder| folder.ends_with("files")))
        .map(|(path, bytes)| {
            let names: Vec<_> = path.iter().filter_map(|name| name.to_str()).collect();
            let is_stamp = |name: &&str| name.starts_with("20") && name.contains('_');
            (names.into_iter().filter(|name| !is_stamp(name)).collect::<Vec<_>>().join("/"), bytes)
        })
        .collect();
    made.sort();
    let expected = [
        ("attempt_1/drawer/files/image-1.webp", WEBP.0),
        ("attempt_1/final/painter/files/image-1.png", PNG.0),
        ("attempt_1/final/painter/files/image-2.png", LATER.0),
        ("attempt_1/painter/files/image-1.png", PNG.0),
        ("attempt_1/sketcher/files/image-1.jpg", JPEG.0),
        ("final/painter/files/image-1.png", PNG.0),
        ("final/painter/files/image-2.png", LATER.0),
    ];
    assert_eq!(made, expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    for name in ["image-1.png", "image-2.png"] {
        let line = told.stderr.lines().find(|line| line.ends_with(&format!("/final/painter/files/{name}")));
        assert!(line.is_some_and(|line| line.trim().starts_with("image ")), "{told}");
    }
    let bodies: Vec<_> = server.requests().iter().map(|request| request.body.clone().unwrap()).collect();
    let last = bodies.iter().rev().map(|body| serde_json::from_slice::<Value>(body).unwrap());
    let presents = last.into_iter().find(|body| body.get("contents").is_some()).unwrap();
    let parts =
        presents["contents"].as_array().unwrap().iter().flat_map(|one| one["parts"].as_array().unwrap());
    assert_eq!(parts.filter(|sent| **sent == part(PNG.1)).count(), 1, "its own picture goes back as it came");
    let all = bodies.iter().map(|body| String::from_utf8_lossy(body)).collect::<String>();
    assert!(all.contains("[files with this answer: image-1.jpg (image/jpeg, 8 bytes)]"), "{all}");
    rebuild::check(&world);
}

#[test]
fn scripts_get_their_lines_and_no_others_when_there_are_pictures() {
    let (world, _server) = painters();
    let told = world.run_with(&KEYS, &["--automation", "Paint a tree."]).exits(0);
    assert!(!told.stdout.contains("image-1"), "{told}");
    assert!(world.log_dir().join("turn_1/final/painter/files/image-1.png").is_file());
}

/// An agent whose code makes a table, which can be had, and a picture, which cannot.
fn coder(request: &ReceivedRequest) -> ScriptedReply {
    if request.path.ends_with("/containers/cntr_1/files/cfile_1/content") {
        let frames = vec![Frame::data(b"tide,hour\n1,2\n".to_vec())];
        return ScriptedReply::Raw { content_type: "application/octet-stream".to_owned(), frames };
    }
    if request.path.ends_with("/content") {
        return ScriptedReply::refusal(404, "not_found", "no such file");
    }
    if request.json().get("input").is_none() {
        return chat(Wanted::of(request));
    }
    let (name, arguments) = Wanted::of(request).call();
    let cites = [("cfile_1", "/mnt/data/tides.csv"), ("cfile_2", "/mnt/data/tides.png")].map(|(id, name)| {
        json!({"type": "container_file_citation", "container_id": "cntr_1", "file_id": id, "filename": name,
            "start_index": 0, "end_index": 1})
    });
    let said = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Made.", "annotations": cites}]});
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name,
        "arguments": arguments.to_string(), "status": "completed"});
    let output = if Wanted::of(request) == Wanted::Picture { vec![said, call] } else { vec![call] };
    stream(&[json!({"type": "response.completed", "response": {"status": "completed", "output": output}})])
}

#[test]
fn what_code_made_at_the_service_ends_beside_the_answer_and_what_stays_there_is_told_once() {
    let server = Server::start(coder);
    let world = World::new();
    let agent = |id: &str, kind: &str| json!({"id": id, "backend": {"type": kind, "model": "m", "base_url": server.base_url()}});
    let agents = json!([agent("writer", "openai"), agent("sketcher", "chatcompletion")]);
    world.write(".massgen/config.yaml", &json!({ "agents": agents }).to_string());
    let told = world.run_with(&KEYS, &["Make a table."]).exits(0);
    let made = world.log_dir().join("turn_1/final/writer/files/file-1.csv");
    assert_eq!(fs_err::read_to_string(made).unwrap(), "tide,hour\n1,2\n");
    let words = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.matches("a file that was made by code stays with m at 127.0.0.1:").count(), 1, "{told}");
    assert!(words.contains(": it cannot be read: its server answers with status 404"), "{told}");
    let peer = "[files with this answer: file-1.csv (text/csv, 14 bytes)]";
    assert!(server.requests().iter().any(|request| request.json().to_string().contains(peer)));
    let calls = server.requests().into_iter().filter(|request| !request.path.ends_with("/content"));
    for sent in calls.map(|request| request.json().to_string()) {
        assert!(!sent.contains("massgen_fetched_file"), "{sent}");
    }
    rebuild::check(&world);
}
