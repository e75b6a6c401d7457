//! What `/inspect` and its kin show of a run.

use std::path::Path;

use massgen_journal::artifacts::RunFolder;
use massgen_protocol::size::size;
use massgen_view::amount::{counted, tokens};
use massgen_view::clean::{clean_line, first_line};
use massgen_view::{Style, markdown};
use serde_json::Value;

use super::command::{Inspect, TOPICS, Topic, Turn};
use super::page::{Cut, Page};
use super::record::{AgentRecord, EventRecord, Record, RecordError, RunStatus, Tail};

/// Lines of a log that are shown.
const LOG_LINES: usize = 200;

/// Lines of each answer that are shown beside others.
const ANSWER_LINES: usize = 12;

/// The runs of a session and how to show them.
#[derive(Debug)]
pub(crate) struct Inspection<'s> {
    /// The run of each question, the oldest first.
    pub(crate) turns: &'s [RunFolder],
    /// How text looks.
    pub(crate) style: Style,
    /// From where paths are named.
    pub(crate) working_directory: &'s Path,
}

impl Inspection<'_> {
    /// One line per question of the session.
    pub(crate) fn turns(&self) -> String {
        let mut page = self.page();
        if self.turns.is_empty() {
            page.line(NOTHING_YET);
        }
        let rows = self.turns.iter().map(|folder| {
            let text = match Record::of(folder).status() {
                Ok(status) => format!("{} - {}", question(&status), result(&status)),
                Err(error) => error.to_string(),
            };
            (folder.turn.to_string(), text)
        });
        page.pairs(&rows.collect::<Vec<_>>());
        page.finish()
    }

    /// What `inspect` asks for.
    pub(crate) fn show(&self, inspect: &Inspect) -> String {
        let mut page = self.page();
        let folder = match inspect.turn {
            Turn::Last => self.turns.last(),
            Turn::Number(number) => self.turns.iter().find(|folder| folder.turn == number.get()),
        };
        let Some(folder) = folder else {
            page.line(&match (self.turns, inspect.turn) {
                ([], _) | (_, Turn::Last) => NOTHING_YET.to_owned(),
                (_, Turn::Number(number)) => {
                    format!("There is no question {number} in this session; /inspect all lists those that there are.")
                }
            });
            return page.finish();
        };
        let number = folder.turn;
        let record = Record::of(folder);
        let shown = match &inspect.topic {
            Topic::Overview => overview(&record, number, &mut page),
            Topic::Agent(id) => self.agent(&record, id, &mut page),
            Topic::Answer => self.answer(&record, &mut page),
            Topic::Answers => self.answers(&record, &mut page),
            Topic::Votes => votes(&record, &mut page),
            Topic::Table => self.table(&record, &mut page),
            Topic::Cost => cost(&record, &mut page),
            Topic::Log => record.log().map(|tail| self.tail(&tail, &mut page)),
            Topic::Events(count) => events(&record, *count, &mut page),
            Topic::Files => self.files(&record, &mut page),
        };
        if let Err(error) = shown {
            page.line(&format!("This cannot be shown: {error}."));
        }
        page.finish()
    }

    fn page(&self) -> Page {
        Page::new(self.style.width)
    }

    fn agent(&self, record: &Record, id: &str, page: &mut Page) -> Result<(), RecordError> {
        // The id becomes part of a path: only those of the run are looked for.
        let agents = record.status()?.agents();
        let known = agents.iter().find(|agent| agent.id == id).or_else(|| labelled(&agents, id));
        if let Some(agent) = known {
            self.tail(&record.output(&agent.id)?, page);
        } else {
            let ids: Vec<_> = agents.iter().map(|agent| agent.id.as_str()).collect();
            let words: Vec<_> = TOPICS.iter().map(|topic| topic.word).collect();
            page.line(&format!(
                "There is no agent `{id}`. Agents: {}. Also: {}.",
                ids.join(", "),
                words.join(", ")
            ));
        }
        Ok(())
    }

    fn answer(&self, record: &Record, page: &mut Page) -> Result<(), RecordError> {
        let status = record.status()?;
        let Some(winner) = &status.results.winner else {
            page.line(&format!("There is no final answer: {}.", result(&status)));
            return Ok(());
        };
        let (text, path) = record.final_answer(winner)?;
        page.line(&format!("Final answer of {winner}, in {}", self.named(&path)));
        warn_of_simulation(&status, page);
        page.blank();
        page.rendered(&markdown(&text, &self.style));
        Ok(())
    }

    fn answers(&self, record: &Record, page: &mut Page) -> Result<(), RecordError> {
        let answers = record.answers()?;
        warn_of_simulation(&record.status()?, page);
        if answers.is_empty() {
            page.line("No agent has given an answer.");
        }
        for answer in answers {
            page.blank();
            page.line(&format!("{} by {}, in {}", answer.label, answer.agent, self.named(&answer.path)));
            let rendered = markdown(&answer.text, &self.style);
            let lines: Vec<_> = rendered.lines().collect();
            page.rendered(&lines.iter().take(ANSWER_LINES).copied().collect::<Vec<_>>().join("\n"));
            if let Some(more) = lines.len().checked_sub(ANSWER_LINES).filter(|more| *more > 0) {
                page.line(&format!("... and {}", counted(more, "more line")));
            }
        }
        Ok(())
    }

    fn table(&self, record: &Record, page: &mut Page) -> Result<(), RecordError> {
        if page.cut(&record.table()?) == Cut::Something {
            let path = record.folder().join("coordination_table.txt");
            page.blank();
            page.line(&format!("The terminal is too narrow for it; all of it is in {}", self.named(&path)));
        }
        Ok(())
    }

    fn files(&self, record: &Record, page: &mut Page) -> Result<(), RecordError> {
        let (files, more) = record.files()?;
        let folder = record.folder();
        page.line(&self.named(folder.parent().unwrap_or(&folder)));
        let rows = files.into_iter().map(|(path, bytes)| (size(bytes), path.display().to_string()));
        page.pairs(&rows.collect::<Vec<_>>());
        if more > 0 {
            page.line("... and more");
        }
        Ok(())
    }

    fn tail(&self, tail: &Tail, page: &mut Page) {
        let lines: Vec<_> = tail.text.lines().collect();
        let left_out = lines.len().saturating_sub(LOG_LINES);
        if tail.is_cut || left_out > 0 {
            page.line(&format!("The end of {}:", self.named(&tail.path)));
            page.blank();
        }
        page.verbatim(&lines.into_iter().skip(left_out).collect::<Vec<_>>().join("\n"));
    }

    /// `path`, seen from the working directory.
    fn named(&self, path: &Path) -> String {
        path.strip_prefix(self.working_directory).unwrap_or(path).display().to_string()
    }
}

const NOTHING_YET: &str = "Nothing was asked in this session yet.";

fn overview(record: &Record, number: u32, page: &mut Page) -> Result<(), RecordError> {
    let status = record.status()?;
    let agents = status.agents();
    page.line(&format!("Question {number}: {}", question(&status)));
    warn_of_simulation(&status, page);
    page.blank();
    let mut facts = vec![
        ("Result".to_owned(), result(&status)),
        ("Time".to_owned(), format!("{:.1} s", status.meta.elapsed_seconds)),
        ("Cost".to_owned(), money(status.costs.dollars)),
    ];
    facts.extend(agents.iter().map(|agent| (agent.id.clone(), activity(agent))));
    page.pairs(&facts);
    page.blank();
    page.line(&format!("To see more: /inspect {number} WHAT, where WHAT is"));
    let ids: Vec<_> = agents.into_iter().map(|agent| agent.id).collect();
    let mut words = vec![(ids.join(", "), "what that agent wrote and did".to_owned())];
    words.extend(TOPICS.iter().map(|topic| (topic.word.to_owned(), topic.help.to_owned())));
    if let Some((ids, help)) = words.first_mut().filter(|(ids, _)| ids.len() > 24) {
        *help = format!("{help}: {ids}");
        "an agent".clone_into(ids);
    }
    page.pairs(&words);
    Ok(())
}

/// The agent whose answers have `name` in their label: what a run shows beside ids, `agent1` or `agent1.2`.
fn labelled<'a>(agents: &'a [AgentRecord], name: &str) -> Option<&'a AgentRecord> {
    agents.iter().find(|agent| agent.latest_answer_label.as_deref().map(of_label) == Some(of_label(name)))
}

fn of_label(label: &str) -> &str {
    label.split_once('.').map_or(label, |(agent, _)| agent)
}

fn activity(agent: &AgentRecord) -> String {
    let mut parts = vec![agent.status.clone()];
    if let Some(label) = &agent.latest_answer_label {
        parts.push(format!("{}, the last is {label}", counted(count(agent.answer_count), "answer")));
    }
    if let Some(label) = agent.vote_cast.as_ref().and_then(|vote| vote.voted_for_label.as_ref()) {
        parts.push(format!("voted for {label}"));
    }
    if let Some(message) = agent.error.as_ref().and_then(|error| error.message.as_ref()) {
        parts.push(message.clone());
    }
    parts.join("; ")
}

fn votes(record: &Record, page: &mut Page) -> Result<(), RecordError> {
    let (votes, status) = (record.votes()?, record.status()?);
    if votes.is_empty() {
        page.line("Nobody has voted.");
        return Ok(());
    }
    let agents = status.agents();
    let rows: Vec<_> = votes
        .iter()
        .enumerate()
        .map(|(index, vote)| {
            let is_last = votes.iter().skip(index + 1).all(|later| later.voter != vote.voter);
            let cast = agents.iter().find(|agent| agent.id == vote.voter);
            let cast = cast.and_then(|agent| agent.vote_cast.as_ref()).and_then(|cast| cast.counts);
            let counts = if is_last && cast != Some(false) { "" } else { ", no longer counted" };
            let reason = clean_line(&vote.reason);
            (vote.voter.clone(), format!("for {} ({}){counts}: {reason}", vote.label, vote.target))
        })
        .collect();
    page.pairs(&rows);
    page.blank();
    let winner = status.results.winner.as_deref();
    let tally = status.results.votes.iter().map(|(label, votes)| {
        let votes = votes.as_u64().and_then(|votes| usize::try_from(votes).ok()).unwrap_or(0);
        format!("{label}: {}", counted(votes, "vote"))
    });
    let tally: Vec<_> = tally.collect();
    if !tally.is_empty() {
        page.line(&format!("{}.", tally.join(", ")));
    }
    if let Some(winner) = winner {
        page.line(&format!("The winner is {winner}."));
    }
    Ok(())
}

fn cost(record: &Record, page: &mut Page) -> Result<(), RecordError> {
    let status = record.status()?;
    let mut rows: Vec<_> = status
        .agents()
        .into_iter()
        .map(|agent| {
            let text = agent.token_usage.map_or_else(
                || "nothing yet".to_owned(),
                |usage| {
                    let cached = if usage.cached_input_tokens == 0 {
                        String::new()
                    } else {
                        format!(" ({} cached)", tokens(usage.cached_input_tokens))
                    };
                    let (input, output) = (tokens(usage.input_tokens), tokens(usage.output_tokens));
                    format!("{}; {input} tokens in{cached}, {output} out", money(usage.estimated_cost))
                },
            );
            (agent.id, text)
        })
        .collect();
    let costs = &status.costs;
    let (input, output) = (tokens(costs.input_tokens), tokens(costs.output_tokens));
    let total = format!("{}; {input} tokens in, {output} out", money(costs.dollars));
    rows.push(("Together".to_owned(), total));
    page.pairs(&rows);
    if status.simulated {
        page.line("Simulated agents cost nothing; their tokens are estimates.");
    }
    Ok(())
}

fn events(record: &Record, most: usize, page: &mut Page) -> Result<(), RecordError> {
    let events = record.events(most)?;
    if events.is_empty() {
        page.line("Nothing has happened.");
    }
    let rows = events.iter().map(|event| {
        let time = event.timestamp.get(11..19).unwrap_or(&event.timestamp).to_owned();
        let kind = event.event_type.replace('_', " ");
        let agent = event.agent_id.as_deref().map(|agent| format!("{agent}: ")).unwrap_or_default();
        let text = said(event);
        let text = if text.is_empty() { kind } else { format!("{kind} - {text}") };
        (time, format!("{agent}{text}"))
    });
    page.pairs(&rows.collect::<Vec<_>>());
    Ok(())
}

/// What an event says in words: the first text of its data.
fn said(event: &EventRecord) -> String {
    let text =
        |key| event.data.get(key).and_then(Value::as_str).map(first_line).filter(|text| !text.is_empty());
    let keys = ["message", "content", "reason", "restart_reason", "tool_name", "outcome", "answer_label"];
    keys.into_iter().find_map(text).unwrap_or_default()
}

/// What is made up is never shown as if a model had written it.
fn warn_of_simulation(status: &RunStatus, page: &mut Page) {
    if status.simulated {
        page.line("SIMULATED: simulated models took part, and their texts are made up.");
    }
}

fn question(status: &RunStatus) -> String {
    status.meta.question.as_deref().map(clean_line).unwrap_or_default()
}

fn result(status: &RunStatus) -> String {
    match (&status.results.winner, status.finish_reason.as_deref()) {
        _ if status.coordination.phase == "cancelled" => "interrupted".to_owned(),
        (Some(winner), Some("completed")) => format!("answered by {winner}"),
        (_, Some(reason)) => {
            let details = status.finish_reason_details.as_deref().unwrap_or_default();
            if details.is_empty() { reason.replace('_', " ") } else { details.to_owned() }
        }
        (_, None) => "not known".to_owned(),
    }
}

/// US dollars; what nobody knows is not nothing.
fn money(dollars: Option<f64>) -> String {
    match dollars {
        None => "price unknown".to_owned(),
        Some(dollars) if dollars > 0.0 && dollars < 0.01 => format!("${dollars:.6}"),
        Some(dollars) => format!("${dollars:.2}"),
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "inspection_tests.rs"]
mod tests;
