//! What agents wrote down for the questions that follow: `turn_N/memory/` holds what the next turn begins with,
//! `archived_memories/<agent>_answer_<n>/` what an agent had beside its n-th answer of the newest turn with so many.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use massgen_protocol::memory::{FOLDER, MemoryFiles, MemoryPath, Tier};
use massgen_protocol::{AgentId, limits};

use super::registry::read_limited;
use super::{SessionError, SessionFolder};
use crate::private;

/// The folder with what agents had beside each answer.
const ARCHIVE: &str = "archived_memories";

impl SessionFolder {
    /// What the turn after turn `number` begins with; `None` when that turn kept no memory files. Files that no agent of
    /// ours can have left there are passed over.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn memories(&self, number: u32) -> Result<Option<MemoryFiles>, SessionError> {
        let folder = self.memory_dir(number);
        if !is_folder(&folder) {
            return Ok(None);
        }
        let mut files = MemoryFiles::new();
        let most = u64::try_from(limits::MEMORY_FILE_BYTES).unwrap_or(u64::MAX);
        for tier in Tier::ALL {
            let folder = folder.join(tier.folder());
            if !is_folder(&folder) {
                continue;
            }
            for entry in fs_err::read_dir(&folder)?.take(limits::MEMORY_FILES) {
                let entry = entry?;
                let path = entry.file_name().to_str().and_then(|name| MemoryPath::new(tier, name));
                let Some(path) = path.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) else {
                    continue;
                };
                let bytes = read_limited(&entry.path(), most)?.unwrap_or_default();
                files.extend(String::from_utf8(bytes).ok().map(|text| (path, text)));
            }
        }
        Ok(Some(files))
    }

    /// What a turn after the turns up to `number` begins with: what the newest of them kept that kept memory files.
    ///
    /// # Errors
    /// When the session cannot be read.
    pub fn newest_memories(&self, number: u32) -> Result<MemoryFiles, SessionError> {
        for turn in self.turns()?.into_iter().rev().filter(|turn| *turn <= number) {
            if let Some(files) = self.memories(turn)? {
                return Ok(files);
            }
        }
        Ok(MemoryFiles::new())
    }

    /// Keeps `files` as what the turn after turn `number` begins with, in the place of what was kept before. Wherever
    /// this is stopped, no file is there in part.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_memories(&self, number: u32, files: &MemoryFiles) -> Result<(), SessionError> {
        private::create_folder(self.path())?;
        private::create_folder(&self.turn_dir(number))?;
        Ok(replace_folder(&self.memory_dir(number), files)?)
    }

    /// Keeps `files` as what `agent` had beside its answer number `answer`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn archive_memories(
        &self,
        agent: &AgentId,
        answer: u32,
        files: &MemoryFiles,
    ) -> Result<(), SessionError> {
        let archive = self.path().join(ARCHIVE);
        private::create_folder(&archive)?;
        Ok(replace_folder(&archive.join(format!("{agent}_answer_{answer}")), files)?)
    }

    fn memory_dir(&self, number: u32) -> PathBuf {
        self.turn_dir(number).join(FOLDER)
    }
}

/// Whether a folder is there, and not what a link leads to.
fn is_folder(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_ok_and(|there| there.is_dir())
}

/// Puts a folder with `files` at `path`: the files are whole before the folder has its name.
fn replace_folder(path: &Path, files: &MemoryFiles) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    remove_folder(&temporary)?;
    let replaced = write(&temporary, files)
        .and_then(|()| remove_folder(path))
        .and_then(|()| fs_err::rename(&temporary, path));
    if replaced.is_err() {
        // The error that matters is the first one.
        let _ = remove_folder(&temporary);
    }
    replaced
}

fn write(folder: &Path, files: &MemoryFiles) -> io::Result<()> {
    private::create_folder(folder)?;
    for tier in Tier::ALL.into_iter().filter(|tier| files.keys().any(|path| path.tier() == *tier)) {
        private::create_folder(&folder.join(tier.folder()))?;
    }
    for (path, text) in files {
        let mut file = private::file().create_new(true).open(folder.join(path.to_string()))?;
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use fs_err::os::unix::fs::symlink;

    use super::*;
    use crate::sessions::SessionId;

    fn files(of: &[(&str, &str)]) -> MemoryFiles {
        let path = |path: &str| MemoryPath::in_workspace(&format!("{FOLDER}/{path}")).unwrap();
        of.iter().map(|(at, text)| (path(at), (*text).to_owned())).collect()
    }

    fn session(project: &Path) -> SessionFolder {
        SessionFolder::of(project, &SessionId::new("session_1").unwrap())
    }

    #[test]
    fn what_a_turn_keeps_is_read_back_and_takes_the_place_of_what_was_kept() {
        let project = tempfile::tempdir().unwrap();
        let session = session(project.path());
        assert_eq!(session.memories(1).unwrap(), None);
        let first = files(&[("short_term/a.md", "one"), ("long_term/b.md", "two")]);
        session.keep_memories(1, &first).unwrap();
        assert_eq!(session.memories(1).unwrap(), Some(first));
        let second = files(&[("short_term/c.md", "three")]);
        session.keep_memories(1, &second).unwrap();
        assert_eq!(session.memories(1).unwrap(), Some(second));
        session.keep_memories(2, &MemoryFiles::new()).unwrap();
        assert_eq!(session.memories(2).unwrap(), Some(MemoryFiles::new()), "nothing was kept on purpose");
        session
            .archive_memories(&AgentId::new("a").unwrap(), 2, &files(&[("long_term/b.md", "two")]))
            .unwrap();
        let archived = session.path().join("archived_memories/a_answer_2/long_term/b.md");
        assert_eq!(fs_err::read_to_string(archived).unwrap(), "two");
    }

    #[test]
    fn the_newest_turn_that_kept_any_counts() {
        let project = tempfile::tempdir().unwrap();
        let session = session(project.path());
        for turn in 1..=4 {
            let folder = session.path().join(format!("turn_{turn}"));
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("metadata.json"), "{}").unwrap();
        }
        let one = files(&[("short_term/a.md", "one")]);
        session.keep_memories(1, &one).unwrap();
        session.keep_memories(3, &MemoryFiles::new()).unwrap();
        assert_eq!(session.newest_memories(2).unwrap(), one);
        assert_eq!(session.newest_memories(4).unwrap(), MemoryFiles::new());
    }

    #[test]
    fn links_and_what_is_no_memory_file_are_passed_over() {
        let project = tempfile::tempdir().unwrap();
        let session = session(project.path());
        session.keep_memories(1, &files(&[("short_term/a.md", "one")])).unwrap();
        let folder = session.path().join("turn_1/memory");
        let secret = project.path().join("secret");
        fs_err::write(&secret, "secret").unwrap();
        symlink(&secret, folder.join("short_term/b.md")).unwrap();
        symlink(project.path(), folder.join("long_term")).unwrap();
        fs_err::write(project.path().join("c.md"), "c").unwrap();
        fs_err::write(folder.join("short_term/c.txt"), "c").unwrap();
        fs_err::write(folder.join("short_term/d.md"), b"\xff").unwrap();
        assert_eq!(session.memories(1).unwrap(), Some(files(&[("short_term/a.md", "one")])));
    }
}
