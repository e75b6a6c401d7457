//! What agents wrote down for the questions that follow: files in their workspaces that the session keeps.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The folder of a workspace that holds memory files.
pub const FOLDER: &str = "memory";

/// How the name of a memory file ends.
const ENDING: &str = ".md";

/// Longest name of a file.
const NAME_BYTES: usize = 255;

/// How a memory file is shown to agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// All of it.
    ShortTerm,
    /// Its name and its description; agents read the rest when they need it.
    LongTerm,
}

impl Tier {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ShortTerm, Self::LongTerm];

    /// Its folder in [`FOLDER`].
    pub fn folder(self) -> &'static str {
        match self {
            Self::ShortTerm => "short_term",
            Self::LongTerm => "long_term",
        }
    }
}

/// Where a memory file is: `short_term/NAME.md` or `long_term/NAME.md`, below [`FOLDER`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryPath {
    tier: Tier,
    name: String,
}

impl MemoryPath {
    /// The path of the file `name` in the folder of `tier`; `None` when no memory file can have this name.
    pub fn new(tier: Tier, name: &str) -> Option<Self> {
        let is_plain = |c: char| !c.is_control() && c != '/';
        let is_name = name.len() <= NAME_BYTES
            && name.strip_suffix(ENDING).is_some_and(|stem| !stem.is_empty())
            && !name.starts_with('.')
            && name.chars().all(is_plain);
        is_name.then(|| Self { tier, name: name.to_owned() })
    }

    /// Reads a path from the root of a workspace, as `memory/short_term/plan.md`.
    pub fn in_workspace(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(FOLDER)?.strip_prefix('/')?;
        let (folder, name) = rest.split_once('/')?;
        Self::new(Tier::ALL.into_iter().find(|tier| tier.folder() == folder)?, name)
    }

    /// How the file is shown.
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

/// Below [`FOLDER`].
impl fmt::Display for MemoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tier.folder(), self.name)
    }
}

/// The texts of memory files by path; those of the short term come first.
pub type MemoryFiles = BTreeMap<MemoryPath, String>;

/// A memory file that agents find when a run begins, as their prompts tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Where it is below [`FOLDER`]: `short_term/plan.md`.
    pub path: String,
    /// What is told of it.
    pub content: MemoryContent,
}

/// What is told of a memory file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shown", rename_all = "snake_case")]
pub enum MemoryContent {
    /// What it says; of a long file the beginning and the end, with a note between them.
    Whole {
        /// The text.
        text: String,
    },
    /// What it is about.
    Named {
        /// One line; may be empty.
        description: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_files_directly_in_the_two_folders_are_memories() {
        let path = |text: &str| MemoryPath::in_workspace(text).map(|path| path.to_string());
        assert_eq!(path("memory/short_term/a b.md").as_deref(), Some("short_term/a b.md"));
        assert_eq!(path("memory/long_term/x.md").as_deref(), Some("long_term/x.md"));
        for other in [
            "memory/x.md",
            "memory/mid_term/x.md",
            "memory/short_term/x.txt",
            "memory/short_term/.md",
            "memory/short_term/.x.md",
            "memory/short_term/a/x.md",
            "memory/short_term/../x.md",
            "memory/short_term/x\n.md",
            "memoryshort_term/x.md",
            "a/memory/short_term/x.md",
        ] {
            assert_eq!(path(other), None, "{other}");
        }
        let long = format!("memory/short_term/{}.md", "x".repeat(NAME_BYTES));
        assert_eq!(path(&long), None);
    }
}
