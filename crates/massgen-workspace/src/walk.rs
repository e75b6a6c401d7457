//! What stands in a folder, without reading any file but `.gitignore`: paths, kinds and stamps, and what is too large to
//! be kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::Gitignore;
use massgen_protocol::limits;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, RawMode, readlinkat, statat};
use rustix::io::Errno;

use crate::beneath::open_beneath;
use crate::cache::Stamp;
use crate::error::{Error, at};
use crate::ignore_rules::{Patience, ignore_rules};
use crate::left_out::{Counted, LeftOut, Reason, Weight};
use crate::scan::ScanLimits;
use crate::tree::{Mode, TreePath};

/// What a `CACHEDIR.TAG` begins with.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Names of folders whose content a command makes again.
const MADE_AGAIN: [&[u8]; 2] = [b"node_modules", b"__pycache__"];

/// How many names are looked at for each that may be kept: sockets and folders in folders are no entries.
const LISTED_PER_ENTRY: usize = 4;

/// The same for files that are kept only while they are few.
const NAMES_PER_FILE: u64 = 4;

/// A thing that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: TreePath,
    pub(crate) kind: Kind,
    /// The number of the group of files that can be left out together that it is in.
    group: Option<usize>,
}

impl Found {
    fn name_bytes(&self) -> usize {
        let target = match &self.kind {
            Kind::Link { target } => target.len(),
            Kind::File { .. } | Kind::EmptyFolder => 0,
        };
        self.path.as_bytes().len() + target
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Kind {
    File { stamp: Stamp, mode: Mode },
    Link { target: Vec<u8> },
    EmptyFolder,
}

/// All that was found.
#[derive(Debug)]
pub(crate) struct Walked {
    /// In order of path.
    pub(crate) found: Vec<Found>,
    pub(crate) left_out: LeftOut,
}

/// Looks at everything in `root`, which is called `name` in errors.
pub(crate) fn walk(root: BorrowedFd<'_>, name: &Path, limits: &ScanLimits) -> Result<Walked, Error> {
    let mut walk = Walk {
        root,
        name,
        limits,
        found: Vec::new(),
        name_bytes: 0,
        listed: 0,
        path_bytes: 0,
        groups: Vec::new(),
        patience: Patience::default(),
        left_out: BTreeMap::new(),
    };
    let mut ahead = vec![Folder { path: None, rules: None, group: None }];
    while let Some(folder) = ahead.pop() {
        walk.folder(&folder, &mut ahead)?;
    }
    Ok(walk.weighed())
}

/// A folder to look at.
struct Folder {
    /// None for the root.
    path: Option<TreePath>,
    rules: Option<Arc<Rules>>,
    group: Option<usize>,
}

/// The rules of the `.gitignore` of a folder, and of those above.
struct Rules {
    matcher: Gitignore,
    /// Bytes of a path up to the part that the rules are for.
    skip: usize,
    above: Option<Arc<Self>>,
}

impl Rules {
    /// Whether a path is ignored: the rules that are nearest to it decide.
    fn ignore(&self, path: &TreePath, kind: FileType) -> bool {
        let mut at = Some(self);
        while let Some(rules) = at {
            let relative = path.as_bytes().get(rules.skip..).unwrap_or_default();
            let relative = Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(relative));
            let matched = rules.matcher.matched(relative, kind == FileType::Directory);
            if matched.is_ignore() {
                return true;
            }
            if matched.is_whitelist() {
                return false;
            }
            at = rules.above.as_deref();
        }
        false
    }
}

/// Files that are kept only while they are small together, and left out together.
struct Group {
    path: TreePath,
    why: Why,
    bytes: u64,
    files: u64,
    /// Names in it, whatever they name.
    names: u64,
    /// Bytes of their paths.
    path_bytes: usize,
    counted: Counted,
}

/// Why files are kept only while they are small.
#[derive(Clone, Copy)]
enum Why {
    Ignored,
    MadeAgain,
}

impl Group {
    fn reason(&self) -> Reason {
        let weight = Weight { bytes: self.bytes, files: self.files, counted: self.counted };
        match self.why {
            Why::Ignored => Reason::Ignored { weight },
            Why::MadeAgain => Reason::CanBeMadeAgain { weight },
        }
    }
}

/// What stands in a folder under a name.
struct Listed {
    name: Vec<u8>,
    kind: FileType,
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    name: &'a Path,
    limits: &'a ScanLimits,
    found: Vec<Found>,
    name_bytes: usize,
    /// Names that were listed, whatever became of them.
    listed: usize,
    /// Bytes of all paths that are in memory: found, ahead, or left out.
    path_bytes: usize,
    groups: Vec<Group>,
    patience: Patience,
    left_out: BTreeMap<TreePath, Reason>,
}

impl Walk<'_> {
    /// Looks at one folder and puts those in it on `ahead`, so that they come next and in order.
    fn folder(&mut self, folder: &Folder, ahead: &mut Vec<Folder>) -> Result<(), Error> {
        if self.is_over(folder.group) {
            return Ok(());
        }
        let handle = match self.open(folder.path.as_ref()) {
            Ok(handle) => handle,
            Err(errno) => return self.cannot_open(folder.path.as_ref(), errno),
        };
        if self.is_full() {
            return self.leave_out(folder.path.as_ref(), Reason::TooMany { limit: self.limits.entries });
        }
        let Some((directory, listed)) = self.list(handle, folder.path.as_ref())? else {
            return self.leave_out(folder.path.as_ref(), Reason::TooMany { limit: self.limits.entries });
        };
        let handle = directory.fd().map_err(|errno| self.error("look into", folder.path.as_ref(), errno))?;
        if listed.is_empty() {
            if let Some(path) = &folder.path {
                self.add(path.clone(), Kind::EmptyFolder, folder.group);
            }
            return Ok(());
        }
        let above = folder.path.as_ref().map_or(0, |path| path.as_bytes().len() + 1);
        let path_bytes: usize = listed.iter().map(|entry| above + entry.name.len()).sum();
        if self.path_bytes.saturating_add(path_bytes) > limits::SNAPSHOT_NAME_BYTES {
            return self.leave_out(folder.path.as_ref(), Reason::TooMany { limit: self.limits.entries });
        }
        self.path_bytes += path_bytes;
        let rules = self.rules(folder, handle, &listed);
        let group = folder.group.or_else(|| self.made_again(folder, handle, &listed));
        match group.and_then(|group| self.groups.get_mut(group)) {
            Some(weighed) => {
                weighed.names += u64::try_from(listed.len()).unwrap_or(u64::MAX);
                weighed.path_bytes += path_bytes;
            }
            None => self.listed += listed.len(),
        }
        if self.is_over(group) {
            return Ok(());
        }
        let mut below = Vec::new();
        for Listed { name, kind } in listed {
            let path = match &folder.path {
                Some(above) => above.join(&name),
                None => TreePath::new(name.clone()),
            };
            // The system gives no other names.
            let Some(path) = path else { continue };
            if name == b".git" {
                self.left_out.insert(path, Reason::History);
                continue;
            }
            if path.as_bytes().len() > limits::SNAPSHOT_PATH_BYTES {
                self.left_out.insert(path, Reason::TooLong);
                continue;
            }
            let group = group.or_else(|| {
                rules
                    .as_ref()
                    .is_some_and(|rules| rules.ignore(&path, kind))
                    .then(|| self.group(&path, Why::Ignored))
            });
            match kind {
                FileType::Directory => below.push(Folder { path: Some(path), rules: rules.clone(), group }),
                FileType::RegularFile => self.file(handle, &name, path, group)?,
                FileType::Symlink => match readlinkat(handle, name.as_slice(), Vec::new()) {
                    Ok(target) => self.add(path, Kind::Link { target: target.into_bytes() }, group),
                    Err(Errno::NOENT) => {}
                    Err(Errno::INVAL) => {
                        self.left_out.insert(path, Reason::Changing);
                    }
                    // Whose names may be listed need not be entered.
                    Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                        self.left_out.insert(path, unreadable(errno));
                    }
                    Err(errno) => return Err(self.error("read the link", Some(&path), errno)),
                },
                FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {
                    self.left_out.insert(path, Reason::Special);
                }
            }
        }
        ahead.extend(below.into_iter().rev());
        Ok(())
    }

    fn open(&self, path: Option<&TreePath>) -> Result<OwnedFd, Errno> {
        let path = path.map_or(Path::new(""), TreePath::as_path);
        open_beneath(self.root, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)
    }

    fn cannot_open(&mut self, path: Option<&TreePath>, errno: Errno) -> Result<(), Error> {
        match errno {
            Errno::NOENT if path.is_some() => Ok(()),
            Errno::NOTDIR | Errno::LOOP => self.leave_out(path, Reason::Changing),
            Errno::ACCESS | Errno::PERM => self.leave_out(path, unreadable(errno)),
            Errno::NAMETOOLONG => self.leave_out(path, Reason::TooLong),
            errno => Err(self.error("look into", path, errno)),
        }
    }

    /// Leaves a folder out; the root cannot be.
    fn leave_out(&mut self, path: Option<&TreePath>, reason: Reason) -> Result<(), Error> {
        match path {
            Some(path) => {
                self.left_out.insert(path.clone(), reason);
                Ok(())
            }
            None => Err(Error::BrokeOff(format!("`{}`: {}", self.name.display(), reason.words()))),
        }
    }

    fn error(&self, doing: &str, path: Option<&TreePath>, errno: Errno) -> Error {
        let path = path.map_or_else(|| self.name.to_owned(), |path| self.name.join(path.as_path()));
        at(doing, &path, errno).into()
    }

    /// The names in a folder in order, with what they are; none if there are more than may be kept.
    fn list(&self, handle: OwnedFd, path: Option<&TreePath>) -> Result<Option<(Dir, Vec<Listed>)>, Error> {
        let mut directory = Dir::new(handle).map_err(|errno| self.error("look into", path, errno))?;
        let mut listed = Vec::new();
        while let Some(entry) = directory.read() {
            let entry = entry.map_err(|errno| self.error("look into", path, errno))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if listed.len() >= self.limits.entries {
                return Ok(None);
            }
            listed.push(Listed { name: name.to_vec(), kind: entry.file_type() });
        }
        listed.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        // Some file systems do not say what a name is.
        let handle = directory.fd().map_err(|errno| self.error("look into", path, errno))?;
        for entry in listed.iter_mut().filter(|entry| entry.kind == FileType::Unknown) {
            if let Ok(stat) = statat(handle, entry.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                entry.kind = FileType::from_raw_mode(stat.st_mode as RawMode);
            }
        }
        Ok(Some((directory, listed)))
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.limits.entries
            || self.name_bytes >= limits::SNAPSHOT_NAME_BYTES
            || self.listed >= self.limits.entries.saturating_mul(LISTED_PER_ENTRY)
    }

    fn add(&mut self, path: TreePath, kind: Kind, group: Option<usize>) {
        if self.is_full() {
            self.left_out.insert(path, Reason::TooMany { limit: self.limits.entries });
            return;
        }
        let found = Found { path, kind, group };
        self.name_bytes += found.name_bytes();
        self.found.push(found);
    }

    fn file(
        &mut self,
        handle: BorrowedFd<'_>,
        name: &[u8],
        path: TreePath,
        group: Option<usize>,
    ) -> Result<(), Error> {
        let stat = match statat(handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            // Whose names may be listed need not be entered.
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                self.left_out.insert(path, unreadable(errno));
                return Ok(());
            }
            Err(errno) => return Err(self.error("look at", Some(&path), errno)),
        };
        if FileType::from_raw_mode(stat.st_mode as RawMode) != FileType::RegularFile {
            self.left_out.insert(path, Reason::Changing);
            return Ok(());
        }
        let stamp = Stamp::of(&stat);
        if let Some(group) = group.and_then(|group| self.groups.get_mut(group)) {
            group.bytes = group.bytes.saturating_add(stamp.size);
            group.files += 1;
        }
        if self.is_over(group) {
            return Ok(());
        }
        if stamp.size > self.limits.file_bytes {
            self.left_out.insert(path, Reason::TooLarge { bytes: stamp.size, limit: self.limits.file_bytes });
            return Ok(());
        }
        let mode = if stat.st_mode & 0o100 == 0 { Mode::Plain } else { Mode::Executable };
        self.add(path, Kind::File { stamp, mode }, group);
        Ok(())
    }

    /// Whether a group is too large by itself. Then nothing more of it is looked at, and what was found of it goes.
    fn is_over(&mut self, group: Option<usize>) -> bool {
        let Some((at, group)) = group.and_then(|at| Some((at, self.groups.get_mut(at)?))) else {
            return false;
        };
        let limits = self.limits;
        if group.bytes <= limits.ignored_bytes
            && group.files <= limits.ignored_files
            && group.names <= limits.ignored_files.saturating_mul(NAMES_PER_FILE)
        {
            return false;
        }
        // All of it stands at the end: a folder is looked at whole before what comes after it.
        while let Some(found) = self.found.pop_if(|found| found.group == Some(at)) {
            self.name_bytes = self.name_bytes.saturating_sub(found.name_bytes());
        }
        if group.counted == Counted::All {
            group.counted = Counted::InPart;
            self.path_bytes -= std::mem::take(&mut group.path_bytes);
            drop_below(&mut self.left_out, &group.path);
        }
        true
    }

    /// The rules for what is in `folder`.
    fn rules(&mut self, folder: &Folder, handle: BorrowedFd<'_>, listed: &[Listed]) -> Option<Arc<Rules>> {
        let has_own =
            listed.iter().any(|entry| entry.name == b".gitignore" && entry.kind == FileType::RegularFile);
        // Below an ignored folder everything is.
        if folder.group.is_some() || !has_own {
            return folder.rules.clone();
        }
        let read = |most| read_little(handle, b".gitignore", most);
        let Some(text) = self.patience.most().and_then(read) else {
            return folder.rules.clone();
        };
        self.patience.spend(u64::try_from(text.len()).unwrap_or(u64::MAX));
        let matcher = ignore_rules(Path::new("."), &text);
        let skip = folder.path.as_ref().map_or(0, |path| path.as_bytes().len() + 1);
        Some(Arc::new(Rules { matcher, skip, above: folder.rules.clone() }))
    }

    /// A group for what is in `folder`, if a command makes it again.
    fn made_again(&mut self, folder: &Folder, handle: BorrowedFd<'_>, listed: &[Listed]) -> Option<usize> {
        let path = folder.path.as_ref()?;
        let has = |name: &[u8]| listed.iter().any(|entry| entry.name == name);
        let tagged = || {
            let length = u64::try_from(CACHE_TAG.len()).unwrap_or(0);
            read_start(handle, b"CACHEDIR.TAG", length).is_some_and(|start| start == CACHE_TAG)
        };
        let made_again =
            MADE_AGAIN.contains(&path.name()) || has(b"pyvenv.cfg") || (has(b"CACHEDIR.TAG") && tagged());
        made_again.then(|| self.group(path, Why::MadeAgain))
    }

    fn group(&mut self, path: &TreePath, why: Why) -> usize {
        self.groups.push(Group {
            path: path.clone(),
            why,
            bytes: 0,
            files: 0,
            names: 0,
            path_bytes: 0,
            counted: Counted::All,
        });
        self.groups.len() - 1
    }

    /// Leaves out what is too large together, the largest first.
    fn weighed(mut self) -> Walked {
        let mut dropped: Vec<bool> =
            self.groups.iter().map(|group| group.counted == Counted::InPart).collect();
        let kept = |dropped: &[bool]| {
            let kept = self.groups.iter().zip(dropped).filter(|(_, dropped)| !**dropped);
            kept.fold((0_u64, 0_u64), |(bytes, files), (group, _)| (bytes + group.bytes, files + group.files))
        };
        let (mut bytes, mut files) = kept(&dropped);
        let mut by_size: Vec<usize> = (0..self.groups.len()).collect();
        by_size.sort_by_key(|at| {
            self.groups.get(*at).map(|group| std::cmp::Reverse((group.bytes, group.files)))
        });
        for at in by_size {
            if bytes <= self.limits.ignored_bytes && files <= self.limits.ignored_files {
                break;
            }
            if let (Some(group), Some(dropped)) = (self.groups.get(at), dropped.get_mut(at))
                && !*dropped
            {
                *dropped = true;
                bytes -= group.bytes;
                files -= group.files;
            }
        }
        for (group, _) in self.groups.iter().zip(&dropped).filter(|(_, dropped)| **dropped) {
            // What is below it is not told by itself.
            drop_below(&mut self.left_out, &group.path);
            self.left_out.insert(group.path.clone(), group.reason());
        }
        let is_dropped =
            |found: &Found| found.group.and_then(|group| dropped.get(group)).copied().unwrap_or(false);
        self.found.retain(|found| !is_dropped(found));
        self.drop_largest();
        // Mostly in order: only `a.b` is found before `a/b`, and stands behind it.
        self.found.sort_by(|one, other| one.path.cmp(&other.path));
        Walked { found: self.found, left_out: LeftOut { paths: self.left_out } }
    }

    /// Leaves out the largest files until all together fit.
    fn drop_largest(&mut self) {
        let size = |found: &Found| match &found.kind {
            Kind::File { stamp, .. } => stamp.size,
            Kind::Link { .. } | Kind::EmptyFolder => 0,
        };
        let mut bytes = self.found.iter().map(size).fold(0, u64::saturating_add);
        let limit = self.limits.bytes;
        if bytes <= limit {
            return;
        }
        self.found.sort_by(|one, other| size(other).cmp(&size(one)).then_with(|| one.path.cmp(&other.path)));
        let mut over = 0;
        for found in &self.found {
            if bytes <= limit {
                break;
            }
            bytes -= size(found);
            over += 1;
            self.left_out.insert(found.path.clone(), Reason::NoRoom { bytes: size(found), limit });
        }
        self.found.drain(..over);
    }
}

/// Takes out of `left_out` what is below `folder`.
fn drop_below(left_out: &mut BTreeMap<TreePath, Reason>, folder: &TreePath) {
    let below: Vec<TreePath> = left_out.range(folder.range_below()).map(|(path, _)| path.clone()).collect();
    for path in below {
        left_out.remove(&path);
    }
}

pub(crate) fn unreadable(errno: Errno) -> Reason {
    Reason::Unreadable(std::io::Error::from(errno).to_string())
}

/// The first `bytes` bytes of a regular file in a folder.
fn read_start(folder: BorrowedFd<'_>, name: &[u8], bytes: u64) -> Option<Vec<u8>> {
    let path = TreePath::new(name)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(open_beneath(folder.as_fd(), path.as_path(), flags).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    file.take(bytes).read_to_end(&mut start).ok()?;
    Some(start)
}

/// All of a regular file in a folder, if it has at most `limit` bytes.
fn read_little(folder: BorrowedFd<'_>, name: &[u8], limit: u64) -> Option<Vec<u8>> {
    read_start(folder, name, limit + 1)
        .filter(|text| u64::try_from(text.len()).is_ok_and(|bytes| bytes <= limit))
}
