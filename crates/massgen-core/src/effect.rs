//! What the state wants to be under way, and the effects that bring the world there.

use std::collections::{BTreeMap, BTreeSet};

use massgen_protocol::{CallId, Purpose, ToolUse};

use crate::state::{Phase, State, WorkStep};

/// Work for the engine. Performed only after the events of the same step are committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make this model call.
    CallModel {
        /// Which.
        call: CallId,
        /// What the reply is for.
        purpose: Purpose,
    },
    /// Cut this model call off; its outcome is no longer wanted.
    AbortCall {
        /// Which.
        call: CallId,
    },
    /// Run this work tool.
    RunTool {
        /// Which.
        tool_use: ToolUse,
    },
    /// Stop this work tool; its outcome is no longer wanted.
    AbortTool {
        /// Which.
        tool_use: ToolUse,
    },
    /// Keep what the workspace of an agent holds now.
    KeepFiles {
        /// The call whose reply submits an answer; it names the agent.
        call: CallId,
    },
    /// The outcome of keeping files is no longer wanted.
    AbortKeep {
        /// The call.
        call: CallId,
    },
}

/// What is under way, or should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Model calls.
    pub calls: BTreeMap<CallId, Purpose>,
    /// Work tools.
    pub tools: BTreeSet<ToolUse>,
    /// Workspaces that are being kept, by the call whose reply submits.
    pub keeping: BTreeSet<CallId>,
}

impl Open {
    /// What should be under way in `state`.
    pub fn wanted(state: &State) -> Self {
        let mut open = Self::default();
        if state.interrupted || matches!(state.phase, Phase::Finished { .. }) {
            return open;
        }
        for agent in &state.agents {
            match agent.work().map(|work| &work.step) {
                Some(WorkStep::Calling { call }) => {
                    open.calls.insert(*call, agent.purpose());
                }
                Some(WorkStep::Tools { open: tools, .. }) => open.tools.extend(tools.iter().copied()),
                Some(WorkStep::Keeping { call }) => drop(open.keeping.insert(*call)),
                Some(WorkStep::Ready | WorkStep::Deciding { .. } | WorkStep::Failed { .. }) | None => {}
            }
        }
        open
    }

    /// The effects that lead from `self` to `wanted`; aborts come first.
    pub fn effects_towards(&self, wanted: &Self) -> Vec<Effect> {
        let aborted_calls = self.calls.keys().filter(|call| !wanted.calls.contains_key(call));
        let aborted_tools = self.tools.difference(&wanted.tools);
        let calls = wanted.calls.iter().filter(|(call, _)| !self.calls.contains_key(call));
        let tools = wanted.tools.difference(&self.tools);
        let aborted_keeping = self.keeping.difference(&wanted.keeping);
        let keeping = wanted.keeping.difference(&self.keeping);
        aborted_calls
            .map(|call| Effect::AbortCall { call: *call })
            .chain(aborted_tools.map(|tool_use| Effect::AbortTool { tool_use: *tool_use }))
            .chain(aborted_keeping.map(|call| Effect::AbortKeep { call: *call }))
            .chain(calls.map(|(call, purpose)| Effect::CallModel { call: *call, purpose: *purpose }))
            .chain(tools.map(|tool_use| Effect::RunTool { tool_use: *tool_use }))
            .chain(keeping.map(|call| Effect::KeepFiles { call: *call }))
            .collect()
    }
}
