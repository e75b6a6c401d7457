//! What a person and a program see of a configuration with mistakes.

use massgen_config::{Settings, Severity, Style, Validation, render};

use crate::{load_text, load_with, told};

const TEN: &str = r#"# A team with ten mistakes in it.
agents:
  - id: writer
    backend:
      type: opnai
      model: gpt-5.4
  - id: writer
    backend:
      type: groq
      temperature: 9.5
      max_tokens: many
  - id: ../up
    voting_sensitivity: strickt
    backend:
      type: lmstudio
      model: any
      base_url: localhost:8080
orchestrator:
  voting_sensitivty: strict
  skip_voting: "yes"
  budget:
    max_cost: 0
"#;

#[test]
fn ten_mistakes_give_ten_findings_each_at_its_line() {
    let findings = load_text(TEN).unwrap_err();
    assert_eq!(findings.count(Severity::Error), 10, "{:#?}", told(&findings));
    let lines: Vec<_> = findings.of(Severity::Error).map(|finding| finding.span().unwrap().line).collect();
    assert_eq!(lines, [5, 7, 10, 11, 12, 13, 17, 19, 20, 22]);
    assert!(findings.of(Severity::Error).all(|finding| finding.hint.is_some()));
    insta::assert_snapshot!("ten_mistakes_plain", render(&findings, Style::Plain { width: 80 }));
    insta::assert_json_snapshot!("ten_mistakes_json", findings.to_json());
}

#[test]
fn a_terminal_gets_the_findings_drawn() {
    let findings = load_text(TEN).unwrap_err();
    let drawn = render(&findings, Style::Drawn { width: 80 });
    assert!(drawn.contains("\u{1b}["), "no colour");
    assert!(
        drawn.contains("config.yaml:19:3") && drawn.contains("did you mean `voting_sensitivity`?"),
        "{drawn}"
    );
    assert!(drawn.ends_with("in config.yaml\n"));
}

#[test]
fn no_line_of_the_plain_form_is_wider_than_the_terminal() {
    let long =
        format!("agents:\n  - {{id: a, backend: {{type: simulated, {}: 1}}}}\n", "very_long_key".repeat(12));
    for text in [TEN, &long] {
        let plain = render(&load_text(text).unwrap_err(), Style::Plain { width: 60 });
        let widest =
            plain.lines().filter(|line| !line.contains("very_long")).map(|line| line.chars().count()).max();
        assert!(widest <= Some(60), "{plain}");
    }
}

#[test]
fn texts_that_are_no_yaml_are_refused_with_the_place() {
    for (text, line) in [
        ("agents: [\n  {id: a\n", 2),
        ("agents:\n  - id: a\n id: b\n", 3),
        ("agents: []\nagents: []\n", 2),
        ("a: 1\n---\nb: 2\n", 3),
        ("prompt: 'open\n", 2),
        ("agents: *nothing\n", 1),
    ] {
        let findings = load_text(text).unwrap_err();
        let finding = &findings.items()[0];
        assert_eq!(finding.path, "file");
        assert_eq!(finding.span().map(|span| span.line), Some(line), "{text:?}: {}", finding.message);
        assert!(finding.hint.is_some());
    }
    assert!(told(&load_text("agents: []\nagents: []\n").unwrap_err())[0].contains("agents"));
}

#[test]
fn a_configuration_without_a_team_says_so() {
    for (text, message) in [
        ("", "the configuration is empty"),
        ("just words", "a configuration is a map of keys, not the text `just words`"),
        ("ui: {display_type: simple}", "there are no agents"),
        ("agents: []", "the list of agents is empty"),
        ("agents: {id: a}", "`agents` must be a list of maps, not a map"),
        ("agents: [3]", "`agents` must be a map, not the number `3`"),
        ("agent: {id: a, backend: {type: simulated}}\nagents: []", "both `agent` and `agents` are given"),
        ("agents: [{backend: {type: simulated}}]", "the agent has no `id`"),
        ("agents: [{id: 7, backend: {type: simulated}}]", "`id` must be a text, not the number `7`"),
        ("agents: [{id: a}]", "the agent has no `backend`"),
        ("agents: [{id: a, backend: {model: m}}]", "the backend has no `type`"),
        ("agents: [{id: a, backend: {type: openrouter}}]", "the type `openrouter` has no default model"),
        ("agents: [{id: a, backend: {type: poe, model: m}}]", "the type `poe` needs a `base_url`"),
        ("models: [a]", "the file is in the format of an early MassGen, with `models`"),
    ] {
        let findings = load_text(text).unwrap_err();
        let told = told(&findings);
        assert!(told.iter().any(|line| line.ends_with(&format!("error: {message}"))), "{text}: {told:?}");
    }
}

#[test]
fn too_many_agents_are_refused() {
    let agents: Vec<_> = (0..513).map(|i| format!("{{id: a{i}, backend: {{type: simulated}}}}")).collect();
    let findings = load_text(&format!("agents: [{}]", agents.join(", "))).unwrap_err();
    assert_eq!(told(&findings), ["1 error: there are 513 agents; at most 512 can run"]);
}

#[test]
fn a_key_in_the_wrong_place_is_sent_to_the_right_one() {
    let hint = |text: &str| load_text(text).unwrap_err().items()[0].hint.clone().unwrap();
    let team = "agents: [{id: a, backend: {type: simulated}}]\n";
    assert_eq!(
        hint(&format!("{team}voting_sensitivity: strict")),
        "`voting_sensitivity` belongs into `agents[]` or `orchestrator`"
    );
    assert_eq!(
        hint(&format!("{team}orchestrator: {{continuation: fresh}}")),
        "`continuation` belongs into `orchestrator.coordination`"
    );
    assert_eq!(hint(&format!("{team}orchestrater: {{}}")), "did you mean `orchestrator`?");
    assert_eq!(
        hint(&format!("{team}ui: {{name: x}}")).split(", ").next(),
        Some("keys here are `display_type`")
    );
    let hint = hint("agents: [{id: a, backend: {type: groq, guidance: 3}}]");
    assert_eq!(hint, "a parameter that only the provider knows goes under `extra_body`");
}

#[test]
fn a_known_type_that_does_not_run_yet_is_told_from_an_unknown_one() {
    let message = |kind: &str| {
        let findings = load_text(&format!("agent: {{id: a, backend: {{type: {kind}}}}}")).unwrap_err();
        let finding = findings.items()[0].clone();
        (finding.message, finding.hint.unwrap())
    };
    let (copilot, hint) = message("copilot");
    assert_eq!(
        copilot,
        "the type `copilot` is not in this version yet: it needs the protocol of an agent program"
    );
    assert!(
        hint.contains("`openrouter`") && hint.contains("`simulated`") && !hint.contains("`codex`"),
        "{hint}"
    );
    assert_eq!(message("uitars").0, "the type `uitars` is a name without a program behind it");
    assert_eq!(message("gork"), ("unknown backend type `gork`".into(), "did you mean `grok`?".into()));
}

#[test]
fn strict_validation_refuses_what_normal_validation_warns_of() {
    let text = "agent: {id: a, backend: {type: simulated}}\norchestrator: {voting_sensitivity: roi}\n";
    assert_eq!(load_text(text).unwrap().findings.count(Severity::Warning), 1);
    let source = massgen_config::Source::new("c", text);
    let request = massgen_config::LoadRequest {
        source: Some(&source),
        settings: &Settings::default(),
        lookup: &|_| None,
        working_directory: std::path::Path::new("/"),
        instance: None,
        validation: Validation::Strict,
        backends: massgen_config::backends::Backends::built_in(),
    };
    assert!(!massgen_config::load(request).unwrap_err().has_errors());
    let unknown =
        massgen_config::Source::new("c", "agent: {id: a, backend: {type: simulated}}\nunknown: 1\n");
    let skipping =
        massgen_config::LoadRequest { source: Some(&unknown), validation: Validation::Skip, ..request };
    assert!(massgen_config::load(skipping).is_ok());
}

#[test]
fn a_wrong_flag_is_named_in_place_of_a_line() {
    let settings = Settings { max_cost: Some(-1.0), ..Settings::default() };
    let findings = load_with("agent: {id: a, backend: {type: simulated}}", &settings, &[]).unwrap_err();
    let plain = render(&findings, Style::Plain { width: 100 });
    assert!(plain.starts_with("--max-cost: error: `max_cost` must be a number from"), "{plain}");
}
