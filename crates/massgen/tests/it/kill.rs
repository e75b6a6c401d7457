//! Killed at every boundary of its journal, a run goes on and ends as it would have ended.
//!
//! The process that dies is this test binary, started again to be the program (see [`child`]), under a journal that
//! sends `SIGKILL` to its own process before or after its n-th commit. A request counts as finished once its reply is
//! committed: what was served but not yet stored when the process died cannot be known to anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use massgen_core::replay;
use massgen_protocol::event::CallOutcome;
use massgen_protocol::{Envelope, Event};
use massgen_testkit::crash_point::{CrashPoint, CrashingJournal, Side};
use massgen_testkit::model_server::{ModelServer, ReceivedRequest, Schedule, ScriptedReply};
use serde_json::json;

/// Tells [`child`] to be the program: its arguments as a JSON list.
const ARGUMENTS: &str = "MASSGEN_TEST_ARGUMENTS";
/// Tells the child at which append to die.
const CRASH_APPEND: &str = "MASSGEN_TEST_CRASH_APPEND";
/// Tells the child on which side.
const CRASH_SIDE: &str = "MASSGEN_TEST_CRASH_SIDE";

/// More appends than any run here makes.
const MANY: u64 = 500;

/// Not a test of its own: the program, when a parent test starts it.
#[test]
fn child() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let arguments: Vec<String> = serde_json::from_str(&arguments).expect("a list of arguments");
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    let point = number(CRASH_APPEND).map(|append| CrashPoint {
        append,
        side: if number(CRASH_SIDE) == Some(0) { Side::Before } else { Side::After },
    });
    let layer = massgen::JournalLayer::new(move |journal| Arc::new(CrashingJournal::new(journal, point)));
    let arguments = std::iter::once("massgen".to_owned()).chain(arguments).map(Into::into);
    let code = massgen::main(arguments, &layer);
    let failed = code != std::process::ExitCode::SUCCESS;
    std::process::exit(i32::from(failed) * 9);
}

/// Makes `command`, which starts this test binary, the program with these arguments, that dies at a commit.
pub(crate) fn crashing(mut command: Command, arguments: &[&str], crash: Option<(u64, Side)>) -> Command {
    command
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(ARGUMENTS, serde_json::to_string(arguments).expect("JSON"));
    if let Some((append, side)) = crash {
        let side = if side == Side::Before { "0" } else { "1" };
        command.env(CRASH_APPEND, append.to_string()).env(CRASH_SIDE, side);
    }
    command
}

/// A place in the world for one run.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str], crash: Option<(u64, Side)>) -> Output {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.current_dir(self.path()).env_clear().env("HOME", self.path());
        let mut command = crashing(command, arguments, crash);
        command.output().expect("the program runs")
    }

    fn log_dir(&self) -> PathBuf {
        let logs = self.path().join(".massgen/massgen_logs");
        let entry = fs_err::read_dir(logs).expect("logs").next().expect("a run").expect("an entry");
        entry.path()
    }

    fn journal(&self) -> Vec<Envelope> {
        massgen_journal::read(&self.log_dir()).expect("a journal")
    }
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    winner: String,
    answer: String,
    file: String,
}

fn result(world: &World) -> Result {
    let events = world.journal();
    let find = |pick: &dyn Fn(&Event) -> Option<String>| {
        events.iter().find_map(|envelope| pick(&envelope.event)).unwrap_or_default()
    };
    let winner = find(&|event| match event {
        Event::WinnerSelected { answer, .. } => Some(answer.to_string()),
        _ => None,
    });
    let answer = find(&|event| match event {
        Event::FinalAnswerReady { content, .. } => Some(content.to_string()),
        _ => None,
    });
    let file =
        fs_err::read_to_string(world.log_dir().join("turn_1/final/agent_b/answer.txt")).unwrap_or_default();
    Result { winner, answer, file }
}

/// The calls whose replies are committed.
fn paid(events: &[Envelope]) -> BTreeSet<String> {
    let replied = events.iter().filter_map(|envelope| match &envelope.event {
        Event::ModelCallFinished { call, outcome: CallOutcome::Replied { .. } } => Some(call.to_string()),
        _ => None,
    });
    replied.collect()
}

fn was_killed(output: &Output) -> bool {
    output.status.signal() == Some(9)
}

fn told(output: &Output) -> String {
    format!(
        "{:?}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Kills and resumes one run after the other, at every boundary and on both of its sides. Returns how many kills there
/// were. `check` looks at the run after the kill and after the resume.
fn at_every_boundary(
    expected: &Result,
    start: &[&str],
    prepare: impl Fn(&World),
    mut check: impl FnMut(&World, &BTreeSet<String>, Moment),
) -> usize {
    let mut kills = 0;
    for append in 1..MANY {
        for side in [Side::Before, Side::After] {
            let world = World::new();
            prepare(&world);
            check(&world, &BTreeSet::new(), Moment::Start);
            let output = world.run(start, Some((append, side)));
            if !was_killed(&output) {
                assert!(output.status.success(), "append {append}: {}", told(&output));
                return kills;
            }
            kills += 1;
            let events = world.journal();
            let paid = paid(&events);
            check(&world, &paid, Moment::Killed);
            let resumed = world.run(&["--automation", "--resume", "latest"], None);
            if events.is_empty() {
                // The first two appends are queued together; the second may find the first not yet written.
                assert!(append <= 2 && side == Side::Before, "append {append} {side:?} left nothing");
                assert!(told(&resumed).contains("killed before it began"), "{}", told(&resumed));
                continue;
            }
            assert!(resumed.status.success(), "append {append} {side:?}: {}", told(&resumed));
            assert_eq!(&result(&world), expected, "append {append} {side:?}");
            assert!(replay(&world.journal()).is_ok());
            check(&world, &paid, Moment::Resumed);
        }
    }
    panic!("the run makes more than {MANY} appends");
}

/// When a run is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Start,
    Killed,
    Resumed,
}

/// Each agent answers, all vote for the second, and that one presents.
fn reply(request: &ReceivedRequest) -> ScriptedReply {
    let last = request.last_text();
    if last.contains("Coordination is over") {
        return ScriptedReply::call("new_answer", &json!({ "content": "the final words" }));
    }
    if last.contains("<answer") {
        return ScriptedReply::call("vote", &json!({ "agent_id": "agent2", "reason": "it is best" }));
    }
    let me = last.split("You are ").nth(1).unwrap_or_default();
    ScriptedReply::call("new_answer", &json!({ "content": format!("the answer of {me}") }))
}

#[test]
fn a_run_over_the_wire_survives_a_kill_at_every_boundary_and_pays_nothing_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = runtime.block_on(ModelServer::start(reply, Schedule::default())).expect("a server");
    let base_url = server.base_url();
    let prepare = |world: &World| {
        let agent = |id: &str| json!({ "id": id, "backend": { "type": "chatcompletion", "model": "m", "base_url": base_url } });
        let config = json!({ "agents": [agent("agent_a"), agent("agent_b"), agent("agent_c")] });
        fs_err::write(world.path().join("config.json"), config.to_string()).expect("a configuration");
    };
    let start = ["--automation", "--config", "config.json", "What is it?"];
    let whole = World::new();
    prepare(&whole);
    let output = whole.run(&start, None);
    assert!(output.status.success(), "{}", told(&output));
    let expected = result(&whole);
    assert_eq!(
        expected,
        Result {
            winner: "agent2.1".to_owned(),
            answer: "the final words".to_owned(),
            file: "the final words".to_owned()
        }
    );
    let mut before_resume = 0;
    let kills = at_every_boundary(&expected, &start, prepare, |_, paid, moment| match moment {
        Moment::Start => {}
        Moment::Killed => before_resume = server.requests().len(),
        Moment::Resumed => {
            for request in server.requests().iter().skip(before_resume) {
                let call = request.call.clone().unwrap_or_default();
                assert!(!paid.contains(&call), "{call} was paid and asked again");
            }
        }
    });
    println!("killed and resumed at {kills} boundaries over the wire");
    assert!(kills > 20, "{kills}");
}

#[test]
fn a_run_with_tools_survives_a_kill_at_every_boundary_and_repeats_no_effect() {
    let prepare = |world: &World| {
        let script = "agents:\n  \
            agent_a: {replies: [[{call: {tool: note}}], [{answer: one}], [{vote: agent_b}]]}\n  \
            agent_b: {replies: [[{answer: two}], [{call: {tool: note}}], [{vote: agent_b}]], present: [[{answer: the final words}]]}\n  \
            agent_c: {replies: [[{call: {tool: note}}, {call: {tool: note}}], [{answer: three}], [{vote: agent_b}]]}\n\
            tools:\n  note: {result: noted, append_to: notes.txt}\n";
        fs_err::write(world.path().join("script.yaml"), script).expect("a script");
        let agent = |id: &str| json!({ "id": id, "backend": { "type": "simulated", "script": "script.yaml", "latency_ms": 0 } });
        let config = json!({ "agents": [agent("agent_a"), agent("agent_b"), agent("agent_c")] });
        fs_err::write(world.path().join("config.json"), config.to_string()).expect("a configuration");
    };
    let start = ["--automation", "--config", "config.json", "What is it?"];
    let whole = World::new();
    prepare(&whole);
    let output = whole.run(&start, None);
    assert!(output.status.success(), "{}", told(&output));
    let expected = result(&whole);
    assert_eq!(expected.answer, "the final words");
    let kills = at_every_boundary(&expected, &start, prepare, |world, _, moment| {
        if moment != Moment::Resumed {
            return;
        }
        let notes = fs_err::read_to_string(world.path().join("notes.txt")).unwrap_or_default();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for line in notes.lines() {
            *times.entry(line).or_default() += 1;
        }
        assert!(times.values().all(|count| *count == 1), "an effect was repeated: {times:?}");
    });
    println!("killed and resumed at {kills} boundaries with tools");
    assert!(kills > 20, "{kills}");
}
