//! No key of the environment is in any file or line of a run.

use massgen_testkit::model_server::ScriptedReply;
use serde_json::json;

use crate::program::{World, files};
use crate::server::{Asked, Server, answer, asked, vote};

/// What must never be seen again.
const CANARY: &str = "sk-canary-0123456789abcdef";
const OTHER_CANARY: &str = "gsk-canary-fedcba9876543210";

/// A world whose agent sends the canary as its key, and a server that says it back wherever it can.
fn leaky() -> (Server, World) {
    let server = Server::start(|request| {
        let key =
            request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("none");
        let leak = format!("your key is {key} and the other is {OTHER_CANARY}");
        match (asked(request), request.repeat) {
            (Asked::First, 0) if request.call.as_deref() == Some("agent2-call-1") => {
                ScriptedReply::refusal(500, "server_error", &leak)
            }
            (Asked::First, _) => answer(&leak).with_reasoning(leak.clone()),
            (Asked::Judge, _) => vote("agent1").with(|reply| reply.text.clone_from(&leak)),
            (Asked::Present, _) => answer(&format!("finally: {leak}")),
        }
    });
    let world = World::new();
    let mut config = server.config(3);
    for agent in config["agents"].as_array_mut().unwrap() {
        agent["backend"]["api_key"] = json!("${TEAM_API_KEY}");
    }
    world.write(".massgen/config.yaml", &config.to_string());
    (server, world)
}

fn assert_clean(world: &World, told: &[&str]) {
    for text in told {
        assert!(!text.contains("canary"), "{text}");
    }
    let mut seen = 0;
    for folder in [world.work(), world.home()] {
        for (path, bytes) in files(&folder) {
            seen += 1;
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("canary"), "{} holds a key", path.display());
        }
    }
    assert!(seen > 8, "only {seen} files");
}

const KEYS: [(&str, &str); 2] = [("TEAM_API_KEY", CANARY), ("GROQ_API_KEY", OTHER_CANARY)];

#[test]
fn keys_that_a_server_says_back_are_in_no_file_and_no_line() {
    for manner in ["--automation", "--stream-events", "--no-display"] {
        let (server, world) = leaky();
        let question = format!("my key is {CANARY}, is that bad?");
        let told = world.run_with(&KEYS, &[manner, "--debug", "--record", "tape.jsonl", &question]).exits(0);
        assert!(
            server
                .requests()
                .iter()
                .all(|request| { request.authorization.as_deref() == Some(&format!("Bearer {CANARY}")) })
        );
        assert!(told.stdout.contains("[REDACTED]"), "{told}");
        assert_clean(&world, &[&told.stdout, &told.stderr]);
        let again = world.run_with(&KEYS, &["logs", "rebuild", "latest"]).exits(0);
        assert_clean(&world, &[&again.stdout, &again.stderr]);
    }
}

#[test]
fn a_key_that_is_refused_is_not_in_the_message() {
    let server =
        Server::start(|_| ScriptedReply::refusal(401, "invalid_api_key", &format!("bad key {CANARY}")));
    let world = World::new();
    let mut config = server.config(1);
    config["agents"][0]["backend"]["api_key"] = json!("${TEAM_API_KEY}");
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run_with(&KEYS, &["--automation", "why?"]).exits(2);
    assert_clean(&world, &[&told.stdout, &told.stderr]);
}
