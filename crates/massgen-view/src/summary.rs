//! The end of a run for a person: the final answer, and what it took.

use massgen_protocol::Usd;
use massgen_protocol::event::{AgentStatus, FinalSource, OutCause, RunOutcome};

use crate::agent::AgentView;
use crate::amount::{clock, cost, counted, short_cost, tokens};
use crate::event_line::won;
use crate::grid::{Align, Frame, Grid};
use crate::limits;
use crate::lines::{agent_name, simulated_warning, status_look, usage};
use crate::markdown::markdown;
use crate::style::{Look, Style, Styled, width};
use crate::view::{Phase, RunView};
use crate::wording;

/// Columns of the names of facts.
const FACT_COLUMNS: usize = 10;
/// From this width on the table of agents shows their models.
const WIDE: usize = 72;
/// From this width on it shows their tokens.
const MEDIUM: usize = 48;

/// A file or folder of the run, for the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is, in a word or two, for example `answer`.
    pub what: String,
    /// Where it is.
    pub path: String,
}

/// The heading and the final answer as text for a terminal; `None` without one.
pub fn final_answer(view: &RunView, style: &Style) -> Option<String> {
    let answer = view.final_answer.as_ref()?;
    let agent = view.agent(answer.agent);
    let mut title = format!("Final answer of {}", view.name(answer.agent));
    if let Some(agent) = agent {
        title = format!("{title} ({})", agent.model_name());
    }
    let mut text = rule(&title, style);
    text.push('\n');
    if agent.is_some_and(|agent| agent.simulated) {
        text.push_str(&warn("SIMULATED: no real model wrote this.", style));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&markdown(&answer.content, style));
    Some(text)
}

/// What the run took and what became of it: result, time, tokens, cost, agents, votes, what went wrong, and where the
/// files are.
pub fn summary(view: &RunView, places: &[Place], style: &Style) -> String {
    let mut lines = vec![rule("Summary", style)];
    if view.has_simulated() {
        lines.push(warn(&simulated_warning(view), style));
    }
    for (name, text, look) in facts(view) {
        lines.extend(fact(name, &Styled::new(&text, look), style));
    }
    let mut section = |title: &str, body: Vec<String>| {
        if !body.is_empty() {
            lines.push(String::new());
            lines.push(Styled::new(title, Look::BOLD).paint(style));
            lines.extend(body);
        }
    };
    section("Agents", agents(view, style));
    section("Votes", votes(view, style));
    section("Failures", failures(view, style));
    section("Degraded", notices(view, style));
    section("Files", files(places, style));
    lines.join("\n")
}

fn facts(view: &RunView) -> Vec<(&'static str, String, Look)> {
    let mut facts = Vec::new();
    match (&view.winner, view.outcome) {
        (Some(winner), _) => facts.push(("Winner", won(view, winner), Look::GREEN)),
        (None, Some(RunOutcome::Answered) | None) => {}
        (None, Some(outcome)) => facts.push(("Result", wording::outcome(outcome).to_owned(), Look::RED)),
    }
    if let Some(answer) = &view.final_answer {
        let text = match answer.source {
            FinalSource::Presented => {
                format!("{} by {}", wording::source(answer.source), view.name(answer.agent))
            }
            FinalSource::Stored | FinalSource::StoredAsFallback => wording::source(answer.source).to_owned(),
        };
        facts.push(("Answer", text, Look::PLAIN));
    }
    if view.phase == Phase::Interrupted {
        let best = view.best.map(|label| format!("; the best answer so far is {label}")).unwrap_or_default();
        facts.push(("Result", format!("interrupted and can be resumed{best}"), Look::YELLOW));
    }
    if let Some(end) = view.end.filter(|end| end.is_cut_short()) {
        facts.push(("Ended", format!("early: {}", wording::end(end)), Look::YELLOW));
    }
    let mut time = clock(view.elapsed);
    if let Some(deadline) = view.deadline() {
        time = format!("{time} of {}", clock(deadline));
    }
    if view.resumes > 0 {
        time = format!(
            "{time}, resumed {}",
            counted(usize::try_from(view.resumes).unwrap_or(usize::MAX), "time")
        );
    }
    facts.push(("Time", time, Look::PLAIN));
    let budget = view.budget();
    let mut used = usage(&view.spent.usage);
    if let Some(cap) = budget.max_tokens {
        used = format!("{used} of {}{}", tokens(cap), held(view.reserved().tokens, tokens));
    }
    facts.push(("Tokens", used, Look::PLAIN));
    let held = held(view.reserved().cost.nanos(), |nanos| Usd::from_nanos(nanos).to_string());
    let cap = budget.max_cost.map(|cap| format!(" of {cap}{held}")).unwrap_or_default();
    let money = cost(&view.spent, &cap);
    let look = if view.spent.cost().is_none() { Look::YELLOW } else { Look::PLAIN };
    facts.push(("Cost", money, look));
    facts
}

fn held(amount: u64, show: impl Fn(u64) -> String) -> String {
    if amount == 0 { String::new() } else { format!(" ({} held back)", show(amount)) }
}

fn agents(view: &RunView, style: &Style) -> Vec<String> {
    let head = |text: &str| Styled::new(text, Look::DIM);
    let (wide, medium) = (style.width >= WIDE, style.width >= MEDIUM);
    let mut header = vec![head("agent")];
    let mut aligns = vec![Align::Left];
    let mut column = |show: bool, name: &str, align| {
        if show {
            header.push(head(name));
            aligns.push(align);
        }
    };
    column(wide, "model", Align::Left);
    column(true, "state", Align::Left);
    column(true, "answer", Align::Left);
    column(medium, "vote", Align::Left);
    column(medium, "tokens", Align::Right);
    column(true, "cost", Align::Right);
    let mut grid = Grid { aligns, rows: vec![header] };
    let shown = notable(view);
    for agent in &shown {
        let mut row = vec![agent_name(agent, 0, style)];
        if wide {
            row.push(model(agent, style));
        }
        row.push(Styled::new(wording::status(&agent.status), status_look(&agent.status)));
        row.push(Styled::plain(&agent.latest.map_or_else(|| "-".to_owned(), |label| label.to_string())));
        if medium {
            row.push(vote_cell(view, agent));
            row.push(Styled::plain(&tokens(agent.spent.usage.total())));
        }
        row.push(Styled::plain(&short_cost(&agent.spent)));
        grid.rows.push(row);
    }
    let indent = style.width.saturating_sub(2);
    let mut lines = match grid.lines(indent, Frame::Open, style) {
        Some(lines) => lines,
        // Too narrow for columns: one agent per line, cut.
        None => grid
            .rows
            .iter()
            .skip(1)
            .map(|row| {
                let mut line = Styled::default();
                for cell in row {
                    line.append(cell);
                    line.push(" ", Look::PLAIN);
                }
                line.cut(indent, style)
            })
            .collect(),
    };
    more(&mut lines, view.agents.len() - shown.len(), "agent");
    indented(&lines, style)
}

/// The agents that the table lists, in registration order: with too many, those that won, were voted for or voted
/// come first.
fn notable(view: &RunView) -> Vec<&AgentView> {
    let tally = view.tally();
    let rank = |agent: &AgentView| {
        if view.winner.as_ref().is_some_and(|winner| winner.answer.agent == agent.no) {
            0
        } else if tally.iter().any(|row| row.answer.agent == agent.no) {
            1
        } else if agent.answers > 0 {
            2
        } else {
            3
        }
    };
    let mut places: Vec<_> = view.agents.iter().enumerate().map(|(at, agent)| (rank(agent), at)).collect();
    places.sort_unstable();
    places.truncate(limits::SUMMARY_AGENTS);
    places.sort_unstable_by_key(|(_, at)| *at);
    places.iter().filter_map(|(_, at)| view.agents.get(*at)).collect()
}

fn model(agent: &AgentView, style: &Style) -> Styled {
    let look = if agent.simulated { Look::YELLOW } else { Look::PLAIN };
    Styled::new(&agent.model_name(), look).cut(2 * limits::ID_COLUMNS, style)
}

fn vote_cell(view: &RunView, agent: &AgentView) -> Styled {
    match &agent.vote {
        Some(vote) if view.counts(vote) => Styled::new(&vote.answer.to_string(), Look::BLUE),
        Some(vote) => Styled::new(&format!("({})", vote.answer), Look::DIM),
        None => Styled::new("-", Look::DIM),
    }
}

fn votes(view: &RunView, style: &Style) -> Vec<String> {
    let voters: Vec<_> =
        view.agents.iter().filter_map(|agent| agent.vote.as_ref().map(|vote| (agent, vote))).collect();
    if voters.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let tally = view.tally();
    for row in tally.iter().take(limits::SUMMARY_ROWS) {
        let times = counted(usize::try_from(row.votes).unwrap_or(usize::MAX), "vote");
        let text = format!("{} ({}): {times}", row.answer, view.name(row.answer.agent));
        lines.push(Styled::new(&text, Look::BLUE));
    }
    more(&mut lines, tally.len().saturating_sub(limits::SUMMARY_ROWS), "answer");
    for (agent, vote) in voters.iter().take(limits::SUMMARY_ROWS) {
        let mut line = agent_name(agent, 0, style);
        line.push(style.glyph(" → ", " > "), Look::DIM);
        line.push(&vote.answer.to_string(), Look::BLUE);
        if !view.counts(vote) {
            line.push(" (outdated)", Look::YELLOW);
        }
        if !vote.reason.is_empty() {
            line.push(&format!(": {}", vote.reason), Look::DIM);
        }
        lines.push(line.cut(style.width.saturating_sub(2), style));
    }
    more(&mut lines, voters.len().saturating_sub(limits::SUMMARY_ROWS), "vote");
    indented(&lines, style)
}

fn failures(view: &RunView, style: &Style) -> Vec<String> {
    let mut found: Vec<(&AgentView, String, Look)> = Vec::new();
    for agent in &view.agents {
        match &agent.status {
            AgentStatus::Out { cause } => {
                let why = match cause {
                    OutCause::ModelFailed { failure } => failure.to_string(),
                    OutCause::NeverActed | OutCause::TimedOut => wording::out(cause),
                };
                found.push((agent, format!("out: {why}"), Look::RED));
            }
            AgentStatus::Working
            | AgentStatus::Answered
            | AgentStatus::Voted
            | AgentStatus::Waiting { .. }
            | AgentStatus::Presenting
            | AgentStatus::Done => {
                if let Some(failure) = &agent.failure {
                    found.push((agent, failure.clone(), Look::YELLOW));
                } else if agent.retries > 0 {
                    let retries = usize::try_from(agent.retries).unwrap_or(usize::MAX);
                    found.push((agent, format!("{} sent again", counted(retries, "request")), Look::DIM));
                }
            }
        }
    }
    let mut lines = Vec::new();
    for (agent, text, look) in found.iter().take(limits::SUMMARY_ROWS) {
        let mut line = agent_name(agent, 0, style);
        line.push(": ", Look::DIM);
        line.push(text, *look);
        lines.extend(line.wrap(style.width.saturating_sub(2).max(limits::TEXT_COLUMNS)));
    }
    more(&mut lines, found.len().saturating_sub(limits::SUMMARY_ROWS), "agent");
    indented(&lines, style)
}

fn notices(view: &RunView, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    for notice in view.notices.iter().take(limits::SUMMARY_ROWS) {
        let mut line = Styled::default();
        if let Some(no) = notice.agent {
            line.push(&format!("{}: ", view.name(no)), Look::BOLD);
        }
        line.push(&notice.message, Look::YELLOW);
        lines.extend(line.wrap(style.width.saturating_sub(2).max(limits::TEXT_COLUMNS)));
    }
    more(&mut lines, view.notices.len().saturating_sub(limits::SUMMARY_ROWS), "notice");
    indented(&lines, style)
}

/// Paths are never cut or wrapped: people copy them.
fn files(places: &[Place], style: &Style) -> Vec<String> {
    let columns = places.iter().map(|place| width(&place.what)).max().unwrap_or(0);
    let lines: Vec<_> = places
        .iter()
        .map(|place| {
            let mut line = Styled::new(&place.what, Look::DIM);
            line.pad(columns + 2);
            line.push(&place.path, Look::PLAIN);
            line
        })
        .collect();
    indented(&lines, style)
}

fn more(lines: &mut Vec<Styled>, count: usize, noun: &str) {
    if count > 0 {
        lines.push(Styled::new(
            &format!("and {count} more {noun}{}", if count == 1 { "" } else { "s" }),
            Look::DIM,
        ));
    }
}

fn indented(lines: &[Styled], style: &Style) -> Vec<String> {
    lines.iter().map(|line| format!("  {}", line.paint(style))).collect()
}

fn fact(name: &str, text: &Styled, style: &Style) -> Vec<String> {
    let columns = style.width.saturating_sub(FACT_COLUMNS).max(limits::TEXT_COLUMNS);
    let mut head = Styled::new(name, Look::DIM);
    head.pad(FACT_COLUMNS);
    let mut lines = Vec::new();
    for line in text.wrap(columns) {
        let mut whole = std::mem::replace(&mut head, Styled::plain(&" ".repeat(FACT_COLUMNS)));
        whole.append(&line);
        lines.push(whole.paint(style));
    }
    lines
}

fn warn(text: &str, style: &Style) -> String {
    let lines = Styled::new(text, Look::YELLOW.and(Look::BOLD)).wrap(style.width);
    lines.iter().map(|line| line.paint(style)).collect::<Vec<_>>().join("\n")
}

/// A title in a rule across the width.
fn rule(title: &str, style: &Style) -> String {
    let dash = style.glyph("─", "-");
    let mut line = Styled::new(&dash.repeat(2), Look::DIM);
    line.push(" ", Look::PLAIN);
    line.push(title, Look::BOLD);
    line.push(" ", Look::PLAIN);
    let missing = style.width.saturating_sub(line.width());
    line.push(&dash.repeat(missing), Look::DIM);
    line.cut(style.width, style).paint(style)
}
