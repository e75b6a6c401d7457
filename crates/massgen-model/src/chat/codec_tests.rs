use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::TokenUsage;
use massgen_protocol::message::{FinishReason, ItemContent, Message, Reply, ReplyItem, ToolCall as OurCall};
use serde_json::json;

use super::*;
use crate::provider::testing::{request, user};

fn codec(host: &str, parameters: Value) -> ChatCodec {
    let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
    let url = Url::parse(&format!("https://{host}/v1/chat/completions")).unwrap();
    ChatCodec::new(&url, "the-model", &parameters, Some(500))
}

fn reply(items: Vec<ReplyItem>) -> Message {
    let reply = Reply {
        items,
        finish: FinishReason::Stop,
        usage: TokenUsage::default(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    Message::Assistant { reply: Arc::new(reply) }
}

fn call(id: &str, arguments: &str) -> ReplyItem {
    ItemContent::ToolCall(OurCall {
        id: id.to_owned(),
        name: "vote".to_owned(),
        arguments: arguments.to_owned(),
    })
    .into()
}

fn result(id: &str, text: &str) -> Message {
    Message::ToolResult { id: id.to_owned(), name: "vote".to_owned(), text: text.to_owned(), is_error: false }
}

fn text(text: &str) -> ReplyItem {
    ItemContent::Text { text: text.to_owned() }.into()
}

fn body(request: &ModelRequest) -> String {
    String::from_utf8(codec("example.test", json!({})).body(request).unwrap().to_vec()).unwrap()
}

fn messages(request: &ModelRequest) -> Value {
    serde_json::from_str::<Value>(&body(request)).unwrap()["messages"].clone()
}

#[test]
fn a_body_says_settings_then_tools_then_messages() {
    let parameters = json!({"top_p": 0.5, "alpha": [1], "messages": "no", "model": "no", "tools": [], "stream": false,
        "nothing": null});
    let made = codec("example.test", parameters).body(&request(vec![user("why \"é\"?")])).unwrap();
    let parameters = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}}"#;
    let tool = |name: &str| {
        format!(
            r#"{{"type":"function","function":{{"name":"{name}","description":"does {name}","parameters":{parameters}}}}}"#
        )
    };
    let expected = [
        r#"{"alpha":[1],"max_tokens":500,"model":"the-model","stream":true,"#,
        r#""stream_options":{"include_usage":true},"top_p":0.5,"#,
        &format!(r#""tools":[{},{}],"#, tool("vote"), tool("answer")),
        r#""messages":[{"role":"system","content":"be good"},{"role":"user","content":"why \"é\"?"}]}"#,
    ];
    assert_eq!(std::str::from_utf8(&made).unwrap(), expected.concat());
}

#[test]
fn a_longer_conversation_begins_with_the_bytes_of_a_shorter_one() {
    let conversation = vec![
        user("question"),
        reply(vec![
            ReplyItem {
                content: ItemContent::Reasoning { text: "hm".to_owned() },
                provider: Some(json!({"reasoning_content": ""})),
            },
            text("let me see"),
            call("call_0", "{\"b\": 1, \"a\": {\"z\":2,\"y\":3}}"),
            call("call_1", "not json"),
        ]),
        result("call_0", "counted"),
        result("call_1", "bad arguments"),
        user("news"),
        user("more news"),
        reply(vec![call("call_0", "{}")]),
        result("call_0", "the same id again"),
        user("go on"),
    ];
    let mut before: Option<String> = None;
    for length in [1, 4, 5, 6, 8, 9] {
        let now = body(&request(conversation[..length].to_vec()));
        assert_eq!(
            now,
            body(&request(conversation[..length].to_vec())),
            "the same request gives the same bytes"
        );
        if let Some(before) = before {
            let prefix = before.strip_suffix("]}").unwrap();
            assert!(now.starts_with(prefix), "{length} messages:\n{before}\n{now}");
        }
        before = Some(now);
    }
}

#[test]
fn replies_go_back_with_the_items_of_the_provider() {
    let signed = ReplyItem {
        provider: Some(json!({"extra_content": {"google": {"thought_signature": "s"}}, "type": "function"})),
        ..call("c", "{\"x\":1}")
    };
    let details = json!([{"type": "reasoning.encrypted", "data": "opaque"}]);
    let thought = ReplyItem {
        content: ItemContent::Reasoning { text: "hm".to_owned() },
        provider: Some(json!({"reasoning": "", "reasoning_details": details})),
    };
    let sent = messages(&request(vec![user("q"), reply(vec![thought, text("a"), signed]), result("c", "r")]));
    let turn = json!({"role": "assistant", "content": "a", "reasoning": "hm", "reasoning_details": details,
        "tool_calls": [{"extra_content": {"google": {"thought_signature": "s"}}, "type": "function", "id": "c",
            "function": {"name": "vote", "arguments": "{\"x\":1}"}}]});
    assert_eq!(sent[2], turn);
    assert_eq!(sent[3], json!({"role": "tool", "tool_call_id": "c", "content": "r"}));
}

#[test]
fn a_conversation_without_providers_items_is_rebuilt() {
    let thought = ItemContent::Reasoning { text: "hm".to_owned() }.into();
    let sent =
        messages(&request(vec![user("q"), reply(vec![thought, text("a")]), reply(vec![]), user("go on")]));
    let expected = json!([
        {"role": "system", "content": "be good"}, {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"}, {"role": "user", "content": "go on"},
    ]);
    assert_eq!(sent, expected);
}

#[test]
fn a_provider_gets_its_own_dialect() {
    let sent = |host: &str, model: &str| {
        let url = Url::parse(&format!("https://{host}/v1")).unwrap();
        let codec = ChatCodec::new(&url, model, &BTreeMap::new(), Some(500));
        serde_json::from_slice::<Value>(&codec.body(&request(vec![user("q")])).unwrap()).unwrap()
    };
    assert_eq!(sent("api.openai.com", "gpt-5.2")["max_completion_tokens"], 500);
    assert_eq!(sent("notopenai.com", "gpt-5.2")["max_tokens"], 500);
    for (_, dialect) in DIALECTS {
        assert!(dialect.quirks.supports_tools, "{}", dialect.name);
    }
}

#[test]
fn a_reasoning_deployment_of_azure_gets_the_bound_that_it_takes() {
    let sent = |deployment: &str, budget: Option<u32>| {
        let url = format!(
            "https://r.openai.azure.com/openai/deployments/{deployment}/chat/completions?api-version=2024-12-01-preview"
        );
        let codec = ChatCodec::new(&Url::parse(&url).unwrap(), deployment, &BTreeMap::new(), Some(500));
        let mut asked = request(vec![user("q")]);
        asked.max_output_tokens = budget;
        let body: Value = serde_json::from_slice(&codec.body(&asked).unwrap()).unwrap();
        ["max_tokens", "max_completion_tokens"].map(|name| body.get(name).and_then(Value::as_u64))
    };
    assert_eq!(sent("gpt-5-mini", None), [None, Some(500)]);
    assert_eq!(sent("prod", Some(9)), [None, Some(9)], "a bound for the budget goes the same way");
    assert_eq!(sent("gpt-4o", Some(9)), [Some(9), None]);
}

#[test]
fn models_behind_openrouter_that_want_marks_for_their_cache_get_them() {
    let url = Url::parse("https://openrouter.ai/api/v1/chat/completions").unwrap();
    let sent = |model: &str, parameters: Value, messages: &[Message]| {
        let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
        let codec = ChatCodec::new(&url, model, &parameters, None);
        String::from_utf8(codec.body(&request(messages.to_vec())).unwrap().to_vec()).unwrap()
    };
    let conversation = [user("q"), reply(vec![text("a")]), user("r")];
    let read = |body: &str| serde_json::from_str::<Value>(body).unwrap();
    let mark = json!({"type": "ephemeral"});
    let claude = sent("anthropic/claude-sonnet-4.5", json!({}), &conversation);
    assert_eq!((claude.matches("cache_control").count(), &read(&claude)["cache_control"]), (1, &mark));
    for model in ["qwen/qwen3-max", "alibaba/qwen-plus"] {
        let body = sent(model, json!({}), &conversation);
        let messages = &read(&body)["messages"];
        let block = |text: &str| json!([{"type": "text", "text": text, "cache_control": mark}]);
        assert_eq!((&messages[0]["content"], &messages[1]["content"]), (&block("be good"), &block("q")));
        assert_eq!(messages[3]["content"], "r", "what was sent before never changes");
        let before = sent(model, json!({}), &conversation[..1]);
        assert!(body.starts_with(before.strip_suffix("]}").unwrap()), "{before}\n{body}");
    }
    let own = json!({"type": "ephemeral", "ttl": "1h"});
    for (said, counted) in [(json!({"cache_control": own}), 1), (json!({"cache_control": null}), 0)] {
        for model in ["anthropic/claude-sonnet-4.5", "qwen/qwen3-max"] {
            let body = sent(model, said.clone(), &conversation);
            assert_eq!(body.matches("cache_control").count(), counted, "{model}: {body}");
        }
    }
    assert!(!sent("openai/gpt-5.2", json!({}), &conversation).contains("cache_control"));
    let codec = ChatCodec::new(
        &Url::parse("https://example.test/v1").unwrap(),
        "anthropic/claude-sonnet-4.5",
        &BTreeMap::new(),
        None,
    );
    let elsewhere = codec.body(&request(conversation.to_vec())).unwrap();
    assert!(!String::from_utf8_lossy(&elsewhere).contains("cache_control"));
}

#[test]
fn a_picture_with_the_question_stands_behind_the_block_that_is_marked() {
    let url = Url::parse("https://openrouter.ai/api/v1/chat/completions").unwrap();
    let codec = ChatCodec::new(&url, "qwen/qwen3-vl", &BTreeMap::new(), None);
    let attachment = massgen_protocol::Attachment {
        name: "a.png".to_owned(),
        media_type: "image/png".to_owned(),
        kind: massgen_protocol::AttachmentKind::Image,
        content: massgen_protocol::AttachmentContent::Blob { hash: "ab".repeat(32), bytes: 3 },
    };
    let file = massgen_protocol::AttachedFile { attachment, bytes: b"one".as_slice().into() };
    let question = Message::User { text: "what?".to_owned(), files: vec![Arc::new(file)] };
    let body: Value = serde_json::from_slice(&codec.body(&request(vec![question])).unwrap()).unwrap();
    let content = body["messages"][1]["content"].as_array().unwrap();
    assert_eq!(content.len(), 2, "{content:?}");
    assert_eq!(
        (&content[0]["text"], &content[0]["cache_control"]["type"]),
        (&json!("what?"), &json!("ephemeral"))
    );
    assert_eq!(content[1]["type"], "image_url");
}

#[test]
fn the_request_may_bound_the_output_more_tightly_than_the_configuration() {
    let mut bounded = request(vec![user("q")]);
    bounded.max_output_tokens = Some(9);
    assert_eq!(serde_json::from_str::<Value>(&body(&bounded)).unwrap()["max_tokens"], 9);
    assert_eq!(serde_json::from_str::<Value>(&body(&request(vec![user("q")]))).unwrap()["max_tokens"], 500);
}

#[test]
fn sources_of_a_reply_do_not_go_back() {
    let sources = json!({"type": "sources", "sources": ["https://a.test"]});
    let item = ReplyItem { content: ItemContent::Opaque, provider: Some(sources) };
    let with = request(vec![user("q"), reply(vec![text("a"), item]), user("r")]);
    let without = request(vec![user("q"), reply(vec![text("a")]), user("r")]);
    assert_eq!(body(&with), body(&without));
}

#[test]
fn a_picture_of_the_model_goes_back_where_there_is_a_place_for_it_and_in_words_elsewhere() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,b25l"}});
    let painted = || ReplyItem::with_file(image.clone(), "/image_url/url", None);
    let second = ReplyItem::with_file(
        json!({"image_url": {"url": "data:image/png;base64,dHdv"}}),
        "/image_url/url",
        None,
    );
    let conversation = [
        user("paint"),
        reply(vec![text("Here"), painted(), second.clone(), call("a", "{}")]),
        result("a", "no"),
        reply(vec![painted()]),
    ];
    let sent = |host: &str| {
        let body = codec(host, json!({})).body(&request(conversation.to_vec())).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["messages"].clone()
    };
    let plain = sent("example.test");
    assert_eq!(
        plain[2]["content"],
        "Here\n[image 1: image/png, 3 bytes, not shown]\n[image 2: image/png, 3 bytes, not shown]"
    );
    assert_eq!(plain[4]["content"], "[image 1: image/png, 3 bytes, not shown]");
    assert!(!plain.to_string().contains("b25l"));
    let routed = sent("openrouter.ai");
    assert_eq!(routed[2]["images"], json!([image, second.provider.unwrap()]));
    assert_eq!(routed[2]["content"], "Here\n[image 1: image/png, 3 bytes]\n[image 2: image/png, 3 bytes]");
    assert_eq!(
        (&routed[4]["images"], &routed[4]["content"]),
        (&json!([image]), &json!("[image 1: image/png, 3 bytes]"))
    );
}

#[test]
fn deployments_of_mistral_at_azure_are_not_asked_for_usage() {
    let asks = |url: &str, model: &str| {
        let codec = ChatCodec::new(&Url::parse(url).unwrap(), model, &BTreeMap::new(), None);
        let body: Value = serde_json::from_slice(&codec.body(&request(vec![user("q")])).unwrap()).unwrap();
        body.get("stream_options").is_some()
    };
    let azure = "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1";
    let unified = "https://r.services.ai.azure.com/openai/v1/chat/completions";
    let gateway = "https://gateway.test/openai/deployments/d/chat/completions?api-version=1";
    for url in [azure, unified, gateway] {
        assert!(!asks(url, "Mistral-Large-3") && !asks(url, "team-ministral-3b"), "{url}");
        assert!(asks(url, "gpt-4o"), "{url}");
    }
    assert!(asks("https://notazure.com/v1/chat/completions", "mistral-large"));
}
