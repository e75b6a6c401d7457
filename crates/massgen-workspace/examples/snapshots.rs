//! Takes snapshots of a workspace of 10,000 files again and again, for `cargo xtask bench` to read:
//!
//! ```text
//! snapshots FOLDER
//! ```
//!
//! `FOLDER` is empty and stays behind. Prints what one takes in milliseconds, the median of several: first when nothing
//! has changed, then when one file has, then a bare look at all files, which is the least that any snapshot must do.
//! Last the files that the store got while nothing changed.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use massgen_workspace::{ScanLimits, SnapshotStore, StatCache};

/// Folders, and files in each.
const FOLDERS: usize = 100;
const FILES: usize = 100;

/// How often each is done.
const TIMES: usize = 31;

/// Files that are younger than this are read again, whatever their times say: they may change within one tick of the
/// clock of the file system.
const YOUNG: Duration = Duration::from_millis(2_100);

fn main() -> Result<(), Box<dyn Error>> {
    let home = std::env::args().nth(1).map(PathBuf::from).ok_or("usage: snapshots FOLDER")?;
    let (folder, place) = (home.join("workspace"), home.join("store"));
    fill(&folder)?;
    std::thread::sleep(YOUNG);
    let store = SnapshotStore::open(&place)?;
    let (mut cache, limits) = (StatCache::default(), ScanLimits::default());
    let first = store.take(&folder, &mut cache, &limits)?.id;
    let before = files(&place)?;
    let unchanged = median(|_| {
        let taken = store.take(&folder, &mut cache, &limits)?;
        if taken.id == first {
            Ok(())
        } else {
            Err("a tree that did not change became another snapshot".into())
        }
    })?;
    let grown = files(&place)? - before;
    let changing = folder.join("module_050/deep/file_050.rs");
    let changed = median(|number| {
        fs_err::write(&changing, format!("// change {number}\n"))?;
        let taken = store.take(&folder, &mut cache, &limits)?;
        if taken.id == first { Err("a change was not seen".into()) } else { Ok(()) }
    })?;
    let look = median(|_| files(&folder).map(drop))?;
    writeln!(std::io::stdout(), "{unchanged} {changed} {look} {grown}")?;
    Ok(())
}

fn fill(folder: &Path) -> Result<(), Box<dyn Error>> {
    for number in 0..FOLDERS {
        let deep = folder.join(format!("module_{number:03}/deep"));
        fs_err::create_dir_all(&deep)?;
        for file in 0..FILES {
            let text = format!("// {number} {file}\n{}", "fn nothing() {}\n".repeat(file * 3));
            fs_err::write(deep.join(format!("file_{file:03}.rs")), text)?;
        }
    }
    fs_err::write(folder.join(".gitignore"), "*.log\n/target\nnode_modules/\n*.o\n!keep.o\n")?;
    Ok(())
}

/// Looks at all below `folder`, and counts the files.
fn files(folder: &Path) -> Result<usize, Box<dyn Error>> {
    let mut count = 0;
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        count += if fs_err::symlink_metadata(&path)?.is_dir() { files(&path)? } else { 1 };
    }
    Ok(count)
}

/// The median of what `work` takes, in milliseconds.
fn median(mut work: impl FnMut(usize) -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::with_capacity(TIMES);
    for number in 0..TIMES {
        let begun = Instant::now();
        work(number)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times.get(TIMES / 2).copied().ok_or_else(|| "nothing was measured".into())
}
