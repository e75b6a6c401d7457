//! Whatever is written is read back.

use std::sync::Arc;
use std::time::Duration;

use massgen_ports::Journal;
use massgen_protocol::event::{CallOutcome, ENVELOPE_VERSION};
use massgen_protocol::message::ItemContent;
use massgen_protocol::{
    AgentNo, CallId, Envelope, Event, FinishReason, Reply, ReplyItem, RevisionSet, RunMillis, Seq, Timestamp,
    TokenUsage, Usd,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::run::{Run, plain};

/// JSON as a provider may send it: numbers of any size, any text, nested.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        prop::num::f64::NORMAL.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((any::<String>(), inner), 0..4).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

/// Short, or too long for the database.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => any::<String>(), 1 => (any::<char>(), 4_000..20_000_usize).prop_map(|(c, n)| c.to_string().repeat(n))]
}

fn event() -> impl Strategy<Value = Event> {
    let agent = (0..4_usize).prop_map(AgentNo::from_index);
    let call = (agent.clone(), any::<u32>()).prop_map(|(agent, number)| CallId { agent, number });
    prop_oneof![
        Just(Event::RunResumed),
        (text(), proptest::option::of(agent.clone()))
            .prop_map(|(message, agent)| Event::Degraded { message, agent }),
        (agent, 1..9_u32, text()).prop_map(|(agent, revision, content)| Event::AnswerAccepted {
            label: agent.label(revision),
            content: content.into(),
            seen: RevisionSet::empty(4),
            snapshot: None,
        }),
        (call, text(), json(), any::<u64>()).prop_map(|(call, text, provider, nanos)| {
            // An item of a provider is never `null`, which would be read back as no item.
            let provider = Some(provider).filter(|item| !item.is_null());
            let item = ReplyItem { content: ItemContent::Text { text }, provider };
            let reply = Reply {
                items: vec![item],
                finish: FinishReason::Stop,
                usage: TokenUsage::default(),
                reported_cost: Some(Usd::from_nanos(nanos)),
                first_token_after: Duration::from_millis(7),
                duration: Duration::from_millis(9),
                origin: None,
            };
            let outcome = CallOutcome::Replied { reply: Arc::new(reply), cost: None };
            Event::ModelCallFinished { call, outcome }
        }),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn random_batches_are_read_back_as_they_were_written(
        batches in vec(vec((event(), any::<i64>(), 0..u64::MAX / 2), 0..5), 0..8),
        reopen_after in 0..8_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let run = Run::new();
        let mut journal = run.create();
        let mut stored = Vec::new();
        for (index, batch) in batches.into_iter().enumerate() {
            let batch: Vec<_> = batch.into_iter().zip(stored.len() as u64 + 1..).map(|((event, at, run_ms), seq)| {
                let (at, run_time) = (Timestamp::from_micros(at), RunMillis(run_ms));
                Arc::new(Envelope { v: ENVELOPE_VERSION, seq: Seq(seq), at, run_time, event })
            }).collect();
            stored.extend(plain(&batch));
            runtime.block_on(journal.append(batch)).unwrap();
            if index == reopen_after {
                drop(journal);
                let (again, events) = run.open();
                prop_assert_eq!(&events, &stored);
                journal = again;
            }
        }
        let read = massgen_journal::read(&run.dir).unwrap();
        prop_assert_eq!(read, stored.clone());
        drop(journal);
        prop_assert_eq!(run.open().1, stored);
    }
}
