//! What a `.gitignore` says.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use massgen_protocol::limits::{IGNORE_BYTES, IGNORE_FILE_BYTES, IGNORE_FILES};

/// The rules in `text`, for paths below `folder`. As for git, a line that is no rule is passed over.
pub fn ignore_rules(folder: &Path, text: &[u8]) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    for line in String::from_utf8_lossy(text).lines() {
        // An error concerns this line only.
        let _ = builder.add_line(None, line);
    }
    // Rules that are too large together are none: what nobody can match is not ignored.
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// How many more files of rules of one workspace are obeyed.
#[derive(Debug)]
pub(crate) struct Patience {
    files: usize,
    bytes: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { files: IGNORE_FILES, bytes: IGNORE_BYTES }
    }
}

impl Patience {
    /// The longest file that is obeyed next; none if no more are.
    pub(crate) fn most(&self) -> Option<u64> {
        (self.files > 0 && self.bytes > 0).then(|| self.bytes.min(IGNORE_FILE_BYTES))
    }

    /// Counts a file that is obeyed.
    pub(crate) fn spend(&mut self, bytes: u64) {
        self.files = self.files.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
