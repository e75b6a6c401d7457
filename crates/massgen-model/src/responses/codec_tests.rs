use std::sync::Arc;

use massgen_protocol::ids::AgentId;
use massgen_protocol::message::{ItemContent, Message, Reply, ReplyItem, ToolCall};
use massgen_protocol::spec::{ProviderTool, Service, Wire};
use serde_json::{Value, json};

use super::*;
use crate::provider::testing::{self, request, user};

const OPENAI: &str = "https://api.openai.com/v1/responses";
const XAI: &str = "https://api.x.ai/v1/responses";
const COMPATIBLE: &str = "https://example.test/v1/responses";

fn codec(url: &str, model: &str, parameters: Value, tools: &[ProviderTool]) -> ResponsesCodec {
    let service = Service { tools: tools.to_vec(), ..Service::chat_completions(url, Vec::new()) };
    let backend = BackendSpec {
        kind: "openai".to_owned(),
        wire: Wire::Service(service),
        model: model.to_owned(),
        max_output_tokens: Some(500),
        context_window: None,
        price: None,
        parameters: serde_json::from_value(parameters).unwrap(),
        output_schema: None,
    };
    ResponsesCodec::new(&Url::parse(url).unwrap(), &backend)
}

fn result(id: &str, text: &str) -> Message {
    Message::ToolResult { id: id.to_owned(), name: "vote".to_owned(), text: text.to_owned(), is_error: false }
}

/// The reply whose output `items` are.
fn reply(codec: &ResponsesCodec, items: &[Value]) -> Message {
    let done = items.iter().enumerate().map(
        |(index, item)| json!({"type": "response.output_item.done", "output_index": index, "item": item}),
    );
    let end = json!({"type": "response.completed", "response": {"status": "completed", "output": items}});
    let events: Vec<_> = done.chain([end]).map(|event| event.to_string()).collect();
    Message::Assistant { reply: Arc::new(testing::decode(codec.decoder(), events).unwrap()) }
}

/// A reply that a run without providers' items holds.
fn plain(items: Vec<ReplyItem>) -> Message {
    let done = json!({"type": "response.completed", "response": {}}).to_string();
    let codec = codec(OPENAI, "m", json!({}), &[]);
    let empty = testing::decode(codec.decoder(), [done]).unwrap();
    Message::Assistant { reply: Arc::new(Reply { items, ..empty }) }
}

fn text(codec: &ResponsesCodec, request: &ModelRequest) -> String {
    String::from_utf8(codec.body(request).unwrap().to_vec()).unwrap()
}

fn body(codec: &ResponsesCodec, messages: Vec<Message>) -> Value {
    serde_json::from_str(&text(codec, &request(messages))).unwrap()
}

fn input(codec: &ResponsesCodec, messages: Vec<Message>) -> Vec<Value> {
    body(codec, messages)["input"].as_array().unwrap().clone()
}

/// What a model does with everything switched on.
fn output() -> Vec<Value> {
    vec![
        json!({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gAAA"}),
        json!({"id": "ws_1", "type": "web_search_call", "status": "completed",
            "action": {"type": "search", "query": "q", "sources": []}}),
        json!({"id": "rs_2", "type": "reasoning", "summary": [], "encrypted_content": "gBBB"}),
        json!({"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "1+1",
            "container_id": "cntr_1", "outputs": null}),
        json!({"id": "ctc_1", "type": "custom_tool_call", "call_id": "xs_1", "name": "x_keyword_search",
            "input": "{\"query\":\"q\"}", "status": "completed"}),
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "phase": "commentary",
            "content": [{"type": "output_text", "text": "let me see", "logprobs": [], "annotations":
                [{"type": "url_citation", "url": "https://example.test/", "start_index": 0, "end_index": 3}]}]}),
        json!({"id": "fc_1", "type": "function_call", "status": "completed", "name": "vote", "call_id": "call_1",
            "arguments": "{\"b\": 1,\n \"a\": 2}"}),
        json!({"id": "fc_2", "type": "function_call", "status": "completed", "name": "vote", "call_id": "call_2",
            "arguments": "{}"}),
    ]
}

fn function_output(call_id: &str, text: &str) -> Value {
    json!({"type": "function_call_output", "call_id": call_id, "output": text, "status": "completed"})
}

fn said(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

#[test]
fn a_body_says_settings_then_tools_then_instructions_then_input() {
    let parameters = json!({"temperature": 0.5, "metadata": {"a": "b"}, "text": {"verbosity": "low"},
        "truncation": "auto", "service_tier": "flex", "include": ["web_search_call.action.sources"],
        "input": "no", "model": "no", "tools": [], "stream": false, "instructions": "no", "nothing": null});
    let tools = [ProviderTool::WebSearch, ProviderTool::CodeExecution];
    let made = text(&codec(OPENAI, "gpt-5.4", parameters, &tools), &request(vec![user("why \"é\"?")]));
    let (settings, rest) = made.split_once(r#","tools":"#).unwrap();
    let settings: Value = serde_json::from_str(&format!("{settings}}}")).unwrap();
    let key = settings["prompt_cache_key"].as_str().unwrap().to_owned();
    assert_eq!(
        settings,
        json!({"include": ["web_search_call.action.sources", "reasoning.encrypted_content"], "max_output_tokens": 500,
            "metadata": {"a": "b"}, "model": "gpt-5.4", "parallel_tool_calls": false, "prompt_cache_key": key,
            "reasoning": {"effort": "medium", "summary": "auto"}, "service_tier": "flex", "store": false,
            "stream": true, "temperature": 0.5, "text": {"verbosity": "low"}, "truncation": "auto"})
    );
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}}"#;
    let tool = |name: &str| {
        format!(
            r#"{{"type":"function","name":"{name}","parameters":{schema},"strict":false,"description":"does {name}"}}"#
        )
    };
    let expected = [
        &format!("[{},{},", tool("vote"), tool("answer")),
        r#"{"type":"web_search"},{"type":"code_interpreter","container":{"type":"auto"}}],"#,
        r#""instructions":"be good","#,
        r#""input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"why \"é\"?"}]}]}"#,
    ];
    assert_eq!(rest, expected.concat());
}

#[test]
fn a_reply_goes_back_as_it_came_with_the_results_after_it() {
    for url in [OPENAI, XAI, COMPATIBLE] {
        let codec = codec(url, "gpt-5.4", json!({}), &[]);
        let conversation = vec![
            user("q"),
            reply(&codec, &output()),
            result("call_1", "one"),
            result("call_2", "two"),
            user("go on"),
        ];
        let mut expected = vec![said("q")];
        expected.extend(output());
        expected.extend([function_output("call_1", "one"), function_output("call_2", "two"), said("go on")]);
        let sent = input(&codec, conversation);
        let sent = if url == XAI { &sent[1..] } else { &sent[..] };
        assert_eq!(serde_json::to_string(sent).unwrap(), serde_json::to_string(&expected).unwrap(), "{url}");
    }
}

#[test]
fn a_longer_conversation_begins_with_the_bytes_of_a_shorter_one() {
    for url in [OPENAI, XAI, COMPATIBLE] {
        let codec = codec(url, "gpt-5.4", json!({"top_p": 0.5}), &[ProviderTool::WebSearch]);
        let call = |id: &str| json!({"id": format!("fc_{id}"), "type": "function_call", "name": "vote", "call_id": id, "arguments": "{}"});
        let no_id = json!({"type": "function_call", "name": "vote", "arguments": ""});
        let conversation = vec![
            user("question"),
            reply(&codec, &output()),
            result("call_1", "counted"),
            result("call_2", "bad arguments"),
            user("news"),
            user("more news"),
            reply(&codec, &[call("call_1")]),
            result("call_1", "the same id again"),
            reply(&codec, &[no_id]),
            result("agent1-call-1-tool-0", "made up"),
            plain(vec![ItemContent::Text { text: "from elsewhere".to_owned() }.into()]),
            user("go on"),
        ];
        let mut before: Option<String> = None;
        for length in [1, 4, 5, 6, 8, 10, 12] {
            let now = text(&codec, &request(conversation[..length].to_vec()));
            assert_eq!(now, text(&codec, &request(conversation[..length].to_vec())), "{url} {length}");
            if let Some(before) = before {
                let prefix = before.strip_suffix("]}").unwrap();
                assert!(now.starts_with(prefix), "{url} {length} messages:\n{before}\n{now}");
            }
            before = Some(now);
        }
    }
}

#[test]
fn a_reply_that_was_read_from_a_journal_gives_the_same_bytes() {
    let codec = codec(OPENAI, "gpt-5.4", json!({}), &[]);
    let conversation =
        vec![user("q"), reply(&codec, &output()), result("call_1", "1"), result("call_2", "2")];
    let live = request(conversation);
    let stored = serde_json::to_string(&live).unwrap();
    let restored: ModelRequest = serde_json::from_str(&stored).unwrap();
    assert_eq!(text(&codec, &live), text(&codec, &restored));
}

#[test]
fn calls_that_share_an_id_are_answered_one_by_one() {
    let codec = codec(OPENAI, "gpt-5.4", json!({}), &[]);
    let call = |arguments: &str| json!({"type": "function_call", "name": "vote", "call_id": "c", "arguments": arguments});
    let sent = input(
        &codec,
        vec![
            user("q"),
            reply(&codec, &[call("{\"x\":1}"), call("{\"x\":2}")]),
            result("c", "one"),
            result("agent1-call-1-tool-1", "two"),
        ],
    );
    let ids: Vec<_> = sent[1..].iter().map(|item| item["call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["c", "agent1-call-1-tool-1", "c", "agent1-call-1-tool-1"]);
    assert_eq!((&sent[3]["output"], &sent[4]["output"]), (&json!("one"), &json!("two")));
}

#[test]
fn reasoning_without_ciphertext_goes_back_where_it_is_understood() {
    let items = [
        json!({"id": "rs_1", "type": "reasoning", "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}]}),
        json!({"id": "fc_1", "type": "function_call", "name": "vote", "call_id": "c", "arguments": "{}"}),
    ];
    let kinds = |url: &str, parameters: Value| {
        let codec = codec(url, "gpt-5.4", parameters, &[]);
        let sent = input(&codec, vec![user("q"), reply(&codec, &items), result("c", "r")]);
        sent.iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(COMPATIBLE, json!({})),
        ["message", "reasoning", "function_call", "function_call_output"]
    );
    assert_eq!(kinds(OPENAI, json!({})), ["message", "function_call", "function_call_output"]);
    assert_eq!(
        kinds(OPENAI, json!({"store": true})),
        ["message", "reasoning", "function_call", "function_call_output"]
    );
}

#[test]
fn ciphertext_is_asked_of_models_that_reason_and_of_no_other() {
    let include = |url: &str, model: &str, parameters: Value| {
        let body = body(&codec(url, model, parameters, &[]), vec![user("q")]);
        assert_eq!(body.get("store"), Some(&json!(false)), "{url} {model}");
        body.get("include").cloned()
    };
    let ciphertext = Some(json!(["reasoning.encrypted_content"]));
    for (url, model) in [(OPENAI, "gpt-5.4"), (OPENAI, "o1"), (OPENAI, "gpt-6"), (XAI, "grok-of-tomorrow")] {
        assert_eq!(include(url, model, json!({})), ciphertext, "{model}");
    }
    for (url, model) in [
        (OPENAI, "gpt-4o"),
        (OPENAI, "gpt-4.1-mini"),
        (OPENAI, "gpt-5-chat-latest"),
        (OPENAI, "ft:gpt-4o-mini:me::id"),
        (COMPATIBLE, "custom"),
    ] {
        assert_eq!(include(url, model, json!({})), None, "{model}");
    }
    let sources = json!(["web_search_call.action.sources"]);
    assert_eq!(include(OPENAI, "gpt-4o", json!({"include": sources})), Some(sources));
}

#[test]
fn xai_gets_its_own_dialect() {
    let codec = codec(XAI, "grok-4.20-0309-reasoning", json!({}), &[ProviderTool::XSearch]);
    let body = body(&codec, vec![user("q")]);
    assert_eq!(body["tools"].as_array().unwrap().last(), Some(&json!({"type": "x_search"})));
    assert_eq!((body.get("instructions"), &body["input"][0]["role"]), (None, &json!("system")));
    assert!(body["prompt_cache_key"].is_string());
}

#[test]
fn the_cache_key_is_the_agents_and_tells_nothing() {
    let codec = codec(OPENAI, "gpt-5.4", json!({}), &[]);
    let key = |change: &dyn Fn(&mut ModelRequest)| {
        let mut request = request(vec![user("q")]);
        change(&mut request);
        let body: Value = serde_json::from_str(&text(&codec, &request)).unwrap();
        body["prompt_cache_key"].as_str().unwrap().to_owned()
    };
    let first = key(&|_| {});
    assert_eq!(first, key(&|request| request.messages.push(user("more"))));
    assert_ne!(first, key(&|request| request.context.agent = AgentId::new("agent_b").unwrap()));
    assert_ne!(first, key(&|request| request.system = "be bad".into()));
    assert!(first.len() <= 64 && !first.contains("agent_a"), "{first}");
}

#[test]
fn the_request_may_bound_the_output_more_tightly_than_the_configuration() {
    let codec = codec(OPENAI, "gpt-5.4", json!({"max_output_tokens": 900}), &[]);
    let mut bounded = request(vec![user("q")]);
    assert_eq!(serde_json::from_str::<Value>(&text(&codec, &bounded)).unwrap()["max_output_tokens"], 500);
    bounded.max_output_tokens = Some(9);
    assert_eq!(serde_json::from_str::<Value>(&text(&codec, &bounded)).unwrap()["max_output_tokens"], 9);
}

#[test]
fn a_conversation_without_providers_items_is_rebuilt() {
    let codec = codec(OPENAI, "gpt-5.4", json!({}), &[]);
    let call = ToolCall { id: "c".to_owned(), name: "vote".to_owned(), arguments: "{\"x\":1}".to_owned() };
    let items = vec![
        ItemContent::Reasoning { text: "hm".to_owned() }.into(),
        ItemContent::Text { text: "a".to_owned() }.into(),
        ItemContent::ToolCall(call).into(),
    ];
    let sent = input(&codec, vec![user("q"), plain(items), result("c", "r"), plain(Vec::new())]);
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert_eq!(sent[1]["content"][0]["text"], "a");
    assert_eq!(
        sent[2],
        json!({"type": "function_call", "call_id": "c", "name": "vote", "arguments": "{\"x\":1}"})
    );
    assert_eq!(sent[3], function_output("c", "r"));
}
