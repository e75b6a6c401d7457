//! Which paths count as changed: neither bookkeeping, nor what was never seen, nor what git ignores.

use std::collections::BTreeMap;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::Gitignore;
use serde::{Deserialize, Serialize};

use crate::changes::spelling;
use crate::contents::Contents;
use crate::ignore_rules::{Patience, ignore_rules};
use crate::tree::{Entry, Tree, TreePath};

/// Which paths count.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// If given, this path only: the context path is one file of its folder.
    pub only: Option<TreePath>,
    /// Paths, and all below them, that one of the trees does not know, with the reason. They count as unchanged.
    pub left_out: BTreeMap<TreePath, String>,
    /// If given, new files that git ignores do not count: they are products of builds, and secrets. Without it everything
    /// counts.
    pub ignores: Option<Ignores>,
}

/// What git ignores in a repository besides what the `.gitignore` files of the context path say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignores {
    /// Rules from elsewhere. Later ones come before earlier ones.
    pub rules: Vec<IgnoreRules>,
}

/// One list of ignore rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoreRules {
    /// The way from the folder that the rules are about to the context path, spelled; nothing if it is the same.
    pub way: Option<String>,
    /// The rules, a line each.
    pub text: String,
}

/// Whether a path is bookkeeping, of git or of this program, and so never a change: it is, or is below, something called
/// `.git` or `.massgen…`.
pub(crate) fn is_bookkeeping(path: &TreePath) -> bool {
    path.as_bytes().split(|byte| *byte == b'/').any(is_bookkeeping_name)
}

/// Whether something of this name is bookkeeping.
pub(crate) fn is_bookkeeping_name(name: &[u8]) -> bool {
    // Some file systems take `.GIT` for `.git`.
    name.eq_ignore_ascii_case(b".git") || name.to_ascii_lowercase().starts_with(b".massgen")
}

/// Every folder above `path`, the nearest first.
pub(crate) fn folders_above(path: &TreePath) -> impl Iterator<Item = TreePath> {
    let bytes = path.as_bytes();
    bytes
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'/')
        .filter_map(|(end, _)| TreePath::new(bytes.get(..end)?))
}

/// Whether `path` is `root` or below it.
pub(crate) fn is_within(path: &TreePath, root: &TreePath) -> bool {
    path.as_bytes()
        .strip_prefix(root.as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

impl Scope {
    /// Whether changes of `path` count at all.
    pub(crate) fn holds(&self, path: &TreePath) -> bool {
        !is_bookkeeping(path) && !self.is_beside(path)
    }

    /// Whether `path` is something of the agent's beside the one path that counts.
    pub(crate) fn is_beside(&self, path: &TreePath) -> bool {
        !is_bookkeeping(path) && self.only.as_ref().is_some_and(|only| path != only)
    }

    /// Why one of the trees does not know `path`.
    pub(crate) fn unknown(&self, path: &TreePath) -> Option<&String> {
        self.left_out.get(path).or_else(|| folders_above(path).find_map(|folder| self.left_out.get(&folder)))
    }
}

/// The ignore rules of one tree, as git applies them: the file in the deepest folder decides, and nothing below an ignored
/// folder comes back.
pub(crate) struct Rules {
    elsewhere: Vec<(Option<TreePath>, Gitignore)>,
    by_folder: BTreeMap<Vec<u8>, Gitignore>,
}

impl Rules {
    /// The rules that hold in `tree`.
    pub(crate) fn of(ignores: &Ignores, tree: &Tree, contents: &dyn Contents) -> std::io::Result<Self> {
        let way = |list: &IgnoreRules| list.way.as_deref().and_then(spelling::read);
        let elsewhere =
            ignores.rules.iter().rev().map(|list| (way(list), rules(list.text.as_bytes()))).collect();
        let (mut by_folder, mut patience) = (BTreeMap::new(), Patience::default());
        for (path, entry) in &tree.entries {
            let folder = match path.as_bytes().strip_suffix(b".gitignore") {
                Some(folder) if folder.is_empty() || folder.ends_with(b"/") => folder.to_vec(),
                Some(_) | None => continue,
            };
            // An agent wrote them. Rules that are not read hide nothing.
            if let Entry::File { digest, size, .. } = entry
                && patience.most().is_some_and(|most| *size <= most)
            {
                patience.spend(*size);
                by_folder.insert(folder, rules(&contents.read(digest)?));
            }
        }
        Ok(Self { elsewhere, by_folder })
    }

    /// Whether git ignores `path`, which is a file, a link, or an empty folder.
    pub(crate) fn ignore(&self, path: &TreePath, entry: &Entry) -> bool {
        let mut folders: Vec<TreePath> = folders_above(path).collect();
        folders.reverse();
        folders.iter().any(|folder| self.matches(folder, Kind::Folder))
            || self.matches(
                path,
                match entry {
                    Entry::EmptyFolder => Kind::Folder,
                    Entry::File { .. } | Entry::Link { .. } => Kind::File,
                },
            )
    }

    fn matches(&self, path: &TreePath, kind: Kind) -> bool {
        let bytes = path.as_bytes();
        let mut starts: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1).collect();
        starts.insert(0, 0);
        for start in starts.into_iter().rev() {
            let (Some(folder), Some(rest)) = (bytes.get(..start), bytes.get(start..)) else { continue };
            let Some(found) = self.by_folder.get(folder) else { continue };
            match TreePath::new(rest).map(|rest| found.matched(rest.as_path(), kind == Kind::Folder)) {
                Some(Match::Ignore(_)) => return true,
                Some(Match::Whitelist(_)) => return false,
                Some(Match::None) | None => {}
            }
        }
        for (way, found) in &self.elsewhere {
            let path = match way {
                Some(way) => way.as_path().join(path.as_path()),
                None => path.as_path().to_owned(),
            };
            match found.matched(path, kind == Kind::Folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// The rules of one text, for paths below the folder that it is about.
fn rules(text: &[u8]) -> Gitignore {
    ignore_rules(Path::new(""), text)
}
