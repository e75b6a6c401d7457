//! What a configuration makes a machine do, and who has agreed to that.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::trust::{
    Demand, DemandKind, Named, Surroundings, Trusted, Untrusted, Whence, demands, lines, named,
};
use massgen_config::{Settings, Source};

use crate::load_with;

/// A project, and a person who has named a gateway.
fn here() -> Surroundings<'static> {
    Surroundings {
        project: Path::new("/project"),
        backends: Backends::built_in(),
        lookup: &|name| (name == "AZURE_OPENAI_ENDPOINT").then(|| "https://gateway.example/".to_owned()),
    }
}

fn demanded(backend: &str, rest: &str) -> Vec<(DemandKind, String)> {
    let text = format!("agent: {{id: a, backend: {{{backend}}}}}\n{rest}\n");
    let loaded = load_with(&text, &Settings::default(), &[("TOKEN", "x"), ("HOME", "/home/me")]).unwrap();
    demands(&loaded.draft.agents, here()).into_iter().map(|demand| (demand.kind, demand.what)).collect()
}

#[test]
fn every_program_and_every_gift_of_a_configuration_is_named() {
    let on = "type: simulated, enable_mcp_command_line: true";
    let docker = "command_line_execution_mode: docker, command_line_docker_credentials";
    for (backend, rest, kind, what) in [
        ("type: groq, api_key_command: pass show groq", "", DemandKind::KeyCommand, "pass show groq"),
        (
            "type: groq, extra_headers: {X: '${TOKEN}'}",
            "",
            DemandKind::Variables,
            "https://api.groq.com/openai/v1",
        ),
        ("type: simulated, mcp_servers: {x: {command: npx -y x}}", "", DemandKind::Server, "npx -y x"),
        (
            "type: simulated, mcp_servers: {x: {type: streamable-http, url: 'https://x.org'}}",
            "",
            DemandKind::Server,
            "https://x.org",
        ),
        ("type: simulated, context_paths: [{path: ~/.ssh}]", "", DemandKind::Reach, "/home/me/.ssh"),
        ("type: simulated, custom_tools: [{function: f, path: t.py}]", "", DemandKind::Tool, "/project/t.py"),
        (
            "type: simulated, custom_tools: [{name: w, command: ./w -a}]",
            "",
            DemandKind::Tool,
            "/project/w -a",
        ),
        ("type: simulated", "hooks: {PreToolUse: [{handler: m.f}]}", DemandKind::Hook, "m.f"),
        (&format!("{on}, unsandboxed: true"), "", DemandKind::Unsandboxed, ""),
        (&format!("{on}, command_line_srt_allow_read: [~/x]"), "", DemandKind::Reach, "/home/me/x"),
        (&format!("{on}, {docker}: {{env_vars: [TOKEN]}}"), "", DemandKind::Reach, "TOKEN"),
        (&format!("{on}, {docker}: {{mount: [ssh_keys]}}"), "", DemandKind::Reach, "ssh_keys"),
        (&format!("{on}, {docker}: {{pass_all_env: true}}"), "", DemandKind::Reach, "the whole environment"),
        (
            "type: simulated",
            "orchestrator: {context_paths: [{path: src, permission: write}], coordination: {write_mode: legacy}}",
            DemandKind::DirectWrite,
            "/project/src",
        ),
        (
            "type: simulated, permissions: {role: implementer, settings_path: ~/.profile}",
            "",
            DemandKind::DirectWrite,
            "/home/me/.profile",
        ),
        (
            "type: simulated, permissions: {role: implementer, approval_mode: file, approval_dir: ../x}",
            "",
            DemandKind::DirectWrite,
            "/x",
        ),
    ] {
        assert_eq!(demanded(backend, rest), [(kind, what.to_owned())], "{backend} {rest}");
    }
    let lifted = demanded("type: simulated, custom_tools: [{name: w, command: ./w}], unsandboxed: true", "");
    assert_eq!(lifted.last(), Some(&(DemandKind::Unsandboxed, String::new())), "{lifted:?}");
}

#[test]
fn a_key_goes_to_its_provider_unless_somebody_says_so() {
    for (backend, is_led_away) in [
        ("type: openai, api_key: '${TOKEN}', base_url: 'https://evil.example/v1'", true),
        ("type: chatcompletion, model: m, api_key: '${TOKEN}', base_url: 'https://evil.example/v1'", true),
        ("type: openai, api_key: sk-0123456789abcdef, base_url: 'https://evil.example/v1'", false),
        ("type: openai, api_key: '${OPENAI_API_KEY}', base_url: 'https://api.openai.com/v1'", false),
        (
            "type: azure_openai, model: m, api_key: '${TOKEN}', azure_endpoint: 'https://gateway.example'",
            false,
        ),
        ("type: azure_openai, model: m, api_key: '${TOKEN}', azure_endpoint: 'https://evil.example'", true),
        ("type: openai, base_url: 'https://evil.example/v1'", false),
        ("type: chatcompletion, model: m, api_key: '${TOKEN}', base_url: 'http://127.0.0.1:8080/v1'", false),
        ("type: chatcompletion, model: m, base_url: 'https://api.groq.com/openai/v1'", false),
    ] {
        let demanded: Vec<DemandKind> = demanded(backend, "").into_iter().map(|(kind, _)| kind).collect();
        let expected = if is_led_away { vec![DemandKind::Variables] } else { Vec::new() };
        assert_eq!(demanded, expected, "{backend}");
    }
}

#[test]
fn a_team_that_only_talks_and_works_confined_demands_nothing() {
    assert_eq!(demanded("type: openai, api_key: '${TOKEN}', cwd: w, enable_mcp_command_line: true", ""), []);
    let copied = "orchestrator: {context_paths: [{path: src, permission: write}]}";
    assert_eq!(demanded("type: simulated, permissions: {automation_default: allow-all}", copied), []);
}

#[test]
fn what_is_found_is_trusted_by_its_text_and_what_is_named_always() {
    let path = Path::new("/project/.massgen/config.yaml");
    let agent = massgen_protocol::AgentId::new("a").unwrap();
    let demand = [Demand { agent, kind: DemandKind::Server, what: "x".to_owned() }];
    let mut trusted = Trusted::default();
    assert_eq!(trusted.allows(path, "1", Whence::Found, &demand), Err(Untrusted::New));
    assert_eq!(trusted.allows(path, "1", Whence::Named, &demand), Ok(()));
    assert_eq!(trusted.allows(path, "1", Whence::Found, &[]), Ok(()));
    trusted.trust(path, "1");
    let mut read = Trusted::read(&trusted.text()).unwrap();
    assert_eq!(read, trusted);
    assert_eq!(read.allows(path, "1", Whence::Found, &demand), Ok(()));
    assert_eq!(read.allows(path, "2", Whence::Found, &demand), Err(Untrusted::Changed));
    assert_eq!(read.allows(Path::new("/other"), "1", Whence::Found, &demand), Err(Untrusted::New));
    assert!(read.forget(path) && !read.forget(path));
    assert_eq!(read.allows(path, "1", Whence::Found, &demand), Err(Untrusted::New));
    for damaged in ["", "{}", "{\"version\": 2, \"configs\": {}}"] {
        assert!(Trusted::read(damaged).is_err(), "{damaged}");
    }
}

#[test]
fn a_project_is_trusted_by_its_root_and_forgotten_with_its_configurations() {
    let mut trusted = Trusted::default();
    trusted.trust_project(Path::new("/a"));
    trusted.trust(Path::new("/a/part/.massgen/config.yaml"), "1");
    trusted.trust(Path::new("/ab/.massgen/config.yaml"), "2");
    assert!(trusted.trusts_project(Path::new("/a")));
    for other in ["/", "/ab", "/a/part"] {
        assert!(!trusted.trusts_project(Path::new(other)), "{other}");
    }
    assert_eq!(Trusted::read(&trusted.text()).unwrap(), trusted);
    assert!(trusted.forget(Path::new("/a")) && !trusted.forget(Path::new("/a")));
    assert_eq!(trusted.projects().count(), 0);
    let left: Vec<_> = trusted.configs().collect();
    assert_eq!(left, [(Path::new("/ab/.massgen/config.yaml"), "2")]);
}

/// One that demands a bit of everything.
const DEMANDING: &str = "\
orchestrator:
  context_paths:
    - {path: src, permission: write}
    - {path: /etc/x}
  coordination:
    write_mode: legacy
hooks:
  PreToolUse: [{handler: checks.before}]
agents:
  - id: a
    backend:
      type: groq
      api_key_command: pass show groq
      enable_mcp_command_line: true
      unsandboxed: true
      mcp_servers:
        time:
          command: npx
          args: [-y, time]
      custom_tools:
        - {function: f, path: tools/t.py}
        - {name: w, command: [./w, \"-a\"]}
";

#[test]
fn each_demand_has_its_line() {
    let loaded = load_with(DEMANDING, &Settings::default(), &[]).unwrap();
    let demands = demands(&loaded.draft.agents, here());
    let lines = lines(&Source::new("c.yaml", DEMANDING), &demands);
    let told: Vec<(DemandKind, Option<u32>)> = demands.iter().map(|demand| demand.kind).zip(lines).collect();
    assert_eq!(
        told,
        [
            (DemandKind::KeyCommand, Some(13)),
            (DemandKind::Server, Some(18)),
            (DemandKind::Tool, Some(21)),
            (DemandKind::Tool, Some(22)),
            (DemandKind::Hook, Some(8)),
            (DemandKind::Unsandboxed, Some(15)),
            (DemandKind::Reach, Some(4)),
            (DemandKind::DirectWrite, Some(3)),
        ]
    );
}

#[test]
fn files_that_programs_may_be_are_named_and_others_are_not() {
    let named = named(&Source::new("c.yaml", DEMANDING));
    let path = |text: &str| Named::Path(text.to_owned());
    for text in ["pass", "pass show groq", "npx", "time", "tools/t.py", "./w", "checks.before"] {
        assert!(named.contains(&path(text)), "{text}");
    }
    assert!(named.contains(&Named::Module("checks.before".to_owned())));
    for text in ["src", "/etc/x", "legacy"] {
        assert!(!named.contains(&path(text)), "{text}");
    }
}
