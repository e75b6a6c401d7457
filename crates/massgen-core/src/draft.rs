//! A state under change, and the acts that several rules share: telling an agent something, starting and cutting off
//! its work.

use std::time::Duration;

use massgen_protocol::event::{AgentStatus, CallOutcome, Conversation, Occasion, OutCause, WaitCause};
use massgen_protocol::message::{NotRunCause, ToolOutcome};
use massgen_protocol::spec::{BackendSpec, Continuation, PeerUpdates};
use massgen_protocol::turn::{Directive, News, Refusal, ResultRef, Turn, Verdict};
use massgen_protocol::{AgentNo, CallId, Event, RunMillis, ToolCall};

use crate::state::{Agent, AgentState, State, WorkStep};
use crate::submission::read;

/// A state under change, and the events that change it.
pub(crate) struct Draft<'a> {
    pub(crate) state: &'a mut State,
    now: RunMillis,
    pub(crate) events: Vec<Event>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(state: &'a mut State, now: RunMillis) -> Self {
        // Time at work never goes back, whatever the caller's clock does.
        let now = now.max(state.now);
        Self { state, now, events: Vec::new() }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.state.apply(&event, self.now);
        self.events.push(event);
    }

    /// Begins an execution of `no`: its conversation goes on or begins afresh, with everything that it has not seen.
    pub(crate) fn start_execution(
        &mut self,
        no: AgentNo,
        conversation: Option<Conversation>,
        directive: Option<Directive>,
        occasion: Occasion,
    ) {
        let Some(agent) = self.state.agent(no) else { return };
        let conversation = conversation.unwrap_or_else(|| self.conversation_for(agent));
        let execution = agent.executions + 1;
        let round = agent.answer_count();
        self.emit(Event::ExecutionStarted { agent: no, execution, round, conversation });
        match conversation {
            Conversation::Continued => {
                let news = self.unseen_news(no, directive);
                self.tell(no, news, occasion);
            }
            Conversation::Fresh => {
                let Some(agent) = self.state.agent(no) else { return };
                let news = News {
                    answers: self.state.revisions.labels().collect(),
                    notes: self.state.notes_for(agent).collect(),
                    directive,
                };
                self.emit(Event::PromptExtended { agent: no, turn: Turn::Opening(news), occasion });
            }
        }
    }

    fn conversation_for(&self, agent: &Agent) -> Conversation {
        let options = &self.state.spec.orchestration;
        let restart_for_updates = options.peer_updates == PeerUpdates::AtRestart
            && self.state.revisions.newer_than(&agent.seen).next().is_some();
        let window = self.state.backend(agent.no).map_or(0, BackendSpec::assumed_context_window);
        match options.continuation {
            Continuation::Auto { share_per_mille } => {
                let room = window.saturating_mul(u64::from(share_per_mille)) / 1000;
                let fits = agent.context.likely_tokens() <= room;
                if agent.conversation.is_empty() || restart_for_updates || !fits {
                    Conversation::Fresh
                } else {
                    Conversation::Continued
                }
            }
            Continuation::Fresh => Conversation::Fresh,
        }
    }

    /// Starts the next model call of `no` if the budget allows, or makes room for it. Returns whether anything changed.
    pub(crate) fn start_call(&mut self, no: AgentNo) -> bool {
        if self.compact_if_full(no) {
            return true;
        }
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let worst = self.state.worst_case(agent);
        if !self.state.fits_budget(worst) {
            return false;
        }
        let call = CallId { agent: no, number: agent.calls + 1 };
        self.emit(Event::ModelCallStarted {
            call,
            purpose: agent.purpose(),
            reserved_tokens: worst.tokens,
            reserved_cost: worst.cost,
        });
        true
    }

    pub(crate) fn park(&mut self, no: AgentNo, on: WaitCause) {
        self.emit(Event::AgentStateChanged { agent: no, state: AgentStatus::Waiting { on } });
    }

    pub(crate) fn drop_out(&mut self, no: AgentNo, cause: OutCause) {
        self.emit(Event::AgentStateChanged { agent: no, state: AgentStatus::Out { cause } });
    }

    /// Ends whatever `no` has under way: calls are settled by estimate, tools are told as cut off, or as not run where a person
    /// was still asked.
    pub(crate) fn cut_off(&mut self, no: AgentNo) {
        let Some(agent) = self.state.agent(no) else { return };
        let asking = agent.asking.clone();
        match agent.work().map(|work| work.step.clone()) {
            Some(WorkStep::Calling { call }) => {
                let (usage, cost) = self.state.cut_off_usage(agent);
                self.emit(Event::ModelCallFinished { call, outcome: CallOutcome::Cancelled { usage, cost } });
            }
            Some(WorkStep::Tools { open, .. }) => {
                for tool_use in open {
                    let outcome = if asking.contains(&tool_use) {
                        ToolOutcome::NotRun { cause: NotRunCause::TimeIsUp }
                    } else {
                        ToolOutcome::CutOff
                    };
                    self.emit(Event::ToolCallFinished {
                        tool_use,
                        outcome,
                        duration: Duration::ZERO,
                        decisions: Vec::new(),
                    });
                }
            }
            Some(
                WorkStep::Ready
                | WorkStep::Deciding { .. }
                | WorkStep::Keeping { .. }
                | WorkStep::Failed { .. },
            )
            | None => {}
        }
    }

    pub(crate) fn working_agents(&self) -> Vec<AgentNo> {
        let is_working = |agent: &&Agent| matches!(agent.state, AgentState::Working(_));
        self.state.agents.iter().filter(is_working).map(|agent| agent.no).collect()
    }

    /// Everything that the agent has not been told yet, with `directive`.
    pub(crate) fn unseen_news(&self, no: AgentNo, directive: Option<Directive>) -> News {
        let Some(agent) = self.state.agent(no) else {
            return News { directive, ..News::default() };
        };
        News {
            answers: self.state.revisions.newer_than(&agent.seen).collect(),
            notes: self.state.undelivered_notes(agent),
            directive,
        }
    }

    /// Appends a turn with `news` to the conversation: with the results of the last reply, if it asked for any.
    pub(crate) fn tell(&mut self, no: AgentNo, news: News, occasion: Occasion) {
        let Some(agent) = self.state.agent(no) else { return };
        let turn = match agent.conversation.last() {
            Some(Turn::Reply { call }) => {
                let results = results(agent, *call);
                if results.is_empty() {
                    Turn::Update(news)
                } else {
                    Turn::Results { call: *call, results, news }
                }
            }
            Some(Turn::Opening(_) | Turn::Results { .. } | Turn::Update(_) | Turn::Recap { .. }) | None => {
                Turn::Update(news)
            }
        };
        self.emit(Event::PromptExtended { agent: no, turn, occasion });
    }
}

/// One result for every tool call of the reply to `call`.
fn results(agent: &Agent, call: CallId) -> Vec<ResultRef> {
    let Some(reply) = agent.replies.get(&call) else {
        return Vec::new();
    };
    let is_both = matches!(agent.verdict, Some(Verdict::Refused { refusal: Refusal::VoteAndAnswer }));
    let deciding = reply.tool_calls().filter(|tool_call| read(tool_call).is_some()).count();
    let mut nth = 0;
    let of = |tool_call: &ToolCall| {
        if read(tool_call).is_none() {
            return ResultRef::Tool;
        }
        nth += 1;
        let verdict = match &agent.verdict {
            Some(verdict) if nth == deciding || is_both => verdict.clone(),
            Some(_) | None => Verdict::Superseded,
        };
        ResultRef::Verdict { verdict }
    };
    reply.tool_calls().map(of).collect()
}
