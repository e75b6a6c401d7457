//! What every protocol sends for a reply that has a form.

use std::collections::BTreeMap;
use std::time::Duration;

use massgen_protocol::message::{FinishReason, ItemContent, Message, Reply, ToolCall};
use massgen_protocol::spec::{BackendSpec, ProviderTool, Service, Wire};
use massgen_protocol::{ModelRequest, OutputSchema, TokenUsage};
use reqwest::Url;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::chat::ChatCodec;
use crate::gemini::GeminiCodec;
use crate::messages::MessagesCodec;
use crate::ollama::OllamaCodec;
use crate::provider::codec::Codec;
use crate::provider::testing::{request, user};
use crate::responses::ResponsesCodec;

fn closed() -> Value {
    json!({"title": "A report!", "type": "object", "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
           "required": ["city", "people"]})
}

fn open() -> Value {
    json!({"title": "A report!", "type": "object", "additionalProperties": {"type": "string"}})
}

fn asked(output: Option<Value>) -> ModelRequest {
    let output: Option<OutputSchema> = output.map(|schema| serde_json::from_value(schema).unwrap());
    ModelRequest { output: output.map(Into::into), ..request(vec![user("q")]) }
}

fn sent(codec: &dyn Codec, request: &ModelRequest) -> Value {
    serde_json::from_slice(&codec.body(request).unwrap()).unwrap()
}

fn chat(host: &str) -> ChatCodec {
    let parameters = BTreeMap::from([("parallel_tool_calls".to_owned(), json!(true))]);
    let url = Url::parse(&format!("https://{host}/v1/chat/completions")).unwrap();
    ChatCodec::new(&url, "m", &parameters, None)
}

fn backend(url: &str, parameters: Value, tools: &[ProviderTool]) -> BackendSpec {
    let service = Service { tools: tools.to_vec(), ..Service::chat_completions(url, Vec::new()) };
    BackendSpec {
        kind: "openai".to_owned(),
        wire: Wire::Service(service),
        model: "claude-sonnet-4-5".to_owned(),
        max_output_tokens: None,
        context_window: None,
        price: None,
        parameters: serde_json::from_value(parameters).unwrap(),
        output_schema: None,
    }
}

fn responses() -> ResponsesCodec {
    let url = "https://api.openai.com/v1/responses";
    ResponsesCodec::new(&Url::parse(url).unwrap(), &backend(url, json!({"text": {"verbosity": "low"}}), &[]))
}

fn messages(parameters: Value, tools: &[ProviderTool]) -> MessagesCodec {
    let url = "https://api.anthropic.com/v1/messages";
    MessagesCodec::new(&Url::parse(url).unwrap(), &backend(url, parameters, tools), tools)
}

fn gemini(model: &str, tools: &[ProviderTool]) -> GeminiCodec {
    let parameters = json!({"function_calling_mode": "ANY", "temperature": 0.5});
    GeminiCodec::new(model, &serde_json::from_value(parameters).unwrap(), tools, None)
}

/// A schema of which `part` is the form of a field.
fn with_field(part: &Value) -> Value {
    json!({"type": "object", "properties": {"a": part}, "required": ["a"]})
}

/// The closed schema as services hold a model to it: all fields, and no others.
fn strict() -> Value {
    json!({"title": "A_report_", "type": "object", "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
           "required": ["city", "people"], "additionalProperties": false})
}

#[test]
fn chat_completions_holds_the_model_to_a_closed_schema_and_advises_an_open_one() {
    for (host, keeps_tools) in
        [("api.openai.com", true), ("openrouter.ai", true), ("api.groq.com", false), ("example.test", false)]
    {
        let body = sent(&chat(host), &asked(Some(closed())));
        let schema = json!({"name": "A_report_", "strict": true, "schema": strict()});
        assert_eq!(body["response_format"], json!({"type": "json_schema", "json_schema": schema}), "{host}");
        let body = sent(&chat(host), &asked(Some(open())));
        let schema = json!({"name": "A_report_", "strict": false, "schema": open()});
        assert_eq!(body["response_format"], json!({"type": "json_schema", "json_schema": schema}), "{host}");

        let tools = |key: &str| body.get(key).is_some();
        assert_eq!((tools("tools"), tools("parallel_tool_calls")), (keeps_tools, keeps_tools), "{host}");
        assert_eq!(body.get("tool_choice"), keeps_tools.then(|| json!("none")).as_ref(), "{host}");
    }
}

#[test]
fn services_without_schemas_are_asked_for_json() {
    for host in ["api.deepseek.com", "api.moonshot.cn"] {
        let body = sent(&chat(host), &asked(Some(closed())));
        assert_eq!(body["response_format"], json!({"type": "json_object"}), "{host}");
        assert_eq!(body.get("tools"), None, "{host}");
    }
}

#[test]
fn responses_has_the_form_beside_other_settings_of_the_text() {
    let body = sent(&responses(), &asked(Some(closed())));
    let format = json!({"type": "json_schema", "name": "A_report_", "schema": strict(), "strict": true});
    assert_eq!(body["text"], json!({"verbosity": "low", "format": format}));
    let body = sent(&responses(), &asked(Some(open())));
    let format = json!({"type": "json_schema", "name": "A_report_", "schema": open(), "strict": false});
    assert_eq!(body["text"], json!({"verbosity": "low", "format": format}));
    assert_eq!((&body["tool_choice"], body["tools"].as_array().unwrap().len()), (&json!("none"), 2));
}

#[test]
fn messages_has_the_form_beside_the_effort_and_calls_no_tool() {
    let parameters = json!({"output_config": {"effort": "low"}, "disable_parallel_tool_use": true});
    let body = sent(&messages(parameters, &[ProviderTool::WebSearch]), &asked(Some(closed())));
    let format = json!({"type": "json_schema", "schema": strict()});
    assert_eq!(body["output_config"], json!({"effort": "low", "format": format}));
    assert_eq!(
        (&body["tool_choice"], body["tools"].as_array().unwrap().len()),
        (&json!({"type": "none"}), 3)
    );
}

#[test]
fn messages_holds_no_model_to_an_open_schema() {
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let nested = with_field(&json!({"type": "object"}));
    let bounded = with_field(&json!({"type": "integer", "minimum": 1}));
    let mut recursive = with_field(&json!({"$ref": "#/$defs/x"}));
    recursive["$defs"] =
        json!({"x": with_field(&json!({"anyOf": [{"$ref": "#/$defs/x"}, {"type": "null"}]}))});
    for schema in [open(), optional, nested, bounded, recursive] {
        let body = sent(&messages(json!({"output_config": {"effort": "low"}}), &[]), &asked(Some(schema)));
        assert_eq!(body["output_config"], json!({"effort": "low"}));
        assert_eq!(
            (&body["tool_choice"], body["tools"].as_array().unwrap().len()),
            (&json!({"type": "none"}), 2)
        );
    }
}

#[test]
fn fields_that_may_be_left_out_stay_optional_in_the_advice() {
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let body = sent(&responses(), &asked(Some(optional.clone())));
    assert_eq!(
        (&body["text"]["format"]["schema"], &body["text"]["format"]["strict"]),
        (&optional, &json!(false))
    );
    let body = sent(&chat("api.openai.com"), &asked(Some(optional.clone())));
    let form = &body["response_format"]["json_schema"];
    assert_eq!((&form["schema"], &form["strict"]), (&optional, &json!(false)));
}

#[test]
fn the_standard_of_a_schema_is_not_sent_with_a_closed_one() {
    let mut standard = closed();
    standard["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    let body = sent(&messages(json!({}), &[]), &asked(Some(standard.clone())));
    assert_eq!(body["output_config"]["format"]["schema"], strict());
    let body = sent(&responses(), &asked(Some(standard)));
    assert_eq!(body["text"]["format"]["schema"], strict());
}

#[test]
fn gemini_has_the_schema_as_it_is_and_older_models_get_no_tools_beside_it() {
    let body = sent(&gemini("gemini-3-flash", &[ProviderTool::WebSearch]), &asked(Some(closed())));
    let mut named = closed();
    named["title"] = json!("A_report_");
    assert_eq!(body["generationConfig"]["responseJsonSchema"], named);
    assert_eq!(body["generationConfig"]["responseMimeType"], "application/json");
    assert_eq!(body["generationConfig"]["temperature"], 0.5);
    assert_eq!(body["toolConfig"]["functionCallingConfig"], json!({"mode": "NONE"}));
    assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    let body = sent(&gemini("gemini-2.5-flash", &[ProviderTool::WebSearch]), &asked(Some(closed())));
    assert_eq!(body["generationConfig"]["responseJsonSchema"], named);
    assert_eq!((body.get("tools"), body.get("toolConfig")), (None, None));
}

#[test]
fn ollama_has_the_schema_as_its_format_and_no_tools() {
    let body = sent(&OllamaCodec::new("m", &BTreeMap::new(), None), &asked(Some(open())));
    assert_eq!(
        (&body["format"]["additionalProperties"], body.get("tools")),
        (&json!({"type": "string"}), None)
    );
}

#[test]
fn a_form_leaves_system_text_and_history_as_they_were_and_without_tools_all_before_the_first_call() {
    /// The fields of a body, each as it stands there.
    fn fields(codec: &dyn Codec, request: &ModelRequest) -> BTreeMap<String, Box<RawValue>> {
        serde_json::from_slice(&codec.body(request).unwrap()).unwrap()
    }
    let call = ToolCall { id: "c1".to_owned(), name: "vote".to_owned(), arguments: "{\"a\":1}".to_owned() };
    let reply = Reply {
        items: vec![
            ItemContent::Text { text: "let me see".to_owned() }.into(),
            ItemContent::ToolCall(call).into(),
        ],
        finish: FinishReason::ToolCalls,
        usage: TokenUsage::default(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    let result = Message::ToolResult {
        id: "c1".to_owned(),
        name: "vote".to_owned(),
        text: "counted".to_owned(),
        is_error: false,
    };
    let said = vec![user("q"), Message::Assistant { reply: reply.into() }, result, user("write")];
    // Where history and system text stand, and whether the tools stay.
    let codecs: [(&dyn Codec, &[&str], bool); 8] = [
        (&chat("api.openai.com"), &["messages"], true),
        (&chat("api.groq.com"), &["messages"], false),
        (&chat("api.deepseek.com"), &["messages"], false),
        (&responses(), &["instructions", "input"], true),
        (&messages(json!({}), &[ProviderTool::WebSearch]), &["system", "messages"], true),
        (&gemini("gemini-3-flash", &[]), &["systemInstruction", "contents"], true),
        (&gemini("gemini-2.5-flash", &[]), &["systemInstruction", "contents"], false),
        (&OllamaCodec::new("m", &BTreeMap::new(), None), &["messages"], false),
    ];
    for (codec, keys, keeps_tools) in codecs {
        let plain = fields(codec, &ModelRequest { messages: said.clone(), ..asked(None) });
        let text = keys.iter().map(|key| plain[*key].get()).collect::<String>();
        assert!(
            text.contains("be good") && text.contains("let me see") && text.contains("counted"),
            "{text}"
        );
        for schema in [closed(), open()] {
            let formed = fields(codec, &ModelRequest { messages: said.clone(), ..asked(Some(schema)) });
            for key in keys {
                let (now, before) = (formed[*key].get(), plain[*key].get());
                if keeps_tools {
                    assert_eq!(now, before, "{key}");
                } else {
                    // A call needs its tool; what it said is told in words then.
                    let (untouched, _) = before.split_once("let me see").unwrap_or((before, ""));
                    assert!(now.starts_with(untouched), "{key}:\n{before}\n{now}");
                    assert_eq!(now.contains("counted"), before.contains("counted"), "{key}");
                }
            }
            let tools = formed.get("tools").map(|tools| tools.get());
            assert_eq!(tools, keeps_tools.then(|| plain["tools"].get()), "{keys:?}");
        }
    }
}

#[test]
fn without_a_form_nothing_of_it_is_sent() {
    let codecs: [&dyn Codec; 5] = [
        &chat("api.openai.com"),
        &responses(),
        &messages(json!({}), &[]),
        &gemini("gemini-3-flash", &[]),
        &OllamaCodec::new("m", &BTreeMap::new(), None),
    ];
    for codec in codecs {
        let body = sent(codec, &asked(None));
        assert!(body.get("tools").is_some(), "{body}");
        let choice = body.get("tool_choice").cloned().unwrap_or_default().to_string();
        assert!(!choice.contains("none"), "{body}");
        for form in ["response_format", "output_config", "format"] {
            assert_eq!(body.get(form), None, "{body}");
        }
        assert_eq!(
            body.pointer("/text/format").or(body.pointer("/generationConfig/responseJsonSchema")),
            None
        );
    }
}
