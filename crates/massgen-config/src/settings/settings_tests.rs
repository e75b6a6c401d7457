use serde_json::{Value as Json, json};

use super::*;
use crate::source::Source;

/// What `settings` make of the configuration `text`.
fn laid(text: &str, settings: &Settings) -> Node {
    let mut root = crate::node::parse(&Source::new("c.yaml", text)).unwrap_or_else(|_| panic!("{text}"));
    let mut findings = Vec::new();
    overlay(&mut root, settings, Base::File, &mut findings);
    assert!(findings.is_empty(), "{findings:?}");
    root
}

fn modes(text: &str, modes: Modes) -> Json {
    laid(text, &Settings { modes, ..Settings::default() }).to_json()
}

fn origin<'a>(root: &'a Node, path: &[&str]) -> &'a Origin {
    &root.at(path).unwrap().origin
}

#[test]
fn the_coordination_mode_wins_over_the_file() {
    for (mode, name) in [(Coordination::Parallel, "voting"), (Coordination::Decomposition, "decomposition")] {
        let modes = Modes { coordination: Some(mode), ..Modes::default() };
        let settings = Settings { modes, ..Settings::default() };
        for text in ["{}", "orchestrator: {coordination_mode: other, snapshot_storage: s}"] {
            let root = laid(text, &settings);
            assert_eq!(root.to_json()["orchestrator"]["coordination_mode"], name);
            assert_eq!(
                origin(&root, &["orchestrator", "coordination_mode"]),
                &Origin::Flag("--coordination-mode")
            );
        }
    }
}

#[test]
fn personas_replace_the_generator_as_a_whole_and_off_only_switches_it_off() {
    let text = "orchestrator: {coordination: {persona_generator: {enabled: true, persona_guidelines: g}}}";
    let generator = |personas| {
        let laid = modes(text, Modes { personas: Some(personas), ..Modes::default() });
        laid["orchestrator"]["coordination"]["persona_generator"].clone()
    };
    assert_eq!(generator(Personas::Perspective), json!({"enabled": true, "diversity_mode": "perspective"}));
    assert_eq!(
        generator(Personas::Implementation),
        json!({"enabled": true, "diversity_mode": "implementation"})
    );
    assert_eq!(generator(Personas::Methodology), json!({"enabled": true, "diversity_mode": "methodology"}));
    assert_eq!(generator(Personas::Off), json!({"enabled": false, "persona_guidelines": "g"}));
}

#[test]
fn simulate_replaces_every_backend_but_those_that_are_simulated() {
    let settings = Settings { simulate: true, ..Settings::default() };
    let text = "agents:\n- {id: a, backend: {type: openai, model: m, api_key: '${UNSET}'}, system_message: s}\n\
                - {id: b, backend: {type: simulated, script: s.yaml}}\n- {id: c, backend: {type: claude_code, cwd: w}}\n";
    let root = laid(text, &settings);
    assert_eq!(
        root.to_json()["agents"],
        json!([
            {"id": "a", "backend": {"type": "simulated", "seed": 0}, "system_message": "s"},
            {"id": "b", "backend": {"type": "simulated", "script": "s.yaml"}},
            {"id": "c", "backend": {"type": "simulated", "seed": 2}},
        ])
    );
    let single = laid("agent: {id: a, backend: {type: groq}}", &settings);
    assert_eq!(single.to_json()["agent"]["backend"], json!({"type": "simulated", "seed": 0}));
    assert_eq!(origin(&single, &["agent", "backend"]), &Origin::Flag("--simulate"));
}

#[test]
fn simulate_leaves_what_is_no_backend_to_the_check() {
    let settings = Settings { simulate: true, ..Settings::default() };
    for text in ["agents: [{id: a}, b, {id: c, backend: openai}]", "agent: 3", "agents: {a: {}}"] {
        assert_eq!(laid(text, &settings).to_json(), laid(text, &Settings::default()).to_json());
    }
}
