use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::TokenUsage;
use massgen_protocol::message::{
    FinishReason, ItemContent, Message as OurMessage, Reply, ReplyItem, ToolCall,
};
use massgen_protocol::spec::{Service, Wire as BackendWire};

use super::*;
use crate::provider::testing::{self, request, user};

const ANTHROPIC: &str = "api.anthropic.com";
const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;

pub(in crate::messages) fn backend(
    model: &str,
    parameters: Value,
    max_output_tokens: Option<u32>,
) -> BackendSpec {
    BackendSpec {
        kind: "claude".to_owned(),
        wire: BackendWire::Service(Service::chat_completions("", Vec::new())),
        model: model.to_owned(),
        max_output_tokens,
        context_window: None,
        price: None,
        parameters: serde_json::from_value(parameters).unwrap(),
        output_schema: None,
    }
}

fn of(host: &str, model: &str, parameters: Value, tools: &[ProviderTool]) -> MessagesCodec {
    let url = Url::parse(&format!("https://{host}/v1/messages")).unwrap();
    MessagesCodec::new(&url, &backend(model, parameters, Some(500)), tools)
}

fn codec(parameters: Value) -> MessagesCodec {
    of(ANTHROPIC, "claude-sonnet-4-6", parameters, &[])
}

fn reply(items: Vec<ReplyItem>) -> OurMessage {
    let reply = Reply {
        items,
        finish: FinishReason::Stop,
        usage: TokenUsage::default(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    OurMessage::Assistant { reply: Arc::new(reply) }
}

fn call(id: &str, arguments: &str) -> ReplyItem {
    ItemContent::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "vote".to_owned(),
        arguments: arguments.to_owned(),
    })
    .into()
}

fn result(id: &str, text: &str, is_error: bool) -> OurMessage {
    OurMessage::ToolResult { id: id.to_owned(), name: "vote".to_owned(), text: text.to_owned(), is_error }
}

fn text(text: &str) -> ReplyItem {
    ItemContent::Text { text: text.to_owned() }.into()
}

fn opaque(item: Value) -> ReplyItem {
    ReplyItem { content: ItemContent::Opaque, provider: Some(item) }
}

fn written_by(codec: &MessagesCodec, request: &ModelRequest) -> String {
    String::from_utf8(codec.body(request).unwrap().to_vec()).unwrap()
}

fn json_by(codec: &MessagesCodec, request: &ModelRequest) -> Value {
    serde_json::from_str(&written_by(codec, request)).unwrap()
}

fn messages(items: Vec<OurMessage>) -> Value {
    json_by(&codec(json!({})), &request(items))["messages"].clone()
}

#[test]
fn a_body_says_settings_then_tools_then_system_then_messages() {
    let parameters =
        json!({"top_k": 5, "thinking": {"type": "adaptive"}, "stop_sequences": ["X"], "model": "no"});
    let made = written_by(&codec(parameters), &request(vec![user("why \"é\"?")]));
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}}"#;
    let tool = |name: &str, mark: &str| {
        format!(
            r#"{{"name":"{name}","description":"does {name}","input_schema":{schema},"eager_input_streaming":true{mark}}}"#
        )
    };
    let expected = [
        &format!("{{{MARK},"),
        r#""max_tokens":500,"model":"claude-sonnet-4-6","stop_sequences":["X"],"stream":true,"#,
        r#""thinking":{"type":"adaptive"},"tool_choice":{"type":"auto"},"top_k":5,"#,
        &format!(r#""tools":[{},{}],"#, tool("vote", ""), tool("answer", &format!(",{MARK}"))),
        &format!(r#""system":[{{"type":"text","text":"be good",{MARK}}}],"#),
        r#""messages":[{"role":"user","content":[{"type":"text","text":"why \"é\"?"}]}]}"#,
    ];
    assert_eq!(made, expected.concat());
}

/// A conversation with everything that a reply can hold.
fn long_conversation() -> Vec<OurMessage> {
    let thought = ReplyItem {
        content: ItemContent::Reasoning { text: "hm".to_owned() },
        provider: Some(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
    };
    let search =
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []});
    vec![
        user("question"),
        reply(vec![thought, text("let me see"), call("call_0", "{\"b\": 1}"), call("call_1", "not json")]),
        result("call_0", "counted", false),
        result("call_1", "bad arguments", true),
        user("news"),
        user("more news"),
        reply(vec![
            opaque(search),
            opaque(found),
            text("found "),
            opaque(json!({"type": "container", "container": {"id": "c1"}})),
        ]),
        user("go on"),
        reply(vec![call("call_0", "{}"), opaque(json!({"type": "container", "container": {"id": "c2"}}))]),
        result("call_0", "the same id again", false),
        user("end"),
    ]
}

#[test]
fn a_longer_conversation_begins_with_the_bytes_of_a_shorter_one() {
    let conversation = long_conversation();
    let hosts = [ANTHROPIC, "api.z.ai", "api.minimax.io", "gateway.test"];
    for host in hosts {
        for model in ["claude-sonnet-4-6", "claude-opus-5-5"] {
            let codec = of(host, model, json!({}), &[ProviderTool::CodeExecution]);
            let mut before: Option<String> = None;
            for length in [1, 4, 5, 6, 8, 10, 11] {
                let request = request(conversation[..length].to_vec());
                let now = written_by(&codec, &request);
                assert_eq!(now, written_by(&codec, &request), "the same request gives the same bytes");
                if let Some(before) = before {
                    let (said, _) = before.rsplit_once(']').unwrap();
                    // A message to the user's side joins the one before it.
                    let prefix = said.strip_suffix("]}").unwrap();
                    assert!(now.starts_with(prefix), "{host} {length}:\n{before}\n{now}");
                }
                before = Some(now);
            }
        }
    }
}

#[test]
fn a_turns_results_stand_in_one_message_right_after_it() {
    let sent = messages(long_conversation()[..5].to_vec());
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "question"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "let me see"},
            {"type": "tool_use", "id": "call_0", "name": "vote", "input": {"b": 1}},
            {"type": "tool_use", "id": "call_1", "name": "vote", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_0", "content": [{"type": "text", "text": "counted"}]},
            {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "bad arguments"}], "is_error": true},
            {"type": "text", "text": "news"}]},
    ]);
    assert_eq!(sent, expected);
}

/// The blocks of a streamed reply, sent back: they are what the stream said.
#[test]
fn a_reply_goes_back_as_it_came() {
    let blocks = [
        json!({"type": "thinking", "thinking": "", "signature": "omitted-but-signed"}),
        json!({"type": "redacted_thinking", "data": "ZW5j"}),
        json!({"type": "text", "text": "I search."}),
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}),
        json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "url": "https://h", "title": "t", "encrypted_content": "E", "page_age": null}]}),
        json!({"type": "text", "text": "It is so. ", "citations": [
            {"type": "web_search_result_location", "url": "https://h", "encrypted_index": "I", "cited_text": "so"}]}),
        json!({"type": "thinking", "thinking": "between tools", "signature": "second"}),
        json!({"type": "hologram", "shape": [1, {"deep": null}]}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "vote", "input": {"b": 1.5, "a": {"z": "é", "y": [null]}}}),
        json!({"type": "tool_use", "id": "toolu_2", "name": "vote", "input": {}, "caller": {"type": "direct"}}),
    ];
    let mut events = vec![json!({"type": "message_start", "message": {}})];
    for (index, block) in blocks.iter().enumerate() {
        let mut begun = block.clone();
        let mut deltas = Vec::new();
        let streamed = block["text"].as_str().map_or_else(|| block["input"].to_string(), str::to_owned);
        let (left, right) = streamed.split_at(streamed.len() / 2);
        match block["type"].as_str().unwrap() {
            "text" => {
                begun["text"] = json!("");
                deltas.extend([left, right].map(|text| json!({"type": "text_delta", "text": text})));
                if let Some(citations) = block["citations"].as_array() {
                    begun["citations"] = json!([]);
                    deltas.extend(
                        citations
                            .iter()
                            .map(|citation| json!({"type": "citations_delta", "citation": citation})),
                    );
                }
            }
            "thinking" => {
                begun["thinking"] = json!("");
                begun["signature"] = json!("");
                deltas.push(json!({"type": "thinking_delta", "thinking": block["thinking"]}));
                deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            }
            "tool_use" | "server_tool_use" => {
                begun["input"] = json!({});
                deltas.extend(
                    [left, right].map(|json| json!({"type": "input_json_delta", "partial_json": json})),
                );
            }
            _ => {}
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        events.extend(
            deltas
                .into_iter()
                .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
    for model in ["claude-sonnet-4-6", "claude-opus-5-5"] {
        let codec = of(ANTHROPIC, model, json!({}), &[ProviderTool::WebSearch]);
        let reply = testing::decode(codec.decoder(), events.iter().map(Value::to_string)).unwrap();
        // What the journal keeps is what goes back.
        let reply: Reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
        let conversation = vec![
            user("q"),
            OurMessage::Assistant { reply: Arc::new(reply) },
            result("toolu_1", "r", false),
            result("toolu_2", "r", false),
        ];
        let sent = json_by(&codec, &request(conversation));
        assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": blocks}), "{model}");
    }
}

#[test]
fn a_paused_reply_is_the_end_of_the_next_request() {
    let running = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    let done = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []});
    let mut conversation = vec![user("q"), reply(vec![text("a"), opaque(running.clone())])];
    let paused = json!({"role": "assistant", "content": [{"type": "text", "text": "a"}, running]});
    assert_eq!(messages(conversation.clone())[1], paused);
    conversation.extend([reply(vec![opaque(done.clone()), text("b")]), user("next")]);
    let sent = messages(conversation);
    assert_eq!(sent[1], paused, "both halves stay together");
    assert_eq!(sent[2]["content"], json!([done, {"type": "text", "text": "b"}]));
}

#[test]
fn what_the_provider_does_not_take_stays_here() {
    let unsigned = ItemContent::Reasoning { text: "half".to_owned() }.into();
    let took_over = opaque(json!({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}));
    let refused = ReplyItem { provider: Some(json!({"type": "refusal"})), ..text("I must not.") };
    let only = ItemContent::Reasoning { text: "nothing else".to_owned() }.into();
    let sent = messages(vec![
        user("q"),
        reply(vec![took_over, unsigned, text(" \n"), text("a"), refused]),
        reply(vec![only]),
        user("on"),
    ]);
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": [{"type": "text", "text": "on"}]},
    ]);
    assert_eq!(sent, expected);
}

#[test]
fn the_last_container_is_named_at_the_end_of_the_body() {
    let conversation = || request(long_conversation());
    let made = written_by(&codec(json!({})), &conversation());
    assert!(made.ends_with(r#"]}],"container":"c2"}"#), "{made}");
    let skills = json!({"container": {"skills": [{"type": "anthropic", "skill_id": "xlsx"}]}});
    let sent = json_by(&codec(skills.clone()), &conversation());
    assert_eq!(sent["container"], json!({"skills": skills["container"]["skills"], "id": "c2"}));
    assert_eq!(json_by(&codec(json!({"container": "mine"})), &conversation())["container"], "mine");
    assert_eq!(json_by(&codec(skills.clone()), &request(vec![user("q")]))["container"], skills["container"]);
    assert_eq!(json_by(&codec(json!({})), &request(vec![user("q")])).get("container"), None);
}

#[test]
fn each_host_gets_the_marks_that_it_reads() {
    let marks = |host: &str, parameters: Value| {
        let sent = json_by(&of(host, "m", parameters, &[]), &request(long_conversation()));
        let marked = |value: &Value| {
            value.get("cache_control").map(|mark| mark["ttl"].as_str().unwrap_or("5m").to_owned())
        };
        let last = &sent["messages"].as_array().unwrap().last().unwrap()["content"];
        (
            marked(&sent),
            marked(&sent["tools"][1]),
            marked(&sent["system"][0]),
            marked(last.as_array().unwrap().last().unwrap()),
        )
    };
    let all = |ttl: &str| Some(ttl.to_owned());
    let hour = || json!({"cache_control": {"type": "ephemeral", "ttl": "1h"}});
    assert_eq!(marks(ANTHROPIC, json!({})), (all("5m"), all("5m"), all("5m"), None));
    assert_eq!(marks(ANTHROPIC, hour()), (all("1h"), all("1h"), all("1h"), None));
    assert_eq!(marks("gateway.test", json!({})), (None, all("5m"), all("5m"), None));
    assert_eq!(marks("gateway.test", hour()), (all("1h"), all("1h"), all("1h"), None));
    for host in ["api.z.ai", "api.moonshot.ai", "api.minimax.io"] {
        assert_eq!(marks(host, json!({})), (None, None, None, None), "{host}");
    }
}

#[test]
fn servers_that_nobody_has_described_get_no_fields_they_may_not_know() {
    for (host, eager) in [(ANTHROPIC, json!(true)), ("api.z.ai", json!(true)), ("gateway.test", Value::Null)]
    {
        let sent = json_by(&of(host, "m", json!({}), &[]), &request(vec![user("q")]));
        assert_eq!(sent["tools"][0]["eager_input_streaming"], eager, "{host}");
        assert_eq!(sent["tools"][0].get("strict"), None, "{host}");
    }
}

#[test]
fn the_output_is_bound_by_the_request_the_configuration_or_what_is_known() {
    let bound = |host: &str, model: &str, configured, asked| {
        let url = Url::parse(&format!("https://{host}/v1/messages")).unwrap();
        let codec = MessagesCodec::new(&url, &backend(model, json!({}), configured), &[]);
        let request = ModelRequest { max_output_tokens: asked, ..request(vec![user("q")]) };
        json_by(&codec, &request)["max_tokens"].as_u64().unwrap()
    };
    assert_eq!(bound(ANTHROPIC, "claude-sonnet-4-6", Some(500), Some(9)), 9);
    assert_eq!(bound(ANTHROPIC, "claude-sonnet-4-6", Some(500), None), 500);
    assert_eq!(bound(ANTHROPIC, "claude-opus-4-1", None, None), 32_000);
    assert_eq!(bound(ANTHROPIC, "claude-haiku-4-5", None, None), 64_000);
    assert_eq!(bound(ANTHROPIC, "nobody-knows", None, None), u64::from(OUTPUT_TOKENS));
    assert_eq!(bound("gateway.test", "claude-haiku-4-5", None, None), u64::from(OUTPUT_TOKENS));
    assert!(bound("api.z.ai", "glm-4.6", None, None) > 4096, "what the catalogue says");
}

#[test]
fn thinking_fits_a_bound_that_a_budget_makes_tighter() {
    let thinking = |configured, asked| {
        let url = Url::parse("https://api.anthropic.com").unwrap();
        let parameters = json!({"thinking": {"type": "enabled", "budget_tokens": 20_000}});
        let codec = MessagesCodec::new(&url, &backend("claude-haiku-4-5", parameters, configured), &[]);
        let request = ModelRequest { max_output_tokens: asked, ..request(vec![user("q")]) };
        json_by(&codec, &request)["thinking"].clone()
    };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(thinking(None, Some(16_384)), budget(16_383));
    assert_eq!(thinking(None, Some(1024)), json!({"type": "disabled"}));
    assert_eq!(thinking(None, Some(30_000)), budget(20_000));
    assert_eq!(
        thinking(Some(9000), Some(9000)),
        budget(20_000),
        "a contradiction in the configuration is told by the service"
    );
}

#[test]
fn parameters_reach_the_tools_and_the_choice() {
    let parameters = json!({"enable_strict_tool_use": true, "disable_parallel_tool_use": true, "output_config": {"effort": "low"},
        "tools": [{"type": "mcp_toolset", "mcp_server_name": "n"}]});
    for host in [ANTHROPIC, "gateway.test"] {
        let sent = json_by(
            &of(host, "m", parameters.clone(), &[ProviderTool::WebSearch]),
            &request(vec![user("q")]),
        );
        let tools = sent["tools"].as_array().unwrap();
        assert!(
            tools[..2]
                .iter()
                .all(|tool| tool["strict"] == true && tool["input_schema"]["additionalProperties"] == false)
        );
        assert_eq!((&tools[2]["type"], &tools[3]["name"]), (&json!("mcp_toolset"), &json!("web_search")));
        assert_eq!(sent["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
        assert_eq!(sent["output_config"], json!({"effort": "low"}));
    }
}

#[test]
fn versions_and_betas_are_headers_and_nowhere_in_the_body() {
    let headers = |codec: &MessagesCodec| {
        let header = |name: &str| codec.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-api-key"), None);
        (header("anthropic-version"), header("anthropic-beta"))
    };
    let version = Some("2023-06-01".to_owned());
    assert_eq!(headers(&codec(json!({}))), (version.clone(), None));
    let with_betas = codec(json!({"betas": ["a-1", "b-2"]}));
    assert_eq!(headers(&with_betas), (version.clone(), Some("a-1,b-2".to_owned())));
    assert_eq!(json_by(&with_betas, &request(vec![user("q")])).get("betas"), None);
    let code = of(ANTHROPIC, "claude-opus-5-5", json!({"betas": ["a-1"]}), &[ProviderTool::CodeExecution]);
    let expected = "a-1,code-execution-2025-08-25,thinking-binding-controls-2026-08-01";
    assert_eq!(
        headers(&code),
        (version.clone(), Some(expected.to_owned())),
        "rig's beta for what it asks of this model"
    );
    let broken = codec(json!({"cache_control": "no", "betas": ["a-1"]}));
    assert_eq!(headers(&broken), (version, Some("a-1".to_owned())));
}

#[test]
fn a_model_whose_thinking_is_bound_keeps_its_items_in_every_mode() {
    for thinking in [json!({"type": "adaptive"}), json!({"type": "disabled"})] {
        let parameters =
            json!({"thinking": thinking, "tools": [{"type": "web_search_20250305", "name": "web_search"}]});
        let codec = of(ANTHROPIC, "claude-opus-5", parameters, &[]);
        let sent = json_by(&codec, &request(long_conversation()));
        let kinds: Vec<_> = sent["messages"][3]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["server_tool_use", "web_search_tool_result", "text"], "{thinking}");
    }
}

#[test]
fn what_cannot_be_sent_is_told_with_the_request() {
    for (parameters, tools, problem) in [
        (json!({"tools": 1}), &[][..], "the parameter `tools` is no list"),
        (json!({}), &[ProviderTool::XSearch], "no search in X"),
        (json!({"cache_control": "no"}), &[], "cache_control"),
    ] {
        let told = of(ANTHROPIC, "m", parameters, tools).body(&request(vec![user("q")])).unwrap_err();
        assert!(told.contains(problem), "{told}");
    }
}
