//! Runs that may come from somebody else: their journals start programs, and their changes land in files.
//!
//! Whoever begins a run on this machine has it linked below their home directory. A run that is not may have come with a
//! project: what it demands is told, and waits until a person trusts it; then it is linked as their own are.

use std::path::{Component, Path};

use massgen_config::trust::{Demand, DemandKind};
use massgen_engine::Redactor;
use massgen_journal::artifacts::{RunFolder, home_link, link_in_home};
use massgen_protocol::spec::AgentSpec;
use massgen_view::clean::{clean_line, clean_text};

use super::{Demanding, demands_of};
use crate::backends;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::remarks::Remarks;
use crate::setting_up::{Person, confirm};
use crate::shell::quoted;
use crate::workbench::projects::{ProjectCopy, Projects};

/// Whether the user began the run in `folder` here, or has trusted it.
pub(crate) fn is_own(folder: &RunFolder, environment: &Environment) -> bool {
    let real = |path: &Path| fs_err::canonicalize(path).ok();
    let link = environment.home.as_ref().and_then(|home| real(&home_link(home, folder)));
    link.is_some() && link == real(&folder.root)
}

/// What going on with a run makes this machine do: what its `agents` demand, and the folders that they work in.
///
/// # Errors
/// The backends of the user cannot be read.
pub(crate) fn demands_of_agents(
    agents: &[AgentSpec],
    environment: &Environment,
) -> Result<Vec<Demand>, Failure> {
    let backends = backends::known(environment)?;
    let mut demands = demands_of(agents, &backends, environment);
    for agent in agents {
        let workspace = agent.workspace.iter().flat_map(|workspace| [&workspace.folder, &workspace.peers]);
        let elsewhere = workspace.filter(|folder| !is_of_here(folder.as_ref(), environment));
        demands.extend(elsewhere.map(|folder| Demand {
            agent: agent.id.clone(),
            kind: DemandKind::Reach,
            what: folder.clone(),
        }));
    }
    Ok(demands)
}

/// The folders, other than the one that the user is in, that the changes of a run go to.
pub(crate) fn demands_of_changes(projects: &Projects, environment: &Environment) -> Vec<Demand> {
    let elsewhere = projects.copies.iter().filter(|copy| !is_of_here(&copy.isolated.target, environment));
    let demand = |copy: &ProjectCopy| Demand {
        agent: copy.agent.clone(),
        kind: DemandKind::DirectWrite,
        what: copy.isolated.target.display().to_string(),
    };
    elsewhere.map(demand).collect()
}

/// Lets the run in `folder` do what it `demands` if it is the user's own, or a person trusts it; one who sits at the
/// terminal is asked.
///
/// # Errors
/// Nobody trusts it, with all that it demands.
pub(crate) fn require_run(
    folder: &RunFolder,
    demands: Vec<Demand>,
    redactor: Redactor,
    person: Person,
    environment: &Environment,
) -> Result<(), Failure> {
    if demands.is_empty() || is_own(folder, environment) {
        return Ok(());
    }
    let shown = folder.root.display().to_string();
    let demanding = Demanding { source: None, demands, redactor };
    let explained = format!(
        "the run in `{}` was not begun by you here: it may come from somebody else. With it, massgen\n{}",
        clean_line(&shown),
        demanding.told().join("\n")
    );
    let command = format!("`massgen trust {}`", quoted(&clean_line(&shown)));
    match person {
        Person::Absent => {
            Err(Failure::configuration(explained).hint(format!("if you know where it comes from: {command}")))
        }
        Person::Present => {
            Remarks::direct().tell(&clean_text(&explained));
            if !confirm("Do you trust this run?")? {
                return Err(Failure::configuration("the run is not trusted")
                    .hint(format!("{command} trusts it later")));
            }
            // That it is asked about once more is no reason not to go on.
            match trust_run(folder, environment) {
                Ok(()) => {}
                Err(failure) => Remarks::direct().tell(&format!("warning: {failure}")),
            }
            Ok(())
        }
    }
}

/// Takes the run in `folder` for one of the user's own from now on.
///
/// # Errors
/// Why that cannot be kept.
pub(super) fn trust_run(folder: &RunFolder, environment: &Environment) -> Result<(), Failure> {
    let home = environment.home.as_ref().ok_or_else(|| {
        Failure::configuration("there is no home directory to keep it in what you trust").hint("set HOME")
    })?;
    link_in_home(home, folder).map(drop).map_err(|error| {
        Failure::configuration(format!("it cannot be kept that you trust this run: {error}"))
    })
}

fn is_of_here(path: &Path, environment: &Environment) -> bool {
    if path.components().any(|part| part == Component::ParentDir) {
        return false;
    }
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // What is not there yet is where the folder above it is.
    let there = path.ancestors().find(|path| path.exists()).map_or_else(|| path.to_owned(), real);
    there.starts_with(real(&environment.working_directory))
}
