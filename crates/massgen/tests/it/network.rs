//! Ways to services: keys from commands, authorities of one's own, proxies, services that break down or limit their rate.

use massgen_testkit::model_server::ScriptedReply;
use serde_json::{Value, json};

use crate::program::{Told, World, files};
use crate::server::{Server, team};

const CANARY: &str = "sk-canary-0123456789abcdef";

/// What was told, without the breaks of its lines.
fn unwrapped(told: &Told) -> String {
    told.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A world with one agent, whose backend also says `more`.
fn world(server: &Server, base_url: &str, more: &Value) -> World {
    let mut config = server.config(1);
    let backend = config["agents"][0]["backend"].as_object_mut().unwrap();
    backend.insert("base_url".to_owned(), json!(base_url));
    backend.extend(more.as_object().unwrap().clone());
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    world
}

#[test]
fn a_command_gives_the_key_once_and_no_file_holds_it() {
    let server = Server::start(|request| {
        let told = request.headers.get("authorization").unwrap().to_str().unwrap();
        team(request).with_reasoning(format!("I was sent {told}"))
    });
    let command = format!("echo run >> count; echo {}'{}'", &CANARY[..9], &CANARY[9..]);
    let world = world(&server, &server.base_url(), &json!({ "api_key_command": command }));
    world.run(&["trust"]).exits(0);
    let told = world.run(&["--automation", "why?"]).exits(0);
    assert!(server.requests().len() > 1);
    for request in server.requests() {
        assert_eq!(request.authorization.as_deref(), Some(format!("Bearer {CANARY}").as_str()));
    }
    assert_eq!(world.read("count"), "run\n");
    assert!(!told.to_string().contains(CANARY), "{told}");
    for (path, bytes) in files(&world.work()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{}", path.display());
    }
}

#[test]
fn a_command_that_fails_ends_the_program_before_anything_is_asked() {
    let server = Server::start(team);
    let command = format!("echo {CANARY}; echo 'the store is locked' >&2; exit 7");
    let world = world(&server, &server.base_url(), &json!({ "api_key_command": ["sh", "-c", command] }));
    world.run(&["trust"]).exits(0);
    let told = world.run(&["why?"]).exits(1);
    let problem =
        "error: agent `agent_a`: the command for its key ended with exit code 7: the store is locked";
    assert!(told.stderr.contains(problem), "{told}");
    assert!(server.requests().is_empty() && world.log_dirs().is_empty());
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let server = Server::start(team);
    let encrypted = server.encrypted(&["localhost"]);
    let base_url = format!("https://localhost:{}/v1", encrypted.address().port());
    let world = world(&server, &base_url, &json!({}));
    let told = world.run(&["why?"]).exits(2);
    let problem = "invalid peer certificate: UnknownIssuer; name the file of your own authority in \
                   `MASSGEN_CA_BUNDLE` (network error, 1 attempt)";
    let unwrapped = unwrapped(&told);
    assert!(
        unwrapped.contains("no trusted connection to `localhost:") && unwrapped.contains(problem),
        "{told}"
    );
    assert!(server.requests().is_empty());
    let bundle = world.write("authority.pem", encrypted.authority());
    for variable in ["MASSGEN_CA_BUNDLE", "SSL_CERT_FILE"] {
        let before = server.requests().len();
        world.run_with(&[(variable, bundle.to_str().unwrap())], &["why?"]).exits(0);
        assert!(server.requests().len() > before, "{variable}");
    }
    let not_one = world.write("not_one.pem", "certainly not");
    for path in [not_one.to_str().unwrap(), "/nowhere/at-all.pem"] {
        let told = world.run_with(&[("MASSGEN_CA_BUNDLE", path)], &["why?"]).exits(1);
        assert!(told.stderr.contains(&format!("the authorities in `{path}` cannot be used: ")), "{told}");
    }
    world.write(".env", "MASSGEN_CA_BUNDLE=authority.pem\n");
    world.run(&["why?"]).exits(2);
}

#[test]
fn a_proxy_of_the_environment_is_used_and_reads_no_key() {
    let server = Server::start(team);
    let encrypted = server.encrypted(&["models.test"]);
    let proxy = server.tunnel_proxy(encrypted.address());
    let world = world(&server, "https://models.test/v1", &json!({ "api_key": "${TEAM_API_KEY}" }));
    let bundle = world.write("authority.pem", encrypted.authority());
    let address = format!("http://{}", proxy.address());
    let variables = [
        ("HTTPS_PROXY", address.as_str()),
        ("MASSGEN_CA_BUNDLE", bundle.to_str().unwrap()),
        ("TEAM_API_KEY", CANARY),
    ];
    world.run_with(&variables, &["trust"]).exits(0);
    world.run_with(&variables, &["why?"]).exits(0);
    assert!(server.requests().len() > 1);
    assert_eq!(server.requests()[0].authorization, Some(format!("Bearer {CANARY}")));
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with("CONNECT models.test:443 HTTP/1.1\r\n") && !head.contains(CANARY), "{head}");
    }
}

#[test]
fn hosts_that_the_environment_excepts_and_this_machine_are_not_reached_through_a_proxy() {
    let server = Server::start(team);
    let proxy = server.tunnel_proxy(server.address());
    let address = format!("http://{}", proxy.address());
    let everywhere = [("HTTPS_PROXY", address.as_str()), ("HTTP_PROXY", &address), ("ALL_PROXY", &address)];
    world(&server, &server.base_url(), &json!({})).run_with(&everywhere, &["why?"]).exits(0);
    let excepted = [everywhere[0], ("NO_PROXY", "other.test,models.test")];
    let world = world(&server, "https://models.test/v1", &json!({}));
    world.run_with(&excepted, &["--orchestrator-timeout", "1", "why?"]);
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[test]
fn a_service_that_breaks_down_is_left_alone_and_taken_up_again() {
    let server = Server::start(|request| {
        if request.number < 2 { ScriptedReply::refusal(503, "overloaded", "busy") } else { team(request) }
    });
    let breaker = json!({
        "llm_circuit_breaker_enabled": true,
        "llm_circuit_breaker_max_failures": 2,
        "llm_circuit_breaker_reset_time_seconds": 0.05,
    });
    let world = world(&server, &server.base_url(), &breaker);
    let told = world.run(&["--no-display", "why?"]).exits(0);
    let host = server.address();
    for line in [
        format!("calls to m at {host} stop for 1 s: it failed 2 times in a row"),
        format!("m at {host} answers again, calls go on"),
    ] {
        assert!(unwrapped(&told).contains(&line), "{line}\n{told}");
    }
    let events = fs_err::read_to_string(world.attempt().join("events.jsonl")).unwrap();
    assert!(events.contains("answers again, calls go on"), "{events}");
}

#[test]
fn a_rate_of_the_configuration_is_kept() {
    let server = Server::start(team);
    let mut config = server.config(1);
    config["rate_limits"] = json!({ "chatcompletion": { "default": { "rpd": 1 } } });
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run(&["--no-display", "why?"]);
    let problem =
        format!("the configured rate is used up: at most 1 request a day for m at {}", server.address());
    assert!(unwrapped(&told).contains(&problem), "{told}");
    assert_eq!(server.requests().len(), 1);
}
