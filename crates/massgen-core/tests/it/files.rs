//! Agents with workspaces: their files are kept before an answer counts.

use massgen_core::{Open, replay};
use massgen_protocol::event::FinalSource;
use massgen_protocol::turn::Refusal;
use massgen_protocol::{AnswerLabel, Event, RunSpec, SnapshotId};
use massgen_testkit::history::{History, spec, workspace};

fn with_workspaces(ids: &[&str]) -> RunSpec {
    let mut spec = spec(ids);
    for agent in &mut spec.agents {
        agent.workspace = Some(Box::new(workspace(agent.id.as_str())));
    }
    spec
}

fn snapshot(history: &History, label: &str) -> Option<SnapshotId> {
    let label: AnswerLabel = label.parse().unwrap();
    history.state.answer(label).unwrap().snapshot.clone()
}

fn refusals(history: &History) -> Vec<Refusal> {
    let refused = history.events.iter().filter_map(|envelope| match &envelope.event {
        Event::SubmissionRefused { refusal, .. } => Some(refusal.clone()),
        _ => None,
    });
    refused.collect()
}

#[test]
fn an_answer_counts_once_its_files_are_kept() {
    let history = History::start(with_workspaces(&["a", "b"])).play("a=one");
    assert_eq!(history.summary(), "a working 0 · b working 0 · coordinating");
    assert_eq!(Open::wanted(&history.state).keeping.len(), 1);
    let history = history.play("a@s1");
    assert_eq!(history.summary(), "a answered 1 · b working 0 · coordinating");
    assert_eq!(snapshot(&history, "agent1.1"), Some(SnapshotId("s1".into())));
}

#[test]
fn files_that_cannot_be_kept_are_told_and_the_answer_counts_without_them() {
    let history = History::start(with_workspaces(&["a", "b"])).play("a=one a@!");
    assert_eq!(snapshot(&history, "agent1.1"), None);
    let told = history.count(|event| match event {
        Event::Degraded { message, agent } => message.contains("the disk is full") && agent.is_some(),
        _ => false,
    });
    assert_eq!(told, 1);
}

#[test]
fn the_same_words_about_other_files_are_another_answer_and_about_the_same_files_they_are_not() {
    let history = History::start(with_workspaces(&["a", "b"])).play("a=done a@s1 b=done b@s2");
    assert_eq!(refusals(&history), []);
    let history = history.play("a=done a@s1");
    assert!(matches!(refusals(&history).as_slice(), [Refusal::Duplicate { .. }]), "{:?}", refusals(&history));
}

#[test]
fn a_path_in_the_own_folder_makes_no_answer_new() {
    let history = History::start(with_workspaces(&["a", "b"])).play("a=one a@s0 b=see_/w/b/x b@s");
    let history = history.play("a=see_/w/a/x a@s");
    assert!(matches!(refusals(&history).as_slice(), [Refusal::Duplicate { .. }]), "{:?}", refusals(&history));
}

#[test]
fn an_answer_over_the_limit_is_refused_without_keeping_anything() {
    let mut spec = with_workspaces(&["a", "b"]);
    spec.orchestration.max_new_answers_per_agent = std::num::NonZeroU32::new(1);
    let history = History::start(spec).play("a=one a@s1 b=two b@s2 a=three");
    assert!(matches!(refusals(&history).as_slice(), [Refusal::AnswerLimit]), "{:?}", refusals(&history));
    assert_eq!(history.count(|event| matches!(event, Event::SnapshotStarted { .. })), 2);
}

#[test]
fn after_a_crash_the_files_are_kept_again_and_only_then_the_answer_counts() {
    let mut history = History::start(with_workspaces(&["a"])).play("a=one");
    history.state = replay(&history.events).unwrap();
    let history = history.play("go");
    assert_eq!(Open::wanted(&history.state).keeping.len(), 1, "{}", history.summary());
    assert_eq!(snapshot(&history.play("a@s1"), "agent1.1"), Some(SnapshotId("s1".into())));
}

#[test]
fn the_final_answer_comes_with_the_files_of_the_presentation_or_of_the_answer_that_stands_in() {
    let end = |history: &History| {
        history.events.iter().find_map(|envelope| match &envelope.event {
            Event::FinalAnswerReady { source, snapshot, .. } => {
                Some((*source, snapshot.clone().map(|snapshot| snapshot.0)))
            }
            _ => None,
        })
    };
    let voted = History::start(with_workspaces(&["a", "b"])).play("a=one a@s1 b=two b@s2 a>agent1 b>agent1");
    let presented = voted.clone().play("a=final a@s3");
    assert_eq!(end(&presented), Some((FinalSource::Presented, Some("s3".to_owned()))));
    let failed = voted.play("a!");
    assert_eq!(end(&failed), Some((FinalSource::StoredAsFallback, Some("s1".to_owned()))));
}
