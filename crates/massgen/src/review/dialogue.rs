//! A person decides which changes are applied.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use massgen_view::clean::clean_line;
use massgen_workspace::changes::{Approval, ApprovalByContext, FileChange, Hunk, listed};

use super::proposal::Proposal;
use super::telling::{self, files};
use crate::setting_up::dialogue::{Choice, Dialogue};

/// What is chosen of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pick {
    Nothing,
    Whole,
    /// These places of it, at least one and not all.
    Hunks(BTreeSet<usize>),
}

/// What the menu offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    All,
    Chosen,
    Diff,
    Files,
    Hunks,
    Nothing,
}

/// Shows all changes in full.
pub(super) type ShowDiff<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// Asks which changes of `proposal` are applied; nothing if none.
///
/// # Errors
/// When the terminal cannot be used.
pub(super) fn ask(
    dialogue: &mut dyn Dialogue,
    proposal: &Proposal,
    show_diff: ShowDiff<'_>,
) -> io::Result<Option<Approval>> {
    dialogue.begin("The answer changes your files")?;
    dialogue.show("Changes", &telling::list(proposal, None))?;
    let mut picks = Picks::new(proposal);
    loop {
        let entries = picks.entries();
        let choices: Vec<Choice> = entries.iter().map(|entry| picks.choice(*entry)).collect();
        let Some(chosen) = escaped(dialogue.choose("What is to be applied?", &choices, 0))? else {
            dialogue.end("Applying nothing.")?;
            return Ok(None);
        };
        match entries.get(chosen) {
            Some(Entry::All) => {
                dialogue.end("Applying everything.")?;
                return Ok(Some(Approval::default()));
            }
            Some(Entry::Chosen) => {
                dialogue.end(&format!("Applying {}.", picks.words()))?;
                return Ok(Some(picks.approval()));
            }
            Some(Entry::Diff) => {
                if escaped(show_diff())?.is_none() {
                    dialogue.end("Applying nothing.")?;
                    return Ok(None);
                }
            }
            // Whoever leaves a list comes back to the menu with what was chosen before.
            Some(Entry::Files) => drop(escaped(picks.choose_files(dialogue))?),
            Some(Entry::Hunks) => drop(escaped(picks.choose_hunks(dialogue))?),
            Some(Entry::Nothing) | None => {
                dialogue.end("Applying nothing.")?;
                return Ok(None);
            }
        }
    }
}

/// The answer; nothing when the person wanted to leave.
fn escaped<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is chosen so far.
struct Picks<'a> {
    proposal: &'a Proposal,
    /// By number of context path and of change; all files are there.
    picks: BTreeMap<(usize, usize), Pick>,
}

impl<'a> Picks<'a> {
    fn new(proposal: &'a Proposal) -> Self {
        let picks = proposal.names().into_keys().map(|key| (key, Pick::Whole)).collect();
        Self { proposal, picks }
    }

    fn entries(&self) -> Vec<Entry> {
        let is_all = self.picks.values().all(|pick| *pick == Pick::Whole);
        let first = if is_all { Entry::All } else { Entry::Chosen };
        let mut entries = vec![first, Entry::Diff];
        if self.picks.len() > 1 {
            entries.push(Entry::Files);
        }
        if !self.in_places().is_empty() {
            entries.push(Entry::Hunks);
        }
        if !is_all {
            entries.push(Entry::All);
        }
        entries.push(Entry::Nothing);
        entries
    }

    fn choice(&self, entry: Entry) -> Choice {
        match entry {
            Entry::All => Choice::new("Everything", files(self.picks.len())),
            Entry::Chosen => Choice::new("What is chosen", self.words()),
            Entry::Diff => Choice::new("Show the changes in full", ""),
            Entry::Files => Choice::new("Choose files", ""),
            Entry::Hunks => Choice::new("Choose places in a file", ""),
            Entry::Nothing => Choice::new("Nothing", "they are kept, and can be applied later"),
        }
    }

    /// How much is chosen.
    fn words(&self) -> String {
        let chosen = self.picks.values().filter(|pick| **pick != Pick::Nothing).count();
        let in_part = self.picks.values().filter(|pick| matches!(pick, Pick::Hunks(_))).count();
        let of = files(chosen);
        if in_part == 0 { of } else { format!("{of}, {in_part} of them in part") }
    }

    fn change(&self, (at, number): (usize, usize)) -> Option<&'a FileChange> {
        self.proposal.contexts.get(at)?.changes.get(number)
    }

    /// The files that can be chosen in part, with their places.
    fn in_places(&self) -> Vec<((usize, usize), &'a [Hunk])> {
        let places = |key: &(usize, usize)| Some((*key, telling::places(self.change(*key)?)));
        self.picks.keys().filter_map(places).filter(|(_, places)| !places.is_empty()).collect()
    }

    fn label(&self, key: (usize, usize)) -> Choice {
        let names = self.proposal.names();
        let name = names.get(&key).map(|name| clean_line(name)).unwrap_or_default();
        let hint =
            self.change(key).map(|change| format!("{} {}", change.status.letter(), telling::size(change)));
        Choice::new(name, hint.unwrap_or_default().trim_end())
    }

    fn choose_files(&mut self, dialogue: &mut dyn Dialogue) -> io::Result<()> {
        let keys: Vec<(usize, usize)> = self.picks.keys().copied().collect();
        let choices: Vec<Choice> = keys.iter().map(|key| self.label(*key)).collect();
        let chosen = dialogue.choose_several("Which files?", &choices)?;
        for (at, key) in keys.into_iter().enumerate() {
            let pick = if chosen.contains(&at) { Pick::Whole } else { Pick::Nothing };
            self.picks.insert(key, pick);
        }
        Ok(())
    }

    fn choose_hunks(&mut self, dialogue: &mut dyn Dialogue) -> io::Result<()> {
        let files = self.in_places();
        let choices: Vec<Choice> = files.iter().map(|(key, _)| self.label(*key)).collect();
        let file = match files.as_slice() {
            [_] => 0,
            _ => dialogue.choose("Which file?", &choices, 0)?,
        };
        let Some((key, hunks)) = files.get(file) else { return Ok(()) };
        let choices: Vec<Choice> =
            hunks.iter().map(|hunk| Choice::new(telling::first_line(hunk), telling::extent(hunk))).collect();
        let chosen: BTreeSet<usize> =
            dialogue.choose_several("Which places?", &choices)?.into_iter().collect();
        let pick = if chosen.is_empty() {
            Pick::Nothing
        } else if chosen.len() == hunks.len() {
            Pick::Whole
        } else {
            Pick::Hunks(chosen)
        };
        self.picks.insert(*key, pick);
        Ok(())
    }

    fn approval(&self) -> Approval {
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut hunks: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (key, pick) in &self.picks {
            let (Some(context), Some(change)) = (self.proposal.contexts.get(key.0), self.change(*key)) else {
                continue;
            };
            let path = listed(change).path;
            match pick {
                Pick::Nothing => continue,
                Pick::Whole => {}
                Pick::Hunks(chosen) => {
                    let of = hunks.entry(context.path.clone()).or_default();
                    of.insert(path.clone(), chosen.iter().copied().collect());
                }
            }
            files.entry(context.path.clone()).or_default().push(path);
        }
        Approval {
            approved_files: None,
            metadata: ApprovalByContext {
                approved_files_by_context: Some(files),
                approved_hunks_by_context: Some(hunks),
            },
        }
    }
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
