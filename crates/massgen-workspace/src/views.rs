//! Snapshots as peers see them: one read-only folder for each, shared by all who look at it, and links to it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use massgen_protocol::{AgentNo, SnapshotId};

use crate::error::Error;
use crate::lay_out::{Manner, Piece, lay_out, link_inside};
use crate::own_folder::{Beginning, begin};
use crate::removal::remove_tree;
use crate::scrub::{Scrub, is_rewritten};
use crate::store::SnapshotStore;
use crate::tree::{Digest, Entry, Tree, TreePath};

/// Hexadecimal digits of a hash in the name of a view.
const NAME_DIGITS: usize = 32;

/// The folder of all views of a run.
#[derive(Debug)]
pub(crate) struct Views {
    root: PathBuf,
    /// Held while views are made, shown and removed.
    made: Mutex<BTreeMap<PathBuf, AgentNo>>,
}

/// A snapshot that somebody is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Whose.
    pub(crate) owner: AgentNo,
    /// Which.
    pub(crate) id: SnapshotId,
    /// Where the owner's workspace is; links into it become relative, and notes that name it are rewritten.
    pub(crate) homes: Vec<PathBuf>,
}

/// What is the same for all views of a run.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// Where the snapshots are.
    pub(crate) store: &'a SnapshotStore,
    /// How notes are rewritten.
    pub(crate) scrub: &'a dyn Rewriting,
}

/// Who knows how notes are rewritten.
pub(crate) trait Rewriting: std::fmt::Debug {
    /// The rules for the notes of `owner`, whose view will be at `view`. `others` are all views so far.
    fn rules(&self, owner: AgentNo, view: &Path, others: &BTreeMap<PathBuf, AgentNo>) -> Scrub;
}

impl Views {
    /// Makes the folder `root`, or empties it: views are made anew by each process, since one that was killed, or a loss
    /// of power, may have left half of one.
    ///
    /// # Errors
    /// When there is a folder that massgen did not make.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        begin(root, Beginning::New)?;
        Ok(Self { root: root.to_owned(), made: Mutex::new(BTreeMap::new()) })
    }

    /// Makes what `sights` needs, and lets the links in `peers` name it: `agent2` for what the second agent has. Links to
    /// what is not in `sights` go. Each link changes in one step. `used` is told what is seen now, and says which views
    /// somebody may still look at; the others are removed.
    ///
    /// # Errors
    /// When a snapshot cannot be read, or files cannot be written or removed.
    pub(crate) fn show(
        &self,
        setting: &Setting<'_>,
        peers: &Path,
        sights: &[Sight],
        used: impl FnOnce(&BTreeMap<AgentNo, PathBuf>) -> BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = BTreeMap::new();
        for sight in sights {
            let view = self.place(sight);
            if !made.contains_key(&view) {
                let rules = setting.scrub.rules(sight.owner, &view, &made);
                self.make(setting.store, sight, &rules, &view)?;
                made.insert(view.clone(), sight.owner);
            }
            seen.insert(sight.owner, view);
        }
        point(peers, &seen)?;
        let used = used(&seen);
        let unused: Vec<PathBuf> = made.keys().filter(|view| !used.contains(*view)).cloned().collect();
        for view in unused {
            // First out of the list: half of a view is never shown.
            made.remove(&view);
            remove_tree(&view)?;
        }
        Ok(())
    }

    /// Where the view is, or will be. The name says nothing about who made it.
    fn place(&self, sight: &Sight) -> PathBuf {
        let name = Digest::of(format!("{} {}", sight.owner, sight.id).as_bytes()).to_string();
        self.root.join(name.get(..NAME_DIGITS).unwrap_or(&name))
    }

    fn make(&self, store: &SnapshotStore, sight: &Sight, scrub: &Scrub, view: &Path) -> Result<(), Error> {
        let tree = store.manifest(&sight.id)?.tree;
        let pieces = pieces(store, &tree, scrub, &sight.homes)?;
        let unfinished = self.root.join("unfinished");
        remove_tree(&unfinished)?;
        lay_out(&store.blobs, pieces, &unfinished, Manner::ReadOnly)?;
        fs_err::rename(&unfinished, view)?;
        Ok(())
    }
}

/// What peers see of a tree.
fn pieces(
    store: &SnapshotStore,
    tree: &Tree,
    scrub: &Scrub,
    homes: &[PathBuf],
) -> Result<Vec<(TreePath, Piece)>, Error> {
    let mut pieces = Vec::with_capacity(tree.entries.len());
    for (old, new) in scrub.places(tree) {
        let piece = match tree.get(&old) {
            None => continue,
            Some(Entry::EmptyFolder) => Piece::EmptyFolder,
            // One that leads out of the workspace would show the viewer something of its own, or of the user.
            Some(Entry::Link { target }) => match link_inside(&old, target, homes) {
                Some(target) => Piece::Link(scrub.link(&old, &target)),
                None => continue,
            },
            Some(Entry::File { digest, size, mode }) => {
                let rewritten =
                    if is_rewritten(&old, *size) { scrub.content(&old, &store.read(digest)?) } else { None };
                rewritten.map_or(Piece::Blob(*digest, *mode), |bytes| Piece::Bytes(bytes, *mode))
            }
        };
        pieces.push((new, piece));
    }
    Ok(pieces)
}

/// Lets the links in `peers` name `seen` and nothing else.
fn point(peers: &Path, seen: &BTreeMap<AgentNo, PathBuf>) -> Result<(), Error> {
    for entry in fs_err::read_dir(peers)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse::<AgentNo>().ok());
        if number.is_some_and(|number| !seen.contains_key(&number)) {
            remove_tree(&entry.path())?;
        }
    }
    for (number, view) in seen {
        let link = peers.join(number.to_string());
        match fs_err::read_link(&link) {
            Ok(target) if target == *view => continue,
            Ok(_) => {}
            // Nothing, or something that is no link and cannot be replaced by one.
            Err(_) => remove_tree(&link)?,
        }
        let new = peers.join(format!(".{number}.new"));
        remove_tree(&new)?;
        symlink(view, &new).map_err(|error| {
            std::io::Error::new(error.kind(), format!("failed to make the link `{}`: {error}", new.display()))
        })?;
        fs_err::rename(&new, &link)?;
    }
    Ok(())
}
