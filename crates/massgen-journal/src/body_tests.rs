use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::event::CallOutcome;
use massgen_protocol::message::ItemContent;
use massgen_protocol::{AgentNo, CallId, FinishReason, Reply, ReplyItem, TokenUsage};
use serde_json::Value;

use super::*;

fn reply_with(provider: Value) -> Event {
    let reply = Reply {
        items: vec![ReplyItem { content: ItemContent::Opaque, provider: Some(provider) }],
        finish: FinishReason::Stop,
        usage: TokenUsage::default(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    let call = CallId { agent: AgentNo::from_index(0), number: 1 };
    Event::ModelCallFinished { call, outcome: CallOutcome::Replied { reply: Arc::new(reply), cost: None } }
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::from("]"), |inner, _| Value::from(vec![inner]))
}

/// The parser takes items of 127 levels from a provider, and their event must be readable again.
#[test]
fn an_item_as_deep_as_a_provider_may_send_it_is_read_back() {
    assert!(serde_json::from_str::<Value>(&nested(127).to_string()).is_ok());
    let event = reply_with(nested(127));
    let json = encode(&event).unwrap();
    assert!(serde_json::from_str::<Event>(&json).is_err(), "the parser's own limit would do");
    assert_eq!(decode(1, &json), Ok(event));
}

#[test]
fn the_deepest_body_is_read_back_and_a_deeper_one_is_not_written() {
    // Event, outcome, reply, items and the item itself.
    let frame = 5;
    let event = reply_with(nested(limits::JOURNAL_BODY_DEPTH - frame));
    assert_eq!(decode(1, &encode(&event).unwrap()), Ok(event));
    let deeper = reply_with(nested(limits::JOURNAL_BODY_DEPTH - frame + 1));
    assert_eq!(encode(&deeper), Err("it nests deeper than 256 levels".to_owned()));
}

#[test]
fn brackets_in_texts_are_not_levels() {
    let event = Event::Degraded { message: "[{\"\\[".repeat(1000), agent: None };
    assert_eq!(decode(1, &encode(&event).unwrap()), Ok(event));
}

/// The parser's fast way rounds twice and misses many of these.
#[test]
fn numbers_come_back_to_the_last_bit() {
    let mantissas = (1..1000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 12);
    let numbers = mantissas.map(|mantissa| f64::from_bits(1.0_f64.to_bits() | mantissa));
    for number in numbers.chain([f64::MAX, f64::MIN_POSITIVE, 5e-324]) {
        let event = reply_with(number.into());
        assert_eq!(decode(1, &encode(&event).unwrap()), Ok(event));
    }
}
