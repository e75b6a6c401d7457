//! From flags and what there is to a plan.

use std::path::Path;

use massgen_config::ConfigError;
use massgen_config::backends::{BackendType, Backends};
use massgen_config::generate::{
    Execution, MOST_AGENTS, Plan, PlannedAgent, described_agent, known_type, letter_id, model_id,
};

use super::offers::Offers;
use crate::arguments::groups::SetUp;
use crate::failure::Failure;

/// What the flags say about a new configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `--quickstart-agent` and `--config-…`.
    pub(crate) flags: &'a SetUp,
    /// `--base-url`: the address of agents that are not described one by one.
    pub(crate) base_url: Option<&'a str>,
    /// The backend types.
    pub(crate) backends: &'a Backends,
}

/// A failure that tells what is wrong with a plan.
pub(crate) fn refused(error: &ConfigError) -> Failure {
    Failure::configuration(error).hint(error.hint())
}

impl Request<'_> {
    /// The team that `--quickstart --headless` writes down; `None` when nothing was named and nothing is usable.
    pub(crate) fn quickstart(&self, offers: &Offers) -> Result<Option<Plan>, Failure> {
        let described = self.flags.quickstart_agent.iter().enumerate();
        let described: Vec<PlannedAgent> = described
            .map(|(position, text)| described_agent(text, position))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                Failure::configuration(format!("`--quickstart-agent`: {error}")).hint(error.hint())
            })?;
        let agents = if described.is_empty() {
            let Some(agent) = self.named_or_found(offers)? else {
                return Ok(None);
            };
            let mut agents = Plan::of_equal(&agent, self.count()?).agents;
            self.name_only_agent(&mut agents)?;
            agents
        } else {
            described
        };
        for agent in &agents {
            self.must_run(&agent.backend)?;
        }
        Ok(Some(self.plan(agents)))
    }

    /// The team that `--generate-config` writes down.
    pub(crate) fn generated(&self) -> Result<Plan, Failure> {
        let (Some(backend), Some(model)) = (&self.flags.config_backend, &self.flags.config_model) else {
            return Err(Failure::configuration(
                "`--generate-config` needs `--config-backend` and `--config-model`",
            )
            .hint("for example `--config-backend openai --config-model gpt-5.4`"));
        };
        let kind = self.one_type(backend)?;
        let model = one("--config-model", model)?;
        let agent = |position| PlannedAgent {
            model: Some(model.to_owned()),
            base_url: self.base_url.map(str::to_owned),
            ..PlannedAgent::new(model_id(&kind.name, model, position), kind.name.as_str())
        };
        let mut agents: Vec<PlannedAgent> = (0..self.count()?).map(agent).collect();
        self.name_only_agent(&mut agents)?;
        Ok(self.plan(agents))
    }

    /// The agent of `--config-backend` and `--config-model`, else what would be chosen unasked.
    fn named_or_found(&self, offers: &Offers) -> Result<Option<PlannedAgent>, Failure> {
        let model =
            self.flags.config_model.as_deref().map(|model| one("--config-model", model)).transpose()?;
        let kind = match (&self.flags.config_backend, model) {
            (Some(backend), _) => Some(self.one_type(backend)?),
            (None, Some(model)) => Some(self.backends.type_of_model(model).ok_or_else(|| {
                Failure::configuration(format!("no backend is known for the model `{model}`"))
                    .hint("say which with `--config-backend`")
            })?),
            (None, None) => None,
        };
        let Some(kind) = kind else {
            return Ok(offers.choice(self.backends).map(|agent| self.at_address(agent)));
        };
        // What answers on this machine knows its model and its address best.
        let server = offers.servers.iter().find(|server| server.backend == kind.name && model.is_none());
        let agent = match server {
            Some(server) if kind.default_model.is_none() => server.agent(self.backends),
            Some(_) | None => PlannedAgent {
                model: model.map(str::to_owned),
                ..PlannedAgent::new(letter_id(0), kind.name.as_str())
            },
        };
        Ok(Some(self.at_address(agent)))
    }

    fn at_address(&self, agent: PlannedAgent) -> PlannedAgent {
        let base_url = self.base_url.map(str::to_owned).or(agent.base_url);
        PlannedAgent { base_url, ..agent }
    }

    fn plan(&self, agents: Vec<PlannedAgent>) -> Plan {
        let execution = if self.flags.config_docker { Execution::Docker } else { Execution::Local };
        let context_path = self.flags.config_context_path.as_deref().map(text_of);
        let default = |agent: &PlannedAgent| self.backends.get(&agent.backend)?.default_model.clone();
        let with_model = |agent: PlannedAgent| PlannedAgent {
            model: agent.model.clone().or_else(|| default(&agent)),
            ..agent
        };
        let agents = agents.into_iter().map(with_model).collect();
        Plan { execution, context_path, ..Plan::of(agents) }
    }

    /// How many agents; one when nothing is said.
    fn count(&self) -> Result<usize, Failure> {
        let count = self.flags.config_agents.unwrap_or(1);
        let fits = usize::try_from(count).ok().filter(|count| (1..=MOST_AGENTS).contains(count));
        fits.ok_or_else(|| {
            Failure::configuration(format!("`--config-agents` must be from 1 to {MOST_AGENTS}, not {count}"))
                .hint("larger teams are written by hand, as `agents:` in a file")
        })
    }

    fn name_only_agent(&self, agents: &mut [PlannedAgent]) -> Result<(), Failure> {
        let Some(id) = &self.flags.config_agent_id else {
            return Ok(());
        };
        match agents {
            [only] => {
                id.clone_into(&mut only.id);
                Ok(())
            }
            _ => Err(Failure::configuration("`--config-agent-id` is for one agent")
                .hint("leave it out, or describe each agent with `--quickstart-agent id=…,backend=…`")),
        }
    }

    fn one_type(&self, name: &str) -> Result<&BackendType, Failure> {
        let name = one("--config-backend", name)?;
        known_type(name, self.backends).map_err(|error| refused(&error))
    }

    fn must_run(&self, name: &str) -> Result<(), Failure> {
        match self.backends.get(name) {
            Some(kind) if !kind.support.runs() => {
                Err(Failure::configuration(format!("the type `{}` does not run in this version", kind.name))
                    .hint(format!("types that run are {}", self.backends.running_types())))
            }
            // What is unknown is told with the plan as a whole.
            Some(_) | None => Ok(()),
        }
    }
}

/// The one value of a flag; a list is refused.
fn one<'a>(flag: &str, value: &'a str) -> Result<&'a str, Failure> {
    if value.contains(',') {
        return Err(Failure::configuration(format!("`{flag}` takes one name, not a list"))
            .hint("for different agents, repeat `--quickstart-agent backend=…,model=…`"));
    }
    Ok(value.trim())
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
