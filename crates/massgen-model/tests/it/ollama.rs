//! Ollama's own protocol over HTTP.

use massgen_protocol::TokenUsage;
use massgen_protocol::message::{FailureKind, FinishReason, Message};
use massgen_protocol::spec::Protocol;
use massgen_testkit::model_server::chunks::Frame;
use massgen_testkit::model_server::{ReceivedRequest, ScriptedReply};
use serde_json::{Value, json};

use crate::support::{question, request, see, serve_in};

fn stream(lines: &[Value]) -> ScriptedReply {
    let frames = lines.iter().map(|line| Frame::data(format!("{line}\n"))).collect();
    ScriptedReply::Raw { content_type: "application/x-ndjson".to_owned(), frames }
}

fn line(message: &Value) -> Value {
    json!({"model": "m", "message": message, "done": false})
}

fn end() -> Value {
    json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
           "prompt_eval_count": 11, "eval_count": 7})
}

fn done() -> ScriptedReply {
    stream(&[line(&json!({"content": "do"})), line(&json!({"content": "ne"})), end()])
}

#[tokio::test]
async fn a_reply_with_calls_goes_back_with_everything_it_held() {
    let call = json!({"id": "call_1", "function": {"index": 0, "name": "read", "arguments": {"path": "é"}}});
    let sent = call.clone();
    let (server, model) = serve_in(Protocol::Ollama, move |request| match request.number {
        0 => stream(&[
            line(&json!({"content": "", "thinking": "hm"})),
            line(&json!({"content": "I read"})),
            line(&json!({"content": "", "tool_calls": [sent]})),
            end(),
        ]),
        _ => done(),
    })
    .await;
    let mut messages = vec![Message::user("why?")];
    let seen = see(&model, request(messages.clone())).await;
    assert_eq!(seen.streamed, ["I read", "hm", "{\"path\":\"é\"}"].map(str::to_owned));
    let first = seen.reply();
    assert_eq!(first.finish, FinishReason::ToolCalls);
    assert_eq!(first.usage, TokenUsage { input: 11, output: 7, ..TokenUsage::default() });
    let id = first.tool_calls().next().unwrap().id.clone();
    messages.push(Message::Assistant { reply: first.into() });
    messages.push(Message::ToolResult {
        id,
        name: "read".to_owned(),
        text: "42".to_owned(),
        is_error: false,
    });
    assert_eq!(see(&model, request(messages)).await.reply().text(), "done");

    let requests = server.requests();
    let bodies: Vec<_> = requests.iter().map(|request| request.body.clone().unwrap()).collect();
    assert!(bodies[1].starts_with(bodies[0].strip_suffix(b"]}").unwrap()));
    let turn = json!({"role": "assistant", "content": "I read", "thinking": "hm", "tool_calls": [call]});
    assert_eq!(requests[1].json()["messages"][2], turn);
}

#[tokio::test]
async fn what_is_no_whole_reply_is_asked_for_again() {
    let half = line(&json!({"content": "half an ans"}));
    let error = json!({"error": "an error was encountered while running the model"});
    for (bad, kind) in [
        (stream(std::slice::from_ref(&half)), FailureKind::Network),
        (stream(&[half, error]), FailureKind::Server),
        (stream(&[json!("no object")]), FailureKind::Malformed),
    ] {
        let script = move |request: &ReceivedRequest| if request.repeat == 0 { bad.clone() } else { done() };
        let (_server, model) = serve_in(Protocol::Ollama, script).await;
        let seen = see(&model, question()).await;
        assert_eq!(seen.retry_kinds(), [kind]);
        assert_eq!(seen.reply().text(), "done");
    }
}

#[tokio::test]
async fn a_conversation_longer_than_the_window_is_told_as_such() {
    let body = json!({"error": "the input length exceeds the context length"}).to_string();
    let refusal = ScriptedReply::Refuse { status: 400, headers: Vec::new(), body };
    let (server, model) = serve_in(Protocol::Ollama, move |_| refusal.clone()).await;
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::ContextOverflow, 1));
    assert_eq!(server.requests()[0].json()["truncate"], false);
}
