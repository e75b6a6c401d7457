//! Files that are on the disk before anything depends on them.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use fs_err::File;
use rustix::fs::{self as sys, FileType, Mode as Permissions, OFlags};
use rustix::io::Errno;

/// Up to so many files are waited for one by one. With more it is faster to wait for everything that the file system has
/// to write, whoever wrote it: 1,000 files one by one take ten seconds. Only Linux has a call that waits for that.
const FEW: usize = if cfg!(target_os = "linux") { 32 } else { usize::MAX };

/// Whether it is better to wait for [`everything`] than for so many files or folders.
pub(crate) fn are_many(files: usize) -> bool {
    files > FEW
}

/// Puts `bytes` at `path`. Whoever reads there, also after a kill or a loss of power, finds all of the old or all of the
/// new bytes. Only its owner may read the file, and a link that was at `path` is replaced. The folder exists already.
///
/// # Errors
/// When the folder is missing, cannot be written or is full; the message names the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A name that nobody can know: no link waits there.
        let mut file = tempfile::Builder::new().prefix(".massgen-unfinished-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    write().map_err(|error| {
        io::Error::new(error.kind(), format!("failed to write `{}`: {error}", path.display()))
    })
}

/// Makes the names in the folder `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the files in `folder`, and their names, durable. Folders in it are not looked into.
pub(crate) fn settle(folder: impl AsFd) -> io::Result<()> {
    let mut files: Vec<CString> = Vec::new();
    for entry in sys::Dir::read_from(&folder)? {
        let entry = entry?;
        if matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown)
            && !matches!(entry.file_name().to_bytes(), b"." | b"..")
        {
            files.push(entry.file_name().to_owned());
        }
    }
    if are_many(files.len()) {
        return everything(folder);
    }
    for name in files {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match sys::openat(&folder, name.as_c_str(), flags, Permissions::empty()) {
            Ok(file) => sys::fsync(file)?,
            // Some files may not be read even by their owner.
            Err(Errno::ACCESS) => return everything(folder),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sys::fsync(folder)?)
}

/// Makes everything durable that is on the file system of `folder`.
#[cfg(target_os = "linux")]
pub(crate) fn everything(folder: impl AsFd) -> io::Result<()> {
    Ok(sys::syncfs(folder)?)
}

/// Makes everything durable.
#[cfg(not(target_os = "linux"))]
pub(crate) fn everything(_folder: impl AsFd) -> io::Result<()> {
    sys::sync();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_by_one_that_only_its_owner_reads_and_links_are_not_written_through() {
        let home = tempfile::tempdir().unwrap();
        let (path, outside) = (home.path().join("file"), home.path().join("outside"));
        fs_err::write(&outside, "mine").unwrap();
        symlink(&outside, &path).unwrap();
        for text in ["one", "two"] {
            write_whole(&path, text.as_bytes()).unwrap();
            let found = fs_err::symlink_metadata(&path).unwrap();
            assert!(found.is_file() && found.permissions().mode() & 0o777 == 0o600);
            assert_eq!(fs_err::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs_err::read_to_string(&outside).unwrap(), "mine");
        assert_eq!(fs_err::read_dir(home.path()).unwrap().count(), 2, "nothing stays behind");
        let error = write_whole(&home.path().join("missing/file"), b"").unwrap_err();
        assert!(error.to_string().contains("missing/file"), "{error}");
    }
}
