//! Long event bodies, and the files that go with a task, as files named by the hash of their content:
//! `blobs/<first two digits>/<BLAKE3 hash>`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use massgen_ports::JournalError;

use crate::error::from_io;
use crate::private;

/// The blobs of a run, for the one who writes them.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
    /// Folders with entries that may not be durable yet.
    unsynced: BTreeSet<PathBuf>,
    /// Folders whose own names are durable; at most one for each first two digits, and `blobs` itself.
    named: BTreeSet<PathBuf>,
}

impl Blobs {
    /// The blobs of the run in `run_dir`.
    pub(crate) fn new(run_dir: &Path) -> Self {
        Self { root: root_in(run_dir), unsynced: BTreeSet::new(), named: BTreeSet::new() }
    }

    /// Stores `content` once and returns its hash. It is durable after the next [`Blobs::sync`].
    pub(crate) fn store(&mut self, content: &[u8]) -> Result<String, JournalError> {
        let hash = blake3::hash(content);
        let name = hash.to_hex().to_string();
        let path = path_of(&self.root, &name);
        // What is there may have been damaged since, and then it is written again.
        if !holds(&path, &hash).map_err(|error| from_io(&path, &error))? {
            self.write(&path, content).map_err(|error| from_io(&path, &error))?;
        }
        // Also for a blob that was there: who wrote it may have been killed before this.
        // From its folder over `blobs` up to the run folder, as far as names may be new.
        for folder in path.ancestors().skip(1).take(3) {
            self.unsynced.insert(folder.to_owned());
            if self.named.contains(folder) {
                break;
            }
        }
        Ok(name)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            private::create_folder(folder)?;
        }
        // One writer, so one name is enough, and what a kill leaves is overwritten by the next blob.
        let unfinished = self.root.join("unfinished");
        let mut file = private::file().create(true).truncate(true).open(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs_err::rename(&unfinished, path)
    }

    /// Makes the names of all stored blobs durable.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        for folder in &self.unsynced {
            private::sync_folder(folder).map_err(|error| from_io(folder, &error))?;
        }
        // A folder was synced together with the one above it.
        self.named.append(&mut self.unsynced);
        Ok(())
    }
}

/// The name of the blob with this content.
pub fn blob_name(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

/// The content of blob `name` of the run in `run_dir`, a text, checked against its hash.
pub(crate) fn load(run_dir: &Path, name: &str) -> Result<String, String> {
    String::from_utf8(load_bytes(run_dir, name)?).map_err(|error| format!("blob `{name}`: {error}"))
}

/// The content of blob `name` of the run in `run_dir`, checked against its hash.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn load_bytes(run_dir: &Path, name: &str) -> Result<Vec<u8>, String> {
    // The name comes out of a file and becomes a path.
    let hash = match blake3::Hash::from_hex(name) {
        Ok(hash) if hash.to_hex().as_str() == name => hash,
        Ok(_) | Err(_) => return Err(format!("`{}` is not the name of a blob", name.escape_debug())),
    };
    let content = match fs_err::read(path_of(&root_in(run_dir), name)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("blob `{name}` is missing"));
        }
        Err(error) => return Err(error.to_string()),
    };
    if blake3::hash(&content) != hash {
        return Err(format!("blob `{name}` is damaged: its content has another hash"));
    }
    Ok(content)
}

fn root_in(run_dir: &Path) -> PathBuf {
    run_dir.join("blobs")
}

fn path_of(root: &Path, name: &str) -> PathBuf {
    let (folder, _) = name.split_at_checked(2).unwrap_or((name, ""));
    root.join(folder).join(name)
}

fn holds(path: &Path, hash: &blake3::Hash) -> io::Result<bool> {
    match fs_err::read(path) {
        Ok(content) => Ok(blake3::hash(&content) == *hash),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
