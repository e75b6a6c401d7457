//! The simulated model: replies without any provider, for demonstrations, tests and measurements.
//!
//! [`SimulatedTeam::new`] reads a run specification once and hands out the model of each simulated agent and the
//! scripted work tools. Without a script an agent thinks, answers, votes and presents by itself: everything it says
//! tells that it is simulated, and follows from the seed, the agent and the number of the call alone. With a script
//! (see [`script`]) it says and does what the script tells, reply by reply; when the script has run out, it goes on
//! by itself.
//!
//! A simulated model keeps nothing between calls. What it does next follows from the request, so a process that
//! resumes a run continues where the killed one was.

mod character;
mod performance;
mod phrases;
pub mod script;
mod tools;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use massgen_ports::{Model, ModelStream};
use massgen_protocol::message::Message;
use massgen_protocol::spec::{SimulatedSpec, Wire};
use massgen_protocol::{AgentId, AgentNo, ModelRequest, Purpose, RunSpec};

use character::Character;
pub use script::Script;
use script::Step;
pub use tools::SimulatedTools;

/// Why simulated agents cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SimulatedError {
    /// The script file cannot be read.
    #[error("cannot read the script of the simulated model: {source}")]
    Unreadable {
        /// What the file system says; names the file.
        #[from]
        source: io::Error,
    },
    /// The script says something that is not understood.
    #[error("the script `{path}` is wrong at line {line}, column {column}: {problem}", path = path.display())]
    Script {
        /// The script file.
        path: PathBuf,
        /// Line from 1.
        line: u64,
        /// Column from 1, in characters.
        column: u64,
        /// What is wrong there.
        problem: String,
    },
}

/// The simulated agents of one run.
#[derive(Debug, Clone)]
pub struct SimulatedTeam {
    models: BTreeMap<AgentId, SimulatedModel>,
}

impl SimulatedTeam {
    /// Sets up all agents of `spec` whose wire is simulated. Every script file is read once, now.
    ///
    /// # Errors
    /// A script that cannot be read, is not understood, or names an agent that the run does not have.
    pub fn new(spec: &RunSpec) -> Result<Self, SimulatedError> {
        let mut ids: Vec<AgentId> = spec.agents.iter().map(|agent| agent.id.clone()).collect();
        ids.sort();
        let team: Arc<[AgentId]> = ids.into();
        let question: Arc<str> = spec.question.as_str().into();
        let mut scripts: BTreeMap<String, Arc<Script>> = BTreeMap::new();
        let mut models = BTreeMap::new();
        for agent in &spec.agents {
            let simulated = match &agent.backend.wire {
                Wire::Simulated(simulated) => simulated,
                Wire::Service(_) => continue,
            };
            let script = match &simulated.script {
                None => None,
                Some(path) => Some(if let Some(known) = scripts.get(path) {
                    Arc::clone(known)
                } else {
                    let script = Arc::new(Script::load(path.as_ref())?);
                    script.check_agents(&team)?;
                    scripts.insert(path.clone(), Arc::clone(&script));
                    script
                }),
            };
            let model = SimulatedModel {
                character: Character::new(simulated.seed, agent.id.clone(), &team, &question),
                spec: simulated.clone(),
                team: Arc::clone(&team),
                script,
            };
            models.insert(agent.id.clone(), model);
        }
        Ok(Self { models })
    }

    /// The model of `agent`; `None` when that agent is not simulated.
    pub fn model(&self, agent: &AgentId) -> Option<SimulatedModel> {
        self.models.get(agent).cloned()
    }

    /// The work tools of all simulated agents, each with those of its own script.
    pub fn tools(&self) -> SimulatedTools {
        let scripts = self.models.iter().filter_map(|(agent, model)| {
            let script = model.script.as_ref()?;
            Some((agent.clone(), Arc::clone(script)))
        });
        SimulatedTools::new(scripts)
    }
}

/// The model of one simulated agent.
#[derive(Debug, Clone)]
pub struct SimulatedModel {
    character: Character,
    spec: SimulatedSpec,
    /// All agents of the run, sorted: the position of an id is its number.
    team: Arc<[AgentId]>,
    script: Option<Arc<Script>>,
}

impl SimulatedModel {
    /// The steps of the reply to `request`: scripted ones while there are any, then the agent's own.
    fn steps(&self, request: &ModelRequest) -> Vec<Step> {
        let part = self.script.as_ref().and_then(|script| script.part(self.character.agent()));
        let scripted = part.and_then(|part| match request.context.purpose {
            // Calls count over the whole run and the presentation comes last, so the number of a call of the
            // coordination is also its number within the coordination.
            Purpose::Coordinate | Purpose::Summarize => {
                part.replies.get(position(request.context.call.number))
            }
            Purpose::Present => part.present.get(performance::presented(&request.messages)),
        });
        scripted.map_or_else(|| self.character.reply(request), Clone::clone)
    }

    /// The name that a vote carries: an agent's id becomes its number, anything else stays as it is written.
    fn vote_name(&self, written: &str) -> String {
        match self.team.binary_search_by(|id| id.as_str().cmp(written)) {
            Ok(index) => AgentNo::from_index(index).to_string(),
            Err(_) => written.to_owned(),
        }
    }
}

impl Model for SimulatedModel {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let steps = self.steps(&request);
        performance::perform(&steps, &self.spec, &request, |written| self.vote_name(written))
    }
}

/// The place in a list of the thing that is counted from 1.
fn position(number: u32) -> usize {
    usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX)
}

/// Whether an answer of this agent was accepted in this conversation.
fn has_accepted_answer(messages: &[Message]) -> bool {
    messages.iter().any(|message| match message {
        Message::ToolResult { name, is_error, .. } => name == NEW_ANSWER && !is_error,
        Message::User { .. } | Message::Assistant { .. } => false,
    })
}

/// The workflow tool that submits an answer.
const NEW_ANSWER: &str = "new_answer";

/// The workflow tool that votes.
const VOTE: &str = "vote";

#[cfg(test)]
#[path = "simulated/simulated_tests.rs"]
mod tests;
