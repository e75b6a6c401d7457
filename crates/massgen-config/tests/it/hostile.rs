//! No input makes the loader panic or hang.

use massgen_config::backends::Backends;
use massgen_config::{
    Defaults, EffectiveRequest, Settings, Severity, Source, Style, effective, render, validate,
};
use proptest::prelude::*;

use crate::{load_text, load_with, told};

/// Everything that can be done with what comes out of a text.
fn exercise(text: &str) {
    let judged = validate(&Source::new("config.yaml", text), Backends::built_in());
    let _ = (judged.to_json().to_string(), render(&judged, Style::Plain { width: 80 }));
    for finding in judged.of(Severity::Error) {
        assert!(finding.hint.is_some(), "no hint: {}", finding.message);
    }
    let shown = effective(EffectiveRequest {
        source: Some(&Source::new("config.yaml", text)),
        settings: &Settings::default(),
        lookup: &|_| None,
        working_directory: std::path::Path::new("/project"),
        backends: Backends::built_in(),
        defaults: Defaults::Hidden,
    });
    assert!(!shown.table(80).contains('\u{1b}'));
    let _ = shown.to_json().to_string();
    let environment = [("A", "1"), ("B", "text")];
    match load_with(text, &Settings::default(), &environment) {
        Ok(loaded) => {
            assert!(!loaded.findings.has_errors());
            assert!(!loaded.draft.agents.is_empty());
            let _ = (format!("{loaded:?}"), loaded.written.to_string());
        }
        Err(findings) => {
            assert!(findings.has_errors());
            for finding in findings.of(Severity::Error) {
                assert!(finding.hint.is_some(), "no hint: {}", finding.message);
                assert!(
                    !finding.message.contains('\n') && !finding.message.contains('\u{1b}'),
                    "{:?}",
                    finding.message
                );
            }
            let plain = render(&findings, Style::Plain { width: 80 });
            assert!(!plain.contains('\u{1b}'));
            let _ = (render(&findings, Style::Drawn { width: 40 }), findings.to_json().to_string());
        }
    }
}

/// A value of any shape, as flow YAML.
fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
        "[a-z ${}A-B]{0,12}".prop_map(|text| format!("{text:?}")),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let names: Vec<_> =
            massgen_config::registry::keys().map(massgen_config::registry::Key::name).collect();
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(prop::sample::select(names), inner, 0..6).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_loaded_or_refused(text in any::<String>()) {
        exercise(&text);
    }

    #[test]
    fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_good_configuration_cut_or_changed_anywhere_is_loaded_or_refused(cut in 0usize..900, with in ".{0,6}") {
        let good = crate::teams::TEAM;
        let at = (0..=cut.min(good.len())).rev().find(|at| good.is_char_boundary(*at)).unwrap_or(0);
        exercise(&good[..at]);
        exercise(&format!("{}{with}{}", &good[..at], &good[at..]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn known_keys_with_any_values_are_loaded_or_refused(value in any_value(), agent in any_value(), backend in any_value()) {
        exercise(&value);
        exercise(&format!("agents: [{{id: a, backend: {backend}}}, {agent}]\norchestrator: {value}\n"));
        exercise(&format!("agents: [{{id: a, backend: {{type: codex, mcp_servers: {value}, hooks: {{PreToolUse: {agent}}}, cwd: {backend}}}}}]\n"));
        exercise(&format!("agent: {{id: a, backend: {{type: grok}}}}\norchestrator: {{coordination: {value}, context_paths: {backend}}}\n"));
        exercise(&format!("agent: {{id: a, backend: {{type: groq, extra_body: {value}, stop: {backend}}}}}\nui: {agent}\n"));
    }
}

#[test]
fn alias_bombs_deep_nesting_and_great_size_are_refused() {
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    for level in 1..12 {
        let copies = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push(format!("a{level}: &a{level} [{copies}]"));
    }
    let deep_maps: Vec<_> = (0..5000).map(|depth| format!("{}a:", " ".repeat(depth % 1000))).collect();
    for text in [
        bomb.join("\n"),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(20_000),
        deep_maps.join("\n"),
        "x".repeat(10 * 1024 * 1024),
        format!("prompt: {}", "long ".repeat(900_000)),
        "a: &a {b: *a}\n".to_owned(),
        "? ? ? ? a\n".to_owned(),
    ] {
        exercise(&text);
        assert!(load_text(&text).is_err());
    }
}

#[test]
fn a_file_full_of_unknown_keys_gives_a_bounded_list() {
    let lines: Vec<_> = (0..20_000).map(|i| format!("unknown_key_{i}: {i}")).collect();
    let findings = load_text(&lines.join("\n")).unwrap_err();
    assert_eq!(findings.items().len(), massgen_config::FINDINGS);
    assert!(findings.to_string().contains("more not shown"));
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    for text in [
        "agent: {id: \"a\\e[2J\", backend: {type: \"\\e]0;x\\a\"}}",
        "\"k\\e[31m\": 1",
        "agents: [{id: a\u{202e}b}]",
    ] {
        exercise(text);
        let shown = render(&load_text(text).unwrap_err(), Style::Plain { width: 80 });
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    }
}

#[test]
fn json_is_read_like_yaml() {
    let text = "{\n\t\"agents\": [\n\t\t{\"id\": \"a\", \"backend\": {\"type\": \"simulated\", \"seed\": 3}}\n\t],\n\t\"promt\": \"x\"\n}\n";
    let findings = load_text(text).unwrap_err();
    assert_eq!(told(&findings), ["5 error: unknown key `promt` at the top level"]);
    assert!(load_text(&text.replace("promt", "prompt")).is_ok());
}

#[test]
fn many_mistakes_in_one_file_take_no_longer_than_they_must() {
    let servers: Vec<_> = (0..3_000).map(|i| format!("{{name: 'a b{i}', command: [x], modle: 1}}")).collect();
    let agents: Vec<_> =
        (0..3_000).map(|i| format!("{{id: a{i}, backend: {{type: claude, cwd: ..}}}}")).collect();
    for text in [
        format!("agent: {{id: a, backend: {{type: simulated, mcp_servers: [{}]}}}}", servers.join(", ")),
        format!("agents: [{}]", agents.join(", ")),
    ] {
        let findings = validate(&Source::new("config.yaml", text), Backends::built_in());
        assert_eq!(findings.count(Severity::Error), massgen_config::FINDINGS);
    }
}

#[test]
fn other_files_than_configurations_are_refused_with_a_reason() {
    let picture: String = (0..=255u8).cycle().take(100_000).map(char::from).collect();
    for (text, message) in [
        (picture.as_str(), ""),
        ("\u{0}\u{0}\u{0}", ""),
        ("\u{feff}", "the configuration is empty"),
        ("<html><body>Not found</body></html>", "a configuration is a map of keys"),
        ("#!/bin/sh\necho hello\n", "a configuration is a map of keys"),
    ] {
        exercise(text);
        let findings = validate(&Source::new("config.yaml", text), Backends::built_in());
        assert!(
            findings.has_errors() && findings.items()[0].message.contains(message),
            "{:?}",
            told(&findings)
        );
    }
}
