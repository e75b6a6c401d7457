use super::*;

fn read(parameters: Value, tools: &[ProviderTool]) -> Result<Settings, String> {
    Settings::read(&serde_json::from_value(parameters).unwrap(), tools)
}

fn body(parameters: Value, tools: &[ProviderTool]) -> Value {
    Value::Object(read(parameters, tools).unwrap().body)
}

#[test]
fn parameters_go_where_the_protocol_has_them() {
    let settings = read(
        json!({
            "thinking": {"type": "adaptive"}, "top_k": 5, "stop_sequences": ["END"], "metadata": {"user_id": "u"},
            "service_tier": "auto", "output_config": {"effort": "high"}, "temperature": null,
            "model": "no", "messages": [], "system": "no", "stream": false, "max_tokens": 1,
            "betas": ["files-api-2025-04-14", "b"], "enable_strict_tool_use": true, "container": "c",
        }),
        &[],
    )
    .unwrap();
    let expected = Settings {
        body: serde_json::from_value(json!({
            "metadata": {"user_id": "u"}, "output_config": {"effort": "high"}, "service_tier": "auto",
            "stop_sequences": ["END"], "thinking": {"type": "adaptive"}, "top_k": 5,
        }))
        .unwrap(),
        betas: vec!["files-api-2025-04-14".to_owned(), "b".to_owned()],
        container: Some(json!("c")),
        strict_tools: true,
    };
    assert_eq!(settings, expected);
}

#[test]
fn switches_become_the_entries_of_the_provider() {
    let tools = [ProviderTool::WebSearch, ProviderTool::CodeExecution];
    let code = json!({"type": "code_execution_20250825", "name": "code_execution"});
    let expected = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}, code]});
    assert_eq!(body(json!({}), &tools), expected);
    let search = json!({"type": "web_search_20260209", "name": "web_search", "max_uses": 3});
    assert_eq!(body(json!({"tools": [search]}), &tools), json!({"tools": [search, code]}));
}

#[test]
fn what_needs_a_beta_gets_it_unless_another_date_is_named() {
    let betas = |parameters, tools: &[ProviderTool]| read(parameters, tools).unwrap().betas;
    let code = [ProviderTool::CodeExecution];
    assert_eq!(betas(json!({}), &code), ["code-execution-2025-08-25"]);
    assert_eq!(betas(json!({"betas": ["code-execution-2026-01-01"]}), &code), ["code-execution-2026-01-01"]);
    let servers =
        json!({"betas": "a, b,", "mcp_servers": [{"type": "url", "url": "https://h", "name": "n"}]});
    assert_eq!(betas(servers, &[]), ["a", "b", MCP_CLIENT_BETA]);
}

#[test]
fn parallel_calls_are_switched_off_within_the_choice_of_tools() {
    let off = |choice: Value| {
        body(json!({"disable_parallel_tool_use": true, "tool_choice": choice}), &[])["tool_choice"].clone()
    };
    assert_eq!(off(Value::Null), json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert_eq!(off(json!({"type": "any"})), json!({"type": "any", "disable_parallel_tool_use": true}));
    assert_eq!(off(json!({"type": "none"})), json!({"type": "none"}));
    assert_eq!(body(json!({"disable_parallel_tool_use": false}), &[]), json!({}));
}

#[test]
fn what_cannot_be_sent_is_told_in_words() {
    for (parameters, tools, problem) in [
        (json!({"tools": {}}), &[][..], "the parameter `tools` is no list"),
        (json!({"betas": [1]}), &[], "the parameter `betas` is no list of names"),
        (json!({"betas": true}), &[], "the parameter `betas` is no list of names"),
        (json!({}), &[ProviderTool::XSearch], "the Messages protocol has no search in X"),
    ] {
        assert_eq!(read(parameters, tools), Err(problem.to_owned()));
    }
}
