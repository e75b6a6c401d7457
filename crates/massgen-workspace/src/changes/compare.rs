//! What changed between two trees.

use std::collections::BTreeMap;
use std::io;

use massgen_protocol::limits::{COMPARED_BYTES, COMPARED_FILE_BYTES};

use crate::changes::file_change::{FileChange, Status, Text};
use crate::changes::hunks;
use crate::changes::rename;
use crate::changes::scope::{Rules, Scope};
use crate::contents::Contents;
use crate::tree::{Entry, Tree, TreePath};

/// Why what stands beside the one file of a context path does not count.
const BESIDE: &str = "the context path is a single file";

/// Why the one file of a context path stays, although it is gone.
const MOVED: &str = "it may be what stands beside it";

/// What changed between two trees, and what may have changed but does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// In order of path.
    pub changes: Vec<FileChange>,
    /// Differences that do not count, with the reason, for people.
    pub left_out: BTreeMap<TreePath, String>,
}

/// What changed from `before` to `after`. The one file of a scope is not deleted when something is new beside it: it may
/// have been moved there, and what is there does not count.
///
/// # Errors
/// `contents` does not have the bytes of a file.
pub fn compare(
    before: &Tree,
    after: &Tree,
    contents: &dyn Contents,
    scope: &Scope,
) -> io::Result<Comparison> {
    let mut texts = Texts { contents, left: COMPARED_BYTES };
    let mut left_out = BTreeMap::new();
    let mut deleted = BTreeMap::new();
    let mut added = BTreeMap::new();
    let mut changes = Vec::new();
    let mut counts = |path: &TreePath| match scope.unknown(path) {
        Some(reason) => {
            left_out.insert(path.clone(), reason.clone());
            false
        }
        None if scope.is_beside(path) => {
            left_out.insert(path.clone(), BESIDE.to_owned());
            false
        }
        None => scope.holds(path),
    };
    for (path, old) in &before.entries {
        match after.entries.get(path) {
            Some(new) if new == old => {}
            _ if !counts(path) => {}
            Some(new) => changes.push(texts.changed(path, None, old, new)?),
            // A folder that is no longer empty is still there.
            None if *old == Entry::EmptyFolder && after.holds_below(path) => {}
            None => {
                deleted.insert(path, old);
            }
        }
    }
    for (path, new) in &after.entries {
        if !before.entries.contains_key(path) && counts(path) {
            added.insert(path, new);
        }
    }
    let is_new_beside = |path: &TreePath| scope.is_beside(path) && !before.entries.contains_key(path);
    if let Some(only) = &scope.only
        && deleted.contains_key(only)
        && after.entries.keys().any(is_new_beside)
    {
        deleted.remove(only);
        left_out.insert(only.clone(), MOVED.to_owned());
    }
    if let Some(ignores) = &scope.ignores {
        let rules = Rules::of(ignores, after, contents)?;
        added.retain(|path, entry| {
            let ignored = rules.ignore(path, entry);
            if ignored {
                left_out.insert((*path).clone(), "git ignores it".to_owned());
            }
            !ignored
        });
    }
    let renames = rename::find(&deleted, &added, contents)?;
    for rename in renames.values() {
        deleted.remove(&rename.from);
    }
    for (path, new) in added {
        match renames.get(path).and_then(|rename| Some((rename, before.entries.get(&rename.from)?))) {
            Some((rename, old)) => {
                let mut change = texts.changed(path, Some(&rename.from), old, new)?;
                change.status = Status::Renamed { percent: rename.percent };
                changes.push(change);
            }
            None => changes.push(FileChange {
                status: Status::Added,
                path: path.clone(),
                from: None,
                before: None,
                after: Some(new.clone()),
                text: texts.between(None, Some(new))?,
            }),
        }
    }
    for (path, old) in deleted {
        changes.push(FileChange {
            status: Status::Deleted,
            path: path.clone(),
            from: None,
            before: Some(old.clone()),
            after: None,
            text: texts.between(Some(old), None)?,
        });
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Comparison { changes, left_out })
}

/// Compares contents, as long as it is not too much for the memory of those who are shown it.
struct Texts<'a> {
    contents: &'a dyn Contents,
    /// Bytes that may still be compared.
    left: u64,
}

impl Texts<'_> {
    fn changed(
        &mut self,
        path: &TreePath,
        from: Option<&TreePath>,
        old: &Entry,
        new: &Entry,
    ) -> io::Result<FileChange> {
        let status = match (old, new) {
            (Entry::File { .. }, Entry::File { .. }) | (Entry::Link { .. }, Entry::Link { .. }) => {
                Status::Modified
            }
            (Entry::File { .. } | Entry::Link { .. } | Entry::EmptyFolder, _) => Status::TypeChanged,
        };
        let text = match status {
            // Shown as two: one goes, one comes.
            Status::TypeChanged => self.show(Some(old), Some(new), hunks::replacing)?,
            Status::Added | Status::Modified | Status::Deleted | Status::Renamed { .. } => {
                self.between(Some(old), Some(new))?
            }
        };
        Ok(FileChange {
            status,
            path: path.clone(),
            from: from.cloned(),
            before: Some(old.clone()),
            after: Some(new.clone()),
            text,
        })
    }

    fn between(&mut self, old: Option<&Entry>, new: Option<&Entry>) -> io::Result<Text> {
        match (old, new) {
            (Some(Entry::File { digest: old, .. }), Some(Entry::File { digest: new, .. })) if old == new => {
                Ok(Text::Same)
            }
            _ => self.show(old, new, hunks::between),
        }
    }

    fn show(
        &mut self,
        old: Option<&Entry>,
        new: Option<&Entry>,
        compare: fn(&[u8], &[u8]) -> Text,
    ) -> io::Result<Text> {
        let (old_size, new_size) = (size(old), size(new));
        let both = old_size.saturating_add(new_size);
        if old_size.max(new_size) > COMPARED_FILE_BYTES || both > self.left {
            return Ok(Text::Long);
        }
        let text = compare(&self.bytes(old)?, &self.bytes(new)?);
        match &text {
            Text::Hunks(_) => self.left -= both,
            Text::Same | Text::Binary | Text::Long => {}
        }
        Ok(text)
    }

    /// What a diff shows of an entry: the bytes of a file, what a link says.
    fn bytes(&self, entry: Option<&Entry>) -> io::Result<Vec<u8>> {
        match entry {
            Some(Entry::File { digest, .. }) => self.contents.read(digest),
            Some(Entry::Link { target }) => Ok(target.clone()),
            Some(Entry::EmptyFolder) | None => Ok(Vec::new()),
        }
    }
}

fn size(entry: Option<&Entry>) -> u64 {
    match entry {
        Some(Entry::File { size, .. }) => *size,
        Some(Entry::Link { .. } | Entry::EmptyFolder) | None => 0,
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
