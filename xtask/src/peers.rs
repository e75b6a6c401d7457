//! `cargo xtask peers`: the program against aimock, an independent mock of model providers that others wrote and check
//! against the real ones. A team of four speaks a protocol each.
//!
//! First runs without faults, whose requests are looked at as aimock saw them; then many runs in which every fifth
//! request fails, each of which must end with an answer, although calls have so little time that some of them run out of
//! it. What aimock saw is held against the program's journals: no request came when its call had no time left.

mod calls;
pub(crate) mod litellm;
mod seen;
mod tally;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::calls::{Calls, calls};
use self::seen::{Seen, check_repeats, check_requests, keys_in_files};
use self::tally::Tally;
use crate::helper::Helper;
use crate::out::{complain, say};
use crate::product::{Agent, Stage, configuration, last_line, value, wait};
use crate::{needs, places};

/// A member of the team: its backend type, its model as tests/peers/aimock.mjs knows it, and where aimock serves what
/// the type speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    kind: &'static str,
    model: &'static str,
    /// What the base URL has after the address of the server.
    base: &'static str,
    /// Where its requests go: what comes before the model and after it.
    path: (&'static str, &'static str),
    /// The header that carries the key.
    key_header: &'static str,
}

const TEAM: [Member; 4] = [
    Member {
        kind: "openai",
        model: "peer-one",
        base: "/v1",
        path: ("/v1/responses", ""),
        key_header: "authorization",
    },
    Member {
        kind: "claude",
        model: "peer-two",
        base: "",
        path: ("/v1/messages", ""),
        key_header: "x-api-key",
    },
    Member {
        kind: "gemini",
        model: "peer-three",
        base: "/v1beta",
        path: ("/v1beta/models/", ":streamGenerateContent?alt=sse"),
        key_header: "x-goog-api-key",
    },
    Member {
        kind: "chatcompletion",
        model: "peer-four",
        base: "/v1",
        path: ("/v1/chat/completions", ""),
        key_header: "authorization",
    },
];

/// The key that aimock lets in.
const KEY: &str = "peer-key";
const QUESTION: &str = "How many high tides are there in a day?";
/// Words of every final answer that it gives.
const ANSWER: &str = "two high tides a day";
/// Runs with faults.
const RUNS: usize = 50;
/// Share of requests that fail in them.
const FAULTS: f64 = 0.2;
/// Time that a call may take in the runs with faults. After two faults one after the other it is over more often than
/// not.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Runs at a time: they mostly wait, for repeats of failed requests.
const AT_A_TIME: usize = 4;
/// A run that takes longer has failed.
const LONGEST: Duration = Duration::from_mins(3);

/// Runs both parts with `program`.
pub(crate) fn run(program: &Path, seed: u32) -> Result<()> {
    let node = needs::node_with_peers()?;
    contract(program, &node, seed)?;
    faults(program, &node, seed)
}

/// Starts aimock; the address that it serves at.
fn start(node: &Path, faults: f64, seed: u32) -> Result<(Helper, String)> {
    let mut command = Command::new(node);
    command.arg(places::peers().join("aimock.mjs"));
    command.args(["--faults", &faults.to_string(), "--seed", &seed.to_string()]);
    let helper = Helper::start(&mut command).context("aimock")?;
    let url = helper.hello.get("url").and_then(Value::as_str).context("aimock told no address")?.to_owned();
    Ok((helper, url))
}

fn stage(program: &Path, url: &str, number: usize, call_timeout: Option<Duration>) -> Result<Stage> {
    let agent = |(id, member): (usize, &Member)| Agent {
        id: format!("agent{id}"),
        kind: member.kind,
        model: format!("{}-{number}", member.model),
        base_url: format!("{url}{}", member.base),
        call_timeout,
    };
    let agents: Vec<Agent> = (1..).zip(&TEAM).map(agent).collect();
    Stage::new(program, &configuration(&agents), KEY)
}

/// Runs it, and returns its answer and what it printed, or how it went wrong.
fn answer(stage: &Stage) -> Result<(String, String)> {
    let mut child = stage.spawn(stage.ask(QUESTION))?;
    let status = wait(&mut child, LONGEST)?.with_context(|| format!("it did not end within {LONGEST:?}"))?;
    ensure!(status.success(), "it ended with {status}, last words: {}", last_line(&stage.complained()?));
    let printed = stage.printed()?;
    let file = value(&printed, "ANSWER").context("it printed no line `ANSWER:`")?;
    Ok((fs_err::read_to_string(file)?, printed))
}

fn journal(helper: &mut Helper) -> Result<Vec<Seen>> {
    serde_json::from_value(helper.ask("journal")?).context("aimock's journal is not as expected")
}

/// Runs without faults, one for each member as the winner; their requests as an independent program saw them.
fn contract(program: &Path, node: &Path, seed: u32) -> Result<()> {
    let mut requests = 0;
    for (number, winner) in TEAM.iter().enumerate() {
        let (mut aimock, url) = start(node, 0.0, seed)?;
        let stage = stage(program, &url, number, None)?;
        let checked = answer(&stage).and_then(|(answer, _)| {
            let expected = format!("{ANSWER}, as {} tells it", winner.model);
            ensure!(answer.contains(&expected), "its answer is `{answer}`, not that of `{}`", winner.kind);
            let seen = journal(&mut aimock)?;
            requests += seen.len();
            check_requests(&seen)?;
            keys_in_files(stage.folder(), KEY)
        });
        if let Err(error) = checked {
            stage.keep();
            return Err(error.context(format!("the run without faults that `{}` wins", winner.kind)));
        }
    }
    say(&format!(
        "contract: {requests} requests of {} runs are as their protocols say, and hold no key",
        TEAM.len()
    ));
    Ok(())
}

/// Many runs in which requests fail.
fn faults(program: &Path, node: &Path, seed: u32) -> Result<()> {
    let (mut aimock, url) = start(node, FAULTS, seed)?;
    let next = Mutex::new(1..=RUNS);
    let failed = Mutex::new(Vec::new());
    let told = Mutex::new(Calls::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(number) = lock(&next).next() {
                    match one_with_faults(program, &url, number) {
                        Ok(calls) => lock(&told).extend(calls),
                        Err(error) => lock(&failed).push(format!("run {number}: {error:#}")),
                    }
                }
            });
        }
    });
    let seen = journal(&mut aimock)?;
    let (failed, told) = (lock(&failed), lock(&told));
    let tally = Tally::of(&seen, &told);
    say(&tally.told(RUNS, RUNS - failed.len()));
    for failure in failed.iter() {
        complain(failure);
    }
    if let Some(first) = failed.first() {
        bail!("{} of {RUNS} runs with faults did not end with an answer, first: {first}", failed.len());
    }
    check_repeats(&seen, &told)?;
    tally.proves()
}

/// The calls of a run that ended with an answer.
fn one_with_faults(program: &Path, url: &str, number: usize) -> Result<Calls> {
    let stage = stage(program, url, number, Some(CALL_TIMEOUT))?;
    let checked = answer(&stage).and_then(|(answer, printed)| {
        ensure!(answer.contains(ANSWER), "its answer is `{answer}`");
        let folder = value(&printed, "LOG_DIR").context("it printed no line `LOG_DIR:`")?;
        calls(number, &massgen_journal::read(&stage.folder().join(folder))?)
    });
    if checked.is_err() {
        stage.keep();
    }
    checked
}

/// What a thread that panicked has left behind is whole: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
