//! `execution_trace.md`: what an agent did for one answer or vote, for people.

use std::fmt::Write;

use massgen_protocol::Timestamp;

use super::redact;
use super::stamps::LocalTime;

/// What an agent did since its last answer or vote.
#[derive(Debug, Default)]
pub(super) struct Trace {
    sections: Vec<Section>,
    errors: Vec<String>,
    started: Option<Timestamp>,
    last_block: Option<Block>,
    /// The round that what comes next belongs to.
    round: u32,
}

#[derive(Debug)]
struct Section {
    round: u32,
    body: String,
}

/// Kinds of text that are merged while they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Reasoning,
    Content,
}

/// Whose trace it is and what it is for.
#[derive(Debug)]
pub(super) struct TraceHead<'a> {
    pub(super) agent_id: &'a str,
    pub(super) model: &'a str,
    /// The answer or vote that the trace led to.
    pub(super) label: &'a str,
    pub(super) local: LocalTime,
    /// Used when nothing was done before it.
    pub(super) at: Timestamp,
}

impl Trace {
    pub(super) fn start_round(&mut self, round: u32) {
        self.last_block = None;
        self.round = round;
        self.sections.push(Section { round, body: String::new() });
    }

    pub(super) fn reasoning(&mut self, text: &str, at: Timestamp) {
        self.text(Block::Reasoning, "Reasoning", text, at);
    }

    pub(super) fn content(&mut self, text: &str, at: Timestamp) {
        self.text(Block::Content, "Content", text, at);
    }

    pub(super) fn tool_call(&mut self, name: &str, arguments: &str, at: Timestamp) {
        let shown = serde_json::from_str::<serde_json::Value>(arguments)
            .and_then(|value| serde_json::to_string_pretty(&redact::value(&value)))
            .unwrap_or_else(|_| arguments.to_owned());
        self.add(&format!("### Tool Call: {name}\n\n**Args**:\n\n{}", fenced("json", &shown)), at);
    }

    pub(super) fn tool_result(&mut self, name: &str, text: &str, at: Timestamp) {
        self.add(&format!("### Tool Result: {name}\n\n{}", fenced("", text)), at);
    }

    pub(super) fn tool_error(&mut self, name: &str, text: &str, local: LocalTime, at: Timestamp) {
        self.add(&format!("### Tool Error: {name}\n\n{}", fenced("", text)), at);
        self.error(&format!("{name}: {text}"), local, at);
    }

    pub(super) fn error(&mut self, text: &str, local: LocalTime, at: Timestamp) {
        self.begin(at);
        self.errors.push(format!("[{}] {}", local.clock(at), super::excerpt::one_line(text)));
    }

    pub(super) fn answer(&mut self, label: &str, text: &str, at: Timestamp) {
        self.add(&format!("### Answer Submitted ({label})\n\n{text}\n"), at);
    }

    pub(super) fn vote(&mut self, label: &str, options: &str, target: &str, reason: &str, at: Timestamp) {
        let text = format!(
            "### Vote Cast: {label}\n\n**Available options**: {options}\n\n**Voted for**: {target}\n\n**Reason**: {reason}\n"
        );
        self.add(&text, at);
    }

    /// The whole file.
    pub(super) fn render(&self, head: &TraceHead<'_>) -> String {
        let started = head.local.date_and_clock(self.started.unwrap_or(head.at));
        let mut out = format!(
            "# Execution Trace: {}\n\n**Model**: {} | **Started**: {started}\n",
            head.agent_id, head.model
        );
        let last = self.sections.len().saturating_sub(1);
        for (index, section) in self.sections.iter().enumerate() {
            // Writing to a string cannot fail.
            if index == last {
                let _ = write!(out, "\n## Round {} (Answer {})\n", section.round, head.label);
            } else if section.body.is_empty() {
                continue;
            } else {
                let _ = write!(out, "\n## Round {}\n", section.round);
            }
            out.push_str(&section.body);
        }
        if !self.errors.is_empty() {
            out.push_str("\n---\n\n## Errors\n\n");
            for error in &self.errors {
                let _ = writeln!(out, "- {error}");
            }
        }
        out
    }

    /// The next answer has a trace of its own.
    pub(super) fn reset(&mut self) {
        *self = Self { round: self.round, ..Self::default() };
    }

    fn text(&mut self, block: Block, heading: &str, text: &str, at: Timestamp) {
        if self.last_block == Some(block) {
            if let Some(section) = self.sections.last_mut() {
                section.body.push_str(text);
                section.body.push('\n');
            }
        } else {
            self.add(&format!("### {heading}\n\n{text}\n"), at);
            self.last_block = Some(block);
        }
    }

    fn add(&mut self, text: &str, at: Timestamp) {
        self.begin(at);
        self.last_block = None;
        if self.sections.is_empty() {
            self.sections.push(Section { round: self.round, body: String::new() });
        }
        if let Some(section) = self.sections.last_mut() {
            section.body.push('\n');
            section.body.push_str(text);
        }
    }

    fn begin(&mut self, at: Timestamp) {
        self.started.get_or_insert(at);
    }
}

/// `text` in a fence that is longer than any in it.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}
