//! Whether something below a path changed, told without reading a file: for what no snapshot holds.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use massgen_protocol::limits::ISOLATED_FILES;

use crate::tree::{Digest, TreePath};

/// What stands at `path` in `root`, and below it, as a short text that becomes another one when any of it is written,
/// renamed, made or removed. Links are not followed. The text holds as long as everything stays on its file system.
///
/// # Errors
/// When it cannot be looked at.
pub fn trace(root: &Path, path: &TreePath) -> io::Result<String> {
    let (mut count, mut sum) = (0_usize, 0_u128);
    let mut ahead: Vec<PathBuf> = vec![path.as_path().to_owned()];
    while let Some(relative) = ahead.pop() {
        let real = root.join(&relative);
        let metadata = match fs_err::symlink_metadata(&real) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        count += 1;
        // A copy begins with fewer: an agent made the others.
        if count > ISOLATED_FILES.saturating_mul(2) {
            break;
        }
        let stamp = format!("{} {} {} ", metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        let hash = Digest::of(&[stamp.as_bytes(), relative.as_os_str().as_bytes()].concat());
        // In whatever order they are listed.
        let (low, _) = hash.as_bytes().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        sum = sum.wrapping_add(u128::from_le_bytes(*low));
        if metadata.is_dir() {
            for entry in fs_err::read_dir(&real)? {
                ahead.push(relative.join(entry?.file_name()));
            }
        }
    }
    Ok(format!("{count} {sum:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::fixture::{path, temporary};

    #[test]
    fn trace_changes_with_whatever_happens_below_a_path_and_with_nothing_else() {
        let folder = temporary();
        let root = folder.path();
        fs_err::create_dir_all(root.join("a/deep")).unwrap();
        fs_err::write(root.join("a/deep/file"), "1").unwrap();
        fs_err::write(root.join("beside"), "1").unwrap();
        let now = || trace(root, &path("a")).unwrap();
        let first = now();
        fs_err::write(root.join("beside"), "2").unwrap();
        fs_err::read(root.join("a/deep/file")).unwrap();
        assert_eq!(now(), first);
        let mut seen = vec![first];
        let mut differs = |what: &str| {
            assert!(!seen.contains(&now()), "{what}");
            seen.push(now());
        };
        fs_err::write(root.join("a/deep/new"), "").unwrap();
        differs("made");
        fs_err::rename(root.join("a/deep/new"), root.join("a/deep/other")).unwrap();
        differs("renamed");
        fs_err::remove_file(root.join("a/deep/file")).unwrap();
        differs("removed");
        fs_err::os::unix::fs::symlink("/", root.join("a/deep/link")).unwrap();
        differs("linked");
        fs_err::remove_dir_all(root.join("a")).unwrap();
        differs("gone");
    }
}
