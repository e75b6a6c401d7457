//! The Anthropic Messages protocol over a connection.

use massgen_model::{HttpClient, Keys, ProviderModel, connect_with};
use massgen_protocol::message::{FailureKind, FinishReason, Message};
use massgen_protocol::spec::{KeyHeader, Protocol, Service, Wire};
use massgen_testkit::model_server::chunks::{Frame, event};
use massgen_testkit::model_server::{ModelServer, ReceivedRequest, Schedule, ScriptedReply};
use serde_json::{Value, json};

use crate::support::{agent, hasty, question, request, see};

async fn serve(
    script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
) -> (ModelServer, ProviderModel) {
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let mut agent = agent("", &[]);
    agent.backend.kind = "claude".to_owned();
    agent.backend.parameters.insert("betas".to_owned(), json!(["b-1"]));
    agent.backend.wire = Wire::Service(Service {
        protocol: Protocol::Messages,
        key_header: KeyHeader::XApiKey,
        ..Service::chat_completions(server.base_url(), vec!["CLAUDE".to_owned()])
    });
    let keys = Keys::from_pairs([("CLAUDE", "secret")]);
    let model = connect_with(&agent, &keys, &HttpClient::new(), hasty()).unwrap();
    (server, model)
}

/// A stream of these events, named as the service names them.
fn stream(events: &[Value]) -> ScriptedReply {
    let named =
        |data: &Value| format!("event: {}\n{}", data["type"].as_str().unwrap(), event(&data.to_string()));
    let frames = events.iter().map(|data| Frame::data(named(data))).collect();
    ScriptedReply::Raw { content_type: "text/event-stream; charset=utf-8".to_owned(), frames }
}

/// The events of a reply with these blocks, each with what is added to it.
fn said(blocks: &[(Value, Value)], reason: &str) -> Vec<Value> {
    let head =
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}});
    let mut events = vec![head];
    for (index, (block, delta)) in blocks.iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}),
    );
    events.push(json!({"type": "message_stop"}));
    events
}

fn text(text: &str) -> (Value, Value) {
    (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}))
}

#[tokio::test]
async fn a_call_and_its_result_make_the_second_request() {
    let thinking = (
        json!({"type": "thinking", "thinking": "hm", "signature": ""}),
        json!({"type": "signature_delta", "signature": "sig"}),
    );
    let tool = (
        json!({"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}),
        json!({"type": "input_json_delta", "partial_json": "{\"path\":\"a\"}"}),
    );
    let first = said(&[thinking, text("I look."), tool], "tool_use");
    let second = said(&[text("done")], "end_turn");
    let (server, model) = serve(move |request| {
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
        let headers = ["anthropic-version", "anthropic-beta", "x-api-key", "authorization"].map(header);
        if headers != [Some("2023-06-01"), Some("b-1"), Some("secret"), None] {
            return ScriptedReply::refusal(400, "invalid_request_error", &format!("{headers:?}"));
        }
        stream(if request.number == 0 { &first } else { &second })
    })
    .await;

    let mut seen = see(&model, question()).await;
    let streamed = std::mem::take(&mut seen.streamed);
    assert_eq!(streamed, ["I look.".to_owned(), "hm".to_owned(), "{\"path\":\"a\"}".to_owned()]);
    let reply = seen.reply();
    assert_eq!(
        (reply.finish.clone(), reply.usage.input, reply.usage.output),
        (FinishReason::ToolCalls, 7, 3)
    );
    let next = vec![
        Message::user("why?"),
        Message::Assistant { reply: reply.into() },
        Message::ToolResult {
            id: "toolu_1".to_owned(),
            name: "read".to_owned(),
            text: "contents".to_owned(),
            is_error: false,
        },
    ];
    assert_eq!(see(&model, request(next)).await.reply().text(), "done");

    let requests = server.requests();
    let [old, new] = [0, 1].map(|number| requests[number].body.clone().unwrap());
    let sent: Value = serde_json::from_slice(&new).unwrap();
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "why?"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "contents"}]}]},
    ]);
    assert_eq!(sent["messages"], expected);
    let shared = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    assert_eq!(old.len() - shared, "]}".len(), "the second request begins with the first");
}

#[tokio::test]
async fn failures_that_pass_are_tried_again() {
    let whole = said(&[text("second time")], "end_turn");
    let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "no"}});
    let broken = |last: Option<Value>| stream(&[&whole[..3], last.as_slice()].concat());
    let refused = |status, kind: &str| ScriptedReply::Refuse {
        status,
        headers: Vec::new(),
        body: error(kind).to_string(),
    };
    for (fault, kind) in [
        (broken(None), FailureKind::Network),
        (broken(Some(error("overloaded_error"))), FailureKind::Server),
        (broken(Some(error("rate_limit_error"))), FailureKind::RateLimited),
        (refused(529, "overloaded_error"), FailureKind::Server),
        (refused(429, "rate_limit_error"), FailureKind::RateLimited),
    ] {
        let (fault, whole) = (fault.clone(), whole.clone());
        let told = format!("{fault:?}");
        let (_server, model) =
            serve(move |request| if request.repeat == 0 { fault.clone() } else { stream(&whole) }).await;
        let seen = see(&model, question()).await;
        assert_eq!(seen.retry_kinds(), [kind], "{told}");
        assert_eq!(seen.reply().text(), "second time", "{told}");
    }
}

#[tokio::test]
async fn a_full_window_and_an_empty_account_are_told_at_once() {
    for (message, kind) in [
        ("prompt is too long: 9 tokens > 8 maximum", FailureKind::ContextOverflow),
        ("Your credit balance is too low", FailureKind::QuotaExhausted),
        ("messages: at least one message is required", FailureKind::Rejected),
    ] {
        let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
        let refusal = ScriptedReply::Refuse { status: 400, headers: Vec::new(), body: error.to_string() };
        let streamed = stream(std::slice::from_ref(&error));
        for reply in [refusal, streamed] {
            let (_server, model) = serve(move |_| reply.clone()).await;
            let failure = see(&model, question()).await.end.unwrap_err();
            assert_eq!((failure.kind, failure.attempts), (kind, 1), "{failure}");
            assert!(failure.message.contains(message), "{failure}");
        }
    }
}
