//! Memory files: what agents wrote down in one question of a session is there for the next one.
//!
//! When a turn is over, the notes beside its final answer are kept with the session, and what the other agents wrote in
//! that turn is put to them. The next turn begins with those files in the workspace of every agent, and its prompts tell
//! of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use massgen_config::skill_head;
use massgen_engine::Redactor;
use massgen_journal::artifacts::RunFolder;
use massgen_journal::sessions::{SessionFolder, TurnRecord};
use massgen_prompt::memory::{Found, remembered};
use massgen_protocol::memory::{FOLDER, MemoryFiles, MemoryPath, Tier};
use massgen_protocol::spec::RunSpec;
use massgen_protocol::{AgentNo, SnapshotId, limits};
use massgen_view::clean::{clean_line, clean_text};
use massgen_workspace::{Entry, Scrub, SnapshotStore};

/// What stands between the notes of two agents in one file.
const SEPARATOR: &str = "\n\n---\n\n";

/// Files that a remark names.
const NAMED: usize = 5;

/// The line around what a memory file says of itself.
const FENCE: &str = "---";

/// What the turn `turn` of a session begins with; its prompts tell of it. Empty where agents keep no memory files, or
/// when there is no session yet.
///
/// # Errors
/// Why what was kept cannot be read, for people.
pub(crate) fn recall(
    session: Option<&SessionFolder>,
    turn: u32,
    spec: &mut RunSpec,
    redactor: &Redactor,
) -> Result<MemoryFiles, String> {
    let (Some(memories), Some(session)) = (&mut spec.memories, session) else {
        return Ok(MemoryFiles::new());
    };
    let files = session.newest_memories(turn.saturating_sub(1)).map_err(|error| {
        format!("the memory files of the turn before are not taken over: {}", clean_line(&error.to_string()))
    })?;
    let found = files.iter().map(|(path, text)| Found {
        path: path.clone(),
        text: redactor.text(&clean_text(text)).into_owned(),
        description: redactor.text(&description(text)).into_owned(),
    });
    *memories = remembered(found);
    Ok(files)
}

/// What a memory file says it is about: its `description`, or else its first line that says something.
fn description(text: &str) -> String {
    let first = || text.lines().map(str::trim).find(|line| !line.is_empty() && *line != FENCE);
    let said =
        skill_head(text).map_or_else(|_| first().unwrap_or_default().to_owned(), |head| head.description);
    clean_line(said.trim_start_matches(['#', ' ']))
}

/// Puts `files` into the workspaces of the agents of `spec`, where no agent is at work yet. Returned is what could not be
/// put there, for people.
pub(crate) fn restore(spec: &RunSpec, files: &MemoryFiles) -> Vec<String> {
    if spec.memories.is_none() {
        return Vec::new();
    }
    let workspaces = spec.agents.iter().filter_map(|agent| Some((&agent.id, agent.workspace.as_deref()?)));
    let put = workspaces.filter_map(|(id, workspace)| {
        let error = put_into(Path::new(&workspace.folder), files).err()?;
        Some(format!("warning: agent `{id}` does not find all memory files of the turn before: {error}"))
    });
    put.collect()
}

/// Links are not followed: what was in the workspace may lead anywhere.
fn put_into(workspace: &Path, files: &MemoryFiles) -> io::Result<()> {
    let memory = workspace.join(FOLDER);
    for folder in [memory.clone()].into_iter().chain(Tier::ALL.map(|tier| memory.join(tier.folder()))) {
        if !fs_err::symlink_metadata(&folder).is_ok_and(|there| there.is_dir()) {
            remove_if_there(&folder)?;
            fs_err::create_dir(&folder)?;
        }
    }
    for (path, text) in files {
        let place = memory.join(path.to_string());
        remove_if_there(&place)?;
        let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(&place)?;
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Removes a file or a link.
fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Keeps with `session` what the agents of the run in `run` wrote down, if they keep memory files and came to something.
/// Returned is what a person has to know of that.
///
/// # Errors
/// Why it cannot be kept, for people.
pub(crate) fn keep(
    session: &SessionFolder,
    run: &RunFolder,
    record: &TurnRecord,
) -> Result<Option<String>, String> {
    let Some(spec) = record.spec().filter(|spec| spec.memories.is_some()) else { return Ok(None) };
    let Some((winner, result)) = record.result() else { return Ok(None) };
    let text = |error: &dyn std::fmt::Display| clean_line(&error.to_string());
    let before = session.newest_memories(run.turn.saturating_sub(1)).map_err(|error| text(&error))?;
    let place = super::store(run);
    let mut reading = Reading { store: None, scrub: scrub(spec), left_out: BTreeSet::new() };
    if place.is_dir() {
        reading.store = Some(SnapshotStore::open(&place).map_err(|error| text(&error))?);
    }
    let mut newest = BTreeMap::new();
    for (label, snapshot) in record.snapshots() {
        let files = reading.files(snapshot)?;
        if let Some(agent) = spec.agent(label.agent) {
            session.archive_memories(&agent.id, label.revision, &files).map_err(|error| text(&error))?;
        }
        // They come in order: the newest answer of an agent is its last.
        newest.insert(label.agent, files);
    }
    let of_winner = match result {
        Some(snapshot) => reading.files(snapshot)?,
        // Who has no workspace has not touched what the turn began with.
        None => newest.get(&winner).unwrap_or(&before).clone(),
    };
    let others =
        newest.into_iter().filter(|(agent, _): &(AgentNo, _)| *agent != winner).map(|(_, files)| files);
    let kept = merged(of_winner, others, &before, &mut reading.left_out);
    session.keep_memories(run.turn, &kept).map_err(|error| text(&error))?;
    Ok(told(&reading.left_out))
}

/// Names of agents and of their folders mean nothing in the next turn, and would tell who wrote what.
fn scrub(spec: &RunSpec) -> Scrub {
    let agents = || spec.agents.iter().zip(spec.agent_nos());
    let folders = agents().filter_map(|(agent, _)| {
        // Its own files are where they were: in the workspace.
        Some((format!("{}/", agent.workspace.as_ref()?.folder), String::new()))
    });
    Scrub::new(agents().map(|(agent, number)| (agent.id.clone(), number)), folders)
}

/// Reads memory files of snapshots.
struct Reading {
    /// `None` when no snapshot was taken.
    store: Option<SnapshotStore>,
    scrub: Scrub,
    /// Files that are not kept, and why.
    left_out: BTreeSet<String>,
}

impl Reading {
    /// The memory files of `snapshot`.
    fn files(&mut self, snapshot: &SnapshotId) -> Result<MemoryFiles, String> {
        let mut kept = Kept::default();
        let Some(store) = &self.store else { return Ok(kept.files) };
        let tree = store.manifest(snapshot).map_err(|error| error.to_string())?.tree;
        for (place, entry) in &tree.entries {
            let Entry::File { digest, size, .. } = entry else { continue };
            let Ok(below) = place.as_path().strip_prefix(FOLDER) else { continue };
            let Some(path) = place.as_path().to_str().and_then(MemoryPath::in_workspace) else {
                let name = clean_line(&below.to_string_lossy());
                self.left_out.insert(format!("`{name}` ({})", out_of_place(below)));
                continue;
            };
            // What is too much is not even read.
            if let Some(why) = kept.refuses(&path, usize::try_from(*size).unwrap_or(usize::MAX)) {
                self.left_out.insert(left_out(&path, &why));
                continue;
            }
            let bytes = store.read(digest).map_err(|error| error.to_string())?;
            match String::from_utf8(self.scrub.content(place, &bytes).unwrap_or(bytes)) {
                Ok(text) => kept.put(path, text, &mut self.left_out),
                Err(_) => {
                    self.left_out.insert(left_out(&path, "it is no text"));
                }
            }
        }
        Ok(kept.files)
    }
}

/// The notes of the winner, with what others wrote since `before`, what all began with: files that the winner does not
/// have, and behind a separator what they say otherwise. Told in `left_out` is what would be too much.
fn merged(
    winner: MemoryFiles,
    others: impl IntoIterator<Item = MemoryFiles>,
    before: &MemoryFiles,
    left_out: &mut BTreeSet<String>,
) -> MemoryFiles {
    let mut kept = Kept::default();
    for (path, text) in winner {
        kept.put(path, text, left_out);
    }
    for (path, text) in others.into_iter().flatten() {
        // Who did not touch a file has nothing to say about it: the winner may have changed or removed it.
        if before.get(&path) == Some(&text) {
            continue;
        }
        let whole = match kept.files.get(&path) {
            None => text,
            Some(ours) => match joined(ours, &text) {
                Some(whole) => whole,
                None => continue,
            },
        };
        kept.put(path, whole, left_out);
    }
    kept.files
}

/// Both texts in one; `None` when ours says all that theirs does.
fn joined(ours: &str, theirs: &str) -> Option<String> {
    let (own, other) = (ours.trim(), theirs.trim());
    if own.contains(other) {
        return None;
    }
    if other.contains(own) {
        return Some(theirs.to_owned());
    }
    // Both may have gone on from the same beginning.
    let same = own.lines().zip(other.lines()).take_while(|(one, two)| one == two).count();
    let rest = other.lines().skip(same).collect::<Vec<_>>().join("\n");
    Some(format!("{}{SEPARATOR}{}\n", ours.trim_end(), rest.trim()))
}

/// Files within the limits of what a session keeps.
#[derive(Default)]
struct Kept {
    files: MemoryFiles,
    bytes: usize,
}

impl Kept {
    /// Why a text of `length` bytes at `path` would be too much.
    fn refuses(&self, path: &MemoryPath, length: usize) -> Option<String> {
        let old = self.files.get(path).map(String::len);
        let bytes = self.bytes.saturating_sub(old.unwrap_or_default()).saturating_add(length);
        if length > limits::MEMORY_FILE_BYTES {
            Some(format!("it is longer than {} KiB", limits::MEMORY_FILE_BYTES >> 10))
        } else if bytes > limits::MEMORY_BYTES {
            Some(format!("all together are longer than {} MiB", limits::MEMORY_BYTES >> 20))
        } else if old.is_none() && self.files.len() >= limits::MEMORY_FILES {
            Some(format!("there are {} already", limits::MEMORY_FILES))
        } else {
            None
        }
    }

    /// Puts `text` in the place of what there is at `path`, if that is not too much.
    fn put(&mut self, path: MemoryPath, text: String, left_out: &mut BTreeSet<String>) {
        if let Some(why) = self.refuses(&path, text.len()) {
            left_out.insert(self::left_out(&path, &why));
            return;
        }
        self.bytes += text.len();
        if let Some(old) = self.files.insert(path, text) {
            self.bytes = self.bytes.saturating_sub(old.len());
        }
    }
}

/// Why the file at `path`, seen from the folder of memory files, is none.
fn out_of_place(path: &Path) -> &'static str {
    let is_direct = Tier::ALL.iter().any(|tier| path.parent() == Some(Path::new(tier.folder())));
    if !is_direct {
        "it is not directly in `short_term` or `long_term`"
    } else if path.extension().is_none_or(|ending| ending != "md") {
        "its name does not end in `.md`"
    } else {
        "its name is hidden, too long or no text"
    }
}

fn left_out(path: &MemoryPath, why: &str) -> String {
    format!("`{}` ({why})", clean_line(&path.to_string()))
}

fn told(left_out: &BTreeSet<String>) -> Option<String> {
    let first: Vec<&str> = left_out.iter().take(NAMED).map(String::as_str).collect();
    let more = match left_out.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let list = first.join(", ");
    (!left_out.is_empty())
        .then(|| format!("memory files that are not kept, at least not whole: {list}{more}"))
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
