//! Whatever comes, the decoder ends in an answer or an error, and holds no more than it may.

use massgen_protocol::limits;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::decoder::Decoder;
use crate::provider::testing::Bench;

/// A stream with everything in it, one event each.
fn stream() -> Vec<String> {
    let reasoning = json!({"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAA"});
    let message = json!({"type": "message", "id": "msg", "role": "assistant",
        "content": [{"type": "output_text", "text": "é – \"a\"\n", "annotations": []}]});
    let call =
        json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{\"x\":1}"});
    let delta = |what: &str, index: u64, text: &str| json!({"type": format!("response.{what}.delta"), "output_index": index, "item_id": "i", "delta": text});
    let item = |what: &str, index: u64, item: &Value| json!({"type": format!("response.output_item.{what}"), "output_index": index, "item": item});
    let events = [
        json!({"type": "response.created", "response": {"status": "in_progress"}}),
        item("added", 0, &reasoning),
        delta("reasoning_summary_text", 0, "hm"),
        item("done", 0, &reasoning),
        delta("output_text", 1, "é – \"a\"\n"),
        delta("refusal", 1, "no"),
        item("done", 1, &message),
        item("added", 2, &call),
        delta("function_call_arguments", 2, "{\"x\":1}"),
        item("done", 2, &call),
        json!({"type": "response.completed", "response": {"status": "completed", "output": [reasoning, message, call],
            "usage": {"input_tokens": 3, "output_tokens": 2}}}),
    ];
    events.iter().map(Value::to_string).collect()
}

/// Takes the events until the first error, as a call does, and ends.
fn survive<'a>(events: impl IntoIterator<Item = &'a str>) {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    for event in events {
        if bench.event(event).is_err() || bench.draft.is_too_long() {
            return;
        }
    }
    if let Ok(reply) = bench.reply() {
        assert!(reply.bytes() <= limits::REPLY_BYTES);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "message",
        "reasoning",
        "function_call",
        "response.output_item.done",
        "response.output_item.added",
        "response.output_text.delta",
        "response.completed",
        "response.incomplete",
        "error",
        "i",
        "",
        "{",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..3).prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "item",
        "output_index",
        "item_id",
        "id",
        "call_id",
        "name",
        "arguments",
        "content",
        "text",
        "refusal",
        "summary",
        "delta",
        "response",
        "output",
        "status",
        "usage",
        "error",
        "encrypted_content",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_survived(events in prop::collection::vec(any::<String>(), 0..8)) {
        survive(events.iter().map(String::as_str));
    }

    #[test]
    fn any_json_in_the_words_of_the_protocol_is_survived(events in prop::collection::vec(any_json(), 0..12)) {
        let events: Vec<_> = events.iter().map(Value::to_string).collect();
        survive(events.iter().map(String::as_str));
        for event in &events {
            let mut bench = Bench::new(Box::new(Decoder::default()));
            let _ = bench.decoder.document(event, &mut bench.draft);
        }
    }

    #[test]
    fn a_stream_with_changed_bytes_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<char>()), 1..6),
    ) {
        let mut events = stream();
        for (event, place, by) in changes {
            let event = event.get_mut(&mut events);
            let places: Vec<_> = event.char_indices().collect();
            let (at, old) = *place.get(&places);
            event.replace_range(at..at + old.len_utf8(), &by.to_string());
            if event.is_empty() {
                return Ok(());
            }
        }
        survive(events.iter().map(String::as_str));
    }

    #[test]
    fn a_stream_in_another_order_is_survived(order in Just(stream()).prop_shuffle(), twice in any::<prop::sample::Index>()) {
        let mut events = order;
        events.push(twice.get(&events).clone());
        survive(events.iter().map(String::as_str));
    }

    #[test]
    fn a_stream_that_is_cut_is_no_reply(length in 0_usize..11) {
        let mut bench = Bench::new(Box::new(Decoder::default()));
        for event in &stream()[..length.min(10)] {
            bench.event(event).unwrap();
        }
        prop_assert!(bench.reply().is_err());
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let depth = 100_000;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let item = format!(r#"{{"type":"response.output_item.done","item":{{"type":"x","a":{deep}}}}}"#);
    survive([item.as_str(), deep.as_str()]);
    let unread = format!(r#"{{"type":"keepalive","a":{deep}}}"#);
    survive([unread.as_str()]);
}
