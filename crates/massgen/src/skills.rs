//! Skills: folders with a `SKILL.md` that agents read when they need them.
//!
//! An agent gets the list of names and descriptions (the first tier); it reads `SKILL.md` (the second) and the files
//! beside it (the third) with its file tools, from [`Skill::path`], which must be readable for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use massgen_config::trust::Trusted;
use massgen_config::{SkillHead, skill_head};
use massgen_protocol::limits;
use massgen_view::clean::{clean_line, clean_text};

use crate::environment::{is_there, read_text, why};
use crate::instructions::{folders_of_project, resolved_inside};

pub(crate) mod earlier;
pub(crate) mod shipped;

/// Where skills lie below a project and below the home folder, in the order in which they count.
const FOLDERS: [&str; 3] = [".agents/skills", ".agent/skills", ".claude/skills"];

/// The file that makes a folder a skill.
pub(crate) const FILE: &str = "SKILL.md";

/// One skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skill {
    /// Its name.
    pub(crate) name: String,
    /// What it is good for, one line. It was written by whoever made the skill.
    pub(crate) description: String,
    /// Its folder, absolute and free of links.
    pub(crate) path: PathBuf,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Where a skill comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The project.
    Project,
    /// The user's own folders.
    User,
    /// The program.
    Shipped,
    /// An agent, in an earlier run.
    EarlierRun,
}

/// The skills that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Skills {
    /// In the order in which they were found; no two have the same name in lower case.
    pub(crate) found: Vec<Skill>,
    /// What could not be used, and why, for the user. One line each.
    pub(crate) warnings: Vec<String>,
}

/// Where skills are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The folder that massgen works in. All folders from here to the root of the repository count, the nearest first.
    pub(crate) working_directory: &'a Path,
    /// A folder of skills that the configuration names (`skills_directory`), absolute; it comes first. One that lies in
    /// the project is the project's.
    pub(crate) configured: Option<&'a Path>,
    /// The home folder of the user.
    pub(crate) home: Option<&'a Path>,
    /// Folders of skills that come with the program.
    pub(crate) shipped: &'a [PathBuf],
    /// Folders of skills that agents wrote in earlier runs, each with the folder that it must not lead out of.
    pub(crate) earlier: &'a [(PathBuf, PathBuf)],
}

/// Finds all skills. Those of the project count only where it is trusted: they tell agents what to do.
pub(crate) fn discover(places: Places<'_>, trusted: &Trusted) -> Skills {
    let folders = folders_of_project(places.working_directory);
    let home = places.home.and_then(|home| fs_err::canonicalize(home).ok());
    // Whoever works in the home folder finds the user's skills there, not a project's.
    let of_project: Vec<&PathBuf> = folders.iter().filter(|folder| Some(*folder) != home.as_ref()).collect();
    let root = of_project.last().map(|root| root.as_path());
    let below = |folder: &Path| FOLDERS.map(|name| folder.join(name));
    let mut search = Search::default();

    let configured = places.configured.and_then(|folder| fs_err::canonicalize(folder).ok());
    // A usual place that is empty is nothing to wonder at, also when it is named.
    let is_usual = |folder: &&Path| FOLDERS.iter().any(|usual| folder.ends_with(usual));
    if let Some(folder) = places.configured.filter(|folder| configured.is_none() && !is_usual(folder)) {
        search.warn(folder, "it is not there");
    }
    let is_in_project = |folder: &PathBuf| root.is_some_and(|root| folder.starts_with(root));
    let (inside, outside): (Vec<PathBuf>, Vec<PathBuf>) = configured.into_iter().partition(is_in_project);
    search.look(&outside, Origin::User, None);
    if let Some(root) = root {
        let project: Vec<PathBuf> =
            inside.into_iter().chain(of_project.iter().flat_map(|folder| below(folder))).collect();
        if trusted.trusts_project(root) {
            search.look(&project, Origin::Project, Some(root));
        } else {
            search.pass_over(&project, root);
        }
    }
    let of_user: Vec<PathBuf> = home.iter().flat_map(|home| below(home)).collect();
    search.look(&of_user, Origin::User, None);
    for folder in places.shipped {
        search.take(folder, Origin::Shipped, None);
    }
    for (folder, boundary) in places.earlier {
        search.take(folder, Origin::EarlierRun, Some(boundary));
    }
    search.skills
}

#[derive(Default)]
struct Search {
    skills: Skills,
    /// Names that are taken, in lower case.
    names: BTreeSet<String>,
    /// Folders that were looked at: links may lead to one twice.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    /// Takes the skills in `folders`. With a `boundary`, what leads out of it is refused.
    fn look(&mut self, folders: &[PathBuf], origin: Origin, boundary: Option<&Path>) {
        for folder in folders {
            for entry in self.entries(folder) {
                self.take(&entry, origin, boundary);
            }
        }
    }

    /// Counts the skills in `folders` and says how they would be offered. Nothing of them is read.
    fn pass_over(&mut self, folders: &[PathBuf], root: &Path) {
        let count = folders.iter().map(|folder| self.entries(folder).len()).sum::<usize>();
        if count > 0 {
            let (skills, are) = if count == 1 { ("skill", "is") } else { ("skills", "are") };
            let root = clean_line(&root.display().to_string());
            self.skills.warnings.push(format!(
                "{count} {skills} of `{root}` {are} not offered to agents: you do not trust the project yet; to do so: \
                 `massgen trust`"
            ));
        }
    }

    /// The folders in `folder` that have a [`FILE`], by name.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let Ok(true) = is_there(folder) else { return Vec::new() };
        let entries = match fs_err::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.warn(folder, &why(&error));
                return Vec::new();
            }
        };
        let mut found: Vec<PathBuf> = Vec::new();
        for (number, entry) in entries.flatten().enumerate() {
            if number >= limits::SKILLS {
                self.warn(
                    folder,
                    &format!("it has more than {} entries; the rest is left out", limits::SKILLS),
                );
                break;
            }
            let path = entry.path();
            if is_there(&path.join(FILE)) == Ok(true) {
                found.push(path);
            }
        }
        found.sort();
        found
    }

    fn take(&mut self, folder: &Path, origin: Origin, boundary: Option<&Path>) {
        let boundary = boundary.unwrap_or(Path::new("/"));
        let read = || {
            let path = resolved_inside(folder, boundary)?;
            let file = resolved_inside(&path.join(FILE), boundary)?;
            if path.to_str().is_none() {
                return Err("its path is no text".to_owned());
            }
            let text = read_text(&file, u64::try_from(limits::SKILL_FILE_BYTES).unwrap_or(u64::MAX))?;
            let head = skill_head(&text).map_err(|error| format!("{error}\nhint: {}", error.hint()))?;
            Ok((path, head))
        };
        match read() {
            Err(problem) => self.warn(folder, &problem),
            Ok((path, SkillHead { name, description })) => {
                if !self.seen.insert(path.clone()) || !self.names.insert(name.to_lowercase()) {
                    return;
                }
                if self.skills.found.len() >= limits::SKILLS {
                    let problem = format!("there are {} skills already", limits::SKILLS);
                    self.warn(folder, &problem);
                    return;
                }
                let description = clean_text(&description);
                self.skills.found.push(Skill { name, description, path, origin });
            }
        }
    }

    fn warn(&mut self, folder: &Path, problem: &str) {
        // Names of files may hold anything.
        let folder = clean_line(&folder.display().to_string());
        let problem = clean_text(problem);
        self.skills.warnings.push(format!("the skill folder `{folder}` cannot be used: {problem}"));
    }
}

#[cfg(test)]
#[path = "skills_tests.rs"]
mod tests;
