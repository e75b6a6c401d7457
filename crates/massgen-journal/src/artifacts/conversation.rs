//! `context.txt`: what an agent had been told when it answered or voted.
//!
//! The journal holds conversations by reference, and so does this: the task, answers by label and text, notes, replies
//! and tool results. The words of the prompts around them are not repeated here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use massgen_protocol::event::Compaction;
use massgen_protocol::message::Reply;
use massgen_protocol::turn::{Directive, News, ResultRef, Turn, Verdict};
use massgen_protocol::{AnswerLabel, CallId, PastTurn, ToolUse, limits};
use serde_json::{Value, json};

use super::excerpt::LISTED;
use super::redact;
use super::state::RunState;

/// Bytes of answers' texts and of earlier turns that one `context.txt` repeats. Every answer has a file of its own; with
/// hundreds of agents the copies would grow with the square of their number.
pub(super) const ANSWER_TEXT_BYTES: usize = 16 * 1024;

/// The conversation of an agent since its last fresh start.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pieces: Vec<Piece>,
    tool_texts: BTreeMap<ToolUse, String>,
    continued: bool,
}

#[derive(Debug)]
enum Piece {
    News { is_opening: bool, news: News },
    Reply { call: CallId, reply: Arc<Reply> },
    Results { call: CallId, results: Vec<ResultRef> },
    Recap { reply: Arc<Reply> },
}

impl Transcript {
    /// A fresh conversation begins.
    pub(super) fn start_fresh(&mut self) {
        *self = Self::default();
    }

    /// The conversation goes on in another execution.
    pub(super) fn go_on(&mut self) {
        self.continued = !self.pieces.is_empty();
    }

    /// Whether the agent remembers an earlier execution.
    pub(super) fn has_history(&self) -> bool {
        self.continued
    }

    pub(super) fn extend(&mut self, turn: &Turn) {
        match turn {
            Turn::Opening(news) => self.pieces.push(Piece::News { is_opening: true, news: news.clone() }),
            Turn::Update(news) => self.pieces.push(Piece::News { is_opening: false, news: news.clone() }),
            Turn::Results { call, results, news } => {
                self.pieces.push(Piece::Results { call: *call, results: results.clone() });
                if !news.is_empty() {
                    self.pieces.push(Piece::News { is_opening: false, news: news.clone() });
                }
            }
            // The reply itself came with its call, and a recap with the event that makes it one.
            Turn::Reply { .. } | Turn::Recap { .. } => {}
        }
    }

    pub(super) fn reply(&mut self, call: CallId, reply: &Arc<Reply>) {
        self.pieces.push(Piece::Reply { call, reply: Arc::clone(reply) });
    }

    /// The conversation was made shorter.
    pub(super) fn compact(&mut self, compaction: &Compaction) {
        match compaction {
            Compaction::ResultsDropped { .. } => {
                let results = self.pieces.iter_mut().rev().filter_map(|piece| match piece {
                    Piece::Results { results, .. } => Some(results),
                    Piece::News { .. } | Piece::Reply { .. } | Piece::Recap { .. } => None,
                });
                for result in results.skip(limits::RESULT_TURNS_KEPT).flatten() {
                    if *result == ResultRef::Tool {
                        *result = ResultRef::Dropped;
                    }
                }
            }
            Compaction::Summarized { call, news } => {
                let summary = self.pieces.iter().rev().find_map(|piece| match piece {
                    Piece::Reply { call: known, reply } if known == call => Some(Arc::clone(reply)),
                    Piece::Reply { .. }
                    | Piece::News { .. }
                    | Piece::Results { .. }
                    | Piece::Recap { .. } => None,
                });
                self.pieces = vec![Piece::News { is_opening: true, news: news.clone() }];
                self.pieces.extend(summary.map(|reply| Piece::Recap { reply }));
                self.tool_texts.clear();
            }
        }
    }

    pub(super) fn tool_result(&mut self, tool_use: ToolUse, text: &str) {
        self.tool_texts.insert(tool_use, text.to_owned());
    }

    /// `messages` of `context.txt`.
    pub(super) fn messages(&self, state: &RunState) -> Value {
        let mut budget = ANSWER_TEXT_BYTES;
        let mut messages = Vec::new();
        if !self.pieces.is_empty() {
            messages.extend(state.spec.history.iter().flat_map(|past| past_messages(past, &mut budget)));
        }
        for piece in &self.pieces {
            match piece {
                Piece::News { is_opening, news } => {
                    let mut content =
                        if *is_opening { format!("{}\n", state.question()) } else { String::new() };
                    content.push_str(&news_text(news, state, &mut budget));
                    let content = content.trim_matches('\n');
                    if !content.is_empty() {
                        messages.push(json!({"role": "user", "content": content}));
                    }
                }
                Piece::Reply { reply, .. } => messages.push(reply_message(reply)),
                Piece::Recap { reply } => {
                    messages.push(json!({"role": "user", "content": reply.text()}));
                }
                Piece::Results { call, results } => {
                    let reply = self.pieces.iter().rev().find_map(|piece| match piece {
                        Piece::Reply { call: known, reply } if known == call => Some(reply),
                        Piece::Reply { .. }
                        | Piece::News { .. }
                        | Piece::Results { .. }
                        | Piece::Recap { .. } => None,
                    });
                    let calls = reply.iter().flat_map(|reply| reply.tool_calls());
                    for (index, (tool_call, result)) in calls.zip(results).enumerate() {
                        let index = u16::try_from(index).unwrap_or(u16::MAX);
                        let content = match result {
                            ResultRef::Tool => {
                                let tool_use = ToolUse { call: *call, index };
                                self.tool_texts.get(&tool_use).cloned().unwrap_or_default()
                            }
                            ResultRef::Dropped => "[left out to make room]".to_owned(),
                            ResultRef::Verdict { verdict } => verdict_text(verdict),
                        };
                        messages.push(json!({"role": "tool", "name": tool_call.name, "content": content}));
                    }
                }
            }
        }
        messages.into()
    }
}

/// An earlier exchange of the session, whole or not at all.
fn past_messages(past: &PastTurn, budget: &mut usize) -> [Value; 2] {
    let mut text = |text: &str| match budget.checked_sub(text.len()) {
        Some(left) => {
            *budget = left;
            text.to_owned()
        }
        None => format!("[{} bytes of an earlier turn]", text.len()),
    };
    [
        json!({"role": "user", "content": text(&past.question)}),
        json!({"role": "assistant", "content": text(&past.answer)}),
    ]
}

fn reply_message(reply: &Reply) -> Value {
    let calls: Vec<_> = reply
        .tool_calls()
        .map(|call| json!({"name": call.name, "arguments": shown(&call.arguments)}))
        .collect();
    let mut message = json!({"role": "assistant", "content": reply.text()});
    if let Some(fields) = message.as_object_mut()
        && !calls.is_empty()
    {
        fields.insert("tool_calls".into(), calls.into());
    }
    message
}

/// Arguments of a tool call, without the values of keys that name secrets.
fn shown(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(value) => redact::value(&value).to_string(),
        Err(_) => arguments.to_owned(),
    }
}

/// What an agent was told, in the order in which it is told.
fn news_text(news: &News, state: &RunState, budget: &mut usize) -> String {
    let mut out = String::new();
    for label in &news.answers {
        out.push('\n');
        out.push_str(&answer_text(*label, state, budget));
    }
    for note in news.notes.iter().filter_map(|id| state.notes.get(id)) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n<note from {}>\n{}\n<end of note>", note.source, note.content);
    }
    if let Some(directive) = &news.directive {
        let _ = writeln!(out, "\n[{}]", directive_name(directive));
    }
    out
}

/// An answer between its marks.
fn answer_text(label: AnswerLabel, state: &RunState, budget: &mut usize) -> String {
    format!("<{label}>\n{}\n<end of {label}>\n", answer_body(label, state, budget))
}

/// The text of an answer, or where it is when the budget for texts is used up.
pub(super) fn answer_body(label: AnswerLabel, state: &RunState, budget: &mut usize) -> String {
    let Some(answer) = state.answers.get(&label) else {
        return String::new();
    };
    match budget.checked_sub(answer.content.len()) {
        Some(left) => {
            *budget = left;
            answer.content.to_string()
        }
        None => format!("[see {}]", state.answer_path(label)),
    }
}

fn directive_name(directive: &Directive) -> String {
    match directive {
        Directive::AnswerOrVote => "answer or vote".into(),
        Directive::VoteOnly => "vote".into(),
        Directive::Act { attempts_left, cause } => {
            format!("no decision ({cause}): {attempts_left} attempts left")
        }
        Directive::Summarize => "summarise the conversation".into(),
        Directive::WrapUp => "time is short: finish".into(),
        Directive::LastCall => "time is up: decide now".into(),
        Directive::Present { .. } => "present the final answer".into(),
        Directive::Synthesize { .. } => "write the final answer out of all answers".into(),
    }
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::AnswerAccepted { label } => format!("accepted as {label}"),
        Verdict::VoteCast { answer } => format!("vote for {answer} counted"),
        Verdict::VoteOutdated { newer } => format!("vote not counted; newer: {}", labels(newer)),
        Verdict::Refused { refusal } => format!("refused: {}", refusal.code()),
        Verdict::Superseded => "another call of the same reply took its place".into(),
    }
}

/// `labels`, with commas; of very many the first ones and how many more there are.
pub(super) fn labels(labels: &[AnswerLabel]) -> String {
    let mut text = labels.iter().take(LISTED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if labels.len() > LISTED {
        // Writing to a string cannot fail.
        let _ = write!(text, " and {} more", labels.len() - LISTED);
    }
    text
}
