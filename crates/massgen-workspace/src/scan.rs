//! From a folder to a tree whose files are staged for the store.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use massgen_protocol::limits;
use rustix::fs::{OFlags, fstat};
use rustix::io::Errno;

use crate::beneath::open_beneath;
use crate::blobs::{Blobs, NotStaged, Staged};
use crate::cache::{Stamp, StatCache};
use crate::error::{Error, at};
use crate::left_out::{LeftOut, Reason};
use crate::tree::{Digest, Entry, Mode, Tree, TreePath};
use crate::walk::{Kind, unreadable, walk};

/// How much of a folder is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanLimits {
    /// Most bytes of one file.
    pub file_bytes: u64,
    /// Most bytes of all files together.
    pub bytes: u64,
    /// Most files, links and empty folders.
    pub entries: usize,
    /// Most bytes of files that a `.gitignore` names or that can be made again.
    pub ignored_bytes: u64,
    /// Most files of that kind.
    pub ignored_files: u64,
    /// Most bytes of the list of all that is kept and left out.
    pub manifest_bytes: u64,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            file_bytes: limits::SNAPSHOT_FILE_BYTES,
            bytes: limits::SNAPSHOT_BYTES,
            entries: limits::SNAPSHOT_ENTRIES,
            ignored_bytes: limits::SNAPSHOT_IGNORED_BYTES,
            ignored_files: limits::SNAPSHOT_IGNORED_FILES,
            manifest_bytes: limits::MANIFEST_BYTES,
        }
    }
}

/// How often a file is copied again that changed while it was copied.
const ATTEMPTS: usize = 3;

/// From this many changed files on, they are read by more than one thread.
const WORTH_THREADS: usize = 64;

/// Most threads that read files.
const THREADS: usize = 4;

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) tree: Arc<Tree>,
    pub(crate) left_out: LeftOut,
    /// What the store does not have yet.
    pub(crate) new: Vec<Staged>,
    /// The stamps of the files that did not change while they were read, for each entry of the tree.
    pub(crate) stamps: Vec<Option<Stamp>>,
}

/// A file that must be read.
struct Job {
    path: TreePath,
    mode: Mode,
}

/// What became of a file that was read.
enum Outcome {
    /// Its bytes, and its stamp if it did not change meanwhile.
    Kept { staged: Staged, stamp: Option<Stamp> },
    /// It is not in the tree, for this reason.
    LeftOut(Reason),
    /// It is no more.
    Gone,
}

/// Scans `folder`, stages what is new in it, and reads only what is not in `cache`.
pub(crate) fn scan(
    folder: &Path,
    blobs: &Blobs,
    cache: &StatCache,
    limits: &ScanLimits,
) -> Result<Scanned, Error> {
    let root = fs_err::File::open(folder)?;
    let root = root.file().as_fd();
    let walked = walk(root, folder, limits)?;
    let mut left_out = walked.left_out;
    let mut lookup = cache.lookup();
    let mut jobs = Vec::new();
    let mut entries = Vec::with_capacity(walked.found.len());
    for found in walked.found {
        match found.kind {
            Kind::Link { target } => entries.push((found.path, Entry::Link { target }, None)),
            Kind::EmptyFolder => entries.push((found.path, Entry::EmptyFolder, None)),
            Kind::File { stamp, mode } => match lookup.find(&found.path, stamp) {
                Some(digest) => {
                    entries.push((found.path, Entry::File { digest, size: stamp.size, mode }, Some(stamp)));
                }
                None => jobs.push(Job { path: found.path, mode }),
            },
        }
    }
    let mut new = Vec::new();
    for (job, outcome) in read_all(root, folder, blobs, jobs, limits)? {
        match outcome {
            Outcome::Kept { staged, stamp } => {
                let entry = Entry::File { digest: staged.digest, size: staged.size, mode: job.mode };
                entries.push((job.path, entry, stamp));
                new.push(staged);
            }
            Outcome::LeftOut(reason) => {
                left_out.paths.insert(job.path, reason);
            }
            Outcome::Gone => {}
        }
    }
    // Two runs that are in order already.
    entries.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let stamps = entries.iter().map(|(.., stamp)| *stamp).collect();
    let entries = entries.into_iter().map(|(path, entry, _)| (path, entry)).collect();
    let mut tree = Arc::new(Tree { entries });
    if tree == *cache.tree() {
        tree = Arc::clone(cache.tree());
    }
    Ok(Scanned { tree, left_out, new, stamps })
}

/// Reads files, in several threads if there are many.
fn read_all(
    root: BorrowedFd<'_>,
    folder: &Path,
    blobs: &Blobs,
    jobs: Vec<Job>,
    limits: &ScanLimits,
) -> Result<Vec<(Job, Outcome)>, Error> {
    let staged = Mutex::new(HashSet::new());
    let read = |job: &Job| read_one(root, folder, blobs, &staged, &job.path, limits);
    if jobs.len() < WORTH_THREADS {
        return jobs.into_iter().map(|job| read(&job).map(|outcome| (job, outcome))).collect();
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = read(job);
                    if outcome.is_err() {
                        next.store(jobs.len(), Ordering::Relaxed);
                    }
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    done.push((job.path.clone(), outcome));
                }
            });
        }
    });
    let mut done: BTreeMap<TreePath, Result<Outcome, Error>> =
        done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter().collect();
    // An error ends the reading early, and then it is the one to tell.
    if let Some(path) = done.iter().find(|(_, outcome)| outcome.is_err()).map(|(path, _)| path.clone())
        && let Some(Err(error)) = done.remove(&path)
    {
        return Err(error);
    }
    jobs.into_iter().filter_map(|job| Some(done.remove(&job.path)?.map(|outcome| (job, outcome)))).collect()
}

/// Copies one file into the store.
fn read_one(
    root: BorrowedFd<'_>,
    folder: &Path,
    blobs: &Blobs,
    staged: &Mutex<HashSet<Digest>>,
    path: &TreePath,
    limits: &ScanLimits,
) -> Result<Outcome, Error> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut kept = None;
    for _ in 0..ATTEMPTS {
        let mut file = match open_beneath(root, path.as_path(), flags) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(Outcome::Gone),
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Outcome::LeftOut(Reason::Changing)),
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => return Ok(Outcome::LeftOut(unreadable(errno))),
            // What a socket or a device without driver says.
            Err(Errno::NXIO | Errno::NODEV) => return Ok(Outcome::LeftOut(Reason::Special)),
            Err(errno) => return Err(at("open", &folder.join(path.as_path()), errno).into()),
        };
        let stamp = |file: &File| {
            fstat(file)
                .map(|stat| Stamp::of(&stat))
                .map_err(|errno| at("look at", &folder.join(path.as_path()), errno))
        };
        if !file.metadata()?.is_file() {
            return Ok(Outcome::LeftOut(Reason::Changing));
        }
        let before = stamp(&file)?;
        let mut copied = match blobs.stage(&mut file, limits.file_bytes) {
            Ok(copied) => copied,
            Err(NotStaged::TooLarge { bytes }) => {
                return Ok(Outcome::LeftOut(Reason::TooLarge { bytes, limit: limits.file_bytes }));
            }
            Err(NotStaged::Unreadable(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(Outcome::LeftOut(Reason::Unreadable(error.to_string())));
            }
            Err(NotStaged::Unreadable(error)) => {
                let message = format!("failed to read `{}`: {error}", folder.join(path.as_path()).display());
                return Err(io::Error::new(error.kind(), message).into());
            }
            Err(NotStaged::Failed(error)) => return Err(error.into()),
        };
        let steady = stamp(&file)? == before && before.size == copied.size;
        if steady {
            let first =
                staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(copied.digest);
            if !first {
                copied.waiting = None;
            }
            return Ok(Outcome::Kept { staged: copied, stamp: Some(before) });
        }
        kept = Some(copied);
    }
    // It changes all the time. What was copied last is as consistent as a copy of it can be.
    Ok(kept.map_or(Outcome::Gone, |staged| Outcome::Kept { staged, stamp: None }))
}
