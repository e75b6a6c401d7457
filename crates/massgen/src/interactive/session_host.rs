//! The questions of a session, as the dialogue asks them.

use std::path::{Path, PathBuf};

use massgen_config::ContextPath;
use massgen_config::references::PathProbe;
use massgen_journal::artifacts::RunFolder;
use massgen_protocol::spec::Voting;
use massgen_view::amount::counted;

use super::command::PathWish;
use super::dialogue::{AgentStatus, Host, Status, TurnEnd};
use crate::arguments::Arguments;
use crate::asking::Asking;
use crate::at_paths::Files;
use crate::environment::Environment;
use crate::failure::{Failure, SUCCESS};
use crate::setup::{self, Survey};

/// What asks for a path, as findings name it.
const ASKED_BY: &str = "/context";

/// What runs, as far as a person is told of it.
struct Team {
    agents: Vec<AgentStatus>,
    mode: String,
    config: Option<PathBuf>,
    /// Secrets that stand in the configuration itself.
    secrets: Vec<String>,
}

impl Team {
    /// The team that `arguments` name.
    ///
    /// # Errors
    /// What is wrong with the configuration, or that there is none although there could be one.
    fn find(arguments: &Arguments, environment: &Environment) -> Result<Self, Failure> {
        let Survey { agents, voting, config, literal_secrets: secrets, .. } =
            setup::survey(arguments, environment)?;
        let mode = mode(agents.len(), voting);
        let agents = agents.into_iter().map(|agent| AgentStatus {
            id: agent.id.to_string(),
            model: agent.backend.model,
            backend: agent.backend.kind,
        });
        Ok(Self { agents: agents.collect(), mode, config, secrets })
    }
}

/// How so many agents work together.
fn mode(count: usize, voting: Voting) -> String {
    let agents = counted(count, "agent");
    match (count, voting) {
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
        let team = Team::find(asking.arguments(), environment)?;
        Ok(Self { asking, environment, team })
    }

    /// Secrets that stand in the configuration itself.
    pub(super) fn secrets(&self) -> &[String] {
        &self.team.secrets
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
        self.team = Team::find(self.asking.arguments(), self.environment)?;
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

    fn flags_to_go_on(&self) -> Option<String> {
        let session = self.asking.session();
        if session.remembered() == 0 {
            return None;
        }
        session.flags_to_go_on(self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_working_is_told_in_words() {
        assert_eq!(mode(3, Voting::WhenReady), "3 agents answer, see each other's answers, and vote");
        assert_eq!(mode(3, Voting::Skip), "3 agents answer; nobody votes");
        assert_eq!(mode(1, Voting::Skip), "one agent answers");
    }
}
