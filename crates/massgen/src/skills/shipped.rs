//! Skills that come with the program. They are texts in it, and agents read files: those that a configuration names are
//! laid out in a folder of the user.

use std::path::{Path, PathBuf};

use fs_err as fs;
use massgen_view::clean::clean_line;
use massgen_workspace::write_whole;

use super::FILE;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shipped {
    /// Its name, and that of its folder.
    pub(super) name: &'static str,
    /// Its `SKILL.md`.
    pub(super) text: &'static str,
}

/// Names the folders below `skills/` and takes their texts into the program.
macro_rules! shipped {
    ($($name:literal)*) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../../../skills/", $name, "/SKILL.md")) }),*]
    };
}

/// All of them, by name. A test holds it against the folder.
pub(super) const ALL: &[Shipped] = shipped! {
    "evolving-skill-creator"
    "file-search"
    "massgen-config-creator"
};

/// Lays out those in `names` below `home`: their folders in that order, and what could not be had, a line each.
pub(crate) fn lay_out(names: &[String], home: Option<&Path>) -> (Vec<PathBuf>, Vec<String>) {
    let mut folders = Vec::new();
    let mut warnings = Vec::new();
    for name in names {
        match find(name).and_then(|shipped| put(shipped, home)) {
            Ok(folder) => folders.push(folder),
            Err(problem) => {
                let name = clean_line(name);
                warnings.push(format!("the skill `{name}` of `massgen_skills` is not offered: {problem}"));
            }
        }
    }
    (folders, warnings)
}

/// The one that `name` means; MassGen's configurations also write `_` for `-`.
fn find(name: &str) -> Result<&'static Shipped, String> {
    let wanted = name.to_lowercase().replace('_', "-");
    ALL.iter().find(|shipped| shipped.name == wanted).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|shipped| shipped.name).collect();
        format!("massgen comes with {}", names.join(", "))
    })
}

fn put(shipped: &Shipped, home: Option<&Path>) -> Result<PathBuf, String> {
    let home = home.ok_or("there is no home directory to lay it out in")?;
    let folder = home.join(".massgen").join("skills").join(shipped.name);
    let file = folder.join(FILE);
    // Runs of other agents may read it at this moment.
    if !fs::read(&file).is_ok_and(|bytes| bytes == shipped.text.as_bytes()) {
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        write_whole(&file, shipped.text.as_bytes()).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

#[cfg(test)]
#[path = "shipped_tests.rs"]
mod tests;
