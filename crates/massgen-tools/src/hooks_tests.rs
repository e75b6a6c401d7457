//! What hooks mean together, and hooks that are started.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use massgen_ports::{ToolHost, Unwatched};
use massgen_protocol::tooling::HookFailure;
use massgen_protocol::{AgentNo, CallId, ToolCall, ToolOutcome, ToolUse};
use massgen_testkit::clock::TestClock;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::custom::Launcher;
use crate::custom::by_hand::{ByHand, python};
use crate::policy::{Approver, Question, Reply, Scope};
use crate::testing::{House, Setup, agent};

fn command(program: &str) -> HookHandler {
    HookHandler::Command { command: vec![program.to_owned()] }
}

fn hook(matcher: &str, handler: HookHandler) -> Hook {
    let (time, on_failure) = (Duration::from_mins(1), HookFailure::Allow);
    Hook { matcher: matcher.to_owned(), handler, time, on_failure }
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().expect("a map").clone()
}

fn event(hook_type: HookType) -> HookEvent {
    HookEvent {
        hook_type,
        session_id: "s".to_owned(),
        orchestrator_id: "o".to_owned(),
        agent_id: "writer".to_owned(),
        timestamp: "2030-01-02T03:04:05Z".to_owned(),
        tool_name: "write_file".to_owned(),
        tool_input: map(&json!({ "path": "a" })),
        tool_output: match hook_type {
            HookType::PreToolUse => None,
            HookType::PostToolUse => Some("written".to_owned()),
        },
    }
}

/// Hooks whose command is their result, or `fail`; it remembers the arguments that each of them saw.
#[derive(Default)]
struct Scripted(Mutex<Vec<Value>>);

impl HookRunner for Scripted {
    fn run<'a>(
        &'a self,
        hook: &'a Hook,
        event: &'a HookEvent,
    ) -> BoxFuture<'a, Result<HookResult, CustomError>> {
        self.0.lock().expect("whole").push(Value::Object(event.tool_input.clone()));
        let HookHandler::Command { command } = &hook.handler else { panic!("no command") };
        let result = if command[0] == "fail" {
            Err(CustomError::Told("out of order".to_owned()))
        } else {
            HookResult::read_output(command[0].as_bytes(), event.hook_type)
        };
        Box::pin(async { result })
    }
}

/// What hooks with these results mean for a call, and what each of them saw.
async fn asked(hooks: Vec<Hook>) -> (Before, Vec<Value>) {
    let scripted = Scripted::default();
    let hooks = Hooks { before: hooks, after: Vec::new() };
    let before = before(&hooks, event(HookType::PreToolUse), &scripted).await;
    (before, scripted.0.into_inner().expect("whole"))
}

fn says(result: &Value) -> Hook {
    hook("*", command(&result.to_string()))
}

fn denied(reason: &str) -> Verdict {
    Verdict::Denied { reason: reason.to_owned() }
}

fn text(content: &str, strategy: Strategy) -> Injection {
    Injection { content: content.to_owned(), strategy }
}

#[tokio::test]
async fn the_first_refusal_counts_and_later_hooks_are_not_asked() {
    let (before, seen) = asked(vec![
        says(&json!({})),
        says(&json!({ "decision": "deny", "reason": "not now" })),
        says(&json!({ "allowed": false, "reason": "never" })),
    ])
    .await;
    assert_eq!((before.verdict, seen.len()), (denied("not now"), 2));
}

#[tokio::test]
async fn each_hook_sees_the_arguments_that_the_ones_before_it_have_written() {
    let (before, seen) = asked(vec![
        says(&json!({ "updated_input": { "path": "b" }, "inject": { "content": "one" } })),
        hook("other", command("fail")),
        says(&json!({ "modified_args": "{\"path\": \"c\"}", "inject": { "content": "two", "strategy": "user_message" } })),
        says(&json!({ "hookSpecificOutput": { "updatedInput": { "path": "d" }, "additionalContext": "three" } })),
    ])
    .await;
    assert_eq!(seen, [json!({ "path": "a" }), json!({ "path": "b" }), json!({ "path": "c" })]);
    let injections = vec![
        text("one", Strategy::ToolResult),
        text("two", Strategy::UserMessage),
        text("three", Strategy::ToolResult),
    ];
    assert_eq!(
        before,
        Before {
            verdict: Verdict::Allowed { input: map(&json!({ "path": "d" })), injections },
            failures: Vec::new()
        }
    );
}

#[tokio::test]
async fn the_wish_to_ask_stays_until_a_refusal() {
    let (before, _) = asked(vec![
        says(&json!({ "decision": "ask", "reason": "is this right?" })),
        says(&json!({ "decision": "allow", "updated_input": { "path": "b" } })),
        says(&json!({ "decision": "ask", "reason": "and this?" })),
    ])
    .await;
    let (reason, input) = ("is this right?".to_owned(), map(&json!({ "path": "b" })));
    assert_eq!(before.verdict, Verdict::Ask { reason, input, injections: Vec::new() });
    let (before, _) =
        asked(vec![says(&json!({ "decision": "ask" })), says(&json!({ "allowed": false }))]).await;
    assert!(matches!(before.verdict, Verdict::Denied { .. }), "{before:?}");
}

#[tokio::test]
async fn a_hook_that_fails_allows_the_call_unless_it_is_to_fail_closed() {
    let closed = Hook { on_failure: HookFailure::Deny, ..hook("*", command("fail")) };
    let (before, seen) = asked(vec![hook("*", command("fail")), says(&json!({}))]).await;
    assert!(matches!(before.verdict, Verdict::Allowed { .. }));
    assert_eq!(seen.len(), 2);
    let failed = |consequence| HookFailed {
        hook: "`fail`".to_owned(),
        problem: "out of order".to_owned(),
        consequence,
    };
    assert_eq!(before.failures, [failed(HookFailure::Allow)]);
    let (before, seen) = asked(vec![closed, says(&json!({}))]).await;
    assert_eq!(before.verdict, denied("the hook `fail` failed: out of order"));
    assert_eq!((before.failures, seen.len()), (vec![failed(HookFailure::Deny)], 1));
}

#[tokio::test]
async fn results_that_nobody_can_act_on_are_failures_and_talk_is_nothing() {
    for wrong in [
        json!({ "decision": "maybe" }),
        json!({ "allowed": "no" }),
        json!({ "updated_input": [1] }),
        json!({ "modified_args": "[]" }),
        json!({ "inject": 3 }),
        json!({ "inject": { "content": "x", "strategy": "shout" } }),
    ] {
        let (before, _) = asked(vec![says(&wrong)]).await;
        assert_eq!(before.failures.len(), 1, "{wrong}");
    }
    assert_eq!(asked(vec![hook("*", command("{not json"))]).await.0.failures.len(), 1);
    for fine in ["", "done.", "[1]", "{}", "null", r#"{"reason": null, "metadata": {"a": 1}}"#] {
        let (before, _) = asked(vec![hook("*", command(fine))]).await;
        assert_eq!(before.failures, [], "{fine}");
        assert_eq!(
            before.verdict,
            Verdict::Allowed { input: map(&json!({ "path": "a" })), injections: Vec::new() },
            "{fine}"
        );
    }
}

#[tokio::test]
async fn after_a_call_texts_are_joined_and_decisions_come_too_late() {
    let hooks = Hooks {
        before: vec![hook("*", command("fail"))],
        after: vec![
            says(&json!({ "inject": { "content": "one" }, "updated_input": [] })),
            says(&json!({ "decision": "block", "reason": "format it", "inject": "two" })),
            hook("read_*", command("fail")),
            hook("*", command("fail")),
        ],
    };
    let after = after(&hooks, &event(HookType::PostToolUse), &Scripted::default()).await;
    let texts: Vec<&str> = after.injections.iter().map(|injection| injection.content.as_str()).collect();
    assert_eq!(texts, ["one", "format it", "two"]);
    assert_eq!(after.failures.len(), 1);
}

#[tokio::test]
async fn texts_of_hooks_are_bounded() {
    let long = "x".repeat(1_000_000);
    let (before, _) = asked(vec![says(&json!({ "allowed": false, "reason": long }))]).await;
    let Verdict::Denied { reason } = before.verdict else { panic!("allowed") };
    assert_eq!(reason.len(), limits::HOOK_TEXT_BYTES);
    let (before, _) = asked(vec![says(&json!({ "inject": long }))]).await;
    let Verdict::Allowed { injections, .. } = before.verdict else { panic!("denied") };
    assert_eq!(injections[0].content.len(), limits::HOOK_TEXT_BYTES);
}

proptest::proptest! {
    #[test]
    fn any_output_of_a_hook_is_read_without_harm(
        output in "(\\{|)[\\[\\]{}\",:a-z0-9 ]{0,80}",
        key in "(decision|allowed|inject|updated_input|hookSpecificOutput)",
        value in "(null|1|\"x\"|\\[\\]|\\{\\}|true|\\{\"content\": 1\\})",
    ) {
        for hook_type in [HookType::PreToolUse, HookType::PostToolUse] {
            let _ = HookResult::read_output(output.as_bytes(), hook_type);
            let _ = HookResult::read_output(format!("{{\"{key}\": {value}}}").as_bytes(), hook_type);
        }
    }
}

/// A folder with hooks, and what runs them.
struct Bench {
    folder: TempDir,
    by_hand: Arc<ByHand>,
}

impl Bench {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("my_hooks.py"), file).expect("written");
        Self { folder, by_hand: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn programs(&self) -> HookPrograms {
        let launcher = Arc::clone(&self.by_hand) as Arc<dyn Launcher>;
        HookPrograms::new(launcher, Some(python()), self.path().to_path_buf())
    }

    fn function(&self, name: &str) -> HookHandler {
        let folder = self.path().display().to_string();
        HookHandler::Python { function: format!("my_hooks.{name}"), folder }
    }
}

fn shell(script: &str) -> HookHandler {
    HookHandler::Command { command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec() }
}

#[tokio::test]
async fn a_program_reads_the_event_and_decides_by_its_output_or_its_exit_code() {
    let bench = Bench::new("");
    let programs = bench.programs();
    let run =
        async |script: &str, hook_type| programs.run(&hook("*", shell(script)), &event(hook_type)).await;
    let before = async |script: &str| run(script, HookType::PreToolUse).await;
    let allow = HookResult::allow;
    assert_eq!(before("cat > event; echo checked").await, Ok(allow()));
    insta::assert_snapshot!(fs_err::read_to_string(bench.path().join("event")).expect("read"));
    assert_eq!(
        before(r#"printf '{"decision": "deny", "reason": "no"}'"#).await,
        Ok(HookResult::deny("no".to_owned()))
    );
    assert_eq!(
        before("echo first >&2; echo second >&2; exit 2").await,
        Ok(HookResult::deny("first\nsecond".to_owned()))
    );
    assert_eq!(
        before("echo oh >&2; exit 1").await.map_err(|error| error.to_string()),
        Err("it ended with exit code 1; it said: oh".to_owned())
    );
    assert_eq!(before("yes '{'").await, Err(CustomError::TooMuch(limits::HOOK_OUTPUT_BYTES)));
    let injection = Some(text("mend it", Strategy::ToolResult));
    assert_eq!(
        run("echo mend it >&2; exit 2", HookType::PostToolUse).await,
        Ok(HookResult { injection, ..allow() })
    );
    let short = Hook { time: Duration::from_millis(50), ..hook("*", shell("exec sleep 1000")) };
    let over = programs.run(&short, &event(HookType::PreToolUse)).await;
    assert_eq!(over, Err(CustomError::OutOfTime(Duration::from_millis(50))));
}

#[tokio::test]
async fn functions_get_the_event_and_give_a_dict_an_object_a_bool_or_nothing() {
    let bench = Bench::new(
        r#"
from massgen.mcp_tools.hooks import HookResult
SEEN = []
def table(event): return {"decision": "deny", "reason": event["tool_name"] + " " + event.agent_id}
def thing(event): return HookResult(allowed=False, decision="deny", reason="thing")
def made(event): return HookResult.deny(reason="made")
def no(event): return False
def nothing(event): SEEN.append(event.tool_input["path"])
async def later(event): return {"updated_input": {"path": event.tool_input["path"] + "!"}}
def wrong(event): return 7
def boom(event): raise RuntimeError("broken")
def seen(event): return {"inject": {"content": str(SEEN)}}
"#,
    );
    let programs = bench.programs();
    let run = async |name: &str| {
        let result = programs.run(&hook("*", bench.function(name)), &event(HookType::PreToolUse)).await;
        result.map_err(|error| error.to_string())
    };
    let deny = |reason: &str| Ok(HookResult::deny(reason.to_owned()));
    assert_eq!(run("table").await, deny("write_file writer"));
    assert_eq!(run("thing").await, deny("thing"));
    assert_eq!(run("made").await, deny("made"));
    assert_eq!(run("no").await, deny(""));
    assert_eq!(run("nothing").await, Ok(HookResult::allow()));
    let input = json!({ "path": "a!" }).as_object().cloned();
    assert_eq!(run("later").await, Ok(HookResult { input, ..HookResult::allow() }));
    assert_eq!(
        run("wrong").await,
        Err("`my_hooks.wrong` gave `int`; a hook gives a dict, a bool or None".to_owned())
    );
    assert_eq!(run("boom").await, Err("RuntimeError: broken (my_hooks.py, line 11)".to_owned()));
    assert_eq!(run("gone").await, Err("there is no function `gone` in `my_hooks`".to_owned()));
    let injection = Some(text("['a']", Strategy::ToolResult));
    assert_eq!(
        run("seen").await,
        Ok(HookResult { injection, ..HookResult::allow() }),
        "modules keep their state"
    );
    assert_eq!(bench.by_hand.count(), 1);
}

#[tokio::test]
async fn without_python_a_function_fails_and_says_so() {
    let bench = Bench::new("");
    let programs = HookPrograms::new(Arc::clone(&bench.by_hand) as Arc<dyn Launcher>, None, "/".into());
    let over = programs.run(&hook("*", bench.function("any")), &event(HookType::PreToolUse)).await;
    assert_eq!(over, Err(CustomError::NoPython));
}

/// A person who replies always the same, and what they were asked.
struct Person {
    reply: Reply,
    asked: Mutex<Vec<Question>>,
}

impl Approver for Person {
    fn ask(
        &self,
        question: Question,
        _watch: Arc<dyn massgen_ports::CallWatch>,
    ) -> BoxFuture<'static, Reply> {
        self.asked.lock().expect("whole").push(question);
        let reply = self.reply.clone();
        Box::pin(async move { reply })
    }
}

/// `hooks` for the agent of a house, and what their events were.
fn session(hooks: Hooks) -> (Option<Arc<SessionHooks>>, Arc<Scripted>) {
    let scripted = Arc::new(Scripted::default());
    let notify: Notify = Arc::new(|_, line| panic!("{line}"));
    let hooks = std::collections::BTreeMap::from([(agent(), hooks)]);
    let clock = Arc::new(TestClock::start());
    let session = SessionHooks::new(hooks, scripted.clone(), "s".to_owned(), clock, notify);
    (Some(Arc::new(session)), scripted)
}

/// The outcome of a call under a hook for `matcher` that wants a person to be asked, and the lines that were run.
async fn asked_for(
    person: Option<Arc<Person>>,
    matcher: &str,
    (name, arguments): (&str, Value),
) -> (ToolOutcome, Vec<String>) {
    let approver = person.map(|person| person as Arc<dyn Approver>);
    let result = json!({
        "decision": "ask", "reason": "is this right?", "inject": "mind the rules",
        "updated_input": arguments,
    });
    let before = vec![Hook { matcher: matcher.to_owned(), ..says(&result) }];
    let (hooks, _) = session(Hooks { before, after: Vec::new() });
    let house = House::with(Setup { approver, hooks, ..Setup::default() });
    let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: "{}".to_owned() };
    let tool_use = ToolUse { call: CallId { agent: AgentNo::from_index(0), number: 1 }, index: 0 };
    let run = house.tools.run(&agent(), tool_use, call, Arc::new(Unwatched)).await;
    assert!(run.decisions.iter().any(|decision| decision.rule == "hook"), "{run:?}");
    (run.outcome, house.runner.lines())
}

/// A hook of tools whose name ends so, which refuses.
fn refuses(matcher: &str) -> Hook {
    Hook { matcher: matcher.to_owned(), ..says(&json!({ "decision": "deny", "reason": "hands off" })) }
}

#[tokio::test]
async fn a_hook_holds_however_a_call_is_spelled() {
    let before = vec![refuses("mcp__filesystem__write_file"), refuses("mcp__planning__*")];
    let (hooks, scripted) = session(Hooks { before, after: Vec::new() });
    let house = House::with(Setup { hooks, ..Setup::default() });
    let write = json!({ "path": "a", "content": "x" });
    let text = Value::String(write.to_string());
    for (name, arguments) in [
        ("mcp__filesystem__write_file", write.clone()),
        ("write_file", write.clone()),
        ("write_file", Value::String(text.to_string())),
        ("custom_tool__start_background_tool", json!({ "tool_name": "write_file", "arguments": write })),
        ("start_background_tool", json!({ "tool": "mcp__filesystem__write_file", "args": text })),
    ] {
        let told = house.not_ok(name, arguments.clone()).await;
        assert_eq!(told, "denied: hands off", "{name} {arguments}");
    }
    for none in ["", "  ", "{}", "null"] {
        let told = house.call_with("get_task_plan", none).await;
        assert!(matches!(&told, ToolOutcome::Denied { text } if text == "hands off"), "{none:?}: {told:?}");
    }
    assert!(!house.exists("ws/a"));
    let seen = scripted.0.lock().expect("whole").clone();
    assert_eq!(seen, [vec![write; 5], vec![json!({}); 4]].concat());
    // Each refusal is written down, as those of rules are.
    let records = house.records();
    let told: Vec<_> = records.iter().map(|record| (record.rule.as_str(), record.target.as_str())).collect();
    let file = house.path("ws/a");
    let expected = [vec![("hook", file.as_str()); 5], vec![("hook", "planning/get_task_plan"); 4]];
    assert_eq!(told, expected.concat());
}

#[tokio::test]
async fn hooks_rewrite_and_hear_of_jobs_as_of_calls_that_are_waited_for() {
    let matching = |matcher: &str, result: Value| Hook { matcher: matcher.to_owned(), ..says(&result) };
    let before = vec![matching(
        "*execute_command",
        json!({ "updated_input": { "command": "make" }, "inject": "one" }),
    )];
    let after = vec![matching("*execute_command", json!({ "inject": "two" }))];
    for (name, arguments) in [
        (
            "start_background_tool",
            json!({ "tool_name": "execute_command", "arguments": { "command": "rm" } }),
        ),
        ("execute_command", json!({ "command": "rm" })),
    ] {
        let (hooks, scripted) = session(Hooks { before: before.clone(), after: after.clone() });
        let house = House::with(Setup { hooks, ..Setup::default() });
        let said = house.ok(name, arguments).await;
        let result = if name == "execute_command" {
            assert!(said.ends_with("one\n\ntwo"), "{said}");
            said
        } else {
            assert!(said.ends_with("one"), "{said}");
            let job = house.json("wait_for_background_tool", json!({})).await;
            job["result"].as_str().expect("text").to_owned()
        };
        assert!(result.contains("ran make") && result.ends_with("two"), "{result}");
        assert_eq!(house.runner.lines(), ["make"]);
        let seen = scripted.0.lock().expect("whole").clone();
        assert_eq!(seen, [json!({ "command": "rm" }), json!({ "command": "make" })]);
    }
}

#[tokio::test]
async fn what_a_hook_wants_a_person_to_be_asked_about_reaches_that_person() {
    let person = |reply| Arc::new(Person { reply, asked: Mutex::default() });
    let make = || json!({"command": "make"});
    let yes = person(Reply::Approved { scope: Scope::Once });
    let (outcome, lines) = asked_for(Some(Arc::clone(&yes)), "*", ("execute_command", make())).await;
    assert!(
        matches!(&outcome, ToolOutcome::Ok { text, .. } if text.ends_with("mind the rules")),
        "{outcome:?}"
    );
    assert_eq!(lines, ["make"]);
    let asked = yes.asked.lock().expect("whole").clone();
    let asked: Vec<_> =
        asked.iter().map(|question| (question.target.as_str(), question.reason.as_str())).collect();
    assert_eq!(asked, [("make", "is this right?")]);

    let no = person(Reply::Refused { feedback: "use ninja".to_owned() });
    let (outcome, lines) = asked_for(Some(no), "*", ("execute_command", make())).await;
    assert!(matches!(&outcome, ToolOutcome::Denied { text } if text.contains("use ninja")), "{outcome:?}");
    assert!(lines.is_empty());

    let background = json!({"tool_name": "execute_command", "arguments": make()});
    for (matcher, name, arguments) in [
        ("*", "execute_command", make()),
        ("*start_background_tool", "custom_tool__start_background_tool", background),
        ("*", "custom_tool__list_background_tools", json!({})),
        ("*", "list_allowed_directories", json!({})),
    ] {
        let (outcome, lines) = asked_for(None, matcher, (name, arguments)).await;
        let why = "is this right?; nobody can be asked in this run";
        assert!(
            matches!(&outcome, ToolOutcome::Denied { text } if text.contains(why)),
            "{name}: {outcome:?}"
        );
        assert!(lines.is_empty(), "{name}");
    }
}
