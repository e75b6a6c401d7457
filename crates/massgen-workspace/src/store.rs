//! Snapshots in a folder: `snapshots/<hash of the manifest>` says what stands where, `blobs/` has the bytes.
//!
//! A manifest gets its name last. So a snapshot that is there is complete, whenever the process was killed. One process
//! writes to a store at a time: the one that holds the lock of the run.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::File;
use massgen_protocol::{Snapshot, SnapshotId, limits};
use rustix::fs::fstat;

use crate::blobs::{Blobs, Staged, private_folder};
use crate::cache::{Moment, StatCache};
use crate::error::Error;
use crate::left_out::LeftOut;
use crate::manifest::{self, Manifest};
use crate::scan::{ScanLimits, scan};
use crate::tree::{Digest, Entry, Tree};

/// Most faults that a check names.
const FAULTS: usize = 100;

/// Snapshots of folders and the bytes of their files.
#[derive(Debug)]
pub struct SnapshotStore {
    pub(crate) blobs: Blobs,
    manifests: PathBuf,
}

/// A snapshot that was just taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Which.
    pub id: SnapshotId,
    /// What it holds.
    pub tree: Arc<Tree>,
    /// What it does not hold although the folder did.
    pub left_out: LeftOut,
}

impl Taken {
    /// For people and prompts.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.id.clone(),
            files: self.tree.files(),
            bytes: self.tree.bytes(),
            left_out: self.left_out.named(),
        }
    }
}

/// What a check of a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Snapshots in it.
    pub snapshots: u64,
    /// Blobs in it.
    pub blobs: u64,
    /// Bytes of all blobs.
    pub bytes: u64,
    /// What is wrong, a sentence each, at most a hundred. Empty when all is well.
    pub faults: Vec<String>,
}

impl SnapshotStore {
    /// The store in `folder`, which is made if it is missing. What a killed process left unfinished is removed.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        private_folder(folder)?;
        let manifests = folder.join("snapshots");
        private_folder(&manifests)?;
        Ok(Self { blobs: Blobs::open(folder)?, manifests })
    }

    /// Takes a snapshot of `folder`. It is durable when this returns. `cache` remembers what needs not be read again;
    /// it belongs to this folder and this store.
    ///
    /// # Errors
    /// When the folder cannot be read, or the store not be written. The store is as it was then.
    pub fn take(&self, folder: &Path, cache: &mut StatCache, limits: &ScanLimits) -> Result<Taken, Error> {
        let began = self.moment()?;
        let scanned = scan(folder, &self.blobs, cache, limits)?;
        let left_out = scanned.left_out.in_manifest();
        let id = match cache.is_of(&scanned.tree, &left_out) {
            Some(id) => id,
            None => self.keep(&manifest::encode(&scanned.tree, &left_out), scanned.new, limits)?,
        };
        // Only now: before, the blobs that it knows of could still be lost.
        *cache = StatCache::remember(began, Arc::clone(&scanned.tree), scanned.stamps, left_out, id);
        Ok(Taken { id: SnapshotId(id.to_string()), tree: scanned.tree, left_out: scanned.left_out })
    }

    fn keep(&self, manifest: &[u8], new: Vec<Staged>, limits: &ScanLimits) -> Result<Digest, Error> {
        // It could be written, but not be read again.
        let bytes = u64::try_from(manifest.len()).unwrap_or(u64::MAX);
        if bytes > limits.manifest_bytes {
            return Err(Error::LongList { bytes, limit: limits.manifest_bytes });
        }
        let id = Digest::of(manifest);
        let path = self.manifests.join(id.to_string());
        // A manifest that is there has all its blobs.
        if !path.exists() {
            self.blobs.publish(new, manifest, &path)?;
        }
        Ok(id)
    }

    /// What a snapshot holds, and what it leaves out.
    ///
    /// # Errors
    /// When there is no such snapshot, or its manifest is damaged.
    pub fn manifest(&self, id: &SnapshotId) -> Result<Manifest, Error> {
        // The id becomes a path.
        let digest = Digest::parse(&id.0)
            .filter(|digest| digest.to_string() == id.0)
            .ok_or_else(|| Error::NotAnId(id.0.clone()))?;
        let file = match File::open(self.manifests.join(&id.0)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoSnapshot(id.0.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(limits::MANIFEST_BYTES).read_to_end(&mut bytes)?;
        let damaged = |why| Error::DamagedSnapshot { id: id.0.clone(), why };
        if Digest::of(&bytes) != digest {
            return Err(damaged("its content has another hash".to_owned()));
        }
        manifest::decode(&bytes).map_err(damaged)
    }

    /// The bytes of a file of a snapshot, checked against their hash.
    ///
    /// # Errors
    /// When the blob is missing, cannot be read, or is damaged.
    pub fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        self.blobs.read(digest)
    }

    /// Reads every manifest and every blob, and compares them with their names and with each other.
    ///
    /// # Errors
    /// When the store cannot be read. What is damaged is no error but a fault.
    pub fn verify(&self) -> Result<Verified, Error> {
        let (blobs, bytes, damaged) = self.blobs.check()?;
        let mut verified = Verified { blobs, bytes, ..Verified::default() };
        verified.faults.extend(damaged.iter().map(|name| format!("blob `{name}` is damaged")));
        for entry in fs_err::read_dir(&self.manifests)? {
            let id = SnapshotId(entry?.file_name().to_string_lossy().into_owned());
            verified.snapshots += 1;
            match self.manifest(&id) {
                Err(error) => verified.faults.push(error.to_string()),
                Ok(manifest) => verified.faults.extend(manifest.tree.entries.iter().filter_map(
                    |(path, entry)| match entry {
                        Entry::File { digest, .. } if !self.blobs.has(digest) => {
                            Some(format!("snapshot `{id}`: the content of `{path}` is missing"))
                        }
                        Entry::File { .. } | Entry::Link { .. } | Entry::EmptyFolder => None,
                    },
                )),
            }
            verified.faults.truncate(FAULTS);
        }
        Ok(verified)
    }

    /// Now, by the clock that stamps files.
    fn moment(&self) -> Result<Moment, Error> {
        let stat = fstat(self.blobs.blank()?.file()).map_err(io::Error::from)?;
        Ok(Moment::of_change(&stat))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
