//! The Responses protocol over HTTP.

use massgen_model::{HttpClient, Keys, ProviderModel, connect_with};
use massgen_protocol::message::{FailureKind, FinishReason, Message};
use massgen_protocol::spec::{AgentSpec, Protocol, Service, Wire};
use massgen_testkit::model_server::chunks::Frame;
use massgen_testkit::model_server::{ModelServer, ReceivedRequest, Schedule, ScriptedReply};
use serde_json::{Value, json};

use crate::support::{agent, hasty, question, request, see};

fn speaker(base_url: &str) -> AgentSpec {
    let mut agent = agent(base_url, &[]);
    let service =
        Service { protocol: Protocol::Responses, ..Service::chat_completions(base_url, Vec::new()) };
    agent.backend.wire = Wire::Service(service);
    agent
}

async fn serve(
    script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
) -> (ModelServer, ProviderModel) {
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let agent = speaker(&server.base_url());
    let model = connect_with(&agent, &Keys::default(), &HttpClient::new(), hasty()).unwrap();
    (server, model)
}

/// The events as they are on the wire, `separator` after each line.
fn wire(events: &[Value], separator: &str) -> String {
    let line = |(number, event): (usize, &Value)| {
        let mut event = event.clone();
        event["sequence_number"] = json!(number);
        let kind = event["type"].as_str().unwrap().to_owned();
        format!("event: {kind}{separator}data: {event}{separator}{separator}")
    };
    events.iter().enumerate().map(line).collect()
}

fn raw(stream: &str, piece: usize) -> ScriptedReply {
    let frames = stream.as_bytes().chunks(piece).map(|piece| Frame::data(piece.to_vec())).collect();
    ScriptedReply::Raw { content_type: "text/event-stream; charset=utf-8".to_owned(), frames }
}

fn item(step: &str, index: usize, item: &Value) -> Value {
    json!({"type": format!("response.output_item.{step}"), "output_index": index, "item": item})
}

fn delta(what: &str, index: usize, id: &str, text: &str) -> Value {
    json!({"type": format!("response.{what}.delta"), "output_index": index, "item_id": id, "content_index": 0,
        "summary_index": 0, "delta": text})
}

fn end(output: &[Value]) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": output,
        "usage": {"input_tokens": 50, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 70}}})
}

/// Reasoning, a search of the provider, text and two calls.
fn output() -> [Value; 5] {
    [
        json!({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm – 日本"}],
            "encrypted_content": "gAAA"}),
        json!({"id": "ws_1", "type": "web_search_call", "status": "completed",
            "action": {"type": "search", "query": "q"}}),
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "phase": "commentary",
            "content": [{"type": "output_text", "text": "naïve", "annotations": [{"type": "url_citation",
                "url": "https://example.test/", "title": "é", "start_index": 0, "end_index": 3}]}]}),
        json!({"id": "fc_1", "type": "function_call", "status": "completed", "name": "read", "call_id": "call_1",
            "arguments": "{\"é\": 1}"}),
        json!({"id": "fc_2", "type": "function_call", "status": "completed", "name": "read", "call_id": "call_2",
            "arguments": "{}"}),
    ]
}

/// How a server tells of [`output`].
fn events() -> Vec<Value> {
    let output = output();
    let call = |number: usize| {
        let mut begun = output[number].clone();
        begun["arguments"] = json!("");
        begun["status"] = json!("in_progress");
        item("added", number, &begun)
    };
    vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}),
        delta("reasoning_summary_text", 0, "rs_1", "hm – "),
        delta("reasoning_summary_text", 0, "rs_1", "日本"),
        item("done", 0, &output[0]),
        json!({"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"}),
        item("done", 1, &output[1]),
        delta("output_text", 2, "msg_1", "na"),
        delta("output_text", 2, "msg_1", "ïve"),
        json!({"type": "response.output_text.done", "output_index": 2, "item_id": "msg_1", "content_index": 0,
            "text": "naïve"}),
        item("done", 2, &output[2]),
        call(3),
        call(4),
        delta("function_call_arguments", 3, "fc_1", "{\"é\""),
        delta("function_call_arguments", 4, "fc_2", "{}"),
        delta("function_call_arguments", 3, "fc_1", ": 1}"),
        item("done", 4, &output[4]),
        item("done", 3, &output[3]),
        end(&output),
    ]
}

#[tokio::test]
async fn a_reply_is_the_same_however_its_bytes_are_cut() {
    let mut whole: Option<Value> = None;
    for separator in ["\n", "\r\n"] {
        let stream = wire(&events(), separator);
        for piece in [stream.len(), 1, 2, 3, 5, 7, 11, 64] {
            let reply = raw(&stream, piece);
            let (_server, model) = serve(move |_| reply.clone()).await;
            let seen = see(&model, question()).await;
            assert_eq!(seen.streamed, ["naïve", "hm – 日本", "{\"é\"{}: 1}"], "pieces of {piece}");
            let reply = seen.reply();
            assert_eq!((reply.usage.input, reply.usage.cached_input, reply.usage.reasoning), (50, 40, 5));
            let made = json!({"items": reply.items, "finish": reply.finish});
            assert_eq!(whole.get_or_insert_with(|| made.clone()), &made, "pieces of {piece}");
        }
    }
}

#[tokio::test]
async fn a_reply_with_calls_goes_back_whole_and_the_next_one_answers() {
    let script = |request: &ReceivedRequest| {
        if request.number == 0 {
            return raw(&wire(&events(), "\n"), 100);
        }
        let answer = json!({"id": "msg_2", "type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": "forty-two"}]});
        raw(&wire(&[item("done", 0, &answer), end(&[])], "\n"), 100)
    };
    let (server, model) = serve(script).await;
    let asked = Message::user("why?");
    let first = see(&model, request(vec![asked.clone()])).await.reply();
    assert_eq!(first.finish, FinishReason::ToolCalls);
    let result = |id: &str, text: &str| Message::ToolResult {
        id: id.to_owned(),
        name: "read".to_owned(),
        text: text.to_owned(),
        is_error: false,
    };
    let results = [result("call_1", "one"), result("call_2", "two")];
    let reply = Message::Assistant { reply: std::sync::Arc::new(first) };
    let conversation = [asked, reply].into_iter().chain(results).collect();
    let second = see(&model, request(conversation)).await.reply();
    assert_eq!((second.text().as_str(), second.finish), ("forty-two", FinishReason::Stop));

    let requests = server.requests();
    let sent = requests[1].json();
    let mut expected =
        vec![json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "why?"}]})];
    expected.extend(output());
    for (id, text) in [("call_1", "one"), ("call_2", "two")] {
        expected.push(
            json!({"type": "function_call_output", "call_id": id, "output": text, "status": "completed"}),
        );
    }
    assert_eq!(sent["input"], json!(expected));
    assert_eq!((&sent["store"], &sent["stream"]), (&json!(false), &json!(true)));
    let (before, after) = (requests[0].body.clone().unwrap(), requests[1].body.clone().unwrap());
    assert!(
        after.starts_with(before.strip_suffix(b"]}").unwrap()),
        "the second request begins as the first one"
    );
}

#[tokio::test]
async fn what_breaks_off_is_tried_again_and_never_an_answer() {
    let text = delta("output_text", 0, "msg_1", "half an ans");
    let failed = |code: &str| json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": "m"}}});
    let cases = [
        (vec![text.clone()], FailureKind::Network),
        (vec![text.clone(), item("done", 0, &output()[2])], FailureKind::Network),
        (vec![text.clone(), failed("server_error")], FailureKind::Server),
        (vec![text.clone(), failed("rate_limit_exceeded")], FailureKind::RateLimited),
        (vec![json!({"type": "error", "code": "server_error", "message": "m"})], FailureKind::Server),
    ];
    for (broken, kind) in cases {
        let script = move |request: &ReceivedRequest| {
            let stream = if request.repeat == 0 { broken.clone() } else { events() };
            raw(&wire(&stream, "\n"), 1000)
        };
        let (_server, model) = serve(script).await;
        let seen = see(&model, question()).await;
        assert_eq!(seen.retry_kinds(), [kind]);
        assert_eq!(seen.streamed[0], "naïve");
    }
    for (code, kind) in [
        ("context_length_exceeded", FailureKind::ContextOverflow),
        ("insufficient_quota", FailureKind::QuotaExhausted),
        ("invalid_prompt", FailureKind::Rejected),
    ] {
        let broken = wire(&[text.clone(), failed(code)], "\n");
        let (server, model) = serve(move |_| raw(&broken, 1000)).await;
        assert_eq!(see(&model, question()).await.end.unwrap_err().kind, kind, "{code}");
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_reply_that_is_not_streamed_is_taken_whole() {
    let body = json!({"id": "resp_1", "object": "response", "status": "completed", "error": null,
        "output": output(), "usage": null});
    let reply = ScriptedReply::Raw {
        content_type: "application/json".to_owned(),
        frames: vec![Frame::data(body.to_string())],
    };
    let (_server, model) = serve(move |_| reply.clone()).await;
    let reply = see(&model, question()).await.reply();
    let items: Vec<_> = reply.items.iter().filter_map(|item| item.provider.clone()).collect();
    assert_eq!(items, output());
}
