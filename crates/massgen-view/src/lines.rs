//! One line per agent and one for the run: what a live display draws again and again.

use massgen_protocol::event::AgentStatus;
use massgen_protocol::{RunMillis, TokenUsage};

use crate::agent::{AgentView, Line};
use crate::amount::{clock, counted, short_cost, tokens};
use crate::limits;
use crate::style::{Look, Style, Styled, width};
use crate::view::{Phase, RunView};
use crate::wording;

/// Space between columns.
const GAP: usize = 2;
/// Columns of a state: the longest word of [`wording::status`].
const STATUS_COLUMNS: usize = 8;
const TOKENS_COLUMNS: usize = 6;
const COST_COLUMNS: usize = 9;
/// Answers with the most votes that the status line names.
const LEADERS: usize = 3;
/// The text is worth more than tokens and cost until it has this many columns.
const TEXT_FIRST: usize = 20;
/// Fewer columns of text tell nothing.
const TEXT_LEAST: usize = 8;

/// Columns for the ids of all agents of `view`.
pub(crate) fn id_columns(view: &RunView) -> usize {
    view.agents.iter().map(|agent| width(agent.id.as_str())).max().unwrap_or(0).min(limits::ID_COLUMNS)
}

pub(crate) fn agent_name(agent: &AgentView, columns: usize, style: &Style) -> Styled {
    let mut name =
        Styled::new(agent.id.as_str(), Look::of_agent(agent.no.index())).cut(limits::ID_COLUMNS, style);
    name.pad(columns);
    name
}

/// The look of a state.
pub(crate) fn status_look(status: &AgentStatus) -> Look {
    match status {
        AgentStatus::Working | AgentStatus::Presenting => Look::CYAN,
        AgentStatus::Answered => Look::GREEN,
        AgentStatus::Voted => Look::BLUE,
        AgentStatus::Waiting { .. } => Look::YELLOW,
        AgentStatus::Out { .. } => Look::RED,
        AgentStatus::Done => Look::DIM,
    }
}

fn mark(status: &AgentStatus, style: &Style) -> &'static str {
    match status {
        AgentStatus::Working | AgentStatus::Presenting => style.glyph("●", "*"),
        AgentStatus::Answered | AgentStatus::Voted | AgentStatus::Done => style.glyph("✓", "+"),
        AgentStatus::Waiting { .. } => style.glyph("○", "-"),
        AgentStatus::Out { .. } => style.glyph("✗", "x"),
    }
}

/// One agent on one line: state, round, tokens, cost (`$?` when the price is unknown), and the last line it wrote or
/// what it waits for. Columns that do not fit are left out, the last line first kept.
pub fn agent_line(view: &RunView, agent: &AgentView, style: &Style) -> String {
    let look = status_look(&agent.status);
    let mut line = Styled::new(mark(&agent.status, style), look);
    line.pad(2);
    line.append(&agent_name(agent, id_columns(view), style));
    let column = |line: &mut Styled, text: &str, look: Look, columns: usize| {
        line.pad(line.width() + GAP);
        let end = line.width() + columns;
        line.push(text, look);
        line.pad(end);
    };
    if agent.simulated {
        column(&mut line, "sim", Look::YELLOW, 3);
    }
    column(&mut line, wording::status(&agent.status), look, STATUS_COLUMNS);
    let round = if agent.execution == 0 { String::new() } else { format!("r{}", agent.execution) };
    let last_round = view.agents.iter().map(|agent| agent.execution).max().unwrap_or(0);
    let round_columns = 1 + last_round.to_string().len();
    column(&mut line, &round, Look::DIM, round_columns);
    let room = |line: &Styled| style.width.saturating_sub(line.width() + GAP);
    if room(&line) >= TEXT_FIRST + TOKENS_COLUMNS + GAP {
        column(&mut line, &tokens(agent.spent.usage.total()), Look::PLAIN, TOKENS_COLUMNS);
    }
    if room(&line) >= TEXT_FIRST + COST_COLUMNS + GAP {
        column(&mut line, &short_cost(&agent.spent), Look::PLAIN, COST_COLUMNS);
    }
    let room = room(&line);
    if room >= TEXT_LEAST {
        line.pad(line.width() + GAP);
        line.append(&news(view, agent, room, style));
    }
    line.cut(style.width, style).paint(style)
}

/// What is worth knowing of an agent besides its figures.
fn news(view: &RunView, agent: &AgentView, columns: usize, style: &Style) -> Styled {
    let quiet = |text: &str| Styled::new(text, Look::DIM).cut(columns, style);
    match &agent.status {
        AgentStatus::Waiting { on } => quiet(&format!("for {}", wording::wait(*on))),
        AgentStatus::Out { cause } => {
            let why = agent.failure.clone().unwrap_or_else(|| wording::out(cause));
            Styled::new(&why, Look::RED).cut(columns, style)
        }
        AgentStatus::Voted => match &agent.vote {
            Some(vote) => {
                let stale = if view.counts(vote) { "" } else { " (outdated)" };
                let mut text = Styled::new(&format!("for {}{stale}", vote.answer), Look::BLUE);
                if !vote.reason.is_empty() {
                    text.push(&format!(": {}", vote.reason), Look::DIM);
                }
                text.cut(columns, style)
            }
            None => quiet("voted"),
        },
        AgentStatus::Working | AgentStatus::Answered | AgentStatus::Presenting | AgentStatus::Done => {
            match agent.last_line() {
                Line::Complete(text) => quiet(text),
                Line::Growing(text) => Styled::new(text, Look::DIM).cut_front(columns, style),
            }
        }
    }
}

/// The run on one line: time, phase, answers, votes as they fall, money and tokens against their caps. `now` is the
/// time at work at this moment; the view only knows that of its last event.
pub fn status_line(view: &RunView, now: RunMillis, style: &Style) -> String {
    let time = view.deadline().map_or_else(|| clock(now), |end| format!("{} / {}", clock(now), clock(end)));
    let mut line = Styled::new(&time, Look::BOLD);
    let mut segments: Vec<(String, Look)> = Vec::new();
    if view.has_simulated() {
        segments.push((simulated_mark(view).to_owned(), Look::YELLOW.and(Look::BOLD)));
    }
    segments.push((phase(view), Look::CYAN));
    segments.push((counted(view.answers(), "answer"), Look::PLAIN));
    let times = style.glyph("×", "x");
    let tally = view.tally();
    let mut votes: Vec<_> =
        tally.iter().take(LEADERS).map(|row| format!("{} {times}{}", row.answer, row.votes)).collect();
    if tally.len() > LEADERS {
        votes.push(style.ellipsis().to_owned());
    }
    if !votes.is_empty() {
        segments.push((format!("votes {}", votes.join(", ")), Look::BLUE));
    }
    segments.push((money(view), Look::PLAIN));
    segments.push((token_count(view), Look::PLAIN));
    for (text, look) in segments {
        let segment = Styled::new(&text, look);
        if line.width() + GAP + segment.width() <= style.width {
            line.pad(line.width() + GAP);
            line.append(&segment);
        }
    }
    line.cut(style.width, style).paint(style)
}

/// What to call a team with simulated models.
fn simulated_mark(view: &RunView) -> &'static str {
    if view.agents.iter().all(|agent| agent.simulated) { "SIMULATED" } else { "PARTLY SIMULATED" }
}

/// What a person must know of a team with simulated models.
pub(crate) fn simulated_warning(view: &RunView) -> String {
    let who = if view.agents.iter().all(|agent| agent.simulated) {
        "no real model is at work"
    } else {
        "no real model answers for the simulated agents"
    };
    format!("{}: {who}.", simulated_mark(view))
}

fn phase(view: &RunView) -> String {
    match view.phase {
        Phase::Starting => "starting".to_owned(),
        Phase::Coordinating => {
            let at_work = |agent: &&AgentView| match agent.status {
                AgentStatus::Working => true,
                AgentStatus::Answered
                | AgentStatus::Voted
                | AgentStatus::Waiting { .. }
                | AgentStatus::Presenting
                | AgentStatus::Out { .. }
                | AgentStatus::Done => false,
            };
            format!("{} of {} at work", view.agents.iter().filter(at_work).count(), view.agents.len())
        }
        Phase::Choosing => "choosing the winner".to_owned(),
        Phase::Presenting => "final answer".to_owned(),
        Phase::Interrupted => "interrupted".to_owned(),
        Phase::Finished => "finished".to_owned(),
    }
}

fn money(view: &RunView) -> String {
    let mut text = short_cost(&view.spent);
    if let Some(cap) = view.budget().max_cost {
        let reserved = view.reserved().cost;
        if reserved.nanos() > 0 {
            text = format!("{text} (+{reserved} held)");
        }
        text = format!("{text} of {cap}");
    }
    text
}

fn token_count(view: &RunView) -> String {
    let mut text = tokens(view.spent.usage.total());
    if let Some(cap) = view.budget().max_tokens {
        let reserved = view.reserved().tokens;
        if reserved > 0 {
            text = format!("{text} (+{} held)", tokens(reserved));
        }
        text = format!("{text} of {}", tokens(cap));
    }
    text.push_str(" tokens");
    text
}

/// Tokens in words: `12.3k in (4.1k cached), 2.3k out`.
pub(crate) fn usage(usage: &TokenUsage) -> String {
    let cached = if usage.cached_input == 0 {
        String::new()
    } else {
        format!(" ({} cached)", tokens(usage.cached_input))
    };
    let estimated = match usage.source {
        massgen_protocol::UsageSource::Api => "",
        massgen_protocol::UsageSource::Estimated => ", partly estimated",
    };
    format!("{} in{cached}, {} out{estimated}", tokens(usage.input), tokens(usage.output))
}

/// What stands for `hidden` agents that do not fit: `… and 12 more`.
pub fn more_line(hidden: usize, style: &Style) -> String {
    let text = format!("{} and {hidden} more", style.ellipsis());
    Styled::new(&text, Look::DIM).cut(style.width, style).paint(style)
}

/// The agents that matter most at this moment, at most `most` of them: presenters and workers before those that
/// wait, those before the rest; within a group in registration order, so that lines do not jump.
pub fn most_active(view: &RunView, most: usize) -> Vec<&AgentView> {
    let rank = |agent: &AgentView| match agent.status {
        AgentStatus::Presenting => 0,
        AgentStatus::Working => 1,
        AgentStatus::Answered | AgentStatus::Waiting { .. } => 2,
        AgentStatus::Voted => 3,
        AgentStatus::Out { .. } => 4,
        AgentStatus::Done => 5,
    };
    let mut places: Vec<_> = view.agents.iter().enumerate().map(|(at, agent)| (rank(agent), at)).collect();
    places.sort_unstable();
    places.truncate(most);
    places.sort_unstable_by_key(|(_, at)| *at);
    places.iter().filter_map(|(_, at)| view.agents.get(*at)).collect()
}
