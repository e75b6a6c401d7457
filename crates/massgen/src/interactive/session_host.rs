//! The questions of a session, as the dialogue asks them.

use std::path::{Path, PathBuf};

use massgen_config::ContextPath;
use massgen_config::references::PathProbe;
use massgen_journal::artifacts::RunFolder;
use massgen_protocol::spec::{RunSpec, Voting};
use massgen_view::amount::counted;

use super::command::PathWish;
use super::dialogue::{AgentStatus, Host, Status, TurnEnd};
use crate::arguments::Arguments;
use crate::asking::Asking;
use crate::at_paths::Files;
use crate::environment::Environment;
use crate::failure::{Failure, SUCCESS};
use crate::setup::{self, Setup};

/// Stands in for a question when only the team is of interest. It is never asked.
const NO_QUESTION: &str = "?";

/// What asks for a path, as findings name it.
const ASKED_BY: &str = "/context";

/// What becomes of a conversation for which nothing is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unconfigured {
    /// There is none; the person is told how to go on.
    Refused,
    /// The simulated team answers, as it has before.
    Accepted,
}

/// What runs, as far as a person is told of it.
struct Team {
    agents: Vec<AgentStatus>,
    mode: String,
    config: Option<PathBuf>,
    /// Keys that stand in the configuration itself.
    keys: Vec<String>,
}

impl Team {
    /// The team that `arguments` name.
    ///
    /// # Errors
    /// What is wrong with the configuration, or that there is none.
    fn find(
        arguments: &mut Arguments,
        environment: &Environment,
        unconfigured: Unconfigured,
    ) -> Result<Self, Failure> {
        arguments.question = Some(NO_QUESTION.to_owned());
        let setup = setup::prepare(arguments, environment);
        arguments.question = None;
        let setup = setup?;
        let flags = setup::settings(arguments, environment)?;
        let is_configured = setup.meta.config_path.is_some() || flags.name_a_backend() || flags.simulate;
        if !is_configured && unconfigured == Unconfigured::Refused {
            setup::prepare(arguments, environment)?;
        }
        Ok(Self::of(setup))
    }

    fn of(setup: Setup) -> Self {
        let agents = setup.spec.agents.iter().map(|agent| AgentStatus {
            id: agent.id.to_string(),
            model: agent.backend.model.clone(),
            backend: agent.backend.kind.clone(),
        });
        Self {
            agents: agents.collect(),
            mode: mode(&setup.spec),
            config: setup.meta.config_path.map(PathBuf::from),
            keys: setup.literal_keys.into_iter().map(|(_, key)| key).collect(),
        }
    }
}

/// How the agents of `spec` work together.
fn mode(spec: &RunSpec) -> String {
    let agents = counted(spec.agents.len(), "agent");
    match (spec.agents.len(), spec.orchestration.voting) {
        (1, _) => "one agent answers".to_owned(),
        (_, Voting::WhenReady) => format!("{agents} answer, see each other's answers, and vote"),
        (_, Voting::AfterAllAnswered) => format!("{agents} answer, and vote when all have"),
        (_, Voting::Skip) => format!("{agents} answer; nobody votes"),
    }
}

/// A session whose questions a person types.
pub(super) struct SessionHost<'a> {
    asking: Asking<'a>,
    environment: &'a Environment,
    team: Team,
}

impl<'a> SessionHost<'a> {
    /// The host of `asking`.
    ///
    /// # Errors
    /// What is wrong with the configuration, or that there is none.
    pub(super) fn new(mut asking: Asking<'a>, environment: &'a Environment) -> Result<Self, Failure> {
        let unconfigured = match asking.session().id() {
            Some(_) => Unconfigured::Accepted,
            None => Unconfigured::Refused,
        };
        let team = Team::find(asking.arguments(), environment, unconfigured)?;
        Ok(Self { asking, environment, team })
    }

    /// Keys that stand in the configuration itself.
    pub(super) fn keys(&self) -> &[String] {
        &self.team.keys
    }
}

impl Host for SessionHost<'_> {
    async fn ask(&mut self, question: String) -> Result<TurnEnd, Failure> {
        let end = self.asking.ask(Some(&question)).await?;
        Ok(match (end.is_interrupted, end.code) {
            (true, _) => TurnEnd::Interrupted,
            (false, SUCCESS) => TurnEnd::Answered,
            (false, _) => TurnEnd::Unanswered,
        })
    }

    fn reset(&mut self) {
        self.asking.reset();
    }

    fn reload(&mut self) -> Result<(), Failure> {
        self.team = Team::find(self.asking.arguments(), self.environment, Unconfigured::Accepted)?;
        Ok(())
    }

    fn add_context(&mut self, wish: PathWish) -> Result<ContextPath, Failure> {
        let path = self.environment.absolute(&wish.path);
        if Files(self.environment).kind(&path).is_none() {
            return Err(Failure::configuration(format!("there is no `{}`", path.display()))
                .hint("paths are seen from the folder in which massgen was started"));
        }
        let added =
            ContextPath { path: path.display().to_string(), permission: wish.permission, flag: ASKED_BY };
        let context = &mut self.asking.arguments().context_paths;
        match context.iter_mut().find(|known| Path::new(&known.path) == path) {
            Some(known) => known.permission = added.permission,
            None => context.push(added.clone()),
        }
        Ok(added)
    }

    fn status(&mut self) -> Status {
        let session = self.asking.session();
        let runs = session.runs();
        Status {
            agents: self.team.agents.clone(),
            mode: self.team.mode.clone(),
            remembered: session.remembered(),
            config: self.team.config.clone(),
            session: session.id().map(ToString::to_string),
            logs: runs.last().map(|run| run.root.clone()),
            context: self.asking.arguments().context_paths.clone(),
        }
    }

    fn turns(&self) -> Vec<RunFolder> {
        self.asking.session().runs()
    }
}

#[cfg(test)]
mod tests {
    use massgen_testkit::history::spec;

    use super::*;

    #[test]
    fn the_way_of_working_is_told_in_words() {
        let mut team = spec(&["a", "b", "c"]);
        assert_eq!(mode(&team), "3 agents answer, see each other's answers, and vote");
        team.orchestration.voting = Voting::Skip;
        assert_eq!(mode(&team), "3 agents answer; nobody votes");
        team.agents.truncate(1);
        assert_eq!(mode(&team), "one agent answers");
    }
}
