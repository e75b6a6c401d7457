//! The fold of events into the state: the only code that changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use massgen_protocol::event::{
    AgentStatus, CallOutcome, Compaction, Conversation, Occasion, OutCause, RoundLimit, WaitCause,
};
use massgen_protocol::message::{Asking, FinishReason};
use massgen_protocol::spec::RunMeta;
use massgen_protocol::turn::{News, ResultRef, Turn, Verdict};
use massgen_protocol::{
    AgentNo, CallId, Event, MadeFiles, NoteId, RevisionSet, RunMillis, RunSpec, ToolUse, limits,
};

use crate::compact::droppable;
use crate::state::{
    Agent, AgentState, Aim, Answer, ContextSize, Kept, Phase, Reserved, Spent, State, Vote, Work, WorkStep,
};

impl State {
    /// The state after `RunStarted`.
    pub(crate) fn started(spec: &Arc<RunSpec>, meta: &RunMeta, now: RunMillis) -> Self {
        let registration = spec.agent_nos();
        let count = registration.len();
        let mut agents: Vec<Agent> = registration
            .iter()
            .zip(&spec.agents)
            .map(|(no, agent)| Agent {
                no: *no,
                id: agent.id.clone(),
                state: AgentState::Waiting { on: WaitCause::Start },
                announced: AgentStatus::Waiting { on: WaitCause::Start },
                answers: Vec::new(),
                seen: RevisionSet::empty(count),
                notes_seen: NoteId(0),
                verdict: None,
                conversation: Vec::new(),
                replies: BTreeMap::new(),
                tool_outcomes: BTreeMap::new(),
                judged: BTreeSet::new(),
                asking: BTreeSet::new(),
                context: ContextSize::default(),
                calls: 0,
                executions: 0,
                fallback: 0,
                kept: None,
                told_left_out: BTreeSet::new(),
                fresh_starts: 0,
            })
            .collect();
        agents.sort_by_key(|agent| agent.no);
        Self {
            spec: Arc::clone(spec),
            agents,
            registration,
            revisions: RevisionSet::empty(count),
            notes: Vec::new(),
            made: MadeFiles::default(),
            phase: Phase::Coordinating,
            presenter_replied: false,
            interrupted: false,
            spent: Spent::default(),
            reserved: BTreeMap::new(),
            fixed_prompt_bytes: meta.fixed_prompt_bytes,
            now,
        }
    }

    /// Folds `event`, which happened at `now`, into the state.
    pub fn apply(&mut self, event: &Event, now: RunMillis) {
        self.now = now;
        self.made.fold(event);
        match event {
            // The first event makes the state; see `started`. The others are for observers.
            Event::RunStarted { .. }
            | Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::Degraded { .. } => {}
            Event::RunInterrupted { .. } => self.interrupted = true,
            Event::RunResumed => self.interrupted = false,
            Event::ExecutionStarted { agent, execution, conversation, .. } => {
                self.start_execution(*agent, *execution, *conversation);
            }
            Event::PromptExtended { agent, turn, occasion } => self.extend_prompt(*agent, turn, *occasion),
            Event::ModelCallStarted { call, reserved_tokens, reserved_cost, .. } => {
                self.reserved.insert(*call, Reserved { tokens: *reserved_tokens, cost: *reserved_cost });
                if let Some(agent) = self.agents.get_mut(call.agent.index()) {
                    agent.calls = agent.calls.max(call.number);
                    if let Some(work) = agent.work_mut() {
                        work.step = WorkStep::Calling { call: *call };
                    }
                }
            }
            Event::ModelCallFinished { call, outcome } => self.finish_call(*call, outcome),
            Event::ToolCallStarted { tool_use, .. } => self.open_tool(*tool_use),
            Event::ToolCallFinished { tool_use, outcome, decisions, .. } => {
                if let Some(agent) = self.agents.get_mut(tool_use.call.agent.index()) {
                    if !decisions.is_empty() {
                        agent.judged.insert(*tool_use);
                    }
                    agent.asking.remove(tool_use);
                    agent.tool_outcomes.insert(*tool_use, outcome.clone());
                    agent.context.add_bytes(outcome_bytes(outcome));
                }
                self.close_tool(*tool_use);
            }
            Event::ToolCallAsked { tool_use, asking } => {
                if let Some(agent) = self.agents.get_mut(tool_use.call.agent.index()) {
                    match asking {
                        Asking::Asked { .. } | Asking::Misunderstood { .. } => agent.asking.insert(*tool_use),
                        Asking::Over => agent.asking.remove(tool_use),
                    };
                }
            }
            Event::SnapshotStarted { call } => {
                if let Some(work) = self.agents.get_mut(call.agent.index()).and_then(Agent::work_mut) {
                    work.step = WorkStep::Keeping { call: *call };
                }
            }
            Event::SnapshotFinished { call, outcome } => {
                if let Some(agent) = self.agents.get_mut(call.agent.index()) {
                    let snapshot = outcome.kept().map(|snapshot| snapshot.id.clone());
                    let left_out =
                        outcome.kept().map(|snapshot| snapshot.left_out.clone()).unwrap_or_default();
                    agent.told_left_out.extend(left_out.keys().cloned());
                    agent.kept = Some(Kept { call: *call, snapshot, left_out });
                    if let Some(work) = agent.work_mut() {
                        work.step = WorkStep::Deciding { call: *call };
                    }
                }
            }
            Event::AnswerAccepted { label, content, snapshot, .. } => {
                let order = self.answer_count();
                self.revisions.include(*label);
                if let Some(agent) = self.agents.get_mut(label.agent.index()) {
                    let kept = agent.kept.as_ref().filter(|kept| kept.snapshot == *snapshot);
                    let left_out = kept.map(|kept| kept.left_out.clone()).unwrap_or_default();
                    agent.answers.push(Answer {
                        content: Arc::clone(content),
                        order,
                        snapshot: snapshot.clone(),
                        left_out,
                    });
                    agent.seen.include(*label);
                    agent.verdict = Some(Verdict::AnswerAccepted { label: *label });
                    agent.fresh_starts = 0;
                    agent.state = AgentState::Answered;
                }
            }
            Event::VoteCast { voter, answer, seen, .. } => {
                if let Some(agent) = self.agents.get_mut(voter.index()) {
                    agent.verdict = Some(Verdict::VoteCast { answer: *answer });
                    agent.fresh_starts = 0;
                    agent.state = AgentState::Voted(Vote { answer: *answer, seen: seen.clone() });
                }
            }
            Event::VoteIgnored { voter, newer, .. } => {
                if let Some(agent) = self.agents.get_mut(voter.index()) {
                    agent.verdict = Some(Verdict::VoteOutdated { newer: newer.clone() });
                    agent.state = AgentState::Waiting { on: WaitCause::Start };
                }
            }
            Event::SubmissionRefused { agent, refusal, .. } => {
                if let Some(agent) = self.agents.get_mut(agent.index()) {
                    agent.verdict = Some(Verdict::Refused { refusal: refusal.clone() });
                    if let Some(work) = agent.work_mut() {
                        work.refusals += 1;
                        work.no_decisions = 0;
                    }
                }
            }
            Event::NoDecision { agent, attempt, .. } => {
                if let Some(work) = self.agents.get_mut(agent.index()).and_then(Agent::work_mut) {
                    work.no_decisions = *attempt;
                }
            }
            Event::FallbackTaken { agent, entry, .. } => {
                if let Some(agent) = self.agents.get_mut(agent.index()) {
                    agent.fallback = *entry;
                    if let Some(work) = agent.work_mut() {
                        work.step = WorkStep::Ready;
                    }
                }
            }
            Event::ConversationCompacted { agent, compaction } => self.compact(*agent, compaction),
            Event::AgentStateChanged { agent, state } => self.announce(*agent, state),
            Event::NoteReceived { note, .. } => self.notes.push(note.clone()),
            Event::RoundLimitReached { agent, limit } => self.reach_limit(*agent, *limit),
            Event::CoordinationEnded { cause } => self.phase = Phase::Ended { cause: *cause },
            Event::WinnerSelected { answer, tally, .. } => {
                if let Phase::Ended { cause } = self.phase {
                    self.phase =
                        Phase::Won { cause, answer: *answer, tally: tally.clone(), presentation: None };
                }
            }
            Event::PresentationStarted { strategy, .. } => {
                if let Phase::Won { presentation, .. } = &mut self.phase {
                    *presentation = Some(*strategy);
                }
            }
            Event::FinalAnswerReady { .. } => self.phase = Phase::Final,
            Event::RunFinished { outcome } => self.phase = Phase::Finished { outcome: *outcome },
        }
    }

    fn start_execution(&mut self, no: AgentNo, execution: u32, conversation: Conversation) {
        let now = self.now;
        let fixed = self.fixed_prompt_bytes;
        let presenting = matches!(&self.phase, Phase::Won { presentation: Some(_), .. });
        let count = self.agents.len();
        let Some(agent) = self.agents.get_mut(no.index()) else {
            return;
        };
        agent.executions = execution;
        if conversation == Conversation::Fresh && agent.work().is_some() {
            // Only a full window makes an execution begin anew before it has ended.
            agent.fresh_starts = agent.fresh_starts.saturating_add(1);
        }
        let work = Work {
            execution,
            started: now,
            step: WorkStep::Ready,
            no_decisions: 0,
            refusals: 0,
            injected: 0,
            limit: None,
            told: None,
            aim: Aim::Decision,
            pauses: 0,
        };
        agent.state = if presenting { AgentState::Presenting(work) } else { AgentState::Working(work) };
        match conversation {
            Conversation::Continued => {}
            Conversation::Fresh => {
                agent.conversation.clear();
                agent.replies.clear();
                agent.tool_outcomes.clear();
                agent.judged.clear();
                agent.verdict = None;
                agent.seen = RevisionSet::empty(count);
                agent.notes_seen = NoteId(0);
                agent.context = ContextSize { tokens: 0, added_bytes: fixed };
            }
        }
    }

    fn extend_prompt(&mut self, no: AgentNo, turn: &Turn, occasion: Occasion) {
        let bytes = turn_news(turn).map_or(0, |news| self.news_bytes(news));
        let count = u32::try_from(self.notes.len()).unwrap_or(u32::MAX);
        let Some(agent) = self.agents.get_mut(no.index()) else {
            return;
        };
        agent.context.add_bytes(bytes);
        if let Some(news) = turn_news(turn) {
            for label in &news.answers {
                agent.seen.include(*label);
            }
            // Notes are always delivered all at once, so everything up to the newest one is dealt with.
            if !news.notes.is_empty() || matches!(turn, Turn::Opening(_)) {
                agent.notes_seen = NoteId(count);
            }
        }
        if matches!(turn, Turn::Results { .. }) {
            agent.verdict = None;
        }
        let sources = turn_news(turn).map_or(0, |news| u32::try_from(news.answers.len()).unwrap_or(u32::MAX));
        agent.conversation.push(turn.clone());
        let Some(work) = agent.work_mut() else { return };
        match occasion {
            Occasion::ToolBoundary => {
                work.injected = work.injected.saturating_add(sources);
                // Work led on: replies without a decision are no longer in a row.
                work.no_decisions = 0;
            }
            Occasion::Compaction => work.aim = Aim::Summary,
            Occasion::ExecutionStart | Occasion::Retry | Occasion::Limit | Occasion::Presentation => {}
        }
        if occasion != Occasion::ExecutionStart && occasion != Occasion::Presentation {
            work.told = work.told.max(told_by(turn));
        }
        work.step = WorkStep::Ready;
    }

    /// Bytes that `news` add to a prompt, tags included, roughly.
    pub(crate) fn news_bytes(&self, news: &News) -> u64 {
        let answers = news.answers.iter().filter_map(|label| self.answer(*label));
        let answers = answers.map(|answer| answer.content.len().min(limits::ANSWER_IN_PROMPT_BYTES));
        let notes = news.notes.iter().filter_map(|id| self.note(*id)).map(|note| note.content.len());
        answers.chain(notes).map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX) + 64).sum::<u64>() + 256
    }

    fn finish_call(&mut self, call: CallId, outcome: &CallOutcome) {
        self.reserved.remove(&call);
        if matches!(outcome, CallOutcome::Replied { .. }) && self.presenter() == Some(call.agent) {
            self.presenter_replied = true;
        }
        let (usage, cost) = match outcome {
            CallOutcome::Replied { reply, cost } => (Some(reply.usage), *cost),
            CallOutcome::Cancelled { usage, cost } => (Some(*usage), *cost),
            CallOutcome::Failed { .. } => (None, None),
        };
        self.spent.tokens = self.spent.tokens.saturating_add(usage.map_or(0, |usage| usage.total()));
        self.spent.cost += cost.unwrap_or_default();
        let Some(agent) = self.agents.get_mut(call.agent.index()) else {
            return;
        };
        match outcome {
            CallOutcome::Replied { reply, .. } => {
                agent.replies.insert(call, Arc::clone(reply));
                agent.conversation.push(Turn::Reply { call });
                let bytes = u64::try_from(reply.bytes()).unwrap_or(u64::MAX);
                agent.context = if reply.usage.total() == 0 {
                    ContextSize { tokens: agent.context.with_bytes(bytes).likely_tokens(), added_bytes: 0 }
                } else {
                    ContextSize { tokens: reply.usage.total(), added_bytes: 0 }
                };
                if let Some(work) = agent.work_mut() {
                    let is_paused =
                        reply.finish == FinishReason::Paused && reply.tool_calls().next().is_none();
                    work.step = if is_paused && work.pauses < limits::PAUSES_PER_EXECUTION {
                        work.pauses += 1;
                        WorkStep::Ready
                    } else {
                        WorkStep::Deciding { call }
                    };
                }
            }
            CallOutcome::Failed { failure } => {
                if let Some(work) = agent.work_mut() {
                    work.step = WorkStep::Failed { failure: failure.clone() };
                }
            }
            CallOutcome::Cancelled { .. } => {
                if let Some(work) = agent.work_mut() {
                    work.step = WorkStep::Ready;
                }
            }
        }
    }

    fn compact(&mut self, no: AgentNo, compaction: &Compaction) {
        match compaction {
            Compaction::ResultsDropped { .. } => {
                if let Some(agent) = self.agents.get_mut(no.index()) {
                    agent.leave_out_results();
                }
            }
            Compaction::Summarized { call, news } => self.begin_with_summary(no, *call, news),
        }
    }

    fn begin_with_summary(&mut self, no: AgentNo, call: CallId, news: &News) {
        let told = self.news_bytes(news).saturating_add(self.fixed_prompt_bytes);
        let notes = u32::try_from(self.notes.len()).unwrap_or(u32::MAX);
        let count = self.agents.len();
        let Some(agent) = self.agents.get_mut(no.index()) else {
            return;
        };
        agent.replies.retain(|known, _| *known == call);
        agent.tool_outcomes.clear();
        agent.judged.clear();
        agent.verdict = None;
        agent.conversation = vec![Turn::Opening(news.clone()), Turn::Recap { call }];
        agent.seen = RevisionSet::empty(count);
        for label in &news.answers {
            agent.seen.include(*label);
        }
        agent.notes_seen = NoteId(notes);
        let summary = agent.replies.get(&call).map_or(0, |reply| reply.text().len());
        let summary = u64::try_from(summary).unwrap_or(u64::MAX);
        agent.context = ContextSize { tokens: 0, added_bytes: told.saturating_add(summary) };
        if let Some(work) = agent.work_mut() {
            work.aim = Aim::Decision;
            work.step = WorkStep::Ready;
        }
    }

    fn open_tool(&mut self, tool_use: ToolUse) {
        let Some(work) = self.agents.get_mut(tool_use.call.agent.index()).and_then(Agent::work_mut) else {
            return;
        };
        match &mut work.step {
            WorkStep::Tools { open, .. } => drop(open.insert(tool_use)),
            WorkStep::Ready
            | WorkStep::Calling { .. }
            | WorkStep::Deciding { .. }
            | WorkStep::Keeping { .. }
            | WorkStep::Failed { .. } => {
                work.step = WorkStep::Tools { call: tool_use.call, open: [tool_use].into() };
            }
        }
    }

    fn close_tool(&mut self, tool_use: ToolUse) {
        let Some(work) = self.agents.get_mut(tool_use.call.agent.index()).and_then(Agent::work_mut) else {
            return;
        };
        if let WorkStep::Tools { call, open } = &mut work.step {
            open.remove(&tool_use);
            if open.is_empty() {
                work.step = WorkStep::Deciding { call: *call };
            }
        }
    }

    /// Observers are told of every state; those states that no other event brings about begin here.
    fn announce(&mut self, no: AgentNo, status: &AgentStatus) {
        let Some(agent) = self.agents.get_mut(no.index()) else {
            return;
        };
        agent.announced = status.clone();
        match status {
            AgentStatus::Waiting { on } => agent.state = AgentState::Waiting { on: *on },
            AgentStatus::Out { cause } => agent.state = AgentState::Out { cause: cause.clone() },
            AgentStatus::Done => agent.state = AgentState::Done,
            AgentStatus::Working | AgentStatus::Answered | AgentStatus::Voted | AgentStatus::Presenting => {}
        }
    }

    fn reach_limit(&mut self, no: AgentNo, limit: RoundLimit) {
        let Some(agent) = self.agents.get_mut(no.index()) else {
            return;
        };
        match limit {
            RoundLimit::Soft | RoundLimit::Hard => {
                if let Some(work) = agent.work_mut() {
                    work.limit = work.limit.max(Some(limit));
                }
            }
            RoundLimit::Final => agent.state = AgentState::Out { cause: OutCause::TimedOut },
        }
    }
}

impl Agent {
    fn leave_out_results(&mut self) {
        let dropped = droppable(self);
        let mut bytes = 0u64;
        for tool_use in &dropped {
            let outcome = self.tool_outcomes.remove(tool_use);
            self.judged.remove(tool_use);
            bytes = bytes.saturating_add(outcome.map_or(0, |outcome| outcome_bytes(&outcome)));
        }
        for turn in &mut self.conversation {
            let Turn::Results { call, results, .. } = turn else { continue };
            for (result, index) in results.iter_mut().zip(0..=u16::MAX) {
                if dropped.contains(&ToolUse { call: *call, index }) {
                    *result = ResultRef::Dropped;
                }
            }
        }
        self.context.tokens = self.context.likely_tokens().saturating_sub(bytes / 4);
        self.context.added_bytes = 0;
        if let Some(work) = self.work_mut() {
            work.step = WorkStep::Ready;
        }
    }
}

fn turn_news(turn: &Turn) -> Option<&News> {
    match turn {
        Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. } => Some(news),
        Turn::Reply { .. } | Turn::Recap { .. } => None,
    }
}

/// The limit that a turn tells its agent of.
fn told_by(turn: &Turn) -> Option<RoundLimit> {
    use massgen_protocol::turn::Directive;
    match turn_news(turn).and_then(|news| news.directive.as_ref())? {
        Directive::WrapUp => Some(RoundLimit::Soft),
        Directive::LastCall => Some(RoundLimit::Hard),
        Directive::AnswerOrVote
        | Directive::VoteOnly
        | Directive::Act { .. }
        | Directive::Summarize
        | Directive::Present { .. }
        | Directive::Synthesize { .. } => None,
    }
}

/// Bytes that `outcome` adds to a prompt.
fn outcome_bytes(outcome: &massgen_protocol::ToolOutcome) -> u64 {
    use massgen_protocol::ToolOutcome;
    let bytes = match outcome {
        ToolOutcome::Ok { text, files } => {
            let files = files.len().saturating_mul(limits::FILE_IN_PROMPT_BYTES);
            text.len().min(limits::TOOL_RESULT_IN_PROMPT_BYTES).saturating_add(files)
        }
        ToolOutcome::Error { text } | ToolOutcome::Denied { text } => {
            text.len().min(limits::TOOL_RESULT_IN_PROMPT_BYTES)
        }
        ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => 128,
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
