//! From the command line and the configuration to the specification of a run.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use massgen_config::backends::Backends;
use massgen_config::trust::DemandKind;
use massgen_config::{
    ContextPath, Coordination, Findings, LiteralKey, LiteralSecret, LoadRequest, Loaded, Modes, Permission,
    Personas, Settings, SingleAgent, Source, UiSettings, Uploads, Validation, check_file_name, is_about_logs,
    load,
};
use massgen_engine::Redactor;
use massgen_protocol::limits;
use massgen_protocol::spec::{AgentSpec, RunMeta, RunSpec, Voting};

use crate::arguments::Arguments;
use crate::arguments::groups::{self, Information};
use crate::backends;
use crate::discovery;
use crate::environment::{Environment, SEARCHED, is_there, read_text, there};
use crate::failure::Failure;
use crate::form;
use crate::git;
use crate::remarks::Remarks;
use crate::setting_up::Person;
use crate::terminal::findings_style;
use crate::trust::{Demanding, FoundConfig};
use crate::{at_paths, examples, guidance, real_folders, trust};

/// The configuration of a project, from the working directory.
pub(crate) const PROJECT_CONFIG: &str = ".massgen/config.yaml";

/// The configuration of a user.
pub(crate) const USER_CONFIG: &str = "~/.config/massgen/config.yaml";

/// The configurations that are found by themselves; the first one wins.
pub(crate) const CONFIGS: [&str; 2] = [PROJECT_CONFIG, USER_CONFIG];

/// Longest configuration file that is read.
const CONFIG_BYTES: u64 = massgen_config::node::SOURCE_BYTES as u64;

/// What a new run starts from.
pub(crate) struct Setup {
    pub(crate) spec: RunSpec,
    pub(crate) meta: RunMeta,
    /// Keys that stand in the configuration itself: the names that stand for them, and the keys.
    pub(crate) literal_keys: Vec<(String, String)>,
    /// All secrets that stand in the configuration itself, those keys among them.
    pub(crate) literal_secrets: Vec<String>,
    /// Files that go with the task, not read yet.
    pub(crate) uploads: Uploads,
    pub(crate) ui: UiSettings,
    /// Lines for a person before the run begins.
    pub(crate) remarks: Vec<String>,
}

/// Who would answer, whatever is asked.
pub(crate) struct Survey {
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) voting: Voting,
    /// The configuration, under a name by which it is found from anywhere.
    pub(crate) config: Option<PathBuf>,
    /// Secrets that stand in the configuration itself.
    pub(crate) literal_secrets: Vec<String>,
}

/// What the command line and the files say, not yet checked.
#[derive(Clone)]
struct Written {
    settings: Settings,
    backends: Cow<'static, Backends>,
    source: Option<Source>,
    /// What keeps the folders of this run apart from those of others.
    instance: String,
}

impl Written {
    fn find(arguments: &Arguments, environment: &Environment) -> Result<Self, Failure> {
        let settings = settings(arguments, environment);
        let backends = backends::known(environment)?;
        let source = source(arguments, &settings, environment)?;
        Ok(Self { settings, backends, source, instance: new_instance() })
    }

    fn is_configured(&self) -> bool {
        self.source.is_some() || self.settings.stand_in_for_a_file()
    }

    fn load(&self, arguments: &Arguments, environment: &Environment) -> Result<Loaded, Failure> {
        let request = LoadRequest {
            source: self.source.as_ref(),
            settings: &self.settings,
            lookup: &|name| environment.get(name),
            working_directory: &environment.working_directory,
            instance: Some(&self.instance),
            validation: validation(&arguments.information),
            backends: &self.backends,
        };
        load(request).map_err(configuration)
    }

    /// Lets a configuration that was only found do what it asks for if a person trusts it. Comes before anything that it
    /// names is started.
    fn require_trust(
        &self,
        loaded: &Loaded,
        arguments: &Arguments,
        environment: &Environment,
    ) -> Result<(), Failure> {
        let Some(source) = &self.source else { return Ok(()) };
        let Some(found) = FoundConfig::of(source, arguments, environment) else { return Ok(()) };
        let mut demands = trust::demands_of(&loaded.draft.agents, &self.backends, environment);
        if !demands.is_empty() && !self.settings.context_paths.is_empty() {
            // What the person lets agents see is their own word.
            let settings = Settings { context_paths: Vec::new(), ..self.settings.clone() };
            let own = Self { settings, ..self.clone() }.load(arguments, environment)?;
            let own = trust::demands_of(&own.draft.agents, &self.backends, environment);
            demands.retain(|demand| demand.kind != DemandKind::Reach || own.contains(demand));
        }
        let is_for_programs = arguments.automation || arguments.stream_events;
        let person = if is_for_programs { Person::Absent } else { Person::of_process() };
        let redactor = environment.redactor(literal_secrets(loaded));
        let demanding = Demanding { source: Some(source), demands, redactor };
        trust::require(&found, source, &demanding, person, environment)
    }
}

/// Refuses what lacks a key; a recording needs none.
fn require_keys(loaded: &Loaded, arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    if arguments.replay.is_some() {
        return Ok(());
    }
    let missing = loaded.missing_keys(&|name| environment.get(name), SEARCHED);
    if missing.has_errors() { Err(configuration(missing)) } else { Ok(()) }
}

/// Whether the command line or the configuration asks something.
///
/// # Errors
/// What is wrong with the configuration.
pub(crate) fn has_question(arguments: &Arguments, environment: &Environment) -> Result<bool, Failure> {
    let written = Written::find(arguments, environment)?;
    Ok(written.load(arguments, environment)?.draft.question().is_some())
}

/// Finds out who would answer.
///
/// # Errors
/// What is wrong with the configuration, or that there is none although there could be one.
pub(crate) fn survey(arguments: &Arguments, environment: &Environment) -> Result<Survey, Failure> {
    let written = Written::find(arguments, environment)?;
    if !written.is_configured() {
        unconfigured(environment, &written.backends)?;
    }
    let loaded = written.load(arguments, environment)?;
    require_keys(&loaded, arguments, environment)?;
    written.require_trust(&loaded, arguments, environment)?;
    Ok(Survey {
        config: written.source.as_ref().map(|source| config_path(source, environment).into()),
        literal_secrets: literal_secrets(&loaded),
        agents: loaded.draft.agents,
        voting: loaded.draft.orchestration.voting,
    })
}

/// Loads and checks everything that a new run needs.
pub(crate) fn prepare(arguments: &Arguments, environment: &Environment) -> Result<Setup, Failure> {
    let mut written = Written::find(arguments, environment)?;
    let mut remarks = Vec::new();
    if !written.is_configured() {
        if arguments.question.as_ref().is_none_or(|question| question.trim().is_empty()) {
            return Err(Failure::usage("there is no question").hint(
                "write it behind the command, as in `massgen \"your question\"`; see `massgen --help`",
            ));
        }
        remarks.push(unconfigured(environment, &written.backends)?);
    }
    let mut loaded = written.load(arguments, environment)?;
    if !arguments.modes.no_parse_at_references
        && let Some(question) = loaded.draft.question()
    {
        let parsed = at_paths::read(question, environment)?;
        if parsed.text != question {
            remarks.extend(at_paths::told(&parsed));
            written.settings.context_paths.extend(parsed.context_paths());
            written.settings.question = Some(parsed.text);
            loaded = written.load(arguments, environment)?;
        }
    }
    require_keys(&loaded, arguments, environment)?;
    written.require_trust(&loaded, arguments, environment)?;
    let paths = loaded.settle_paths(&there);
    if paths.refuses(validation(&arguments.information)) {
        return Err(configuration(paths));
    }
    for findings in [&loaded.findings, &paths].into_iter().filter(|findings| !findings.is_empty()) {
        let told = massgen_config::render(findings, findings_style(&std::io::stderr()));
        remarks.push(told.trim_end().to_owned());
    }
    finish(arguments, environment, &written, loaded, remarks)
}

fn finish(
    arguments: &Arguments,
    environment: &Environment,
    written: &Written,
    loaded: Loaded,
    mut remarks: Vec<String>,
) -> Result<Setup, Failure> {
    let literal_keys: Vec<(String, String)> =
        loaded.literal_keys.iter().map(|key| (key.variable.clone(), key.expose().to_owned())).collect();
    let literal_secrets = literal_secrets(&loaded);
    let redactor = environment.redactor(literal_secrets.iter().cloned());
    let (ui, uploads, skills) = (loaded.ui, loaded.uploads, loaded.skills);
    let mut spec = loaded.draft.finish().map_err(|error| Failure::usage(&error).hint(error.hint()))?;
    form::require_usable(&spec)?;
    real_folders::spell(&mut spec);
    real_folders::tell_files(&mut spec);
    spec.question = redactor.text(&spec.question).into_owned();
    remarks.extend(without_secrets(&mut spec, &redactor));
    backends::add_facts(&mut spec, &written.backends);
    remarks.extend(unpriced(&spec));
    let found = written.source.as_ref().and_then(|source| FoundConfig::of(source, arguments, environment));
    remarks.extend(guidance::add(&mut spec, &skills, found.as_ref(), &redactor, environment));
    let arguments = serde_json::to_value(arguments).map_err(Failure::configuration)?;
    let meta = RunMeta {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        working_directory: environment.working_directory.display().to_string(),
        config_path: written.source.as_ref().map(|source| config_path(source, environment)),
        config: written.source.as_ref().map(|_| redactor.json(loaded.written)),
        arguments: redactor.json(arguments),
        git: git::state_of(&environment.working_directory),
        utc_offset_seconds: jiff::Zoned::now().offset().seconds(),
        fixed_prompt_bytes: 0,
        session: None,
    };
    Ok(Setup { spec, meta, literal_keys, literal_secrets, uploads, ui, remarks })
}

/// Takes secrets out of the system messages, which are kept in the run's files as the question is; returned is what is
/// told of that.
fn without_secrets(spec: &mut RunSpec, redactor: &Redactor) -> Vec<String> {
    let mut told = Vec::new();
    for agent in &mut spec.agents {
        let Some(message) = &mut agent.system_message else { continue };
        let clean = redactor.text(message).into_owned();
        if clean != *message {
            told.push(format!(
                "warning: the system message of `{}` holds a secret; the model gets `[REDACTED]` in its place\n\
                 hint: what a model is told is kept in the run's files",
                agent.id
            ));
            *message = clean;
        }
    }
    told
}

/// The secrets that stand in the configuration itself.
pub(crate) fn literal_secrets(loaded: &Loaded) -> Vec<String> {
    let keys = loaded.literal_keys.iter().filter(|key| key.is_secret()).map(LiteralKey::expose);
    keys.chain(loaded.literal_secrets.iter().map(LiteralSecret::expose)).map(str::to_owned).collect()
}

/// The name under which the configuration is found again from anywhere.
fn config_path(source: &Source, environment: &Environment) -> String {
    match examples::of_config(source.name()) {
        Some(_) => source.name().to_owned(),
        None => environment.absolute(source.name().as_ref()).display().to_string(),
    }
}

/// Eight hexadecimal digits that no other run has, for all one knows.
fn new_instance() -> String {
    let random = std::hash::RandomState::new().hash_one(std::process::id());
    format!("{:08x}", random >> 32)
}

/// What the flags of `arguments` say about a run.
fn settings(arguments: &Arguments, environment: &Environment) -> Settings {
    let mut context_paths = arguments.context_paths.clone();
    context_paths.extend(arguments.modes.cwd_context.map(|access| ContextPath {
        path: environment.working_directory.display().to_string(),
        permission: match access {
            groups::Access::Ro | groups::Access::Read => Permission::Read,
            groups::Access::Rw | groups::Access::Write => Permission::Write,
        },
        flag: "--cwd-context",
    }));
    Settings {
        question: arguments.question.clone(),
        backend: arguments.backend.clone(),
        model: arguments.model.clone(),
        base_url: arguments.base_url.clone(),
        system_message: arguments.system_message.clone(),
        orchestrator_timeout: arguments.orchestrator_timeout,
        modes: modes(arguments),
        single_agent: arguments.single_agent.as_ref().map(|id| match id {
            Some(id) => SingleAgent::Named(id.clone()),
            None => SingleAgent::First,
        }),
        max_cost: arguments.max_cost,
        max_tokens: arguments.max_tokens,
        rate_limit: arguments.rate_limit,
        simulate: arguments.simulate,
        context_paths,
    }
}

fn modes(arguments: &Arguments) -> Modes {
    let modes = &arguments.modes;
    Modes {
        quick: modes.quick,
        coordination: modes.coordination_mode.map(|mode| match mode {
            groups::CoordinationMode::Parallel => Coordination::Parallel,
            groups::CoordinationMode::Decomposition => Coordination::Decomposition,
        }),
        personas: modes.personas.map(|personas| match personas {
            groups::Personas::Off => Personas::Off,
            groups::Personas::Perspective => Personas::Perspective,
            groups::Personas::Implementation => Personas::Implementation,
            groups::Personas::Methodology => Personas::Methodology,
        }),
    }
}

/// How strict the check of a configuration is before a run.
pub(crate) fn validation(information: &Information) -> Validation {
    if information.skip_validation {
        Validation::Skip
    } else if information.strict_validation {
        Validation::Strict
    } else {
        Validation::Normal
    }
}

/// The configuration file of a run: none when flags name a backend.
fn source(
    arguments: &Arguments,
    settings: &Settings,
    environment: &Environment,
) -> Result<Option<Source>, Failure> {
    if arguments.config.is_none() && settings.name_a_backend() {
        return Ok(None);
    }
    find_source(arguments.config.as_deref(), environment)
}

/// The configuration file: the one that was named, else the project's, else the user's.
pub(crate) fn find_source(
    config: Option<&Path>,
    environment: &Environment,
) -> Result<Option<Source>, Failure> {
    let example = config.and_then(Path::to_str).and_then(examples::of_config);
    if let Some(example) = example.transpose()? {
        return Ok(Some(Source::new(example.path(), example.text)));
    }
    let candidates = match config {
        Some(path) => named(path),
        None => CONFIGS.map(str::to_owned).to_vec(),
    };
    for name in &candidates {
        let path = environment.absolute(name.as_ref());
        let there = is_there(&path).map_err(|problem| {
            Failure::configuration(format!("cannot look for the configuration `{name}`: {problem}"))
                .hint("make the folder readable for you")
        })?;
        if there {
            if !path.is_dir() {
                check_file_name(&path).map_err(|error| Failure::configuration(&error).hint(error.hint()))?;
            }
            let source = read_source(name.clone(), &path)?;
            // A user may say of all runs what becomes of them, and of none who answers.
            if config.is_none() && name == USER_CONFIG && is_about_logs(&source) {
                continue;
            }
            return Ok(Some(source));
        }
    }
    match config {
        None => Ok(None),
        Some(path) => Err(Failure::configuration(format!("there is no configuration `{}`", path.display()))
            .hint(format!("looked for `{}`", candidates.join("`, `")))),
    }
}

/// Where a configuration is looked for that was named.
fn named(path: &Path) -> Vec<String> {
    let name = path.display();
    let mut candidates = vec![name.to_string()];
    if path.is_relative() && !path.starts_with("~") {
        candidates.push(format!("~/.config/massgen/agents/{name}"));
        if check_file_name(path).is_err() {
            candidates.push(format!("~/.config/massgen/agents/{name}.yaml"));
        }
    }
    candidates
}

pub(crate) fn read_source(name: String, path: &Path) -> Result<Source, Failure> {
    let text = read_text(path, CONFIG_BYTES).map_err(|problem| {
        Failure::configuration(format!("cannot read the configuration `{name}`: {problem}"))
            .hint("name a YAML or JSON file of some kilobytes")
    })?;
    Ok(Source::new(name, text))
}

/// Nothing is configured. With a key or a local server at hand the person decides; nothing is spent unasked. With
/// neither, the simulated team shows what would happen; returned is what is told of that.
fn unconfigured(environment: &Environment, backends: &Backends) -> Result<String, Failure> {
    let found = discovery::suggestions(backends, environment, &discovery::LOCAL_SERVERS);
    if found.is_empty() {
        return Ok("nothing is configured: three SIMULATED agents answer, no model is asked\n\
                   hint: `massgen --quickstart` sets up a team, `massgen --setup` takes your keys"
            .to_owned());
    }
    let mut message = "nothing is configured, but this could be used:".to_owned();
    for line in found {
        message.push_str("\n  ");
        message.push_str(&line);
    }
    message.push_str("\n  without any model: massgen --backend simulated \"your question\"");
    Err(Failure::configuration(message)
        .hint("run one of these, or set up a team once and for all: massgen --quickstart"))
}

/// A cost limit that cannot be held, said before the run.
fn unpriced(spec: &RunSpec) -> Option<String> {
    spec.budget.max_cost?;
    let backends = spec.agents.iter().flat_map(AgentSpec::backends);
    let unknown = backends.filter(|backend| backend.price.is_none());
    let models: Vec<String> = unknown.map(|backend| format!("`{}`", backend.model)).collect();
    if models.is_empty() {
        return None;
    }
    let bound = limits::BUDGETED_OUTPUT_TOKENS;
    Some(format!(
        "warning: the price of {} is unknown, so `--max-cost` does not count its calls (each is bounded to {bound} output \
         tokens)\nhint: bound the run with `--max-tokens`",
        models.join(", ")
    ))
}

/// Findings that keep the run from beginning: errors, or under `--strict-validation` warnings alone.
pub(crate) fn configuration(findings: Findings) -> Failure {
    if findings.has_errors() {
        return Failure::Configuration(Box::new(findings));
    }
    Remarks::direct().tell(massgen_config::render(&findings, findings_style(&std::io::stderr())).trim_end());
    Failure::configuration("the configuration has warnings, and `--strict-validation` stops at them")
        .hint("mend them, or leave the flag out")
}
