use std::sync::Arc;

use massgen_protocol::ToolSchema;
use massgen_protocol::message::Message as OurMessage;
use serde_json::json;

use super::*;
use crate::provider::testing::{decode, request_with, user};

fn codec(parameters: Value) -> OllamaCodec {
    let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
    OllamaCodec::new("qwen3:4b", &parameters, None)
}

fn request(messages: Vec<OurMessage>) -> ModelRequest {
    let tool = ToolSchema {
        name: "vote".to_owned(),
        description: "votes".to_owned(),
        parameters: json!({"type": "object", "properties": {"z": {"type": "string"}}}),
    };
    request_with(vec![tool], messages)
}

fn result(id: &str, text: &str) -> OurMessage {
    OurMessage::ToolResult {
        id: id.to_owned(),
        name: "vote".to_owned(),
        text: text.to_owned(),
        is_error: false,
    }
}

fn reply(message: &Value) -> OurMessage {
    let line = json!({"message": message, "done": true, "done_reason": "stop"});
    let reply = decode(codec(json!({})).decoder(), [line.to_string()]).unwrap();
    OurMessage::Assistant { reply: Arc::new(reply) }
}

fn body(codec: &OllamaCodec, request: &ModelRequest) -> String {
    String::from_utf8(codec.body(request).unwrap().to_vec()).unwrap()
}

fn json_of(codec: &OllamaCodec, request: &ModelRequest) -> Value {
    serde_json::from_str(&body(codec, request)).unwrap()
}

fn turn() -> Value {
    json!({"role": "assistant", "content": "so", "thinking": "hm",
           "tool_calls": [{"id": "a", "function": {"index": 0, "name": "vote", "arguments": {"z": "é", "a": [1.5]}}}]})
}

#[test]
fn parameters_go_where_the_interface_reads_them() {
    let parameters = json!({"num_ctx": 8192, "temperature": 0.5, "top_p": 0.9, "think": "high", "keep_alive": "10m",
        "options": {"seed": 7}, "max_tokens": 50, "format": "json", "stop": null, "stream": false, "messages": []});
    let body = json_of(&codec(parameters), &request(vec![user("why?")]));
    let options = json!({"num_predict": 50, "num_ctx": 8192, "temperature": 0.5, "top_p": 0.9, "seed": 7});
    assert_eq!(body["options"], options);
    for (key, value) in [
        ("model", json!("qwen3:4b")),
        ("stream", json!(true)),
        ("think", json!("high")),
        ("keep_alive", json!("10m")),
        ("format", json!("json")),
        ("truncate", json!(false)),
    ] {
        assert_eq!(body[key], value, "{key}");
    }
    assert_eq!(body["tools"][0]["function"]["parameters"]["properties"], json!({"z": {"type": "string"}}));
    let kept = json_of(&codec(json!({"truncate": true})), &request(vec![user("why?")]));
    assert_eq!(kept["truncate"], true);
    let mut bounded = request(vec![user("why?")]);
    bounded.max_output_tokens = Some(3);
    assert_eq!(json_of(&codec(json!({"max_tokens": 50})), &bounded)["options"]["num_predict"], 3);
    assert!(codec(json!({"keep_alive": true})).body(&bounded).unwrap_err().contains("keep_alive"));
}

#[test]
fn a_reply_goes_back_as_it_came_and_messages_stay_apart() {
    let messages =
        vec![user("why?"), user("and how?"), reply(&turn()), result("a", "fine"), user("news"), user("more")];
    let body = json_of(&codec(json!({})), &request(messages));
    let expected = json!([
        {"role": "system", "content": "be good"},
        {"role": "user", "content": "why?"},
        {"role": "user", "content": "and how?"},
        turn(),
        {"role": "tool", "content": "fine", "tool_name": "vote", "tool_call_id": "a"},
        {"role": "user", "content": "news"},
        {"role": "user", "content": "more"},
    ]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn a_longer_conversation_begins_with_the_bytes_of_the_shorter() {
    let messages = [
        user("why?"),
        user("and how?"),
        reply(&turn()),
        result("a", "fine"),
        user("news"),
        user("more"),
        reply(&json!({"content": "", "thinking": "only thought"})),
        user("well?"),
        reply(&json!({"content": ""})),
        user("hello?"),
    ];
    let codec = codec(json!({"num_ctx": 8192}));
    let mut shorter: Option<String> = None;
    for length in (1..=messages.len()).filter(|length| *length != 3) {
        let longer = body(&codec, &request(messages[..length].to_vec()));
        if let Some(shorter) = shorter {
            assert!(longer.starts_with(shorter.strip_suffix("]}").unwrap()), "{shorter}\n{longer}");
        }
        shorter = Some(longer);
    }
    let text = shorter.unwrap();
    let place = |key: &str| text.find(&format!("\"{key}\":")).unwrap();
    assert!(place("options") < place("tools") && place("tools") < place("messages"), "{text}");
}
