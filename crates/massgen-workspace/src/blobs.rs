//! Contents of files, named by their hash: `blobs/<first two digits>/<BLAKE3 hash>`.
//!
//! A blob gets its name after its bytes are durable, so what has the name is whole, also after a loss of power. Bytes are
//! hashed as they are copied: what is kept is what the hash says, whatever happens to the file meanwhile.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{File, OpenOptions};

use crate::durable::{are_many, everything, sync_folder};
use crate::error::Error;
use crate::tree::Digest;

/// Files up to this many bytes are hashed in memory, so that those that are kept already cost no writing.
const IN_MEMORY_BYTES: u64 = 1024 * 1024;

/// How much of a longer file is in memory at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// The blobs of a store, and files on their way into it.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
    unfinished: PathBuf,
    next: AtomicU64,
    /// Held while names are given, so that who finds a name finds a durable one.
    naming: Mutex<()>,
}

/// A file that has no name yet. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is there unless it got its name; what remains is removed when the store is opened next.
        let _ = fs_err::remove_file(&self.path);
    }
}

/// The bytes of a file, as they were copied.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Where they wait for their name; nothing when they have it already.
    pub(crate) waiting: Option<Unfinished>,
}

/// Why a file was not copied.
#[derive(Debug)]
pub(crate) enum NotStaged {
    /// It has more bytes than it may.
    TooLarge {
        /// What it had so far.
        bytes: u64,
    },
    /// The file could not be read.
    Unreadable(io::Error),
    /// The store could not be written.
    Failed(io::Error),
}

impl Blobs {
    /// The blobs in the folder `store`, which exists. Removes what a killed process left unfinished.
    pub(crate) fn open(store: &Path) -> io::Result<Self> {
        let blobs = Self {
            root: store.join("blobs"),
            unfinished: store.join("unfinished"),
            next: AtomicU64::new(0),
            naming: Mutex::new(()),
        };
        private_folder(&blobs.root)?;
        private_folder(&blobs.unfinished)?;
        let mut died_at_work = false;
        for left in fs_err::read_dir(&blobs.unfinished)? {
            fs_err::remove_file(left?.path())?;
            died_at_work = true;
        }
        // It may have died after names were given, before they were durable.
        if died_at_work {
            for folder in blobs.folders()? {
                sync_folder(&folder)?;
            }
            sync_folder(&blobs.root)?;
        }
        Ok(blobs)
    }

    /// Where the blob is, or would be.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let (folder, _) = name.split_at_checked(2).unwrap_or((&name, ""));
        self.root.join(folder).join(&name)
    }

    /// Whether the blob is kept.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        fs_err::symlink_metadata(self.path(digest)).is_ok()
    }

    /// The bytes of a blob, checked.
    pub(crate) fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let bytes = fs_err::read(self.path(digest))?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, Error::DamagedBlob(*digest)))
        }
    }

    /// Copies the bytes of `source`, at most `limit`, and hashes what was copied.
    pub(crate) fn stage(&self, source: &mut std::fs::File, limit: u64) -> Result<Staged, NotStaged> {
        let expected = source.metadata().map_err(NotStaged::Unreadable)?.len();
        if expected > limit {
            return Err(NotStaged::TooLarge { bytes: expected });
        }
        if expected > IN_MEMORY_BYTES {
            return self.stage_long(source, limit);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
        let read = (&*source).take(IN_MEMORY_BYTES + 1).read_to_end(&mut bytes);
        let size = u64::try_from(read.map_err(NotStaged::Unreadable)?).unwrap_or(u64::MAX);
        if size > IN_MEMORY_BYTES {
            source.rewind().map_err(NotStaged::Unreadable)?;
            return self.stage_long(source, limit);
        }
        if size > limit {
            return Err(NotStaged::TooLarge { bytes: size });
        }
        let digest = Digest::of(&bytes);
        if self.has(&digest) {
            return Ok(Staged { digest, size, waiting: None });
        }
        let waiting = self.write_unfinished(&bytes).map_err(NotStaged::Failed)?;
        Ok(Staged { digest, size, waiting: Some(waiting) })
    }

    fn stage_long(&self, source: &mut std::fs::File, limit: u64) -> Result<Staged, NotStaged> {
        let (waiting, mut copy) = self.begin().map_err(NotStaged::Failed)?;
        let (digest, size) = if share_bytes(source, copy.file()) {
            // What is shared changes no more, and is hashed as it is.
            hash_and(&mut copy, limit, |_| Ok(()))?
        } else {
            hash_and(source, limit, |piece| copy.write_all(piece))?
        };
        if self.has(&digest) {
            return Ok(Staged { digest, size, waiting: None });
        }
        Ok(Staged { digest, size, waiting: Some(waiting) })
    }

    /// Writes `bytes` to a file without a name.
    pub(crate) fn write_unfinished(&self, bytes: &[u8]) -> io::Result<Unfinished> {
        let (unfinished, mut file) = self.begin()?;
        file.write_all(bytes)?;
        Ok(unfinished)
    }

    fn begin(&self) -> io::Result<(Unfinished, File)> {
        let name = format!("{}-{}", std::process::id(), self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.unfinished.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((Unfinished { path }, file))
    }

    /// An empty file that is removed already.
    pub(crate) fn blank(&self) -> io::Result<File> {
        self.begin().map(|(_, file)| file)
    }

    /// Makes the bytes of `new` durable, then gives them their names, and last of all gives `manifest` the name `last`.
    /// When this returns, all of it survives a loss of power.
    pub(crate) fn publish(&self, new: Vec<Staged>, manifest: &[u8], last: &Path) -> io::Result<()> {
        let _one_at_a_time = self.naming.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // As long as this file is there, who opens the store knows that somebody was giving names.
        let manifest = self.write_unfinished(manifest)?;
        let new: Vec<(Digest, Unfinished)> =
            new.into_iter().filter_map(|staged| Some((staged.digest, staged.waiting?))).collect();
        let at_once = are_many(new.len());
        if at_once {
            everything(File::open(&self.root)?.file())?;
        } else {
            for (_, file) in &new {
                File::open(&file.path)?.sync_all()?;
            }
            File::open(&manifest.path)?.sync_all()?;
        }
        let mut folders = BTreeSet::new();
        for (digest, file) in &new {
            let path = self.path(digest);
            if let Some(folder) = path.parent() {
                if !folder.is_dir() {
                    private_folder(folder)?;
                    folders.insert(self.root.clone());
                }
                folders.insert(folder.to_owned());
            }
            fs_err::rename(&file.path, &path)?;
        }
        if at_once {
            everything(File::open(&self.root)?.file())?;
        } else {
            for folder in &folders {
                sync_folder(folder)?;
            }
        }
        fs_err::rename(&manifest.path, last)?;
        last.parent().map_or(Ok(()), sync_folder)
    }

    /// The folders that blobs are in.
    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        fs_err::read_dir(&self.root)?.map(|entry| Ok(entry?.path())).collect()
    }

    /// Reads every blob. Returns how many there are, their bytes, and the names of those that are not what they should be.
    pub(crate) fn check(&self) -> io::Result<(u64, u64, Vec<String>)> {
        let (mut blobs, mut bytes, mut damaged) = (0, 0, Vec::new());
        for folder in self.folders()? {
            for entry in fs_err::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let mut file = File::open(entry.path())?;
                match hash_and(&mut file, u64::MAX, |_| Ok(())) {
                    Ok((digest, size)) => {
                        blobs += 1;
                        bytes += size;
                        if self.path(&digest) != entry.path() {
                            damaged.push(name);
                        }
                    }
                    Err(NotStaged::Unreadable(error) | NotStaged::Failed(error)) => return Err(error),
                    Err(NotStaged::TooLarge { .. }) => damaged.push(name),
                }
            }
        }
        Ok((blobs, bytes, damaged))
    }

    /// Copies a blob to the new file `target`, which shares its bytes with it where the file system can. The blob is
    /// checked on the way.
    pub(crate) fn copy_to(&self, digest: &Digest, target: &mut File) -> Result<(), Error> {
        let mut blob = File::open(self.path(digest))?;
        let hashed = if share_bytes(blob.file(), target.file()) {
            hash_and(&mut blob, u64::MAX, |_| Ok(()))
        } else {
            hash_and(&mut blob, u64::MAX, |piece| target.write_all(piece))
        };
        match hashed {
            Ok((found, _)) if found == *digest => Ok(()),
            Ok(_) | Err(NotStaged::TooLarge { .. }) => Err(Error::DamagedBlob(*digest)),
            Err(NotStaged::Unreadable(error) | NotStaged::Failed(error)) => Err(error.into()),
        }
    }
}

/// Reads `source` to its end, at most `limit` bytes, hands each piece on, and returns hash and size.
fn hash_and(
    source: &mut impl Read,
    limit: u64,
    mut piece: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(Digest, u64), NotStaged> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut size = 0_u64;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(NotStaged::Unreadable(error)),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if size > limit {
            return Err(NotStaged::TooLarge { bytes: size });
        }
        hasher.update(bytes);
        piece(bytes).map_err(NotStaged::Failed)?;
    }
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), size))
}

/// Lets the empty file `copy` share the bytes of `source`. Returns whether the file system could; where it cannot,
/// nothing happened. Shared bytes are copied when one of the two files is written.
#[cfg(target_os = "linux")]
fn share_bytes(source: &std::fs::File, copy: &std::fs::File) -> bool {
    rustix::fs::ioctl_ficlone(copy, source).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share_bytes(_source: &std::fs::File, _copy: &std::fs::File) -> bool {
    false
}

/// Makes `path` a folder that only its owner may enter, with the folders above it that are missing.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        io::Error::new(error.kind(), format!("failed to make the folder `{}`: {error}", path.display()))
    })
}
