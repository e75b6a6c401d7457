use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::*;
use crate::context_paths::Permission;
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
fn fast_fills_in_what_the_file_leaves_open_and_overrides_nothing() {
    let fast = || Modes { fast: true, ..Modes::default() };
    assert_eq!(
        modes("{}", fast()),
        json!({"orchestrator": {
            "coordination": {
                "fast_iteration_mode": true, "max_verifications_per_round": 1,
                "max_internal_fix_loops": 0, "skip_redundant_scaffolding": true,
            },
            "multimodal_config": {"image": {"reasoning_effort": "low"}},
        }})
    );
    let text = "orchestrator:\n  coordination: {fast_iteration_mode: false, max_verifications_per_round: 3,\n    \
                max_internal_fix_loops: null, skip_redundant_scaffolding: false}\n  \
                multimodal_config: {image: {reasoning_effort: high, backend: openai}}\n";
    assert_eq!(modes(text, fast()), modes(text, Modes::default()));
}

#[test]
fn criteria_and_presets_win_over_the_file() {
    let text = "orchestrator: {coordination: {checklist_criteria_inline: [{text: old}], checklist_criteria_preset: spec}}";
    let criteria = Criteria::parse(r#"[{"description": "new", "category": "must", "weight": 2}]"#).unwrap();
    let laid = modes(
        text,
        Modes { criteria: Some(criteria), criteria_preset: Some("analysis".into()), ..Modes::default() },
    );
    let coordination = &laid["orchestrator"]["coordination"];
    assert_eq!(
        coordination["checklist_criteria_inline"],
        json!([{"category": "must", "weight": 2, "text": "new"}])
    );
    assert_eq!(coordination["checklist_criteria_preset"], "analysis");
}

#[test]
fn the_working_directory_is_added_to_what_agents_see_or_its_permission_changed() {
    let with = |text: &str, permission| {
        let context = CwdContext { path: PathBuf::from("/project"), permission };
        modes(text, Modes { cwd_context: Some(context), ..Modes::default() })["orchestrator"]["context_paths"]
            .clone()
    };
    let added = json!([{"path": "/project", "permission": "read"}]);
    assert_eq!(with("{}", Permission::Read), added);
    assert_eq!(with("orchestrator: {context_paths: []}", Permission::Read), added);
    let text = "orchestrator: {context_paths: [{path: src, permission: read}, {path: HERE, permission: read, protected_paths: [a]}]}";
    for here in ["/project", ".", "./", "/project/"] {
        assert_eq!(
            with(&text.replace("HERE", here), Permission::Write),
            json!([
                {"path": "src", "permission": "read"},
                {"path": here, "permission": "write", "protected_paths": ["a"]}
            ])
        );
    }
    assert_eq!(with("orchestrator: {context_paths: here}", Permission::Read), "here", "the check refuses it");
}

#[test]
fn no_logs_switches_the_log_off() {
    let laid = modes("ui: {logging_enabled: true}", Modes { no_logs: true, ..Modes::default() });
    assert_eq!(laid["ui"]["logging_enabled"], false);
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
