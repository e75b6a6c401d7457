//! The folders and files that an agent was given, and the decision on a path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_protocol::plain;
use massgen_protocol::tooling::{Covers, PathRule, Refuses};
use massgen_protocol::workspace::{Access, COPIES, WorkspaceSpec, copy_name};

use super::refusal::{Error, Refusal};
use super::walk::{self, Found, How, Last};

/// Names that stay as they are wherever they stand in a context path: the state of tools, secrets and what is made again.
const KEPT_AS_THEY_ARE: &[&str] = &[
    ".massgen",
    ".gemini",
    ".env",
    ".git",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".DS_Store",
    "massgen_logs",
];

/// Everything that an agent may reach. It is plain data: cloning the `Arc` around it is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// The first is the workspace.
    roots: Vec<Root>,
    hidden: Vec<PathBuf>,
    protected: Vec<PathBuf>,
    workspace: PathBuf,
    home: Option<PathBuf>,
    copies: Vec<Standin>,
    rules: Vec<PathRule>,
}

/// A copy of the user's files in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standin {
    folder: PathBuf,
    /// The folder of the user that it stands for, without links.
    original: PathBuf,
    /// The file in [`Self::folder`] that the agent was given, where it is not the whole folder.
    only: Option<PathBuf>,
}

/// A folder or file that an agent was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Where it is, without links.
    pub path: PathBuf,
    /// How the configuration spells it, where that is another way.
    pub spelled: Option<PathBuf>,
    /// What it is.
    pub kind: RootKind,
    /// What may be done there.
    pub access: Access,
}

/// What a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootKind {
    /// The agent's own folder.
    Workspace,
    /// The folder in which it finds its peers' files.
    Peers,
    /// A folder of the user.
    Context,
    /// A single file of the user; nothing beside it.
    ContextFile,
    /// Something that agents share and only read.
    Shared,
}

/// What is done with context paths that may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contexts {
    /// They are changed, as the presenter does.
    AsWritten,
    /// They are read only, as during coordination.
    ReadOnly,
}

impl Managed {
    /// What `spec` gives to an agent. The folders exist already.
    ///
    /// # Errors
    /// When the workspace or a context path is not there.
    pub fn of(spec: &WorkspaceSpec, contexts: Contexts) -> Result<Self, Error> {
        let workspace = Root::at(Path::new(&spec.folder), RootKind::Workspace, Access::Write)?;
        let mut managed = Self {
            workspace: workspace.path.clone(),
            roots: vec![workspace],
            hidden: Vec::new(),
            protected: Vec::new(),
            home: None,
            copies: Vec::new(),
            rules: Vec::new(),
        };
        // Nobody has peers' files before there is an answer.
        match Root::at(Path::new(&spec.peers), RootKind::Peers, Access::Read) {
            Ok(root) => managed.roots.push(root),
            Err(Error::Missing(path)) => {
                managed.roots.push(Root { path, spelled: None, kind: RootKind::Peers, access: Access::Read });
            }
            Err(error) => return Err(error),
        }
        for seen in spec.seen() {
            let context = seen.context;
            let access = match contexts {
                Contexts::AsWritten => context.access,
                Contexts::ReadOnly => Access::Read,
            };
            let mut root = Root::at(Path::new(&context.path), RootKind::Context, access)?;
            if !root.path.is_dir() {
                root.kind = RootKind::ContextFile;
            }
            if let Some(number) = seen.copy {
                let folder = managed.workspace.join(COPIES).join(copy_name(number));
                let (original, only) = match root.kind {
                    RootKind::ContextFile => (
                        root.path.parent().unwrap_or(&root.path),
                        root.path.file_name().map(|name| folder.join(name)),
                    ),
                    RootKind::Workspace | RootKind::Peers | RootKind::Context | RootKind::Shared => {
                        (&*root.path, None)
                    }
                };
                managed.copies.push(Standin { original: original.to_path_buf(), folder, only });
            }
            managed.protected.extend(context.protected.iter().map(|part| plain(&root.path.join(part))));
            managed.roots.push(root);
        }
        Ok(managed)
    }

    /// Also lets the agent read `folder`, for example the snapshots that links among its peers' files lead to.
    ///
    /// # Errors
    /// When it is not there.
    pub fn with_readable(mut self, folder: &Path) -> Result<Self, Error> {
        self.roots.push(Root::at(folder, RootKind::Shared, Access::Read)?);
        Ok(self)
    }

    /// Keeps `path` and all below it from being read or changed, apart from what the agent was given below it: its
    /// workspace stays in reach when the folder of all runs around it is hidden. It need not exist.
    #[must_use]
    pub fn with_hidden(mut self, path: &Path) -> Self {
        self.hidden.push(fs_err::canonicalize(path).unwrap_or_else(|_| plain(path)));
        self
    }

    /// Keeps `path` and all below it as it is. It is without links, and need not exist.
    #[must_use]
    pub fn with_protected(mut self, path: &Path) -> Self {
        self.protected.push(plain(path));
        self
    }

    /// Notes what rules refuse, for whoever starts programs: [`Self::refused`]. Calls of tools are judged by themselves.
    #[must_use]
    pub fn with_rules(mut self, rules: Vec<PathRule>) -> Self {
        self.rules = rules;
        self
    }

    /// What `~` stands for.
    #[must_use]
    pub fn with_home(mut self, home: &Path) -> Self {
        self.home = Some(home.to_path_buf());
        self
    }

    /// What the agent was given, its workspace first.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The agent's own folder, without links. Relative paths begin there.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// What may be read, and never changed, of what may be changed.
    pub fn protected(&self) -> &[PathBuf] {
        &self.protected
    }

    /// What may not even be read.
    pub fn hidden(&self) -> &[PathBuf] {
        &self.hidden
    }

    /// Other true spellings of `resolved`, a path without links: as seen from what the agent was given and from copies of
    /// the user's files, also those among peers' files; and where the file is that a copy stands for.
    pub fn spellings(&self, resolved: &Path) -> Vec<String> {
        let below = |folder: &Path| resolved.strip_prefix(folder).ok().map(Path::to_path_buf);
        let mut spellings: Vec<PathBuf> = Vec::new();
        for root in &self.roots {
            let short = match root.kind {
                RootKind::ContextFile if resolved == root.path => resolved.file_name().map(PathBuf::from),
                RootKind::ContextFile => None,
                RootKind::Workspace | RootKind::Peers | RootKind::Context | RootKind::Shared => {
                    below(&root.path)
                }
            };
            let in_copy = short.as_deref().and_then(in_copy);
            spellings.extend(short.into_iter().chain(in_copy));
        }
        for copy in &self.copies {
            spellings.extend(below(&copy.folder).map(|rest| join(&copy.original, &rest)));
        }
        spellings.retain(|path| !path.as_os_str().is_empty());
        spellings.sort();
        spellings.dedup();
        spellings.iter().map(|path| path.display().to_string()).collect()
    }

    /// What rules refuse of what is there now, without links: in everything that the agent was given, in its copies of the
    /// user's files, and in those of its peers.
    pub fn refused(&self, what: Refuses) -> Vec<PathBuf> {
        let mut refused = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.refuses == what) {
            for place in self.places(Path::new(&rule.path)) {
                let Ok(place) = fs_err::canonicalize(place) else { continue };
                let is_meant = match rule.covers {
                    Covers::File => !place.is_dir(),
                    Covers::Folder => place.is_dir(),
                };
                // Who cannot look into its own folder cannot run anything.
                if is_meant && self.root_of(&place).is_some() && !self.workspace.starts_with(&place) {
                    refused.push(place);
                }
            }
        }
        refused.sort();
        refused.dedup();
        refused
    }

    /// Where `path`, as a rule spells it, can be.
    fn places(&self, path: &Path) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if path.is_absolute() {
            places.push(path.to_path_buf());
            let copied = self
                .copies
                .iter()
                .filter_map(|copy| Some(copy.folder.join(path.strip_prefix(&copy.original).ok()?)));
            places.extend(copied);
        } else {
            for root in &self.roots {
                places.extend(match root.kind {
                    RootKind::ContextFile => root.path.parent().map(|folder| folder.join(path)),
                    RootKind::Workspace | RootKind::Peers | RootKind::Context | RootKind::Shared => {
                        Some(root.path.join(path))
                    }
                });
            }
            places.extend(self.copies.iter().map(|copy| copy.folder.join(path)));
        }
        // What peers show holds their copies at the same places.
        let shared = self.roots.iter().filter(|root| root.kind == RootKind::Shared);
        let own: Vec<_> = places
            .iter()
            .filter_map(|place| place.strip_prefix(&self.workspace).ok())
            .map(Path::to_path_buf)
            .collect();
        places.extend(shared.flat_map(|root| own.iter().map(|place| root.path.join(place))));
        places
    }

    /// What may be done with `resolved`, a path without links and `..`.
    ///
    /// # Errors
    /// When nothing may be done with it.
    pub fn decide(&self, resolved: &Path) -> Result<Access, Refusal> {
        let root = self.root_of(resolved);
        let given = root.map_or(0, |root| depth(&root.path));
        if self.hidden.iter().any(|hidden| resolved.starts_with(hidden) && depth(hidden) >= given) {
            return Err(Refusal::Hidden(resolved.to_path_buf()));
        }
        let Some(root) = root else { return Err(Refusal::Outside(resolved.to_path_buf())) };
        let stays = match root.kind {
            RootKind::Context => resolved.strip_prefix(&root.path).is_ok_and(|rest| {
                rest.components().any(|part| {
                    part.as_os_str().to_str().is_some_and(|name| KEPT_AS_THEY_ARE.contains(&name))
                })
            }),
            RootKind::Workspace | RootKind::Peers | RootKind::ContextFile | RootKind::Shared => false,
        };
        let stays = stays || self.is_protected(resolved) || self.beside(resolved).is_some();
        Ok(if stays { Access::Read } else { root.access })
    }

    /// Refuses a change of `resolved`.
    ///
    /// # Errors
    /// Why it may not be changed.
    pub fn decide_change(&self, resolved: &Path) -> Result<(), Refusal> {
        match self.decide(resolved)? {
            Access::Write => Ok(()),
            Access::Read => {
                let is_given = self.root_of(resolved).is_some_and(|root| root.access == Access::Write);
                let path = resolved.to_path_buf();
                if let Some(only) = self.beside(resolved) {
                    return Err(Refusal::Beside { path, only: only.to_path_buf() });
                }
                Err(if is_given { Refusal::Protected(path) } else { Refusal::ReadOnly(path) })
            }
        }
    }

    /// Refuses to move or remove `resolved` when it is, or holds, something that must stay.
    ///
    /// # Errors
    /// What must stay.
    pub fn decide_removal(&self, resolved: &Path) -> Result<(), Refusal> {
        self.decide_change(resolved)?;
        let roots = self.roots.iter().map(|root| &root.path);
        let mut stays = roots.chain(&self.protected).chain(&self.hidden);
        match stays.find(|path| path.starts_with(resolved)) {
            Some(inside) => Err(Refusal::Holds { path: resolved.to_path_buf(), inside: inside.clone() }),
            None => Ok(()),
        }
    }

    /// Walks `path`, relative to the workspace, and decides on what it leads to.
    ///
    /// # Errors
    /// When it may not be reached or the system says no.
    pub fn find(self: &Arc<Self>, path: impl AsRef<Path>, last: Last) -> Result<Found, Error> {
        walk::walk(self, path.as_ref(), last, How::Quickly)
    }

    /// `path` as seen from `/`: relative ones begin in the workspace, `~` is the home folder.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.workspace.join(path),
        }
    }

    /// The root that decides on `path`: the file itself, else the deepest folder around it.
    pub(crate) fn root_of(&self, path: &Path) -> Option<&Root> {
        self.roots
            .iter()
            .filter(|root| match root.kind {
                RootKind::ContextFile => path == root.path,
                RootKind::Workspace | RootKind::Peers | RootKind::Context | RootKind::Shared => {
                    path.starts_with(&root.path)
                }
            })
            .max_by_key(|root| depth(&root.path))
    }

    /// `path` with the spelling of a root replaced by where the root really is.
    pub(crate) fn respelled(&self, path: &Path) -> PathBuf {
        let spelled = self.roots.iter().filter_map(|root| Some((root.spelled.as_ref()?, &root.path)));
        spelled
            .filter_map(|(spelled, real)| {
                Some((spelled.components().count(), real, path.strip_prefix(spelled).ok()?))
            })
            .max_by_key(|(length, ..)| *length)
            .map_or_else(|| path.to_path_buf(), |(_, real, rest)| join(real, rest))
    }

    /// The file that is all that counts of the copy that `path` is in, if it is another one.
    fn beside(&self, path: &Path) -> Option<&Path> {
        let around = self.copies.iter().find(|copy| path.starts_with(&copy.folder))?;
        around.only.as_deref().filter(|only| path != *only)
    }

    fn is_protected(&self, path: &Path) -> bool {
        self.protected.iter().any(|protected| path.starts_with(protected))
    }
}

impl Root {
    fn at(path: &Path, kind: RootKind, access: Access) -> Result<Self, Error> {
        let real = fs_err::canonicalize(path).map_err(|error| Error::of(path, error))?;
        let spelled = (real != path).then(|| path.to_path_buf());
        Ok(Self { path: real, spelled, kind, access })
    }
}

/// What `path`, as seen from a workspace, is called in the copy of the user's files that it is in.
fn in_copy(path: &Path) -> Option<PathBuf> {
    let mut rest = path.strip_prefix(COPIES).ok()?.components();
    rest.next()?;
    Some(rest.as_path().to_path_buf())
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

/// `folder` with `rest` below it; without a `/` at the end when there is no rest.
pub(crate) fn join(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_path_buf() } else { folder.join(rest) }
}
