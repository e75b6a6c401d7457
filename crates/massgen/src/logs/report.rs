//! What the files of a run say, as text for a person. Nothing here reads a file.

use std::collections::BTreeMap;
use std::fmt::Write;

use massgen_protocol::Usd;
use massgen_view::amount::{counted, tokens};
use massgen_view::clean::clean_line;
use massgen_view::columns;
use serde_json::Value;

use super::find::{Attempt, Documents, name};
use crate::arguments::commands::ToolOrder;

/// Tools that a summary names.
const SUMMARY_TOOLS: usize = 5;

/// Columns before the values of a summary.
const LABEL_COLUMNS: usize = 12;

/// Most columns of the question in a list.
const QUESTION_COLUMNS: usize = 35;

/// Columns of a list before the question, with a two-digit number and usual amounts.
const LIST_COLUMNS: usize = 58;

/// The whole of a run on one page, lines at most `width` columns wide where they can be.
pub(super) fn summary(attempt: &Attempt, documents: &Documents, width: usize) -> String {
    let Documents { status, metrics } = documents;
    let mut page = format!("Run {}", clean_line(&name(&attempt.root)));
    if attempt.turn > 1 {
        let _ = write!(page, ", turn {}", attempt.turn);
    }
    page.push('\n');
    let room = width.saturating_sub(LABEL_COLUMNS);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(page, "  {label:<10}{}", cut(&clean_line(value), room));
    };
    line("question", &question(documents));
    line("winner", &winner(documents));
    line("duration", &duration(documents).map_or_else(|| "unknown".to_owned(), seconds));
    let simulated = status.get("simulated").and_then(Value::as_bool).unwrap_or(false);
    line(
        "cost",
        &format!("{}{}", cost(documents), if simulated { "; simulated, no model was asked" } else { "" }),
    );
    line("tokens", &token_counts(documents));
    line("rounds", &rounds(documents));
    if let Some(calls) = count(metrics, "/api_timing/total_calls") {
        let mean = number(metrics, "/api_timing/avg_time_ms").unwrap_or_default();
        let first = number(metrics, "/api_timing/avg_ttft_ms").unwrap_or_default();
        let calls = counted(usize::try_from(calls).unwrap_or(usize::MAX), "model call");
        line("calls", &format!("{calls}, {} each, first words after {}", millis(mean), millis(first)));
    }
    let tools = tools(documents);
    if !tools.is_empty() {
        let total = count(documents.tools(), "/total_calls").unwrap_or_default();
        let failed = count(documents.tools(), "/total_failures").unwrap_or_default();
        let total = counted(usize::try_from(total).unwrap_or(usize::MAX), "call");
        line("tools", &format!("{total}, {failed} failed"));
        for tool in tools.iter().take(SUMMARY_TOOLS) {
            let calls = counted(usize::try_from(tool.calls).unwrap_or(usize::MAX), "call");
            line("", &format!("{} in {calls}: {}", millis(tool.millis), tool.name));
        }
    }
    // A path is of use only as a whole.
    let _ = writeln!(page, "  {:<10}{}", "folder", attempt.root.display());
    page
}

/// The tools of a run as a table.
pub(super) fn tool_table(documents: &Documents, order: ToolOrder) -> String {
    let mut tools = tools(documents);
    if tools.is_empty() {
        return "The agents of this run used no tools.\n".to_owned();
    }
    match order {
        // They come in this order.
        ToolOrder::Time => {}
        ToolOrder::Calls => tools.sort_by_key(|tool| std::cmp::Reverse(tool.calls)),
    }
    let (calls, failures) =
        tools.iter().fold((0, 0), |(calls, failures), tool| (calls + tool.calls, failures + tool.failures));
    let time: f64 = tools.iter().map(|tool| tool.millis).sum();
    let row = |name: &str, calls: u64, time: f64, failures: u64| {
        [name.to_owned(), calls.to_string(), millis(time), millis(mean(time, calls)), failures.to_string()]
    };
    let head = ["Tool", "Calls", "Time", "Average", "Failures"].map(str::to_owned);
    let rows = tools.iter().map(|tool| row(&clean_line(&tool.name), tool.calls, tool.millis, tool.failures));
    table(&std::iter::once(head).chain(rows).chain([row("Total", calls, time, failures)]).collect::<Vec<_>>())
}

/// Runs as a table, lines at most `width` columns wide where they can be.
pub(super) fn list(runs: &[Entry], width: usize) -> String {
    let head = ["#", "Run", "Duration", "Cost", "Analyzed", "Question"].map(str::to_owned);
    let rows = runs.iter().zip(1..).map(|(run, position): (_, u32)| {
        [
            position.to_string(),
            run.stamp.clone(),
            run.duration.map_or_else(|| "?".to_owned(), seconds),
            run.cost.map_or_else(|| "?".to_owned(), |cost| Usd::from_dollars(cost).to_string()),
            if run.is_analyzed { "yes" } else { "no" }.to_owned(),
            cut(&clean_line(&run.question), QUESTION_COLUMNS.min(width.saturating_sub(LIST_COLUMNS))),
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// One run of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The name of its folder without `log_`.
    pub(super) stamp: String,
    /// When it began, as `2026-01-31 12:00:00`, local time; `None` when its folder has another name.
    pub(super) time: Option<String>,
    /// Seconds.
    pub(super) duration: Option<f64>,
    /// US dollars; `None` when unknown.
    pub(super) cost: Option<f64>,
    pub(super) is_analyzed: bool,
    pub(super) question: String,
    /// The whole folder.
    pub(super) log_dir: String,
    pub(super) winner: Option<String>,
    pub(super) is_complete: bool,
}

impl Entry {
    pub(super) fn new(attempt: &Attempt, documents: &Documents) -> Self {
        let stamp = name(&attempt.root).trim_start_matches("log_").to_owned();
        Self {
            time: time_of(&stamp),
            stamp,
            duration: duration(documents),
            cost: known_cost(documents),
            is_analyzed: attempt.is_analyzed(),
            question: question(documents),
            log_dir: attempt.root.display().to_string(),
            winner: winner_id(documents).map(str::to_owned),
            is_complete: is_complete(documents),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        serde_json::json!({
            "log_dir": self.log_dir,
            "timestamp": self.time,
            "question": self.question,
            "winner": self.winner,
            "duration_seconds": self.duration,
            "cost": self.cost,
            "analyzed": self.is_analyzed,
            "is_complete": self.is_complete,
        })
    }
}

/// A tool in all rounds of all agents.
struct Tool {
    name: String,
    calls: u64,
    failures: u64,
    millis: f64,
}

/// The tools of a run, those that took longest first. One that models have called by its short name too is one.
fn tools(documents: &Documents) -> Vec<Tool> {
    let by_tool = documents.tools().get("by_tool").and_then(Value::as_object);
    let names: Vec<&str> = by_tool.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let mut found: BTreeMap<&str, Tool> = BTreeMap::new();
    for (name, tool) in by_tool.into_iter().flatten() {
        let whole = whole_name(name, &names);
        let sum = found.entry(whole).or_insert_with(|| Tool::unused(whole));
        sum.calls += count(tool, "/call_count").unwrap_or_default();
        sum.failures += count(tool, "/failure_count").unwrap_or_default();
        sum.millis += number(tool, "/total_execution_time_ms").unwrap_or_default();
    }
    let mut tools: Vec<Tool> = found.into_values().collect();
    tools.sort_by(|one, other| other.millis.total_cmp(&one.millis).then_with(|| one.name.cmp(&other.name)));
    tools
}

/// The name among `names` that ends in `__` and `name`, if it is the only one.
fn whole_name<'a>(name: &'a str, names: &[&'a str]) -> &'a str {
    let is_whole = |whole: &&&str| whole.strip_suffix(name).is_some_and(|before| before.ends_with("__"));
    let mut whole = names.iter().filter(is_whole);
    match (whole.next(), whole.next()) {
        (Some(only), None) => only,
        (Some(_), Some(_)) | (None, _) => name,
    }
}

impl Tool {
    fn unused(name: &str) -> Self {
        Self { name: name.to_owned(), calls: 0, failures: 0, millis: 0.0 }
    }
}

impl Documents {
    /// The figures on tools; before the end of a run those of its status.
    pub(super) fn tools(&self) -> &Value {
        self.either("tools").unwrap_or(&Value::Null)
    }

    /// What the metrics have under `key`; before the end of a run what the status has.
    fn either(&self, key: &str) -> Option<&Value> {
        self.metrics.get(key).or_else(|| self.status.get(key))
    }
}

fn question(documents: &Documents) -> String {
    let question = documents.either("meta").and_then(|meta| text(meta, "/question"));
    question.unwrap_or("unknown").to_owned()
}

fn winner_id(documents: &Documents) -> Option<&str> {
    text(&documents.metrics, "/meta/winner").or_else(|| text(&documents.status, "/results/winner"))
}

fn is_complete(documents: &Documents) -> bool {
    documents.status.get("is_complete").and_then(Value::as_bool).unwrap_or(documents.metrics.is_object())
}

fn winner(documents: &Documents) -> String {
    let agents = documents.either("agents").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    let of = format!("of {}", counted(agents, "agent"));
    match winner_id(documents) {
        Some(id) => format!("{id}, {of}"),
        None if is_complete(documents) => {
            let why = text(&documents.status, "/finish_reason_details").unwrap_or_default();
            format!("none {of}. {why}").trim_end_matches([' ', '.']).to_owned()
        }
        None => format!("not yet, {of}; the run goes on, or was killed"),
    }
}

/// Seconds from the beginning of the run; where that is not known, of all rounds together.
fn duration(documents: &Documents) -> Option<f64> {
    let rounds = || {
        let agents = documents.metrics.get("agents")?.as_object()?;
        let rounds = agents.values().filter_map(|agent| agent.get("round_history")?.as_array()).flatten();
        Some(rounds.filter_map(|round| number(round, "/duration_ms")).sum::<f64>() / 1000.0)
    };
    number(&documents.status, "/meta/elapsed_seconds").or_else(rounds)
}

fn known_cost(documents: &Documents) -> Option<f64> {
    match documents.metrics.pointer("/totals/estimated_cost") {
        Some(cost) => cost.as_f64(),
        None => number(&documents.status, "/costs/total_estimated_cost"),
    }
}

fn cost(documents: &Documents) -> String {
    known_cost(documents)
        .map_or_else(|| "price unknown".to_owned(), |cost| Usd::from_dollars(cost).to_string())
}

fn token_counts(documents: &Documents) -> String {
    let of = |metrics: &str, status: &str| {
        count(&documents.metrics, metrics).or_else(|| count(&documents.status, status)).unwrap_or_default()
    };
    let input = of("/totals/input_tokens", "/costs/total_input_tokens");
    let output = of("/totals/output_tokens", "/costs/total_output_tokens");
    let reasoning = count(&documents.metrics, "/totals/reasoning_tokens").unwrap_or_default();
    let mut shown = format!("{} in, {} out", tokens(input), tokens(output));
    if reasoning > 0 {
        let _ = write!(shown, ", {} to think", tokens(reasoning));
    }
    if is_estimated(documents) {
        shown.push_str(", partly estimated");
    }
    shown
}

/// Whether we counted the tokens of a round, because a provider did not.
fn is_estimated(documents: &Documents) -> bool {
    let agents = documents.either("agents").and_then(Value::as_object).into_iter().flatten();
    let rounds = agents.filter_map(|(_, agent)| agent.get("round_history")?.as_array()).flatten();
    rounds.into_iter().any(|round| text(round, "/token_source") == Some("estimated"))
}

fn rounds(documents: &Documents) -> String {
    let rounds = documents.either("rounds").unwrap_or(&Value::Null);
    let outcomes = rounds.get("by_outcome").and_then(Value::as_object).into_iter().flatten();
    let outcomes =
        outcomes.filter_map(|(outcome, number)| Some((outcome, number.as_u64().filter(|n| *n > 0)?)));
    let outcomes: Vec<String> =
        outcomes.map(|(outcome, number)| format!("{number} {}", outcome.replace('_', " "))).collect();
    let total = count(rounds, "/total_rounds").unwrap_or_default();
    if outcomes.is_empty() { total.to_string() } else { format!("{total}: {}", outcomes.join(", ")) }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer)?.as_f64()
}

fn count(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

#[expect(clippy::cast_precision_loss, reason = "calls of one run are far fewer than 2^53")]
fn mean(total: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { total / count as f64 }
}

/// `850ms`, `2.7s`, `3.5m`.
fn millis(time: f64) -> String {
    if time < 1000.0 {
        format!("{time:.0}ms")
    } else if time < 60_000.0 {
        format!("{:.1}s", time / 1000.0)
    } else {
        format!("{:.1}m", time / 60_000.0)
    }
}

fn seconds(time: f64) -> String {
    millis(time * 1000.0)
}

/// `2026-01-31 12:00:00` of `20260131_120000_123456`.
fn time_of(stamp: &str) -> Option<String> {
    let (date, time) = stamp.split_once('_')?;
    let digits =
        |text: &str| text.get(..6).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if date.len() != 8 || !digits(date) || !digits(time) {
        return None;
    }
    let (date, time) = (|range| date.get(range), |range| time.get(range));
    Some(format!(
        "{}-{}-{} {}:{}:{}",
        date(0..4)?,
        date(4..6)?,
        date(6..8)?,
        time(0..2)?,
        time(2..4)?,
        time(4..6)?
    ))
}

/// `text` in at most `room` columns.
fn cut(text: &str, room: usize) -> String {
    const MARK: &str = "...";
    if columns(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if columns(&kept) + MARK.len() > room {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push_str(MARK);
    kept
}

/// Rows with their columns under each other. The first row is the head; columns of numbers stand to the right.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    let mut are_numbers = [true; COLUMNS];
    for (at, row) in rows.iter().enumerate() {
        for ((cell, width), is_number) in row.iter().zip(&mut widths).zip(&mut are_numbers) {
            *width = columns(cell).max(*width);
            *is_number &= at == 0 || cell.starts_with(|c: char| c.is_ascii_digit() || c == '$' || c == '?');
        }
    }
    let mut page = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, width), is_number) in row.iter().zip(widths).zip(are_numbers) {
            let missing = " ".repeat(width.saturating_sub(columns(cell)));
            if !line.is_empty() {
                line.push_str("  ");
            }
            let _ = if is_number { write!(line, "{missing}{cell}") } else { write!(line, "{cell}{missing}") };
        }
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
