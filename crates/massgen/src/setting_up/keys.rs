//! `--setup`: keys of providers, typed unseen and kept in a file of the user's own.

use std::path::Path;

use massgen_config::backends::{BackendType, Backends, GENERAL, Support};

use super::dialogue::{Choice, Dialogue, Stop};
use super::env_file::{self, Assignment};
use super::terminal::Terminal;
use super::{Person, nobody_to_ask};
use crate::backends;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, SUCCESS};

/// The file for all projects of a user.
const USER_FILE: &str = "~/.config/massgen/.env";

/// The file of one project.
const PROJECT_FILE: &str = "./.env";

/// Performs `--setup`.
pub(crate) fn setup(environment: &Environment) -> Result<u8, Failure> {
    match Person::of_process() {
        Person::Absent => Err(nobody_to_ask("--setup")),
        Person::Present => {
            let backends = backends::for_telling(environment);
            ask(&mut Terminal::take(), environment, &backends).or_else(Stop::outcome)
        }
    }
}

fn ask(dialogue: &mut dyn Dialogue, environment: &Environment, backends: &Backends) -> Result<u8, Stop> {
    let providers = providers(backends);
    dialogue.begin("massgen: keys of providers")?;
    let rows: Vec<Choice> = providers.iter().map(|provider| provider.row(environment)).collect();
    let mut changes: Vec<Assignment> = Vec::new();
    for position in dialogue.choose_several("Which providers do you have a key of?", &rows)? {
        let Some(provider) = providers.get(position) else {
            continue;
        };
        let question = format!("{} (Enter leaves it as it is)", provider.variable);
        if let Some(secret) = dialogue.secret(&question)? {
            changes.push((provider.variable.clone(), secret));
        }
    }
    if changes.is_empty() {
        dialogue.end("Nothing was changed.")?;
        return Ok(CONFIGURATION);
    }
    let file = place(dialogue, environment)?;
    let path = environment.absolute(file.as_ref());
    let target = env_file::save(&path, &changes)?;
    let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
    let mut remarks = remarks(&names, file, environment);
    remarks.extend(link_remark(file, &path, &target));
    if !remarks.is_empty() {
        dialogue.show("Please note", &remarks.join("\n"))?;
    }
    dialogue.end(&format!("{} saved in {file}. Next: massgen --quickstart", names.join(", ")))?;
    Ok(SUCCESS)
}

/// A provider whose key can be used.
struct Provider {
    name: String,
    variable: String,
}

impl Provider {
    fn of(kind: &BackendType) -> Option<Self> {
        let variable = kind.key_variables.first()?.clone();
        Some(Self { name: kind.display_name.clone(), variable })
    }

    fn row(&self, environment: &Environment) -> Choice {
        let hint = match environment.origin(&self.variable) {
            Some(origin) => format!("{}, set in {origin}", self.variable),
            None => self.variable.clone(),
        };
        Choice::new(self.name.as_str(), hint)
    }
}

/// Providers that run here and want a key, each variable once.
fn providers(backends: &Backends) -> Vec<Provider> {
    let mut providers: Vec<Provider> = Vec::new();
    for kind in backends.types().iter().filter(|kind| kind.support == Support::Provider) {
        // The general type comes without a provider of its own.
        let provider = Provider::of(kind).filter(|_| kind.name != GENERAL);
        let is_new = |provider: &Provider| providers.iter().all(|other| other.variable != provider.variable);
        providers.extend(provider.filter(is_new));
    }
    providers
}

/// Where keys go when nothing else is said.
pub(crate) fn usual_place(environment: &Environment) -> &'static str {
    if environment.home.is_some() { USER_FILE } else { PROJECT_FILE }
}

/// What the person should know when the file at `path` is a link to `target`.
pub(crate) fn link_remark(file: &str, path: &Path, target: &Path) -> Option<String> {
    (path != target).then(|| format!("{file} is a link: the keys are in {}.", target.display()))
}

fn place(dialogue: &mut dyn Dialogue, environment: &Environment) -> Result<&'static str, Stop> {
    if environment.home.is_none() {
        return Ok(PROJECT_FILE);
    }
    let choices =
        [Choice::new(USER_FILE, "for all your projects"), Choice::new(PROJECT_FILE, "for this project only")];
    let chosen = dialogue.choose("Where shall they be kept?", &choices, 0)?;
    Ok(if chosen == 0 { USER_FILE } else { PROJECT_FILE })
}

/// What the person should know about keys that were saved in `file`.
fn remarks(names: &[&str], file: &str, environment: &Environment) -> Vec<String> {
    let mut remarks: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let origin = environment.origin(name)?;
            let wins = origin != file && (file == USER_FILE || origin == "the environment");
            wins.then(|| format!("{name} is set in {origin} too, and that one is used."))
        })
        .collect();
    if file == PROJECT_FILE && is_in_repository(environment) && !is_ignored(environment) {
        remarks.push("This folder is in a git repository: put `.env` into .gitignore.".to_owned());
    }
    remarks
}

fn is_in_repository(environment: &Environment) -> bool {
    environment.working_directory.ancestors().any(|folder| folder.join(".git").exists())
}

/// Whether a `.gitignore` on the way up names the file.
fn is_ignored(environment: &Environment) -> bool {
    let names = |text: &str| {
        text.lines().any(|line| matches!(line.trim(), ".env" | "/.env" | "*.env" | ".env*" | "**/.env"))
    };
    environment
        .working_directory
        .ancestors()
        .any(|folder| fs_err::read_to_string(folder.join(".gitignore")).is_ok_and(|text| names(&text)))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
