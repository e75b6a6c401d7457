//! Programs of the user that agents must not change: hooks, tool servers and custom tools have more rights than the agents
//! that call them. They, and the folders that they lie in, stay as they are, whatever agents may write to.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use massgen_protocol::spec::{AgentSpec, RunSpec};
use massgen_protocol::tooling::{CommandPlace, CustomSource, Hook, HookHandler, ServerTransport};
use massgen_protocol::workspace::Access;
use massgen_sandbox::Mechanism;
use massgen_tools::commands::Reach;
use massgen_workspace::access::Managed;

use super::confinement::{is_unconfined, starts_programs};
use crate::failure::Failure;

/// The programs of the user in a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guards(Vec<Guarded>);

/// One of them.
#[derive(Debug, Clone)]
struct Guarded {
    /// For people.
    what: &'static str,
    /// The file, as the configuration leads to it.
    file: PathBuf,
    /// Where Python looks for modules first: a new file there can take the place of any of them.
    modules: Option<PathBuf>,
    rights: Rights,
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
    /// The programs of all agents of `spec`. Short names are seen from `working_directory`, those of programs are looked
    /// for in `search_path`.
    pub(crate) fn of(spec: &RunSpec, working_directory: &Path, search_path: &OsStr) -> Self {
        let mut guards = Vec::new();
        for agent in &spec.agents {
            let tooling = &agent.tooling;
            for hook in tooling.hooks.before.iter().chain(&tooling.hooks.after) {
                guards.extend(of_hook(hook, working_directory, search_path));
            }
            let rights = if is_unconfined(agent) { Rights::OfTheUser } else { Rights::Confined };
            for server in &tooling.servers {
                if let ServerTransport::Stdio { command, folder, .. } = &server.transport {
                    let folders = folder.iter().map(Path::new).chain([working_directory]);
                    let of = |folder| files_of(command, folder, search_path);
                    let files = folders.flat_map(of).map(|file| Guarded::new("a tool server", file, rights));
                    guards.extend(files);
                }
            }
            for tool in &tooling.custom {
                let files = match &tool.source {
                    CustomSource::Python { path, .. } => vec![PathBuf::from(path)],
                    CustomSource::Program { command, .. } => {
                        files_of(command, working_directory, search_path)
                    }
                };
                guards.extend(files.into_iter().map(|file| Guarded::new("a custom tool", file, rights)));
            }
        }
        Self(guards)
    }

    /// The files of those that run with all rights of the user, and the folders in which their modules are looked for.
    pub(crate) fn free(&self) -> impl Iterator<Item = &Path> {
        let free = self.0.iter().filter(|guarded| guarded.rights == Rights::OfTheUser);
        free.flat_map(|guarded| {
            [Some(guarded.file.as_path()), guarded.modules.as_deref()].into_iter().flatten()
        })
    }

    /// `managed`, of `agent`, without the right to change them.
    ///
    /// # Errors
    /// When the agent could change what has all rights of the user, and nothing keeps it from that.
    pub(crate) fn protect(&self, mut managed: Managed, agent: &AgentSpec) -> Result<Managed, Failure> {
        // Its programs may do everything already.
        let is_free = is_unconfined(agent) && starts_programs(agent);
        for guarded in &self.0 {
            match guarded.place(&managed) {
                Place::Kept(path) => managed = managed.with_protected(&path),
                Place::Open if !is_free => {
                    return Err(Failure::configuration(format!(
                        "agent `{}` may write to where `{}` is, which {} runs with all your rights",
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
        for guarded in &self.0 {
            if let Place::Kept(path) = guarded.place(managed)
                && reach.writable.iter().any(|tree| path.starts_with(tree))
            {
                let message = format!(
                    "commands of agent `{}` could change `{}`, which {} runs, and Landlock cannot keep it as it is",
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
        Self { what, file, modules, rights }
    }

    fn place(&self, managed: &Managed) -> Place {
        let roots = managed.roots();
        let trees = || roots.iter().filter(|root| root.access == Access::Write).map(|root| &root.path);
        // What is hidden cannot be changed either.
        let is_given =
            |path: &Path| trees().any(|tree| path.starts_with(tree)) && managed.decide(path).is_ok();
        let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
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
        if is_below && !holds_more {
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

fn of_hook(hook: &Hook, working_directory: &Path, search_path: &OsStr) -> Vec<Guarded> {
    match &hook.handler {
        HookHandler::Command { command } => {
            let files = files_of(command, working_directory, search_path).into_iter();
            files.map(|file| Guarded::new("a hook", file, Rights::OfTheUser)).collect()
        }
        HookHandler::Python { function, folder } => {
            let folder = PathBuf::from(folder);
            let module = function.rsplit_once('.').map_or(function.as_str(), |(module, _)| module);
            let module = module.replace('.', "/");
            let found =
                [format!("{module}.py"), format!("{module}/__init__.py")].map(|name| folder.join(name));
            let file = found.into_iter().find(|file| file.is_file()).unwrap_or_else(|| folder.join(module));
            vec![Guarded { what: "a hook", file, modules: Some(folder), rights: Rights::OfTheUser }]
        }
    }
}

/// The files that a command names: its program, and what among its words is a file.
fn files_of(command: &[String], folder: &Path, search_path: &OsStr) -> Vec<PathBuf> {
    let file = |(position, word): (usize, &String)| {
        if position == 0 && !word.contains('/') {
            return massgen_sandbox::program(search_path, word);
        }
        let path = folder.join(word);
        path.is_file().then_some(path)
    };
    command.iter().enumerate().filter_map(file).collect()
}

#[cfg(test)]
#[path = "guards_tests.rs"]
mod tests;
