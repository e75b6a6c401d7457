use massgen_protocol::message::{Reply, ToolCall};
use massgen_protocol::{Usd, limits};

use super::*;
use crate::provider::draft::Incomplete;
use crate::provider::testing::{self, Bench, NoReply};

fn decoder() -> Box<dyn Decode> {
    Box::new(Decoder::new(Signatures::Required))
}

fn decode(events: &[Value]) -> Result<Reply, NoReply> {
    testing::decode(decoder(), events.iter().map(Value::to_string))
}

/// A whole message: `middle` between head and end.
fn message(middle: &[Value], reason: &str) -> Vec<Value> {
    let head = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "content": [], "model": "m", "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 3000, "output_tokens": 1}}});
    let end = [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
            "usage": {"output_tokens": 89}}),
        json!({"type": "message_stop"}),
    ];
    [&[head], middle, &end].concat()
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn text(index: u64, text: &str) -> Value {
    delta(index, json!({"type": "text_delta", "text": text}))
}

fn input(index: u64, json: &str) -> Value {
    delta(index, json!({"type": "input_json_delta", "partial_json": json}))
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn tool(index: u64, id: &str, name: &str) -> Value {
    start(index, json!({"type": "tool_use", "id": id, "name": name, "input": {}}))
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn calls(reply: &Reply) -> Vec<ToolCall> {
    reply.tool_calls().cloned().collect()
}

#[test]
fn thinking_text_and_calls_keep_their_order_and_their_signatures() {
    let reply = decode(&message(
        &[
            start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            json!({"type": "ping"}),
            delta(0, json!({"type": "thinking_delta", "thinking": "Let me "})),
            delta(0, json!({"type": "thinking_delta", "thinking": "see"})),
            delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
            stop(0),
            start(1, json!({"type": "redacted_thinking", "data": "ZW5j"})),
            stop(1),
            start(2, json!({"type": "text", "text": ""})),
            text(2, "I "),
            text(2, "look"),
            stop(2),
            tool(3, "toolu_1", "read"),
            input(3, ""),
            input(3, "{\"path\":"),
            input(3, " \"é\"}"),
            stop(3),
        ],
        "tool_use",
    ))
    .unwrap();
    let item = |content, provider| ReplyItem { content, provider };
    let reasoning = |text: &str| ItemContent::Reasoning { text: text.to_owned() };
    let signed = json!({"type": "thinking", "thinking": "Let me see", "signature": "c2ln"});
    let expected = [
        item(reasoning("Let me see"), Some(signed)),
        item(reasoning(""), Some(json!({"type": "redacted_thinking", "data": "ZW5j"}))),
        item(ItemContent::Text { text: "I look".to_owned() }, None),
        item(ItemContent::ToolCall(call("toolu_1", "read", "{\"path\": \"é\"}")), None),
    ];
    assert_eq!(reply.items, expected);
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let usage =
        TokenUsage { input: 3210, output: 89, cached_input: 3000, cache_write: 200, ..TokenUsage::default() };
    assert_eq!(reply.usage, usage);
}

#[test]
fn tools_of_the_provider_and_citations_are_kept_as_they_came() {
    let citation = |n: u64| json!({"type": "web_search_result_location", "url": format!("https://h/{n}"), "encrypted_index": "E"});
    let results = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "https://h/1", "encrypted_content": "E", "page_age": null}]});
    let reply = decode(&message(
        &[
            start(
                0,
                json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
            ),
            input(0, "{\"query\":"),
            input(0, "\"x\"}"),
            stop(0),
            start(1, results.clone()),
            stop(1),
            start(2, json!({"type": "text", "text": "", "citations": []})),
            delta(2, json!({"type": "citations_delta", "citation": citation(1)})),
            text(2, "so it is"),
            delta(2, json!({"type": "citations_delta", "citation": citation(2)})),
            stop(2),
        ],
        "end_turn",
    ))
    .unwrap();
    let search =
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}});
    let cited = json!({"type": "text", "text": "so it is", "citations": [citation(1), citation(2)]});
    let expected = [
        ReplyItem { content: ItemContent::Opaque, provider: Some(search) },
        ReplyItem { content: ItemContent::Opaque, provider: Some(results) },
        ReplyItem { content: ItemContent::Text { text: "so it is".to_owned() }, provider: Some(cited) },
    ];
    assert_eq!(reply.items, expected);
}

#[test]
fn what_is_not_known_yet_is_kept_or_skipped() {
    let reply = decode(&message(
        &[
            json!({"type": "soon", "index": "none", "delta": [1]}),
            start(0, json!({"type": "hologram", "shape": "a", "parts": [1], "size": {"w": 1}})),
            delta(0, json!({"type": "hologram_delta", "shape": "b", "parts": [2], "size": 3, "new": true})),
            delta(0, json!({"type": "text_delta", "text": "inside"})),
            stop(0),
            start(1, json!({"type": "compaction", "content": null})),
            delta(1, json!({"type": "compaction_delta", "content": "short"})),
            start(2, json!({"type": "text", "text": "seen", "colour": "red"})),
        ],
        "novelty",
    ))
    .unwrap();
    let items: Vec<_> = reply.items.iter().map(|item| item.provider.clone().unwrap()).collect();
    let expected = [
        json!({"type": "hologram", "shape": "ab", "parts": [1, 2], "size": 3, "new": true, "text": "inside"}),
        json!({"type": "compaction", "content": "short"}),
        json!({"type": "text", "text": "seen", "colour": "red"}),
    ];
    assert_eq!(items, expected);
    assert_eq!((reply.text().as_str(), reply.finish), ("seen", FinishReason::Other("novelty".to_owned())));
}

#[test]
fn parallel_blocks_may_interleave() {
    let reply = decode(&message(
        &[
            tool(0, "a", "read"),
            tool(1, "b", "write"),
            input(1, "{\"p"),
            input(0, "{\"x\":"),
            stop(1),
            input(1, "\":2}"),
            input(0, "1}"),
        ],
        "tool_use",
    ))
    .unwrap();
    assert_eq!(calls(&reply), [call("a", "read", "{\"x\":1}"), call("b", "write", "{\"p\":2}")]);
}

#[test]
fn arguments_come_in_pieces_whole_or_not_at_all() {
    let whole = json!({"type": "tool_use", "id": "w", "name": "f", "input": {"x": 1}, "caller": {"type": "code_execution_20250825", "tool_id": "s"}});
    let reply = decode(&message(
        &[
            start(0, whole.clone()),
            tool(1, "none", "g"),
            tool(2, "blank", "g"),
            input(2, " "),
            start(3, json!({"type": "tool_use", "id": "text", "name": "h", "input": "{\"y\":2}"})),
            start(4, json!({"type": "tool_use", "id": "null", "name": "h", "input": null})),
        ],
        "tool_use",
    ))
    .unwrap();
    let expected = [
        call("w", "f", "{\"x\":1}"),
        call("none", "g", "{}"),
        call("blank", "g", "{}"),
        call("text", "h", "{\"y\":2}"),
        call("null", "h", "{}"),
    ];
    assert_eq!(calls(&reply), expected);
    assert_eq!(reply.items[0].provider, Some(whole), "the caller goes back with the call");
}

#[test]
fn calls_without_arguments_have_empty_ones() {
    let blank = |block: Value| start(0, json!({"type": "tool_use", "id": "a", "name": "f", "input": block}));
    for middle in [
        vec![tool(0, "a", "f"), stop(0)],
        vec![tool(0, "a", "f"), input(0, ""), stop(0)],
        vec![tool(0, "a", "f"), input(0, " "), input(0, "\n")],
        vec![tool(0, "a", "f"), input(0, "null")],
        vec![tool(0, "a", "f"), input(0, "{"), input(0, "}")],
        vec![blank(Value::Null)],
        vec![blank(json!(" "))],
        vec![start(0, json!({"type": "tool_use", "id": "a", "name": "f"}))],
    ] {
        let reply = decode(&message(&middle, "tool_use")).unwrap();
        assert_eq!(calls(&reply), [call("a", "f", "{}")], "{middle:?}");
    }
}

#[test]
fn calls_with_one_id_are_one_call_if_they_say_the_same_and_two_if_not() {
    let middle = [
        tool(0, "a", "f"),
        input(0, "{\"x\":1}"),
        tool(1, "a", "f"),
        input(1, "{\"x\":1}"),
        tool(2, "a", "f"),
        input(2, "{\"x\":2}"),
        tool(3, "a", "g"),
        input(3, "{\"x\":1}"),
    ];
    let reply = decode(&message(&middle, "tool_use")).unwrap();
    let expected = [
        call("a", "f", "{\"x\":1}"),
        call("agent1-call-1-tool-1", "f", "{\"x\":2}"),
        call("agent1-call-1-tool-2", "g", "{\"x\":1}"),
    ];
    assert_eq!(calls(&reply), expected);
}

#[test]
fn calls_that_share_an_id_or_have_none_get_one_of_their_own() {
    let caller = json!({"type": "direct"});
    let reply = decode(&message(
        &[
            tool(0, "a", "f"),
            tool(1, "a", "f"),
            start(
                2,
                json!({"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}, "caller": caller}),
            ),
            start(3, json!({"type": "tool_use", "name": "f", "input": {}})),
        ],
        "tool_use",
    ))
    .unwrap();
    let expected = [
        call("a", "f", "{}"),
        call("agent1-call-1-tool-1", "f", "{\"x\":1}"),
        call("agent1-call-1-tool-2", "f", "{}"),
    ];
    assert_eq!(calls(&reply), expected);
    assert_eq!(reply.items[1].provider.as_ref().unwrap()["id"], "agent1-call-1-tool-1");

    let nameless = decode(&message(&[start(0, json!({"type": "tool_use", "id": "a"}))], "tool_use"));
    assert!(matches!(nameless, Err(NoReply::Incomplete(Incomplete::Malformed(_)))), "{nameless:?}");
}

#[test]
fn every_reason_to_stop_has_its_meaning() {
    for (reason, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("tool_use", FinishReason::ToolCalls),
        ("max_tokens", FinishReason::Length),
        ("pause_turn", FinishReason::Paused),
        ("refusal", FinishReason::Refusal),
        ("model_context_window_exceeded", FinishReason::WindowFull),
        ("tired", FinishReason::Other("tired".to_owned())),
    ] {
        assert_eq!(decode(&message(&[], reason)).unwrap().finish, finish);
    }
}

#[test]
fn what_the_output_bound_cut_off_is_no_item_to_send_back() {
    let thinking = start(0, json!({"type": "thinking", "thinking": "half", "signature": ""}));
    let events = message(&[thinking, tool(1, "a", "f"), input(1, "{\"x\": \"un")], "max_tokens");
    let reply = decode(&events).unwrap();
    assert_eq!(reply.items[0], ItemContent::Reasoning { text: "half".to_owned() }.into());
    assert_eq!(reply.items[1], ItemContent::ToolCall(call("a", "f", "{\"x\": \"un")).into());
    let unsigned = Box::new(Decoder::new(Signatures::Optional));
    let reply = testing::decode(unsigned, events.iter().map(Value::to_string)).unwrap();
    let item = json!({"type": "thinking", "thinking": "half", "signature": ""});
    assert_eq!(reply.items[0].provider, Some(item), "a service that does not sign gets its thinking back");
}

#[test]
fn blank_text_is_no_item_to_send_back_whatever_it_cites() {
    let blank = json!({"type": "text", "text": "\n\n", "citations": [{"type": "char_location"}]});
    let empty = json!({"type": "text", "text": ""});
    let reply = decode(&message(&[start(0, blank), start(1, empty)], "end_turn")).unwrap();
    assert_eq!(reply.items, [ItemContent::Text { text: "\n\n".to_owned() }.into()]);
}

#[test]
fn a_paused_reply_does_not_end_in_white_space() {
    let cited = json!({"type": "text", "text": "found \n", "citations": [{"type": "char_location"}]});
    let blank = json!({"type": "text", "text": " \n"});
    let events = |reason: &str| message(&[start(0, cited.clone()), start(1, blank.clone())], reason);
    let reply = decode(&events("pause_turn")).unwrap();
    assert_eq!((reply.items.len(), reply.text().as_str()), (1, "found"));
    assert_eq!(reply.items[0].provider.as_ref().unwrap()["text"], "found");
    assert_eq!(decode(&events("end_turn")).unwrap().text(), "found \n \n");
}

#[test]
fn the_container_is_kept_for_the_next_request() {
    let mut events = message(&[start(0, json!({"type": "text", "text": "ran"}))], "end_turn");
    events[2]["delta"]["container"] = json!({"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"});
    let reply = decode(&events).unwrap();
    let kept = json!({"type": "container", "container": {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}});
    assert_eq!(reply.items[1], ReplyItem { content: ItemContent::Opaque, provider: Some(kept) });
}

#[test]
fn what_is_said_of_a_refusal_is_shown_and_kept() {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "I must not."});
    let mut events = message(&[], "refusal");
    events[1]["delta"]["stop_details"] = details.clone();
    let reply = decode(&events).unwrap();
    let kept = ReplyItem {
        content: ItemContent::Text { text: "I must not.".to_owned() },
        provider: Some(json!({"type": "refusal", "stop_details": details})),
    };
    assert_eq!((reply.items, reply.finish), (vec![kept], FinishReason::Refusal));
    events[1]["delta"]["stop_details"] = json!({"type": "refusal", "explanation": null});
    assert!(decode(&events).unwrap().items.is_empty());
}

#[test]
fn a_stream_is_a_reply_only_with_its_end() {
    let events = message(&[start(0, json!({"type": "text", "text": "x"}))], "end_turn");
    assert_eq!(decode(&events[..2]).unwrap_err(), NoReply::Incomplete(Incomplete::Cut));
    assert!(decode(&events[..3]).is_ok(), "the reason to stop says that it is complete");
    let unreasoned = [&events[..2], &events[3..]].concat();
    assert_eq!(decode(&unreasoned).unwrap().finish, FinishReason::Stop);
    let empty = decode(&[json!({"type": "message_stop"})]).unwrap_err();
    assert!(matches!(empty, NoReply::Incomplete(Incomplete::Malformed(_))), "{empty:?}");
    let mut bench = Bench::new(decoder());
    bench.event(&events[0].to_string()).unwrap();
    bench.event("[DONE]").unwrap();
    assert!(bench.draft.is_over());
}

#[test]
fn errors_in_the_stream_end_it() {
    let error = json!({"type": "overloaded_error", "message": "Overloaded"});
    for event in [json!({"type": "error", "error": error}), json!({"error": error})] {
        let events = [message(&[], "end_turn")[0].clone(), event];
        assert_eq!(decode(&events).unwrap_err(), NoReply::Fault(Fault::Said(error.clone())));
    }
    let mut bench = Bench::new(decoder());
    for bad in [
        "[1]",
        "{",
        r#"{"type":"content_block_start","content_block":{"type":"text"}}"#,
        r#"{"type":"content_block_start","index":0}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"text":"x"}}"#,
        r#"{"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"x"}}"#,
        r#"{"type":"content_block_delta","index":7,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        r#"{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":5}}"#,
    ] {
        assert!(matches!(bench.event(bad), Err(Fault::Malformed(_))), "{bad}");
    }
}

#[test]
fn text_of_a_block_that_never_began_counts() {
    let events = message(
        &[text(0, "a"), delta(1, json!({"type": "thinking_delta", "thinking": "t"})), text(0, "b")],
        "end_turn",
    );
    let reply = decode(&events).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("ab", "t"));
}

#[test]
fn usage_is_a_running_total_or_estimated() {
    let mut events = message(&[start(0, json!({"type": "text", "text": "12345"}))], "end_turn");
    let usage = json!({"input_tokens": 0, "cache_read_input_tokens": null, "output_tokens": 50, "cost": 0.25,
        "output_tokens_details": {"thinking_tokens": 40}, "server_tool_use": {"web_search_requests": 1}});
    events[2]["usage"] = usage;
    let reply = decode(&events).unwrap();
    assert_eq!((reply.usage.input, reply.usage.output, reply.usage.reasoning), (3210, 50, 40));
    assert_eq!(reply.reported_cost, Some(Usd::from_dollars(0.25)));

    // Without the count at the end, what came is counted by its length: `12345`.
    events[2]["usage"] = json!({"output_tokens": 0});
    let usage = decode(&events).unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.source), (3210, 2, UsageSource::Estimated));

    events[0]["message"] = Value::Null;
    events[2]["usage"] = Value::Null;
    let usage = decode(&events).unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.source), (101, 2, UsageSource::Estimated));
}

#[test]
fn what_is_kept_in_the_cache_for_an_hour_is_told_apart() {
    let mut events = message(&[start(0, json!({"type": "text", "text": "x"}))], "end_turn");
    events[0]["message"]["usage"] = json!({"input_tokens": 10, "cache_creation_input_tokens": 500,
        "cache_read_input_tokens": 0, "output_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300}});
    let usage = decode(&events).unwrap().usage;
    assert_eq!((usage.input, usage.cache_write, usage.cache_write_long), (510, 500, 300));
    assert_eq!(usage.source, UsageSource::Api);
}

#[test]
fn a_reply_that_is_not_streamed_is_the_same() {
    let document = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "yes"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}],
        "stop_reason": "tool_use", "stop_sequence": null, "container": {"id": "c"},
        "usage": {"input_tokens": 5, "output_tokens": 7}});
    let mut bench = Bench::new(decoder());
    bench.decoder.document(&document.to_string(), &mut bench.draft).unwrap();
    let shown =
        [(DeltaKind::Reasoning, "hm"), (DeltaKind::Text, "yes"), (DeltaKind::ToolArguments, "{\"x\":1}")];
    assert_eq!(bench.pieces(), shown.map(|(kind, text)| (kind, text.to_owned())));
    let reply = bench.reply().unwrap();
    assert_eq!((reply.items.len(), reply.usage.input, reply.finish.clone()), (4, 5, FinishReason::ToolCalls));
    assert_eq!(calls(&reply), [call("a", "f", "{\"x\":1}")]);

    let error = json!({"type": "error", "error": {"type": "api_error", "message": "no"}}).to_string();
    let mut bench = Bench::new(decoder());
    let said = bench.decoder.document(&error, &mut bench.draft).unwrap_err();
    assert_eq!(said, Fault::Said(json!({"type": "api_error", "message": "no"})));
    let mut bench = Bench::new(decoder());
    bench.decoder.document("{}", &mut bench.draft).unwrap();
    assert!(matches!(bench.reply(), Err(Incomplete::Malformed(_))));
}

#[test]
fn pieces_are_shown_as_they_come() {
    let mut bench = Bench::new(decoder());
    for event in message(
        &[
            delta(0, json!({"type": "thinking_delta", "thinking": "t"})),
            text(1, "a"),
            tool(2, "i", "f"),
            input(2, "{}"),
            start(3, json!({"type": "server_tool_use", "id": "s", "name": "x", "input": {}})),
            input(3, "{\"hidden\":1}"),
        ],
        "tool_use",
    ) {
        bench.event(&event.to_string()).unwrap();
    }
    let shown = [(DeltaKind::Reasoning, "t"), (DeltaKind::Text, "a"), (DeltaKind::ToolArguments, "{}")];
    assert_eq!(bench.pieces(), shown.map(|(kind, text)| (kind, text.to_owned())));
}

#[test]
fn whatever_a_block_holds_makes_the_reply_longer() {
    let big = "x".repeat(1 << 20);
    let grown: [(&str, Value); 6] = [
        ("fields", start(0, json!({"type": "text", "text": "", "more": big}))),
        ("results", start(0, json!({"type": "web_search_tool_result", "content": big}))),
        ("signatures", delta(0, json!({"type": "signature_delta", "signature": big}))),
        ("citations", delta(0, json!({"type": "citations_delta", "citation": {"cited_text": big}}))),
        ("inputs", input(1, &big)),
        ("news", delta(0, json!({"type": "news_delta", "content": big}))),
    ];
    for (what, event) in grown {
        let mut bench = Bench::new(decoder());
        bench.event(&start(0, json!({"type": "text", "text": ""})).to_string()).unwrap();
        bench
            .event(&start(1, json!({"type": "server_tool_use", "id": "s", "input": {}})).to_string())
            .unwrap();
        let event = event.to_string();
        for _ in 0..=(limits::REPLY_BYTES >> 20) {
            bench.event(&event).unwrap();
        }
        assert!(bench.draft.is_too_long(), "{what}");
    }
    let mut bench = Bench::new(decoder());
    let empty = start(0, json!({"type": "text"})).to_string();
    for _ in 0..limits::REPLY_BYTES / 64 {
        bench.event(&empty).unwrap();
    }
    assert!(bench.draft.is_too_long(), "empty blocks");
}
