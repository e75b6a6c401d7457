//! Conversations that fill the context window of their model. Results of tools go first, because the agent can have
//! them again; then the conversation begins anew with the agent's own summary. What the agent must know to judge
//! (the task, the answers, the notes) is told again whole, so that nothing is lost that its vote rests on.

use massgen_protocol::event::{Compaction, Conversation, Occasion, OutCause, RoundLimit};
use massgen_protocol::message::{FailureKind, ModelFailure};
use massgen_protocol::turn::{Directive, News, ResultRef, Turn};
use massgen_protocol::{AgentNo, CallId, Event, ToolUse, limits};

use crate::decide::opening_directive;
use crate::draft::Draft;
use crate::state::{Agent, AgentState, Aim, State};

impl Draft<'_> {
    /// Makes the conversation of `no` shorter if it leaves too little room for a reply. Returns whether it did, or
    /// asked for the summary that will.
    pub(crate) fn compact_if_full(&mut self, no: AgentNo) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let window = self.state.backend(no).and_then(|backend| backend.context_window);
        let room = window.map(|window| window.saturating_mul(limits::COMPACTION_SHARE_PER_MILLE) / 1000);
        // Of a model whose window nobody knows, the provider tells when it is full.
        if room.is_none_or(|room| agent.context.likely_tokens() <= room) {
            return false;
        }
        if self.drop_results(no) {
            return true;
        }
        if !self.state.agent(no).is_some_and(|agent| is_worth_a_summary(self.state, agent)) {
            return false;
        }
        let news = News { directive: Some(Directive::Summarize), ..News::default() };
        self.tell(no, news, Occasion::Compaction);
        true
    }

    /// Leaves out the results of tools, except for the newest. Returns whether there were any.
    pub(crate) fn drop_results(&mut self, no: AgentNo) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let results = droppable(agent).len();
        if results == 0 {
            return false;
        }
        let results = u32::try_from(results).unwrap_or(u32::MAX);
        self.emit(Event::ConversationCompacted {
            agent: no,
            compaction: Compaction::ResultsDropped { results },
        });
        true
    }

    /// The reply to `call` is a summary: the conversation begins anew with it, or without one if it is empty.
    pub(crate) fn take_summary(&mut self, no: AgentNo, call: CallId) {
        let Some(agent) = self.state.agent(no) else { return };
        if agent.reply(call).is_none_or(|reply| reply.text().trim().is_empty()) {
            return self.begin_afresh(no);
        }
        let told = agent.work().and_then(|work| work.told);
        let directive = match told {
            Some(RoundLimit::Hard | RoundLimit::Final) => Some(Directive::LastCall),
            Some(RoundLimit::Soft) => Some(Directive::WrapUp),
            None => opening_directive(self.state, agent),
        };
        let news = News {
            answers: self.state.revisions.labels().collect(),
            notes: self.state.notes_for(agent).collect(),
            directive,
        };
        self.emit(Event::ConversationCompacted {
            agent: no,
            compaction: Compaction::Summarized { call, news },
        });
    }

    /// Nothing else helps: the agent begins again, with the task and the answers. It is told to those who watch. Who
    /// did so as often as allowed, without a decision between, is out.
    pub(crate) fn begin_afresh(&mut self, no: AgentNo) {
        if self.state.agent(no).is_some_and(|agent| agent.fresh_starts >= limits::FRESH_STARTS) {
            let times = limits::FRESH_STARTS;
            let failure = ModelFailure {
                kind: FailureKind::ContextOverflow,
                message: format!("its context window was full again after {times} fresh starts"),
                attempts: 1,
            };
            return self.drop_out(no, OutCause::ModelFailed { failure });
        }
        let message = "its conversation outgrew the context window of its model and begins afresh".to_owned();
        self.emit(Event::Degraded { message, agent: Some(no) });
        let directive = self.state.agent(no).and_then(|agent| opening_directive(self.state, agent));
        self.start_execution(no, Some(Conversation::Fresh), directive, Occasion::ExecutionStart);
    }
}

/// Whether a summary would make the conversation of a coordinating agent shorter.
fn is_worth_a_summary(state: &State, agent: &Agent) -> bool {
    let is_coordinating = match &agent.state {
        AgentState::Working(work) => work.aim == Aim::Decision,
        AgentState::Waiting { .. }
        | AgentState::Answered
        | AgentState::Voted(_)
        | AgentState::Presenting(_)
        | AgentState::Out { .. }
        | AgentState::Done => false,
    };
    let all = News { answers: state.revisions.labels().collect(), ..News::default() };
    let anew = state.fixed_prompt_bytes.saturating_add(state.news_bytes(&all)) / 4;
    // What would be told again anyway must not be the most of it, or there would be no end of summaries.
    is_coordinating && agent.replies.len() > 1 && anew.saturating_mul(2) < agent.context.likely_tokens()
}

/// Results of work tools that are older than the newest ones and still in the conversation: the tool uses.
pub(crate) fn droppable(agent: &Agent) -> Vec<ToolUse> {
    let turns = agent.conversation.iter().rev().filter_map(|turn| match turn {
        Turn::Results { call, results, .. } => Some((*call, results)),
        Turn::Opening(_) | Turn::Reply { .. } | Turn::Update(_) | Turn::Recap { .. } => None,
    });
    let old = turns.skip(limits::RESULT_TURNS_KEPT);
    old.flat_map(|(call, results)| {
        let tools = results.iter().zip(0..=u16::MAX).filter(|(result, _)| **result == ResultRef::Tool);
        tools.map(move |(_, index)| ToolUse { call, index })
    })
    .collect()
}
