//! Where Python is, and what of the user's files it reads.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::node::packages_for;

/// The interpreter on the search path: `python3`, else `python`. An environment in a workspace is not looked at: an
/// agent could put anything there.
pub fn find_python(search_path: &OsStr) -> Option<PathBuf> {
    ["python3", "python"].into_iter().find_map(|name| massgen_sandbox::program(search_path, name))
}

/// What must be readable for a file of the user that is run, free of links: the folder that it lies in, since it may use
/// what lies beside it, for a Python file the folder around the outermost package that it is part of, and for a program of
/// Node.js its package with those that are installed for it.
///
/// Two folders are not opened as a whole, since keys and other people's work lie there: one that is the user's home
/// folder or holds it, where it is the file alone; and the root of a project, where it is what Python can import.
pub fn readable_for(file: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let is_open =
        |folder: &Path| folder.parent().is_some() && home.is_none_or(|home| !home.starts_with(folder));
    let is_project = |folder: &Path| PROJECT.iter().any(|name| folder.join(name).exists());
    if let Some(readable) = packages_for(file, is_open, is_project) {
        return readable;
    }
    let alone = || vec![file.to_path_buf()];
    let Some(mut folder) = file.parent().filter(|folder| is_open(folder)) else { return alone() };
    while folder.join(PACKAGE).is_file() {
        match folder.parent().filter(|folder| is_open(folder)) {
            Some(above) => folder = above,
            None => break,
        }
    }
    if !is_project(folder) {
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn python3_anywhere_comes_before_python_and_relative_folders_do_not_count() {
        let base = tempfile::tempdir().expect("a folder");
        let (a, b) = (base.path().join("a"), base.path().join("b"));
        let search = format!("src:{}:{}", a.display(), b.display());
        let find = || find_python(OsStr::new(&search));
        let put = |path: PathBuf, mode: u32| {
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs_err::write(&path, "").expect("written");
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        };
        // No program; a folder that is named from here.
        put(a.join("python3"), 0o644);
        assert_eq!(find(), None);
        put(a.join("python"), 0o755);
        assert_eq!(find(), Some(a.join("python")));
        put(b.join("python3"), 0o755);
        assert_eq!(find(), Some(b.join("python3")));
        assert_eq!(massgen_sandbox::program(OsStr::new("src:.:"), "lib.rs"), None);
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
            "app/node_modules/@of/server/dist/index.js",
            "app/node_modules/@of/server/node_modules/inner/index.js",
            "app/secret.txt",
            "mono/node_modules/x/index.js",
            "mono/packages/p/package.json",
            "mono/packages/p/dist/index.js",
            "project/package.json",
            "project/dist/deep/server.mjs",
            "home/package.json",
            "home/node_modules/x/index.js",
            "home/s/a.js",
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
        for file in ["dist/index.js", "node_modules/inner/index.js"] {
            let file = format!("app/node_modules/@of/server/{file}");
            assert_eq!(readable(&file), ["app/node_modules"]);
        }
        assert_eq!(readable("mono/packages/p/dist/index.js"), ["mono/node_modules", "mono/packages/p"]);
        assert_eq!(readable("project/dist/deep/server.mjs"), ["project/dist", "project/package.json"]);
        // The home folder is no package.
        assert_eq!(readable("home/s/a.js"), ["home/s"]);
        assert_eq!(readable("home/node_modules/x/index.js"), ["home/node_modules"]);
        assert_eq!(readable("project/a.py"), ["project/a.py", "project/b.py", "project/lib"]);
        assert_eq!(readable_for(Path::new("/a.py"), None), [Path::new("/a.py")]);
    }
}
