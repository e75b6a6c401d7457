//! The values in force and where they come from.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::{
    Defaults, Effective, EffectiveRequest, Modes, Settings, Source, ValueOrigin, effective,
};
use serde_json::json;

const TEXT: &str = "\
agents:
  - id: writer
    system_message: Answer in ${LANGUAGE}.
    backend:
      type: groq
      api_key: sk-canary-0123456789
      temperature: 0.5
      stop: [END, '${STOP}']
      user: me
      cwd: work
      mcp_servers: [{name: time, command: mcp-time, env: {TOKEN: sk-canary-0123456789}}]
  - id: checker
    backend: {type: simulated, seed: 7}
orchestrator:
  skip_voting: null
  max_new_answers_per_agent: 3
  coordination: {max_tasks_per_plan: 20}
ui: {type: rich}
prompt: A question that is far too long to stand in one column of a table of eighty columns
";

fn show(text: &str, settings: &Settings, defaults: Defaults) -> Effective {
    effective(EffectiveRequest {
        source: Some(&Source::new("config.yaml", text)),
        settings,
        lookup: &|name| match name {
            "LANGUAGE" => Some("Latin".to_owned()),
            "STOP" => Some("FIN".to_owned()),
            _ => None,
        },
        working_directory: Path::new("/project"),
        backends: Backends::built_in(),
        defaults,
    })
}

#[test]
fn every_written_value_is_listed_with_its_origin() {
    let settings = Settings { orchestrator_timeout: Some(60), ..Settings::default() };
    let shown = show(TEXT, &settings, Defaults::Hidden);
    insta::assert_snapshot!("effective_table", shown.table(80));
    let all = shown.to_json();
    for (path, value, origin, effect) in [
        (
            "agents[0].backend.temperature",
            json!(0.5),
            json!({ "kind": "file", "file": "config.yaml", "line": 7, "column": 20 }),
            "active",
        ),
        (
            "agents[0].system_message",
            json!("Answer in Latin."),
            json!({ "kind": "environment", "variables": ["LANGUAGE"] }),
            "active",
        ),
        (
            "timeout_settings.orchestrator_timeout_seconds",
            json!(60),
            json!({ "kind": "flag", "flag": "--orchestrator-timeout" }),
            "active",
        ),
        (
            "ui.type",
            json!("rich"),
            json!({ "kind": "file", "file": "config.yaml", "line": 18, "column": 12 }),
            "deprecated",
        ),
    ] {
        let found = all["values"].as_array().unwrap().iter().find(|value| value["path"] == path);
        let wanted =
            json!({ "path": path, "value": value, "words": null, "origin": origin, "effect": effect });
        assert_eq!(found, Some(&wanted));
    }
    assert!(!all.to_string().contains("canary") && !shown.table(200).contains("canary"));
    assert!(!format!("{shown:?}").contains("canary"));
    let told = crate::told(&shown.findings);
    assert_eq!(told.iter().filter(|line| line.contains("`max_tasks_per_plan`")).count(), 1, "{told:?}");
}

#[test]
fn defaults_are_listed_on_request() {
    let shown = show("agent: {id: a, backend: {type: groq}}", &Settings::default(), Defaults::Shown);
    let of = |path: &str| shown.values.iter().find(|value| value.path == path);
    assert_eq!(of("agent.backend.model").unwrap().value, "llama-3.3-70b-versatile");
    assert_eq!(of("orchestrator.coordination.enforcement_attempts").unwrap().value, 3);
    assert_eq!(of("orchestrator.budget.max_cost").unwrap().words, Some("no limit"));
    assert!(of("agent.backend.latency_ms").is_none(), "it is for `simulated`");
    assert!(of("orchestrator.snapshot_storage").is_none() && of("memory.enabled").is_none());
    insta::assert_snapshot!("effective_defaults", shown.table(80));
}

#[test]
fn flags_alone_have_values_too() {
    let settings = Settings {
        model: Some("gpt-4o".into()),
        modes: Modes { quick: true, ..Modes::default() },
        ..Settings::default()
    };
    let shown = effective(EffectiveRequest {
        source: None,
        settings: &settings,
        lookup: &|_| None,
        working_directory: Path::new("/project"),
        backends: Backends::built_in(),
        defaults: Defaults::Hidden,
    });
    insta::assert_snapshot!("effective_flags", shown.table(80));
}

#[test]
fn a_broken_file_still_shows_what_can_be_read() {
    let shown =
        show("agent: {id: a, backend: {type: groq, modle: x}}", &Settings::default(), Defaults::Hidden);
    assert!(shown.findings.has_errors() && shown.values.iter().any(|value| value.path == "agent.id"));
    let nothing = show("agents: [", &Settings::default(), Defaults::Shown);
    assert!(nothing.findings.has_errors() && nothing.values.is_empty());
}

#[test]
fn the_workspace_stands_for_cwd_inside_its_backend() {
    let text = "agent: {id: a, backend: {type: groq, cwd: work2, extra_body: {dir: '${cwd}/out'}}}";
    let shown = show(text, &Settings::default(), Defaults::Hidden);
    let body = shown.values.iter().find(|value| value.path == "agent.backend.extra_body").unwrap();
    assert_eq!(body.value["dir"], "/project/.massgen/workspaces/work2/out");
    assert!(matches!(body.origin, ValueOrigin::File { line: 1, .. }), "{:?}", body.origin);
    let without = show(&text.replace("cwd: work2, ", ""), &Settings::default(), Defaults::Hidden);
    let finding = &without.findings.items()[0];
    assert_eq!(finding.message, "the environment variable `cwd` is not set");
    assert_eq!(
        finding.hint.as_deref(),
        Some("`${cwd}` is the workspace of an agent: give its `backend` a `cwd`")
    );
}
