use std::time::Duration;

use serde_json::json;

use super::*;
use crate::event::WinnerBasis;
use crate::ids::{CallId, RevisionSet};
use crate::message::{FinishReason, ReplyItem};
use crate::money::TokenUsage;

fn no(number: usize) -> AgentNo {
    AgentNo::from_index(number - 1)
}

fn painted(agent: AgentNo, pictures: &[&str]) -> Event {
    let item = |data: &&str| ReplyItem::with_file(json!({"data": data}), "/data", Some("image/png"));
    let reply = Reply {
        items: pictures.iter().map(item).collect(),
        finish: FinishReason::Stop,
        usage: TokenUsage::default(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    let outcome = CallOutcome::Replied { reply: Arc::new(reply), cost: None };
    Event::ModelCallFinished { call: CallId { agent, number: 1 }, outcome }
}

fn answered(label: AnswerLabel) -> Event {
    Event::AnswerAccepted { label, content: "it".into(), seen: RevisionSet::empty(2), snapshot: None }
}

fn won(answer: AnswerLabel) -> Event {
    Event::WinnerSelected { answer, tally: Vec::new(), basis: WinnerBasis::MostVotes }
}

fn done(agent: AgentNo, source: FinalSource) -> Event {
    Event::FinalAnswerReady { agent, content: "it".into(), source, snapshot: None }
}

fn folded(events: &[Event]) -> MadeFiles {
    let mut made = MadeFiles::default();
    for event in events {
        made.fold(event);
    }
    made
}

fn told(files: &[NamedFile<'_>]) -> Vec<String> {
    let told = |named: &NamedFile<'_>| {
        format!("{} {}", named.name, String::from_utf8_lossy(&named.file.bytes().unwrap()))
    };
    files.iter().map(told).collect()
}

#[test]
fn files_belong_to_the_next_answer_of_who_made_them() {
    let made = folded(&[
        painted(no(1), &["b25l"]),
        painted(no(2), &["dHdv"]),
        painted(no(1), &["dHdv"]),
        answered(no(1).label(1)),
        answered(no(2).label(1)),
        painted(no(1), &["b25l"]),
        answered(no(1).label(2)),
        answered(no(1).label(3)),
    ]);
    assert_eq!(told(&made.of_answer(no(1).label(1))), ["image-1.png one", "image-2.png two"]);
    assert_eq!(told(&made.of_answer(no(2).label(1))), ["image-1.png two"]);
    assert_eq!(told(&made.of_answer(no(1).label(2))), ["image-1.png one"]);
    assert!(made.of_answer(no(1).label(3)).is_empty() && made.of_final_answer().is_empty());
}

#[test]
fn the_final_answer_has_the_files_of_the_one_that_won_and_of_its_presentation() {
    let until = [
        painted(no(1), &["b25l"]),
        answered(no(1).label(1)),
        won(no(1).label(1)),
        painted(no(1), &["dHdv"]),
        painted(no(2), &["b25l"]),
    ];
    let end = |agent, source| {
        let made = folded(&until.iter().cloned().chain([done(agent, source)]).collect::<Vec<_>>());
        told(&made.of_final_answer())
    };
    let both = ["image-1.png one", "image-2.png two"];
    assert_eq!(end(no(1), FinalSource::Presented), both);
    assert_eq!(end(no(1), FinalSource::StoredAsFallback), both);
    assert_eq!(end(no(1), FinalSource::Stored), ["image-1.png one"]);
    assert_eq!(
        end(no(2), FinalSource::Presented),
        ["image-1.png one"],
        "who presents for others has its own"
    );
}

#[test]
fn an_answer_has_so_many_files_and_no_more() {
    let pictures = vec!["b25l"; limits::FILES_PER_ANSWER + 1];
    let made = folded(&[painted(no(1), &pictures), answered(no(1).label(1))]);
    assert_eq!(made.of_answer(no(1).label(1)).len(), limits::FILES_PER_ANSWER);
}
