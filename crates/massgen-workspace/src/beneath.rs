//! Files opened below a folder, whatever an agent does to the folder meanwhile: no part of the path may be a symbolic
//! link, and `..` is no path of a tree.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, Result};

/// How often the kernel is asked again when a folder on the way was renamed meanwhile.
#[cfg(target_os = "linux")]
const ATTEMPTS: usize = 4;

/// Opens `path`, relative to `root`, without following any symbolic link. The empty path is `root` itself.
///
/// # Errors
/// Those of `openat`; `ELOOP` or `ENOTDIR` where a part is a link.
pub(crate) fn open_beneath(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if path.as_os_str().is_empty() {
        return openat(root, ".", flags, Mode::empty());
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..ATTEMPTS {
            match openat2(root, path, flags, Mode::empty(), how) {
                Err(Errno::AGAIN) => {}
                // Kernels before 5.6, and filters that do not know the call.
                Err(Errno::NOSYS | Errno::PERM) => break,
                other => return other,
            }
        }
    }
    part_by_part(root, path, flags)
}

/// The same where the kernel has no such call: every folder on the way is opened by itself.
fn part_by_part(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at: Option<OwnedFd> = None;
    let mut parts = path.iter().peekable();
    while let Some(part) = parts.next() {
        if part == ".." || part == "." || part == "/" {
            return Err(Errno::INVAL);
        }
        let flags = if parts.peek().is_some() { folder } else { flags };
        let next = openat(at.as_ref().map_or(root, AsFd::as_fd), part, flags, Mode::empty())?;
        at = Some(next);
    }
    at.ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_on_the_way_or_at_the_end_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let (root, outside) = (home.path().join("root"), home.path().join("outside"));
        fs_err::create_dir_all(root.join("real/deep")).unwrap();
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("secret"), "secret").unwrap();
        fs_err::write(root.join("real/deep/file"), "fine").unwrap();
        symlink(&outside, root.join("way")).unwrap();
        symlink("real", root.join("inner")).unwrap();
        symlink("deep/file", root.join("real/end")).unwrap();
        let handle = fs_err::File::open(&root).unwrap();
        let parts =
            |root: BorrowedFd<'_>, path: &Path| part_by_part(root, path, OFlags::RDONLY | OFlags::NOFOLLOW);
        let whole = |root: BorrowedFd<'_>, path: &Path| open_beneath(root, path, OFlags::RDONLY);
        for path in ["real/deep/file", "real/deep", "real"] {
            parts(handle.as_fd(), Path::new(path)).unwrap();
            whole(handle.as_fd(), Path::new(path)).unwrap();
        }
        for path in ["way/secret", "inner/deep/file", "real/end", "../outside/secret", "/etc/passwd", "way"] {
            parts(handle.as_fd(), Path::new(path)).unwrap_err();
            whole(handle.as_fd(), Path::new(path)).unwrap_err();
        }
    }
}
