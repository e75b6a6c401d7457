//! `cargo xtask peers`: the program against aimock, an independent mock of model providers that others wrote and check
//! against the real ones.
//!
//! First one run without faults, whose requests are looked at as aimock saw them; then many runs in which every fifth
//! request fails, each of which must end with an answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::helper::Helper;
use crate::out::{complain, say};
use crate::product::{Agent, Stage, configuration, last_line, value, wait};
use crate::table::{Align, Table};
use crate::{needs, places};

/// Models that tests/peers/aimock.mjs knows.
const MODELS: [&str; 3] = ["peer-one", "peer-two", "peer-three"];
/// The key that it lets in.
const KEY: &str = "peer-key";
const QUESTION: &str = "How many high tides are there in a day?";
/// Words of every final answer that it gives.
const ANSWER: &str = "two high tides a day";
/// Runs with faults.
const RUNS: usize = 20;
/// Share of requests that fail in them.
const FAULTS: f64 = 0.2;
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

fn start(node: &Path, faults: f64, seed: u32) -> Result<(Helper, String)> {
    let mut command = Command::new(node);
    command.arg(places::peers().join("aimock.mjs"));
    command.args(["--faults", &faults.to_string(), "--seed", &seed.to_string()]);
    let helper = Helper::start(&mut command).context("aimock")?;
    let url = helper.hello.get("url").and_then(Value::as_str).context("aimock told no address")?;
    let base_url = format!("{url}/v1");
    Ok((helper, base_url))
}

fn stage(program: &Path, base_url: &str, number: usize) -> Result<Stage> {
    let agent =
        |(id, model): (usize, &&str)| Agent { id: format!("agent{id}"), model: format!("{model}-{number}") };
    let agents: Vec<Agent> = (1..).zip(&MODELS).map(agent).collect();
    Stage::new(program, &configuration(&agents, base_url), KEY)
}

/// How one run went wrong, if it did.
fn check_run(stage: &Stage) -> Result<()> {
    let mut child = stage.spawn(stage.ask(QUESTION))?;
    let status = wait(&mut child, LONGEST)?.with_context(|| format!("it did not end within {LONGEST:?}"))?;
    ensure!(status.success(), "it ended with {status}, last words: {}", last_line(&stage.complained()?));
    let printed = stage.printed()?;
    let file = value(&printed, "ANSWER").context("it printed no line `ANSWER:`")?;
    let answer = fs_err::read_to_string(file)?;
    ensure!(answer.contains(ANSWER), "its answer is `{answer}`");
    Ok(())
}

/// A request as aimock's journal has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Seen {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    response: Response,
}

/// What aimock did with it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    status: u16,
    chaos_action: Option<String>,
    interrupt_reason: Option<String>,
}

impl Seen {
    /// The number of the run it belongs to: what follows the model's name.
    fn run(&self) -> Option<usize> {
        self.body.as_ref()?.get("model")?.as_str()?.rsplit_once('-')?.1.parse().ok()
    }

    /// The fault that was injected.
    fn fault(&self) -> Option<&str> {
        self.response.chaos_action.as_deref().or(self.response.interrupt_reason.as_deref())
    }
}

fn journal(helper: &mut Helper) -> Result<Vec<Seen>> {
    serde_json::from_value(helper.ask("journal")?).context("aimock's journal is not as expected")
}

/// One run without faults; its requests as an independent program saw them.
fn contract(program: &Path, node: &Path, seed: u32) -> Result<()> {
    let (mut aimock, base_url) = start(node, 0.0, seed)?;
    let stage = stage(program, &base_url, 0)?;
    let checked = check_run(&stage).and_then(|()| {
        let seen = journal(&mut aimock)?;
        check_requests(&seen)?;
        keys_in_files(stage.folder(), KEY)?;
        Ok(seen.len())
    });
    match checked {
        Ok(requests) => {
            say(&format!(
                "contract: {requests} requests of one run are as the protocol says, and hold no key"
            ));
            Ok(())
        }
        Err(error) => {
            stage.keep();
            Err(error.context("the run without faults"))
        }
    }
}

/// Requests of a run in which three agents answer once, vote once, and one presents.
fn check_requests(seen: &[Seen]) -> Result<()> {
    for request in seen {
        ensure!(request.response.status == 200, "aimock refused a request with {}", request.response.status);
        check_request(request).with_context(|| format!("{} {}", request.method, request.path))?;
    }
    ensure!(
        seen.len() == 7,
        "three answers, three votes and a presentation are 7 requests, aimock saw {}",
        seen.len()
    );
    Ok(())
}

fn check_request(request: &Seen) -> Result<()> {
    ensure!(request.method == "POST" && request.path == "/v1/chat/completions", "not a chat completion");
    ensure!(request.headers.contains_key("authorization"), "no key was sent");
    let body = request.body.as_ref().context("no body")?;
    let told = |key: &str| body.get(key).with_context(|| format!("no `{key}`"));
    ensure!(told("stream")? == &json!(true), "not streaming");
    ensure!(
        body.pointer("/stream_options/include_usage") == Some(&json!(true)),
        "token counts are not asked for (`stream_options.include_usage`)"
    );
    let messages = told("messages")?.as_array().context("`messages` is no list")?;
    let role = messages.first().and_then(|message| message.get("role")).and_then(Value::as_str);
    ensure!(matches!(role, Some("system" | "developer")), "the first message is no system message");
    let tools = told("tools")?.as_array().context("`tools` is no list")?;
    for name in ["new_answer", "vote"] {
        let offered = tools.iter().any(|tool| tool.pointer("/function/name") == Some(&json!(name)));
        ensure!(offered, "the tool `{name}` is not offered");
    }
    ensure!(!body.to_string().contains(KEY), "the key is in the body");
    let others = request.headers.iter().filter(|(name, _)| *name != "authorization");
    ensure!(
        others.clone().all(|(_, value)| !value.contains(KEY)),
        "the key is in a header where it does not belong"
    );
    Ok(())
}

/// Fails when a file under `folder` holds `key`.
fn keys_in_files(folder: &Path, key: &str) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            keys_in_files(&entry.path(), key)?;
        } else if kind.is_file() {
            let bytes = fs_err::read(entry.path())?;
            let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
            ensure!(!found, "the key is in {}", entry.path().display());
        }
    }
    Ok(())
}

/// Many runs in which requests fail.
fn faults(program: &Path, node: &Path, seed: u32) -> Result<()> {
    let (mut aimock, base_url) = start(node, FAULTS, seed)?;
    let next = Mutex::new(1..=RUNS);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(number) = next.lock().ok().and_then(|mut numbers| numbers.next()) {
                    if let Err(error) = one_with_faults(program, &base_url, number)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.push(format!("run {number}: {error:#}"));
                    }
                }
            });
        }
    });
    let seen = journal(&mut aimock)?;
    let failed = failed.into_inner().unwrap_or_default();
    let tally = Tally::of(&seen);
    say(&tally.told(RUNS - failed.len()));
    for failure in &failed {
        complain(failure);
    }
    if let Some(first) = failed.first() {
        bail!("{} of {RUNS} runs with faults did not end with an answer, first: {first}", failed.len());
    }
    tally.proves()
}

fn one_with_faults(program: &Path, base_url: &str, number: usize) -> Result<()> {
    let stage = stage(program, base_url, number)?;
    let checked = check_run(&stage);
    if checked.is_err() {
        stage.keep();
    }
    checked
}

/// Faults by the names that aimock gives them, with ours.
const KINDS: [(&str, &str); 5] = [
    ("rateLimit", "429"),
    ("drop", "500"),
    ("disconnect", "closed before the first byte"),
    ("truncateAfterChunks", "cut in the middle"),
    ("malformed", "malformed"),
];

/// What happened in the runs with faults.
#[derive(Debug, Clone, PartialEq)]
struct Tally {
    requests: usize,
    /// Most requests of one run.
    most: usize,
    /// As [`KINDS`].
    faults: [usize; KINDS.len()],
}

impl Tally {
    fn of(seen: &[Seen]) -> Self {
        let mut runs: BTreeMap<usize, usize> = BTreeMap::new();
        for run in seen.iter().filter_map(Seen::run) {
            *runs.entry(run).or_default() += 1;
        }
        let count = |kind: &str| seen.iter().filter(|request| request.fault() == Some(kind)).count();
        Self {
            requests: seen.len(),
            most: runs.into_values().max().unwrap_or(0),
            faults: KINDS.map(|(kind, _)| count(kind)),
        }
    }

    /// Fails when a kind of fault never came: then the runs have not shown what they are for.
    fn proves(&self) -> Result<()> {
        let missing = KINDS.iter().zip(self.faults).find(|(_, times)| *times == 0);
        match missing {
            None => Ok(()),
            Some(((_, kind), _)) => {
                bail!("no request was {kind}: nothing is shown about that; take another --seed")
            }
        }
    }

    fn told(&self, answered: usize) -> String {
        let mut table = Table::new(&[("runs with faults", Align::Left), ("", Align::Right)]);
        let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
        row("ended with an answer", format!("{answered} of {RUNS}"));
        row("requests", self.requests.to_string());
        row("most requests of one run", self.most.to_string());
        for ((_, kind), times) in KINDS.iter().zip(self.faults) {
            row(kind, times.to_string());
        }
        let all: usize = self.faults.iter().sum();
        row("faults", format!("{all} ({} %)", (100 * all).checked_div(self.requests).unwrap_or(0)));
        table.render()
    }
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
