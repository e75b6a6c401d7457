//! What `--validate` finds: the file as it stands, whatever the machine is like.

use massgen_config::backends::Backends;
use massgen_config::{Severity, Source, Style, Validation, render, validate};

use crate::told;

fn judge(text: &str) -> Vec<String> {
    told(&validate(&Source::new("config.yaml", text), Backends::built_in()))
}

/// Ten mistakes of ten kinds, each on the line that its comment counts.
const TEN: &str = "\
agents:
  - id: lead
    main_agent: true
    backend:
      type: claude
      model: claude-opus-4-6
      enable_x_search: true          # 7: not a capability of claude
  - id: coder
    main_agent: true                 # 9: two owners
    backend:
      type: codex                    # 11: no cwd
      mcp_servers:
        - name: time                 # 13: neither command nor args
          type: stdio
      hooks:
        PreToolUse:
          - matcher: '*'             # 17: no handler
orchestrator:
  voting_sensitvity: strict          # 19: slip
  context_paths:
    - permission: write              # 21: no path
  coordination:
    broadcast: everyone              # 23: no such choice
    subagent_min_timeout: 900        # 24: above the maximum
timeout_settings:
  orchestrator_timeout_seconds: -5   # 26: negative
";

#[test]
fn ten_mistakes_of_ten_kinds_give_ten_findings_at_their_lines() {
    let findings = validate(&Source::new("config.yaml", TEN), Backends::built_in());
    let lines: Vec<_> = findings.of(Severity::Error).map(|finding| finding.span().unwrap().line).collect();
    assert_eq!(lines, [7, 9, 11, 13, 17, 19, 21, 23, 24, 26], "{:#?}", told(&findings));
    assert!(findings.items().iter().all(|finding| finding.hint.is_some()));
    insta::assert_snapshot!("judged_plain", render(&findings, Style::Plain { width: 80 }));
    let json = findings.to_json();
    assert_eq!((&json["valid"], &json["error_count"]), (&false.into(), &10.into()));
    for list in ["errors", "warnings", "notices"] {
        for finding in json[list].as_array().unwrap() {
            let keys: Vec<_> = finding.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, ["message", "location", "suggestion", "file", "line", "column"]);
        }
    }
}

#[test]
fn variables_keys_and_paths_of_the_machine_are_no_findings() {
    let text = "agents:\n  - id: ${NAME}\n    system_message: Speak ${LANGUAGE}\n    backend:\n      type: chatcompletion\n      \
                model: ${MODEL}\n      base_url: ${ADDRESS}\n      api_key: ${TEAM_KEY}\n      temperature: ${WARM}\n      \
                response_format: {type: '${FORM}'}\n  - id: b\n    voting_sensitivity: ${HOW}\n    backend: {type: '${TYPE}'}\n\
                orchestrator:\n  context_paths: [{path: /nowhere/at/all}]\n  skip_voting: ${SKIP}\nprompt: ${QUESTION}\n";
    assert_eq!(judge(text), [""; 0]);
}

#[test]
fn a_type_that_does_not_run_yet_is_right_all_the_same() {
    let text = "agent:\n  id: a\n  backend:\n    type: copilot\n    api_key: sk-written-here\n    extra_body: {max_tokens: 1}\n    \
                base_url: nowhere\n    tempreature: 1\n";
    assert_eq!(
        judge(text),
        [
            "4 notice: the type `copilot` is not in this version yet: it needs the protocol of an agent program",
            "5 warning: a key is written into the configuration itself",
            "6 notice: without effect on the type `copilot`: `extra_body`",
            "6 error: `max_tokens` in `extra_body` would escape the budget",
            "7 error: `base_url` is no address: it does not begin with `https://` or `http://`",
            "8 error: unknown key `tempreature` in `agent.backend`",
        ]
    );
    let shown =
        render(&validate(&Source::new("c.yaml", text), Backends::built_in()), Style::Plain { width: 80 });
    assert!(!shown.contains("written-here"), "{shown}");
    assert!(
        !validate(
            &Source::new("c.yaml", "agent: {id: a, backend: {type: codex, cwd: w}}"),
            Backends::built_in()
        )
        .has_errors()
    );
}

#[test]
fn an_unknown_type_and_a_secret_in_a_text_are_errors_here_too() {
    assert_eq!(
        judge("agent: {id: a, system_message: '${MY_TOKEN}', backend: {type: gork}}"),
        [
            "1 error: `${MY_TOKEN}` looks like a key and cannot stand in `system_message`",
            "1 error: unknown backend type `gork`",
        ]
    );
}

#[test]
fn the_old_format_is_told_once_and_nothing_else() {
    let text = "models: [a, b]\nnum_agents: 3\nmax_rounds: 2\nunknown: 1\n";
    let findings = validate(&Source::new("config.yaml", text), Backends::built_in());
    assert_eq!(
        told(&findings),
        ["1 error: the file is in the format of an early MassGen, with `models`, `num_agents`, `max_rounds`"]
    );
    assert!(findings.items()[0].hint.as_deref().unwrap().contains("`agents: [{id: a, backend:"));
}

#[test]
fn a_parameter_passes_to_the_provider_that_documents_it() {
    let backend = |text: &str| judge(&format!("agent: {{id: a, backend: {{model: m, {text}}}}}"));
    assert_eq!(backend("type: vllm, guided_json: {type: object}"), [""; 0]);
    assert_eq!(
        backend("type: groq, guided_json: {}"),
        ["1 error: unknown key `guided_json` in `agent.backend`"]
    );
    let findings = validate(
        &Source::new("c", "agent: {id: a, backend: {type: groq, guided_json: {}}}"),
        Backends::built_in(),
    );
    assert_eq!(
        findings.items()[0].hint.as_deref(),
        Some(
            "it is a parameter of `chatcompletion`, `inference`, `vllm`; for others put it under `extra_body`"
        )
    );
}

#[test]
fn a_key_of_another_provider_is_told_once() {
    let text =
        "agent: {id: a, backend: {type: groq, permission_mode: plan, gemini_backoff_jitter: 0.5, region: x}}";
    assert_eq!(
        judge(text),
        ["1 notice: without effect on the type `groq`: `permission_mode`, `gemini_backoff_jitter`, `region`"]
    );
}

#[test]
fn a_strict_judgement_refuses_warnings_but_not_notices() {
    let refuses =
        |text: &str, validation| validate(&Source::new("c", text), Backends::built_in()).refuses(validation);
    let dead = "agent: {id: a, backend: {type: simulated}}\nui: {type: rich}\n";
    assert!(refuses(dead, Validation::Strict) && !refuses(dead, Validation::Normal));
    let later = "agent: {id: a, backend: {type: gemini, cwd: work}}\norchestrator: {voting_sensitivity: checklist_gated}\n";
    assert!(!refuses(later, Validation::Strict));
}

#[test]
fn json_is_judged_with_places_too() {
    let text = "{\n  \"agents\": [\n    {\"id\": \"a\", \"backend\": {\"type\": \"simulated\", \"modle\": \"\\ud83d\\ude00\"}}\n  ]\n}\n";
    assert_eq!(judge(text), ["3 error: unknown key `modle` in `agents[0].backend`"]);
}
