//! Where the final answer comes from, decided by the specification alone.

use massgen_protocol::RunSpec;
use massgen_protocol::spec::{FinalAnswerStrategy, Presentation, Voting};
use massgen_protocol::workspace::{Access, WorkspaceSpec};

/// Where the final text comes from, by the specification alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The winner's stored answer.
    Reuse,
    /// The winner writes it.
    Present,
    /// One agent writes it out of all answers.
    Synthesize,
}

/// Where the final answer comes from. Files that nothing keeps apart change only while it is written: somebody writes
/// it then, whatever is configured.
pub(crate) fn plan(spec: &RunSpec) -> Plan {
    match configured(spec) {
        Plan::Reuse if writes_directly(spec) => Plan::Present,
        plan => plan,
    }
}

/// The rule of the configuration: an explicit strategy wins; leaving the presentation out is allowed without votes or
/// when the stored answer is wanted anyway.
pub(crate) fn configured(spec: &RunSpec) -> Plan {
    let options = &spec.orchestration;
    let may_skip = options.presentation == Presentation::Skip;
    match options.final_answer {
        Some(FinalAnswerStrategy::WinnerReuse) => Plan::Reuse,
        Some(FinalAnswerStrategy::Synthesize) if spec.agents.len() > 1 => Plan::Synthesize,
        Some(FinalAnswerStrategy::WinnerPresent | FinalAnswerStrategy::Synthesize) => {
            if may_skip && options.voting == Voting::Skip { Plan::Reuse } else { Plan::Present }
        }
        None => {
            if may_skip {
                Plan::Reuse
            } else {
                Plan::Present
            }
        }
    }
}

/// Whether an agent may change files of the user that nothing keeps apart.
fn writes_directly(spec: &RunSpec) -> bool {
    let workspaces = spec.agents.iter().filter_map(|agent| agent.workspace.as_deref());
    let mut seen = workspaces.flat_map(WorkspaceSpec::seen);
    seen.any(|seen| seen.context.access == Access::Write && seen.copy.is_none())
}
