//! What a program for Node.js reads of the user's files.

use std::path::{Path, PathBuf};

/// The folder of installed packages.
const PACKAGES: &str = "node_modules";

/// What describes a package.
const PACKAGE: &str = "package.json";

/// Endings of files that Node.js runs.
const ENDINGS: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "cts"];

/// What must be readable for `file`, free of links, if it is part of a package for Node.js: all installed packages around
/// an installed one, which may use any of them; else the package that it is part of, with the installed packages that
/// Node.js looks for from there. Of a package that is the root of a project (`is_project`) it is what the file lies in,
/// not the whole. Nothing is looked at above the first folder that is not `is_open`.
pub(super) fn packages_for(
    file: &Path,
    is_open: impl Fn(&Path) -> bool,
    is_project: impl Fn(&Path) -> bool,
) -> Option<Vec<PathBuf>> {
    let is_packages = |path: &&Path| path.file_name().is_some_and(|name| name == PACKAGES);
    if let Some(all) = file.ancestors().skip(1).filter(is_packages).last() {
        return Some(vec![all.to_path_buf()]);
    }
    file.extension().filter(|ending| ENDINGS.iter().any(|known| ending == known))?;
    let folders: Vec<&Path> = file.ancestors().skip(1).take_while(|folder| is_open(folder)).collect();
    let package = *folders.iter().find(|folder| folder.join(PACKAGE).is_file())?;
    let mut readable = if is_project(package) {
        let part = file.strip_prefix(package).ok()?.components().next()?;
        vec![package.join(part), package.join(PACKAGE)]
    } else {
        vec![package.to_path_buf()]
    };
    readable.extend(folders.iter().map(|folder| folder.join(PACKAGES)));
    // A link would open what it names.
    readable.retain(|path| fs_err::symlink_metadata(path).is_ok_and(|about| !about.is_symlink()));
    Some(readable)
}
