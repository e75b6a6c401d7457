//! One line per event, for logs and for terminals that only scroll.

use massgen_protocol::event::{AgentStatus, CallOutcome, Conversation, OutCause, WaitCause, WinnerBasis};
use massgen_protocol::message::Asking;
use massgen_protocol::turn::{News, TallyRow, Turn};
use massgen_protocol::{AgentNo, AnswerLabel, Envelope, Event, ServiceReport, ToolOutcome};

use crate::agent::AgentView;
use crate::amount::{clock, counted};
use crate::clean::{clean_line, words};
use crate::limits;
use crate::lines::{agent_name, id_columns, simulated_warning};
use crate::style::{Ends, Look, Style, Styled};
use crate::tool_end::{Trouble, trouble};
use crate::view::{RunView, Winner};
use crate::wording;

/// From this width on the text of an event has its own column; below, it hangs under the agent's id.
const WIDE: usize = 60;
/// Columns of a reason that are worth showing.
const REASON_LEAST: usize = 12;

/// How much an event matters to a person who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Not shown.
    Silent,
    /// Shown when every step is wanted.
    Step,
    /// Always shown: answers, votes, the winner, whatever went wrong.
    Milestone,
}

/// How much `event` matters.
pub fn weight(event: &Event) -> Weight {
    match event {
        Event::ModelCallStarted { .. }
        | Event::SnapshotStarted { .. }
        // What could not be kept is told by an event of its own.
        | Event::SnapshotFinished { .. } => Weight::Silent,
        Event::ModelCallFinished { outcome, .. } => match outcome {
            CallOutcome::Failed { .. } => Weight::Milestone,
            CallOutcome::Replied { .. } | CallOutcome::Cancelled { .. } => Weight::Silent,
        },
        Event::ServiceReported { report, .. } => match report {
            ServiceReport::Stopped { .. } | ServiceReport::Restored | ServiceReport::FilesLeft { .. } => {
                Weight::Milestone
            }
            ServiceReport::Limited { .. } | ServiceReport::Held { .. } => Weight::Step,
        },
        Event::PromptExtended { turn, .. } => match turn {
            Turn::Results { news, .. } | Turn::Update(news) if !news.answers.is_empty() => Weight::Step,
            Turn::Opening(_)
            | Turn::Reply { .. }
            | Turn::Results { .. }
            | Turn::Update(_)
            | Turn::Recap { .. } => Weight::Silent,
        },
        Event::ToolCallFinished { outcome, .. } => match outcome {
            ToolOutcome::Ok { .. } => Weight::Silent,
            ToolOutcome::Error { .. }
            | ToolOutcome::Denied { .. }
            | ToolOutcome::Unknown
            | ToolOutcome::NotRun { .. }
            | ToolOutcome::CutOff => Weight::Step,
        },
        Event::ToolCallAsked { asking, .. } => match asking {
            Asking::Asked { .. } | Asking::Misunderstood { .. } => Weight::Milestone,
            Asking::Over => Weight::Silent,
        },
        Event::AgentStateChanged { state, .. } => match state {
            AgentStatus::Out { .. } => Weight::Milestone,
            AgentStatus::Waiting { on: WaitCause::SlowerPeers | WaitCause::News } => Weight::Step,
            AgentStatus::Working
            | AgentStatus::Answered
            | AgentStatus::Voted
            | AgentStatus::Waiting { on: WaitCause::Start }
            | AgentStatus::Presenting
            | AgentStatus::Done => Weight::Silent,
        },
        Event::ExecutionStarted { .. }
        | Event::ModelCallRetried { .. }
        | Event::ToolCallStarted { .. }
        | Event::SubmissionRefused { .. }
        | Event::NoDecision { .. }
        | Event::ConversationCompacted { .. }
        | Event::RoundLimitReached { .. } => Weight::Step,
        Event::RunStarted { .. }
        | Event::RunResumed
        | Event::RunInterrupted { .. }
        | Event::AnswerAccepted { .. }
        | Event::VoteCast { .. }
        | Event::VoteIgnored { .. }
        | Event::FallbackTaken { .. }
        | Event::NoteReceived { .. }
        | Event::CoordinationEnded { .. }
        | Event::WinnerSelected { .. }
        | Event::PresentationStarted { .. }
        | Event::FinalAnswerReady { .. }
        | Event::RunFinished { .. }
        | Event::Degraded { .. } => Weight::Milestone,
    }
}

/// What an event says: the words that must be there, and words that may be cut to fit.
struct Said {
    text: String,
    look: Look,
    rest: String,
}

fn said(text: impl Into<String>, look: Look) -> Said {
    Said { text: text.into(), look, rest: String::new() }
}

/// `envelope` as a line, for example `00:03  agent_a  answered agent1.1 (412 words)`; `None` for events that say
/// nothing to a person. Words that matter are wrapped under the line rather than cut; reasons are cut where `style` cuts.
///
/// `view` is the view that has taken in `envelope`.
pub fn event_line(view: &RunView, envelope: &Envelope, style: &Style) -> Option<String> {
    if weight(&envelope.event) == Weight::Silent {
        return None;
    }
    let said = describe(view, &envelope.event)?;
    let mut head = Styled::new(&clock(envelope.run_time), Look::DIM);
    head.pad(head.width() + 2);
    let mut hang = head.width();
    if let Some(agent) = subject(&envelope.event).and_then(|no| view.agent(no)) {
        head.append(&agent_name(agent, id_columns(view), style));
        head.pad(head.width() + 2);
        if style.width >= WIDE {
            hang = head.width();
        }
    }
    let mut body = Styled::new(&clean_line(&said.text), said.look);
    let room = match style.ends {
        Ends::Cut => style.width.saturating_sub(head.width() + body.width() + 2),
        Ends::Kept => usize::MAX,
    };
    if !said.rest.is_empty() && room >= REASON_LEAST {
        body.push(": ", Look::DIM);
        body.append(&Styled::new(&said.rest, Look::DIM).cut(room, style));
    }
    let rest = style.width.saturating_sub(hang).max(limits::TEXT_COLUMNS);
    let first = style.width.saturating_sub(head.width()).max(limits::TEXT_COLUMNS);
    let mut lines = Vec::new();
    for (at, line) in body.wrap_hanging(first, rest).iter().enumerate() {
        let mut whole = if at == 0 { head.clone() } else { Styled::plain(&" ".repeat(hang)) };
        whole.append(line);
        lines.push(whole.paint(style));
    }
    Some(lines.join("\n"))
}

/// The agent in whose name a line is written.
fn subject(event: &Event) -> Option<AgentNo> {
    match event {
        // The winner did not do this, the votes did.
        Event::WinnerSelected { .. } => None,
        other => other.agent(),
    }
}

fn describe(view: &RunView, event: &Event) -> Option<Said> {
    let simulated = |no: AgentNo| {
        if view.agent(no).is_some_and(|agent| agent.simulated) { ", simulated" } else { "" }
    };
    Some(match event {
        Event::RunStarted { .. } => said(start(view), Look::BOLD),
        Event::RunResumed => said("the run goes on where it was", Look::BOLD),
        Event::RunInterrupted { best } => {
            let best = best.map(|label| format!("; the best answer so far is {label}")).unwrap_or_default();
            said(format!("the run is interrupted and can be resumed{best}"), Look::YELLOW)
        }
        Event::ExecutionStarted { execution, conversation, .. } => {
            let how = match conversation {
                Conversation::Fresh => "",
                Conversation::Continued => ", going on with its conversation",
            };
            said(format!("starts round {execution}{how}"), Look::PLAIN)
        }
        Event::PromptExtended { turn, .. } => {
            said(format!("sees {}", labels(&news(turn)?.answers)), Look::PLAIN)
        }
        Event::ModelCallRetried { attempt, kind, message, delay, .. } => said(
            format!(
                "{kind} (request {attempt}), again in {:.1} s: {}",
                delay.as_secs_f64(),
                clean_line(message)
            ),
            Look::YELLOW,
        ),
        Event::ServiceReported { service, report, .. } => {
            let look = match report {
                ServiceReport::Restored => Look::GREEN,
                ServiceReport::Limited { .. } => Look::PLAIN,
                ServiceReport::Stopped { .. }
                | ServiceReport::Held { .. }
                | ServiceReport::FilesLeft { .. } => Look::YELLOW,
            };
            said(report.line(&clean_line(service)), look)
        }
        Event::ModelCallFinished { outcome, .. } => match outcome {
            CallOutcome::Failed { failure } => said(format!("model call failed: {failure}"), Look::RED),
            CallOutcome::Replied { .. } | CallOutcome::Cancelled { .. } => return None,
        },
        Event::ModelCallStarted { .. } | Event::SnapshotStarted { .. } | Event::SnapshotFinished { .. } => {
            return None;
        }
        Event::ToolCallStarted { tool_call, .. } => said(format!("runs `{}`", tool_call.name), Look::PLAIN),
        Event::ToolCallFinished { tool_use, outcome, decisions, .. } => {
            let Trouble { text, cause } = trouble(outcome, decisions, view.workspace(tool_use.call.agent))?;
            Said { rest: cause, ..said(text, Look::YELLOW) }
        }
        Event::ToolCallAsked { asking, .. } => said(asking.line()?, Look::YELLOW.and(Look::BOLD)),
        Event::AnswerAccepted { label, content, .. } => said(
            format!("answered {label} ({}{})", counted(words(content), "word"), simulated(label.agent)),
            Look::GREEN,
        ),
        Event::VoteCast { voter, answer, reason, .. } => {
            let own = if answer.agent == *voter { "itself" } else { &view.name(answer.agent) };
            let mark = if simulated(*voter).is_empty() { "" } else { ", simulated" };
            Said { rest: clean_line(reason), ..said(format!("votes for {answer} ({own}{mark})"), Look::BLUE) }
        }
        Event::VoteIgnored { answer, newer, .. } => {
            said(format!("vote for {answer} does not count: {} came meanwhile", labels(newer)), Look::YELLOW)
        }
        Event::SubmissionRefused { refusal, .. } => {
            said(format!("refused: {}", wording::refusal(refusal)), Look::YELLOW)
        }
        Event::NoDecision { attempt, max_attempts, cause, .. } => {
            said(format!("{cause} ({attempt} of {max_attempts})"), Look::YELLOW)
        }
        Event::FallbackTaken { agent, .. } => {
            let model = view.agent(*agent).map_or_else(|| "another model".to_owned(), AgentView::model_name);
            said(format!("goes on with {model}"), Look::YELLOW)
        }
        Event::ConversationCompacted { compaction, .. } => said(compaction.to_string(), Look::DIM),
        Event::AgentStateChanged { state, .. } => match state {
            // What the model's failure was, the line before has told.
            AgentStatus::Out { cause: OutCause::ModelFailed { .. } } => {
                said("is out: its model failed", Look::RED)
            }
            AgentStatus::Out { cause } => said(format!("is out: {}", wording::out(cause)), Look::RED),
            AgentStatus::Waiting { on } => said(format!("waits for {}", wording::wait(*on)), Look::DIM),
            AgentStatus::Working
            | AgentStatus::Answered
            | AgentStatus::Voted
            | AgentStatus::Presenting
            | AgentStatus::Done => return None,
        },
        Event::NoteReceived { note, .. } => {
            Said { rest: clean_line(&note.content), ..said(format!("note from {}", note.source), Look::CYAN) }
        }
        Event::RoundLimitReached { limit, .. } => said(wording::limit(*limit), Look::YELLOW),
        Event::CoordinationEnded { cause } => {
            let look = if cause.is_cut_short() { Look::YELLOW } else { Look::PLAIN };
            said(format!("coordination ends: {}", wording::end(*cause)), look)
        }
        Event::WinnerSelected { answer, tally, basis } => {
            let winner = Winner { answer: *answer, tally: tally.clone(), basis: *basis };
            said(won(view, &winner), Look::GREEN.and(Look::BOLD))
        }
        Event::PresentationStarted { .. } => said("writes the final answer", Look::PLAIN),
        Event::FinalAnswerReady { agent, content, source, snapshot: _ } => said(
            format!(
                "final answer ready ({}, {}{})",
                counted(words(content), "word"),
                wording::source(*source),
                simulated(*agent)
            ),
            Look::GREEN,
        ),
        Event::RunFinished { outcome } => {
            said(format!("finished: {}", wording::outcome(*outcome)), Look::BOLD)
        }
        Event::Degraded { message, .. } => said(format!("degraded: {}", clean_line(message)), Look::YELLOW),
    })
}

/// `agent_a wins with agent1.2: 2 of 3 votes`.
pub(crate) fn won(view: &RunView, winner: &Winner) -> String {
    let name = view.name(winner.answer.agent);
    let votes = |rows: &[TallyRow]| rows.iter().map(|row| row.votes).sum::<u32>();
    let all = votes(&winner.tally);
    let own = winner.tally.iter().find(|row| row.answer == winner.answer).map_or(0, |row| row.votes);
    let share = format!("{own} of {}", counted(usize::try_from(all).unwrap_or(usize::MAX), "vote"));
    let why = match winner.basis {
        WinnerBasis::MostVotes => share,
        WinnerBasis::Tie => format!("{share}, {}", wording::basis(winner.basis)),
        WinnerBasis::FirstAnswer | WinnerBasis::LatestAnswer => wording::basis(winner.basis).to_owned(),
    };
    format!("{name} wins with {}: {why}", winner.answer)
}

fn start(view: &RunView) -> String {
    let mut names: Vec<_> = view
        .agents
        .iter()
        .take(limits::NAMED_AGENTS)
        .map(|agent| format!("{} ({})", agent.id, agent.model_name()))
        .collect();
    if view.agents.len() > names.len() {
        names.push(format!("and {} more", view.agents.len() - names.len()));
    }
    let warning = if view.has_simulated() { simulated_warning(view) + " " } else { String::new() };
    let verb = if view.agents.len() == 1 { "starts" } else { "start" };
    format!("{warning}{} {verb}: {}", counted(view.agents.len(), "agent"), names.join(", "))
}

fn news(turn: &Turn) -> Option<&News> {
    match turn {
        Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. } => Some(news),
        Turn::Reply { .. } | Turn::Recap { .. } => None,
    }
}

fn labels(labels: &[AnswerLabel]) -> String {
    labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
