//! `coordination_table.txt`: the run as a table, for people.

use std::fmt::Write;

use massgen_protocol::event::{AgentStatus, CallOutcome, Occasion};
use massgen_protocol::{AgentNo, Envelope, Event};

use super::conversation::labels;
use super::decisions::vote_summary;
use super::excerpt::{cut, one_line};
use super::redact;
use super::state::{RunPhase, RunState, news_of};

/// Agents up to which each has a column of its own. With more the lines would be wider than anybody can read and the
/// file would grow with the square of the number of agents, so one column tells who did what.
const COLUMN_AGENTS: usize = 12;

/// Width of the column that numbers the events.
const NUMBER_WIDTH: usize = 10;

/// Characters of an answer that a cell shows.
const ANSWER_CHARS: usize = 120;

/// Characters of a vote's reason that a cell shows.
const REASON_CHARS: usize = 50;

/// The rows so far, laid out as they come: with many agents they come to megabytes, and nobody should wait for them at
/// the end.
#[derive(Debug, Default)]
pub(super) struct CoordinationTable {
    /// Known with the first event.
    layout: Option<Layout>,
    /// The last state of the agent of each column.
    states: Vec<&'static str>,
    rows: usize,
    text: String,
}

impl CoordinationTable {
    /// Adds the rows for `envelope`, which `state` has folded already.
    pub(super) fn add(&mut self, state: &RunState, envelope: &Envelope) {
        let layout = self.layout.get_or_insert_with(|| Layout::of(state));
        self.states.resize(layout.columns(), "waiting");
        for row in Rows::of(state, envelope).0 {
            self.rows += 1;
            let number = format!("E{}", self.rows);
            match row {
                Row::System { text } => layout.span(&mut self.text, &number, &text),
                Row::Agent { no, text, state: after } => {
                    let cells: Vec<String> = match layout.place(no) {
                        Some(place) => {
                            if let Some(state) = self.states.get_mut(place) {
                                *state = after;
                            }
                            let others = self.states.iter().enumerate();
                            others
                                .map(
                                    |(at, state)| {
                                        if at == place { text.clone() } else { format!("({state})") }
                                    },
                                )
                                .collect()
                        }
                        None => vec![format!("{}: {text}", state.id(no))],
                    };
                    layout.line(&mut self.text, &number, &cells);
                }
            }
        }
    }

    /// The whole file, without secrets.
    pub(super) fn render(&self, state: &RunState) -> String {
        let layout = Layout::of(state);
        let mut out = String::from(HEAD);
        let border = layout.border();
        out.push_str(&border);
        layout.line(&mut out, "Event", &layout.titles);
        out.push_str(&border);
        layout.span(&mut out, "USER", &redact::text(state.question()));
        out.push_str(&border);
        out.push_str(&self.text);
        out.push_str(&border);
        summary(state, &mut out);
        out
    }
}

enum Row {
    /// Something that one agent did, and its state after it.
    Agent { no: AgentNo, text: String, state: &'static str },
    /// Something that concerns all.
    System { text: String },
}

/// The rows of one event.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn of(state: &RunState, envelope: &Envelope) -> Self {
        let mut rows = Self::default();
        rows.add(state, envelope);
        rows
    }

    fn add(&mut self, state: &RunState, envelope: &Envelope) {
        match &envelope.event {
            Event::ExecutionStarted { agent, .. } => {
                let round = state.agent(*agent).map_or(0, super::agent::AgentState::display_round);
                self.agent(*agent, &format!("> starts round {round}"), "working");
            }
            Event::PromptExtended { agent, turn, occasion } => {
                let Some(news) = news_of(turn).filter(|news| !news.answers.is_empty()) else {
                    return;
                };
                let text = match occasion {
                    Occasion::ExecutionStart | Occasion::Presentation => {
                        format!("sees {}", labels(&news.answers))
                    }
                    Occasion::ToolBoundary | Occasion::Retry | Occasion::Limit | Occasion::Compaction => {
                        format!("~ update: {}", labels(&news.answers))
                    }
                };
                self.agent(*agent, &text, "working");
            }
            Event::AnswerAccepted { label, content, .. } => {
                self.agent(
                    label.agent,
                    &format!("* answer {label}: {}", cut(&one_line(content), ANSWER_CHARS)),
                    "answered",
                );
                self.system(&format!("{label} is new: votes on older answers no longer count"));
            }
            Event::VoteCast { voter, answer, reason, .. } => {
                let reason = cut(&one_line(reason), REASON_CHARS);
                self.agent(*voter, &format!("+ votes for {answer}: {reason}"), "voted");
            }
            Event::VoteIgnored { voter, answer, newer, .. } => {
                let text = format!("- vote for {answer} not counted, newer: {}", labels(newer));
                self.agent(*voter, &text, "restarting");
            }
            Event::SubmissionRefused { agent, refusal, .. } => {
                self.agent(*agent, &format!("- refused: {}", refusal.code()), "working");
            }
            Event::NoDecision { agent, cause, .. } => {
                self.agent(*agent, &format!("- no decision: {cause}"), "working");
            }
            Event::FallbackTaken { agent, entry, .. } => {
                let model = state.fallback_model(*agent, *entry);
                self.agent(*agent, &format!("! goes on with {model}"), "working");
            }
            Event::ConversationCompacted { agent, compaction } => {
                self.agent(*agent, &format!("~ {compaction}"), "working");
            }
            Event::ModelCallFinished { call, outcome } => match outcome {
                CallOutcome::Failed { failure } => {
                    self.agent(call.agent, &format!("! {}", one_line(&failure.to_string())), "working");
                }
                CallOutcome::Replied { .. } | CallOutcome::Cancelled { .. } => {}
            },
            Event::AgentStateChanged { agent, state: status } => match status {
                AgentStatus::Out { .. } => self.agent(*agent, "x out", "out"),
                AgentStatus::Waiting { .. } => self.agent(*agent, ". waits", "waiting"),
                AgentStatus::Working
                | AgentStatus::Answered
                | AgentStatus::Voted
                | AgentStatus::Presenting
                | AgentStatus::Done => {}
            },
            Event::WinnerSelected { answer, .. } => {
                let summary = vote_summary(state);
                self.system(&format!("WINNER: {} with {answer} ({summary})", state.id(answer.agent)));
            }
            Event::FinalAnswerReady { agent, .. } => self.agent(*agent, "# final answer", "final"),
            Event::RunInterrupted { .. } => self.system("interrupted"),
            Event::RunResumed => self.system("taken up again"),
            Event::RunStarted { .. }
            | Event::ModelCallStarted { .. }
            | Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::ToolCallStarted { .. }
            | Event::ToolCallFinished { .. }
            | Event::ToolCallAsked { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. }
            | Event::NoteReceived { .. }
            | Event::RoundLimitReached { .. }
            | Event::CoordinationEnded { .. }
            | Event::PresentationStarted { .. }
            | Event::RunFinished { .. }
            | Event::Degraded { .. } => {}
        }
    }

    fn agent(&mut self, no: AgentNo, text: &str, state: &'static str) {
        // Before the cells are laid out: what is taken out has another length.
        let text = redact::text(text).into_owned();
        self.0.push(Row::Agent { no, text, state });
    }

    fn system(&mut self, text: &str) {
        let text = redact::text(text).into_owned();
        self.0.push(Row::System { text });
    }
}

const HEAD: &str = "\
COORDINATION TABLE

Events: > execution starts   * answer   + vote   ~ update received   - not accepted   ! error   x out   . waits   # final
States: (waiting) (working) (answered) (voted) (restarting) (out) (final)
Terms:  agent1.2 is the second answer of the agent with the first id in sorted order

";

fn summary(state: &RunState, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\nSUMMARY");
    for agent in state.registered() {
        let _ = writeln!(
            out,
            "  {} ({}): {} answers, {} votes, {} rounds",
            agent.no,
            agent.id,
            agent.answers,
            agent.votes,
            agent.rounds.len()
        );
    }
    let _ = writeln!(out, "  Votes: {}", vote_summary(state));
    let winner = state.winner_agent().map_or("none", |no| state.id(no));
    let _ = writeln!(out, "  Winner: {winner}");
    let _ = writeln!(out, "  Duration: {:.1}s", state.elapsed_seconds());
    if let RunPhase::Interrupted { .. } = state.phase {
        let _ = writeln!(out, "  Interrupted; can be resumed");
    }
    out.push_str(&"=".repeat(NUMBER_WIDTH));
    out.push('\n');
}

/// How wide the columns are and what they are called.
#[derive(Debug)]
struct Layout {
    width: usize,
    titles: Vec<String>,
    /// Columns by agent number; empty when all share one.
    places: Vec<usize>,
}

impl Layout {
    fn of(state: &RunState) -> Self {
        let count = state.agents.len();
        if count > COLUMN_AGENTS {
            return Self { width: 100, titles: vec!["Agents".to_owned()], places: Vec::new() };
        }
        let width = match count {
            0..=2 => 60,
            3 => 40,
            4 => 30,
            _ => 25,
        };
        let titles = state
            .registered()
            .map(|agent| format!("Agent {} ({})", agent.no.index() + 1, agent.id))
            .collect();
        let place = |no| state.registration.iter().position(|other| *other == no).unwrap_or_default();
        Self { width, titles, places: state.agents.iter().map(|agent| place(agent.no)).collect() }
    }

    fn columns(&self) -> usize {
        self.titles.len()
    }

    fn place(&self, no: AgentNo) -> Option<usize> {
        self.places.get(no.index()).copied()
    }

    fn border(&self) -> String {
        let mut out = format!("+{}", "-".repeat(NUMBER_WIDTH));
        for _ in 0..self.columns() {
            out.push('+');
            out.push_str(&"-".repeat(self.width));
        }
        out.push_str("+\n");
        out
    }

    /// One row with a cell per column, on as many lines as the fullest cell needs.
    fn line(&self, out: &mut String, number: &str, cells: &[String]) {
        let wrapped: Vec<Vec<String>> = cells.iter().map(|cell| wrap(cell, self.width - 2)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            let shown = if at == 0 { number } else { "" };
            let _ = write!(out, "| {shown:<w$} ", w = NUMBER_WIDTH - 2);
            for cell in &wrapped {
                let text = cell.get(at).map_or("", String::as_str);
                let _ = write!(out, "| {text:<w$} ", w = self.width - 2);
            }
            out.push_str("|\n");
        }
    }

    /// One row across all columns.
    fn span(&self, out: &mut String, number: &str, text: &str) {
        let width = (self.width + 1) * self.columns() - 3;
        for (at, line) in wrap(&one_line(text), width).into_iter().enumerate() {
            let shown = if at == 0 { number } else { "" };
            let _ = writeln!(out, "| {shown:<w$} | {line:<width$} |", w = NUMBER_WIDTH - 2);
        }
    }
}

/// `text` in lines of at most `width` characters, broken at spaces where there are some.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        let gap = usize::from(used > 0);
        if used > 0 && used + gap + rest.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while !rest.is_empty() {
            let gap = usize::from(used > 0);
            let room = width.saturating_sub(used + gap).max(1);
            let tail = rest.split_off(rest.len().min(room));
            if let Some(line) = lines.last_mut() {
                if gap > 0 {
                    line.push(' ');
                }
                line.extend(&rest);
            }
            used += gap + rest.len();
            rest = tail;
            if !rest.is_empty() {
                lines.push(String::new());
                used = 0;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_at_spaces_and_long_ones_are_split() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
