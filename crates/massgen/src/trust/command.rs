//! `massgen trust`: says that a project is trusted, shows what is, takes it back.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::trust::Trusted;
use massgen_config::{LoadRequest, Settings, Source, Validation, load};
use massgen_journal::artifacts::RunFolder;
use massgen_protocol::Event;
use massgen_view::clean::clean_line;

use super::{
    Demanding, FoundConfig, TRUST, demands_of, demands_of_agents, demands_of_changes, read, root_of, runs,
    write,
};
use crate::arguments::commands::Trust;
use crate::backends;
use crate::environment::{Environment, is_there};
use crate::failure::Failure;
use crate::logs::find_run;
use crate::print;
use crate::setup::{PROJECT_CONFIG, configuration, literal_secrets, read_source};
use crate::skills::{Origin, Places, discover};
use crate::workbench::projects::Projects;

/// Performs `massgen trust …`.
pub(crate) fn perform(command: &Trust, environment: &Environment) -> Result<u8, Failure> {
    let trusted = read(environment)?;
    if command.list {
        return print(list(&trusted).as_bytes());
    }
    let folder = match &command.folder {
        Some(folder) => environment.absolute(folder),
        None => environment.working_directory.clone(),
    };
    if command.forget {
        return forget(trusted, &folder, environment);
    }
    let folder = fs_err::canonicalize(&folder)
        .ok()
        .filter(|real| real.is_dir())
        .ok_or_else(|| Failure::configuration(format!("there is no folder `{}`", folder.display())))?;
    if RunFolder::named_by(&folder).map_err(Failure::configuration)?.is_some() {
        return trust_run_in(&folder, environment);
    }
    trust(trusted, &folder, environment)
}

fn trust(mut trusted: Trusted, folder: &Path, environment: &Environment) -> Result<u8, Failure> {
    let found = FoundConfig { folder: folder.to_owned() };
    let root = root_of(folder);
    let mut told = format!("You trust this project now: {}\n", clean_line(&root.display().to_string()));
    let path = found.path();
    if is_there(&path).map_err(Failure::configuration)? {
        let source = read_source(PROJECT_CONFIG.to_owned(), &path)?;
        let there = environment.in_folder(folder);
        let backends = backends::known(environment)?;
        let demanding = demanding(&source, &there, &backends)?;
        trusted.trust(&path, &found.fingerprint(&source)?);
        match demanding.told().as_slice() {
            [] => told.push_str("Its configuration asks for nothing that needs trust.\n"),
            demands => {
                told.push_str("With its configuration, a run\n");
                told.push_str(&demands.join("\n"));
                told.push_str("\nWhen it changes, you are asked again.\n");
            }
        }
    }
    trusted.trust_project(&root);
    let home = environment.home.as_deref();
    let places = Places { working_directory: folder, configured: None, home, shipped: &[], earlier: &[] };
    let skills = discover(places, &trusted).found;
    let names = skills.iter().filter(|skill| skill.origin == Origin::Project);
    let names: Vec<String> = names.map(|skill| clean_line(&skill.name)).collect();
    if !names.is_empty() {
        told.push_str("Agents are offered its skills: ");
        told.push_str(&names.join(", "));
        told.push('\n');
    }
    write(&trusted, environment)?;
    told.push_str("To take it back: massgen trust --forget\n");
    print(told.as_bytes())
}

/// Trusts the run in `folder` with all its turns.
fn trust_run_in(folder: &Path, environment: &Environment) -> Result<u8, Failure> {
    let turns = find_run(folder, environment)?.turns();
    let mut demands = Vec::new();
    for turn in &turns {
        if let Ok(Some(start)) = massgen_journal::read_start(&turn.journal_dir())
            && let Event::RunStarted { spec, .. } = start.event
        {
            demands.extend(demands_of_agents(&spec.agents, environment)?);
            demands.extend(demands_of_changes(&Projects::of_run(turn, &spec)?));
        }
    }
    let Some(run) = turns.last() else {
        return Err(Failure::configuration(format!("there is no run in `{}`", folder.display())));
    };
    runs::trust_run(run, environment)?;
    let mut told = format!("You trust this run now: {}\n", clean_line(&run.root.display().to_string()));
    let demanding = Demanding { source: None, demands, redactor: environment.redactor([]) };
    match demanding.told().as_slice() {
        [] => told.push_str("It asks for nothing that needs trust.\n"),
        demands => {
            told.push_str("With it, massgen\n");
            told.push_str(&demands.join("\n"));
            told.push('\n');
        }
    }
    print(told.as_bytes())
}

/// What the configuration asks for by itself, without any flag.
fn demanding<'a>(
    source: &'a Source,
    environment: &Environment,
    backends: &Backends,
) -> Result<Demanding<'a>, Failure> {
    let loaded = load(LoadRequest {
        source: Some(source),
        settings: &Settings::default(),
        lookup: &|name| environment.get(name),
        working_directory: &environment.working_directory,
        instance: None,
        validation: Validation::Normal,
        backends,
    })
    .map_err(configuration)?;
    let demands = demands_of(&loaded.draft.agents, backends, environment);
    Ok(Demanding { source: Some(source), demands, redactor: environment.redactor(literal_secrets(&loaded)) })
}

fn forget(mut trusted: Trusted, folder: &Path, environment: &Environment) -> Result<u8, Failure> {
    // One that is gone can be forgotten, too.
    let folder = fs_err::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let root = root_of(&folder);
    let shown = clean_line(&root.display().to_string());
    if !trusted.forget(&root) {
        return print(format!("You did not trust this project: {shown}\n").as_bytes());
    }
    write(&trusted, environment)?;
    print(format!("You do not trust this project any more: {shown}\n").as_bytes())
}

fn list(trusted: &Trusted) -> String {
    let mut told = String::new();
    let mut add = |line: &str| {
        told.push_str(line);
        told.push('\n');
    };
    let shown = |path: &Path| clean_line(&path.display().to_string());
    for root in trusted.projects() {
        add(&shown(root));
        for (config, fingerprint) in trusted.configs().filter(|(config, _)| config.starts_with(root)) {
            let below = shown(config.strip_prefix(root).unwrap_or(config));
            add(&format!("  {below}{}", state(config, fingerprint)));
        }
    }
    if told.is_empty() {
        return format!(
            "You trust no project yet. In one that you trust: massgen trust\nIt is kept in {TRUST}.\n"
        );
    }
    told
}

/// How a configuration stands against what was trusted.
fn state(config: &Path, fingerprint: &str) -> &'static str {
    if is_there(config) == Ok(false) {
        return ", which is gone";
    }
    let folder = config.parent().and_then(Path::parent).unwrap_or(config);
    let now = read_source(PROJECT_CONFIG.to_owned(), config)
        .and_then(|source| FoundConfig::in_folder(folder).fingerprint(&source));
    match now {
        Ok(now) if now == fingerprint => "",
        Ok(_) => ", which has changed: a run asks again",
        Err(_) => ", which cannot be read",
    }
}
