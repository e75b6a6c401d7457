//! Walking through folders by handles, with patterns and the rules of `.gitignore` files.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::Gitignore;
use massgen_protocol::limits::{IGNORE_FILE_BYTES, TOOL_ENTRIES};
use massgen_workspace::access::{EntryKind, Error, Folder, Found, Last, Place};
use massgen_workspace::ignore_rules;

use crate::desk::Desk;
use crate::source::Failed;

/// Levels of folders that are walked.
const LEVELS: usize = 64;

/// Patterns of paths. `*` goes over `/` too; a pattern without `/` also fits the name of a file at any depth.
#[derive(Debug)]
pub(super) struct Globs {
    whole: GlobSet,
    names: GlobSet,
}

impl Globs {
    pub(super) fn new(patterns: &[&str]) -> Result<Self, Failed> {
        let mut whole = GlobSetBuilder::new();
        let mut names = GlobSetBuilder::new();
        for pattern in patterns {
            let glob =
                GlobBuilder::new(pattern.trim_start_matches("./")).literal_separator(false).build().map_err(
                    |error| Failed::Error(format!("the pattern `{pattern}` is wrong: {}", error.kind())),
                )?;
            whole.add(glob.clone());
            if !pattern.contains('/') {
                names.add(glob);
            }
        }
        let build = |set: &GlobSetBuilder| set.build().map_err(|error| Failed::Error(error.to_string()));
        Ok(Self { whole: build(&whole)?, names: build(&names)? })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.whole.is_match(path) || self.names.is_match(name)
    }
}

/// Whether files that `.gitignore` names are walked past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    /// They are, and `.git` itself.
    Skipped,
    /// They are not.
    Seen,
}

/// What a visitor says to a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Onward {
    /// Go on, into this folder too.
    Go,
    /// Go on, but not into this folder.
    Past,
    /// It is enough.
    Stop,
}

/// How far a walk got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) extent: Extent,
    /// Folders that could not be looked into, below the start, each with why.
    pub(super) unread: Vec<String>,
}

/// How much a walk saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything, or as much as the visitor wanted.
    #[default]
    All,
    /// There are more entries or levels than a walk sees.
    Cut,
}

impl Walked {
    /// Refuses to go on without what was not seen.
    pub(super) fn whole(self, too_much: impl FnOnce() -> Failed) -> Result<(), Failed> {
        match (self.extent, self.unread.is_empty()) {
            (Extent::Cut, _) => Err(too_much()),
            (Extent::All, false) => {
                Err(Failed::Error(format!("some folders cannot be looked into: {}", named(&self.unread))))
            }
            (Extent::All, true) => Ok(()),
        }
    }
}

/// One walk.
struct Walk<'a> {
    ignored: Ignored,
    rules: Vec<Gitignore>,
    left: usize,
    walked: Walked,
    visit: &'a mut dyn FnMut(&Place, &str, EntryKind) -> Result<Onward, Failed>,
}

/// Visits everything below `start` in the order of names, folders before what is in them. The visitor gets the place,
/// its path below `start`, and what it is. Links are visited, not followed.
pub(super) fn walk(
    desk: &Desk,
    start: &Folder,
    ignored: Ignored,
    visit: &mut dyn FnMut(&Place, &str, EntryKind) -> Result<Onward, Failed>,
) -> Result<Walked, Failed> {
    let rules = match ignored {
        Ignored::Skipped => rules_above(desk, start.path())?,
        Ignored::Seen => Vec::new(),
    };
    let mut walk = Walk { ignored, rules, left: TOOL_ENTRIES, walked: Walked::default(), visit };
    walk.folder(start, "", LEVELS)?;
    Ok(walk.walked)
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, below: &str, levels: usize) -> Result<Onward, Failed> {
        let known = self.rules.len();
        if self.ignored == Ignored::Skipped {
            self.rules.extend(rules_in(folder)?);
        }
        let entries = match folder.entries(self.left) {
            Err(Error::TooMany { .. }) => {
                self.walked.extent = Extent::Cut;
                Vec::new()
            }
            // It was opened, and the system does not list it all the same.
            Err(error @ Error::System { .. }) if !below.is_empty() => {
                self.walked.unread.push(unread(below, &error));
                Vec::new()
            }
            other => other?,
        };
        self.left = self.left.saturating_sub(entries.len());
        let mut onward = Onward::Go;
        for entry in entries {
            let is_folder = entry.kind == EntryKind::Folder;
            let place = folder.child(&entry.name)?;
            if self.is_ignored(place.path(), is_folder) {
                continue;
            }
            let name = entry.name.to_string_lossy();
            let path = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
            onward = (self.visit)(&place, &path, entry.kind)?;
            if onward == Onward::Go && is_folder {
                onward = self.into(&place, &path, levels)?;
            }
            if onward == Onward::Stop {
                break;
            }
        }
        self.rules.truncate(known);
        Ok(onward)
    }

    fn into(&mut self, place: &Place, path: &str, levels: usize) -> Result<Onward, Failed> {
        let Some(levels) = levels.checked_sub(1) else {
            self.walked.extent = Extent::Cut;
            return Ok(Onward::Go);
        };
        match place.folder() {
            Ok(folder) => self.folder(&folder, path, levels),
            // It went away, or turned into something else while we looked.
            Err(Error::Missing(_) | Error::NotAFolder(_)) => Ok(Onward::Go),
            // It is closed to its user.
            Err(error @ Error::System { .. }) => {
                self.walked.unread.push(unread(path, &error));
                Ok(Onward::Go)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_ignored(&self, path: &Path, is_folder: bool) -> bool {
        if self.ignored == Ignored::Seen {
            return false;
        }
        if path.file_name().is_some_and(|name| name == ".git") {
            return true;
        }
        let said = self.rules.iter().rev().map(|rules| rules.matched(path, is_folder));
        said.into_iter().find(|said| !said.is_none()).is_some_and(|said| said.is_ignore())
    }
}

/// The rules of the folders around `start`, as far as the agent may read them.
fn rules_above(desk: &Desk, start: &Path) -> Result<Vec<Gitignore>, Failed> {
    let managed = desk.managed();
    let mut rules = Vec::new();
    for folder in start.ancestors().skip(1).take_while(|folder| managed.decide(folder).is_ok()) {
        if let Found::There(place) = managed.find(folder, Last::AsItIs)? {
            rules.extend(rules_in(&place.folder()?)?);
        }
    }
    rules.reverse();
    Ok(rules)
}

fn rules_in(folder: &Folder) -> Result<Option<Gitignore>, Failed> {
    let bytes = match folder.child(".gitignore".as_ref())?.read(IGNORE_FILE_BYTES) {
        Ok(bytes) => bytes,
        // Most folders have none; what cannot be read holds no rule.
        Err(
            Error::Missing(_)
            | Error::NotAFile(_)
            | Error::TooManyLinks(_)
            | Error::TooLarge { .. }
            | Error::System { .. },
        ) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(ignore_rules(folder.path(), &bytes)))
}

/// A folder that cannot be looked into, and why.
fn unread(path: &str, error: &Error) -> String {
    format!("`{path}` ({})", reason(error))
}

/// Why something could not be looked into. Its place is told beside it.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::System { source, .. } => source.to_string(),
        Error::Refused(_)
        | Error::Missing(_)
        | Error::Exists(_)
        | Error::NotAFolder(_)
        | Error::NotAFile(_)
        | Error::NotAPath
        | Error::TooManyLinks(_)
        | Error::TooLarge { .. }
        | Error::TooMany { .. } => error.to_string(),
    }
}

/// Most folders that are named.
const NAMED: usize = 10;

fn named(unread: &[String]) -> String {
    let named = unread.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match unread.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The note at the end of a listing that is not whole.
pub(super) fn note(walked: &Walked) -> String {
    let cut = match walked.extent {
        Extent::All => String::new(),
        Extent::Cut => format!(
            "\n(only the first {TOOL_ENTRIES} files and folders were looked at; name a smaller folder for the rest)"
        ),
    };
    if walked.unread.is_empty() {
        cut
    } else {
        format!("{cut}\n(not looked into: {})", named(&walked.unread))
    }
}
