//! The Gemini protocol over HTTP.

use std::time::Duration;

use massgen_protocol::TokenUsage;
use massgen_protocol::message::{FailureKind, FinishReason, Message};
use massgen_protocol::spec::Protocol;
use massgen_testkit::model_server::chunks::{Frame, event};
use massgen_testkit::model_server::{Outcome, ReceivedRequest, ScriptedReply};
use serde_json::{Value, json};

use crate::support::{question, request, see, serve_in};

fn stream(events: &[Value]) -> ScriptedReply {
    let frames = events.iter().map(|data| Frame::data(event(&data.to_string()))).collect();
    ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames }
}

fn fragment(parts: &Value, reason: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
           "usageMetadata": {"promptTokenCount": 30, "cachedContentTokenCount": 8, "candidatesTokenCount": 5, "thoughtsTokenCount": 2}})
}

fn done() -> ScriptedReply {
    stream(&[fragment(&json!([{"text": "do"}]), None), fragment(&json!([{"text": "ne"}]), Some("STOP"))])
}

#[tokio::test]
async fn a_reply_with_calls_goes_back_with_everything_it_held() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "I read"},
        {"functionCall": {"name": "read", "args": {"path": "é"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "read", "args": {}}},
    ]);
    let sent = parts.clone();
    let (server, model) = serve_in(Protocol::Gemini, move |request| match request.number {
        0 => stream(&[fragment(&sent, None), fragment(&json!([{"text": ""}]), Some("STOP"))]),
        _ => done(),
    })
    .await;
    let mut messages = vec![Message::user("why?")];
    let seen = see(&model, request(messages.clone())).await;
    assert_eq!(seen.streamed, ["I read", "hm", "{\"path\":\"é\"}{}"].map(str::to_owned));
    let first = seen.reply();
    assert_eq!(first.finish, FinishReason::ToolCalls);
    let usage = TokenUsage { input: 30, output: 7, reasoning: 2, cached_input: 8, ..TokenUsage::default() };
    assert_eq!(first.usage, usage);
    let calls: Vec<_> = first.tool_calls().cloned().collect();
    messages.push(Message::Assistant { reply: first.into() });
    for (call, text) in calls.iter().zip(["one", "two"]) {
        let (id, name) = (call.id.clone(), call.name.clone());
        messages.push(Message::ToolResult { id, name, text: text.to_owned(), is_error: false });
    }
    assert_eq!(see(&model, request(messages)).await.reply().text(), "done");

    let requests = server.requests();
    let bodies: Vec<_> = requests.iter().map(|request| request.body.clone().unwrap()).collect();
    assert!(bodies[1].starts_with(bodies[0].strip_suffix(b"]}").unwrap()));
    let contents = &requests[1].json()["contents"];
    assert_eq!(contents[1], json!({"role": "model", "parts": parts}));
    let answers: Vec<_> = (0..2)
        .map(|part| contents[2]["parts"][part]["functionResponse"]["response"]["result"].clone())
        .collect();
    assert_eq!(answers, ["one", "two"]);
    assert!(requests.iter().all(|request| request.outcome() == Outcome::Complete));
}

#[tokio::test]
async fn what_is_no_whole_reply_is_asked_for_again() {
    let error = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.003s"}]}});
    let half = fragment(&json!([{"text": "half an ans"}]), None);
    let malformed = fragment(&json!([]), Some("MALFORMED_FUNCTION_CALL"));
    let refusal =
        ScriptedReply::Refuse { status: 429, headers: Vec::new(), body: json!([error]).to_string() };
    let mut broken = stream(&[fragment(&json!([{"text": "x"}]), Some("STOP"))]);
    if let ScriptedReply::Raw { frames, .. } = &mut broken {
        frames.push(Frame::Cut);
    }
    let asked = Duration::from_millis(3);
    for (bad, kind, wait) in [
        (stream(std::slice::from_ref(&half)), FailureKind::Network, None),
        (stream(&[half.clone(), error.clone()]), FailureKind::RateLimited, Some(asked)),
        (stream(&[half, malformed]), FailureKind::Malformed, None),
        (refusal, FailureKind::RateLimited, Some(asked)),
        (broken, FailureKind::Network, None),
    ] {
        let script = move |request: &ReceivedRequest| if request.repeat == 0 { bad.clone() } else { done() };
        let (_server, model) = serve_in(Protocol::Gemini, script).await;
        let seen = see(&model, question()).await;
        assert_eq!(seen.retry_kinds(), [kind]);
        if let Some(wait) = wait {
            assert_eq!(seen.retries[0].3, wait, "{kind}");
        }
        assert_eq!(seen.streamed[0], "done");
        assert_eq!(seen.reply().text(), "done");
    }
}

#[tokio::test]
async fn a_quota_that_is_spent_for_the_day_is_told_at_once() {
    let body = json!({"error": {"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED",
        "details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, {"retryDelay": "1s"}]}});
    let refusal = ScriptedReply::Refuse { status: 429, headers: Vec::new(), body: body.to_string() };
    let (_server, model) = serve_in(Protocol::Gemini, move |_| refusal.clone()).await;
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::QuotaExhausted, 1));
}
