//! Where Python is, and what of the user's files it reads.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The interpreter on the search path: `python3`, else `python`. An environment in a workspace is not looked at: an
/// agent could put anything there.
pub fn find_python(search_path: &OsStr, is_program: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let folders: Vec<PathBuf> =
        std::env::split_paths(search_path).filter(|folder| folder.is_absolute()).collect();
    ["python3", "python"]
        .into_iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| is_program(program)))
}

/// What must be readable for a file of the user that is run, free of links: the folder that it lies in, since it may use
/// what lies beside it, or for a Python file the folder around the outermost package that it is part of.
///
/// Two folders are not opened as a whole, since keys and other people's work lie there: one that is the user's home
/// folder or holds it, where it is the file alone; and the root of a project, where it is what Python can import.
pub fn readable_for(file: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let is_open =
        |folder: &Path| folder.parent().is_some() && home.is_none_or(|home| !home.starts_with(folder));
    let alone = || vec![file.to_path_buf()];
    let Some(mut folder) = file.parent().filter(|folder| is_open(folder)) else { return alone() };
    while folder.join(PACKAGE).is_file() {
        match folder.parent().filter(|folder| is_open(folder)) {
            Some(above) => folder = above,
            None => break,
        }
    }
    if !PROJECT.iter().any(|name| folder.join(name).exists()) {
        return vec![folder.to_path_buf()];
    }
    let mut readable = importable(folder);
    readable.extend(alone());
    readable
}

/// The modules and packages in `folder`. What cannot be looked at cannot be imported either.
fn importable(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES);
    let is_plain = |path: &PathBuf| fs_err::symlink_metadata(path).is_ok_and(|about| !about.is_symlink());
    let is_module = |path: &PathBuf| {
        (path.extension().is_some_and(|ending| ending == "py") && path.is_file())
            || path.join(PACKAGE).is_file()
    };
    entries.map(|entry| entry.path()).filter(is_plain).filter(is_module).collect()
}

/// What makes a folder a package of Python.
const PACKAGE: &str = "__init__.py";

/// What shows that a folder is the root of a project.
const PROJECT: [&str; 3] = [".git", ".massgen", ".env"];

/// Entries of the root of a project that are looked at.
const ENTRIES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python3_anywhere_comes_before_python_and_relative_folders_do_not_count() {
        let find = |there: &[&str]| {
            find_python(OsStr::new("bin:/a:/b"), |program| there.contains(&program.to_str().expect("text")))
        };
        assert_eq!(find(&["/a/python", "/b/python3"]), Some("/b/python3".into()));
        assert_eq!(find(&["/b/python", "bin/python3"]), Some("/b/python".into()));
        assert_eq!(find(&["bin/python3"]), None);
    }

    #[test]
    fn a_file_opens_its_folder_or_its_package_but_never_the_home_folder_or_a_whole_project() {
        let base = tempfile::tempdir().expect("a folder");
        let home = base.path().join("home");
        for file in [
            "home/a.py",
            "home/tools/a.py",
            "home/p/__init__.py",
            "home/p/a.py",
            "w/p/q/a.py",
            "w/p/q/__init__.py",
            "w/p/__init__.py",
            "project/.git/config",
            "project/.env",
            "project/a.py",
            "project/b.py",
            "project/notes.txt",
            "project/lib/__init__.py",
            "project/data/x",
            "project/tools/a.py",
        ] {
            let file = base.path().join(file);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs_err::write(file, "").expect("written");
        }
        fs_err::os::unix::fs::symlink("/etc/passwd", base.path().join("project/leak.py")).expect("linked");
        let readable = |file: &str| {
            let mut found: Vec<String> = readable_for(&base.path().join(file), Some(&home))
                .iter()
                .map(|path| path.strip_prefix(base.path()).expect("inside").display().to_string())
                .collect();
            found.sort();
            found.dedup();
            found
        };
        assert_eq!(readable("home/tools/a.py"), ["home/tools"]);
        assert_eq!(readable("w/p/q/a.py"), ["w"]);
        assert_eq!(readable("home/p/a.py"), ["home/p"]);
        assert_eq!(readable("home/a.py"), ["home/a.py"]);
        assert_eq!(readable("project/tools/a.py"), ["project/tools"]);
        assert_eq!(readable("project/a.py"), ["project/a.py", "project/b.py", "project/lib"]);
        assert_eq!(readable_for(Path::new("/a.py"), None), [Path::new("/a.py")]);
    }
}
