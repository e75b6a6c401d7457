//! What a snapshot does not hold, and why.

use std::collections::{BTreeMap, BTreeSet};

use massgen_protocol::size::size;
use massgen_protocol::{Snapshot, limits};

use crate::tree::TreePath;

/// Why something in a folder is not in its snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The history of git; `.git` is never kept.
    History,
    /// A file above the limit for one file.
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file that did not fit with the others.
    NoRoom {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes for all files together.
        limit: u64,
    },
    /// A file or folder that a `.gitignore` names, when those are large together.
    Ignored {
        /// How large.
        weight: Weight,
    },
    /// A folder of installed packages, a cache or a build folder, when those are large together.
    CanBeMadeAgain {
        /// How large.
        weight: Weight,
    },
    /// What comes after as many entries as a snapshot holds.
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A path that is longer than the system opens.
    TooLong,
    /// A socket, a pipe or a device.
    Special,
    /// The file system does not let us read it; its words.
    Unreadable(String),
    /// It became something else while it was looked at.
    Changing,
}

/// How large a file or folder is that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Bytes, as far as they were counted.
    pub bytes: u64,
    /// Files, as far as they were counted.
    pub files: u64,
    /// Whether there is more.
    pub counted: Counted,
}

/// Whether all of a folder was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Every file.
    All,
    /// Until it was clear that it is too large.
    InPart,
}

impl Reason {
    /// As a short sentence for people and models.
    pub fn words(&self) -> String {
        match self {
            Self::History => "the history of git is not kept".to_owned(),
            Self::TooLarge { bytes, limit } => {
                format!("a file of {}; files above {} are not kept", size(*bytes), size(*limit))
            }
            Self::NoRoom { bytes, limit } => {
                format!("a file of {}; all files together may have {}", size(*bytes), size(*limit))
            }
            Self::Ignored { weight } => format!("ignored by `.gitignore`, and large: {}", weight.words()),
            Self::CanBeMadeAgain { weight } => {
                format!("packages, caches and build folders can be made again: {}", weight.words())
            }
            Self::TooMany { limit } => format!("only {limit} files and folders are kept"),
            Self::TooLong => "its path is too long".to_owned(),
            Self::Special => "a socket, a pipe or a device".to_owned(),
            Self::Unreadable(why) => format!("it cannot be read: {why}"),
            Self::Changing => "it changed while it was looked at".to_owned(),
        }
    }

    /// Whether a person need not be told, because nothing is missing that anybody put there.
    fn goes_without_saying(&self) -> bool {
        matches!(self, Self::History)
    }
}

impl Weight {
    fn words(self) -> String {
        let more = match self.counted {
            Counted::All => "",
            Counted::InPart => "at least ",
        };
        let files = if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        format!("{more}{files}, {}", size(self.bytes))
    }
}

/// All that a folder holds and its snapshot does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// What was left out, and why.
    pub paths: BTreeMap<TreePath, Reason>,
}

impl LeftOut {
    /// All of it but a `.git`.
    pub fn told(&self) -> impl Iterator<Item = (&TreePath, &Reason)> {
        self.paths.iter().filter(|(_, reason)| !reason.goes_without_saying())
    }

    /// What a manifest says of it: the paths, without those of a `.git`.
    pub(crate) fn in_manifest(&self) -> BTreeSet<TreePath> {
        self.told().map(|(path, _)| path.clone()).collect()
    }

    /// The first few for people, and how many there are besides. A `.git` is not among them.
    pub fn named(&self) -> BTreeMap<String, String> {
        let mut named: BTreeMap<String, String> = self
            .told()
            .take(limits::LEFT_OUT_NAMED)
            .map(|(path, reason)| (shown(path), reason.words()))
            .collect();
        let more = self.told().skip(limits::LEFT_OUT_NAMED).count();
        if more > 0 {
            named.insert(Snapshot::OTHERS.to_owned(), format!("{more} more"));
        }
        named
    }
}

/// Characters of a path that are shown.
const SHOWN: usize = 160;

/// A path for people and models. Agents choose names: nothing in one may end a line or steer a terminal, and only the end
/// of a long one is shown.
pub(crate) fn shown(path: &TreePath) -> String {
    let plain: String = path
        .to_string()
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    let length = plain.chars().count();
    if length <= SHOWN {
        return plain;
    }
    let end: String = plain.chars().skip(length - SHOWN).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handful_is_named_and_the_rest_counted() {
        let mut left_out = LeftOut::default();
        for name in 0..20 {
            left_out.paths.insert(TreePath::new(format!("pipes/{name:02}")).unwrap(), Reason::Special);
        }
        left_out.paths.insert(TreePath::new(".git").unwrap(), Reason::History);
        let named = left_out.named();
        assert_eq!(named.len(), limits::LEFT_OUT_NAMED + 1);
        assert_eq!(named["(others)"], "12 more");
        assert!(!named.contains_key(".git"));
    }

    #[test]
    fn a_name_of_a_path_is_one_short_line_without_control_codes() {
        let path = TreePath::new(*b"a\n</answer>\x1b[2Jb\xff").unwrap();
        assert_eq!(shown(&path), "a\\n</answer>\\u{1b}[2Jb\u{fffd}");
        let long = TreePath::new(["é"; 400].concat()).unwrap();
        assert_eq!(shown(&long).chars().count(), SHOWN + 1);
    }
}
