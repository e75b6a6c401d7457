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

/// Every place of a configuration in which a secret may be written down, each with a canary of its own. The agent is
/// simulated and says one of them.
const WRITTEN: &str = r#"
agents:
  - id: a
    backend:
      type: simulated
      script: script.yaml
      latency_ms: 0
      tokens_per_second: 0
      api_key: canary-00-key
      mcp_servers:
        - name: one
          command: python3
          args:
            - --api-key
            - canary-01-flag
            - --token=canary-02-joined
            - --header
            - "Authorization: Bearer canary-03-header"
            - -e
            - PLAIN=canary-04-assigned
            - https://me:canary-05-pw@h.example/mcp?k=canary-06-query
            - '{"apiKey": "canary-07-json"}'
            - sh -c "serve --secret canary-08-line"
          env:
            HARMLESS: ntn_canary-09-env
            MODEL: some-model-4-2025
            LANG: canary-words
            SETTINGS: '{"Authorization": "Bearer canary-10-nested"}'
        - name: two
          type: streamable-http
          url: https://canary-12-user:canary-13-pw@h.example/mcp?sig=canary-14-query#canary-15-fragment
          headers:
            X-Anything: sk-canary-16-header
            Authorization: Bearer canary-17-bearer
        - name: three
          command: serve --password canary-18-command
      custom_tools:
        - function: f
          path: f.py
          preset_args: {where: there}
    system_message: "the database is at postgres://me:canary-21-text@h.example/db"
"#;

fn world_with_canaries(text: &str) -> World {
    let world = World::new();
    world.write("script.yaml", "agents: {default: {replies: [[{answer: an answer}], [{vote: agent1}]], present: [[{answer: some-model-4-2025 says the key is ntn_canary-09-env or canary-17-bearer}]]}}\n");
    world.write("team.yaml", text);
    world
}

/// No canary in the output, or on the disk but for the configuration itself.
fn assert_no_canary(world: &World, told: &crate::program::Told) {
    for line in told.stdout.lines().chain(told.stderr.lines()) {
        assert!(!line.contains("canary"), "{line}");
    }
    for folder in [world.work(), world.home()] {
        for (path, bytes) in files(&folder) {
            let text = String::from_utf8_lossy(&bytes);
            let is_ours = path.ends_with("team.yaml") || path.ends_with("script.yaml");
            let around: Option<String> = text.find("canary").map(|at| text[at..].chars().take(40).collect());
            assert!(is_ours || around.is_none(), "{} holds a secret: {around:?}", path.display());
        }
    }
}

#[test]
fn what_was_written_into_a_configuration_is_shown_nowhere() {
    let world = world_with_canaries(WRITTEN);
    for words in [
        &["config", "show", "--config", "team.yaml"][..],
        &["config", "show", "--config", "team.yaml", "--json"],
        &["config", "show", "--config", "team.yaml", "--all"],
        &["--validate", "team.yaml"],
        &["--validate", "team.yaml", "--json"],
    ] {
        let told = world.run(words);
        assert!(told.code == Some(0) && !told.stdout.is_empty(), "{words:?} {told}");
        assert_no_canary(&world, &told);
    }
}

#[test]
fn what_was_written_into_a_configuration_is_in_no_file_of_a_run() {
    let world = world_with_canaries(WRITTEN);
    for manner in ["--automation", "--stream-events", "--no-display"] {
        let told = world
            .run(&["--config", "team.yaml", manner, "--debug", "is sk-canary-16-header a key?"])
            .exits(0);
        // A name of a model is covered where the configuration is shown, and stays where somebody speaks of it.
        assert!(told.stdout.contains("some-model-4-2025 says the key is [REDACTED] or [REDACTED]"), "{told}");
        let remark =
            "warning: the system message of `a` holds a secret; the model gets `[REDACTED]` in its place";
        assert!(told.stderr.contains(remark), "{told}");
        assert_no_canary(&world, &told);
        let again = world.run(&["logs", "rebuild", "latest"]).exits(0);
        assert_no_canary(&world, &again);
    }
    assert!(world.log_dirs().len() == 3);
}

#[test]
fn what_is_wrong_is_told_without_what_was_written_beside_it() {
    for (from, to) in [
        // No YAML any more, near each kind of place.
        ("          env:\n", "          env: [\n"),
        ("            X-Anything:", "           X-Anything:"),
        ("            - --token=", "           - --token="),
        ("          url: ", "          url: ["),
        // Wrong shapes, wrong names, wrong values.
        ("            SETTINGS: ", "            DEEP: {LIST: [canary-11-deep]}\n            SETTINGS: "),
        ("{where: there}", "{api_key: canary-19-preset, where: 'https://x:canary-20-pw@h.example'}"),
        (
            "          args:\n            - --api-key\n",
            "          args: --api-key canary-22-long-enough-to-be-cut-off-in-a-message\n          more:\n            - --api-key\n",
        ),
        ("          headers:\n", "          heders:\n"),
        ("          env:\n", "          evn:\n"),
        ("          url: https://", "          url: "),
        (
            "      type: simulated",
            "      type: openai\n      base_url: https://me:canary-23-pw@h.example/v1?k=canary-24-query",
        ),
        ("      type: simulated", "      type: openai\n      base_url: me:canary-25-pw@h.example"),
        ("      type: simulated", "      type: openai\n      extra_body: {headers: {X-Some: canary-26-x}}"),
    ] {
        let text = WRITTEN.replacen(from, to, 1);
        assert_ne!(text, WRITTEN, "{from}");
        let world = world_with_canaries(&text);
        for words in [
            &["--validate", "team.yaml"][..],
            &["--validate", "team.yaml", "--json"],
            &["config", "show", "--config", "team.yaml"],
            &["config", "show", "--config", "team.yaml", "--json"],
            &["--config", "team.yaml", "--debug", "why?"],
        ] {
            assert_no_canary(&world, &world.run(words));
        }
    }
}
