//! The words for what happens in a run: one place, so that every frontend says the same.

use massgen_protocol::ToolOutcome;
use massgen_protocol::event::{
    AgentStatus, EndCause, FinalSource, OutCause, RoundLimit, RunOutcome, WaitCause, WinnerBasis,
};
use massgen_protocol::message::NotRunCause;
use massgen_protocol::turn::Refusal;

/// The state of an agent in one word.
pub fn status(status: &AgentStatus) -> &'static str {
    match status {
        AgentStatus::Working => "working",
        AgentStatus::Answered => "answered",
        AgentStatus::Voted => "voted",
        AgentStatus::Waiting { .. } => "waiting",
        AgentStatus::Presenting => "presents",
        AgentStatus::Out { .. } => "out",
        AgentStatus::Done => "done",
    }
}

/// What an agent waits for.
pub fn wait(cause: WaitCause) -> &'static str {
    match cause {
        WaitCause::Start => "the start",
        WaitCause::SlowerPeers => "slower peers",
        WaitCause::News => "a new answer",
    }
}

/// Why an agent is out. May hold text of a provider.
pub fn out(cause: &OutCause) -> String {
    match cause {
        OutCause::ModelFailed { failure } => format!("its model failed: {failure}"),
        OutCause::NeverActed => "it gave neither an answer nor a vote when asked again".to_owned(),
        OutCause::TimedOut => "it did not finish in its time".to_owned(),
    }
}

/// What a limit of time does to an agent.
pub fn limit(limit: RoundLimit) -> &'static str {
    match limit {
        RoundLimit::Soft => "is asked to finish: its time is almost up",
        RoundLimit::Hard => "must answer or vote now: its time is up",
        RoundLimit::Final => "did not finish in its time",
    }
}

/// Why coordination ended.
pub fn end(cause: EndCause) -> &'static str {
    match cause {
        EndCause::AllVoted => "all have voted",
        EndCause::AllAnswered => "all have answered",
        EndCause::AllOut => "no agent is left",
        EndCause::Deadline => "the deadline is reached",
        EndCause::Budget => "the budget is spent",
    }
}

/// What decided the winner.
pub fn basis(basis: WinnerBasis) -> &'static str {
    match basis {
        WinnerBasis::MostVotes => "most votes",
        WinnerBasis::Tie => "a tie, decided by the order of the agents",
        WinnerBasis::FirstAnswer => "no votes, first agent with an answer",
        WinnerBasis::LatestAnswer => "no votes, latest answer",
    }
}

/// Where the final text comes from.
pub fn source(source: FinalSource) -> &'static str {
    match source {
        FinalSource::Presented => "presented",
        FinalSource::Stored => "the winning answer as it is",
        FinalSource::StoredAsFallback => "the winning answer as it is, because it could not be presented",
    }
}

/// How a run ended.
pub fn outcome(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Answered => "answered",
        RunOutcome::NoAnswer => "no agent gave an answer",
        RunOutcome::DeadlineWithoutAnswer => "the deadline came before any answer",
        RunOutcome::BudgetWithoutAnswer => "the budget was spent before any answer",
    }
}

/// What went wrong with a tool call; `None` when it worked.
pub fn tool_trouble(outcome: &ToolOutcome) -> Option<&'static str> {
    match outcome {
        ToolOutcome::Ok { .. } => None,
        ToolOutcome::Error { .. } => Some("its tool failed"),
        ToolOutcome::Denied { .. } => Some("its tool call was denied"),
        ToolOutcome::Unknown => Some("nobody knows whether its tool call took place; it is not repeated"),
        ToolOutcome::NotRun { cause: NotRunCause::TimeIsUp } => {
            Some("its tool call was not started: its time is up")
        }
        ToolOutcome::NotRun { cause: NotRunCause::TooManyCalls } => {
            Some("its tool call was not started: too many in one reply")
        }
        ToolOutcome::NotRun { cause: NotRunCause::Unanswered } => {
            Some("its tool call was not started: the run was interrupted before you replied")
        }
        ToolOutcome::CutOff => Some("its tool call was cut off: its time is up"),
    }
}

/// Why a submission was refused. May hold text of a model.
pub fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::VoteAndAnswer => "an answer and a vote in one reply".to_owned(),
        Refusal::AnswerLimit => "the limit of answers is reached".to_owned(),
        Refusal::AheadOfPeers { slowest } => {
            format!("too far ahead of its peers (the slowest has {slowest})")
        }
        Refusal::NotNovel { like, overlap_per_mille } => {
            format!("too little new: {} % as in {like}", overlap_per_mille / 10)
        }
        Refusal::Duplicate { of } => format!("the same as {of}"),
        Refusal::NoAnswersYet => "a vote before there is an answer".to_owned(),
        Refusal::InvalidTarget { named } => format!("a vote for `{named}`, who has no answer"),
        Refusal::BadArguments { problem } => format!("unreadable arguments: {problem}"),
        Refusal::EmptyAnswer => "an empty answer".to_owned(),
        Refusal::NotWhilePresenting => "a tool that has no place in the final answer".to_owned(),
    }
}
