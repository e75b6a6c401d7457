//! `--init` and `--quickstart`: a team by questions and answers. The answers become a plan; the generator does the rest.

use std::io;
use std::path::{Path, PathBuf};

use massgen_config::Source;
use massgen_config::backends::{BackendType, Backends, Capability, GENERAL, Support};
use massgen_config::generate::{
    Cooperation, Execution, MOST_AGENTS, Plan, PlannedAgent, generate, letter_id, needs_address,
};

use super::dialogue::{Choice, Dialogue, Need, Start, Stop};
use super::env_file::Assignment;
use super::offers::Offers;
use super::readiness::{Readiness, readiness};
use super::request::refused;
use super::saving::{Existing, run_line, save, says_something_else, shown};
use super::terminal::Terminal;
use super::{Person, env_file, has_effect, keys, nobody_to_ask};
use crate::backends;
use crate::discovery::LOCAL_SERVERS;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, SUCCESS};
use crate::setup::{PROJECT_CONFIG, USER_CONFIG};

/// Most agents that the short sequence offers; the first choice is three, enough for a majority.
const QUICK_AGENTS: usize = 5;

/// The usual name of a configuration that is not the default one.
const FILE_NAME: &str = "my_massgen_config.yaml";

/// How hard models think, in the words that most providers know.
const EFFORTS: [&str; 3] = ["low", "medium", "high"];

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What a team cannot do without.
    Short,
    /// Everything that has an effect.
    Full,
}

/// Performs the interactive `--quickstart`. `config` is the file to write, when one is named.
pub(crate) fn quickstart(config: Option<&Path>, environment: &Environment) -> Result<u8, Failure> {
    run(Depth::Short, config, environment)
}

/// Performs `--init`. `config` is the file to write, when one is named.
pub(crate) fn init(config: Option<&Path>, environment: &Environment) -> Result<u8, Failure> {
    match Person::of_process() {
        Person::Absent => Err(nobody_to_ask("--init")),
        Person::Present => run(Depth::Full, config, environment),
    }
}

fn run(depth: Depth, config: Option<&Path>, environment: &Environment) -> Result<u8, Failure> {
    let backends = backends::for_telling(environment);
    let offers = Offers::find(&backends, environment, &LOCAL_SERVERS);
    let mut terminal = Terminal::take();
    let wizard = Wizard { dialogue: &mut terminal, depth, backends: &backends, offers: &offers, environment };
    wizard.run(config).or_else(Stop::outcome)
}

struct Wizard<'a> {
    dialogue: &'a mut dyn Dialogue,
    depth: Depth,
    backends: &'a Backends,
    offers: &'a Offers,
    environment: &'a Environment,
}

/// A row of the list of what an agent can be made of.
enum Maker<'a> {
    Type(&'a BackendType),
    /// A server that answered, and an agent of it.
    Server(PlannedAgent),
}

/// How near at hand a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    HasKey,
    Simulated,
    WantsKey,
    OwnServer,
}

impl<'a> Wizard<'a> {
    fn run(mut self, config: Option<&Path>) -> Result<u8, Stop> {
        self.dialogue.begin("massgen: a team by questions and answers")?;
        let plan = self.plan()?;
        let keys = self.missing_keys(&plan)?;
        let text = generate(&plan, self.backends).map_err(|error| refused(&error))?;
        self.check(&text)?;
        self.dialogue.show("The configuration", text.trim_end())?;
        let Some(file) = self.place(config, &text)? else {
            let kept = if keys.is_empty() { "" } else { " The key was not kept: massgen --setup takes it." };
            self.dialogue.end(&format!("Nothing was written.{kept}"))?;
            return Ok(CONFIGURATION);
        };
        // Whoever stops before has written nothing.
        self.save_keys(&keys)?;
        save(&file, &text, Existing::Replaced)?;
        let (path, run) = (shown(&file, self.environment), run_line(&file, self.environment));
        self.dialogue.end(&format!("Written to {path}. Ask: {run}"))?;
        Ok(SUCCESS)
    }

    /// Refuses a configuration that would not run.
    fn check(&self, text: &str) -> Result<(), Stop> {
        match readiness(&Source::new("the configuration", text), self.environment, self.backends) {
            Readiness::Ready { .. } | Readiness::Keyless { .. } => Ok(()),
            Readiness::Broken { findings } => Err(Failure::Configuration(Box::new(findings)).into()),
        }
    }

    fn plan(&mut self) -> io::Result<Plan> {
        let most = match self.depth {
            Depth::Short => QUICK_AGENTS,
            Depth::Full => MOST_AGENTS,
        };
        let counts: Vec<Choice> = (1..=most)
            .map(|count| Choice::new(count.to_string(), if count == 1 { "no votes, least cost" } else { "" }))
            .collect();
        let count = self.dialogue.choose("How many agents?", &counts, 2)? + 1;
        let is_one_kind = count == 1 || {
            let kinds = [
                Choice::new("All the same", "one provider and model"),
                Choice::new("Different ones", "asked for each; other models see other mistakes"),
            ];
            self.dialogue.choose("Which models?", &kinds, 0)? == 0
        };
        let agents = if is_one_kind {
            let agent = self.agent(if count == 1 { "the agent" } else { "the agents" })?;
            Plan::of_equal(&agent, count).agents
        } else {
            let agent = |position| {
                let id = letter_id(position);
                Ok(PlannedAgent { id: id.clone(), ..self.agent(&id)? })
            };
            (0..count).map(agent).collect::<io::Result<_>>()?
        };
        let mut plan = Plan::of(agents);
        if self.depth == Depth::Full {
            self.team_settings(&mut plan)?;
        }
        Ok(plan)
    }

    /// What concerns the team as a whole. Only what has an effect in this version is asked.
    fn team_settings(&mut self, plan: &mut Plan) -> io::Result<()> {
        if plan.agents.len() > 1 && has_effect("orchestrator.coordination_mode") {
            let ways = [
                Choice::new("Vote", "each answers, the best answer wins"),
                Choice::new("Share the work", "each does a part, the last one joins them"),
            ];
            if self.dialogue.choose("How do they work together?", &ways, 0)? == 1 {
                plan.cooperation = Cooperation::Decomposition;
            }
        }
        if has_effect("agents[].backend.command_line_execution_mode")
            && self.dialogue.confirm("Run their commands in containers (docker)?", Start::No)?
        {
            plan.execution = Execution::Docker;
        }
        if has_effect("orchestrator.context_paths") {
            let question = "A folder that they work on (Enter for none)";
            let path = self.dialogue.line(question, "", Need::Optional, |_| Ok(()))?;
            plan.context_path = Some(path).filter(|path| !path.is_empty());
        }
        Ok(())
    }

    /// One agent. `whom` says which, for the questions.
    fn agent(&mut self, whom: &str) -> io::Result<PlannedAgent> {
        let (choices, sources) = self.sources();
        let chosen = self.dialogue.choose(&format!("Provider of {whom}?"), &choices, 0)?;
        let kind = match sources.into_iter().nth(chosen) {
            Some(Maker::Server(agent)) => return self.more(whom, agent),
            Some(Maker::Type(kind)) => kind,
            None => return Err(io::ErrorKind::Interrupted.into()),
        };
        let mut agent = PlannedAgent::new(letter_id(0), kind.name.as_str());
        if kind.support != Support::Simulated {
            if needs_address(kind) || kind.name == GENERAL {
                let proposal = kind.base_url.clone().unwrap_or_default();
                let question = "Address of the service, up to and with /v1";
                agent.base_url = Some(self.dialogue.line(question, &proposal, Need::Required, is_address)?);
            }
            agent.model = Some(self.model(whom, kind)?);
        }
        self.more(whom, agent)
    }

    /// What agents can be made of: what is usable now comes first.
    fn sources(&self) -> (Vec<Choice>, Vec<Maker<'a>>) {
        let servers = self.offers.servers.iter().map(|server| {
            let hint = format!("{} at {}", server.model, server.base_url);
            let row = Choice::new(format!("{} on this machine", server.name), hint);
            (row, Maker::Server(server.agent(self.backends)))
        });
        let mut kinds: Vec<(Rank, &'a BackendType)> =
            self.backends.types().iter().filter_map(|kind| Some((self.rank(kind)?, kind))).collect();
        // Within a rank they stay in the order of the table.
        kinds.sort_by_key(|(rank, _)| *rank);
        let kinds = kinds.into_iter().map(|(rank, kind)| {
            let hint = match rank {
                Rank::HasKey => "key is set".to_owned(),
                Rank::Simulated => "no model: to try it without a key".to_owned(),
                Rank::WantsKey => format!("needs {}", kind.key_variables.join(" or ")),
                Rank::OwnServer => "a server of your own".to_owned(),
            };
            (Choice::new(kind.display_name.as_str(), hint), Maker::Type(kind))
        });
        servers.chain(kinds).unzip()
    }

    /// Where a type stands in the list; `None` for what does not run.
    fn rank(&self, kind: &BackendType) -> Option<Rank> {
        match kind.support {
            Support::Provider if kind.name == GENERAL => Some(Rank::OwnServer),
            Support::Provider if self.offers.has_key(kind) => Some(Rank::HasKey),
            Support::Provider => Some(Rank::WantsKey),
            Support::Simulated => Some(Rank::Simulated),
            Support::OwnServer => Some(Rank::OwnServer),
            Support::NotYet { .. } | Support::Never => None,
        }
    }

    fn model(&mut self, whom: &str, kind: &BackendType) -> io::Result<String> {
        const OTHER: &str = "another one";
        let default = kind.default_model.iter().map(String::as_str);
        let others = kind.models.iter().map(|model| model.name.as_str());
        let others = others.filter(|name| kind.default_model.as_deref() != Some(*name));
        let names: Vec<&str> = default.chain(others).collect();
        let usual =
            |name: &str| if kind.default_model.as_deref() == Some(name) { "the usual one" } else { "" };
        let question = format!("Model of {whom}?");
        if !names.is_empty() {
            let mut choices: Vec<Choice> = names.iter().map(|name| Choice::new(*name, usual(name))).collect();
            choices.push(Choice::new(OTHER, "any that the service knows"));
            let chosen = self.dialogue.choose(&question, &choices, 0)?;
            if let Some(name) = names.get(chosen) {
                return Ok((*name).to_owned());
            }
        }
        self.dialogue.line(&question, "", Need::Required, |_| Ok(()))
    }

    /// What else can be said about an agent of this type and model.
    fn more(&mut self, whom: &str, mut agent: PlannedAgent) -> io::Result<PlannedAgent> {
        let Some(kind) = self.backends.get(&agent.backend) else {
            return Ok(agent);
        };
        let can = |what| agent.model.as_deref().is_some_and(|model| kind.can(model, what));
        let (thinks, searches, runs) =
            (can(Capability::Reasoning), can(Capability::WebSearch), can(Capability::CodeExecution));
        if thinks {
            let mut choices = vec![Choice::new("as the provider does", "")];
            choices.extend(EFFORTS.map(|effort| Choice::new(effort, "")));
            let chosen = self.dialogue.choose(&format!("How hard shall {whom} think?"), &choices, 0)?;
            agent.reasoning_effort = chosen
                .checked_sub(1)
                .and_then(|chosen| EFFORTS.get(chosen))
                .map(|effort| (*effort).to_owned());
        }
        if searches && has_effect("agents[].backend.enable_web_search") {
            agent.web_search = self.dialogue.confirm("May the provider search the web?", Start::Yes)?;
        }
        if runs && self.depth == Depth::Full && has_effect("agents[].backend.enable_code_interpreter") {
            agent.code_execution = self.dialogue.confirm("May the provider run code?", Start::No)?;
        }
        if self.depth == Depth::Full {
            let question = format!("Anything that {whom} should always know (Enter for nothing)");
            let message = self.dialogue.line(&question, "", Need::Optional, |_| Ok(()))?;
            agent.system_message = Some(message).filter(|message| !message.is_empty());
        }
        Ok(agent)
    }

    /// Asks for the keys that the team needs and nobody has set. They may be left out.
    fn missing_keys(&mut self, plan: &Plan) -> io::Result<Vec<Assignment>> {
        let mut changes = Vec::new();
        let mut asked: Vec<&str> = Vec::new();
        for agent in &plan.agents {
            let kind = self.backends.get(&agent.backend);
            let wants = |kind: &&BackendType| {
                kind.support == Support::Provider && agent.base_url.is_none() && !self.offers.has_key(kind)
            };
            let Some(variable) = kind.filter(wants).and_then(|kind| kind.key_variables.first()) else {
                continue;
            };
            if asked.contains(&variable.as_str()) {
                continue;
            }
            asked.push(variable);
            let question = format!("{variable} is not set. The key (Enter for later: massgen --setup)");
            if let Some(secret) = self.dialogue.secret(&question)? {
                changes.push((variable.clone(), secret));
            }
        }
        Ok(changes)
    }

    fn save_keys(&mut self, keys: &[Assignment]) -> Result<(), Stop> {
        if keys.is_empty() {
            return Ok(());
        }
        let file = keys::usual_place(self.environment);
        let path = self.environment.absolute(file.as_ref());
        let target = env_file::save(&path, keys)?;
        let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
        let mut told = vec![format!("{} saved in {file}", names.join(", "))];
        told.extend(keys::link_remark(file, &path, &target));
        self.dialogue.show("Keys", &told.join("\n"))?;
        Ok(())
    }

    /// Where the configuration goes; `None` when it is not to be written.
    fn place(&mut self, config: Option<&Path>, text: &str) -> Result<Option<PathBuf>, Stop> {
        loop {
            let name = match config {
                Some(config) => config.to_string_lossy().into_owned(),
                None => match self.chosen_place()? {
                    Some(name) => name,
                    None => return Ok(None),
                },
            };
            let file = self.environment.absolute(name.as_ref());
            if !says_something_else(&file, text) {
                return Ok(Some(file));
            }
            let question = format!("{name} is there already. Replace it?");
            if self.dialogue.confirm(&question, Start::No)? {
                return Ok(Some(file));
            }
            if config.is_some() {
                return Ok(None);
            }
        }
    }

    fn chosen_place(&mut self) -> io::Result<Option<String>> {
        const OWN_NAME: &str = "a name of its own";
        const NOWHERE: &str = "nowhere";
        let mut choices = vec![Choice::new(format!("./{PROJECT_CONFIG}"), "used in this folder")];
        if self.environment.home.is_some() {
            choices.push(Choice::new(USER_CONFIG, "used wherever there is no other"));
        }
        if self.depth == Depth::Full {
            choices.push(Choice::new(OWN_NAME, "used with --config NAME"));
        }
        choices.push(Choice::new(NOWHERE, "only look at it"));
        let chosen = self.dialogue.choose("Where shall it be written?", &choices, 0)?;
        match choices.get(chosen).map(|choice| choice.label.as_str()) {
            None | Some(NOWHERE) => Ok(None),
            Some(OWN_NAME) => {
                let name = self.dialogue.line("Name of the file", FILE_NAME, Need::Required, is_file_name)?;
                Ok(Some(name))
            }
            Some(path) => Ok(Some(path.to_owned())),
        }
    }
}

fn is_address(text: &str) -> Result<(), String> {
    Backends::check_address(text).map_err(|why| format!("it {why}; for example http://localhost:8080/v1"))
}

fn is_file_name(text: &str) -> Result<(), String> {
    let ends = [".yaml", ".yml"];
    if ends.iter().any(|end| text.len() > end.len() && text.ends_with(end)) {
        Ok(())
    } else {
        Err("it ends in .yaml".to_owned())
    }
}

#[cfg(test)]
#[path = "wizard_tests.rs"]
mod tests;
