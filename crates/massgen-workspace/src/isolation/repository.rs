//! What git knows about a context path.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use massgen_protocol::limits::NESTED_REPOSITORIES;

use crate::changes::{IgnoreRules, Ignores, is_bookkeeping, spell};
use crate::isolation::error::IsolationError;
use crate::isolation::git::{Call, Git, first_lines};
use crate::isolation::mirror::{Found, walk};
use crate::tree::TreePath;

/// The repository that a context path is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    /// The folder with the checked-out files.
    pub(crate) top: PathBuf,
    /// The way from there to the context path; nothing if it is the same.
    pub(crate) prefix: Option<TreePath>,
    /// The folder with git's own files, which worktrees share.
    pub(crate) common: PathBuf,
    /// Its last commit, if there is one.
    pub(crate) head: Option<String>,
    /// Whether it is a part of another repository.
    pub(crate) part: Part,
}

/// Whether a repository is a part of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Submodule,
}

/// The repository of `folder`, an absolute path without links, if it is in one and git does not ignore it there.
pub(crate) fn find(git: &Git, folder: &Path) -> Result<Option<Repository>, IsolationError> {
    let is_git = |part: std::path::Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
    let is_bare = ["HEAD", "objects", "refs"].iter().all(|name| folder.join(name).exists());
    if folder.components().any(is_git) || is_bare {
        return Err(IsolationError::Bare { path: folder.to_owned() });
    }
    let question = Call::at(folder, ["rev-parse", "--show-toplevel"]);
    let output = git.attempt(&question)?;
    if !output.status.success() {
        let said = first_lines(&output.stderr);
        if said.contains("not a git repository") || said.contains("cannot use bare repository") {
            return Ok(None);
        }
        return Err(IsolationError::Git {
            command: "rev-parse".to_owned(),
            folder: folder.to_owned(),
            problem: said,
        });
    }
    let ask = |words: &[&str]| git.line(&Call::at(folder, words.iter().copied())).map(PathBuf::from);
    let top = ask(&["rev-parse", "--show-toplevel"])?;
    let common = folder.join(ask(&["rev-parse", "--git-common-dir"])?);
    let common = fs_err::canonicalize(&common).map_err(|error| IsolationError::io(&common, error))?;
    // Its settings may name any other folder as the one with its files.
    let Ok(prefix) = folder.strip_prefix(&top) else {
        return Err(IsolationError::Elsewhere { path: folder.to_owned(), top });
    };
    let prefix = TreePath::from_path(prefix);
    if prefix.is_some() {
        let ignored = git.attempt(&Call::at(&top, ["check-ignore", "-q", "--"]).word(folder))?;
        if ignored.status.success() {
            return Ok(None);
        }
    }
    let head = git.attempt(&Call::at(folder, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]))?;
    let head = head.status.success().then(|| String::from_utf8_lossy(&head.stdout).trim().to_owned());
    let above = git.run(&Call::at(folder, ["rev-parse", "--show-superproject-working-tree"]))?;
    let part = if above.is_empty() { Part::Whole } else { Part::Submodule };
    Ok(Some(Repository { top, prefix, common, head, part }))
}

/// Everything below `folder` that git tracks or would track, as it is on the disk; what repositories within it track as
/// well. `found` gets what else there is to say.
pub(crate) fn files(git: &Git, folder: &Path, skip: &[PathBuf]) -> Result<Found, IsolationError> {
    let mut found = Found::default();
    let mut open = vec![(None::<TreePath>, 0)];
    while let Some((way, depth)) = open.pop() {
        let here = way.as_ref().map_or_else(|| folder.to_owned(), |way| folder.join(way.as_path()));
        let listed = match listing(git, &here) {
            Ok(listed) => listed,
            Err(error) if way.is_some() => {
                found.notes.push(format!("`{}` is copied with everything in it: {error}", here.display()));
                walk(folder, way.as_ref(), skip, &mut found)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        for (path, kind) in listed {
            let path = match &way {
                Some(way) => joined(way, &path),
                None => Some(path),
            };
            let Some(path) = path.filter(|path| !is_bookkeeping(path)) else { continue };
            let real = folder.join(path.as_path());
            if skip.iter().any(|skipped| real.starts_with(skipped)) || !found.is_reached(folder, &path) {
                continue;
            }
            let is_folder = fs_err::symlink_metadata(&real).is_ok_and(|metadata| metadata.is_dir());
            match kind {
                Kind::File | Kind::Repository if !is_folder => found.add(folder, path)?,
                // A tracked file gave way to a folder; what is in it is listed as well.
                Kind::File => {}
                Kind::Repository if real.join(".git").exists() && depth < NESTED_REPOSITORIES => {
                    open.push((Some(path), depth + 1));
                }
                Kind::Repository => walk(folder, Some(&path), skip, &mut found)?,
            }
        }
    }
    Ok(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File,
    /// A submodule, or another repository that lies there.
    Repository,
}

/// What git tracks or would track below `folder`.
fn listing(git: &Git, folder: &Path) -> Result<BTreeSet<(TreePath, Kind)>, IsolationError> {
    let mut listed = BTreeSet::new();
    let tracked = git.run(&Call::at(folder, ["ls-files", "-z", "--stage"]))?;
    for record in tracked.split(|byte| *byte == 0) {
        // `160000 <hash> 0<tab><path>`
        let Some(tab) = record.iter().position(|byte| *byte == b'\t') else { continue };
        let kind = if record.starts_with(b"160000 ") { Kind::Repository } else { Kind::File };
        if let Some(path) = record.get(tab + 1..).and_then(TreePath::new) {
            listed.insert((path, kind));
        }
    }
    let others = git.run(&Call::at(folder, ["ls-files", "-z", "--others", "--exclude-standard"]))?;
    for path in others.split(|byte| *byte == 0) {
        let (path, kind) = match path.strip_suffix(b"/") {
            Some(path) => (path, Kind::Repository),
            None => (path, Kind::File),
        };
        if let Some(path) = TreePath::new(path) {
            listed.insert((path, kind));
        }
    }
    Ok(listed)
}

fn joined(way: &TreePath, path: &TreePath) -> Option<TreePath> {
    TreePath::new([way.as_bytes(), path.as_bytes()].join(&b'/'))
}

/// The ignore rules of `repository` that stand outside of the context path.
pub(crate) fn ignores(git: &Git, repository: &Repository) -> Result<Ignores, IsolationError> {
    let prefix = repository.prefix.as_ref();
    let mut rules = Vec::new();
    let mut add = |file: &Path, way: Option<&TreePath>| -> Result<(), IsolationError> {
        match fs_err::read(file) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                rules.push(IgnoreRules { way: way.map(spell), text });
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(IsolationError::io(file, error)),
        }
    };
    if let Some(file) = own_ignore_file(git, &repository.top)? {
        add(&file, prefix)?;
    }
    add(&repository.common.join("info/exclude"), prefix)?;
    if let Some(prefix) = prefix {
        let mut folder = repository.top.clone();
        let mut rest = prefix.as_bytes();
        loop {
            add(&folder.join(".gitignore"), TreePath::new(rest).as_ref())?;
            let Some(end) = rest.iter().position(|byte| *byte == b'/') else { break };
            folder.push(std::ffi::OsStr::from_bytes(rest.get(..end).unwrap_or_default()));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    Ok(Ignores { rules })
}

/// The user's own list of ignored files.
fn own_ignore_file(git: &Git, top: &Path) -> Result<Option<PathBuf>, IsolationError> {
    let set = git.attempt(&Call::at(top, ["config", "-z", "--type=path", "--get", "core.excludesFile"]))?;
    if set.status.success() {
        let path = set.stdout.strip_suffix(&[0]).unwrap_or(&set.stdout);
        return Ok((!path.is_empty()).then(|| top.join(OsString::from_vec(path.to_vec()))));
    }
    let settings = git
        .variable("XDG_CONFIG_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| git.variable("HOME").map(|home| Path::new(home).join(".config")));
    Ok(settings.map(|folder| folder.join("git/ignore")))
}

/// Settings that switch off every program that `repository` would have contents go through.
pub(crate) fn without_filters(
    git: &Git,
    folder: &Path,
    repository: Option<&Path>,
) -> Result<Vec<(String, String)>, IsolationError> {
    let mut question = Call::at(folder, ["config", "-z", "--name-only", "--get-regexp", "^filter\\."]);
    question.repository = repository.map(Path::to_owned);
    let output = git.attempt(&question)?;
    // It fails if there is none.
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let filters: BTreeSet<&str> =
        names.split('\0').filter_map(|name| name.rsplit_once('.').map(|(filter, _)| filter)).collect();
    Ok(filters
        .into_iter()
        .flat_map(|filter| {
            [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")]
                .map(|(key, value)| (format!("{filter}.{key}"), value.to_owned()))
        })
        .collect())
}
