//! Work tools of an agent: every run of one, and what they add up to.

use std::collections::BTreeMap;
use std::time::Duration;

use massgen_protocol::message::{Asking, NotRunCause, ToolCall, ToolOutcome, ToolQuestion};
use massgen_protocol::{Timestamp, ToolUse};
use serde_json::{Map, Value, json};

use super::usage::{decimals, mean, millis};

/// Samples below which a 90th percentile says nothing.
const P90_SAMPLES: usize = 10;

/// Samples below which a 99th percentile says nothing.
const P99_SAMPLES: usize = 100;

/// One run of a tool.
#[derive(Debug, Clone)]
pub(super) struct ToolRun {
    pub(super) tool_use: ToolUse,
    pub(super) name: String,
    pub(super) round: u32,
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) millis: u64,
    /// Why it did not work; `None` when it did.
    pub(super) error: Option<String>,
    pub(super) input_chars: usize,
    pub(super) output_chars: usize,
}

/// A tool call that has not ended.
#[derive(Debug, Clone)]
pub(super) struct OpenTool {
    pub(super) call: ToolCall,
    pub(super) round: u32,
    pub(super) started: Timestamp,
    /// What a person is asked about it.
    pub(super) question: Option<ToolQuestion>,
}

/// The tools of one agent.
#[derive(Debug, Clone, Default)]
pub(super) struct ToolBook {
    open: BTreeMap<ToolUse, OpenTool>,
    runs: Vec<ToolRun>,
    by_name: BTreeMap<String, ToolStats>,
}

impl ToolBook {
    /// A tool call began.
    pub(super) fn start(&mut self, tool_use: ToolUse, call: &ToolCall, round: u32, at: Timestamp) {
        self.open.insert(tool_use, OpenTool { call: call.clone(), round, started: at, question: None });
    }

    /// A person is asked about a tool call, or is no longer.
    pub(super) fn ask(&mut self, tool_use: ToolUse, asking: &Asking) {
        let Some(open) = self.open.get_mut(&tool_use) else { return };
        match asking {
            Asking::Asked { question } => open.question = Some(question.clone()),
            Asking::Misunderstood { .. } => {}
            Asking::Over => open.question = None,
        }
    }

    /// Nobody listens to replies any more. Returns whether there was a question.
    pub(super) fn forget_questions(&mut self) -> bool {
        self.open.values_mut().filter_map(|open| open.question.take()).count() > 0
    }

    /// What a person is asked about calls that have not begun.
    pub(super) fn questions(&self) -> Value {
        let questions = self.open.values().filter_map(|open| open.question.as_ref());
        let told = questions.map(|question| {
            json!({
                "wants": question.wants,
                "reason": question.reason,
                "reply_in": question.reply_in,
                "expires_in_seconds": question.time.as_secs(),
            })
        });
        told.collect()
    }

    /// Whether a tool call began and has not ended.
    pub(super) fn is_open(&self, tool_use: ToolUse) -> bool {
        self.open.contains_key(&tool_use)
    }

    /// A tool call ended; what it was, if its beginning is known.
    pub(super) fn finish(
        &mut self,
        tool_use: ToolUse,
        outcome: &ToolOutcome,
        duration: Duration,
        at: Timestamp,
    ) -> Option<&ToolRun> {
        let open = self.open.remove(&tool_use)?;
        let told = told(outcome);
        let run = ToolRun {
            tool_use,
            round: open.round,
            started: open.started,
            ended: at,
            millis: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            error: told.is_error().then(|| told.text.to_owned()),
            input_chars: open.call.arguments.chars().count(),
            output_chars: told.text.chars().count(),
            name: open.call.name,
        };
        self.by_name.entry(run.name.clone()).or_default().add(&run);
        self.runs.push(run);
        self.runs.last()
    }

    /// All runs, oldest first.
    pub(super) fn runs(&self) -> &[ToolRun] {
        &self.runs
    }

    /// The figures of every tool, by name.
    pub(super) fn by_name(&self) -> &BTreeMap<String, ToolStats> {
        &self.by_name
    }

    /// `tool_metrics` of the agent.
    pub(super) fn metrics(&self) -> Value {
        let mut metrics = totals(&self.by_name);
        let by_tool: Map<_, _> =
            self.by_name.iter().map(|(name, stats)| (name.clone(), stats.detailed(name).into())).collect();
        metrics.insert("by_tool".into(), by_tool.into());
        metrics.into()
    }
}

/// What an outcome is called in files, and what it tells the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    /// `success`, `error`, `denied` or `unknown`.
    pub(super) status: &'static str,
    /// The result, or what went wrong.
    pub(super) text: &'a str,
}

impl Told<'_> {
    /// Whether the tool did not do what was asked.
    pub(super) fn is_error(&self) -> bool {
        self.status != "success"
    }
}

/// How files tell of `outcome`.
pub(super) fn told(outcome: &ToolOutcome) -> Told<'_> {
    match outcome {
        ToolOutcome::Ok { text, .. } => Told { status: "success", text },
        ToolOutcome::Error { text } => Told { status: "error", text },
        ToolOutcome::Denied { text } => Told { status: "denied", text },
        ToolOutcome::Unknown => Told {
            status: "unknown",
            text: "the run was killed meanwhile; the tool may or may not have done its work",
        },
        ToolOutcome::CutOff => Told {
            status: "unknown",
            text: "stopped at a time limit; the tool may or may not have done its work",
        },
        ToolOutcome::NotRun { cause: NotRunCause::TimeIsUp } => {
            Told { status: "denied", text: "not run: the time of the round is up" }
        }
        ToolOutcome::NotRun { cause: NotRunCause::TooManyCalls } => {
            Told { status: "denied", text: "not run: too many tool calls in one reply" }
        }
        ToolOutcome::NotRun { cause: NotRunCause::Unanswered } => {
            Told { status: "denied", text: "not run: interrupted before a person had replied" }
        }
    }
}

/// The figures of one tool.
#[derive(Debug, Clone, Default)]
pub(super) struct ToolStats {
    failures: u64,
    times_ms: Vec<u64>,
    inputs: Vec<u64>,
    outputs: Vec<u64>,
}

impl ToolStats {
    fn add(&mut self, run: &ToolRun) {
        self.failures += u64::from(run.error.is_some());
        self.times_ms.push(run.millis);
        self.inputs.push(u64::try_from(run.input_chars).unwrap_or(u64::MAX));
        self.outputs.push(u64::try_from(run.output_chars).unwrap_or(u64::MAX));
    }

    fn merge(&mut self, other: &Self) {
        self.failures += other.failures;
        self.times_ms.extend(&other.times_ms);
        self.inputs.extend(&other.inputs);
        self.outputs.extend(&other.outputs);
    }

    fn calls(&self) -> u64 {
        u64::try_from(self.times_ms.len()).unwrap_or(u64::MAX)
    }

    fn plain(&self, name: &str) -> Map<String, Value> {
        let (calls, time, inputs, outputs) =
            (self.calls(), sum(&self.times_ms), sum(&self.inputs), sum(&self.outputs));
        let mut map = Map::new();
        map.insert("call_count".into(), calls.into());
        map.insert("success_count".into(), (calls - self.failures).into());
        map.insert("failure_count".into(), self.failures.into());
        map.insert("total_execution_time_ms".into(), decimals(millis(time), 2).into());
        map.insert("total_input_chars".into(), inputs.into());
        map.insert("total_output_chars".into(), outputs.into());
        map.insert("tool_type".into(), tool_type(name).into());
        if calls > 0 {
            map.insert("avg_execution_time_ms".into(), mean(time, calls, 2).into());
            map.insert("input_tokens_est".into(), (inputs / 4).into());
            map.insert("output_tokens_est".into(), (outputs / 4).into());
        }
        map
    }

    fn detailed(&self, name: &str) -> Map<String, Value> {
        let mut map = self.plain(name);
        let (inputs, outputs, times) = (sorted(&self.inputs), sorted(&self.outputs), sorted(&self.times_ms));
        map.insert("avg_input_chars".into(), mean(sum(&inputs), self.calls(), 1).into());
        map.insert("avg_output_chars".into(), mean(sum(&outputs), self.calls(), 1).into());
        map.insert(
            "output_distribution".into(),
            json!({"min": outputs.first(), "max": outputs.last(), "median": median(&outputs),
                   "p90": percentile(&outputs, 90, P90_SAMPLES), "p99": percentile(&outputs, 99, P99_SAMPLES)}),
        );
        map.insert(
            "input_distribution".into(),
            json!({"min": inputs.first(), "max": inputs.last(), "median": median(&inputs)}),
        );
        map.insert(
            "exec_time_distribution".into(),
            json!({"min_ms": times.first(), "max_ms": times.last(), "median_ms": median(&times),
                   "p90_ms": percentile(&times, 90, P90_SAMPLES)}),
        );
        map
    }
}

/// `tools` of a whole run: the figures of all agents together.
pub(super) fn run_tools<'a>(books: impl IntoIterator<Item = &'a ToolBook>) -> Value {
    let mut all: BTreeMap<String, ToolStats> = BTreeMap::new();
    for (name, stats) in books.into_iter().flat_map(ToolBook::by_name) {
        all.entry(name.clone()).or_default().merge(stats);
    }
    let mut tools = totals(&all);
    let by_tool: Map<_, _> =
        all.iter().map(|(name, stats)| (name.clone(), stats.plain(name).into())).collect();
    tools.insert("by_tool".into(), by_tool.into());
    tools.into()
}

/// The kind of a tool, from its name: `mcp__<server>__<tool>` comes from a tool server.
pub(super) fn tool_type(name: &str) -> &'static str {
    if name.starts_with("mcp__") {
        "mcp"
    } else if name.starts_with("custom_tool__") {
        "custom"
    } else {
        "unknown"
    }
}

/// The server of a tool named `mcp__<server>__<tool>`.
pub(super) fn tool_server(name: &str) -> Option<&str> {
    name.strip_prefix("mcp__")?.split_once("__").map(|(server, _)| server)
}

fn totals(by_name: &BTreeMap<String, ToolStats>) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("total_calls".into(), by_name.values().map(ToolStats::calls).sum::<u64>().into());
    map.insert("total_failures".into(), by_name.values().map(|stats| stats.failures).sum::<u64>().into());
    let time: u64 = by_name.values().map(|stats| sum(&stats.times_ms)).sum();
    map.insert("total_execution_time_ms".into(), decimals(millis(time), 2).into());
    map
}

fn sum(values: &[u64]) -> u64 {
    values.iter().sum()
}

fn sorted(values: &[u64]) -> Vec<u64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}

/// The middle element, the upper one of two.
fn median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len() / 2).copied()
}

/// The element at `percent` of the list; the largest when there are fewer than `least` samples.
fn percentile(sorted: &[u64], percent: usize, least: usize) -> Option<u64> {
    if sorted.len() < least {
        sorted.last().copied()
    } else {
        sorted.get(sorted.len() * percent / 100).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_enough_samples() {
        let few = [1, 2, 3, 4];
        assert_eq!((median(&few), percentile(&few, 90, P90_SAMPLES)), (Some(3), Some(4)));
        let many: Vec<u64> = (0..200).collect();
        assert_eq!(
            (percentile(&many, 90, P90_SAMPLES), percentile(&many, 99, P99_SAMPLES)),
            (Some(180), Some(198))
        );
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_name_tells_the_kind_and_the_server() {
        assert_eq!((tool_type("mcp__files__read"), tool_server("mcp__files__read")), ("mcp", Some("files")));
        assert_eq!((tool_type("custom_tool__x"), tool_server("custom_tool__x")), ("custom", None));
        assert_eq!(tool_type("read_file"), "unknown");
    }
}
