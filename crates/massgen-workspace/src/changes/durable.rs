//! Files that are on the disk before anything depends on them.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{self as sys, FileType, Mode as Permissions, OFlags};
use rustix::io::Errno;

/// Up to so many files are waited for one by one. With more it is faster to wait for everything that the file system has
/// to write, whoever wrote it: 1,000 files one by one take ten seconds.
pub(crate) const FEW: usize = 16;

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
    if files.len() > FEW {
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
