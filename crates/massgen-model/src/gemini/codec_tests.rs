use std::sync::Arc;

use massgen_protocol::ToolSchema;
use massgen_protocol::message::{ItemContent, Message, ReplyItem};
use serde_json::json;

use super::*;
use crate::provider::testing::{decode, request_with, user};

const NEW: &str = "gemini-3-flash-preview";
const OLD: &str = "gemini-2.5-flash";

fn codec(model: &str, parameters: Value, tools: &[ProviderTool]) -> GeminiCodec {
    let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
    GeminiCodec::new(model, &parameters, tools, Some(500))
}

fn request(messages: Vec<Message>) -> ModelRequest {
    let tool = |name: &str| ToolSchema {
        name: name.to_owned(),
        description: format!("does {name}"),
        parameters: json!({"type": "object", "properties": {"z": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null},
                           "a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "integer"}}, "additionalProperties": false}),
    };
    request_with(vec![tool("vote"), tool("read")], messages)
}

fn result(id: &str, name: &str, text: &str) -> Message {
    Message::ToolResult {
        id: id.to_owned(),
        name: name.to_owned(),
        text: text.to_owned(),
        is_error: text == "bad",
    }
}

/// The reply with these parts.
fn reply(model: &str, parts: &Value) -> Message {
    let event = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]});
    let reply = decode(codec(model, json!({}), &[]).decoder(), [event.to_string()]).unwrap();
    Message::Assistant { reply: Arc::new(reply) }
}

fn body(codec: &GeminiCodec, request: &ModelRequest) -> String {
    String::from_utf8(codec.body(request).unwrap().to_vec()).unwrap()
}

fn json_of(codec: &GeminiCodec, request: &ModelRequest) -> Value {
    serde_json::from_str(&body(codec, request)).unwrap()
}

/// The parts of a reply with everything that must go back.
fn parts() -> Value {
    json!([
        {"text": "I think", "thought": true},
        {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["q"]}, "id": "s1"}, "thoughtSignature": "c2Vh"},
        {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"b": 1, "a": 2}, "id": "s1"}},
        {"text": "so"},
        {"text": "", "thoughtSignature": "ZW1w"},
        {"functionCall": {"name": "vote", "args": {"z": "1.0", "a": 1.5}, "id": "c1"}, "thoughtSignature": "Y2Fs"},
        {"functionCall": {"name": "read", "args": {}, "id": "c2"}},
    ])
}

#[test]
fn a_request_holds_settings_then_tools_then_system_then_the_conversation() {
    let codec = codec(NEW, json!({"temperature": 0.5, "max_tokens": 9}), &[]);
    let text = body(&codec, &request(vec![user("why?")]));
    let place = |key: &str| text.find(&format!("\"{key}\":")).unwrap();
    assert!(place("generationConfig") < place("tools"), "{text}");
    assert!(place("tools") < place("systemInstruction") && place("systemInstruction") < place("contents"));
    let body: Value = serde_json::from_str(&text).unwrap();
    let config =
        json!({"maxOutputTokens": 500, "temperature": 0.5, "thinkingConfig": {"includeThoughts": true}});
    assert_eq!(body["generationConfig"], config);
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "be good");
    assert_eq!(body["contents"][0]["role"], "user");
    assert_eq!(body["contents"][0]["parts"][0]["text"], "why?");
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["generationConfig", "tools", "systemInstruction", "contents"], "nothing is null");
    let mut bounded = request(vec![user("why?")]);
    bounded.max_output_tokens = Some(3);
    assert_eq!(json_of(&codec, &bounded)["generationConfig"]["maxOutputTokens"], 3);
    let unbound = GeminiCodec { max_output_tokens: None, ..codec };
    assert_eq!(json_of(&unbound, &request(vec![user("why?")]))["generationConfig"]["maxOutputTokens"], 9);
}

#[test]
fn schemas_of_tools_lose_nothing() {
    let request = request(vec![user("why?")]);
    let body = json_of(&codec(NEW, json!({}), &[]), &request);
    let declared = &body["tools"][0]["functionDeclarations"];
    assert_eq!(declared[0]["name"], "vote");
    assert_eq!(declared[0]["parametersJsonSchema"], request.tools[0].parameters);
    assert_eq!(declared.as_array().unwrap().len(), 2);
}

#[test]
fn the_parts_of_the_model_go_back_as_they_came_and_one_content_answers_all_calls() {
    let messages = vec![
        user("why?"),
        reply(NEW, &parts()),
        result("c1", "vote", "fine"),
        result("c2", "read", "bad"),
        user("news"),
        user("more news"),
    ];
    let body = json_of(&codec(NEW, json!({}), &[]), &request(messages));
    let contents = body["contents"].as_array().unwrap();
    assert_eq!(contents[1]["role"], "model");
    assert_eq!(contents[1]["parts"], parts());
    let answers: Vec<_> =
        contents[2]["parts"].as_array().unwrap().iter().map(|part| &part["functionResponse"]).collect();
    let expected = [
        json!({"name": "vote", "id": "c1", "response": {"result": "fine"}}),
        json!({"name": "read", "id": "c2", "response": {"error": "bad"}}),
    ];
    assert_eq!(answers, [&expected[0], &expected[1]]);
    let texts: Vec<_> =
        contents[3..].iter().map(|content| (&content["role"], &content["parts"][0]["text"])).collect();
    let user = json!("user");
    assert_eq!(texts, [(&user, &json!("news")), (&user, &json!("more news"))]);
}

#[test]
fn calls_without_ids_stay_without_them_for_models_that_know_none() {
    let call = json!([{"functionCall": {"name": "vote", "args": {"a": 1}}}, {"functionCall": {"name": "vote", "args": {"a": 1}}}]);
    let made = reply(OLD, &call);
    let Message::Assistant { reply } = &made else { panic!() };
    let ids: Vec<_> = reply.tool_calls().map(|call| call.id.clone()).collect();
    let messages =
        vec![user("why?"), made.clone(), result(&ids[0], "vote", "one"), result(&ids[1], "vote", "two")];
    let body = json_of(&codec(OLD, json!({}), &[]), &request(messages));
    assert_eq!(body["contents"][1]["parts"], call);
    let answers = body["contents"][2]["parts"].as_array().unwrap();
    let results: Vec<_> =
        answers.iter().map(|part| &part["functionResponse"]["response"]["result"]).collect();
    assert_eq!(results, ["one", "two"]);
    assert!(answers.iter().all(|part| part["functionResponse"].get("id").is_none()));
}

#[test]
fn texts_of_blanks_go_back_too() {
    let blank = json!([{"text": "\n"}, {"functionCall": {"name": "read", "args": {}, "id": "c"}}]);
    let messages = vec![user("why?"), reply(NEW, &blank), result("c", "read", "x")];
    assert_eq!(json_of(&codec(NEW, json!({}), &[]), &request(messages))["contents"][1]["parts"], blank);
}

#[test]
fn a_call_of_another_origin_is_marked_so_that_its_missing_signature_is_no_error() {
    let call = ItemContent::ToolCall(massgen_protocol::message::ToolCall {
        id: "c1".to_owned(),
        name: "read".to_owned(),
        arguments: "{\"path\":1}".to_owned(),
    });
    let Message::Assistant { reply } = reply(NEW, &json!([{"text": "x"}])) else { panic!() };
    let mut other = (*reply).clone();
    other.items = vec![ReplyItem::from(call)];
    let messages =
        vec![user("why?"), Message::Assistant { reply: Arc::new(other) }, result("c1", "read", "x")];
    let part = &json_of(&codec(NEW, json!({}), &[]), &request(messages))["contents"][1]["parts"][0];
    assert_eq!(part["functionCall"], json!({"name": "read", "args": {"path": 1}, "id": "c1"}));
    assert_eq!(part["thoughtSignature"], "skip_thought_signature_validator");
}

#[test]
fn a_longer_conversation_begins_with_the_bytes_of_the_shorter() {
    let messages = [
        user("why?"),
        user("one more thing"),
        reply(NEW, &parts()),
        result("c1", "vote", "fine"),
        result("c2", "read", "bad"),
        user("news"),
        user("more news"),
        reply(NEW, &json!([{"text": "done", "thoughtSignature": "ZG9u"}])),
        user("well?"),
        reply(NEW, &json!([])),
        user("hello?"),
    ];
    let codec = codec(NEW, json!({"top_p": 0.5}), &[ProviderTool::WebSearch]);
    let mut shorter: Option<String> = None;
    for length in 1..=messages.len() {
        if length == 4 {
            continue; // One of two calls is answered: no such request is made.
        }
        let longer = body(&codec, &request(messages[..length].to_vec()));
        assert_eq!(longer, body(&codec, &request(messages[..length].to_vec())));
        if length == 3 {
            continue; // The calls are not answered yet.
        }
        if let Some(shorter) = shorter {
            assert!(longer.starts_with(shorter.strip_suffix("]}").unwrap()), "{shorter}\n{longer}");
        }
        shorter = Some(longer);
    }
}

#[test]
fn tools_of_the_provider_join_those_of_the_agent_where_the_model_can() {
    let tools = [ProviderTool::WebSearch, ProviderTool::CodeExecution];
    for model in [NEW, "models/gemini-3.1-pro", "gemini-flash-latest", "gemma-4"] {
        let parameters = json!({"function_calling_mode": "VALIDATED"});
        let body = json_of(&codec(model, parameters, &tools), &request(vec![user("why?")]));
        let entries = body["tools"].as_array().unwrap();
        assert_eq!(entries[1..], [json!({"googleSearch": {}}), json!({"codeExecution": {}})], "{model}");
        let config =
            json!({"functionCallingConfig": {"mode": "VALIDATED"}, "includeServerSideToolInvocations": true});
        assert_eq!(body["toolConfig"], config, "{model}");
    }
    let mut alone = request(vec![user("why?")]);
    alone.tools = Arc::from([]);
    let body = json_of(&codec(OLD, json!({}), &tools), &alone);
    assert_eq!(body["tools"], json!([{"googleSearch": {}}, {"codeExecution": {}}]));
    assert_eq!(body.get("toolConfig"), None);
}

#[test]
fn what_the_model_cannot_do_is_named() {
    let refused = |model, parameters, tools: &[ProviderTool]| {
        codec(model, parameters, tools).body(&request(vec![user("why?")])).unwrap_err()
    };
    assert_eq!(
        refused(OLD, json!({}), &[ProviderTool::WebSearch]),
        "`gemini-2.5-flash` cannot use `enable_web_search` together with the tools of an agent; take a model of \
         Gemini 3 or later, or leave `enable_web_search` out"
    );
    assert!(refused(OLD, json!({}), &[ProviderTool::CodeExecution]).contains("`enable_code_execution`"));
    assert!(refused(NEW, json!({}), &[ProviderTool::XSearch]).contains("`enable_x_search`"));
    assert!(refused(NEW, json!({"thinking": "high"}), &[]).contains("`thinking`"));
    let cached = refused(NEW, json!({"cached_content": "cachedContents/1"}), &[]);
    assert!(cached.contains("cached") && cached.contains("tools"), "{cached}");
    let mut alone = request(vec![user("why?")]);
    (alone.tools, alone.system) = (Arc::from([]), "".into());
    let body = json_of(&codec(NEW, json!({"cached_content": "cachedContents/1"}), &[]), &alone);
    assert_eq!(body["cachedContent"], "cachedContents/1");
}
