//! Programs of the user that agents must not change: hooks, tool servers and custom tools have more rights than the agents
//! that call them. They, and the folders that they lie in, stay as they are, whatever agents may write to; and so they do
//! when changes that an agent made in a copy are applied, because the next run would run them. So does the configuration,
//! which names them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use massgen_protocol::spec::{AgentSpec, RunSpec};
use massgen_protocol::tooling::{CommandPlace, CustomSource, HookHandler, Permissions, ServerTransport};
use massgen_protocol::workspace::Access;
use massgen_sandbox::Mechanism;
use massgen_tools::commands::Reach;
use massgen_view::clean::clean_line;
use massgen_workspace::access::Managed;
use massgen_workspace::changes::FileChange;
use massgen_workspace::{Entry, Mode, TreePath};

use super::commands_seen::Seen;
use super::confinement::{is_unconfined, starts_programs};
use crate::failure::Failure;
use crate::real_folders::real;

/// Endings of what Python imports.
const MODULES: [&str; 3] = ["py", "pyc", "so"];

/// What agents of a run must not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guards {
    programs: Vec<Guarded>,
    /// Names under which programs with all rights of the user are looked for in the folders of `PATH`.
    names: BTreeSet<String>,
    /// Where replies of people are: files, and folders of questions.
    replies: BTreeSet<PathBuf>,
    /// Programs of which it is not known what they start, for people.
    unknown: BTreeSet<String>,
}

/// A program of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guarded {
    /// What does what with it, for people.
    what: &'static str,
    /// The file, as the configuration leads to it.
    file: PathBuf,
    /// Where Python looks for modules first: a new file there can take the place of any of them.
    modules: Option<PathBuf>,
    beside: Beside,
    rights: Rights,
}

/// What lies beside a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The program may use it.
    Used,
    /// It has nothing to do with it.
    Apart,
}

/// What a program may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    /// All that the user may.
    OfTheUser,
    /// What the sandbox lets it.
    Confined,
}

/// What is done about a program.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The agent cannot change it.
    OutOfReach,
    /// This stays as it is.
    Kept(PathBuf),
    /// The agent could bring it to do something else, and nothing can be done about it.
    Open,
}

impl Guards {
    /// The programs of all agents of `spec`, and the file with its `configuration`, if it is of one. Short names are seen
    /// from `working_directory`, those of programs are looked for in `search_path`.
    pub(crate) fn of(
        spec: &RunSpec,
        configuration: Option<&Path>,
        working_directory: &Path,
        search_path: &OsStr,
    ) -> Self {
        let mut guards = Self::default();
        // Examples that massgen brings along have names, and no place.
        let configuration = configuration.filter(|file| file.is_absolute());
        guards.programs.extend(configuration.map(Guarded::configuration));
        let seen = |command, folder| Seen { command, folder, search_path };
        for agent in &spec.agents {
            let tooling = &agent.tooling;
            for hook in tooling.hooks.before.iter().chain(&tooling.hooks.after) {
                match &hook.handler {
                    HookHandler::Command { command } => {
                        guards.add_hook(&seen(command, working_directory));
                    }
                    HookHandler::Python { function, folder } => {
                        guards.programs.push(of_function(function, Path::new(folder)));
                    }
                }
            }
            let rights = if is_unconfined(agent) { Rights::OfTheUser } else { Rights::Confined };
            for server in &tooling.servers {
                if let ServerTransport::Stdio { command, folder, .. } = &server.transport {
                    for folder in folder.iter().map(Path::new).chain([working_directory]) {
                        guards.add("a tool server runs", &seen(command, folder), rights);
                    }
                }
            }
            for tool in &tooling.custom {
                match &tool.source {
                    CustomSource::Python { path, .. } => {
                        guards.programs.push(Guarded::new("a custom tool runs", path.into(), rights));
                    }
                    CustomSource::Program { command, .. } => {
                        guards.add("a custom tool runs", &seen(command, working_directory), rights);
                    }
                }
            }
            let replies = tooling.permissions.iter().flat_map(Permissions::places);
            guards.replies.extend(replies.map(PathBuf::from));
        }
        guards
    }

    /// Adds the files that a command names.
    fn add(&mut self, what: &'static str, seen: &Seen<'_>, rights: Rights) {
        self.programs.extend(seen.files().into_iter().map(|file| Guarded::new(what, file, rights)));
        let module = seen.module().map(|name| of_module(name, seen.folder, what, rights));
        self.programs.extend(module.filter(|module| module.file.is_file()));
        if rights == Rights::OfTheUser {
            self.names.extend(seen.command.first().filter(|program| !program.contains('/')).cloned());
        }
    }

    /// The same for a hook, which starts in its folder with all rights of the user.
    fn add_hook(&mut self, seen: &Seen<'_>) {
        let (what, rights) = ("a hook runs", Rights::OfTheUser);
        self.add(what, seen, rights);
        // Also where it could be is looked into before other places.
        let module = seen.module().map(|name| of_module(name, seen.folder, what, rights));
        let module = module.filter(|module| !module.file.is_file());
        self.programs.extend(module);
        if !seen.is_known() {
            self.unknown.insert(format!("{what} `{}`", clean_line(&seen.told())));
        }
    }

    /// What people are to know: of these it cannot be told what is to be kept from agents.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = String> {
        self.unknown.iter().map(|program| {
            format!(
                "{program}: what that starts is not kept from agents; put it into a script, and name its file"
            )
        })
    }

    /// Which of the `changes` that an agent made in its copy of `target`, a folder without links, must not get there: the
    /// next run would do them with all rights of the user.
    pub(crate) fn refused(&self, target: &Path, changes: &[FileChange]) -> BTreeSet<TreePath> {
        let free: Vec<Free> = self
            .programs
            .iter()
            .filter(|guarded| guarded.rights == Rights::OfTheUser)
            .map(|guarded| Free::of(guarded, target))
            .collect();
        let replies: Vec<PathBuf> = self.replies.iter().flat_map(|reply| with_links(reply)).collect();
        let is_refused = |path: &TreePath, entry: Option<&Entry>| {
            let full = target.join(path.as_path());
            // A link in the place of a folder around it would lead to another.
            replies.iter().any(|reply| full.starts_with(reply) || reply.starts_with(&full))
                || free.iter().any(|free| free.is_changed_by(&full, entry))
                || self.is_program(path, entry)
        };
        changes
            .iter()
            .flat_map(|change| {
                let now = (&change.path, change.after.as_ref());
                std::iter::once(now).chain(change.from.as_ref().map(|from| (from, None)))
            })
            .filter(|(path, entry)| is_refused(path, *entry))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Whether `path`, wherever it is, could be found in place of a program that `PATH` leads to.
    fn is_program(&self, path: &TreePath, entry: Option<&Entry>) -> bool {
        let is_started = match entry {
            Some(Entry::File { mode, .. }) => *mode == Mode::Executable,
            Some(Entry::Link { .. }) => true,
            Some(Entry::EmptyFolder) | None => false,
        };
        let name = path.as_path().file_name().and_then(OsStr::to_str);
        is_started && name.is_some_and(|name| self.names.contains(name))
    }

    /// `managed`, of `agent`, without the right to change them.
    ///
    /// # Errors
    /// When the agent could change what has all rights of the user, and nothing keeps it from that.
    pub(crate) fn protect(&self, mut managed: Managed, agent: &AgentSpec) -> Result<Managed, Failure> {
        // Its programs may do everything already.
        let is_free = is_unconfined(agent) && starts_programs(agent);
        for guarded in &self.programs {
            match guarded.place(&managed) {
                Place::Kept(path) => managed = managed.with_protected(&path),
                Place::Open if !is_free => {
                    return Err(Failure::configuration(format!(
                        "agent `{}` may write to where `{}` is, which {} with all your rights",
                        agent.id,
                        guarded.file.display(),
                        guarded.what
                    ))
                    .hint(
                        "keep it in a folder that agents cannot write to, or let them work on copies: leave \
                         `write_mode: legacy` out",
                    ));
                }
                Place::Open | Place::OutOfReach => {}
            }
        }
        Ok(managed)
    }

    /// Refuses what would come out with the first command: Landlock keeps no part of a tree as it is.
    ///
    /// # Errors
    /// When commands of `agent`, which reaches `managed`, could change one of the programs.
    pub(crate) fn check_commands(
        &self,
        managed: &Managed,
        agent: &AgentSpec,
        mechanism: Mechanism,
    ) -> Result<(), Failure> {
        let place = agent.tooling.commands.as_ref().map(|commands| &commands.place);
        if !matches!((mechanism, place), (Mechanism::Landlock, Some(CommandPlace::Sandbox(_)))) {
            return Ok(());
        }
        let reach = Reach::of(managed).ruled(mechanism).without_hidden().map_err(Failure::configuration)?;
        for guarded in &self.programs {
            if let Place::Kept(path) = guarded.place(managed)
                && reach.writable.iter().any(|tree| path.starts_with(tree))
            {
                let message = format!(
                    "commands of agent `{}` could change `{}`, which {}, and Landlock cannot keep it as it is",
                    agent.id,
                    guarded.file.display(),
                    guarded.what
                );
                return Err(Failure::configuration(message).hint(
                    "install bubblewrap (`bwrap`), keep it in a folder that agents cannot write to, or let them work on \
                     copies: leave `write_mode: legacy` out",
                ));
            }
        }
        Ok(())
    }
}

impl Guarded {
    fn new(what: &'static str, file: PathBuf, rights: Rights) -> Self {
        let is_python = file.extension().is_some_and(|ending| ending == "py");
        let modules = if is_python { file.parent().map(Path::to_path_buf) } else { None };
        Self { what, file, modules, beside: Beside::Used, rights }
    }

    /// The file with the configuration: the next run starts what it names.
    fn configuration(file: &Path) -> Self {
        let (what, rights) = ("the next run reads", Rights::OfTheUser);
        Self { what, file: file.to_path_buf(), modules: None, beside: Beside::Apart, rights }
    }

    fn place(&self, managed: &Managed) -> Place {
        let roots = managed.roots();
        let trees = || roots.iter().filter(|root| root.access == Access::Write).map(|root| &root.path);
        // What is hidden cannot be changed either.
        let is_given =
            |path: &Path| trees().any(|tree| path.starts_with(tree)) && managed.decide(path).is_ok();
        let file = real(&self.file);
        let folder = self.modules.as_deref().or(self.file.parent()).map(real).unwrap_or_default();
        if self.rights == Rights::OfTheUser && links(&self.file).any(|link| is_given(&link)) {
            return Place::Open;
        }
        let is_searched = self.modules.is_some() && is_given(&folder);
        if !is_given(&file) && !is_searched {
            return Place::OutOfReach;
        }
        let is_below = trees().any(|tree| folder != *tree && folder.starts_with(tree));
        let holds_more = roots.iter().any(|root| root.path.starts_with(&folder));
        if self.beside == Beside::Used && is_below && !holds_more {
            Place::Kept(folder)
        } else if self.modules.is_some() && self.rights == Rights::OfTheUser {
            Place::Open
        } else {
            Place::Kept(file)
        }
    }
}

/// The links that `path` leads through, each in its folder without links.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let is_link = |path: &&Path| path.is_symlink();
    path.ancestors().filter(is_link).filter_map(|link| {
        let folder = fs_err::canonicalize(link.parent()?).ok()?;
        Some(folder.join(link.file_name()?))
    })
}

/// `path` without links, and the links that it leads through.
fn with_links(path: &Path) -> impl Iterator<Item = PathBuf> {
    std::iter::once(real(path)).chain(links(path))
}

/// What must stay in a folder so that a program with all rights of the user stays what it is.
struct Free {
    /// This, and all below it.
    kept: Vec<PathBuf>,
    /// Modules of Python that are looked for in this folder.
    modules: Option<PathBuf>,
}

impl Free {
    /// What of `guarded` is in `target`. What lies beside a program is of it, unless that is all that there is.
    fn of(guarded: &Guarded, target: &Path) -> Self {
        let is_part = |folder: &PathBuf| folder != target && folder.starts_with(target);
        let beside = match guarded.beside {
            Beside::Used => [guarded.file.parent(), guarded.modules.as_deref()],
            Beside::Apart => [None, None],
        };
        let beside = beside.into_iter().flatten().map(real);
        let kept = with_links(&guarded.file).chain(beside.filter(is_part)).collect();
        Self { kept, modules: guarded.modules.as_deref().map(real) }
    }

    fn is_changed_by(&self, path: &Path, entry: Option<&Entry>) -> bool {
        let below = self.modules.as_ref().and_then(|folder| path.strip_prefix(folder).ok());
        self.kept.iter().any(|kept| path.starts_with(kept))
            || below.is_some_and(|path| is_module(path, entry))
    }
}

/// Whether Python may take what is at `path`, seen from a folder where it looks for modules, for one of them.
fn is_module(path: &Path, entry: Option<&Entry>) -> bool {
    let mut names = path.iter();
    let (Some(first), second, None) = (names.next(), names.next(), names.next()) else { return false };
    let is_imported = |name: &OsStr| {
        Path::new(name).extension().is_some_and(|ending| MODULES.iter().any(|known| ending == *known))
    };
    match second {
        // A link may lead to a package.
        None => is_imported(first) || matches!(entry, Some(Entry::Link { .. })),
        Some(name) => {
            is_imported(name) && (first == "__pycache__" || name.as_encoded_bytes().starts_with(b"__init__."))
        }
    }
}

/// A function of Python, whose module is looked for in `folder`.
fn of_function(function: &str, folder: &Path) -> Guarded {
    let module = function.rsplit_once('.').map_or(function, |(module, _)| module);
    of_module(module, folder, "a hook runs", Rights::OfTheUser)
}

/// A module of Python. It is looked for in `folder`, and so is all that it imports.
fn of_module(module: &str, folder: &Path, what: &'static str, rights: Rights) -> Guarded {
    let file = file_of_module(module, folder);
    Guarded { what, file, modules: Some(folder.to_path_buf()), beside: Beside::Used, rights }
}

/// Where a module of Python is, or would be: a package comes before a file of the same name.
fn file_of_module(module: &str, folder: &Path) -> PathBuf {
    let at = |end: &str| folder.join(format!("{}{end}", module.replace('.', "/")));
    let places = ["/__init__.py", ".py", "/__main__.py"].map(at);
    places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| at(".py"))
}

#[cfg(test)]
#[path = "guards_tests.rs"]
mod tests;
