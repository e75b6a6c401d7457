use massgen_protocol::message::{ItemContent, Reply, ToolCall};
use massgen_protocol::money::UsageSource;
use massgen_protocol::{TokenUsage, Usd, limits};

use super::*;
use crate::provider::draft::Incomplete;
use crate::provider::testing::{self, Bench, NoReply};

/// The reply that the events make.
fn decode(events: &[Value]) -> Result<Reply, NoReply> {
    testing::decode(Box::new(Decoder::default()), events.iter().map(Value::to_string))
}

/// The pieces that the events show, and the reply.
fn watch(events: &[Value]) -> (Vec<(DeltaKind, String)>, Reply) {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    for event in events {
        bench.event(&event.to_string()).unwrap();
    }
    (bench.pieces(), bench.reply().unwrap())
}

fn whole(body: &Value) -> Result<Reply, NoReply> {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    bench.decoder.document(&body.to_string(), &mut bench.draft).map_err(NoReply::Fault)?;
    bench.reply().map_err(NoReply::Incomplete)
}

fn added(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn delta(what: &str, index: u64, id: &str, text: &str) -> Value {
    json!({"type": format!("response.{what}.delta"), "output_index": index, "item_id": id, "content_index": 0,
        "delta": text})
}

fn completed(output: &[Value]) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": output}})
}

fn message(id: &str, text: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "status": "completed", "phase": "final_answer",
        "content": [{"type": "output_text", "text": text, "annotations": [{"type": "url_citation",
            "start_index": 0, "end_index": 1, "url": "https://example.test/", "title": "t"}], "logprobs": []}]})
}

fn reasoning(id: &str, summary: &[&str], ciphertext: &Value) -> Value {
    let summary: Vec<Value> =
        summary.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
    json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": ciphertext})
}

fn function_call(id: &str, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": id, "call_id": call_id, "name": name, "arguments": arguments,
        "status": "completed"})
}

fn tool_call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn calls(reply: &Reply) -> Vec<ToolCall> {
    reply.tool_calls().cloned().collect()
}

fn natives(reply: &Reply) -> Vec<Value> {
    reply.items.iter().filter_map(|item| item.provider.clone()).collect()
}

#[test]
fn a_reply_keeps_every_item_as_it_came_and_in_order() {
    let items = [
        reasoning("rs_1", &["one", "two"], &json!("gAAA")),
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed",
            "action": {"type": "search", "query": "q"}}),
        json!({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1+1",
            "container_id": "cntr_1", "outputs": null}),
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "xs_1", "name": "x_keyword_search",
            "input": "{}", "status": "completed"}),
        message("msg_1", "hello"),
        function_call("fc_1", "call_1", "vote", "{\"a\": 1}"),
        json!({"type": "of_tomorrow", "id": "x_1", "payload": {"z": 1, "a": 2}}),
    ];
    let summary = |part: u64, text: &str| {
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": "rs_1",
            "summary_index": part, "delta": text})
    };
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}),
        json!({"type": "response.in_progress", "response": {"id": "resp_1", "output": []}}),
        added(0, &reasoning("rs_1", &[], &Value::Null)),
        json!({"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0}),
        summary(0, "o"),
        summary(0, "ne"),
        json!({"type": "response.reasoning_summary_text.done", "output_index": 0, "item_id": "rs_1",
            "summary_index": 0, "text": "one"}),
        summary(1, "two"),
        done(0, &items[0]),
        added(1, &json!({"type": "web_search_call", "id": "ws_1", "status": "in_progress"})),
        json!({"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"}),
        done(1, &items[1]),
        delta("code_interpreter_call_code", 2, "ci_1", "1+1"),
        done(2, &items[2]),
        delta("custom_tool_call_input", 3, "ctc_1", "{}"),
        done(3, &items[3]),
        added(4, &message("msg_1", "")),
        delta("output_text", 4, "msg_1", "hel"),
        delta("output_text", 4, "msg_1", "lo"),
        json!({"type": "response.output_text.annotation.added", "output_index": 4, "annotation": {}}),
        json!({"type": "response.output_text.done", "output_index": 4, "item_id": "msg_1", "content_index": 0,
            "text": "hello"}),
        done(4, &items[4]),
        added(5, &function_call("fc_1", "call_1", "vote", "")),
        delta("function_call_arguments", 5, "fc_1", "{\"a\":"),
        delta("function_call_arguments", 5, "fc_1", " 1}"),
        done(5, &items[5]),
        done(6, &items[6]),
    ];
    events.push(completed(&items));
    let (pieces, reply) = watch(&events);
    assert_eq!(natives(&reply), items);
    let read: Vec<_> = reply.items.iter().map(|item| item.content.clone()).collect();
    assert_eq!(
        read,
        [
            ItemContent::Reasoning { text: "one\n\ntwo".to_owned() },
            ItemContent::Opaque,
            ItemContent::Opaque,
            ItemContent::Opaque,
            ItemContent::Text { text: "hello".to_owned() },
            ItemContent::ToolCall(tool_call("call_1", "vote", "{\"a\": 1}")),
            ItemContent::Opaque,
        ]
    );
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let shown = [
        (DeltaKind::Reasoning, "one\n\ntwo"),
        (DeltaKind::Text, "hello"),
        (DeltaKind::ToolArguments, "{\"a\": 1}"),
    ];
    assert_eq!(pieces, shown.map(|(kind, text)| (kind, text.to_owned())));
}

#[test]
fn interleaved_calls_are_told_apart() {
    let (first, second) =
        (function_call("fc_1", "a", "read", "{\"x\":1}"), function_call("fc_2", "b", "write", "{}"));
    let reply = decode(&[
        added(0, &function_call("fc_1", "a", "read", "")),
        added(1, &function_call("fc_2", "b", "write", "")),
        delta("function_call_arguments", 0, "fc_1", "{\"x\""),
        delta("function_call_arguments", 1, "fc_2", "{"),
        delta("function_call_arguments", 0, "fc_1", ":1}"),
        done(1, &second),
        done(0, &first),
        completed(&[]),
    ])
    .unwrap();
    assert_eq!(calls(&reply), [tool_call("a", "read", "{\"x\":1}"), tool_call("b", "write", "{}")]);
    assert_eq!(natives(&reply), [first, second]);
}

#[test]
fn calls_without_arguments_have_empty_ones_for_us_and_for_the_way_back() {
    for arguments in [json!(""), json!(" "), Value::Null] {
        let mut item = function_call("fc_1", "a", "stop", "");
        item["arguments"] = arguments;
        let reply = decode(&[done(0, &item), completed(&[])]).unwrap();
        assert_eq!(calls(&reply), [tool_call("a", "stop", "{}")]);
        assert_eq!(natives(&reply)[0]["arguments"], "{}");
    }
    let mut item = function_call("fc_1", "a", "stop", "");
    item["arguments"] = json!({"x": 1});
    let reply = decode(&[done(0, &item), completed(&[])]).unwrap();
    assert_eq!(calls(&reply), [tool_call("a", "stop", "{\"x\":1}")]);
    assert_eq!(natives(&reply)[0]["arguments"], "{\"x\":1}", "the protocol wants a text");
}

#[test]
fn calls_with_one_id_are_one_call_if_they_say_the_same_and_two_if_not() {
    let item = |id: &str, arguments: &str| function_call(id, "a", "read", arguments);
    let reply = decode(&[
        done(0, &item("fc_1", "{}")),
        done(1, &item("fc_2", "{}")),
        done(2, &item("fc_3", "{\"x\":1}")),
        done(3, &function_call("fc_4", "", "read", "{}")),
        completed(&[]),
    ])
    .unwrap();
    let ids: Vec<_> = calls(&reply).into_iter().map(|call| call.id).collect();
    assert_eq!(ids, ["a", "agent1-call-1-tool-2", "agent1-call-1-tool-3"]);
    let nameless = decode(&[done(0, &function_call("fc_1", "a", "", "{}")), completed(&[])]).unwrap_err();
    assert!(matches!(nameless, NoReply::Incomplete(Incomplete::Malformed(_))), "{nameless:?}");
}

#[test]
fn a_refusal_is_one_only_if_the_model_does_nothing_else() {
    let refusal = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "refusal", "refusal": "I will not."}]});
    let events =
        [added(0, &refusal), delta("refusal", 0, "msg_1", "I will "), done(0, &refusal), completed(&[])];
    let (pieces, reply) = watch(&events);
    assert_eq!((reply.text().as_str(), &reply.finish), ("I will not.", &FinishReason::Refusal));
    assert_eq!(pieces, [(DeltaKind::Text, "I will not.".to_owned())]);
    assert_eq!(natives(&reply), std::slice::from_ref(&refusal));

    let more = |item: &Value| decode(&[done(0, &refusal), done(1, item), completed(&[])]).unwrap().finish;
    assert_eq!(more(&function_call("fc", "a", "vote", "{}")), FinishReason::ToolCalls);
    assert_eq!(more(&message("msg_2", "but this I will")), FinishReason::Stop);
    let thought =
        json!({"type": "reasoning", "id": "rs", "content": [{"type": "reasoning_text", "text": "hm"}]});
    assert_eq!(more(&thought), FinishReason::Refusal);
}

#[test]
fn the_end_says_why_the_model_stopped() {
    let text = done(0, &message("msg_1", "x"));
    let end = |details: Value| {
        let response = json!({"status": "incomplete", "incomplete_details": details});
        decode(&[text.clone(), json!({"type": "response.incomplete", "response": response})]).unwrap().finish
    };
    assert_eq!(end(json!({"reason": "max_output_tokens"})), FinishReason::Length);
    assert_eq!(end(json!({"reason": "content_filter"})), FinishReason::ContentFilter);
    assert_eq!(end(json!({"reason": "max_tool_calls"})), FinishReason::Other("max_tool_calls".to_owned()));
    assert_eq!(end(Value::Null), FinishReason::Incomplete);
    assert_eq!(decode(&[text.clone(), completed(&[])]).unwrap().finish, FinishReason::Stop);
    let bare = json!({"type": "response.completed"});
    assert_eq!(decode(&[text.clone(), bare]).unwrap().finish, FinishReason::Stop);
    for unfinished in [vec![text], Vec::new()] {
        assert_eq!(decode(&unfinished).unwrap_err(), NoReply::Incomplete(Incomplete::Cut));
    }
    let mut bench = Bench::new(Box::new(Decoder::default()));
    bench.event("[DONE]").unwrap();
    assert_eq!(bench.reply().unwrap_err(), Incomplete::Cut, "only the terminal event ends a reply");
}

#[test]
fn errors_end_the_stream_in_their_own_words() {
    let text = done(0, &message("msg_1", "x"));
    let said = |event: Value| match decode(&[text.clone(), event]).unwrap_err() {
        NoReply::Fault(Fault::Said(error)) => error,
        other @ (NoReply::Fault(Fault::Malformed(_)) | NoReply::Incomplete(_)) => panic!("{other:?}"),
    };
    let error = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    let failed =
        |error: &Value| json!({"type": "response.failed", "response": {"status": "failed", "error": error}});
    assert_eq!(said(failed(&error)), error);
    assert_eq!(said(failed(&Value::Null)), json!({"message": "the response is failed"}));
    assert_eq!(said(json!({"type": "response.failed"})), json!({"message": "the response is failed"}));
    let cancelled = json!({"type": "response.completed", "response": {"status": "cancelled"}});
    assert_eq!(said(cancelled), json!({"message": "the response is cancelled"}));
    for event in [
        json!({"type": "error", "code": "server_error", "message": "oops", "param": null, "sequence_number": 3}),
        json!({"type": "error", "error": {"type": "server_error", "message": "oops"}}),
        json!({"error": {"message": "from a proxy", "code": 502}}),
        json!({"code": "Client specified an invalid argument", "error": "no"}),
    ] {
        assert_eq!(said(event.clone()), event);
    }
}

#[test]
fn items_that_no_event_completes_come_from_the_end_or_from_their_pieces() {
    let items = [
        reasoning("rs_1", &["hm"], &json!("gAAA")),
        message("msg_1", "hello"),
        function_call("fc_1", "a", "vote", "{}"),
    ];
    let pieces = [
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "output_index": 0, "delta": "hm"}),
        delta("output_text", 1, "msg_1", "hel"),
        delta("output_text", 1, "msg_1", "lo"),
        added(2, &function_call("fc_1", "a", "vote", "")),
        json!({"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 2,
            "arguments": "{}"}),
    ];
    let with = |events: &[Value], end: Value| {
        let events: Vec<_> = events.iter().cloned().chain([end]).collect();
        watch(&events)
    };
    for (shown, reply) in [with(&pieces, completed(&items)), with(&[], completed(&items))] {
        assert_eq!(natives(&reply), items);
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("hello", "hm"));
    }
    let (_, reply) = with(&pieces, completed(&[]));
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("hello", "hm"));
    assert_eq!(calls(&reply), [tool_call("a", "vote", "{}")]);
    assert!(natives(&reply).is_empty());
    let unfinished = added(0, &json!({"type": "web_search_call", "id": "ws_1", "status": "in_progress"}));
    assert_eq!(with(&[unfinished], completed(&[])).1.items, [], "nothing that is half done goes back");
}

#[test]
fn what_an_item_leaves_out_is_filled_in_from_its_pieces() {
    let bare = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": []});
    let reply = decode(&[delta("output_text", 0, "msg_1", "hello"), done(0, &bare), completed(&[])]).unwrap();
    assert_eq!(reply.text(), "hello");
    let stated = json!({"type": "message", "id": "msg_1", "role": "assistant",
        "content": [{"type": "output_text", "text": "hello", "annotations": []}]});
    assert_eq!(natives(&reply), [stated]);

    let bare = json!({"type": "function_call", "id": "fc_1"});
    let reply = decode(&[
        added(0, &function_call("fc_1", "a", "vote", "")),
        delta("function_call_arguments", 0, "fc_1", "{\"x\":1}"),
        done(0, &bare),
        completed(&[]),
    ])
    .unwrap();
    assert_eq!(calls(&reply), [tool_call("a", "vote", "{\"x\":1}")]);
    let stated = json!({"type": "function_call", "id": "fc_1", "call_id": "a", "name": "vote",
        "arguments": "{\"x\":1}"});
    assert_eq!(natives(&reply), [stated]);

    let late = reasoning("rs_1", &["hm"], &json!("gAAA"));
    let reply = decode(&[done(0, &reasoning("rs_1", &["hm"], &Value::Null)), completed(&[late])]).unwrap();
    assert_eq!(natives(&reply)[0]["encrypted_content"], "gAAA");
}

#[test]
fn reasoning_and_its_summary_are_shown_once() {
    let raw = |text: &str| {
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "item_id": "rs_1", "content_index": 0,
            "delta": text})
    };
    let summary = json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "s"});
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "content": [{"type": "reasoning_text", "text": "raw"}]});
    let (pieces, reply) = watch(&[raw("r"), summary, raw("aw"), done(0, &item), completed(&[])]);
    assert_eq!(pieces, [(DeltaKind::Reasoning, "raw".to_owned())]);
    assert_eq!((reply.reasoning().as_str(), natives(&reply)), ("raw", vec![item]));
}

#[test]
fn usage_and_cost_come_with_the_end_or_are_estimated() {
    let text = done(0, &message("msg_1", "12345"));
    let end = |usage: Value| {
        let end = json!({"type": "response.completed", "response": {"status": "completed", "usage": usage}});
        decode(&[text.clone(), end]).unwrap()
    };
    let reply = end(
        json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 140,
        "cost_in_usd_ticks": 5_000_000_000_u64}),
    );
    let usage = TokenUsage {
        input: 100,
        output: 40,
        reasoning: 30,
        cached_input: 60,
        cache_write: 10,
        ..TokenUsage::default()
    };
    assert_eq!((reply.usage, reply.reported_cost), (usage, Some(Usd::from_dollars(0.5))));
    let estimated =
        TokenUsage { input: 101, output: 2, source: UsageSource::Estimated, ..TokenUsage::default() };
    assert_eq!(end(Value::Null).usage, estimated);
}

#[test]
fn a_whole_document_is_a_reply() {
    let items = [message("msg_1", "hello"), function_call("fc_1", "a", "vote", "{}")];
    let body = json!({"id": "resp_1", "object": "response", "status": "completed", "error": null, "output": items,
        "usage": {"input_tokens": 3, "output_tokens": 2}});
    let reply = whole(&body).unwrap();
    assert_eq!((natives(&reply).as_slice(), reply.usage.input), (&items[..], 3));
    assert_eq!(decode(&[body]).unwrap().text(), "hello", "also as the only event of a stream");

    let incomplete = json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
        "output": items});
    assert_eq!(whole(&incomplete).unwrap().finish, FinishReason::Length);
    let error = json!({"code": "server_error", "message": "oops"});
    let failed = whole(&json!({"status": "failed", "error": error, "output": []})).unwrap_err();
    assert_eq!(failed, NoReply::Fault(Fault::Said(error)));
    let xai = json!({"code": "some words", "error": "more words"});
    assert_eq!(whole(&xai).unwrap_err(), NoReply::Fault(Fault::Said(xai)));
    for bad in [json!({"status": "queued", "output": []}), json!({}), json!({"hello": 1})] {
        assert!(matches!(whole(&bad).unwrap_err(), NoReply::Fault(Fault::Malformed(_))), "{bad}");
    }
}

#[test]
fn what_is_not_of_the_protocol_is_skipped_or_told() {
    let text = done(0, &message("msg_1", "x"));
    for strange in [
        json!({}),
        json!({"type": null}),
        json!({"type": 5, "delta": {}}),
        json!({"type": "keepalive", "sequence_number": 3}),
        json!({"type": "response.output_text.delta", "delta": {"a": 1}, "output_index": "one", "item_id": 7}),
        json!({"type": "response.output_item.done", "item": null}),
        json!({"type": "response.output_item.added", "item": [1]}),
        json!({"type": "response.output_item.done"}),
    ] {
        let reply = decode(&[strange.clone(), text.clone(), strange.clone(), completed(&[])]).unwrap();
        assert_eq!(reply.text(), "x", "{strange}");
        assert_eq!(reply.items.len(), 1, "{strange}");
    }
    let mut bench = Bench::new(Box::new(Decoder::default()));
    for bad in ["{\"type\":", "nonsense", "{\"type\":\"response.output_text.delta\",\"delta\":\"\\ud800\"}"] {
        assert!(matches!(bench.event(bad), Err(Fault::Malformed(_))), "{bad}");
    }
}

#[test]
fn everything_that_a_reply_holds_makes_it_longer() {
    let long = |events: &mut dyn Iterator<Item = Value>| {
        let mut bench = Bench::new(Box::new(Decoder::default()));
        for event in events {
            bench.event(&event.to_string()).unwrap();
            if bench.draft.is_too_long() {
                return true;
            }
        }
        false
    };
    let megabyte = "x".repeat(1 << 20);
    assert!(long(&mut (0..20).map(|_| delta("output_text", 0, "m", &megabyte))));
    assert!(long(&mut (0..20).map(|index| done(index, &json!({"type": "blob", "data": megabyte})))));
    assert!(long(&mut (0..100_000).map(|index| added(index, &json!({"type": "message"})))));
    let many = vec![0; 300_000];
    assert!(long(&mut std::iter::once(done(0, &json!({"type": "blob", "data": many})))), "many small values");
    assert!(!long(&mut (0..1000).map(|_| json!({"type": "keepalive", "data": megabyte.len()}))));
}

#[test]
fn a_large_picture_that_the_end_repeats_counts_once() {
    let large = "A".repeat(limits::REPLY_BYTES / 4 * 3);
    let finished = picture(&json!(large));
    let partial = json!({"type": "response.image_generation_call.partial_image", "output_index": 0,
        "item_id": "ig_1", "partial_image_b64": large});
    let reply = decode(&[partial.clone(), partial, done(0, &finished), completed(&[finished])]).unwrap();
    assert_eq!(reply.files().map(|file| file.size()).collect::<Vec<_>>(), [large.len() / 4 * 3]);
}

/// A picture that the service made, as the protocol tells of it.
fn picture(result: &Value) -> Value {
    json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "webp",
        "revised_prompt": "a blue sky", "size": "1024x1024", "result": result})
}

fn painted() -> Vec<Value> {
    let begun =
        json!({"type": "image_generation_call", "id": "ig_1", "status": "in_progress", "result": null});
    let finished = picture(&json!("cGljdHVyZQ=="));
    vec![
        added(0, &begun),
        json!({"type": "response.image_generation_call.generating", "output_index": 0, "item_id": "ig_1"}),
        json!({"type": "response.image_generation_call.partial_image", "output_index": 0, "item_id": "ig_1",
            "partial_image_index": 0, "partial_image_b64": "ZHJhZnQ="}),
        done(0, &finished),
        done(1, &message("msg_1", "é: blue")),
        completed(&[finished, message("msg_1", "é: blue")]),
    ]
}

#[test]
fn a_picture_is_a_file_once_and_its_item_stays_as_it_came() {
    let reply = decode(&painted()).unwrap();
    let files: Vec<_> = reply.files().map(|file| (file.media_type, file.bytes().unwrap())).collect();
    assert_eq!(files, [("image/webp", b"picture".to_vec())]);
    assert_eq!(natives(&reply), [picture(&json!("cGljdHVyZQ==")), message("msg_1", "é: blue")]);
    let document = json!({"status": "completed", "output": [picture(&json!("cGljdHVyZQ=="))]});
    assert_eq!(whole(&document).unwrap().files().count(), 1, "also in a reply that is not streamed");
}

#[test]
fn a_picture_that_did_not_come_about_is_no_file() {
    for result in [Value::Null, json!(""), json!("no base64!"), json!(7)] {
        let reply = decode(&[done(0, &picture(&result)), completed(&[])]).unwrap();
        assert_eq!(
            reply.items,
            [ReplyItem { content: ItemContent::Opaque, provider: Some(picture(&result)) }]
        );
    }
    let unnamed = json!({"type": "image_generation_call", "id": "ig_1", "result": "cGljdHVyZQ=="});
    let reply = decode(&[done(0, &unnamed), completed(&[])]).unwrap();
    assert_eq!(reply.files().next().unwrap().media_type, "image/png", "the default of the protocol");
}

#[test]
fn a_stream_with_a_picture_gives_the_same_reply_wherever_it_is_cut() {
    let stream = painted().iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>().concat();
    let read = |pieces: Vec<&[u8]>| {
        let decoder = Box::new(Decoder::default());
        testing::decode_stream(decoder, crate::provider::codec::Framing::Events, pieces).unwrap()
    };
    let whole = read(vec![stream.as_bytes()]);
    assert_eq!(whole.files().count(), 1);
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(read(vec![left, right]), whole, "cut at {cut}");
    }
}
