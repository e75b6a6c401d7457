//! Agents with workspaces: their files are kept before an answer counts.

use massgen_core::{Input, Open, replay};
use massgen_protocol::event::FinalSource;
use massgen_protocol::spec::{FinalAnswerStrategy, Presentation};
use massgen_protocol::turn::{Directive, Refusal, Turn};
use massgen_protocol::workspace::{Access, ContextKind, ContextPath, Isolation};
use massgen_protocol::{AgentNo, AnswerLabel, Event, RunSpec, Snapshot, SnapshotId, SnapshotOutcome};
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

#[test]
fn who_presents_starts_from_the_files_that_were_voted_for_until_it_has_replied() {
    let wanted = |history: &History| {
        let restore =
            |index| history.state.files_to_restore(AgentNo::from_index(index)).map(|id| id.0.clone());
        [restore(0), restore(1)]
    };
    let voting = History::start(with_workspaces(&["a", "b"])).play("a=one a@s1 b=two b@s2 a>agent1");
    assert_eq!(wanted(&voting), [None, None]);
    let presenting = voting.play("b>agent1");
    assert_eq!(wanted(&presenting), [Some("s1".to_owned()), None]);
    assert_eq!(
        presenting.count(|event| matches!(event, Event::PromptExtended { turn, .. } if restored(turn))),
        1
    );
    let mut resumed = presenting.clone().play("a!");
    resumed.state = replay(&presenting.events).unwrap();
    assert_eq!(wanted(&resumed), [Some("s1".to_owned()), None]);
    // What it then does to them is the final answer's.
    let at_work = presenting.play("a~tool");
    assert_eq!(wanted(&at_work), [None, None]);
    assert_eq!(wanted(&at_work.play("a. stop go")), [None, None]);
}

fn restored(turn: &Turn) -> bool {
    match turn {
        Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. } => {
            matches!(news.directive, Some(Directive::Present { restored: true, .. }))
        }
        Turn::Reply { .. } | Turn::Recap { .. } => false,
    }
}

#[test]
fn answer_stands_as_it_is_when_its_files_cannot_be_put_back() {
    let mut history =
        History::start(with_workspaces(&["a", "b"])).play("a=one a@s1 b=two b@s2 a>agent1 b>agent1");
    let call = history.call_of("a").unwrap();
    history.input(Input::FilesNotRestored { call, message: "the disk is full".to_owned() });
    assert_eq!(
        history.summary(),
        "a done 1 · b voted 1 · Answered, agent1.1 by MostVotes, StoredAsFallback `one`"
    );
    assert_eq!(replay(&history.events).unwrap(), history.state);
    let told = history.count(|event| match event {
        Event::Degraded { message, .. } => {
            message.contains("put back") && message.contains("the disk is full")
        }
        _ => false,
    });
    assert_eq!(told, 1);
}

#[test]
fn what_is_not_kept_with_an_answer_is_told_once_and_known_to_its_author() {
    let mut history = History::start(with_workspaces(&["a", "b"])).play("a=one");
    keep(&mut history, "s1", &["big.bin"]);
    let answer = history.state.answer("agent1.1".parse().unwrap()).unwrap();
    assert_eq!(answer.left_out.keys().collect::<Vec<_>>(), ["big.bin"]);
    let mut history = history.play("b=two b@s2 a=three");
    keep(&mut history, "s3", &["big.bin"]);
    let mut history = history.play("b>agent2 b=four b@s4 a=five");
    keep(&mut history, "s5", &["big.bin", "more.bin"]);
    let told: Vec<&str> = history
        .events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::Degraded { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("big.bin (too large)"), "{told:?}");
    assert!(told[1].contains("more.bin (too large)"), "{told:?}");
    assert_eq!(replay(&history.events).unwrap(), history.state);
}

/// The files of the submission of `a` are kept as `id`, without `left_out`.
fn keep(history: &mut History, id: &str, left_out: &[&str]) {
    let a = AgentNo::from_index(0);
    let call = Open::wanted(&history.state).keeping.into_iter().find(|call| call.agent == a).unwrap();
    let left_out = left_out.iter().map(|path| ((*path).to_owned(), "too large".to_owned())).collect();
    let snapshot = Snapshot { id: SnapshotId(id.to_owned()), files: 1, bytes: 1, left_out };
    history.input(Input::SnapshotFinished { call, outcome: SnapshotOutcome::Kept { snapshot } });
}

#[test]
fn somebody_presents_where_files_of_the_user_change_only_then() {
    let with = |isolation, access, strategy, presentation| {
        let mut spec = with_workspaces(&["a"]);
        spec.orchestration.final_answer = strategy;
        spec.orchestration.presentation = presentation;
        let workspace = spec.agents[0].workspace.as_mut().unwrap();
        workspace.isolation = isolation;
        workspace.contexts = vec![ContextPath {
            path: "/project".to_owned(),
            access,
            kind: ContextKind::Folder,
            protected: Vec::new(),
        }];
        let history = History::start(spec).play("a=one a@s1 a>agent1");
        let presents = history.count(|event| matches!(event, Event::PresentationStarted { .. }));
        (presents, history.count(|event| matches!(event, Event::Degraded { .. })))
    };
    let reuse = Some(FinalAnswerStrategy::WinnerReuse);
    let (direct, write) = (Isolation::Direct, Access::Write);
    assert_eq!(with(direct, write, reuse, Presentation::Run), (1, 1));
    assert_eq!(with(direct, write, None, Presentation::Skip), (1, 1));
    assert_eq!(with(direct, write, None, Presentation::Run), (1, 0));
    assert_eq!(with(Isolation::Auto, write, reuse, Presentation::Run), (0, 0));
    assert_eq!(with(direct, Access::Read, reuse, Presentation::Run), (0, 0));
}
