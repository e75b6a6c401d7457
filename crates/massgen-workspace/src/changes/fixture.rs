//! For tests: folders on the disk and what they hold, and random ones.

use std::collections::BTreeMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::changes::scope::is_bookkeeping;
use crate::tree::{Digest, Entry, Mode, Tree, TreePath};

pub(crate) type Store = BTreeMap<Digest, Vec<u8>>;

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

/// A folder for tests, in memory where there is such a place: tests wait for the disk otherwise.
pub(crate) fn temporary() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// What `folder` holds, without bookkeeping; contents are added to `store`.
pub(crate) fn scan(folder: &Path, store: &mut Store) -> Tree {
    let mut tree = Tree::default();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let mut is_empty = true;
        for entry in fs_err::read_dir(folder.join(&relative)).unwrap() {
            let name = relative.join(entry.unwrap().file_name());
            let place = TreePath::from_path(&name).unwrap();
            if is_bookkeeping(&place) {
                continue;
            }
            is_empty = false;
            let real = folder.join(&name);
            let metadata = fs_err::symlink_metadata(&real).unwrap();
            if metadata.is_dir() {
                open.push(name);
            } else if metadata.is_symlink() {
                let target = fs_err::read_link(&real).unwrap().into_os_string().into_vec();
                tree.entries.insert(place, Entry::Link { target });
            } else {
                let bytes = fs_err::read(&real).unwrap();
                let digest = Digest::of(&bytes);
                let mode =
                    if metadata.permissions().mode() & 0o100 == 0 { Mode::Plain } else { Mode::Executable };
                tree.entries.insert(place, Entry::File { digest, size: bytes.len() as u64, mode });
                store.insert(digest, bytes);
            }
        }
        if is_empty && let Some(place) = TreePath::from_path(&relative) {
            tree.entries.insert(place, Entry::EmptyFolder);
        }
    }
    tree
}

/// Everything about a folder that a person could notice: bytes, links, folders, and all permissions.
pub(crate) fn exactly(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder_now) = open.pop() {
        for entry in fs_err::read_dir(&folder_now).unwrap() {
            let real = entry.unwrap().path();
            let metadata = fs_err::symlink_metadata(&real).unwrap();
            let content = if metadata.is_dir() {
                if real.file_name() == Some(std::ffi::OsStr::new(".git")) {
                    continue;
                }
                open.push(real.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                fs_err::read_link(&real).unwrap().into_os_string().into_vec()
            } else {
                fs_err::read(&real).unwrap()
            };
            found.insert(
                real.strip_prefix(folder).unwrap().to_owned(),
                (metadata.permissions().mode(), content),
            );
        }
    }
    found
}

/// A tree and its contents from a list: `name` a file, `name*` a program, `name@` a link, `name/` an empty folder.
pub(crate) fn tree(entries: &[(&str, &str)], store: &mut Store) -> Tree {
    let mut tree = Tree::default();
    for (name, content) in entries {
        let bytes = content.as_bytes().to_vec();
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        let (name, entry) = match name.as_bytes().last() {
            Some(b'*') => (&name[..name.len() - 1], Entry::File { digest, size, mode: Mode::Executable }),
            Some(b'@') => (&name[..name.len() - 1], Entry::Link { target: bytes.clone() }),
            Some(b'/') => (&name[..name.len() - 1], Entry::EmptyFolder),
            _ => (*name, Entry::File { digest, size, mode: Mode::Plain }),
        };
        tree.entries.insert(path(name), entry);
        store.insert(digest, bytes);
    }
    tree
}

/// Makes `folder` hold what `tree` says.
pub(crate) fn write(folder: &Path, tree: &Tree, store: &Store) {
    for (path, entry) in &tree.entries {
        let real = folder.join(path.as_path());
        fs_err::create_dir_all(real.parent().unwrap()).unwrap();
        match entry {
            Entry::EmptyFolder => fs_err::create_dir_all(&real).unwrap(),
            Entry::Link { target } => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &real).unwrap();
            }
            Entry::File { digest, mode, .. } => {
                fs_err::write(&real, &store[digest]).unwrap();
                set_mode(&real, if *mode == Mode::Executable { 0o755 } else { 0o644 });
            }
        }
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What links say: inside, outside, and what is no text.
const LINKS: [&[u8]; 4] = [b"a", b"../outside", b"/etc/passwd", b"caf\xe9"];

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }

    /// A content: text with either line ending, with or without the last one, bytes that are no text, or nothing.
    pub(crate) fn content(&mut self) -> Vec<u8> {
        match self.roll(8) {
            0 => Vec::new(),
            1 => (0..self.roll(300)).map(|_| u8::try_from(self.roll(256)).unwrap()).chain([0]).collect(),
            2 => b"caf\xe9\nna\xefve\n".repeat(1 + self.roll(9)),
            kind => {
                let end = if kind == 3 { "\r\n" } else { "\n" };
                let mut text = String::new();
                for _ in 0..=self.roll(40) {
                    text.push_str("line ");
                    text.push_str(&self.roll(25).to_string());
                    text.push_str(end);
                }
                if self.roll(4) == 0 {
                    text.push_str("no end");
                }
                text.into_bytes()
            }
        }
    }

    /// A name: of few, so that folders and files meet; some are odd.
    pub(crate) fn name(&mut self) -> Vec<u8> {
        const NAMES: [&[u8]; 12] = [
            b"a",
            b"b",
            b"src",
            b"main.rs",
            b"x y",
            b"caf\xe9",
            b"q\"uote",
            b"tab\tbed",
            b"-dash",
            "größe".as_bytes(),
            b"a.b",
            b"[glob]*",
        ];
        self.pick(&NAMES).to_vec()
    }

    /// A relative path of one to three names.
    pub(crate) fn place(&mut self) -> PathBuf {
        let parts: Vec<_> = (0..=self.roll(3)).map(|_| self.name()).collect();
        PathBuf::from(std::ffi::OsString::from_vec(parts.join(&b'/')))
    }

    /// Changes something in `folder`, as an agent or a person would.
    pub(crate) fn disturb(&mut self, folder: &Path) {
        let there: Vec<PathBuf> =
            scan(folder, &mut Store::new()).entries.keys().map(|path| folder.join(path.as_path())).collect();
        let new = folder.join(self.place());
        let is_file = |path: &Path| fs_err::symlink_metadata(path).is_ok_and(|found| found.is_file());
        let old = if there.is_empty() { new.clone() } else { self.pick(&there).clone() };
        match self.roll(10) {
            0 | 1 => {
                clear_way(folder, &new);
                fs_err::write(&new, self.content()).unwrap();
            }
            2 => {
                clear_way(folder, &new);
                let says = self.pick(&LINKS);
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(says), &new).unwrap();
            }
            3 | 4 if is_file(&old) => {
                // A small edit.
                let mut bytes = fs_err::read(&old).unwrap();
                let at = self.roll(bytes.len() + 1);
                bytes.splice(at..at, b"edited\n".iter().copied());
                fs_err::write(&old, bytes).unwrap();
            }
            5 if is_file(&old) => fs_err::write(&old, self.content()).unwrap(),
            6 if is_file(&old) => {
                let mode = fs_err::metadata(&old).unwrap().permissions().mode();
                set_mode(&old, mode ^ 0o111);
            }
            7 if is_file(&old) && !new.starts_with(&old) && !old.starts_with(&new) => {
                clear_way(folder, &new);
                if fs_err::symlink_metadata(&old).is_ok() {
                    fs_err::rename(&old, &new).unwrap();
                }
            }
            8 => remove(&old),
            9 => {
                if let Some(parent) = old.parent().filter(|parent| *parent != folder) {
                    remove(parent);
                }
            }
            _ => {}
        }
    }
}

/// Makes the folders above `place`, and removes what stands there.
fn clear_way(root: &Path, place: &Path) {
    let relative = place.strip_prefix(root).unwrap().to_owned();
    let mut at = root.to_owned();
    let count = relative.components().count();
    for (number, part) in relative.components().enumerate() {
        at.push(part);
        let is_folder = fs_err::symlink_metadata(&at).is_ok_and(|found| found.is_dir());
        if number + 1 == count {
            remove(&at);
        } else if !is_folder {
            remove(&at);
            fs_err::create_dir(&at).unwrap();
        }
    }
}

fn remove(path: &Path) {
    match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs_err::remove_dir_all(path).unwrap(),
        Ok(_) => fs_err::remove_file(path).unwrap(),
        Err(_) => {}
    }
}
