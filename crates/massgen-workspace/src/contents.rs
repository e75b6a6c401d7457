//! Where the bytes of files are found that a tree only names by their hash.

use std::collections::BTreeMap;
use std::io;

use crate::store::SnapshotStore;
use crate::tree::Digest;

/// Bytes of files by their hash.
pub trait Contents {
    /// The bytes whose hash is `digest`.
    ///
    /// # Errors
    /// The bytes are not there, or cannot be read.
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>>;
}

/// Bytes in memory.
impl Contents for BTreeMap<Digest, Vec<u8>> {
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        self.get(digest).cloned().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("the bytes of `{digest}` are not kept"))
        })
    }
}

/// What snapshots hold.
impl Contents for SnapshotStore {
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        Self::read(self, digest)
    }
}
