//! The SQL views that come with every journal.

use std::sync::Arc;
use std::time::Duration;

use massgen_ports::Journal;
use massgen_protocol::event::CallOutcome;
use massgen_protocol::message::{FailureKind, ItemContent, ModelFailure};
use massgen_protocol::{AgentNo, CallId, Event, FinishReason, Purpose, Reply, RevisionSet, TokenUsage, Usd};
use rusqlite::types::Value;

use crate::run::{Run, envelope};

fn agent(number: usize) -> AgentNo {
    AgentNo::from_index(number - 1)
}

fn started(agent_number: usize, number: u32, purpose: Purpose) -> Event {
    let call = CallId { agent: agent(agent_number), number };
    Event::ModelCallStarted { call, purpose, reserved_tokens: 0, reserved_cost: None }
}

fn finished(agent_number: usize, number: u32, outcome: CallOutcome) -> Event {
    Event::ModelCallFinished { call: CallId { agent: agent(agent_number), number }, outcome }
}

fn usage() -> TokenUsage {
    TokenUsage { input: 1200, output: 34, cached_input: 1024, ..TokenUsage::default() }
}

fn replied(text: &str, cost: Option<Usd>) -> CallOutcome {
    let reply = Reply {
        items: vec![ItemContent::Text { text: text.into() }.into()],
        finish: FinishReason::Stop,
        usage: usage(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    CallOutcome::Replied { reply: Arc::new(reply), cost }
}

fn answered(agent_number: usize, revision: u32, content: &str) -> Event {
    let label = agent(agent_number).label(revision);
    Event::AnswerAccepted { label, content: content.into(), seen: RevisionSet::empty(2), snapshot: None }
}

fn voted(voter: usize, chosen: usize, revision: u32, reason: &str) -> Event {
    let (voter, answer) = (agent(voter), agent(chosen).label(revision));
    Event::VoteCast { voter, answer, reason: reason.into(), seen: RevisionSet::empty(2) }
}

/// The rows of `SELECT columns FROM view` as lines.
async fn select(events: Vec<Event>, query: &str) -> Vec<String> {
    let run = Run::new();
    let batch = events.into_iter().zip(1..).map(|(event, seq)| envelope(seq, event)).collect();
    run.create().append(batch).await.unwrap();
    let sql = run.sql();
    let mut statement = sql.prepare(query).unwrap();
    let columns = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let cells: Result<Vec<String>, _> = (0..columns).map(|index| row.get(index).map(show)).collect();
        Ok(cells?.join(" | "))
    };
    statement.query_map([], line).unwrap().map(Result::unwrap).collect()
}

fn show(value: Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{bytes:?}"),
    }
}

#[tokio::test]
async fn calls_show_their_time_tokens_and_cost() {
    let failure = ModelFailure { kind: FailureKind::Server, message: "overloaded".into(), attempts: 3 };
    let events = vec![
        started(1, 1, Purpose::Coordinate),
        started(2, 1, Purpose::Coordinate),
        finished(1, 1, replied("short", Some(Usd::from_nanos(4_200_000)))),
        started(1, 2, Purpose::Coordinate),
        finished(2, 1, CallOutcome::Failed { failure }),
        finished(1, 2, CallOutcome::Cancelled { usage: usage(), cost: None }),
        // Its reply is a blob.
        started(1, 3, Purpose::Coordinate),
        finished(1, 3, replied(&"long ".repeat(10_000), Some(Usd::from_nanos(1)))),
        // Cut off by a kill.
        started(1, 4, Purpose::Present),
    ];
    let columns = "call, agent, purpose, started, finished, seconds, outcome, input_tokens, cached_input_tokens, \
                   output_tokens, cost_usd";
    let rows = select(events, &format!("SELECT {columns} FROM calls")).await;
    assert_eq!(
        rows,
        [
            "agent1-call-1 | agent1 | coordinate | 2026-11-21T07:12:03.500Z | 2026-11-21T07:12:04.500Z | 1 | replied | 1200 | 1024 | 34 | 0.0042",
            "agent2-call-1 | agent2 | coordinate | 2026-11-21T07:12:04.000Z | 2026-11-21T07:12:05.500Z | 1.5 | failed | - | - | - | -",
            "agent1-call-2 | agent1 | coordinate | 2026-11-21T07:12:05.000Z | 2026-11-21T07:12:06.000Z | 1 | cancelled | 1200 | 1024 | 34 | -",
            "agent1-call-3 | agent1 | coordinate | 2026-11-21T07:12:06.500Z | 2026-11-21T07:12:07.000Z | 0.5 | - | - | - | - | -",
            "agent1-call-4 | agent1 | present | 2026-11-21T07:12:07.500Z | - | - | - | - | - | - | -",
        ]
    );
}

#[tokio::test]
async fn answers_keep_their_labels_even_when_they_are_blobs() {
    let events = vec![answered(2, 1, &"long ".repeat(10_000)), answered(1, 1, "one"), answered(2, 2, "two")];
    let rows = select(events, "SELECT answer, agent, accepted, run_seconds, content FROM answers").await;
    assert_eq!(
        rows,
        [
            "agent2.1 | agent2 | 2026-11-21T07:12:03.500Z | 0.5 | -",
            "agent1.1 | agent1 | 2026-11-21T07:12:04.000Z | 1 | one",
            "agent2.2 | agent2 | 2026-11-21T07:12:04.500Z | 1.5 | two",
        ]
    );
}

#[tokio::test]
async fn votes_tell_which_of_them_still_count() {
    let events = vec![
        answered(1, 1, "one"),
        voted(2, 1, 1, "before an answer"),
        answered(2, 1, "two"),
        voted(1, 1, 1, "my own"),
        voted(2, 1, 1, "changed my mind"),
        voted(1, 2, 1, "it's better"),
    ];
    let rows = select(events, "SELECT voter, answer, reason, cast_at, run_seconds, counted FROM votes").await;
    assert_eq!(
        rows,
        [
            "agent2 | agent1.1 | before an answer | 2026-11-21T07:12:04.000Z | 1 | 0",
            "agent1 | agent1.1 | my own | 2026-11-21T07:12:05.000Z | 2 | 0",
            "agent2 | agent1.1 | changed my mind | 2026-11-21T07:12:05.500Z | 2.5 | 1",
            "agent1 | agent2.1 | it's better | 2026-11-21T07:12:06.000Z | 3 | 1",
        ]
    );
}
