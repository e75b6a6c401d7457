//! The reference page and the schema that come out of the registry.

use massgen_config::{docs, registry};
use serde_json::Value;

#[test]
fn the_page_has_a_row_for_every_key() {
    let page = docs::reference_markdown();
    for key in registry::keys() {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{}` |", key.path))).count();
        assert_eq!(rows, 1, "{}", key.path);
    }
    let row = page.lines().find(|line| line.contains("fairness_lead_cap_answers")).unwrap();
    insta::assert_snapshot!(row, @"| `orchestrator.fairness_lead_cap_answers` | a whole number from 0 | `2` | By how many answers an agent may lead the slowest active peer. | `1` |");
    // A row has five cells whatever its texts hold.
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
}

#[test]
fn the_schema_knows_every_key_and_no_other() {
    let schema = docs::json_schema();
    let mut found = Vec::new();
    collect(&schema, "", &mut found);
    collect(&schema["$defs"]["agent"], "agents[]", &mut found);
    found.sort();
    let mut wanted: Vec<_> = registry::keys()
        .filter(|key| !matches!(key.effect, registry::Effect::Refused { .. }))
        .map(|key| key.path.to_owned())
        .collect();
    wanted.sort();
    assert_eq!(found, wanted);
    let novelty = &schema["properties"]["orchestrator"]["properties"]["answer_novelty_requirement"];
    assert_eq!(novelty["default"], "lenient");
    assert_eq!(schema["properties"]["orchestrator"]["additionalProperties"], false);
    assert_eq!(schema["$defs"]["agent"]["required"], serde_json::json!(["id", "backend"]));
}

#[test]
fn the_schema_lets_documented_parameters_through() {
    let schema = docs::json_schema();
    let backend = &schema["$defs"]["agent"]["properties"]["backend"]["properties"];
    assert!(goes_as_it_is(&backend["response_format"]) && goes_as_it_is(&backend["guided_json"]));
    assert!(!goes_as_it_is(&backend["temperature"]), "it has a key of its own");
}

/// Whether a property stands for a parameter that has no key of its own.
fn goes_as_it_is(property: &Value) -> bool {
    property["description"].as_str().is_some_and(|text| text.starts_with("Goes to the provider as it is"))
}

/// The paths of all properties in a schema, as the registry writes them.
fn collect(schema: &Value, path: &str, found: &mut Vec<String>) {
    let join = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if goes_as_it_is(property) {
            continue;
        }
        found.push(join(name));
        let alternatives = property["anyOf"].as_array().cloned().unwrap_or_else(|| vec![property.clone()]);
        for one in alternatives {
            collect(&one, &join(name), found);
            if one["items"].get("properties").is_some() {
                collect(&one["items"], &format!("{}[]", join(name)), found);
            }
        }
    }
}

fn schema_text(kind: Option<&str>, examples: docs::Examples) -> String {
    docs::schema_text(docs::SchemaView { kind, examples, width: 80 })
}

#[test]
fn the_schema_for_people_has_every_key_that_can_be_written() {
    let text = schema_text(None, docs::Examples::Hidden);
    for key in registry::keys() {
        let shown = text.lines().any(|line| line.split(" (").next() == Some(key.path));
        let refused = matches!(key.effect, registry::Effect::Refused { .. });
        assert_eq!(shown, !refused, "{}", key.path);
    }
    for line in text.lines().filter(|line| line.contains(' ') && !line.ends_with(')')) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!text.contains("example:"));
}

#[test]
fn the_schema_of_one_type_has_its_own_keys_only() {
    let text = schema_text(Some("simulated"), docs::Examples::Shown);
    let (_, backend) = text.split_once("BACKEND: MODEL AND PARAMETERS").unwrap();
    let (backend, _) = backend.split_once("BACKEND: WORKSPACE").unwrap();
    insta::assert_snapshot!("schema_of_the_simulated_type", backend);
    let claude = schema_text(Some("claude"), docs::Examples::Hidden);
    assert!(claude.contains("agents[].backend.betas") && !claude.contains("gemini_backoff"));
    let (_, free) = claude.split_once("GO TO THE PROVIDER AS THEY ARE").unwrap();
    assert_eq!(
        free.trim(),
        "cache_control, container, context_management, metadata, output_config,\nstop_sequences, tool_choice"
    );
}
