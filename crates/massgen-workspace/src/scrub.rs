//! What a peer sees of a snapshot: not what tools keep for themselves, not who made it, and no places that have moved.
//!
//! Names of agents and old paths are rewritten only where agents keep notes about their work: below `tasks/`, `memory/`,
//! `.massgen_scratch/` and `.tool_results/`, and in `execution_trace.md`. What they deliver stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use massgen_protocol::paths::{Edge, Rule, Rules};
use massgen_protocol::{AgentId, AgentNo, limits};

use crate::tree::{Tree, TreePath};

/// Names that are left out at any depth: what tools and agents' programs keep for themselves.
const PRIVATE: [&[u8]; 7] =
    [b".massgen", b".codex", b".gemini", b".antigravity", b".antigravitycli", b".claude", b".git"];

/// Folders at the root in which agents keep notes.
const NOTES: [&[u8]; 4] = [b"tasks", b"memory", b".massgen_scratch", b".tool_results"];

/// The file at the root that says what an agent did.
const TRACE: &[u8] = b"execution_trace.md";

/// Endings of files that are no text, whatever their bytes look like.
const NO_TEXT: [&str; 32] = [
    "png", "jpg", "jpeg", "gif", "webp", "bmp", "ico", "tif", "tiff", "pdf", "zip", "gz", "tgz", "bz2", "xz",
    "zst", "7z", "tar", "mp3", "wav", "ogg", "flac", "mp4", "mov", "webm", "avi", "woff", "woff2", "ttf",
    "so", "pyc", "db",
];

/// The shortest id that is replaced in the middle of texts and names; a shorter one is a word of its own too often.
const SHORTEST_ID_IN_TEXT: usize = 3;

/// How an agent's notes are rewritten for its peers.
#[derive(Debug, Clone, Default)]
pub struct Scrub {
    rules: Rules,
    /// Ids that are replaced only where they are all of a name.
    short: Vec<(String, String)>,
}

/// Longest name that is made; file systems take 255 bytes.
const NAME_BYTES: usize = 240;

/// The new paths of a tree.
pub(crate) type Renamed = BTreeMap<TreePath, TreePath>;

impl Scrub {
    /// Replaces each id by the name that peers see, and each path by where it is now. A path that ends in `/` is
    /// replaced only with something behind it.
    pub fn new(
        ids: impl IntoIterator<Item = (AgentId, AgentNo)>,
        paths: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let (mut rules, mut short) = (Vec::new(), Vec::new());
        for (id, number) in ids {
            if id.as_str().len() < SHORTEST_ID_IN_TEXT {
                short.push((id.as_str().to_owned(), number.to_string()));
            } else {
                rules.push(Rule { from: id.as_str().to_owned(), to: number.to_string(), edge: Edge::Word });
            }
        }
        rules.extend(paths.into_iter().map(|(from, to)| Rule { from, to, edge: Edge::Path }));
        Self { rules: Rules::new(rules), short }
    }

    /// The content that peers see of the file at `path` of the snapshot; none if it is the one that it has.
    pub fn content(&self, path: &TreePath, bytes: &[u8]) -> Option<Vec<u8>> {
        if !is_rewritten(path, u64::try_from(bytes.len()).unwrap_or(u64::MAX)) {
            return None;
        }
        let text = str::from_utf8(bytes).ok()?;
        let rewritten = self.rules.apply(text);
        (rewritten != text).then(|| rewritten.into_owned().into_bytes())
    }

    /// The name that peers see.
    pub(crate) fn name(&self, name: &[u8]) -> Vec<u8> {
        let mut seen: Vec<u8> = Vec::with_capacity(name.len());
        // Names are bytes; ids are text.
        for chunk in name.utf8_chunks() {
            seen.extend_from_slice(self.rules.apply(chunk.valid()).as_bytes());
            seen.extend_from_slice(chunk.invalid());
        }
        let short = self.short.iter().find(|(id, _)| id.as_bytes() == seen);
        let mut seen = short.map_or(seen, |(_, number)| number.clone().into_bytes());
        if seen != name {
            // It may have become longer than a name may be; a number behind it still fits.
            seen.truncate(NAME_BYTES);
        }
        seen
    }

    /// What the link at `path` of the snapshot says to peers: it follows files that are called otherwise.
    pub(crate) fn link(&self, path: &TreePath, target: &[u8]) -> Vec<u8> {
        if !is_note(path) {
            return target.to_vec();
        }
        let parts: Vec<Vec<u8>> = target.split(|byte| *byte == b'/').map(|part| self.name(part)).collect();
        parts.join(&b'/')
    }

    /// Where peers see what stands in `tree`; what they do not see is not in it. Two things never get one place.
    pub(crate) fn places(&self, tree: &Tree) -> Renamed {
        let mut below: BTreeMap<Option<TreePath>, BTreeSet<Vec<u8>>> = BTreeMap::new();
        let seen = || tree.entries.keys().filter(|path| !is_private(path));
        for path in seen().filter(|path| is_note(path)) {
            let mut at = Some(path.clone());
            while let Some(path) = at {
                let above = path.parent();
                if !below.entry(above.clone()).or_default().insert(path.name().to_vec()) {
                    break;
                }
                at = above;
            }
        }
        let mut places = Renamed::new();
        // A folder stands before what is in it.
        for (folder, names) in below {
            let is_root = folder.is_none();
            let new_name = |name: &Vec<u8>| if is_root { name.clone() } else { self.name(name) };
            let mut taken: BTreeSet<Vec<u8>> =
                names.iter().filter(|name| new_name(name) == **name).cloned().collect();
            for name in names {
                let wanted = new_name(&name);
                let found = if wanted == name { wanted } else { free_name(&wanted, &taken) };
                taken.insert(found.clone());
                let place = |folder: Option<&TreePath>, name: &[u8]| match folder {
                    Some(folder) => folder.join(name),
                    None => TreePath::new(name),
                };
                let new_folder = folder.as_ref().and_then(|folder| places.get(folder));
                if let (Some(old), Some(new)) = (place(folder.as_ref(), &name), place(new_folder, &found)) {
                    places.insert(old, new);
                }
            }
        }
        let place = |path: &TreePath| (path.clone(), places.get(path).unwrap_or(path).clone());
        // One that has become too long cannot be written.
        let fits = |(_, new): &(TreePath, TreePath)| new.as_bytes().len() <= limits::SNAPSHOT_PATH_BYTES;
        seen().map(place).filter(fits).collect()
    }
}

/// `wanted`, or with the first number in front of its ending that nobody has.
fn free_name(wanted: &[u8], taken: &BTreeSet<Vec<u8>>) -> Vec<u8> {
    let stem = wanted.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0).unwrap_or(wanted.len());
    let (stem, ending) = wanted.split_at_checked(stem).unwrap_or((wanted, b""));
    let mut name = wanted.to_vec();
    let mut number = 2;
    while taken.contains(&name) {
        name = [stem, format!("-{number}").as_bytes(), ending].concat();
        number += 1;
    }
    name
}

/// Whether peers do not see `path`.
pub(crate) fn is_private(path: &TreePath) -> bool {
    path.parts().any(|part| PRIVATE.contains(&part))
}

/// Whether `path` belongs to the notes of an agent.
pub(crate) fn is_note(path: &TreePath) -> bool {
    let mut parts = path.parts();
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(_) => NOTES.contains(&first),
        None => first == TRACE,
    }
}

/// Whether the content of the file at `path` is rewritten, if it is text.
pub(crate) fn is_rewritten(path: &TreePath, bytes: u64) -> bool {
    let ending = path.as_path().extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    is_note(path)
        && bytes <= limits::SCRUBBED_FILE_BYTES
        && !ending.is_some_and(|ending| NO_TEXT.contains(&ending.as_str()))
}

#[cfg(test)]
#[path = "scrub_tests.rs"]
mod tests;
