use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::limits::APPROVAL_TIME;
use massgen_protocol::tooling::{Permissions, Unattended};
use massgen_testkit::clock::TestClock;

use super::super::{Effect, FileApprover};
use super::*;
use crate::testing::{agent, permissions};

/// Replies always the same, and counts.
struct Person {
    reply: Reply,
    asked: Mutex<Vec<Question>>,
}

impl Approver for Person {
    fn ask(&self, question: Question) -> BoxFuture<'static, Reply> {
        self.asked.lock().expect("kept").push(question);
        let reply = self.reply.clone();
        Box::pin(async move { reply })
    }
}

fn person(reply: Reply) -> Arc<Person> {
    Arc::new(Person { reply, asked: Mutex::default() })
}

fn approved(scope: Scope) -> Reply {
    Reply::Approved { scope }
}

async fn decide(gate: &Gate, line: &str) -> Result<(), String> {
    gate.decide("execute_command", &[Request::new(Effect::Command, line)], &|| 7).await.1
}

fn gate(permissions: &Permissions, person: &Arc<Person>) -> Gate {
    Gate::new(agent(), Some(permissions), Some(person.clone())).expect("a gate")
}

#[tokio::test]
async fn a_person_is_asked_and_the_reply_is_remembered_as_long_as_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("deep/settings.local.json");
    fs_err::create_dir_all(folder.path().join("deep")).expect("made");
    fs_err::write(&settings, r#"{"other": 1}"#).expect("written");
    let permissions = Permissions { remembered: Some(settings.display().to_string()), ..permissions() };
    for (scope, asked_again, asked_by_another) in
        [(Scope::Once, 2, 1), (Scope::Session, 1, 1), (Scope::Always, 1, 0)]
    {
        let first = person(approved(scope));
        let one = gate(&permissions, &first);
        decide(&one, "make [all]").await.expect("allowed");
        decide(&one, "make [all]").await.expect("allowed");
        assert_eq!(first.asked.lock().expect("kept").len(), asked_again, "{scope:?}");
        let second = person(approved(Scope::Once));
        let other = gate(&permissions, &second);
        decide(&other, "make [all]").await.expect("allowed");
        assert_eq!(second.asked.lock().expect("kept").len(), asked_by_another, "{scope:?}");
        // The reply is to this command and to no other.
        decide(&other, "make a").await.expect("allowed");
        assert_eq!(second.asked.lock().expect("kept").len(), asked_by_another + 1, "{scope:?}");
    }
    insta::assert_snapshot!(fs_err::read_to_string(&settings).expect("read"));
}

#[tokio::test]
async fn a_reply_that_refuses_and_its_words_reach_the_model() {
    let nobody = person(Reply::Refused { feedback: "use ninja".to_owned() });
    let told = decide(&gate(&permissions(), &nobody), "make").await.expect_err("refused");
    insta::assert_snapshot!(told);
    assert_eq!(nobody.asked.lock().expect("kept")[0].id, 7);
}

#[tokio::test]
async fn no_reply_overrides_what_refuses() {
    let yes = person(approved(Scope::Always));
    let permissions = Permissions { deny: vec!["command(make*)".to_owned()], ..permissions() };
    let gate = gate(&permissions, &yes);
    assert!(decide(&gate, "make").await.is_err());
    assert!(decide(&gate, "rm -rf /").await.is_err());
    assert!(yes.asked.lock().expect("kept").is_empty());
}

#[tokio::test]
async fn every_decision_is_recorded_and_the_first_refusal_ends_a_call() {
    let permissions = Permissions { deny: vec!["write_file(b*)".to_owned()], ..permissions() };
    let gate = Gate::new(agent(), Some(&permissions), None).expect("a gate");
    let requests = ["a", "b", "c"].map(|path| Request::new(Effect::Write, path));
    let (records, decision) = gate.decide("copy", &requests, &|| 1).await;
    assert!(decision.is_err());
    let lines: Vec<String> =
        records.iter().map(|record| serde_json::to_string(record).expect("JSON")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn after_many_calls_in_a_row_a_person_is_asked() {
    let yes = person(approved(Scope::Once));
    let permissions = Permissions {
        allow: vec!["command(*)".to_owned()],
        unasked_in_a_row: std::num::NonZeroU32::new(2),
        ..permissions()
    };
    let gate = gate(&permissions, &yes);
    let mut asked = Vec::new();
    for _ in 0..6 {
        decide(&gate, "make").await.expect("allowed");
        asked.push(yes.asked.lock().expect("kept").len());
    }
    assert_eq!(asked, [0, 0, 1, 1, 1, 2]);
    let alone =
        Gate::new(agent(), Some(&Permissions { unattended: Unattended::DenyAll, ..permissions }), None);
    let alone = alone.expect("a gate");
    assert!(decide(&alone, "make").await.is_ok() && decide(&alone, "make").await.is_ok());
    assert!(decide(&alone, "make").await.is_err());
}

#[test]
fn remembered_replies_that_cannot_be_read_are_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.json");
    for text in ["no json", "[]", r#"{"permissions":{"allow":["nonsense"]}}"#] {
        fs_err::write(&path, text).expect("written");
        let permissions = Permissions { remembered: Some(path.display().to_string()), ..permissions() };
        assert!(Gate::new(agent(), Some(&permissions), None).is_err(), "{text}");
    }
}

fn by_files(folder: &std::path::Path) -> Gate {
    let approver = FileApprover::new(folder.join("approvals"), Arc::new(TestClock::start()));
    Gate::new(agent(), Some(&permissions()), Some(Arc::new(approver))).expect("a gate")
}

/// The files of questions in `folder`, as soon as there is one.
async fn question(folder: &std::path::Path) -> std::path::PathBuf {
    loop {
        let files = fs_err::read_dir(folder.join("approvals")).into_iter().flatten().filter_map(Result::ok);
        let names = files.map(|file| file.path());
        let is_question = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "json");
        if let Some(found) = names.into_iter().find(is_question) {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_a_file_and_the_reply_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = by_files(folder.path());
    let reply = async {
        let asked = question(folder.path()).await;
        let text = fs_err::read_to_string(&asked).expect("read");
        let replied =
            asked.with_file_name(asked.file_name().expect("name").to_string_lossy().replace("req_", "resp_"));
        fs_err::write(replied, r#"{"approved": true, "scope": "session"}"#).expect("written");
        text
    };
    let (decision, text) = tokio::join!(decide(&gate, "make"), reply);
    decision.expect("allowed");
    insta::assert_snapshot!(text);
    assert_eq!(fs_err::read_dir(folder.path().join("approvals")).expect("read").count(), 0);
    decide(&gate, "make").await.expect("the session remembers it");
}

#[tokio::test(start_paused = true)]
async fn a_question_without_a_readable_reply_is_refused_when_its_time_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = by_files(folder.path());
    let begun = tokio::time::Instant::now();
    let told = decide(&gate, "make").await.expect_err("nobody replied");
    assert!(told.contains("nobody replied within 300 seconds"), "{told}");
    assert!(begun.elapsed() >= APPROVAL_TIME);
    let garbage = async {
        let asked = question(folder.path()).await;
        let replied =
            asked.with_file_name(asked.file_name().expect("name").to_string_lossy().replace("req_", "resp_"));
        fs_err::write(replied, r#"{"approved": "yes"}"#).expect("written");
    };
    let (told, ()) = tokio::join!(decide(&gate, "make"), garbage);
    assert!(told.expect_err("no reply").contains("could not be read"));
    assert_eq!(fs_err::read_dir(folder.path().join("approvals")).expect("read").count(), 0);
}
