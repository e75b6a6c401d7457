//! Applies changes of 1,000 files to a project of 10,000 and takes them back, for `cargo xtask bench` to read:
//!
//! ```text
//! application FOLDER
//! ```
//!
//! `FOLDER` is empty and stays behind. Prints in milliseconds, the median of several: what finding the changes and planning
//! takes, what applying them does, and what undoing. Last the files that are not as they were when all is undone.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use massgen_protocol::workspace::DriftPolicy;
use massgen_workspace::changes::{Later, Scope, Selection, Target, Wish, apply, compare, plan, undo};
use massgen_workspace::{ScanLimits, SnapshotStore, StatCache};

/// Folders, and files in each.
const FOLDERS: usize = 100;
const FILES: usize = 100;

/// Files of each folder that change: most are edited, one is new, one goes, one gets another name.
const EDITED: usize = 7;

/// How often each is done.
const TIMES: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let home = std::env::args().nth(1).map(PathBuf::from).ok_or("usage: application FOLDER")?;
    let (project, copy) = (home.join("project"), home.join("copy"));
    fill(&project)?;
    fill(&copy)?;
    let store = SnapshotStore::open(&home.join("store"))?;
    let take = |folder: &Path| store.take(folder, &mut StatCache::default(), &ScanLimits::default());
    let before = take(&copy)?;
    change(&copy)?;
    let after = take(&copy)?;
    let (mut planning, mut applying, mut undoing) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..TIMES {
        let begun = Instant::now();
        let changes = compare(&before.tree, &after.tree, &store, &Scope::default())?.changes;
        let (target, selection) = (Target::open(&project)?, Selection::all());
        let wish = Wish {
            changes: &changes,
            selection: &selection,
            drift: DriftPolicy::Fail,
            protected: &[],
            contents: &store,
        };
        let plan = plan(&wish, &target.current(&changes, &selection)?)?;
        planning.push(begun.elapsed().as_secs_f64() * 1e3);

        let record = home.join(format!("record_{number}"));
        let begun = Instant::now();
        apply(&plan, &target, &store, &record)?;
        applying.push(begun.elapsed().as_secs_f64() * 1e3);
        if take(&project)?.id != after.id {
            return Err("what was applied is not what was changed".into());
        }

        let begun = Instant::now();
        undo(&record, Later::Keep)?;
        undoing.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let left = take(&project)?;
    let other = compare(&before.tree, &left.tree, &store, &Scope::default())?.changes.len();
    let [planning, applying, undoing] = [planning, applying, undoing].map(median);
    writeln!(std::io::stdout(), "{planning} {applying} {undoing} {other}")?;
    Ok(())
}

fn file(folder: &Path, number: usize, file: usize) -> PathBuf {
    folder.join(format!("module_{number:03}/deep/file_{file:03}.rs"))
}

fn fill(folder: &Path) -> Result<(), Box<dyn Error>> {
    for number in 0..FOLDERS {
        fs_err::create_dir_all(folder.join(format!("module_{number:03}/deep")))?;
        for at in 0..FILES {
            let text = format!("// {number} {at}\n{}", "fn nothing() {}\n".repeat(at * 3));
            fs_err::write(file(folder, number, at), text)?;
        }
    }
    Ok(())
}

fn change(folder: &Path) -> Result<(), Box<dyn Error>> {
    for number in 0..FOLDERS {
        for at in 0..EDITED {
            let path = file(folder, number, FILES - 1 - at);
            let text = fs_err::read_to_string(&path)?;
            fs_err::write(path, format!("{text}// the end of {number} {at}\n"))?;
        }
        fs_err::write(file(folder, number, FILES), format!("// new in {number}\n"))?;
        fs_err::remove_file(file(folder, number, 1))?;
        fs_err::rename(file(folder, number, 2), file(folder, number, FILES + 1))?;
    }
    Ok(())
}

/// The one in the middle.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(TIMES / 2).copied().unwrap_or(f64::NAN)
}
