//! What can be done with something that was found. Everything hangs on the handle of the folder around it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use massgen_protocol::Timestamp;
use massgen_protocol::workspace::Access;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::managed::Managed;
use super::refusal::{Error, Refusal};
use super::walk::FOLDER;

/// What begins the name of a file that is not yet complete.
const UNFINISHED: &str = ".massgen-unfinished-";

/// Depth of folders that is removed or copied at most: each level holds a handle.
const DEPTH: usize = 128;

/// Something at a path that the agent may reach.
#[derive(Debug, Clone)]
pub struct Place {
    managed: Arc<Managed>,
    folder: Arc<OwnedFd>,
    /// Its name in the folder; `.` for a root.
    name: OsString,
    path: PathBuf,
    access: Access,
}

/// What the system tells of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes.
    pub size: u64,
    /// The last nine bits of its mode: who may read, write and execute it.
    pub permissions: u32,
    /// When its content changed.
    pub modified: Timestamp,
    /// When it was read, as far as the system notes it.
    pub accessed: Timestamp,
    /// When it, or what is noted of it, changed.
    pub changed: Timestamp,
}

/// What stands in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// An opened folder.
#[derive(Debug, Clone)]
pub struct Folder {
    managed: Arc<Managed>,
    handle: Arc<OwnedFd>,
    path: PathBuf,
}

impl Place {
    pub(crate) fn new(
        managed: Arc<Managed>,
        folder: Arc<OwnedFd>,
        name: OsString,
        path: PathBuf,
        access: Access,
    ) -> Self {
        Self { managed, folder, name, path, access }
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What may be done with it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// What the system tells of it; of a link, not of what it leads to.
    ///
    /// # Errors
    /// When it is gone.
    pub fn look(&self) -> Result<Told, Error> {
        let stat = rustix::fs::statat(&*self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        stat.map(|stat| Told::of(&stat)).map_err(|error| Error::of(&self.path, error))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it is no file, or has become a link.
    pub fn open(&self) -> Result<File, Error> {
        // A pipe must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*self.folder, &self.name, flags, Mode::empty())
            .map_err(|error| Error::of(&self.path, error))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| Error::of(&self.path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            FileType::Directory
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Err(Error::NotAFile(self.path.clone())),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it is no file or has more than `most` bytes.
    pub fn read(&self, most: u64) -> Result<Vec<u8>, Error> {
        let file = self.open()?;
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| Error::of(&self.path, error))?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > most {
            let size = self.look().map_or(size, |told| told.size.max(size));
            return Err(Error::TooLarge { path: self.path.clone(), size, most });
        }
        Ok(bytes)
    }

    /// Puts `bytes` there, whole or not at all. What was there, even a link or a file that is linked from elsewhere, is
    /// replaced and not written through.
    ///
    /// # Errors
    /// When the agent may not write there, a folder is there, or the system says no.
    pub fn replace(&self, bytes: &[u8]) -> Result<(), Error> {
        self.fill(&mut io::Cursor::new(bytes), None)
    }

    /// Puts what `source` holds there, as [`Place::replace`] does. `permissions` are those of a new file.
    ///
    /// # Errors
    /// As [`Place::replace`].
    pub fn fill(&self, source: &mut dyn Read, permissions: Option<u32>) -> Result<(), Error> {
        self.managed.decide_change(&self.path)?;
        let before = self.look().ok();
        match before.map(|told| told.kind) {
            Some(EntryKind::Folder) => return Err(Error::NotAFile(self.path.clone())),
            Some(EntryKind::File | EntryKind::Link | EntryKind::Other) | None => {}
        }
        let kept = before.filter(|told| told.kind == EntryKind::File).map(|told| told.permissions);
        let system = |error: io::Error| Error::of(&self.path, error);
        let (name, mut file) = self.unfinished()?;
        let written = io::copy(source, &mut file).and_then(|_| file.flush()).map_err(system);
        let finished = written.and_then(|()| {
            if let Some(mode) = kept.or(permissions) {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|error| system(error.into()))?;
            }
            rustix::fs::renameat(&*self.folder, &name, &*self.folder, &self.name)
                .map_err(|error| system(error.into()))
        });
        if finished.is_err() {
            // The first error is the one to tell.
            let _ = rustix::fs::unlinkat(&*self.folder, &name, AtFlags::empty());
        }
        finished
    }

    /// Makes a folder there.
    ///
    /// # Errors
    /// When something is there already.
    pub fn make_folder(&self) -> Result<(), Error> {
        self.managed.decide_change(&self.path)?;
        rustix::fs::mkdirat(&*self.folder, &self.name, Mode::from_raw_mode(0o777))
            .map_err(|error| Error::of(&self.path, error))
    }

    /// Makes a link there that says `says`.
    ///
    /// # Errors
    /// When something is there already.
    pub fn make_link(&self, says: &OsStr) -> Result<(), Error> {
        self.managed.decide_change(&self.path)?;
        rustix::fs::symlinkat(says, &*self.folder, &self.name).map_err(|error| Error::of(&self.path, error))
    }

    /// What a link says.
    ///
    /// # Errors
    /// When it is none.
    pub fn link_says(&self) -> Result<OsString, Error> {
        let says = rustix::fs::readlinkat(&*self.folder, &self.name, Vec::new())
            .map_err(|error| Error::of(&self.path, error))?;
        Ok(OsStr::from_bytes(says.as_bytes()).to_os_string())
    }

    /// Moves it to `target`, where nothing is.
    ///
    /// # Errors
    /// When one of them may not be changed, something is there, or they are on different file systems.
    pub fn move_to(&self, target: &Self) -> Result<(), Error> {
        self.managed.decide_removal(&self.path)?;
        target.managed.decide_change(&target.path)?;
        self.everything_may_go(DEPTH)?;
        let (from, to) = (&*self.folder, &*target.folder);
        match rustix::fs::renameat_with(from, &self.name, to, &target.name, RenameFlags::NOREPLACE) {
            // A file system without this flag: the look and the move are two steps, both in the agent's own folders.
            Err(Errno::INVAL) if target.look().is_err() => {
                rustix::fs::renameat(from, &self.name, to, &target.name)
            }
            other => other,
        }
        .map_err(|error| Error::of(if error == Errno::EXIST { &target.path } else { &self.path }, error))
    }

    /// Removes a file, a link or an empty folder.
    ///
    /// # Errors
    /// When it may not be removed, or a folder holds something.
    pub fn remove(&self) -> Result<(), Error> {
        self.managed.decide_removal(&self.path)?;
        let how = match self.look()?.kind {
            EntryKind::Folder => AtFlags::REMOVEDIR,
            EntryKind::File | EntryKind::Link | EntryKind::Other => AtFlags::empty(),
        };
        rustix::fs::unlinkat(&*self.folder, &self.name, how).map_err(|error| Error::of(&self.path, error))
    }

    /// Removes a folder with all that it holds; nothing when one thing in it may not be removed.
    ///
    /// # Errors
    /// When it may not be removed, or the system says no; then a part may be gone.
    pub fn remove_tree(&self) -> Result<(), Error> {
        self.managed.decide_removal(&self.path)?;
        self.everything_may_go(DEPTH)?;
        self.remove_below(DEPTH)
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// When it is none, or has become a link.
    pub fn folder(&self) -> Result<Folder, Error> {
        let handle = rustix::fs::openat(&*self.folder, &self.name, FOLDER, Mode::empty())
            .map_err(|error| Error::of(&self.path, error))?;
        Ok(Folder { managed: self.managed.clone(), handle: Arc::new(handle), path: self.path.clone() })
    }

    fn remove_below(&self, depth: usize) -> Result<(), Error> {
        if self.look()?.kind == EntryKind::Folder {
            let Some(depth) = depth.checked_sub(1) else { return Err(self.too_deep()) };
            let folder = self.folder()?;
            for entry in folder.entries(usize::MAX)? {
                folder.child(&entry.name)?.remove_below(depth)?;
            }
        }
        self.remove()
    }

    /// Refuses when something below may not be changed.
    fn everything_may_go(&self, depth: usize) -> Result<(), Error> {
        self.managed.decide_change(&self.path)?;
        if self.look()?.kind == EntryKind::Folder {
            let Some(depth) = depth.checked_sub(1) else { return Err(self.too_deep()) };
            let folder = self.folder()?;
            for entry in folder.entries(usize::MAX)? {
                folder.child(&entry.name)?.everything_may_go(depth)?;
            }
        }
        Ok(())
    }

    fn too_deep(&self) -> Error {
        let source = io::Error::other(format!("folders are nested more than {DEPTH} deep"));
        Error::System { path: self.path.clone(), source }
    }

    /// A new file beside it that nobody else knows.
    fn unfinished(&self) -> Result<(OsString, File), Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = OsString::from(format!("{UNFINISHED}{}-{count}", std::process::id()));
            match rustix::fs::openat(&*self.folder, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => return Ok((name, File::from(file))),
                // Of a process that had our number and was killed.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::of(&self.path, error)),
            }
        }
    }
}

impl Folder {
    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it, by name. Things that the agent may not even read are left out.
    ///
    /// # Errors
    /// When there are more than `most`.
    pub fn entries(&self, most: usize) -> Result<Vec<Entry>, Error> {
        let system = |error: Errno| Error::of(&self.path, error);
        let mut entries = Vec::new();
        for found in Dir::read_from(&*self.handle).map_err(system)? {
            let found = found.map_err(system)?;
            let name = OsStr::from_bytes(found.file_name().to_bytes());
            if name == "." || name == ".." || self.managed.decide(&self.path.join(name)).is_err() {
                continue;
            }
            if entries.len() >= most {
                return Err(Error::TooMany { path: self.path.clone(), most });
            }
            let kind = match found.file_type() {
                FileType::Unknown => match self.child(name).and_then(|child| child.look()) {
                    Ok(told) => told.kind,
                    Err(Error::Missing(_)) => continue,
                    Err(error) => return Err(error),
                },
                known => EntryKind::of(known),
            };
            entries.push(Entry { name: name.to_os_string(), kind });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// The place of this name in it, whether something is there or not. A link is meant as it is.
    ///
    /// # Errors
    /// When the agent may not reach it, or the name is none.
    pub fn child(&self, name: &OsStr) -> Result<Place, Error> {
        let is_name = !name.is_empty() && name != "." && name != ".." && !name.as_bytes().contains(&b'/');
        if !is_name {
            return Err(Error::NotAPath);
        }
        let path = self.path.join(name);
        let access = self.managed.decide(&path).map_err(|refusal: Refusal| Error::Refused(refusal))?;
        Ok(Place::new(self.managed.clone(), self.handle.clone(), name.to_os_string(), path, access))
    }
}

impl Told {
    fn of(stat: &Stat) -> Self {
        Self {
            kind: EntryKind::of(FileType::from_raw_mode(stat.st_mode)),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            permissions: stat.st_mode & 0o777,
            modified: moment(stat.st_mtime, stat.st_mtime_nsec),
            accessed: moment(stat.st_atime, stat.st_atime_nsec),
            changed: moment(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl EntryKind {
    fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Self::Other,
        }
    }
}

fn moment(seconds: i64, nanos: impl TryInto<i64>) -> Timestamp {
    let nanos: i64 = nanos.try_into().unwrap_or_default();
    Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000))
}
