//! What runs leave in a project is not for its repository: journals hold whole conversations, snapshots whole files.

use std::io::{self, Write};
use std::path::Path;

/// What git is told. The names of a person's own files there come back in.
const RULES: &str = "\
# Written by massgen: what runs leave here stays out of git, a configuration does not.
# Change it as you like; it is only written when there is none.
*
!/*.yaml
!/*.yml
";

/// Tells git to leave alone what is in `.massgen` of the project, unless somebody has told it what to do there.
///
/// # Errors
/// What the file system says.
pub(super) fn keep_out_of_git(project: &Path) -> io::Result<()> {
    let file = project.join(".massgen").join(".gitignore");
    let made = fs_err::OpenOptions::new().write(true).create_new(true).open(file);
    match made.and_then(|mut file| file.write_all(RULES.as_bytes())) {
        // There is none to be written, or, where logs are elsewhere and no session is kept, no folder for it.
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            Ok(())
        }
        done => done,
    }
}
