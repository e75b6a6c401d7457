use massgen_protocol::message::Reply;
use massgen_protocol::money::UsageSource;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::provider::codec::Framing;
use crate::provider::draft::Incomplete;
use crate::provider::testing::{Bench, NoReply, decode, decode_stream};

fn read<'a>(lines: impl IntoIterator<Item = &'a Value>) -> Result<Reply, NoReply> {
    decode(Box::new(Decoder::default()), lines.into_iter().map(Value::to_string))
}

fn message(message: Value) -> Value {
    let mut line = json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": false});
    line["message"] = message;
    line
}

fn done(reason: &str) -> Value {
    json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason,
           "total_duration": 5, "prompt_eval_count": 26, "prompt_eval_cached_count": 20, "eval_count": 298})
}

fn rich() -> Vec<Value> {
    let call = |id: &str, name: &str, arguments: Value| json!({"id": id, "function": {"index": 0, "name": name, "arguments": arguments}});
    vec![
        message(json!({"role": "assistant", "content": "", "thinking": "h"})),
        message(json!({"role": "assistant", "content": "", "thinking": "mé"})),
        message(json!({"role": "assistant", "content": "naïve "})),
        message(json!({"role": "assistant", "content": "– 日本"})),
        message(
            json!({"content": "", "tool_calls": [call("a", "vote", json!({"z": 1, "a": "é"})), call("a", "read", json!({}))]}),
        ),
        message(json!({"content": "", "tool_calls": [{"function": {"name": "read"}}]})),
        done("stop"),
    ]
}

#[test]
fn thinking_text_calls_and_counters_arrive() {
    let reply = read(&rich()).unwrap();
    assert_eq!((reply.reasoning(), reply.text()), ("hmé".to_owned(), "naïve – 日本".to_owned()));
    let calls: Vec<_> = reply
        .tool_calls()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
        .collect();
    let expected = [
        ("a", "vote", "{\"z\":1,\"a\":\"é\"}"),
        ("agent1-call-1-tool-1", "read", "{}"),
        ("agent1-call-1-tool-2", "read", "{}"),
    ];
    assert_eq!(calls, expected);
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let usage = TokenUsage { input: 26, output: 298, cached_input: 20, ..TokenUsage::default() };
    assert_eq!(reply.usage, usage);
}

#[test]
fn a_stream_gives_the_same_reply_wherever_it_is_cut() {
    let stream = rich().iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
    let read =
        |pieces: Vec<&[u8]>| decode_stream(Box::new(Decoder::default()), Framing::Lines, pieces).unwrap();
    let whole = read(vec![stream.as_bytes()]);
    assert_eq!(whole.items.len(), 5);
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(read(vec![left, right]), whole, "cut at {cut}");
    }
    assert_eq!(read(stream.as_bytes().chunks(1).collect()), whole);
}

/// The calls of a reply whose message has these, and the ids that go back with them.
fn calls(calls: &Value) -> Vec<(String, String, String, Value)> {
    let reply = read(&[message(json!({ "tool_calls": calls })), done("stop")]).unwrap();
    let flat = |item: &ReplyItem| match &item.content {
        ItemContent::ToolCall(call) => {
            let sent = item.provider.as_ref().unwrap().get("id").cloned().unwrap_or_default();
            (call.id.clone(), call.name.clone(), call.arguments.clone(), sent)
        }
        other => panic!("{other:?}"),
    };
    reply.items.iter().map(flat).collect()
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String, Value) {
    (id.to_owned(), name.to_owned(), arguments.to_owned(), json!(id))
}

#[test]
fn calls_without_arguments_have_empty_ones() {
    for function in [
        json!({"name": "f"}),
        json!({"name": "f", "arguments": null}),
        json!({"name": "f", "arguments": ""}),
        json!({"name": "f", "arguments": " "}),
        json!({"name": "f", "arguments": {}}),
        json!({"name": "f", "arguments": "{}"}),
    ] {
        let made = calls(&json!([{"id": "a", "function": function}]));
        assert_eq!(made, [call("a", "f", "{}")], "{function}");
    }
}

#[test]
fn calls_with_one_id_are_one_call_if_they_say_the_same_and_two_if_not() {
    let of =
        |name: &str, value: u8| json!({"id": "a", "function": {"name": name, "arguments": {"x": value}}});
    let expected = [
        call("a", "f", "{\"x\":1}"),
        call("agent1-call-1-tool-2", "f", "{\"x\":2}"),
        call("agent1-call-1-tool-3", "g", "{\"x\":1}"),
    ];
    assert_eq!(calls(&json!([of("f", 1), of("f", 1), of("f", 2), of("g", 1)])), expected);
}

#[test]
fn every_reason_to_stop_has_a_meaning() {
    let finish = |reason: &str| read(&[message(json!({"content": "x"})), done(reason)]).unwrap().finish;
    assert_eq!(finish("stop"), FinishReason::Stop);
    assert_eq!(finish("length"), FinishReason::Length);
    assert_eq!(finish("load"), FinishReason::Other("load".to_owned()));
    assert_eq!(finish(""), FinishReason::Stop);
}

#[test]
fn a_stream_that_is_not_done_is_cut_short_and_an_error_is_one() {
    assert_eq!(
        read(&[message(json!({"content": "half an ans"}))]),
        Err(NoReply::Incomplete(Incomplete::Cut))
    );
    let error = json!({"error": "an error was encountered while running the model"});
    let said = Fault::Said(error["error"].clone());
    assert_eq!(read(&[message(json!({"content": "x"})), error]), Err(NoReply::Fault(said)));
    let nameless = message(json!({"tool_calls": [{"function": {"arguments": {}}}]}));
    let malformed = Incomplete::Malformed("a tool call without a name".to_owned());
    assert_eq!(read(&[nameless, done("stop")]), Err(NoReply::Incomplete(malformed)));
}

#[test]
fn missing_counters_are_estimated_and_unknown_fields_skipped() {
    let lines = [
        json!({"new": [1]}),
        json!({"message": {"content": "12345678", "images": null, "x": {}}, "done": true}),
    ];
    let usage = read(&lines).unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.source), (101, 2, UsageSource::Estimated));
}

#[test]
fn a_document_is_one_reply_or_its_lines() {
    let whole = json!({"message": {"content": "whole"}, "done": true, "done_reason": "stop"});
    for (body, text) in [
        (whole.to_string(), "whole"),
        (format!("{}\n{whole}\n", message(json!({"content": "the "}))), "the whole"),
    ] {
        let mut bench = Bench::new(Box::new(Decoder::default()));
        bench.decoder.document(&body, &mut bench.draft).unwrap();
        assert_eq!(bench.reply().unwrap().text(), text);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(data in ".{0,200}", cut in 0_usize..2000, junk in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut bench = Bench::new(Box::new(Decoder::default()));
        let _ = bench.event(&data);
        let _ = bench.decoder.document(&data, &mut bench.draft);
        let _ = bench.reply();
        let mut stream: Vec<u8> = rich().iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
        let at = cut.min(stream.len());
        let end = (at + junk.len()).min(stream.len());
        stream.splice(at..end, junk);
        let _ = decode_stream(Box::new(Decoder::default()), Framing::Lines, [stream.as_slice()]);
    }
}
