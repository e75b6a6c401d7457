use massgen_protocol::spec::{Service, Wire};

use super::*;

fn settings(base: &str, model: &str, parameters: Value, tools: &[ProviderTool]) -> Settings {
    let service = Service { tools: tools.to_vec(), ..Service::chat_completions(base, Vec::new()) };
    let backend = BackendSpec {
        kind: "openai".to_owned(),
        wire: Wire::Service(service),
        model: model.to_owned(),
        max_output_tokens: None,
        context_window: None,
        price: None,
        parameters: serde_json::from_value(parameters).unwrap(),
        output_schema: None,
    };
    Settings::new(&Url::parse(base).unwrap(), &backend)
}

const OPENAI: &str = "https://api.openai.com/v1/responses";
const XAI: &str = "https://api.x.ai/v1/responses";
const LOCAL: &str = "http://localhost:8000/v1/responses";

#[test]
fn families_reason_by_default_as_their_maker_advises() {
    let reasoning = |model: &str, parameters: Value| {
        settings(OPENAI, model, parameters, &[]).parameters.get("reasoning").cloned().unwrap_or_default()
    };
    let full = json!({"effort": "medium", "summary": "auto"});
    for (model, expected) in [
        ("gpt-5.4", full.clone()),
        ("gpt-5.9-of-tomorrow", full),
        ("gpt-5", json!({"summary": "auto"})),
        ("gpt-5-mini", json!({"summary": "auto"})),
        ("o3", json!({"summary": "auto"})),
        ("o4-mini", json!({"summary": "auto"})),
        ("gpt-4o", Value::Null),
        ("o1", Value::Null),
        ("custom", Value::Null),
    ] {
        assert_eq!(reasoning(model, json!({})), expected, "{model}");
    }
    let own = json!({"effort": "low"});
    assert_eq!(reasoning("gpt-5.4", json!({"reasoning": own})), own);
}

#[test]
fn nothing_is_stored_unless_the_configuration_says_so() {
    let stored = |settings: &Settings| {
        let changed =
            settings.changes.iter().find(|(key, _)| *key == "store").and_then(|(_, value)| value.clone());
        changed.or_else(|| settings.parameters.get("store").cloned())
    };
    for base in [OPENAI, XAI, LOCAL] {
        for model in ["gpt-5.4", "gpt-4o", "grok-4"] {
            assert_eq!(stored(&settings(base, model, json!({}), &[])), Some(json!(false)), "{base} {model}");
            let kept = settings(base, model, json!({"store": true}), &[]);
            assert_eq!(stored(&kept), Some(json!(true)), "{base} {model}");
        }
    }
}

#[test]
fn the_bound_of_the_output_may_have_any_of_its_names() {
    for key in BOUNDS {
        let made = settings(OPENAI, "gpt-5.4", json!({key: 77}), &[]);
        assert_eq!((made.max_output_tokens, made.parameters.contains_key(key)), (Some(77), false), "{key}");
    }
}

#[test]
fn tools_of_the_provider_switch_parallel_calls_off() {
    let made = settings(OPENAI, "gpt-5.4", json!({"parallel_tool_calls": true}), &[ProviderTool::WebSearch]);
    assert_eq!(made.parameters["parallel_tool_calls"], false);
    let made = settings(OPENAI, "gpt-5.4", json!({"parallel_tool_calls": true}), &[]);
    assert_eq!(made.parameters["parallel_tool_calls"], true);
    assert!(!settings(OPENAI, "gpt-5.4", json!({}), &[]).parameters.contains_key("parallel_tool_calls"));
}

#[test]
fn only_hosts_that_know_the_field_get_a_cache_key() {
    let key = |base: &str, parameters: Value| settings(base, "m", parameters, &[]).cache_key;
    assert_eq!(key(OPENAI, json!({})), CacheKey::PerAgent);
    assert_eq!(key("https://me.openai.azure.com/openai/v1/responses", json!({})), CacheKey::PerAgent);
    assert_eq!(key(XAI, json!({})), CacheKey::PerAgent);
    assert_eq!(key(OPENAI, json!({"prompt_cache_key": "mine"})), CacheKey::Unsent);
    assert_eq!(key(LOCAL, json!({})), CacheKey::Unsent);
    assert_eq!(key("https://notopenai.com/v1", json!({})), CacheKey::Unsent);
}
