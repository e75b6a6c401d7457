//! The form of the final answer.

use massgen_config::Settings;
use massgen_protocol::spec::AgentSpec;
use serde_json::json;

use crate::{load_text, load_with, told};

const SCHEMA: &str = "output_schema: {type: object, properties: {city: {type: string}}}";

fn agent(text: &str) -> (AgentSpec, Vec<String>) {
    let mut loaded = load_with(&format!("agent: {{id: a, {text}}}"), &Settings::default(), &[])
        .unwrap_or_else(|findings| panic!("{text}: {:?}", told(&findings)));
    (loaded.draft.agents.remove(0), told(&loaded.findings))
}

fn refused(text: &str) -> Vec<String> {
    told(&load_text(&format!("agent: {{id: a, {text}}}")).unwrap_err())
}

#[test]
fn every_service_takes_a_form_and_it_is_no_parameter() {
    for kind in ["openai", "grok", "claude", "gemini", "groq", "openrouter", "ollama", "vllm"] {
        let (agent, told) = agent(&format!("backend: {{type: {kind}, model: m, {SCHEMA}}}"));
        assert!(told.is_empty(), "{kind}: {told:?}");
        let form = agent.backend.output_schema.unwrap();
        assert_eq!(form.to_value(), json!({"type": "object", "properties": {"city": {"type": "string"}}}));
        assert!(!agent.backend.parameters.contains_key("output_schema"), "{kind}");
    }
}

#[test]
fn a_simulated_model_keeps_to_no_form_and_says_so() {
    let (agent, told) = agent(&format!("backend: {{type: simulated, {SCHEMA}}}"));
    assert_eq!(agent.backend.output_schema, None);
    assert_eq!(told, ["1 notice: without effect on a simulated model: `output_schema`"]);
}

#[test]
fn models_that_take_over_answer_in_the_form_of_the_agent() {
    let fallback = "fallback: [{type: groq, model: m}]";
    let (with, _) = agent(&format!("backend: {{type: claude, {SCHEMA}}}, {fallback}"));
    assert!(with.backend.output_schema.is_some());
    assert_eq!(with.fallback[0].output_schema, with.backend.output_schema);
    let refused =
        refused(&format!("backend: {{type: claude}}, fallback: [{{type: groq, model: m, {SCHEMA}}}]"));
    assert_eq!(refused, ["1 error: `output_schema` in `fallback` has no effect"]);
}

#[test]
fn a_second_form_beside_it_is_refused_wherever_it_stands() {
    for (backend, name) in [
        ("type: groq, model: m, response_format: {type: json_object}", "response_format"),
        ("type: groq, model: m, extra_body: {response_format: {type: json_object}}", "response_format"),
        ("type: vllm, model: m, guided_json: {}", "guided_json"),
        ("type: openai, text: {format: {type: json_object}}", "text.format"),
        ("type: claude, output_config: {format: {type: json_schema}}", "output_config.format"),
        ("type: gemini, response_mime_type: application/json", "response_mime_type"),
        (
            "type: gemini, extra_body: {generationConfig: {responseSchema: {}}}",
            "generationConfig.responseSchema",
        ),
        ("type: ollama, model: m, format: json", "format"),
    ] {
        let refused = refused(&format!("backend: {{{backend}, {SCHEMA}}}"));
        assert_eq!(
            refused,
            [format!("1 error: both `output_schema` and `{name}` say what form a reply has")]
        );
        let (_, told) = agent(&format!("backend: {{{backend}}}"));
        assert!(told.is_empty(), "{backend}: {told:?}");
    }
    let (_, told) = agent(&format!("backend: {{type: openai, text: {{verbosity: low}}, {SCHEMA}}}"));
    assert!(told.is_empty(), "{told:?}");
    let (_, told) = agent(&format!("backend: {{type: claude, output_config: {{effort: low}}, {SCHEMA}}}"));
    assert!(told.is_empty(), "{told:?}");
    let fallback = "fallback: [{type: groq, model: m, response_format: {type: json_object}}]";
    assert_eq!(refused(&format!("backend: {{type: claude, {SCHEMA}}}, {fallback}")).len(), 1);
}
