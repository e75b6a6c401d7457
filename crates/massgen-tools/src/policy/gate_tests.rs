use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_ports::Unwatched;
use massgen_protocol::limits::{APPROVAL_INTERVAL, APPROVAL_TIME};
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
    fn ask(&self, question: Question, _watch: Arc<dyn CallWatch>) -> BoxFuture<'static, Reply> {
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
    decide_heard(gate, line, &unwatched()).await
}

async fn decide_heard(gate: &Gate, line: &str, watch: &Arc<dyn CallWatch>) -> Result<(), String> {
    let call = Of { name: "execute_command", wish: None, watch };
    gate.decide(call, &[Request::new(Effect::Command, line)], &|| 7).await.1
}

fn unwatched() -> Arc<dyn CallWatch> {
    Arc::new(Unwatched)
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
    let (records, decision) =
        gate.decide(Of { name: "copy", wish: None, watch: &unwatched() }, &requests, &|| 1).await;
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

/// Writes down what it hears.
#[derive(Debug, Default)]
struct Ear(Mutex<Vec<Asking>>);

impl CallWatch for Ear {
    fn asks(&self, asking: Asking) -> BoxFuture<'static, ()> {
        self.0.lock().expect("kept").push(asking);
        Box::pin(async {})
    }

    fn progress(&self, _line: &str) {}
}

#[tokio::test(start_paused = true)]
async fn it_is_told_where_a_reply_is_awaited_and_once_what_is_wrong_with_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = by_files(folder.path());
    let ear = Arc::new(Ear::default());
    let heard: Arc<dyn CallWatch> = Arc::<Ear>::clone(&ear);
    let reply = async {
        let asked = question(folder.path()).await;
        let replied =
            asked.with_file_name(asked.file_name().expect("name").to_string_lossy().replace("req_", "resp_"));
        for text in [
            "not json",
            r#"{"approved": "yes"}"#,
            r#"{"approved": true, "scope": "alwayz"}"#,
            r#"{"approved": true}"#,
        ] {
            fs_err::write(&replied, text).expect("written");
            tokio::time::sleep(APPROVAL_INTERVAL * 5).await;
        }
    };
    let (decision, ()) = tokio::join!(decide_heard(&gate, "make", &heard), reply);
    decision.expect("allowed");
    let heard = ear.0.lock().expect("kept");
    let lines: Vec<String> = heard.iter().map(|asking| asking.line().unwrap_or("over".to_owned())).collect();
    insta::assert_snapshot!(lines.join("\n").replace(&folder.path().display().to_string(), "[folder]"));
}

async fn wished(gate: &Gate, requests: &[Request]) -> (Vec<Record>, Result<(), String>) {
    let call = Of { name: "tool", wish: Some("a hook wants it"), watch: &unwatched() };
    gate.decide(call, requests, &|| 7).await
}

#[tokio::test]
async fn a_hook_has_a_person_asked_about_what_can_do_most_harm_whatever_rules_allow() {
    let yes = person(approved(Scope::Session));
    let permissions = Permissions { allow: vec!["*(*)".to_owned()], ..permissions() };
    let gate = gate(&permissions, &yes);
    let requests = [
        Request::new(Effect::Read, "a"),
        Request::new(Effect::Command, "make"),
        Request::new(Effect::Write, "b"),
    ];
    let (records, decision) = wished(&gate, &requests).await;
    decision.expect("agreed");
    let asked: Vec<(String, String)> =
        yes.asked.lock().expect("kept").iter().map(|q| (q.target.clone(), q.reason.clone())).collect();
    assert_eq!(asked, [("make".to_owned(), "a hook wants it".to_owned())]);
    let of_hook: Vec<bool> = records.iter().map(|record| record.rule == "hook").collect();
    assert_eq!(of_hook, [false, true, false]);
    assert_eq!(records[1].asked, Asked::Person);
    // The reply was for the whole run.
    wished(&gate, &requests).await.1.expect("agreed");
    assert_eq!(yes.asked.lock().expect("kept").len(), 1);
}

#[tokio::test]
async fn a_hook_that_wants_a_person_is_refused_where_nobody_can_be_asked_and_after_a_rule_that_refuses() {
    let make = [Request::new(Effect::Command, "make")];
    let permissions = Permissions { unattended: Unattended::AllowAll, ..permissions() };
    for permissions in [None, Some(&permissions)] {
        let alone = Gate::new(agent(), permissions, None).expect("a gate");
        let told = wished(&alone, &make).await.1.expect_err("nobody is there");
        assert!(told.contains("a hook wants it; nobody can be asked in this run (rule: hook)"), "{told}");
        decide(&alone, "make").await.expect("without the hook it is allowed");
    }
    let yes = person(approved(Scope::Once));
    let permissions = Permissions { deny: vec!["command(make*)".to_owned()], ..permissions };
    wished(&gate(&permissions, &yes), &make).await.1.expect_err("a rule refuses it");
    assert!(yes.asked.lock().expect("kept").is_empty());
    let no = person(Reply::Refused { feedback: "not now".to_owned() });
    let told = wished(&gate(&crate::testing::permissions(), &no), &make).await.1;
    assert!(told.expect_err("refused").contains("not now"));
}

/// Replies to the first question only.
struct Once(Mutex<Option<Reply>>);

impl Approver for Once {
    fn ask(&self, _question: Question, _watch: Arc<dyn CallWatch>) -> BoxFuture<'static, Reply> {
        let reply = self.0.lock().expect("kept").take();
        Box::pin(async move {
            match reply {
                // The other question is asked meanwhile.
                Some(reply) => {
                    tokio::task::yield_now().await;
                    reply
                }
                None => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn one_reply_for_the_run_answers_two_calls_that_wait_for_the_same() {
    for scope in [Scope::Session, Scope::Always] {
        let once = Arc::new(Once(Mutex::new(Some(approved(scope)))));
        let gate = Gate::new(agent(), Some(&permissions()), Some(once)).expect("a gate");
        let both = async { tokio::join!(decide(&gate, "make"), decide(&gate, "make")) };
        let both = tokio::time::timeout(APPROVAL_TIME, both).await.expect("both are answered");
        assert_eq!(both, (Ok(()), Ok(())), "{scope:?}");
    }
}
