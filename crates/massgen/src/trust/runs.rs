//! Runs that may come from somebody else: their journals start programs, and their changes land in files.
//!
//! Whoever begins a run on this machine has it linked below their home directory. A run that is not may have come with a
//! project: what it demands is told, and waits until a person trusts it; then it is linked as their own are.

use std::io;
use std::path::{Path, PathBuf};

use massgen_config::trust::{Demand, DemandKind};
use massgen_engine::Redactor;
use massgen_journal::artifacts::{RunFolder, WORKSPACE, home_link, link_in_home};
use massgen_protocol::spec::AgentSpec;
use massgen_view::clean::{clean_line, clean_text};

use super::{Demanding, demands_of};
use crate::backends;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::real_folders::real;
use crate::remarks::Remarks;
use crate::setting_up::{Person, confirm};
use crate::shell::quoted;
use crate::workbench::SCRATCH;
use crate::workbench::projects::{ProjectCopy, Projects, REFUGE};

/// The link of a run to what its newest turn says of itself.
const STATUS: &str = "status.json";

/// Folders of a run with files as agents left them, links among them. Nothing is written to what is there.
const FILES_OF_AGENTS: [&str; 3] = [WORKSPACE, REFUGE, SCRATCH];

/// What to do where it is not known which runs are the user's own.
pub(crate) const NO_HOME: &str = "set HOME: by what is there, a run is known as yours";

/// Whether the user began the run in `folder` here, or has trusted it.
pub(crate) fn is_own(folder: &RunFolder, environment: &Environment) -> bool {
    let real = |path: &Path| fs_err::canonicalize(path).ok();
    let link = environment.home.as_ref().and_then(|home| real(&home_link(home, folder)));
    link.is_some() && link == real(&folder.root)
}

/// Refuses a run that came with a project and holds links where massgen has files and folders: whoever only looks at a run
/// writes to them, too, and would write somewhere else.
///
/// # Errors
/// There is such a link, or the run cannot be looked through.
pub(crate) fn refuse_links(run: &RunFolder, environment: &Environment) -> Result<(), Failure> {
    if is_own(run, environment) {
        return Ok(());
    }
    match first_link(&run.root).map_err(Failure::configuration)? {
        None => Ok(()),
        Some(link) => Err(Failure::configuration(format!(
            "`{}` is a link, and massgen makes none there: the run may come from somebody else",
            clean_line(&link.display().to_string())
        ))
        .hint("if the run is yours: put what the link leads to in its place")),
    }
}

fn first_link(root: &Path) -> io::Result<Option<PathBuf>> {
    let mut ahead = vec![root.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            // It is replaced, and never followed.
            let is_status = name == STATUS && folder == root;
            if kind.is_symlink() && !is_status {
                return Ok(Some(entry.path()));
            }
            if kind.is_dir() && !FILES_OF_AGENTS.iter().any(|known| name == *known) {
                ahead.push(entry.path());
            }
        }
    }
    Ok(None)
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
        // Also in the project: its hooks, or all of it, may be what the run takes for a workspace.
        let workspace = agent.workspace.iter().flat_map(|workspace| [&workspace.folder, &workspace.peers]);
        demands.extend(workspace.map(|folder| Demand {
            agent: agent.id.clone(),
            kind: DemandKind::Reach,
            what: folder.clone(),
        }));
    }
    Ok(demands)
}

/// What becomes of the copies of a run: their changes go to folders of the user, and they themselves are moved or removed.
/// Every folder counts: a run that came with a project says itself which they are.
pub(crate) fn demands_of_changes(projects: &Projects) -> Vec<Demand> {
    let demands = |copy: &ProjectCopy| {
        let (agent, isolated) = (copy.agent.clone(), &copy.isolated);
        let what = [(DemandKind::DirectWrite, &isolated.target), (DemandKind::Removal, &isolated.place)];
        what.map(|(kind, path)| Demand { agent: agent.clone(), kind, what: real(path).display().to_string() })
    };
    projects.copies.iter().flat_map(demands).collect()
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
        Person::Absent if environment.home.is_none() => Err(Failure::configuration(explained)
            .hint(format!("{NO_HOME}; if it is not, and you know where it comes from: {command}"))),
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
        Failure::configuration("there is no home directory to keep it in what you trust").hint(NO_HOME)
    })?;
    link_in_home(home, folder).map(drop).map_err(|error| {
        Failure::configuration(format!("it cannot be kept that you trust this run: {error}"))
    })
}
