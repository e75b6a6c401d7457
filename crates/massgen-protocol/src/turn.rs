//! The conversation of an agent, by reference: which answers, replies, results and notes it was given, in order.
//!
//! The texts themselves are in other events. A prompt is a pure function of these turns, so a resumed run sends the
//! same bytes as the run that was killed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::NoteId;
use crate::ids::{AnswerLabel, CallId};

/// One step of an agent's conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "turn", rename_all = "snake_case")]
pub enum Turn {
    /// The first message: the task, and what is there already.
    Opening(News),
    /// The model replied.
    Reply {
        /// The call whose reply it was.
        call: CallId,
    },
    /// Every tool call of the reply before gets its result; then, maybe, news.
    Results {
        /// The call whose tool calls are answered.
        call: CallId,
        /// One result per tool call, in order.
        results: Vec<ResultRef>,
        /// What is new besides; empty news say nothing.
        news: News,
    },
    /// The engine tells the agent something.
    Update(News),
    /// The agent's own summary of the conversation that was here before.
    Recap {
        /// The call whose reply is the summary.
        call: CallId,
    },
}

/// What an agent is told: peers' new answers, notes of people, and what it should do now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    /// Answers that the agent has not been shown before, in order of agent number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerLabel>,
    /// Steering messages that it has not been shown before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteId>,
    /// What it should do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directive: Option<Directive>,
}

impl News {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.notes.is_empty() && self.directive.is_none()
    }
}

/// What the engine asks of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "directive", rename_all = "snake_case")]
pub enum Directive {
    /// Judge the answers: improve or vote.
    AnswerOrVote,
    /// Vote; the agent has used up its answers.
    VoteOnly,
    /// The last reply ended without `new_answer` or `vote`: do one of them now.
    Act {
        /// How many more such replies are accepted.
        attempts_left: u32,
        /// What was wrong with the reply.
        #[serde(default)]
        cause: Shortfall,
    },
    /// Time is short: finish within the current work.
    WrapUp,
    /// Time is up: only `new_answer` and `vote` work from now on.
    LastCall,
    /// The conversation has become long: write down what must not be lost, and nothing else.
    Summarize,
    /// Write the final answer as the winner.
    Present {
        /// The votes, most first.
        tally: Vec<TallyRow>,
        /// Whether the agent's folder holds the files of its answer again, whatever it did to them since.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restored: bool,
    },
    /// Write the final answer out of all answers.
    Synthesize {
        /// The votes, most first; empty when no votes were taken.
        tally: Vec<TallyRow>,
        /// Whether the agent's folder holds the files of its answer again, whatever it did to them since.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restored: bool,
    },
}

/// Why nothing came of a reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shortfall {
    /// It was complete, and no submission was in it.
    #[default]
    NoAction,
    /// It was cut at the bound on its output.
    CutShort,
    /// The provider's filter withheld it.
    Withheld,
    /// The model refused.
    Refused,
    /// The provider stopped before it was whole.
    Incomplete,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAction => "no answer and no vote in the reply",
            Self::CutShort => "the reply was cut at the bound on its length",
            Self::Withheld => "the reply was withheld by the provider's filter",
            Self::Refused => "the model refused",
            Self::Incomplete => "the reply broke off before it was complete",
        })
    }
}

/// Votes for one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TallyRow {
    /// The answer.
    pub answer: AnswerLabel,
    /// How many votes it has.
    pub votes: u32,
}

/// The result of one tool call, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ResultRef {
    /// A work tool ran (or was denied, or its outcome is unknown): see its `ToolCallFinished` event.
    Tool,
    /// A work tool ran; its result was left out later, to make room.
    Dropped,
    /// A workflow tool, judged by the engine.
    Verdict {
        /// The judgement.
        verdict: Verdict,
    },
}

/// What became of a submission: one value for the message to the model, the log and the counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The answer was accepted under this label.
    AnswerAccepted {
        /// Its label.
        label: AnswerLabel,
    },
    /// The vote was counted.
    VoteCast {
        /// The answer it is for.
        answer: AnswerLabel,
    },
    /// The vote does not count, because these answers came while it was cast.
    VoteOutdated {
        /// Answers that the voter had not seen.
        newer: Vec<AnswerLabel>,
    },
    /// Refused.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// Another call of the same reply took its place.
    Superseded,
}

/// Why a submission was refused. A refusal never ends an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// `vote` and `new_answer` in one reply.
    VoteAndAnswer,
    /// The agent or the run has used up its answers.
    AnswerLimit,
    /// The agent is too far ahead of its peers.
    AheadOfPeers {
        /// How many answers the slowest active peer has.
        slowest: u32,
    },
    /// The answer says too little new.
    NotNovel {
        /// The known answer that it repeats.
        like: AnswerLabel,
        /// Overlap of the word sets, in per mille.
        overlap_per_mille: u32,
    },
    /// The answer is the same as a known one.
    Duplicate {
        /// The known answer.
        of: AnswerLabel,
    },
    /// There is no answer to vote for yet.
    NoAnswersYet,
    /// The vote names nobody who has an answer.
    InvalidTarget {
        /// What the vote named, cut to a printable length.
        named: String,
    },
    /// The arguments cannot be read.
    BadArguments {
        /// What is wrong with them.
        problem: String,
    },
    /// The answer is empty.
    EmptyAnswer,
    /// This tool has no place while the final answer is written.
    NotWhilePresenting,
}

impl Refusal {
    /// The reason code that logs and `status.json` carry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::VoteAndAnswer => "vote_and_answer",
            Self::AnswerLimit | Self::AheadOfPeers { .. } => "answer_limit",
            Self::NotNovel { .. } => "answer_novelty",
            Self::Duplicate { .. } => "answer_duplicate",
            Self::NoAnswersYet => "vote_no_answers",
            Self::InvalidTarget { .. } => "invalid_vote_id",
            Self::BadArguments { .. } | Self::EmptyAnswer | Self::NotWhilePresenting => "no_workflow_tool",
        }
    }
}
