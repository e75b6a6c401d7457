//! The fold of events into the state that the artifact files tell. No file is written here.

use std::sync::Arc;

use massgen_protocol::event::{
    AgentStatus, CallOutcome, Compaction, Conversation, EndCause, FinalSource, OutCause,
};
use massgen_protocol::{AgentNo, AnswerLabel, CallId, Envelope, Event, RevisionSet, SnapshotId, limits};

use super::ArtifactError;
use super::agent::{AgentState, Failure, NotAccepted, VoteCounts};
use super::conversation::labels;
use super::rounds::{RoundKind, RoundOutcome};
use super::state::{
    Answer, FinalAnswer, Folded, Moment, OpenCall, RunPhase, RunState, Vote, Winner, news_of,
};
use super::tools::told;

impl RunState {
    /// Folds one event, which must be the one after the last.
    pub(super) fn fold(&mut self, envelope: &Envelope) -> Result<Folded, ArtifactError> {
        if envelope.seq != self.last.seq.next() {
            return Err(ArtifactError::OutOfOrder { last: self.last.seq, found: envelope.seq });
        }
        self.last = Moment { seq: envelope.seq, at: envelope.at, work: envelope.run_time };
        let mut folded = Folded::default();
        if let Some(no) = envelope.event.agent() {
            let at = envelope.at;
            self.agent_mut(no)?.last_activity = at;
            folded.touched.push(no);
        }
        self.made.fold(&envelope.event);
        self.fold_event(&envelope.event, &mut folded)?;
        Ok(folded)
    }

    fn fold_event(&mut self, event: &Event, folded: &mut Folded) -> Result<(), ArtifactError> {
        let Moment { at, work, .. } = self.last;
        match event {
            Event::RunStarted { .. } => return Err(ArtifactError::StartedTwice { seq: self.last.seq }),
            Event::RunResumed => self.phase = RunPhase::Running,
            Event::RunInterrupted { best } => {
                self.phase = RunPhase::Interrupted { best: *best, at };
                for agent in &mut self.agents {
                    if agent.tools.forget_questions() {
                        folded.touched.push(agent.no);
                    }
                }
            }
            Event::ExecutionStarted { agent, execution, round, conversation } => {
                self.start_execution(*agent, *execution, *round, *conversation, folded)?;
            }
            Event::PromptExtended { agent, turn, .. } => {
                let agent = self.agent_mut(*agent)?;
                agent.transcript.extend(turn);
                for label in news_of(turn).iter().flat_map(|news| &news.answers) {
                    agent.seen.include(*label);
                }
            }
            Event::ModelCallStarted { call, purpose, reserved_tokens, reserved_cost } => {
                let rounds = self.agent_mut(call.agent)?.rounds.len();
                let open = OpenCall {
                    purpose: *purpose,
                    round: rounds.checked_sub(1),
                    started_work: work,
                    reserved_tokens: *reserved_tokens,
                    reserved_cost: *reserved_cost,
                };
                self.calls.insert(*call, open);
            }
            Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::Degraded { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. }
            | Event::RoundLimitReached { .. } => {}
            Event::ModelCallFinished { call, outcome } => self.finish_call(*call, outcome, folded)?,
            Event::ToolCallStarted { tool_use, tool_call } => {
                let agent = self.agent_mut(tool_use.call.agent)?;
                let round = agent.display_round();
                agent.tools.start(*tool_use, tool_call, round, at);
                agent.trace.tool_call(&tool_call.name, &tool_call.arguments, at);
                if let Some(round) = agent.rounds.last_mut() {
                    round.add_tool_call();
                }
            }
            Event::ToolCallFinished { tool_use, outcome, duration, decisions: _ } => {
                let local = self.local;
                let agent = self.agent_mut(tool_use.call.agent)?;
                let told = told(outcome);
                agent.transcript.tool_result(*tool_use, told.text);
                // A call that the engine did not start has no beginning; only the reply knows its name.
                let asked = agent
                    .last_reply(tool_use.call)
                    .and_then(|reply| reply.tool_calls().nth(usize::from(tool_use.index)).cloned());
                let round = agent.display_round();
                if let (Some(asked), false) = (asked, agent.tools.is_open(*tool_use)) {
                    agent.tools.start(*tool_use, &asked, round, at);
                }
                if let Some(run) = agent.tools.finish(*tool_use, outcome, *duration, at) {
                    match &run.error {
                        None => agent.trace.tool_result(&run.name, told.text, at),
                        Some(error) => agent.trace.tool_error(&run.name, error, local, at),
                    }
                }
            }
            Event::ToolCallAsked { tool_use, asking } => {
                self.agent_mut(tool_use.call.agent)?.tools.ask(*tool_use, asking);
            }
            Event::AnswerAccepted { label, content, snapshot, .. } => {
                self.accept_answer(*label, content, snapshot.as_ref(), folded)?;
            }
            Event::VoteCast { voter, answer, reason, seen } => {
                self.cast_vote(*voter, *answer, reason, seen, folded)?;
            }
            Event::VoteIgnored { voter, answer, .. } => {
                let text = format!("vote for {answer} not counted: newer answers came meanwhile");
                self.note_problem(*voter, &text)?;
                self.end_round(*voter, RoundOutcome::Restarted, folded)?;
            }
            Event::SubmissionRefused { agent, call, refusal } => {
                self.note_problem(*agent, &format!("submission refused: {}", refusal.code()))?;
                let max_attempts = self.spec.orchestration.enforcement_attempts.get();
                self.agent_mut(*agent)?.not_accepted(NotAccepted {
                    call: *call,
                    attempt: None,
                    max_attempts,
                    reason: Some(refusal.code()),
                    message: None,
                    at,
                });
            }
            Event::NoDecision { agent, call, attempt, max_attempts, cause } => {
                self.note_problem(*agent, &cause.to_string())?;
                self.agent_mut(*agent)?.not_accepted(NotAccepted {
                    call: *call,
                    attempt: Some(*attempt),
                    max_attempts: *max_attempts,
                    reason: None,
                    message: None,
                    at,
                });
            }
            Event::FallbackTaken { agent, failure, .. } => {
                self.note_problem(*agent, &failure.to_string())?;
            }
            Event::ConversationCompacted { agent, compaction } => {
                let agent = self.agent_mut(*agent)?;
                agent.transcript.compact(compaction);
                if let Compaction::Summarized { news, .. } = compaction {
                    for label in &news.answers {
                        agent.seen.include(*label);
                    }
                }
            }
            Event::AgentStateChanged { agent, state } => self.change_state(*agent, state, folded)?,
            Event::NoteReceived { id, note } => {
                self.notes.insert(*id, note.clone());
            }
            Event::CoordinationEnded { cause } => {
                self.end_cause = Some(*cause);
                let outcome = match cause {
                    EndCause::Deadline => RoundOutcome::Timeout,
                    EndCause::AllVoted | EndCause::AllAnswered | EndCause::AllOut | EndCause::Budget => {
                        RoundOutcome::Cancelled
                    }
                };
                self.end_all_rounds(outcome, folded)?;
            }
            Event::WinnerSelected { answer, tally, basis } => {
                self.winner = Some(Winner { answer: *answer, tally: tally.clone(), basis: *basis });
            }
            Event::PresentationStarted { presenter, .. } => {
                self.presenter = Some(*presenter);
                self.end_round(*presenter, RoundOutcome::Cancelled, folded)?;
                let next = self
                    .agents
                    .iter()
                    .filter(|agent| !agent.rounds.is_empty())
                    .map(AgentState::display_round)
                    .max();
                let number = next.map_or(0, |largest| largest + 1);
                self.agent_mut(*presenter)?.start_round(number, RoundKind::Presentation, at, work);
            }
            Event::FinalAnswerReady { agent, content, source, snapshot } => {
                let outcome = match source {
                    FinalSource::Presented | FinalSource::Stored => RoundOutcome::Presentation,
                    FinalSource::StoredAsFallback => RoundOutcome::Error,
                };
                let presenter = self.presenter.unwrap_or(*agent);
                self.end_round(presenter, outcome, folded)?;
                let label = format!("{agent}.final");
                self.agent_mut(*agent)?.trace.answer(&label, content, at);
                let text = self.folder.final_text(&self.spec, *agent, content, snapshot.as_ref());
                self.final_answer = Some(FinalAnswer { agent: *agent, content: text.into() });
            }
            Event::RunFinished { outcome } => {
                self.end_all_rounds(RoundOutcome::Cancelled, folded)?;
                self.phase = RunPhase::Finished(*outcome);
            }
        }
        Ok(())
    }

    fn start_execution(
        &mut self,
        no: AgentNo,
        execution: u32,
        round: u32,
        conversation: Conversation,
        folded: &mut Folded,
    ) -> Result<(), ArtifactError> {
        let Moment { at, work, .. } = self.last;
        let is_presentation = self.presenter == Some(no);
        if !is_presentation {
            self.end_round(no, RoundOutcome::Restarted, folded)?;
        }
        let count = self.agents.len();
        let agent = self.agent_mut(no)?;
        match conversation {
            Conversation::Fresh => {
                agent.transcript.start_fresh();
                agent.seen = RevisionSet::empty(count);
            }
            Conversation::Continued => agent.transcript.go_on(),
        }
        agent.executions = execution;
        agent.answer_round = round;
        // The presentation has a round of its own, which began with `PresentationStarted`.
        if is_presentation {
            agent.status = AgentStatus::Presenting;
        } else {
            let kind = if agent.answers == 0 { RoundKind::InitialAnswer } else { RoundKind::Voting };
            agent.start_round(execution.saturating_sub(1), kind, at, work);
            agent.status = AgentStatus::Working;
        }
        Ok(())
    }

    fn finish_call(
        &mut self,
        call: CallId,
        outcome: &CallOutcome,
        folded: &mut Folded,
    ) -> Result<(), ArtifactError> {
        let Moment { at, work, .. } = self.last;
        let open = self.calls.remove(&call);
        folded.purpose = open.as_ref().map(|open| open.purpose);
        let local = self.local;
        let max_attempts = self.spec.orchestration.enforcement_attempts.get();
        let agent = self.agent_mut(call.agent)?;
        let round = open.as_ref().and_then(|open| open.round);
        let waited = open.as_ref().map_or(0, |open| as_millis(work.since(open.started_work)));
        let (settled, times) = match outcome {
            CallOutcome::Replied { reply, cost } => {
                agent.remember_reply(call, reply);
                agent.transcript.reply(call, reply);
                let reasoning = reply.reasoning();
                if !reasoning.is_empty() {
                    agent.trace.reasoning(&reasoning, at);
                }
                let text = reply.text();
                if !text.is_empty() {
                    agent.trace.content(&text, at);
                }
                for file in reply.files().take(limits::FILES_PER_ANSWER) {
                    agent.trace.content(&format!("[{}: {file}]", file.kind()), at);
                }
                let times = (as_millis(reply.duration), Some(as_millis(reply.first_token_after)));
                (Some((reply.usage, *cost)), times)
            }
            CallOutcome::Failed { failure } => {
                agent.trace.error(&failure.to_string(), local, at);
                let reason = if failure.kind.is_retryable() { "api_error" } else { "fatal_api_error" };
                agent.not_accepted(NotAccepted {
                    call,
                    attempt: Some(failure.attempts),
                    max_attempts,
                    reason: Some(reason),
                    message: Some(failure.to_string()),
                    at,
                });
                (None, (waited, None))
            }
            CallOutcome::Cancelled { usage, cost } => (Some((*usage, *cost)), (waited, None)),
        };
        if let Some((usage, cost)) = settled {
            agent.usage += usage;
            agent.cost.add(cost);
        }
        if let Some(round) = round.and_then(|index| agent.rounds.get_mut(index)) {
            if let Some((usage, cost)) = settled {
                round.add_usage(&usage, cost);
            }
            round.add_call(times.0, times.1);
        }
        Ok(())
    }

    fn accept_answer(
        &mut self,
        label: AnswerLabel,
        content: &Arc<str>,
        snapshot: Option<&SnapshotId>,
        folded: &mut Folded,
    ) -> Result<(), ArtifactError> {
        let Moment { at, .. } = self.last;
        self.end_round(label.agent, RoundOutcome::Answer, folded)?;
        let local = self.local;
        let iteration = self.iteration;
        self.iteration += 1;
        let agent = self.agent_mut(label.agent)?;
        agent.status = AgentStatus::Answered;
        agent.answers = label.revision;
        agent.seen.include(label);
        agent.trace.answer(&label.to_string(), content, at);
        let stamp = local.stamp(agent.name_folder(at));
        let round = agent.answer_round;
        self.revisions.include(label);
        self.answers.insert(
            label,
            Answer { content: Arc::clone(content), stamp, round, iteration, snapshot: snapshot.cloned() },
        );
        // Only the last vote of an agent can count.
        for agent in &self.agents {
            if let Some(vote) = agent.vote.and_then(|index| self.votes.get_mut(index))
                && vote.counts == VoteCounts::Yes
            {
                vote.counts = VoteCounts::No;
                folded.touched.push(vote.voter);
            }
        }
        Ok(())
    }

    fn cast_vote(
        &mut self,
        voter: AgentNo,
        answer: AnswerLabel,
        reason: &str,
        seen: &RevisionSet,
        folded: &mut Folded,
    ) -> Result<(), ArtifactError> {
        let Moment { at, .. } = self.last;
        self.end_round(voter, RoundOutcome::Vote, folded)?;
        let counts = if *seen == self.revisions { VoteCounts::Yes } else { VoteCounts::No };
        let (local, iteration, index) = (self.local, self.iteration, self.votes.len());
        let options = labels(&seen.labels().collect::<Vec<_>>());
        let target = format!("{answer} ({})", self.id(answer.agent));
        self.iteration += 1;
        let earlier = self.agent(voter).and_then(|agent| agent.vote);
        if let Some(earlier) = earlier.and_then(|index| self.votes.get_mut(index)) {
            earlier.counts = VoteCounts::No;
        }
        let agent = self.agent_mut(voter)?;
        agent.status = AgentStatus::Voted;
        agent.votes += 1;
        agent.trace.vote(&answer.to_string(), &options, &target, reason, at);
        let vote = Vote {
            voter,
            answer,
            reason: reason.to_owned(),
            seen: seen.clone(),
            counts,
            number: agent.votes,
            stamp: local.stamp(agent.name_folder(at)),
            at,
            round: agent.answer_round,
            iteration,
        };
        agent.vote = Some(index);
        self.votes.push(vote);
        Ok(())
    }

    fn change_state(
        &mut self,
        no: AgentNo,
        state: &AgentStatus,
        folded: &mut Folded,
    ) -> Result<(), ArtifactError> {
        let at = self.last.at;
        let local = self.local;
        match state {
            AgentStatus::Working | AgentStatus::Answered | AgentStatus::Voted | AgentStatus::Presenting => {}
            AgentStatus::Waiting { .. } => self.end_round(no, RoundOutcome::Restarted, folded)?,
            AgentStatus::Done => self.end_round(no, RoundOutcome::Cancelled, folded)?,
            AgentStatus::Out { cause } => {
                let (outcome, kind, message) = match cause {
                    OutCause::ModelFailed { failure } => (RoundOutcome::Error, "error", failure.to_string()),
                    OutCause::NeverActed => (
                        RoundOutcome::Error,
                        "error",
                        "it would not decide, asked as often as allowed".to_owned(),
                    ),
                    OutCause::TimedOut => (
                        RoundOutcome::Timeout,
                        "timeout",
                        "it did not finish after its hard round limit".to_owned(),
                    ),
                };
                self.end_round(no, outcome, folded)?;
                let agent = self.agent_mut(no)?;
                agent.trace.error(&message, local, at);
                agent.failure = Some(Failure { kind, message, at });
            }
        }
        self.agent_mut(no)?.status = state.clone();
        Ok(())
    }

    /// A line under the errors of the agent's trace.
    fn note_problem(&mut self, no: AgentNo, text: &str) -> Result<(), ArtifactError> {
        let (local, at) = (self.local, self.last.at);
        self.agent_mut(no)?.trace.error(text, local, at);
        Ok(())
    }

    fn end_round(
        &mut self,
        no: AgentNo,
        outcome: RoundOutcome,
        folded: &mut Folded,
    ) -> Result<(), ArtifactError> {
        let Moment { at, work, .. } = self.last;
        let ended = self.agent_mut(no)?.end_round(outcome, at, work);
        folded.ended.extend(ended.map(|index| (no, index)));
        Ok(())
    }

    fn end_all_rounds(&mut self, outcome: RoundOutcome, folded: &mut Folded) -> Result<(), ArtifactError> {
        let open: Vec<_> =
            self.agents.iter().filter(|agent| agent.open_round().is_some()).map(|agent| agent.no).collect();
        for no in open {
            folded.touched.push(no);
            self.end_round(no, outcome, folded)?;
        }
        Ok(())
    }

    fn agent_mut(&mut self, no: AgentNo) -> Result<&mut AgentState, ArtifactError> {
        self.agents.get_mut(no.index()).ok_or(ArtifactError::UnknownAgent { agent: no })
    }
}

fn as_millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
