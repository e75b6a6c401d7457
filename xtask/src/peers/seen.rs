//! What aimock saw, and what must be true of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Calls;
use super::{CALL_TIMEOUT, KEY, Member, TEAM};

/// Requests that a call may send, the first included.
const MOST_REQUESTS_OF_A_CALL: usize = 5;
/// How much later than its call's time a request may be noted on a busy machine: the program's clock of a call starts
/// after the call is noted, and aimock notes a request when it answers it.
const NOTED_LATER: Duration = Duration::from_millis(800);
/// What aimock asks for when it says 429 is a second; it notes the time of its refusal a little after it has sent it.
const RETRY_AFTER: Duration = Duration::from_millis(900);
/// The header that names the call.
const CALL_HEADER: &str = "x-massgen-call";

/// A request as aimock's journal has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Seen {
    method: String,
    path: String,
    /// When it was answered, in milliseconds since 1970.
    timestamp: u64,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body, in the words of chat completions whatever it was sent in.
    body: Option<Value>,
    pub(super) response: Response,
}

/// What aimock did with it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    status: u16,
    chaos_action: Option<String>,
    interrupt_reason: Option<String>,
}

impl Seen {
    /// The number of the run it belongs to: what follows the model's name.
    pub(super) fn run(&self) -> Option<usize> {
        self.model()?.rsplit_once('-')?.1.parse().ok()
    }

    fn model(&self) -> Option<&str> {
        self.body.as_ref()?.get("model")?.as_str()
    }

    /// Who sent it.
    fn member(&self) -> Option<&'static Member> {
        let (name, _) = self.model()?.rsplit_once('-')?;
        TEAM.iter().find(|member| member.model == name)
    }

    /// The fault that was injected.
    pub(super) fn fault(&self) -> Option<&str> {
        self.response.chaos_action.as_deref().or(self.response.interrupt_reason.as_deref())
    }
}

/// Requests of a run in which everybody answers once, votes once, and one presents.
pub(super) fn check_requests(seen: &[Seen]) -> Result<()> {
    for request in seen {
        ensure!(request.response.status == 200, "aimock refused a request with {}", request.response.status);
        check_request(request).with_context(|| format!("{} {}", request.method, request.path))?;
    }
    let expected = 2 * TEAM.len() + 1;
    ensure!(
        seen.len() == expected,
        "an answer and a vote of each and a presentation are {expected} requests, aimock saw {}",
        seen.len()
    );
    for member in &TEAM {
        let sent = seen.iter().filter(|request| request.member() == Some(member)).count();
        ensure!(sent >= 2, "`{}` sent {sent} requests, not an answer and a vote", member.kind);
    }
    Ok(())
}

fn check_request(request: &Seen) -> Result<()> {
    let member = request.member().context("it names no model of the team")?;
    let model = request.model().unwrap_or_default();
    let (before, after) = member.path;
    let path = if after.is_empty() { before.to_owned() } else { format!("{before}{model}{after}") };
    ensure!(request.method == "POST" && request.path == path, "a `{}` sends to {path}", member.kind);
    ensure!(request.headers.contains_key(member.key_header), "no key was sent in `{}`", member.key_header);
    let body = request.body.as_ref().context("no body")?;
    let told = |key: &str| body.get(key).with_context(|| format!("no `{key}`"));
    ensure!(told("stream")? == &json!(true), "not streaming");
    if member.kind == "chatcompletion" {
        ensure!(
            body.pointer("/stream_options/include_usage") == Some(&json!(true)),
            "token counts are not asked for (`stream_options.include_usage`)"
        );
    }
    let messages = told("messages")?.as_array().context("`messages` is no list")?;
    let role = messages.first().and_then(|message| message.get("role")).and_then(Value::as_str);
    ensure!(matches!(role, Some("system" | "developer")), "the first message is no system message");
    let tools = told("tools")?.as_array().context("`tools` is no list")?;
    for name in ["new_answer", "vote"] {
        let offered = tools.iter().any(|tool| tool.pointer("/function/name") == Some(&json!(name)));
        ensure!(offered, "the tool `{name}` is not offered");
    }
    ensure!(!body.to_string().contains(KEY), "the key is in the body");
    ensure!(!request.path.contains(KEY), "the key is in the address");
    let others = request.headers.iter().filter(|(name, _)| *name != member.key_header);
    ensure!(
        others.clone().all(|(_, value)| !value.contains(KEY)),
        "the key is in a header where it does not belong"
    );
    Ok(())
}

/// Requests of the calls that the runs `told`: not too many, none too late, and no repeat before the time that was asked
/// for. Returns how many repeats there were.
pub(super) fn check_repeats(seen: &[Seen], told: &Calls) -> Result<usize> {
    let mut calls: BTreeMap<(usize, String), Vec<&Seen>> = BTreeMap::new();
    for request in seen {
        let call = request.headers.get(CALL_HEADER).context("a request does not name its call")?;
        let run = request.run().context("a request names no model of a run")?;
        calls.entry((run, call.clone())).or_default().push(request);
    }
    let mut repeats = 0;
    for (key, mut requests) in calls {
        let (run, call) = &key;
        requests.sort_by_key(|request| request.timestamp);
        repeats += requests.len() - 1;
        ensure!(
            requests.len() <= MOST_REQUESTS_OF_A_CALL,
            "{call} of run {run} sent {} requests",
            requests.len()
        );
        for (earlier, later) in requests.iter().zip(requests.iter().skip(1)) {
            ensure!(earlier.fault().is_some(), "{call} of run {run} was answered and asked again");
            let waited = Duration::from_millis(later.timestamp - earlier.timestamp);
            let asked = if earlier.response.status == 429 { RETRY_AFTER } else { Duration::ZERO };
            ensure!(waited >= asked, "{call} of run {run} came {waited:?} after a 429 that asked for 1 s");
        }
        let began = told.get(&key).with_context(|| format!("run {run} does not tell of {call}"))?.began;
        let last = Duration::from_millis(requests.last().map_or(0, |request| request.timestamp));
        let span = last.saturating_sub(began);
        ensure!(
            span <= CALL_TIMEOUT + NOTED_LATER,
            "{call} of run {run} was sent {span:?} after it began, later than its {CALL_TIMEOUT:?}"
        );
    }
    Ok(repeats)
}

/// Fails when a file under `folder` holds `key`.
pub(super) fn keys_in_files(folder: &Path, key: &str) -> Result<()> {
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

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
