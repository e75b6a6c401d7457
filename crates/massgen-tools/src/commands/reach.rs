//! What commands reach of the files: the same as the file tools.

use std::path::{Path, PathBuf};

use massgen_protocol::tooling::Refuses;
use massgen_protocol::workspace::Access;
use massgen_sandbox::Mechanism;
use massgen_workspace::access::{Managed, RootKind};

/// Entries of a folder that are named one by one at most, because something in it is hidden.
const ENTRIES: usize = 2_000;

/// Names at the top of a writable context path that commands do not change.
const KEPT_AS_THEY_ARE: &[&str] = &[".git", ".massgen", ".gemini", ".env", "massgen_logs"];

/// What a command may reach of the files. All paths are without links and exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// What may be read.
    pub readable: Vec<PathBuf>,
    /// What may be changed.
    pub writable: Vec<PathBuf>,
    /// What may not be changed inside of it.
    pub protected: Vec<PathBuf>,
    /// What may not even be read; it lies inside of the others.
    pub hidden: Vec<PathBuf>,
    /// What rules keep from being read.
    pub masked: Vec<PathBuf>,
    /// What rules keep from being changed.
    pub fixed: Vec<PathBuf>,
}

impl Reach {
    /// What `managed` gives.
    pub fn of(managed: &Managed) -> Self {
        let mut reach = Self::default();
        for root in managed.roots().iter().filter(|root| root.path.exists()) {
            match root.access {
                Access::Read => reach.readable.push(root.path.clone()),
                Access::Write => reach.writable.push(root.path.clone()),
            }
            if root.access == Access::Write && root.kind == RootKind::Context {
                let kept = KEPT_AS_THEY_ARE.iter().map(|name| root.path.join(name));
                reach.protected.extend(kept.filter(|path| path.exists() && !path.is_symlink()));
            }
        }
        // A deeper root may be the agent's own: its workspace below a project that is only read.
        let is_own = |path: &PathBuf, reach: &Self| reach.writable.iter().any(|own| own.starts_with(path));
        let protected: Vec<_> = reach.protected.drain(..).collect();
        reach.protected = protected.into_iter().filter(|path| !is_own(path, &reach)).collect();
        let real = |path: &PathBuf| fs_err::canonicalize(path).ok();
        reach.protected.extend(managed.protected().iter().filter_map(real));
        reach.hidden.extend(managed.hidden().iter().filter_map(real));
        reach.masked = managed.refused(Refuses::Reading);
        reach.fixed = managed.refused(Refuses::Changing);
        reach
    }

    /// The same with rules, and what is hidden, as `mechanism` can keep them. Bubblewrap covers parts of a tree that stays
    /// as it is. Landlock cannot take a part of a tree away: there, rules hold in what may only be read.
    #[must_use]
    pub fn ruled(mut self, mechanism: Mechanism) -> Self {
        let (masked, fixed) = (std::mem::take(&mut self.masked), std::mem::take(&mut self.fixed));
        match mechanism {
            Mechanism::Bubblewrap => {
                self.masked = masked;
                self.masked.append(&mut self.hidden);
                self.protected.extend(fixed);
            }
            Mechanism::Landlock => {
                let is_writable = |path: &PathBuf| self.writable.iter().any(|tree| path.starts_with(tree));
                self.hidden.extend(masked.into_iter().filter(|path| !is_writable(path)));
            }
            Mechanism::Unconfined => {}
        }
        self
    }

    /// The same without hidden paths: a tree that holds one is replaced by all that is beside it. New names at the
    /// places that are taken apart are then out of reach. What was given below a hidden path stays.
    ///
    /// # Errors
    /// When a folder cannot be listed or holds too much.
    pub fn without_hidden(mut self) -> Result<Self, String> {
        let hidden = std::mem::take(&mut self.hidden);
        let masked = self.masked.clone();
        let split = |paths: Vec<PathBuf>| -> Result<Vec<(bool, PathBuf)>, String> {
            let mut kept = Vec::new();
            for path in paths {
                let below: Vec<PathBuf> =
                    hidden.iter().filter(|hidden| hidden.starts_with(&path)).cloned().collect();
                let mut parts = Vec::new();
                beside(&path, &below, &mut parts)?;
                // A part would lie over what closes the folder around it.
                let is_open =
                    |part: &PathBuf| *part == path || !masked.iter().any(|masked| part.starts_with(masked));
                kept.extend(parts.into_iter().filter(is_open).map(|part| (part != path, part)));
            }
            Ok(kept)
        };
        self.readable =
            split(std::mem::take(&mut self.readable))?.into_iter().map(|(_, path)| path).collect();
        for (is_part, path) in split(std::mem::take(&mut self.writable))? {
            // A part that stays as it is need not be taken from a tree that may be changed.
            let stays = is_part && self.protected.iter().any(|protected| path.starts_with(protected));
            if stays { self.readable.push(path) } else { self.writable.push(path) }
        }
        let trees: Vec<PathBuf> = self.writable.iter().chain(&self.readable).cloned().collect();
        for inside in [&mut self.protected, &mut self.masked] {
            inside.retain(|path| trees.iter().any(|tree| path.starts_with(tree)));
        }
        Ok(self)
    }
}

/// `path`, or what it holds beside `hidden`.
fn beside(path: &Path, hidden: &[PathBuf], kept: &mut Vec<PathBuf>) -> Result<(), String> {
    if hidden.iter().any(|hidden| path.starts_with(hidden)) {
        return Ok(());
    }
    if !hidden.iter().any(|hidden| hidden.starts_with(path)) {
        kept.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs_err::read_dir(path).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        // A link would be a second way to what it names.
        if entry.file_type().map_err(|error| error.to_string())?.is_symlink() {
            continue;
        }
        if kept.len() >= ENTRIES {
            return Err(format!(
                "`{}` holds too much beside what commands may not see; name a smaller folder",
                path.display()
            ));
        }
        beside(&entry.path(), hidden, kept)?;
    }
    Ok(())
}
