//! What a provider says arrives, in whatever form it says it.

use massgen_protocol::message::{FinishReason, Message};
use massgen_protocol::money::UsageSource;
use massgen_protocol::{TokenUsage, Usd};
use massgen_testkit::model_server::{Outcome, ScriptedReply};
use serde_json::json;

use crate::support::{question, request, see, serve};

#[tokio::test]
async fn text_reasoning_usage_and_times_arrive() {
    let (server, model) =
        serve(|_| ScriptedReply::text("the answer: é").with_reasoning("hmm, let me think")).await;
    let seen = see(&model, question()).await;
    assert_eq!(seen.streamed, ["the answer: é", "hmm, let me think", ""].map(str::to_owned));
    let reply = seen.reply();
    assert_eq!(
        (reply.text(), reply.reasoning()),
        ("the answer: é".to_owned(), "hmm, let me think".to_owned())
    );
    assert_eq!(reply.finish, FinishReason::Stop);
    assert_eq!(reply.usage, TokenUsage { input: 100, output: 10, ..TokenUsage::default() });
    assert!(reply.first_token_after <= reply.duration);
    let requests = server.requests();
    let sent = requests[0].json();
    assert_eq!((&sent["stream"], &sent["stream_options"]["include_usage"]), (&json!(true), &json!(true)));
    assert_eq!(requests[0].call.as_deref(), Some("agent1-call-1"));
    assert_eq!(requests[0].authorization, None);
}

#[tokio::test]
async fn parallel_calls_that_interleave_are_told_apart() {
    let (_server, model) = serve(|_| {
        ScriptedReply::call("read", &json!({"path": "a/b/c", "lines": [1, 2, 3]}))
            .with_call("write", &json!({"text": "some longer text with \"quotes\" and ünïcode"}))
    })
    .await;
    let seen = see(&model, question()).await;
    let streamed = seen.streamed[2].clone();
    let reply = seen.reply();
    let calls: Vec<_> = reply
        .tool_calls()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
        .collect();
    let expected = [
        ("call_0", "read", r#"{"path":"a/b/c","lines":[1,2,3]}"#),
        ("call_1", "write", r#"{"text":"some longer text with \"quotes\" and ünïcode"}"#),
    ];
    assert_eq!(calls, expected);
    assert_eq!(streamed.len(), expected.iter().map(|call| call.2.len()).sum::<usize>());
}

#[tokio::test]
async fn tool_calls_count_when_the_server_says_stop_and_gives_no_ids() {
    let (_server, model) = serve(|_| {
        ScriptedReply::call("vote", &json!({"agent_id": "agent2"})).with(|reply| {
            reply.finish = Some("stop".to_owned());
            reply.calls[0].id = String::new();
        })
    })
    .await;
    let reply = see(&model, question()).await.reply();
    let calls: Vec<_> = reply.tool_calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("agent1-call-1-tool-0", r#"{"agent_id":"agent2"}"#)]);
    assert_eq!(reply.finish, FinishReason::Stop);
}

#[tokio::test]
async fn a_missing_usage_is_estimated_and_an_unknown_reason_is_kept() {
    let (server, model) = serve(|_| {
        ScriptedReply::text("12345678").with(|reply| {
            reply.usage = None;
            reply.finish = Some("GUARDRAIL".to_owned());
        })
    })
    .await;
    let reply = see(&model, question()).await.reply();
    let input = server.requests()[0].bytes.div_ceil(4) as u64;
    assert_eq!(
        reply.usage,
        TokenUsage { input, output: 2, source: UsageSource::Estimated, ..TokenUsage::default() }
    );
    assert_eq!(reply.finish, FinishReason::Other("GUARDRAIL".to_owned()));
}

#[tokio::test]
async fn the_cost_that_a_provider_reports_is_kept() {
    let (_server, model) = serve(|_| {
        ScriptedReply::text("x").with(|reply| {
            reply.usage = Some(json!({"prompt_tokens": 9, "completion_tokens": 4, "cost": 0.0125,
                "prompt_tokens_details": {"cached_tokens": 6}, "completion_tokens_details": {"reasoning_tokens": 3}}));
        })
    })
    .await;
    let reply = see(&model, question()).await.reply();
    assert_eq!(reply.reported_cost, Some(Usd::from_dollars(0.0125)));
    assert_eq!(
        reply.usage,
        TokenUsage { input: 9, output: 4, reasoning: 3, cached_input: 6, ..TokenUsage::default() }
    );
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let (_server, model) = serve(|_| {
        let reply = json!({"choices": [{"message": {"role": "assistant", "content": "whole",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "vote", "arguments": "{}"}},
                           {"id": "b", "type": "function", "function": {"name": "vote", "arguments": "{}"}}]},
            "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
        massgen_testkit::model_server::ScriptedReply::Raw {
            content_type: "application/json; charset=utf-8".to_owned(),
            frames: vec![massgen_testkit::model_server::chunks::Frame::data(reply.to_string())],
        }
    })
    .await;
    let seen = see(&model, question()).await;
    assert_eq!(seen.streamed[0], "whole");
    let reply = seen.reply();
    assert_eq!(reply.tool_calls().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(reply.usage.total(), 3);
}

#[tokio::test]
async fn a_connection_serves_more_than_one_call() {
    const CALLS: usize = 20;
    let (server, model) = serve(|_| ScriptedReply::text("x")).await;
    for _ in 0..CALLS {
        see(&model, question()).await.reply();
    }
    let clients: std::collections::HashSet<_> =
        server.requests().iter().map(|request| request.client).collect();
    assert!(clients.len() < CALLS, "{clients:?}");
}

#[tokio::test]
async fn a_growing_conversation_begins_with_the_same_bytes() {
    let (server, model) = serve(|request| match request.number {
        0 => ScriptedReply::call("read", &json!({"path": "x"})).with_reasoning("first I read"),
        _ => ScriptedReply::text("done"),
    })
    .await;
    let mut messages = vec![Message::user("why?")];
    let first = see(&model, request(messages.clone())).await.reply();
    let call = first.tool_calls().next().unwrap().clone();
    messages.push(Message::Assistant { reply: first.into() });
    messages.push(Message::ToolResult {
        id: call.id,
        name: call.name,
        text: "42".to_owned(),
        is_error: false,
    });
    messages.push(Message::user("news"));
    see(&model, request(messages)).await.reply();

    let requests = server.requests();
    let bodies: Vec<_> = requests.iter().map(|request| request.body.clone().unwrap()).collect();
    assert!(bodies[1].starts_with(bodies[0].strip_suffix(b"]}").unwrap()));
    let turn = &requests[1].json()["messages"][2];
    assert_eq!(turn["reasoning_content"], "first I read", "reasoning goes back in the field it came in");
    assert_eq!(turn["tool_calls"][0]["id"], "call_0");
    assert!(requests.iter().all(|request| request.outcome() == Outcome::Complete));
}
