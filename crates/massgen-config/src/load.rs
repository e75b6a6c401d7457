//! From a text and flags to what runs.

use std::fmt;
use std::path::Path;

use massgen_protocol::Memory;
use massgen_protocol::spec::{AgentSpec, Budget, Orchestration, RunSpec, Timeouts};

use crate::backends::Backends;
use crate::check::{Checking, Lookup, Purpose, UnknownKeys};
use crate::context_paths;
use crate::finding::{ConfigError, Finding, Findings, Severity};
use crate::judge::{self, examine};
use crate::literal::{LiteralKey, LiteralSecret};
use crate::lower::{self, Lower, Retention, SkillSettings, UiSettings};
use crate::needed::{self, Needed, There};
use crate::node::{Node, Origin};
use crate::secrets::{self, Secrets};
use crate::settings::{self, Base, Settings};
use crate::source::Source;
use crate::uploads::Uploads;

/// What is to be loaded.
#[derive(Clone, Copy)]
pub struct LoadRequest<'a> {
    /// The configuration file; `None` when there is none, then flags alone decide.
    pub source: Option<&'a Source>,
    /// The flags.
    pub settings: &'a Settings,
    /// Looks up a variable of the environment, `.env` files included.
    pub lookup: Lookup<'a>,
    /// Directory that relative paths start from, absolute.
    pub working_directory: &'a Path,
    /// Eight hexadecimal digits of the run, for the names of folders; `None` when nothing is to run.
    pub instance: Option<&'a str>,
    /// How strict to be.
    pub validation: Validation,
    /// The backend types.
    pub backends: &'a Backends,
}

/// Shows the names only: texts and look-ups lead to keys.
impl fmt::Debug for LoadRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadRequest")
            .field("source", &self.source)
            .field("settings", &self.settings)
            .field("validation", &self.validation)
            .finish_non_exhaustive()
    }
}

/// How strict the check is.
///
/// [`Skip`](Self::Skip) leaves out what must hold between keys, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Validation {
    /// Errors stop the run.
    #[default]
    Normal,
    /// Errors and warnings do.
    Strict,
    /// Unknown keys are passed over; what is understood must still be right.
    Skip,
}

impl Validation {
    fn unknown_keys(self) -> UnknownKeys {
        match self {
            Self::Normal | Self::Strict => UnknownKeys::Refused,
            Self::Skip => UnknownKeys::Tolerated,
        }
    }
}

/// What runs, but for the question, which may come later.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDraft {
    /// The question of the command line or the configuration, checked.
    question: Option<String>,
    /// The agents, in the order of the configuration. Context windows and prices are not filled in.
    pub agents: Vec<AgentSpec>,
    /// How they work together.
    pub orchestration: Orchestration,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// What the run may spend.
    pub budget: Budget,
    /// Memory files, which are not known yet; `None` when agents keep none.
    pub memories: Option<Vec<Memory>>,
}

impl RunDraft {
    /// The question of the command line or, without one, of the configuration.
    pub fn question(&self) -> Option<&str> {
        self.question.as_deref()
    }

    /// The specification, with the question that the draft has.
    ///
    /// # Errors
    /// [`ConfigError::NoQuestion`] when it has none.
    pub fn finish(mut self) -> Result<RunSpec, ConfigError> {
        let question = self.question.take().ok_or(ConfigError::NoQuestion)?;
        self.with_question(question)
    }

    /// The specification, with this question.
    ///
    /// # Errors
    /// When the question is empty or too long.
    pub fn with_question(self, question: impl Into<String>) -> Result<RunSpec, ConfigError> {
        let question = question.into();
        lower::check_question(&question)?;
        let Self { question: _, agents, orchestration, timeouts, budget, memories } = self;
        Ok(RunSpec {
            question,
            agents,
            orchestration,
            timeouts,
            budget,
            history: Vec::new(),
            instructions: None,
            skills: Vec::new(),
            memories,
        })
    }
}

/// A configuration that can run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What runs.
    pub draft: RunDraft,
    /// What it says about the display.
    pub ui: UiSettings,
    /// What it says about skills.
    pub skills: SkillSettings,
    /// What it says about old runs.
    pub retention: Retention,
    /// Warnings and notices.
    pub findings: Findings,
    /// The configuration as written, variables not replaced, secrets covered.
    pub written: serde_json::Value,
    /// Keys that stand in the configuration itself.
    pub literal_keys: Vec<LiteralKey>,
    /// All secrets that stand in the configuration or in flags: those keys, and what else is covered where it stands.
    /// They must be in no file of a run.
    pub literal_secrets: Vec<LiteralSecret>,
    /// Files that go with the task. They are not read yet, and not among the agents' attachments.
    pub uploads: Uploads,
    /// Where each agent's backends stand, its own first.
    agent_origins: Vec<Vec<Origin>>,
    /// Files and folders that must be there.
    needed: Vec<Needed>,
    source: Option<Source>,
}

impl Loaded {
    /// The agents whose key is in none of their variables, as errors. `searched` says where keys are looked for, as in
    /// `the environment, ./.env`.
    pub fn missing_keys(&self, lookup: Lookup<'_>, searched: &str) -> Findings {
        let literal = |name: &str| self.literal_keys.iter().any(|key| key.variable == name);
        let is_set =
            |name: &String| literal(name) || lookup(name).is_some_and(|value| !value.trim().is_empty());
        let mut missing = Vec::new();
        let backends = self.draft.agents.iter().zip(&self.agent_origins).flat_map(|(agent, origins)| {
            agent.backends().zip(origins).enumerate().map(move |(entry, place)| (agent, entry, place))
        });
        for (agent, entry, (backend, origin)) in backends {
            let Some(service) = backend.service() else { continue };
            let key_variables = &service.key_variables;
            if key_variables.is_empty() || service.key_command.is_some() || key_variables.iter().any(is_set) {
                continue;
            }
            let names = key_variables.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
            let (path, whose) = match entry.checked_sub(1) {
                None => (format!("{}.backend", agent.id), format!("agent `{}` has no key", agent.id)),
                Some(index) => (
                    format!("{}.fallback[{index}]", agent.id),
                    format!("agent `{}` has no key for `{}` of its `fallback`", agent.id, backend.model),
                ),
            };
            missing.push(
                Finding::error(path, format!("{whose}: {names} is not set"))
                    .hint(format!(
                        "looked in {searched}; set it there, or use `--backend simulated` to try without a key"
                    ))
                    .at(origin),
            );
        }
        Findings::new(missing, self.source.as_ref(), &Secrets::default())
    }

    /// Looks for the files and folders that the configuration names. Told are, as errors, paths that agents were to
    /// see, hooks and files of variables that are not there; and as warnings, tools and servers whose file is missing: agents
    /// do without these, and they are no longer in the draft.
    pub fn settle_paths(&mut self, there: &dyn Fn(&Path) -> There) -> Findings {
        let missing = needed::missing(&self.needed, &mut self.draft.agents, there, Severity::Error);
        Findings::new(missing, self.source.as_ref(), &Secrets::default())
    }
}

/// Loads a configuration.
///
/// # Errors
/// All that is wrong with it, together with its warnings and notices.
pub fn load(request: LoadRequest<'_>) -> Result<Loaded, Findings> {
    let mut findings = Vec::new();
    let (mut root, base) = match request.source {
        Some(source) => (judge::read(source)?, Base::File),
        None => (settings::without_file(request.settings, request.backends, &mut findings), Base::Flags),
    };
    if !findings.is_empty() {
        return Err(Findings::new(findings, request.source, &Secrets::of(&root)));
    }
    let mut written = secrets::covered(&root);
    lay_over(&mut root, request.settings, base, request.lookup, request.working_directory, &mut findings);
    if base == Base::Flags {
        written = secrets::covered(&root);
    }
    let mut secrets = Secrets::of(&root);
    let by = Checking {
        lookup: request.lookup,
        working_directory: request.working_directory,
        instance: request.instance,
        backends: request.backends,
        unknown: request.validation.unknown_keys(),
        purpose: Purpose::Run,
    };
    let lowered = examine(&mut root, by, &mut findings);
    // Variables in texts have their values now.
    secrets.add_tree(&root);
    let findings = Findings::new(findings, request.source, &secrets);
    if findings.refuses(request.validation) {
        return Err(findings);
    }
    Ok(Loaded {
        draft: RunDraft {
            question: lowered.question,
            agents: lowered.agents,
            orchestration: lowered.orchestration,
            timeouts: lowered.timeouts,
            budget: lowered.budget,
            memories: lowered.memories,
        },
        ui: lowered.ui,
        skills: lowered.skills,
        retention: lowered.retention,
        uploads: Uploads { entries: lowered.uploads, source: findings.source().cloned() },
        source: findings.source().cloned(),
        findings,
        written: written.to_json(),
        literal_keys: lowered.literal_keys,
        literal_secrets: secrets.texts().map(LiteralSecret::new).collect(),
        agent_origins: lowered.agent_origins,
        needed: lowered.needed,
    })
}

/// Lays everything that the command line says over the tree.
pub(crate) fn lay_over(
    root: &mut Node,
    settings: &Settings,
    base: Base,
    lookup: Lookup<'_>,
    working_directory: &Path,
    findings: &mut Vec<Finding>,
) {
    settings::overlay(root, settings, base, findings);
    let home = lookup("HOME");
    for path in &settings.context_paths {
        context_paths::raise(root, path, working_directory, home.as_deref());
    }
}

/// Three simulated agents that answer without any provider; what runs when nothing is configured.
pub fn simulated_team(seed: u64) -> Vec<AgentSpec> {
    let root = settings::simulated_team_node(seed);
    let mut findings = Vec::new();
    let by = Checking {
        lookup: &|_| None,
        working_directory: Path::new("/"),
        instance: None,
        backends: Backends::built_in(),
        unknown: UnknownKeys::Refused,
        purpose: Purpose::Run,
    };
    let mut lower = Lower { by, findings: &mut findings };
    lower::lower(&root, &mut lower).agents
}
