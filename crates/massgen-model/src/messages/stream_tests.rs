//! A recorded stream, cut and damaged in every way.

use std::sync::Arc;

use massgen_protocol::message::{Message, Reply};
use proptest::prelude::*;
use reqwest::Url;
use serde_json::json;

use super::codec::tests::backend;
use super::*;
use crate::provider::codec::Codec;
use crate::provider::testing::{NoReply, decode_stream, request, user};

/// Thinking, a search, a cited text and two interleaved calls, as a server sends them.
const RECORDED: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":25,"cache_read_input_tokens":100,"output_tokens":1}}}

event: ping
data: {"type": "ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Où \"là\"…\n"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

data: {"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\": \"日"}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"本\"}"}}

data: {"type":"content_block_start","index":2,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://h","encrypted_content":"Eg"}]}}

data: {"type":"content_block_start","index":3,"content_block":{"type":"text","text":"","citations":[]}}

data: {"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://h","cited_text":"x"}}}

data: {"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"naïve – 日本"}}

data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_1","name":"read","input":{}}}

data: {"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_2","name":"list","input":{}}}

data: {"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{\"é\":"}}

data: {"type":"content_block_stop","index":5}

data: {"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"1}"}}

data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}

data: {"type":"message_stop"}

"#;

fn codec() -> MessagesCodec {
    let url = Url::parse("https://api.anthropic.com/v1/messages").unwrap();
    MessagesCodec::new(&url, &backend("claude-sonnet-4-6", json!({}), None), &[])
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Reply, NoReply> {
    let codec = codec();
    decode_stream(codec.decoder(), codec.framing(), pieces)
}

#[test]
fn a_stream_is_the_same_reply_wherever_it_is_cut() {
    let whole = read([RECORDED.as_bytes()]).unwrap();
    assert_eq!((whole.text().as_str(), whole.reasoning().as_str()), ("naïve – 日本", "Où \"là\"…\n"));
    let calls: Vec<_> = whole.tool_calls().map(|call| call.arguments.as_str()).collect();
    assert_eq!((calls, whole.items.len()), (vec!["{\"é\":1}", "{}"], 6));
    for cut in 0..=RECORDED.len() {
        let (left, right) = RECORDED.as_bytes().split_at(cut);
        assert_eq!(read([left, right]), Ok(whole.clone()), "cut at {cut}");
    }
    assert_eq!(read(RECORDED.as_bytes().chunks(1)), Ok(whole));
}

#[test]
fn a_stream_that_breaks_off_is_no_reply_before_its_reason_to_stop() {
    let end = RECORDED.find("\"stop_reason\":\"tool_use\"").unwrap();
    for length in (0..end).step_by(7) {
        let broken = read([RECORDED.as_bytes().get(..length).unwrap()]);
        assert!(broken.is_err(), "{length} bytes made {broken:?}");
    }
}

/// Whatever `reply` is, the next request can be written with it.
fn can_go_back(reply: Reply) {
    let conversation = vec![user("q"), Message::Assistant { reply: Arc::new(reply) }, user("go on")];
    codec().body(&request(conversation)).unwrap();
}

#[derive(Debug, Clone)]
enum Damage {
    Put(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Put(at, byte)),
        (any::<usize>(), 1..200_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<usize>(), 1..400_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

fn damaged(damages: &[Damage]) -> Vec<u8> {
    let mut bytes = RECORDED.as_bytes().to_vec();
    for damage in damages {
        let (Damage::Put(at, _) | Damage::Remove(at, _) | Damage::Repeat(at, _)) = damage;
        let at = at % bytes.len();
        match damage {
            Damage::Put(_, byte) => bytes[at] = *byte,
            Damage::Remove(_, length) => drop(bytes.drain(at..bytes.len().min(at + length))),
            Damage::Repeat(_, length) => {
                let again = bytes[at..bytes.len().min(at + length)].to_vec();
                bytes.splice(at..at, again);
            }
        }
        bytes.push(b'\n');
    }
    bytes
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(reply) = read([bytes.as_slice()]) {
            can_go_back(reply);
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut bench = crate::provider::testing::Bench::new(codec().decoder());
        let _ = bench.decoder.document(&text, &mut bench.draft);
    }

    #[test]
    fn damaged_streams_never_panic_and_what_they_make_can_go_back(
        damages in proptest::collection::vec(damage(), 1..6),
    ) {
        if let Ok(reply) = read([damaged(&damages).as_slice()]) {
            can_go_back(reply);
        }
    }

    /// Events of the protocol in any order with any numbers.
    #[test]
    fn shuffled_events_never_panic(order in proptest::collection::vec(0..20_usize, 0..60), numbers in any::<[u8; 8]>()) {
        let events: Vec<&str> = RECORDED.split("\n\n").collect();
        let mut shuffled = String::new();
        for (turn, pick) in order.iter().enumerate() {
            let event = events[pick % events.len()];
            let number = numbers[turn % numbers.len()] % 8;
            let event = (0..8).fold(event.to_owned(), |event, old| {
                event.replace(&format!("\"index\":{old},"), &format!("\"index\": {number},"))
            });
            shuffled.push_str(&event);
            shuffled.push_str("\n\n");
        }
        shuffled.push_str("data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n");
        if let Ok(reply) = read([shuffled.as_bytes()]) {
            can_go_back(reply);
        }
    }
}
