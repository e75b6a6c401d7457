//! Interpreting a complete reply: run its tools first, then judge its decision, then say what became of it.

use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::event::{FinalSource, Occasion, OutCause, RoundLimit, WaitCause};
use massgen_protocol::message::{FinishReason, NotRunCause, ToolOutcome};
use massgen_protocol::spec::PeerUpdates;
use massgen_protocol::turn::{Directive, News, Refusal, Shortfall, Turn};
use massgen_protocol::{AgentNo, AnswerLabel, CallId, Event, ToolCall, ToolUse, Tooling, limits};

use crate::draft::Draft;
use crate::gate::{VoteJudgement, has_files_to_keep, judge_answer, judge_vote, may_answer};
use crate::state::{Agent, State};
use crate::submission::{Ballot, Submission, read};

/// What a reply amounts to, once its tools have run.
enum Decision {
    /// An answer.
    Answer(Result<String, Refusal>),
    /// A vote.
    Vote(Result<Ballot, Refusal>),
    /// Both at once.
    Both {
        /// What the answer says.
        answer: Result<String, Refusal>,
    },
    /// Work tools ran; the agent goes on.
    Worked,
    /// Nothing that leads on.
    Nothing,
}

impl Draft<'_> {
    /// Interprets the reply to `call` of a coordinating agent.
    pub(crate) fn decide(&mut self, no: AgentNo, call: CallId) {
        if self.run_tools(no, call) {
            return;
        }
        let Some(agent) = self.state.agent(no) else { return };
        let ending = ending(agent, call);
        let decision = decision(agent, call);
        let is_unusable =
            matches!(decision, Decision::Answer(Err(_)) | Decision::Vote(Err(_)) | Decision::Nothing);
        // What was cut off by a full window cannot be mended by asking again, unless there is more room then.
        if is_unusable && ending == Ending::WindowFull && !self.drop_results(no) {
            return self.begin_afresh(no);
        }
        let Some(agent) = self.state.agent(no) else { return };
        match decision {
            Decision::Both { .. } => self.refuse(no, call, Refusal::VoteAndAnswer),
            Decision::Answer(Err(refusal)) | Decision::Vote(Err(refusal)) => {
                self.refuse(no, call, ending.explain(refusal));
            }
            Decision::Answer(Ok(content)) => match judge_answer(self.state, agent, call, &content) {
                Ok(()) => {
                    if self.keeps_files_first(no, call) {
                        return;
                    }
                    let Some(agent) = self.state.agent(no) else { return };
                    let (label, seen) = (no.label(agent.answer_count() + 1), agent.seen.clone());
                    let snapshot = agent.kept_for(call).and_then(|kept| kept.snapshot.clone());
                    self.emit(Event::AnswerAccepted { label, content: Arc::from(content), seen, snapshot });
                }
                Err(refusal) => self.refuse(no, call, refusal),
            },
            Decision::Vote(Ok(ballot)) => self.take_vote(no, call, ballot),
            Decision::Worked => {
                let news = self.news_at_tool_boundary(no);
                self.tell(no, news, Occasion::ToolBoundary);
            }
            Decision::Nothing => self.count_no_decision(no, call, ending.shortfall()),
        }
    }

    /// Interprets the reply to `call` of the presenter; `stored` is the answer that stands in.
    pub(crate) fn decide_presentation(&mut self, no: AgentNo, call: CallId, stored: AnswerLabel) {
        if self.run_tools(no, call) {
            return;
        }
        let Some(agent) = self.state.agent(no) else { return };
        let text = said(agent);
        let ending = ending(agent, call);
        let attempts = self.state.spec.orchestration.enforcement_attempts.get();
        let refusals = agent.work().map_or(0, |work| work.refusals + work.no_decisions) + 1;
        let refusal = match decision(agent, call) {
            // There is nothing to vote on any more: a vote beside the final text takes nothing from it.
            Decision::Answer(Ok(content)) | Decision::Both { answer: Ok(content) } => {
                return self.present(no, call, content);
            }
            Decision::Worked => {
                let news = self.unseen_news(no, None);
                return self.tell(no, news, Occasion::ToolBoundary);
            }
            Decision::Nothing | Decision::Vote(_) if ending != Ending::Complete => {
                let message =
                    format!("the final answer {}: the stored answer stands in its place", ending.words());
                self.emit(Event::Degraded { message, agent: Some(no) });
                return self.finish_with_stored(stored, FinalSource::StoredAsFallback);
            }
            // A presenter that just writes has presented.
            Decision::Nothing | Decision::Vote(_) if !text.trim().is_empty() => {
                return self.present(no, call, text);
            }
            Decision::Nothing => None,
            Decision::Answer(Err(refusal)) | Decision::Both { answer: Err(refusal) } => Some(refusal),
            Decision::Vote(_) => Some(Refusal::NotWhilePresenting),
        };
        if refusals >= attempts {
            return self.finish_with_stored(stored, FinalSource::StoredAsFallback);
        }
        let attempts_left = attempts - refusals;
        let cause = Shortfall::NoAction;
        self.emit(match refusal {
            Some(refusal) => Event::SubmissionRefused { agent: no, call, refusal },
            None => Event::NoDecision { agent: no, call, attempt: refusals, max_attempts: attempts, cause },
        });
        let act = Directive::Act { attempts_left, cause };
        let news = News { directive: Some(act), ..News::default() };
        self.tell(no, news, Occasion::Retry);
    }

    /// What the presenter wrote becomes the result, with its files.
    fn present(&mut self, no: AgentNo, call: CallId, text: String) {
        if self.keeps_files_first(no, call) {
            return;
        }
        let kept = self.state.agent(no).and_then(|agent| agent.kept_for(call));
        let snapshot = kept.and_then(|kept| kept.snapshot.clone());
        self.finish_with(no, Arc::from(text), FinalSource::Presented, snapshot);
    }

    /// Starts the work tools of a reply that have not been dealt with, as many as may run together. Returns whether there
    /// were any.
    fn run_tools(&mut self, no: AgentNo, call: CallId) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let time_is_up = agent.work().is_some_and(|work| work.limit >= Some(RoundLimit::Hard));
        let pending: Vec<(ToolUse, ToolCall)> = work_tools(agent, call)
            .filter(|(tool_use, _)| agent.tool_outcome(*tool_use).is_none())
            .map(|(tool_use, tool_call)| (tool_use, tool_call.clone()))
            .collect();
        let any = !pending.is_empty();
        let (run, refused): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(tool_use, _)| {
            !time_is_up && usize::from(tool_use.index) < limits::TOOL_CALLS_PER_REPLY
        });
        let together = self.tools_together(no);
        for (tool_use, _) in refused {
            let cause = if time_is_up { NotRunCause::TimeIsUp } else { NotRunCause::TooManyCalls };
            let outcome = ToolOutcome::NotRun { cause };
            self.emit(Event::ToolCallFinished {
                tool_use,
                outcome,
                duration: Duration::ZERO,
                decisions: Vec::new(),
            });
        }
        for (tool_use, tool_call) in run.into_iter().take(together) {
            self.emit(Event::ToolCallStarted { tool_use, tool_call });
        }
        any
    }

    /// Starts further tools of the reply to `call`, of which `running` are under way. Returns whether it did.
    pub(crate) fn start_more_tools(&mut self, no: AgentNo, call: CallId, running: usize) -> bool {
        let room = self.tools_together(no).saturating_sub(running);
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let waiting = work_tools(agent, call)
            .filter(|(tool_use, _)| agent.tool_outcome(*tool_use).is_none() && !agent.is_running(*tool_use))
            .take(room);
        let next: Vec<(ToolUse, ToolCall)> =
            waiting.map(|(tool_use, tool_call)| (tool_use, tool_call.clone())).collect();
        let any = !next.is_empty();
        for (tool_use, tool_call) in next {
            self.emit(Event::ToolCallStarted { tool_use, tool_call });
        }
        any
    }

    /// How many tools of one reply run together.
    fn tools_together(&self, no: AgentNo) -> usize {
        let together = self.state.agent_spec(no).map_or(Tooling::CONCURRENT, |spec| spec.tooling.concurrent);
        usize::try_from(together.get()).unwrap_or(usize::MAX)
    }

    /// Keeps the files of an agent with a workspace before what it submits counts. Returns whether that has yet to happen.
    fn keeps_files_first(&mut self, no: AgentNo, call: CallId) -> bool {
        let to_keep = self.state.agent(no).is_some_and(|agent| has_files_to_keep(self.state, agent, call));
        if to_keep {
            self.emit(Event::SnapshotStarted { call });
        }
        to_keep
    }

    fn take_vote(&mut self, no: AgentNo, call: CallId, ballot: Ballot) {
        let Some(agent) = self.state.agent(no) else { return };
        let seen = agent.seen.clone();
        match judge_vote(self.state, agent, &ballot) {
            VoteJudgement::Cast(answer) => {
                self.emit(Event::VoteCast { voter: no, answer, reason: short(ballot.reason), seen });
            }
            VoteJudgement::Outdated(answer) => {
                let newer = self.state.revisions.newer_than(&seen).collect();
                self.emit(Event::VoteIgnored { voter: no, answer, reason: short(ballot.reason), newer });
            }
            VoteJudgement::Refused(refusal) => self.refuse(no, call, refusal),
        }
    }

    /// Tells the agent why its submission does not count and lets it try again; after too many in one execution it
    /// waits for news instead. It is never ended.
    fn refuse(&mut self, no: AgentNo, call: CallId, refusal: Refusal) {
        let ahead = matches!(refusal, Refusal::AheadOfPeers { .. });
        let vote_only = matches!(refusal, Refusal::AnswerLimit);
        self.emit(Event::SubmissionRefused { agent: no, call, refusal });
        let attempts = self.state.spec.orchestration.enforcement_attempts.get();
        let refusals = self.state.agent(no).and_then(Agent::work).map_or(0, |work| work.refusals);
        if ahead {
            self.park(no, WaitCause::SlowerPeers);
        } else if refusals >= attempts {
            self.park(no, WaitCause::News);
        } else {
            let directive = self.state.due_directive(no).or_else(|| vote_only.then_some(Directive::VoteOnly));
            let mut news = self.unseen_news(no, directive);
            if !vote_only {
                // Its own work comes first; who can only vote must know for what.
                news.answers.clear();
            }
            self.tell(no, news, Occasion::Retry);
        }
    }

    fn count_no_decision(&mut self, no: AgentNo, call: CallId, cause: Shortfall) {
        let max_attempts = self.state.spec.orchestration.enforcement_attempts.get();
        let attempt = self.state.agent(no).and_then(Agent::work).map_or(0, |work| work.no_decisions) + 1;
        self.emit(Event::NoDecision { agent: no, call, attempt, max_attempts, cause });
        if attempt >= max_attempts {
            return self.drop_out(no, OutCause::NeverActed);
        }
        let attempts_left = max_attempts - attempt;
        let directive = self.state.due_directive(no).unwrap_or(Directive::Act { attempts_left, cause });
        let news = News { answers: Vec::new(), ..self.unseen_news(no, Some(directive)) };
        self.tell(no, news, Occasion::Retry);
    }

    /// What rides along with tool results: peers' answers where injection is allowed, notes, time limits.
    fn news_at_tool_boundary(&self, no: AgentNo) -> News {
        let answers = self.state.agent(no).map(|agent| injectable(self.state, agent)).unwrap_or_default();
        News { answers, ..self.unseen_news(no, self.state.due_directive(no)) }
    }
}

impl State {
    /// Whether `no` is told something new with the results of its tools, once they have ended: peers' answers, steering, or
    /// a time limit. Tools that only wait need not wait any longer then.
    pub fn has_news_at_tool_boundary(&self, no: AgentNo) -> bool {
        self.agent(no).is_some_and(|agent| {
            !self.undelivered_notes(agent).is_empty()
                || self.due_directive(no).is_some()
                || !injectable(self, agent).is_empty()
        })
    }

    /// The message of a time limit that was reached and not told yet.
    pub(crate) fn due_directive(&self, no: AgentNo) -> Option<Directive> {
        let work = self.agent(no)?.work()?;
        if work.told >= work.limit {
            return None;
        }
        match work.limit? {
            RoundLimit::Soft => Some(Directive::WrapUp),
            RoundLimit::Hard | RoundLimit::Final => Some(Directive::LastCall),
        }
    }
}

/// How complete a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// As complete as the model wanted it.
    Complete,
    /// Cut at the bound on its output.
    CutShort,
    /// Cut because the context window is full.
    WindowFull,
    /// Withheld by the provider's filter.
    Withheld,
    /// The model refused.
    Refused,
    /// Stopped by the provider before it was whole, or for a reason that does not say that it is whole.
    Incomplete,
}

impl Ending {
    fn shortfall(self) -> Shortfall {
        match self {
            Self::Complete => Shortfall::NoAction,
            Self::CutShort | Self::WindowFull => Shortfall::CutShort,
            Self::Withheld => Shortfall::Withheld,
            Self::Refused => Shortfall::Refused,
            Self::Incomplete => Shortfall::Incomplete,
        }
    }

    /// Arguments that were cut off are told as such.
    fn explain(self, refusal: Refusal) -> Refusal {
        match (self, refusal) {
            (Self::CutShort | Self::WindowFull, Refusal::BadArguments { .. }) => Refusal::BadArguments {
                problem: "the reply was cut at the bound on its length before they were complete; write less"
                    .to_owned(),
            },
            (Self::Incomplete, Refusal::BadArguments { .. }) => Refusal::BadArguments {
                problem: "the reply broke off before they were complete; send them again".to_owned(),
            },
            (_, refusal) => refusal,
        }
    }

    /// What happened to a text that ended so.
    fn words(self) -> &'static str {
        match self {
            Self::Complete => "is complete",
            Self::CutShort => "was cut at the bound on the output (`max_tokens`)",
            Self::WindowFull => "was cut because the context window is full",
            Self::Withheld => "was withheld by the provider's filter",
            Self::Refused => "was refused by the model",
            Self::Incomplete => "broke off before it was complete",
        }
    }
}

fn ending(agent: &Agent, call: CallId) -> Ending {
    match agent.reply(call).map(|reply| &reply.finish) {
        Some(FinishReason::Length) => Ending::CutShort,
        Some(FinishReason::WindowFull) => Ending::WindowFull,
        Some(FinishReason::ContentFilter) => Ending::Withheld,
        Some(FinishReason::Refusal) => Ending::Refused,
        Some(FinishReason::Incomplete | FinishReason::Other(_)) => Ending::Incomplete,
        Some(FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Paused) | None => Ending::Complete,
    }
}

/// The text of the last reply, with that of the paused replies that it continues.
fn said(agent: &Agent) -> String {
    let replies = agent.conversation.iter().rev().map_while(|turn| match turn {
        Turn::Reply { call } => agent.reply(*call),
        Turn::Opening(_) | Turn::Results { .. } | Turn::Update(_) | Turn::Recap { .. } => None,
    });
    let mut texts: Vec<String> = replies.map(|reply| reply.text()).collect();
    texts.reverse();
    texts.concat()
}

/// The work tools of the reply to `call`, with their places.
fn work_tools(agent: &Agent, call: CallId) -> impl Iterator<Item = (ToolUse, &ToolCall)> {
    let calls = agent.replies.get(&call).into_iter().flat_map(|reply| reply.tool_calls());
    calls
        .zip(0..=u16::MAX)
        .filter(|(tool_call, _)| read(tool_call).is_none())
        .map(move |(tool_call, index)| (ToolUse { call, index }, tool_call))
}

/// Reads the decision of a reply whose tools have all ended.
fn decision(agent: &Agent, call: CallId) -> Decision {
    let submissions =
        agent.replies.get(&call).into_iter().flat_map(|reply| reply.tool_calls()).filter_map(read);
    let (mut answer, mut vote) = (None, None);
    for submission in submissions {
        // Of several submissions of a kind the last one counts.
        match submission {
            Submission::Answer(result) => answer = Some(result),
            Submission::Vote(result) => vote = Some(result),
        }
    }
    match (answer, vote) {
        (Some(answer), Some(_)) => Decision::Both { answer },
        (Some(answer), None) => Decision::Answer(answer),
        (None, Some(vote)) => Decision::Vote(vote),
        (None, None) => {
            let led_on = |(tool_use, _)| match agent.tool_outcome(tool_use) {
                // Who hears that something is not allowed can do it another way; who calls what does not exist only talks.
                Some(ToolOutcome::Denied { .. }) => agent.judged.contains(&tool_use),
                Some(ToolOutcome::NotRun { .. }) | None => false,
                Some(
                    ToolOutcome::Ok { .. }
                    | ToolOutcome::Error { .. }
                    | ToolOutcome::Unknown
                    | ToolOutcome::CutOff,
                ) => true,
            };
            if work_tools(agent, call).any(led_on) { Decision::Worked } else { Decision::Nothing }
        }
    }
}

/// Peer answers that may be injected into the execution under way: the newest first up to the limit per execution.
fn injectable(state: &State, agent: &Agent) -> Vec<AnswerLabel> {
    let options = &state.spec.orchestration;
    let Some(work) = agent.work() else {
        return Vec::new();
    };
    let grace = state.spec.timeouts.round_grace;
    let too_late = state.soft_limit(agent, work).is_some_and(|soft| state.now + grace > soft);
    // An agent at its first answer works undisturbed.
    if options.peer_updates != PeerUpdates::Inject || agent.answers.is_empty() || too_late {
        return Vec::new();
    }
    let mut unseen: Vec<AnswerLabel> = state.revisions.newer_than(&agent.seen).collect();
    unseen.sort_by_key(|label| std::cmp::Reverse(state.answer(*label).map(|answer| answer.order)));
    let left = match options.fairness_lead_cap {
        Some(_) => options.max_injections_per_execution.get().saturating_sub(work.injected),
        None => u32::MAX,
    };
    unseen.truncate(usize::try_from(left).unwrap_or(usize::MAX));
    unseen.sort();
    unseen
}

/// What the next execution asks for.
pub(crate) fn opening_directive(state: &State, agent: &Agent) -> Option<Directive> {
    if !state.has_answers() {
        return None;
    }
    Some(if may_answer(state, agent) { Directive::AnswerOrVote } else { Directive::VoteOnly })
}

/// Cuts a vote's reason to its limit, at a character boundary.
fn short(mut reason: String) -> String {
    let mut end = limits::VOTE_REASON_BYTES.min(reason.len());
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}
