//! Whose word counts: which projects a person trusts.
//!
//! What lies in a project may come from anybody. Its configuration may start programs and give secrets away; its skills
//! tell agents what to do. Neither is used before the person has said once that they trust the project, and that is kept
//! in their own folder, never in the project. Trust in a configuration is trust in its text, and in the files of the
//! project that it names as programs: when they change, the person is asked again.

mod command;
mod runs;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use massgen_config::Source;
use massgen_config::backends::Backends;
use massgen_config::trust::{
    Demand, DemandKind, Named, Surroundings, Trusted, Untrusted, Whence, demands, lines, named,
};
use massgen_engine::Redactor;
use massgen_journal::blob_name;
use massgen_protocol::spec::AgentSpec;
use massgen_protocol::tooling::Approval;
use massgen_view::clean::clean_line;
use massgen_workspace::write_whole;

use crate::arguments::Arguments;
use crate::environment::{Environment, is_there, read_bytes, read_text};
use crate::failure::Failure;
use crate::instructions::folders_of_project;
use crate::real_folders;
use crate::remarks::Remarks;
use crate::setting_up::{Person, confirm};
use crate::setup::PROJECT_CONFIG;

pub(crate) use command::perform;
pub(crate) use runs::{NO_HOME, demands_of_agents, demands_of_changes, is_own, refuse_links, require_run};

/// Where it is kept what a person trusts.
const TRUST: &str = "~/.config/massgen/trust.json";

/// Largest such file that is read.
const TRUST_BYTES: u64 = 1 << 20;

/// Largest file of a project that is read to know it again.
const PROGRAM_BYTES: u64 = 64 << 20;

/// Demands that are shown.
const SHOWN: usize = 20;

/// Folders of a module of Python that are looked into.
const MODULE_PARTS: usize = 8;

/// A configuration that a run found by itself in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundConfig {
    /// The folder whose configuration it is, free of links.
    folder: PathBuf,
}

impl FoundConfig {
    /// The configuration `source`, if nobody but the project says that it is to be used: it was not named, and does not
    /// lie in the user's own folders.
    pub(crate) fn of(source: &Source, arguments: &Arguments, environment: &Environment) -> Option<Self> {
        let is_named = arguments.config.is_some() && !arguments.is_config_recalled;
        let path = environment.absolute(source.name().as_ref());
        if is_named || !path.ends_with(PROJECT_CONFIG) {
            return None;
        }
        let folder = path.parent().and_then(Path::parent)?;
        let found = Self::in_folder(folder);
        let is_home = |home: &PathBuf| fs_err::canonicalize(home).is_ok_and(|home| home == found.folder);
        if environment.home.as_ref().is_some_and(is_home) { None } else { Some(found) }
    }

    fn in_folder(folder: &Path) -> Self {
        Self { folder: fs_err::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()) }
    }

    /// The root of its project.
    pub(crate) fn root(&self) -> PathBuf {
        root_of(&self.folder)
    }

    /// The name under which it is trusted.
    fn path(&self) -> PathBuf {
        self.folder.join(PROJECT_CONFIG)
    }

    /// What `source`, its text, and the programs that it names amount to: another text, or another content of a file of
    /// the project, is something else.
    ///
    /// # Errors
    /// A file that it names cannot be read.
    fn fingerprint(&self, source: &Source) -> Result<String, Failure> {
        let root = root_of(&self.folder);
        let from = [self.folder.clone(), self.folder.join(".massgen"), root.clone()];
        let mut files = BTreeSet::new();
        for named in named(source) {
            let names: Vec<String> = match named {
                Named::Path(path) => vec![path],
                Named::Module(module) => files_of_module(&module),
            };
            for name in names {
                let candidates = from.iter().map(|folder| folder.join(&name));
                files.extend(candidates.filter(|path| is_file_of(&root, path)));
            }
        }
        let mut whole = vec![blob_name(source.text().as_bytes())];
        for file in files {
            let content = read_bytes(&file, PROGRAM_BYTES).map_err(|problem| {
                Failure::configuration(format!(
                    "the file `{}` that the configuration names cannot be read: {problem}",
                    file.display()
                ))
                .hint("name another file in the configuration, or mend this one")
            })?;
            whole.push(blob_name(file.as_os_str().as_bytes()));
            whole.push(blob_name(&content));
        }
        Ok(blob_name(whole.join("\n").as_bytes()))
    }
}

/// A module of Python, or a function of one, as the files that may hold it.
fn files_of_module(module: &str) -> Vec<String> {
    let parts: Vec<&str> = module.split('.').take(MODULE_PARTS).collect();
    let starts = (1..=parts.len()).filter_map(|count| parts.get(..count));
    starts.flat_map(|start| [".py", "/__init__.py"].map(|end| format!("{}{end}", start.join("/")))).collect()
}

/// Whether there is a file of the project at `path`, or one that a link in the project leads to.
fn is_file_of(root: &Path, path: &Path) -> bool {
    path.is_file()
        && (path.starts_with(root) || fs_err::canonicalize(path).is_ok_and(|real| real.starts_with(root)))
}

/// The root of the project of `folder`: of its repository, or the folder itself outside of one.
fn root_of(folder: &Path) -> PathBuf {
    folders_of_project(folder).pop().unwrap_or_else(|| folder.to_owned())
}

/// What a configuration or a run demands, as it is told to a person.
#[derive(Debug)]
pub(crate) struct Demanding<'a> {
    /// The configuration; a run has none that could be looked up.
    pub(crate) source: Option<&'a Source>,
    pub(crate) demands: Vec<Demand>,
    /// Takes secrets out of what is shown.
    pub(crate) redactor: Redactor,
}

impl Demanding<'_> {
    /// A line for each demand, the same of several agents once.
    fn told(&self) -> Vec<String> {
        let mut distinct: Vec<(&Demand, Vec<&str>, Option<u32>)> = Vec::new();
        let lines = match self.source {
            Some(source) => lines(source, &self.demands),
            None => vec![None; self.demands.len()],
        };
        for (demand, line) in self.demands.iter().zip(lines) {
            let same = distinct
                .iter_mut()
                .find(|(known, _, at)| known.kind == demand.kind && known.what == demand.what && *at == line);
            match same {
                Some((_, agents, _)) => agents.push(demand.agent.as_str()),
                None => distinct.push((demand, vec![demand.agent.as_str()], line)),
            }
        }
        // What is worst is not to hide behind many small things.
        distinct.sort_by_key(|(demand, _, line)| (rank(demand.kind), *line));
        let hidden = distinct.len().saturating_sub(SHOWN);
        let told = distinct.into_iter().take(SHOWN).map(|(demand, agents, line)| {
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let what = match demand.what.as_str() {
                "" => String::new(),
                what => format!(" `{}`", clean_line(&self.redactor.text(what))),
            };
            let whose = if agents.len() == 1 { "agent" } else { "agents" };
            format!("  {place}{}{what} ({whose} {})", demand.kind.says(), clean_line(&agents.join(", ")))
        });
        let more = (hidden > 0).then(|| match self.source {
            Some(_) => format!("  and {hidden} more; read the file"),
            None => format!("  and {hidden} more"),
        });
        told.chain(more).collect()
    }
}

fn rank(kind: DemandKind) -> u8 {
    match kind {
        DemandKind::KeyCommand | DemandKind::Hook | DemandKind::Unsandboxed => 0,
        DemandKind::Server | DemandKind::Tool | DemandKind::Variables => 1,
        DemandKind::Reach | DemandKind::DirectWrite | DemandKind::Removal => 2,
    }
}

/// What `agents` demand, with all links resolved: a folder in the project may lead out of it.
pub(crate) fn demands_of(
    agents: &[AgentSpec],
    backends: &Backends,
    environment: &Environment,
) -> Vec<Demand> {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut agents = agents.to_vec();
    for workspace in agents.iter_mut().filter_map(|agent| agent.workspace.as_mut()) {
        for context in &mut workspace.contexts {
            if let Some(path) = real(context.path.as_ref()).to_str() {
                path.clone_into(&mut context.path);
            }
        }
    }
    for permissions in agents.iter_mut().filter_map(|agent| agent.tooling.permissions.as_mut()) {
        let folder = match &mut permissions.approval {
            Approval::Policy => None,
            Approval::Files { folder } => Some(folder),
        };
        for place in permissions.remembered.iter_mut().chain(folder) {
            *place = real_folders::real(Path::new(place)).to_string_lossy().into_owned();
        }
    }
    let project = real(&environment.working_directory);
    let lookup = |name: &str| environment.of_person(name);
    demands(&agents, Surroundings { project: &project, backends, lookup: &lookup })
}

/// Lets a run go on whose configuration was found in a project, if a person trusts it; one who sits at the terminal is
/// asked. Nothing of the configuration may have been started before.
///
/// # Errors
/// Nobody trusts it, with all that it demands.
pub(crate) fn require(
    found: &FoundConfig,
    source: &Source,
    demanding: &Demanding<'_>,
    person: Person,
    environment: &Environment,
) -> Result<(), Failure> {
    if demanding.demands.is_empty() {
        return Ok(());
    }
    let mut trusted = read(environment)?;
    let fingerprint = found.fingerprint(source)?;
    let why = match trusted.allows(&found.path(), &fingerprint, Whence::Found, &demanding.demands) {
        Ok(()) => return Ok(()),
        Err(why) => why,
    };
    let name = source.name();
    let reason = match why {
        Untrusted::New => {
            format!("the project brings its own configuration `{name}`, and you do not trust it yet")
        }
        Untrusted::Changed => {
            format!("`{name}`, or a program in the project that it names, has changed since you trusted it")
        }
    };
    let explained = format!("{reason}. With it, a run\n{}", demanding.told().join("\n"));
    match person {
        Person::Absent => {}
        Person::Present => {
            Remarks::direct().tell(&massgen_view::clean::clean_text(&explained));
            if confirm("Do you trust this project?")? {
                trusted.trust_project(&root_of(&found.folder));
                trusted.trust(&found.path(), &fingerprint);
                write(&trusted, environment)?;
                return Ok(());
            }
            return Err(Failure::configuration("the configuration of this project is not trusted").hint(
                "`massgen trust` trusts it later; `--backend TYPE` asks a model without any configuration",
            ));
        }
    }
    Err(Failure::configuration(explained)
        .hint(format!("read it; then `massgen trust` trusts it, or `--config {name}` uses it for this run")))
}

/// Whether the project of `folder` is trusted; what of the file of the user cannot be used is told in the second place.
pub(crate) fn of_user(environment: &Environment) -> (Trusted, Option<String>) {
    match read(environment) {
        Ok(trusted) => (trusted, None),
        Err(failure) => (Trusted::default(), Some(failure.to_string())),
    }
}

fn read(environment: &Environment) -> Result<Trusted, Failure> {
    let path = environment.absolute(Path::new(TRUST));
    if environment.home.is_none() || is_there(&path) == Ok(false) {
        return Ok(Trusted::default());
    }
    let text = read_text(&path, TRUST_BYTES);
    text.map_err(|problem| format!("cannot be used: {problem}"))
        .and_then(|text| Trusted::read(&text))
        .map_err(|problem| {
            Failure::configuration(format!("`{TRUST}` {problem}"))
                .hint("mend or remove it, then trust your projects again with `massgen trust`")
        })
}

/// Replaces the file as a whole; only its owner can read it.
fn write(trusted: &Trusted, environment: &Environment) -> Result<(), Failure> {
    if environment.home.is_none() {
        return Err(Failure::configuration("there is no home directory to keep it in what you trust")
            .hint("set HOME, or name the configuration with `--config`"));
    }
    let path = environment.absolute(Path::new(TRUST));
    // A file of dotfiles may be a link: what it leads to is replaced.
    let path = fs_err::canonicalize(&path).unwrap_or(path);
    let replace = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs_err::create_dir_all(folder)?;
        write_whole(&path, trusted.text().as_bytes())
    };
    replace().map_err(|error| Failure::configuration(format!("`{TRUST}` cannot be written: {error}")))
}
