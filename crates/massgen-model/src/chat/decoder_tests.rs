use massgen_protocol::message::{Reply, ToolCall};
use massgen_protocol::money::UsageSource;
use massgen_protocol::{TokenUsage, Usd};

use super::*;
use crate::provider::draft::Incomplete;
use crate::provider::testing::{self, Bench, NoReply};

/// The reply that the chunks make, with `done` at the end unless that is empty.
fn decode(chunks: &[Value], done: &str) -> Result<Reply, NoReply> {
    let events = chunks.iter().map(Value::to_string).chain((!done.is_empty()).then(|| done.to_owned()));
    testing::decode(Box::new(Decoder::default()), events)
}

fn said(error: Value) -> NoReply {
    NoReply::Fault(Fault::Said(error))
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
fn thinking_in_parts_goes_back_in_a_part() {
    let thinks = |text: &str| {
        delta(json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}))
    };
    let call =
        delta(json!({"tool_calls": [{"id": "abc123XYZ", "function": {"name": "vote", "arguments": "{}"}}]}));
    let chunks = [thinks("plan "), thinks("it"), delta(json!({"content": "Hi"})), call, finish("tool_calls")];
    let reply = decode(&chunks, "[DONE]").unwrap();
    assert_eq!((reply.reasoning().as_str(), reply.text().as_str()), ("plan it", "Hi"));
    let url = reqwest::Url::parse("https://api.mistral.ai/v1/chat/completions").unwrap();
    let codec = crate::chat::ChatCodec::new(
        &url,
        "magistral-medium-latest",
        &std::collections::BTreeMap::new(),
        None,
    );
    let said = massgen_protocol::message::Message::Assistant { reply: std::sync::Arc::new(reply) };
    let body = crate::provider::codec::Codec::body(&codec, &testing::request(vec![testing::user("q"), said]))
        .unwrap();
    let sent: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        sent["messages"][2]["content"],
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "plan it"}]}, {"type": "text", "text": "Hi"}])
    );
}

#[test]
fn sources_are_kept_once_in_whatever_place_they_come() {
    let source = |url: &str| json!({"type": "url_citation", "url_citation": {"url": url, "title": "t"}});
    let listed =
        |text: &str| json!({"citations": ["https://c.test"], "choices": [{"delta": {"content": text}}]});
    let reference = json!({"type": "reference", "reference_ids": [3]});
    let chunks = [
        delta(json!({"content": "a", "annotations": [source("https://a.test")]})),
        delta(json!({"content": "b", "annotations": [source("https://a.test"), source("https://b.test")]})),
        delta(json!({"content": [{"type": "text", "text": "c"}, reference]})),
        listed("d"),
        listed("e"),
        finish("stop"),
    ];
    let reply = decode(&chunks, "[DONE]").unwrap();
    assert_eq!(reply.text(), "abcde");
    let kept = reply.items[1].provider.clone().unwrap();
    let sources = json!([source("https://a.test"), source("https://b.test"), reference, "https://c.test"]);
    assert_eq!((reply.items.len(), &kept["sources"]), (2, &sources));
    let many = (0..2000).map(|number| source(&format!("https://{number}.test"))).collect::<Vec<_>>();
    let reply =
        decode(&[delta(json!({"content": "a", "annotations": many})), finish("stop")], "[DONE]").unwrap();
    assert_eq!(reply.items[1].provider.clone().unwrap()["sources"].as_array().unwrap().len(), 256);
}

#[test]
fn one_event_with_a_million_calls_is_read_as_far_as_a_reply_may_be_long() {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let mut decoder = Decoder::default();
    let calls = vec!["{}"; 1_000_000].join(",");
    let event = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{calls}]}}}}]}}"#);
    decoder.event(&event, &mut bench.draft).unwrap();
    assert!(bench.draft.is_too_long());
    // The list ends where the reply does, so what stands behind it is not even looked at.
    let calls = format!(r#"{calls},"no call""#);
    let event = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{calls}]}}}}]}}"#);
    decoder.event(&event, &mut bench.draft).unwrap();
    let most = massgen_protocol::limits::REPLY_BYTES / CALL_OVERHEAD;
    assert!(decoder.calls.count() <= most, "{} of at most {most}", decoder.calls.count());
}

#[test]
fn calls_of_one_event_are_told_apart_however_many_there_are() {
    // With a search through all of them for each, this would not end.
    let count = 150_000;
    let calls: Vec<String> = (0..count)
        .map(|at| format!(r#"{{"index":{at},"id":"c{at}","function":{{"name":"vote","arguments":"{{}}"}}}}"#))
        .collect();
    let mut decoder = Decoder::default();
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let event = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}}"#, calls.join(","));
    decoder.event(&event, &mut bench.draft).unwrap();
    assert!(!bench.draft.is_too_long());
    let items = Box::new(decoder).items(testing::request(Vec::new()).context.call).unwrap();
    assert_eq!(items.len(), count);
}

#[test]
fn a_text_that_is_a_refusal_ends_as_one() {
    let refusal = delta(json!({"content": null, "refusal": "I will not."}));
    let reply = decode(&[refusal.clone(), finish("stop")], "[DONE]").unwrap();
    assert_eq!((reply.text().as_str(), reply.finish), ("I will not.", FinishReason::Refusal));
    let cut = decode(&[refusal, finish("length")], "[DONE]").unwrap();
    assert_eq!(cut.finish, FinishReason::Length);
    let answered = [delta(json!({"content": "yes", "refusal": null})), finish("stop")];
    assert_eq!(decode(&answered, "[DONE]").unwrap().finish, FinishReason::Stop);
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
        ("STOP", FinishReason::Stop),
        ("eos_token", FinishReason::Stop),
        ("abort", FinishReason::Incomplete),
        ("insufficient_system_resource", FinishReason::Incomplete),
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
    assert_eq!(decode(&[text], "").unwrap_err(), NoReply::Incomplete(Incomplete::Cut));
    let empty = decode(&[], "[DONE]").unwrap_err();
    assert!(matches!(empty, NoReply::Incomplete(Incomplete::Malformed(_))), "{empty:?}");
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
    let error = json!({"code": 429, "message": "slow"});
    let chunk = json!({"error": error, "choices": [{"delta": {}, "finish_reason": "error"}]});
    assert_eq!(decode(&[text.clone(), chunk], "[DONE]").unwrap_err(), said(error));
    assert_eq!(decode(&[text.clone(), finish("error")], "[DONE]").unwrap_err(), said(Value::Null));
    assert!(decode(&[json!({"error": null, "choices": null}), text, finish("stop")], "[DONE]").is_ok());
    let mut bench = Bench::new(Box::new(Decoder::default()));
    for bad in ["{\"choices\":", "[1]", "{\"choices\":[{\"delta\":{\"tool_calls\":{}}}]}"] {
        assert!(matches!(bench.event(bad), Err(Fault::Malformed(_))), "{bad}");
    }
}

#[test]
fn arguments_and_empty_calls_make_a_reply_longer() {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let call = |arguments: &str| {
        delta(json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": arguments}}]}))
            .to_string()
    };
    bench.event(&call(&"x".repeat(1 << 20))).unwrap();
    assert_eq!(bench.pieces(), [(DeltaKind::ToolArguments, "x".repeat(1 << 20))]);
    for _ in 0..(15 << 20) / CALL_OVERHEAD {
        bench.event(&call("")).unwrap();
    }
    assert!(bench.draft.is_too_long());
}
