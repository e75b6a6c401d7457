use massgen_protocol::Usd;
use massgen_protocol::ids::AgentNo;
use massgen_protocol::message::{FailureKind, ToolCall};
use reqwest::Url;

use super::*;
use crate::retry::Repeat;

fn witness() -> Witness {
    Witness::new(&Url::parse("http://h/v1").unwrap(), None)
}

fn decode(chunks: &[Value], done: &str) -> Result<Reply, Failure> {
    let mut decoder = Decoder::default();
    for chunk in chunks {
        decoder.event(chunk.to_string().as_bytes(), false, &witness())?;
    }
    decoder.event(done.as_bytes(), false, &witness())?;
    let call = CallId { agent: AgentNo::from_index(0), number: 1 };
    let instant = Duration::ZERO;
    let measured = Measured { call, request_bytes: 401, first_token_after: instant, duration: instant };
    decoder.reply(measured, &witness())
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]})
}

#[test]
fn text_in_any_form_becomes_one_text() {
    let reply = decode(
        &[
            delta(json!({"role": "assistant", "content": "a"})),
            delta(json!({"content": null, "refusal": "b"})),
            delta(json!({"content": [{"type": "text", "text": "c"}, {"type": "thinking", "thinking": [{"text": "t"}]}]})),
            json!({"choices": [{"index": 1, "delta": {"content": "another candidate"}}]}),
            json!({"type": "ping"}),
            finish("stop"),
        ],
        "[DONE]",
    )
    .unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("abc", "t"));
    assert_eq!(reply.finish, FinishReason::Stop);
}

#[test]
fn reasoning_under_several_names_is_taken_once_and_its_form_is_kept() {
    let detail = |text: &str, signature: Value| json!({"type": "reasoning.text", "index": 0, "text": text, "signature": signature});
    let reply = decode(
        &[
            delta(json!({"reasoning": "on", "reasoning_details": [detail("on", Value::Null)]})),
            delta(json!({"reasoning": "e", "reasoning_details": [detail("e", json!("sig"))]})),
            delta(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "opaque"}]})),
            finish("stop"),
        ],
        "[DONE]",
    )
    .unwrap();
    assert_eq!(reply.reasoning(), "one");
    let item = json!({"reasoning": "",
        "reasoning_details": [detail("one", json!("sig")), {"type": "reasoning.encrypted", "data": "opaque"}]});
    assert_eq!(reply.items[0].provider, Some(item));

    let reply =
        decode(&[delta(json!({"reasoning_content": "x", "reasoning": "x"})), finish("stop")], "[DONE]")
            .unwrap();
    assert_eq!(
        (reply.reasoning().as_str(), &reply.items[0].provider),
        ("x", &Some(json!({"reasoning_content": ""})))
    );
}

#[test]
fn tool_calls_count_whatever_the_reason_to_stop_says() {
    let call = delta(json!({"tool_calls": [{"function": {"name": "vote", "arguments": "{}"}}]}));
    for (reason, finish_reason) in [
        ("stop", FinishReason::Stop),
        ("tool_calls", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("max_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("GUARDRAIL", FinishReason::Other("GUARDRAIL".to_owned())),
    ] {
        let reply = decode(&[call.clone(), finish(reason)], "").unwrap();
        let calls: Vec<_> = reply.tool_calls().collect();
        let id = "agent1-call-1-tool-0".to_owned();
        assert_eq!(calls, [&ToolCall { id, name: "vote".to_owned(), arguments: "{}".to_owned() }]);
        assert_eq!(reply.finish, finish_reason);
    }
    assert_eq!(decode(&[call], "[DONE]").unwrap().finish, FinishReason::ToolCalls);
}

#[test]
fn a_stream_is_a_reply_only_with_a_finish_reason_or_done() {
    let text = delta(json!({"content": "x"}));
    assert!(decode(&[text.clone(), finish("stop")], "").is_ok());
    assert_eq!(decode(std::slice::from_ref(&text), "[DONE]").unwrap().finish, FinishReason::Stop);
    assert_eq!(decode(&[text], "").unwrap_err().kind, FailureKind::Network);
    assert_eq!(decode(&[], "[DONE]").unwrap_err().kind, FailureKind::Malformed);
}

#[test]
fn usage_is_found_in_each_of_its_places_or_estimated() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3});
    let text = delta(json!({"content": "12345"}));
    for carrier in [
        json!({"choices": [], "usage": usage}),
        json!({"choices": [{"delta": {}, "usage": usage}]}),
        json!({"choices": [], "x_groq": {"id": "r", "usage": usage}}),
    ] {
        let reply = decode(&[text.clone(), finish("stop"), carrier], "[DONE]").unwrap();
        assert_eq!(reply.usage, TokenUsage { input: 7, output: 3, ..TokenUsage::default() });
    }
    let estimated =
        TokenUsage { input: 101, output: 2, source: UsageSource::Estimated, ..TokenUsage::default() };
    let zeros = json!({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}});
    assert_eq!(decode(&[text.clone(), finish("stop"), zeros], "[DONE]").unwrap().usage, estimated);
    let costly = json!({"choices": [], "usage": {"cost": 0.25}});
    let reply = decode(&[text, finish("stop"), costly], "[DONE]").unwrap();
    assert_eq!((reply.usage, reply.reported_cost), (estimated, Some(Usd::from_dollars(0.25))));
}

#[test]
fn errors_in_the_stream_end_it() {
    let text = delta(json!({"content": "x"}));
    let error = json!({"error": {"code": 429, "message": "slow"}, "choices": [{"delta": {}, "finish_reason": "error"}]});
    assert_eq!(decode(&[text.clone(), error], "[DONE]").unwrap_err().kind, FailureKind::RateLimited);
    assert_eq!(decode(&[text.clone(), finish("error")], "[DONE]").unwrap_err().kind, FailureKind::Server);
    assert!(decode(&[json!({"error": null, "choices": null}), text, finish("stop")], "[DONE]").is_ok());
    let mut decoder = Decoder::default();
    let named = decoder.event(b"{\"message\":\"gone\"}", true, &witness()).unwrap_err();
    assert!(named.message.ends_with("gone"), "{named:?}");
    for bad in [&b"{\"choices\":"[..], b"[1]", b"\xff", b"{\"choices\":[{\"delta\":{\"tool_calls\":{}}}]}"] {
        assert_eq!(decoder.event(bad, false, &witness()).unwrap_err().kind, FailureKind::Malformed);
    }
}

#[test]
fn a_reply_that_grows_beyond_its_limit_is_not_asked_for_again() {
    let mut decoder = Decoder::default();
    let piece = delta(
        json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "x".repeat(1 << 20)}}]}),
    );
    let piece = piece.to_string();
    let failure = (0..17).find_map(|_| decoder.event(piece.as_bytes(), false, &witness()).err());
    assert_eq!(failure.map(|failure| failure.repeat), Some(Repeat::Never));
}

#[test]
fn pieces_of_one_kind_are_joined_until_somebody_takes_them() {
    let mut decoder = Decoder::default();
    for content in ["a", "b"] {
        decoder.event(delta(json!({"content": content})).to_string().as_bytes(), false, &witness()).unwrap();
    }
    let call = delta(json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}));
    decoder.event(call.to_string().as_bytes(), false, &witness()).unwrap();
    let expected = vec![(DeltaKind::Text, "ab".to_owned()), (DeltaKind::ToolArguments, "{".to_owned())];
    assert_eq!(decoder.take_pieces(), expected);
    assert!(decoder.take_pieces().is_empty());
}
