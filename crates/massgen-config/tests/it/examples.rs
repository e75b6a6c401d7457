//! Every key of the registry, with its own example.

use massgen_config::backends::Backends;
use massgen_config::registry::{self, Effect, Key};
use massgen_config::{Findings, LoadRequest, Loaded, Settings, Severity, Source, Validation, load};
use serde_json::{Value, json};

use crate::{load_with, told};

const ENVIRONMENT: &[(&str, &str)] = &[("TOKEN", "t"), ("AZURE_OPENAI_ENDPOINT", "https://example.org")];

/// Configurations that keys are tried in: a key of one provider means nothing to another.
fn contexts() -> Vec<Value> {
    let openrouter = "https://openrouter.ai/api/v1";
    let backends = [
        json!({ "type": "simulated" }),
        json!({ "type": "chatcompletion", "model": "m", "base_url": openrouter }),
        json!({
            "type": "chatcompletion",
            "model": "n",
            "base_url": openrouter,
            "llm_circuit_breaker_enabled": true,
        }),
        json!({ "type": "openai" }),
        json!({ "type": "claude" }),
        json!({ "type": "gemini", "enable_rate_limit": true, "upload_files": [{ "image_path": "a.png" }] }),
        json!({ "type": "grok" }),
        json!({ "type": "azure_openai", "base_url": "https://a.openai.azure.com" }),
        json!({ "type": "bedrock", "region": "eu-west-1" }),
        json!({ "type": "openrouter", "model": "m", "enable_web_search": true }),
        json!({
            "type": "simulated",
            "cwd": "w",
            "context_paths": [{ "path": "p" }],
            "enable_mcp_command_line": true,
            "mcp_servers": [{ "name": "n", "command": "npx", "url": "https://example.org" }],
            "custom_tools": [{ "function": "f", "path": "t.py" }],
            "permissions": { "approval_mode": "file" },
        }),
        json!({
            "type": "simulated",
            "enable_mcp_command_line": true,
            "command_line_execution_mode": "docker",
            "mcp_servers": [{ "name": "n", "type": "streamable-http", "url": "https://example.org" }],
            "custom_tools": [{ "func": "f", "path": "t.py" }],
            "permissions": { "role": "researcher" },
        }),
        json!({ "type": "simulated", "custom_tools": [{ "name": "n", "command": "npx" }] }),
    ];
    let team = |backend| {
        json!({
            "rate_limits": { "chatcompletion": { "n": { "rpm": 1 } } },
            "agents": [{ "id": "a", "backend": backend }, { "id": "b", "backend": { "type": "simulated" } }],
            "orchestrator": { "context_paths": [{ "path": "o" }] },
            "prompt": "why?",
        })
    };
    backends.into_iter().map(team).collect()
}

/// Puts `value` at a path of the registry; `[]` is the first element.
fn put(root: &mut Value, path: &str, value: Value) {
    let mut node = root;
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        if !node.is_object() {
            *node = json!({});
        }
        node = &mut node[name];
        if part.ends_with("[]") {
            if !node.is_array() {
                *node = json!([{}]);
            }
            node = &mut node[0];
        }
    }
    *node = value;
}

/// The example of a key as JSON.
fn example(key: &Key) -> Value {
    serde_saphyr::from_str(key.example).unwrap_or_else(|error| panic!("{}: {error}", key.path))
}

/// A context with the key set to its example.
fn with_example(mut root: Value, key: &Key) -> String {
    if key.path == "agent" {
        root.as_object_mut().unwrap().remove("agents");
    }
    put(&mut root, key.path, example(key));
    root.to_string()
}

/// Everything that a key can change, as a text.
fn what_runs(loaded: &Loaded) -> String {
    let spec = loaded.draft.clone().finish().unwrap();
    let uploads = loaded.uploads.entries().iter();
    let uploads: Vec<_> = uploads.map(|upload| (upload.kind, &upload.place, upload.most_bytes)).collect();
    format!(
        "{} {:?} {:?} {uploads:?}",
        serde_json::to_string(&spec).unwrap(),
        loaded.ui,
        (&loaded.skills, loaded.retention)
    )
}

#[test]
fn every_active_key_changes_what_runs() {
    let before: Vec<_> = contexts()
        .iter()
        .map(|root| what_runs(&load_with(&root.to_string(), &Settings::default(), &[]).unwrap()))
        .collect();
    for key in registry::keys().filter(|key| key.effect == Effect::Active) {
        let changes = contexts().into_iter().zip(&before).any(|(root, before)| {
            load_with(&with_example(root, key), &Settings::default(), ENVIRONMENT)
                .is_ok_and(|loaded| what_runs(&loaded) != *before)
        });
        assert!(changes, "`{}: {}` changes nothing", key.path, key.example);
    }
}

/// Loads `text` without what must hold between keys, so that one key can stand alone. An unknown key is passed over
/// then, and so not told.
fn load_loosely(text: &str) -> Result<Loaded, Findings> {
    load(LoadRequest {
        source: Some(&Source::new("config.yaml", text)),
        settings: &Settings::default(),
        lookup: &|name| {
            ENVIRONMENT.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        },
        working_directory: std::path::Path::new("/project"),
        instance: Some("0a1b2c3d"),
        validation: Validation::Skip,
        backends: Backends::built_in(),
    })
}

#[test]
fn every_key_without_effect_is_understood_and_told() {
    for key in registry::keys() {
        // A part of a server or a tool does not stand alone.
        let context = usize::from(key.path.matches("[]").count() > 1) * 9 + 1;
        let loaded = load_loosely(&with_example(contexts()[context].clone(), key));
        let parent = key.path.split('.').nth(1).unwrap_or_default().trim_end_matches("[]");
        match (key.effect, loaded) {
            (Effect::Active, _) => {}
            // Switching off what is not there leaves nothing to tell.
            (Effect::Accepted { .. }, Ok(loaded)) if key.example.trim_end_matches('}').ends_with("false") => {
                assert!(loaded.findings.is_empty(), "{}: {:?}", key.path, told(&loaded.findings));
            }
            (Effect::Accepted { feature }, Ok(loaded)) => {
                let named = |name: &str| {
                    loaded
                        .findings
                        .of(Severity::Notice)
                        .any(|notice| notice.message.contains(&format!("`{name}`")))
                };
                // A key of another provider is told as that.
                let told_by = loaded.findings.of(Severity::Notice).any(|notice| {
                    notice.message.contains(feature)
                        || notice.message.starts_with("without effect on the type")
                });
                let ancestors = key.path.split('.').map(|part| part.trim_end_matches("[]"));
                assert!(
                    told_by && ancestors.clone().any(named),
                    "{}: {:?}",
                    key.path,
                    told(&loaded.findings)
                );
            }
            (Effect::Note, Ok(loaded)) => {
                assert!(loaded.findings.is_empty(), "{}: {:?}", key.path, told(&loaded.findings));
            }
            (Effect::Needless { because }, Ok(loaded)) => {
                let names = [key.name(), parent];
                let told_by = loaded.findings.of(Severity::Notice).any(|notice| {
                    notice.message.ends_with(because)
                        && names.iter().any(|name| notice.message.contains(name))
                });
                assert!(told_by, "{}: {:?}", key.path, told(&loaded.findings));
            }
            (Effect::Deprecated { .. }, Ok(loaded)) => {
                let warned =
                    loaded.findings.of(Severity::Warning).any(|warning| warning.message.contains(key.name()));
                let covered =
                    loaded.findings.of(Severity::Notice).any(|notice| notice.message.contains(parent));
                assert!(warned || covered, "{}", key.path);
            }
            (Effect::Refused { use_instead }, Err(findings)) => {
                let refused = findings
                    .of(Severity::Error)
                    .any(|error| error.hint.as_deref().is_some_and(|hint| hint.contains(use_instead)));
                assert!(refused, "{}", key.path);
            }
            (effect, loaded) => panic!(
                "{} is {effect:?}: {:?}",
                key.path,
                loaded.map(|loaded| told(&loaded.findings)).map_err(|findings| told(&findings))
            ),
        }
    }
}

#[test]
fn a_key_without_effect_that_asks_for_nothing_is_not_told() {
    let text = "agent:\n  id: a\n  backend: {type: simulated, enable_tool_search: false, mcp_servers: [], max_concurrent_tools: 10}\n\
                orchestrator:\n  context_paths: []\n  enable_multimodal_tools: false\n  coordination:\n    \
                persona_generator: {enabled: false, diversity_mode: methodology}\n    enable_changedoc: true\n\
                ui: {logging_enabled: true, display_type: simple}\n";
    let loaded = load_with(text, &Settings::default(), &[]).unwrap();
    assert!(loaded.findings.is_empty(), "{:?}", told(&loaded.findings));
}

#[test]
fn one_notice_names_all_keys_that_wait_for_the_same_feature() {
    let text = "agents:\n  - id: a\n    backend: {type: simulated, auto_discover_custom_tools: true}\n  \
                - id: b\n    backend: {type: simulated, exclude_custom_tools: [x], auto_discover_custom_tools: true}\n\
                orchestrator: {snapshot_storage: s}\n";
    let loaded = load_with(text, &Settings::default(), &[]).unwrap();
    assert_eq!(
        told(&loaded.findings),
        [
            "3 notice: not in this version yet: the custom tools of the Python program; without effect: \
             `auto_discover_custom_tools`, `exclude_custom_tools`",
            "6 notice: without effect: `snapshot_storage`; snapshots are kept with the files of the run",
        ]
    );
}
