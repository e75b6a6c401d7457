//! `--quickstart --headless` and `--generate-config`: a configuration without questions.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use massgen_config::backends::{BackendType, Backends};
use massgen_config::generate::{Execution, Plan, PlannedAgent, generate};
use massgen_config::{Findings, Severity, Source};

use super::damage::damaged;
use super::offers::Offers;
use super::programs::{self, Probe};
use super::readiness::{Readiness, readiness};
use super::request::{Request, refused};
use super::saving::{Existing, run_line, save, shown};
use super::{Person, tell, wizard};
use crate::arguments::Arguments;
use crate::arguments::groups::SetUp;
use crate::backends;
use crate::discovery::LOCAL_SERVERS;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, SUCCESS};
use crate::remarks::Remarks;
use crate::setup::PROJECT_CONFIG;
use crate::terminal::findings_style;

/// The file with the names of keys, for somebody who has none.
const TEMPLATE: &str = ".env";

/// Where keys of the best-known providers are made.
const SIGN_UP: [(&str, &str); 6] = [
    ("OPENAI_API_KEY", "https://platform.openai.com/api-keys"),
    ("ANTHROPIC_API_KEY", "https://console.anthropic.com/settings/keys"),
    ("GEMINI_API_KEY", "https://aistudio.google.com/apikey"),
    ("XAI_API_KEY", "https://console.x.ai"),
    ("OPENROUTER_API_KEY", "https://openrouter.ai/keys"),
    ("GROQ_API_KEY", "https://console.groq.com/keys"),
];

/// Folders of skills, in a project or a home.
const SKILLS: [&str; 2] = [".agent/skills", "~/.agent/skills"];

/// Everything that the report tells.
#[derive(Debug)]
struct Report {
    offers: Offers,
    /// The agents that were written down.
    selected: Vec<PlannedAgent>,
    /// The configuration, or the file with the names of keys.
    written: Option<Written>,
    docker: bool,
    skills: bool,
    status: Status,
}

/// What was written, as a person would type it.
#[derive(Debug)]
enum Written {
    Config(String),
    Template(String),
}

#[derive(Debug)]
enum Status {
    /// The command that asks a question.
    Success { run: String },
    /// What is left to do.
    NeedsConfig { steps: Vec<String> },
}

impl Status {
    /// The same, where these files must be mended first.
    fn after<'a>(self, files: impl Iterator<Item = &'a str>) -> Self {
        let mut first: Vec<String> =
            files.map(|file| format!("mend {file} (massgen doctor tells how)")).collect();
        match self {
            Self::Success { run } if first.is_empty() => Self::Success { run },
            Self::Success { run } => {
                first.push(format!("ask: {run}"));
                Self::NeedsConfig { steps: first }
            }
            Self::NeedsConfig { steps } => {
                first.extend(steps);
                Self::NeedsConfig { steps: first }
            }
        }
    }
}

/// Performs `--quickstart`.
pub(crate) fn quickstart(arguments: &Arguments, environment: &Environment) -> Result<u8, Failure> {
    let (flags, config) = (&arguments.set_up, arguments.config.as_deref());
    if !flags.headless {
        match Person::of_process() {
            Person::Present => return wizard::quickstart(config, environment),
            Person::Absent => {
                Remarks::direct().tell("no terminal to ask questions on: going on as with `--headless`");
            }
        }
    }
    context_path_exists(flags, environment)?;
    let backends = backends::for_telling(environment);
    let offers = Offers::find(&backends, environment, &LOCAL_SERVERS);
    let request = Request { flags, base_url: arguments.base_url.as_deref(), backends: &backends };
    let mut plan = request.quickstart(&offers)?;
    let docker = programs::check(&[programs::DOCKER])?.first().is_some_and(Probe::is_working);
    if let Some(plan) = plan.as_mut().filter(|plan| plan.execution == Execution::Docker && !docker) {
        Remarks::direct().tell("docker does not answer: commands are set to run without containers");
        plan.execution = Execution::Local;
    }
    let file = environment.absolute(config.unwrap_or_else(|| PROJECT_CONFIG.as_ref()));
    let outcome = match &plan {
        Some(plan) => configured(plan, &file, environment, &backends)?,
        None => (template(environment, &backends)?, Status::NeedsConfig { steps: steps(&offers, &backends) }),
    };
    let (written, status) = outcome;
    let status = status.after(damaged(environment).iter().map(|damaged| damaged.file));
    let code = match status {
        Status::Success { .. } => SUCCESS,
        Status::NeedsConfig { .. } => CONFIGURATION,
    };
    let skills = SKILLS.iter().any(|folder| has_entries(&environment.absolute(folder.as_ref())));
    let selected = plan.map(|plan| plan.agents).unwrap_or_default();
    tell(&Report { offers, selected, written, docker, skills, status }.render())?;
    Ok(code)
}

/// Performs `--generate-config`.
pub(crate) fn generate_config(
    path: &Path,
    arguments: &Arguments,
    environment: &Environment,
) -> Result<u8, Failure> {
    context_path_exists(&arguments.set_up, environment)?;
    let backends = backends::for_telling(environment);
    let base_url = arguments.base_url.as_deref();
    let plan = Request { flags: &arguments.set_up, base_url, backends: &backends }.generated()?;
    let file = environment.absolute(path);
    let text = generate(&plan, &backends).map_err(|error| refused(&error))?;
    let kind = plan.agents.first().and_then(|agent| backends.get(&agent.backend));
    let mut told = format!("Config: {}\n", shown(&file, environment));
    let mut notable = None;
    match (kind.filter(|kind| !kind.support.runs()), checked(&file, &text, environment, &backends)) {
        // The file was asked for by name, and what does not run here may run elsewhere.
        (Some(kind), _) => {
            let _ = writeln!(told, "  -> the type {} does not run in this version yet", kind.name);
        }
        (None, Readiness::Broken { findings }) => return Err(Failure::Configuration(Box::new(findings))),
        (None, Readiness::Ready { findings, .. }) => {
            notable = Some(findings);
            let _ = writeln!(told, "Run: {}", run_line(&file, environment));
        }
        (None, Readiness::Keyless { variables, findings, .. }) => {
            notable = Some(findings);
            for names in variables {
                let _ = writeln!(told, "  -> set {names}, in the environment or in .env (massgen --setup)");
            }
            let _ = writeln!(told, "Run: {}", run_line(&file, environment));
        }
    }
    save(&file, &text, Existing::Kept)?;
    if let Some(findings) = notable {
        remark(&findings, &plan);
    }
    tell(&told)?;
    Ok(SUCCESS)
}

/// Writes `plan` down and says whether it can run.
fn configured(
    plan: &Plan,
    file: &Path,
    environment: &Environment,
    backends: &Backends,
) -> Result<(Option<Written>, Status), Failure> {
    let text = generate(plan, backends).map_err(|error| refused(&error))?;
    // What was named by flags may still be wrong; then there is no file.
    let (status, findings) = match checked(file, &text, environment, backends) {
        Readiness::Broken { findings } => return Err(Failure::Configuration(Box::new(findings))),
        Readiness::Ready { findings, .. } => (Status::Success { run: run_line(file, environment) }, findings),
        Readiness::Keyless { variables, findings, .. } => {
            let mut steps: Vec<String> = variables
                .into_iter()
                .map(|names| format!("set {names}, in the environment or in .env (massgen --setup)"))
                .collect();
            steps.push(format!("ask: {}", run_line(file, environment)));
            (Status::NeedsConfig { steps }, findings)
        }
    };
    save(file, &text, Existing::Kept)?;
    remark(&findings, plan);
    Ok((Some(Written::Config(shown(file, environment))), status))
}

/// Refuses a `--config-context-path` that leads nowhere: nobody means to write it down.
fn context_path_exists(flags: &SetUp, environment: &Environment) -> Result<(), Failure> {
    let Some(path) = flags.config_context_path.as_deref() else {
        return Ok(());
    };
    if !environment.absolute(path).exists() {
        let message =
            format!("`--config-context-path` names `{}`, and there is no such path", path.display());
        return Err(Failure::configuration(message)
            .hint(format!("looked in {}; name a file or folder", environment.working_directory.display())));
    }
    Ok(())
}

fn checked(file: &Path, text: &str, environment: &Environment, backends: &Backends) -> Readiness {
    readiness(&Source::new(shown(file, environment), text), environment, backends)
}

/// Tells what is to be known about what was written. Notices are told when something special was asked for; the usual
/// ones come with every run.
fn remark(findings: &Findings, plan: &Plan) {
    let is_special = plan.execution == Execution::Docker || plan.context_path.is_some();
    if findings.count(Severity::Warning) > 0 || is_special && !findings.is_empty() {
        Remarks::direct()
            .tell(massgen_config::render(findings, findings_style(&std::io::stderr())).trim_end());
    }
}

/// Writes the names of keys into a new `.env`; nothing when there is one.
fn template(environment: &Environment, backends: &Backends) -> Result<Option<Written>, Failure> {
    let path: PathBuf = environment.working_directory.join(TEMPLATE);
    if path.symlink_metadata().is_ok() {
        return Ok(None);
    }
    super::env_file::create(&path, &template_text(backends))?;
    Ok(Some(Written::Template(shown(&path, environment))))
}

/// Lines for the keys that have a use in this version. They are comments, because a line with an empty value would hide
/// the key of a file further back.
fn template_text(backends: &Backends) -> String {
    let mut text =
        String::from("# Keys for massgen. Take the `#` off one line and put your key behind the `=`.\n");
    let has_use = |variable: &str| {
        let takes = |kind: &BackendType| kind.key_variables.iter().any(|name| name == variable);
        backends.types().iter().any(|kind| kind.support.runs() && takes(kind))
    };
    for (variable, address) in SIGN_UP.into_iter().filter(|(variable, _)| has_use(variable)) {
        let _ = write!(text, "\n# {address}\n# {variable}=\n");
    }
    text
}

/// What somebody does who has nothing that could be chosen unasked.
fn steps(offers: &Offers, backends: &Backends) -> Vec<String> {
    let undecided = offers.undecided(backends).into_iter().map(|kind| {
        let url = if massgen_config::generate::needs_address(kind) { " --base-url URL" } else { "" };
        let model = if kind.default_model.is_none() { " --config-model NAME" } else { "" };
        format!("massgen --quickstart --headless --config-backend {}{model}{url}", kind.name)
    });
    let mut steps: Vec<String> = undecided.collect();
    steps.extend([
        "enter a key: massgen --setup, or write it into .env".to_owned(),
        "or start a model server here, such as Ollama or LM Studio".to_owned(),
        "then again: massgen --quickstart --headless".to_owned(),
        "try it without any model: massgen --backend simulated \"your question\"".to_owned(),
        "see what is on this machine: massgen doctor".to_owned(),
    ]);
    steps
}

fn has_entries(folder: &Path) -> bool {
    fs_err::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

impl Report {
    fn render(&self) -> String {
        const RULE: &str = "==================================================";
        let mut text = format!("{RULE}\nMassGen quickstart\n{RULE}\nAPI Keys:\n");
        for key in &self.offers.keys {
            match (&key.origin, key.backends.as_slice()) {
                (Some(_), []) => {
                    let types = key.later.join("` and `");
                    let _ = writeln!(text, "  {}: available, but `{types}` cannot be used yet", key.variable);
                }
                (Some(_), _) => {
                    let _ = writeln!(text, "  {}: available", key.variable);
                }
                // A server of one's own rarely wants one.
                (None, []) => {}
                (None, _) if key.is_optional => {}
                (None, _) => {
                    let _ = writeln!(text, "  {}: not set", key.variable);
                }
            }
        }
        for server in &self.offers.servers {
            let _ = writeln!(text, "Local server: {} at {}, {}", server.name, server.base_url, server.model);
        }
        self.render_selected(&mut text);
        match &self.written {
            Some(Written::Config(path)) => drop(writeln!(text, "Config: {path}")),
            Some(Written::Template(path)) => drop(writeln!(text, "Env template: {path}")),
            None => {}
        }
        let _ = writeln!(text, "Docker: {}", if self.docker { "available" } else { "not available" });
        let _ = writeln!(text, "Skills: {}", if self.skills { "installed" } else { "not installed" });
        match &self.status {
            Status::Success { run } => {
                let _ = write!(text, "\nSTATUS: SUCCESS\nRun: {run}\n");
            }
            Status::NeedsConfig { steps } => {
                text.push_str("\nSTATUS: NEEDS_CONFIG\n");
                for step in steps {
                    let _ = writeln!(text, "  -> {step}");
                }
            }
        }
        text
    }

    fn render_selected(&self, text: &mut String) {
        let named = |agent: &PlannedAgent| match &agent.model {
            Some(model) => format!("{} / {model}", agent.backend),
            None => agent.backend.clone(),
        };
        let mut different: Vec<String> = self.selected.iter().map(named).collect();
        different.dedup();
        let agents = match self.selected.len() {
            0 | 1 => String::new(),
            count => format!(" ({count} agents)"),
        };
        let _ = match different.as_slice() {
            [] => writeln!(text, "Selected: none (nothing here can be used as it is)"),
            [one] => writeln!(text, "Selected: {one}{agents}"),
            several => {
                writeln!(text, "Selected ({} backends):\n  {}", several.len(), several.join("\n  "))
            }
        };
    }
}

#[cfg(test)]
#[path = "headless_tests.rs"]
mod tests;
