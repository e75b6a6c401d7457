//! The models that services list.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use massgen_testkit::network::Encrypted;
use serde_json::{Value, json};

use crate::program::World;

/// A key that must never be seen.
const CANARY: &str = "canary-5d1e-key";

/// A server that answers GET requests; it lives as long as the tests.
struct Lists {
    address: String,
    /// The heads of the requests, in lower case.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Lists {
    /// `answer` makes the status line with headers, and the body, of a path.
    fn start(answer: impl Fn(&str) -> (String, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = head(&mut stream);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push(head.to_lowercase());
                let (status, body) = answer(&path);
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or_default() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn ok(body: &Value) -> (String, String) {
    ("200 OK".to_owned(), body.to_string())
}

/// A world where the types are at these addresses, each with the key `<TYPE>_TEST_KEY`.
fn world(types: &[(&str, String)]) -> World {
    let world = World::new();
    let backends: serde_json::Map<String, Value> = types
        .iter()
        .map(|(kind, url)| {
            let variable = format!("{}_TEST_KEY", kind.to_uppercase());
            ((*kind).to_owned(), json!({"base_url": url, "key_variables": [variable]}))
        })
        .collect();
    let path = world.home().join(".config/massgen/models.yaml");
    world.write(&path.display().to_string(), &json!({ "backends": backends }).to_string());
    world
}

/// The entry of a type in the JSON.
fn of<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let providers = report["providers"].as_array().unwrap();
    providers.iter().find(|provider| provider["type"] == kind).unwrap_or(&Value::Null)
}

#[test]
fn services_are_asked_in_their_own_way_and_their_models_are_told_for_programs() {
    let server = Lists::start(|path| match path {
        "/groq/models" => ok(&json!({"data": [
            {"id": "z-model", "context_window": 131_072, "max_completion_tokens": 8192},
            {"id": "a-model", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}]})),
        "/claude/v1/models?limit=1000" => {
            ok(&json!({"data": [{"id": "claude-one"}], "has_more": true, "last_id": "claude-one"}))
        }
        "/claude/v1/models?limit=1000&after_id=claude-one" => {
            ok(&json!({"data": [{"id": "claude-two", "max_input_tokens": 200_000}], "has_more": false}))
        }
        "/gemini/models?pageSize=1000" => {
            ok(&json!({"models": [{"name": "models/gemini-one"}], "nextPageToken": "n x"}))
        }
        "/gemini/models?pageSize=1000&pageToken=n+x" => {
            ok(&json!({"models": [{"name": "models/gemini-two"}]}))
        }
        _ => ("404 Not Found".to_owned(), "{}".to_owned()),
    });
    let at = |name: &str| format!("{}/{name}", server.address);
    let world = world(&[("groq", at("groq")), ("claude", at("claude")), ("gemini", at("gemini"))]);
    let keys = [("GROQ_TEST_KEY", CANARY), ("CLAUDE_TEST_KEY", CANARY), ("GEMINI_TEST_KEY", CANARY)];
    let told = world.run_with(&keys, &["models", "--json"]).exits(0);
    assert!(!told.to_string().contains(CANARY), "{told}");
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    let names = |kind| -> Vec<_> {
        of(&report, kind)["models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect()
    };
    assert_eq!(names("groq"), ["a-model", "z-model"]);
    assert_eq!(names("claude"), ["claude-one", "claude-two"]);
    assert_eq!(names("gemini"), ["gemini-one", "gemini-two"]);
    assert_eq!(of(&report, "groq")["source"], "live");
    assert_eq!(of(&report, "groq")["models"][0]["price"]["output"].as_f64(), Some(2.0));
    assert_eq!(of(&report, "groq")["models"][1]["context_window"], 131_072);
    assert!(of(&report, "groq")["models"][0]["context_window"].is_null(), "{told}");
    for (path, header) in [
        ("/groq/models", format!("authorization: bearer {CANARY}\r\n")),
        ("/claude/v1/models", format!("x-api-key: {CANARY}\r\n")),
        ("/claude/v1/models", "anthropic-version: 2023-06-01\r\n".to_owned()),
        ("/gemini/models", format!("x-goog-api-key: {CANARY}\r\n")),
    ] {
        let heads = server.heads();
        let of_path: Vec<_> = heads.iter().filter(|head| head.starts_with(&format!("get {path}"))).collect();
        assert!(
            !of_path.is_empty() && of_path.iter().all(|head| head.contains(&header)),
            "{path} {header}: {heads:?}"
        );
        assert!(heads.iter().all(|head| !head.lines().next().unwrap().contains(CANARY)), "{heads:?}");
    }
}

#[test]
fn services_that_fail_are_told_and_do_not_stop_the_others() {
    let elsewhere = Lists::start(|_| ok(&json!({"data": [{"id": "stolen"}]})));
    let target = elsewhere.address.clone();
    let server = Lists::start(move |path| match path {
        "/groq/models" => ok(&json!({"data": [{"id": "a-model"}]})),
        "/together/models" => (format!("302 Found\r\nlocation: {target}/models"), String::new()),
        "/moonshot/models" => {
            let error =
                json!({"error": {"message": format!("bad key {CANARY} \u{1b}[31mred"), "type": "invalid"}});
            ("401 Unauthorized".to_owned(), error.to_string())
        }
        "/nebius/models" => ("200 OK".to_owned(), "x".repeat(5 * 1024 * 1024)),
        _ => ("200 OK".to_owned(), "<html>".to_owned()),
    });
    let types = ["groq", "together", "moonshot", "nebius", "cerebras"];
    let at: Vec<_> = types.iter().map(|kind| (*kind, format!("{}/{kind}", server.address))).collect();
    let world = world(&at);
    let variables: Vec<String> =
        types.iter().map(|kind| format!("{}_TEST_KEY", kind.to_uppercase())).collect();
    let keys: Vec<_> = variables.iter().map(|name| (name.as_str(), CANARY)).collect();
    let told = world.run_with(&keys, &["models"]).exits(0);
    assert!(!told.to_string().contains(CANARY) && !told.to_string().contains('\u{1b}'), "{told}");
    assert!(told.stdout.contains("groq (Groq): 1 model, from the service\n"), "{told}");
    assert!(told.stdout.contains("\n  a-model"), "{told}");
    assert!(!told.to_string().contains("stolen") && elsewhere.heads().is_empty(), "{told}");
    for (kind, problem) in [
        ("together", "302 Found, a redirect to"),
        ("moonshot", "401 Unauthorized: bad key [key]"),
        ("nebius", "a list of more than"),
        ("cerebras", "no JSON"),
    ] {
        let is_told = |line: &&str| line.starts_with(&format!("warning: {kind}: ")) && line.contains(problem);
        assert!(told.stderr.lines().any(|line| is_told(&line)), "{kind}: {told}");
    }
    let told = world.run_with(&keys, &["models", "--backend", "cerebras", "--json"]).exits(1);
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert!(of(&report, "cerebras")["error"].as_str().unwrap().contains("no JSON"), "{told}");
}

#[test]
fn without_a_key_nobody_is_asked_and_the_catalogue_can_be_had() {
    let world = World::new();
    let told = world.run(&["models", "--backend", "openai"]).exits(0);
    assert!(told.stdout.starts_with("openai (OpenAI): "), "{told}");
    assert!(told.stdout.contains(", from the built-in catalogue\n"), "{told}");
    let told = world.run(&["models", "--all", "--json", "--backend", "claude"]).exits(0);
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    let models = of(&report, "claude")["models"].as_array().unwrap();
    let known = models.iter().find(|model| model["name"] == "claude-opus-4-6").unwrap();
    assert!(known["context_window"].as_u64().unwrap() >= 200_000, "{known}");
    assert_eq!(known["capabilities"]["tools"], true);
    assert_eq!(known["provider_tools"][0], "web_search");
    let told = world.run(&["models", "--backend", "nonsense"]).exits(2);
    assert!(told.stderr.contains("there is no backend type `nonsense`"), "{told}");
}

#[test]
fn a_local_server_is_listed_when_it_answers_and_passed_over_when_not() {
    let server = Lists::start(|_| ok(&json!({"data": [{"id": "my/local-model", "max_model_len": 40960}]})));
    let closed = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    let world = world(&[
        ("vllm", format!("{}/v1", server.address)),
        ("lmstudio", closed.clone()),
        ("sglang", closed),
    ]);
    let told = world.run(&["models"]).exits(0);
    assert_eq!(told.stderr, "", "{told}");
    let line = told.stdout.lines().find(|line| line.contains("my/local-model")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["my/local-model", "41k", "-", "free", "free", "free", "-"]
    );
    assert!(!told.stdout.contains("lmstudio"), "{told}");
    assert!(!server.heads()[0].contains("authorization"), "{:?}", server.heads());
    let told = world.run(&["models", "--backend", "lmstudio"]).exits(1);
    assert!(told.stderr.starts_with("warning: lmstudio: no connection to"), "{told}");
}

#[test]
fn an_authority_of_ones_own_is_trusted_for_lists_too() {
    let server = Lists::start(|_| ok(&json!({"data": [{"id": "behind-tls"}]})));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let target = server.address.trim_start_matches("http://").parse().unwrap();
    let encrypted = runtime.block_on(Encrypted::start(&["localhost"], target)).unwrap();
    let world = world(&[("groq", format!("https://localhost:{}", encrypted.address().port()))]);
    let bundle = world.write("authority.pem", encrypted.authority());
    let key = ("GROQ_TEST_KEY", CANARY);
    let told = world.run_with(&[key], &["models", "--backend", "groq"]).exits(1);
    assert!(told.stderr.contains("no trusted connection to `localhost:"), "{told}");
    let trusting = [key, ("MASSGEN_CA_BUNDLE", bundle.to_str().unwrap())];
    let told = world.run_with(&trusting, &["models", "--backend", "groq"]).exits(0);
    assert!(told.stdout.contains("\n  behind-tls"), "{told}");
}

#[test]
fn an_address_in_a_region_has_no_list_and_nobody_is_asked_for_it() {
    let world = World::new();
    for region in [None, Some(("AWS_REGION", "us-east-1"))] {
        // Whoever is asked is asked through the proxy, where nobody listens.
        let variables =
            [Some(("AWS_BEARER_TOKEN_BEDROCK", CANARY)), Some(("HTTPS_PROXY", "http://127.0.0.1:9")), region];
        let variables: Vec<_> = variables.into_iter().flatten().collect();
        let told = world.run_with(&variables, &["models"]).exits(0);
        assert_eq!(told.stderr, "", "{told}");
        assert!(
            told.stdout.contains("bedrock (Amazon Bedrock): 2 models, from the built-in catalogue"),
            "{told}"
        );
        assert!(!told.to_string().contains("REGION"), "{told}");
    }
}

#[test]
fn the_services_of_the_configuration_are_asked_where_and_as_it_says() {
    let server = Lists::start(|path| match path {
        "/gateway/v1/models" => ok(&json!({"data": [{"id": "of-the-gateway"}]})),
        "/own/v1/models" => ok(&json!({"data": [{"id": "of-my-server"}]})),
        "/usual/models" => ok(&json!({"data": [{"id": "of-the-usual-place"}]})),
        _ => ("404 Not Found".to_owned(), "{}".to_owned()),
    });
    let at = |name: &str| format!("{}/{name}", server.address);
    let world = world(&[("openai", at("usual"))]);
    let gateway = json!({"type": "openai", "model": "m", "base_url": at("gateway/v1"),
        "api_key_command": ["echo", CANARY], "extra_headers": {"X-Team": "blue"}});
    let own = json!({"type": "chatcompletion", "model": "m", "base_url": at("own/v1")});
    let config = json!({"agents": [{"id": "a", "backend": gateway}, {"id": "b", "backend": own}]});
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run_with(&[("OPENAI_TEST_KEY", "another-key")], &["models"]).exits(0);
    let host = server.address.trim_start_matches("http://");
    assert!(told.stdout.contains(&format!("openai (OpenAI at {host}): 1 model, from the service")), "{told}");
    assert!(told.stdout.contains("\n  of-the-gateway") && told.stdout.contains("\n  of-my-server"), "{told}");
    assert!(!told.stdout.contains("of-the-usual-place"), "the configuration says where");
    assert!(!told.to_string().contains(CANARY), "{told}");
    let heads = server.heads();
    let gateway = heads.iter().find(|head| head.starts_with("get /gateway")).unwrap();
    for header in [format!("authorization: bearer {CANARY}\r\n"), "x-team: blue\r\n".to_owned()] {
        assert!(gateway.contains(&header), "{gateway}");
    }
    let own = heads.iter().find(|head| head.starts_with("get /own")).unwrap();
    assert!(!own.contains("authorization"), "{own}");

    world.write(".massgen/config.yaml", "agents: [{id: a, backend: {type: nonsense}}]");
    let told = world.run_with(&[("OPENAI_TEST_KEY", "another-key")], &["models"]).exits(0);
    assert!(told.stdout.contains("of-the-usual-place"), "{told}");
    assert!(told.stderr.contains("the configuration `.massgen/config.yaml` cannot be used"), "{told}");
}
