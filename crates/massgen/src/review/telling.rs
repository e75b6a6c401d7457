//! Changes and what became of them, as lines for people.

use std::path::Path;

use massgen_view::clean::clean_line;
use massgen_workspace::changes::{FileChange, Hunk, Side, Status, Text, Undone, listed, spell};

use super::application::{Outcome, words};
use super::proposal::Proposal;
use crate::shell::quoted;

/// Files that are listed of one context path; the others are counted.
const LISTED: usize = 200;

/// Places of one file that are listed; the others are counted.
const PLACES: usize = 20;

/// Whether the places of a file are listed below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    Listed,
    Hidden,
}

/// `1 file`, `3 files`.
pub(super) fn files(number: usize) -> String {
    if number == 1 { "1 file".to_owned() } else { format!("{number} files") }
}

/// The changes, a line each, below the name of their context path.
pub(super) fn list(proposal: &Proposal, listed: Places) -> String {
    let mut lines = Vec::new();
    for context in &proposal.contexts {
        lines.push(format!("{}: {}", clean_line(&context.path), files(context.changes.len())));
        let shown = context.changes.iter().take(LISTED);
        let width =
            shown.clone().map(|change| name(change).chars().count()).max().unwrap_or_default().min(60);
        for change in shown {
            let line = format!("  {} {:width$}  {}", change.status.letter(), name(change), size(change));
            lines.push(line.trim_end().to_owned());
            match listed {
                Places::Listed => lines.extend(numbered(places(change))),
                Places::Hidden => {}
            }
        }
        if let Some(more @ 1..) = context.changes.len().checked_sub(LISTED) {
            lines.push(format!("  and {more} more"));
        }
    }
    lines.join("\n")
}

/// Places of a file, each with the number by which it is chosen.
fn numbered(places: &[Hunk]) -> Vec<String> {
    let shown = places.iter().take(PLACES);
    let mut lines: Vec<String> = shown
        .map(|place| format!("      {}. {}: {}", place.index + 1, extent(place), first_line(place)))
        .collect();
    if let Some(more @ 1..) = places.len().checked_sub(PLACES) {
        lines.push(format!("      and {more} more"));
    }
    lines
}

/// The places of a file that can be chosen by themselves; none when it is applied as a whole.
pub(super) fn places(change: &FileChange) -> &[Hunk] {
    match &change.text {
        // What is new or gone is so as a whole.
        Text::Hunks(hunks) if change.before.is_some() && change.after.is_some() && hunks.len() > 1 => hunks,
        Text::Hunks(_) | Text::Same | Text::Binary | Text::Long => &[],
    }
}

/// The first line that changes at a place, shortened.
pub(super) fn first_line(place: &Hunk) -> String {
    let mut changed = place.lines.iter().filter(|line| line.side != Side::Both).map(|line| {
        let sign = if line.side == Side::New { '+' } else { '-' };
        format!("{sign} {}", clean_line(&String::from_utf8_lossy(&line.bytes)))
    });
    let first = changed.find(|line| line.len() > 2).unwrap_or_else(|| "an empty line".to_owned());
    first.chars().take(50).collect()
}

/// Where a place is, and how much of it changes.
pub(super) fn extent(place: &Hunk) -> String {
    let count = |side| place.lines.iter().filter(|line| line.side == side).count();
    let unchanged = place.lines.iter().take_while(|line| line.side == Side::Both).count();
    format!("line {}, +{} -{}", place.old_start + unchanged + 1, count(Side::New), count(Side::Old))
}

/// The name of a changed file; of a renamed one, both.
pub(super) fn name(change: &FileChange) -> String {
    let to = clean_line(&listed(change).path);
    match &change.from {
        Some(from) => format!("{} -> {to}", clean_line(&spell(from))),
        None => to,
    }
}

/// How much of a file changed.
pub(super) fn size(change: &FileChange) -> String {
    match &change.text {
        Text::Hunks(hunks) => {
            let count =
                |side| hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.side == side).count();
            format!("+{} -{}", count(Side::New), count(Side::Old))
        }
        Text::Binary => "binary".to_owned(),
        Text::Long => "long".to_owned(),
        Text::Same => match change.status {
            Status::Modified => "mode".to_owned(),
            Status::Added | Status::Deleted | Status::Renamed { .. } | Status::TypeChanged => String::new(),
        },
    }
}

/// What was applied, for people; `log_dir` is how the run is named, `diff` where all changes are.
pub(super) fn outcome(outcome: &Outcome, log_dir: &Path, diff: &Path) -> Vec<String> {
    if let Some(problem) = &outcome.problem {
        let mut lines =
            vec![format!("error: nothing was changed in the project: {}", clean_line(&problem.message))];
        lines.extend(problem.hint.iter().map(|hint| format!("hint: {hint}")));
        lines.push(format!(
            "hint: the changes are kept; apply them later with {}, or by hand with {}",
            command("apply", log_dir),
            by_hand(diff)
        ));
        return lines;
    }
    let mut lines = Vec::new();
    for context in &outcome.contexts {
        let place = clean_line(&context.context);
        lines.push(match context.applied.len() {
            0 => format!("nothing was changed in {place}"),
            number => format!("{} changed in {place}", files(number)),
        });
        lines.extend(
            context.skipped.iter().map(|(path, why)| format!("  not applied: {} ({why})", clean_line(path))),
        );
    }
    if outcome.applied() > 0 {
        lines.push(format!("hint: undo with {}", command("undo", log_dir)));
    }
    if outcome.contexts.iter().any(|context| !context.skipped.is_empty()) {
        lines.push(format!("hint: all changes are in `{}`", diff.display()));
    }
    lines
}

/// What was declined, for people.
pub(super) fn declined(log_dir: &Path) -> Vec<String> {
    vec![
        "nothing was changed in the project".to_owned(),
        format!("hint: the changes are kept; apply them later with {}", command("apply", log_dir)),
    ]
}

/// What was undone, for people.
pub(super) fn undone(undone: &Undone) -> Vec<String> {
    let place = clean_line(&undone.target.display().to_string());
    let mut lines = vec![match undone.restored.len() {
        0 => format!("nothing had to be restored in {place}"),
        number => format!("{} restored in {place}", files(number)),
    }];
    lines.extend(undone.restored.iter().take(LISTED).map(|path| format!("  {}", clean_line(&spell(path)))));
    let kept = undone.kept.iter().filter_map(|kept| Some((spell(&kept.path), words(kept.reason)?)));
    lines.extend(kept.map(|(path, why)| format!("  kept: {} ({why})", clean_line(&path))));
    lines
}

/// A command about the run `log_dir`.
pub(super) fn command(name: &str, log_dir: &Path) -> String {
    format!("`massgen {name} {}`", quoted(&log_dir.display().to_string()))
}

fn by_hand(diff: &Path) -> String {
    format!("`git apply {}`", quoted(&diff.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::application::{ContextOutcome, Problem};
    use super::*;

    fn told(came: &Outcome) -> String {
        outcome(came, Path::new("logs/log_1"), Path::new("logs/log_1/turn_1/attempt_1/changes.diff"))
            .join("\n")
    }

    #[test]
    fn person_is_told_what_was_done_and_what_can_be_done_next() {
        let context = |applied: &[&str], skipped: &[(&str, &str)]| ContextOutcome {
            context: "/home/me/project".to_owned(),
            applied: applied.iter().map(|path| (*path).to_owned()).collect(),
            skipped: skipped.iter().map(|(path, why)| ((*path).to_owned(), (*why).to_owned())).collect(),
        };
        let drifted = ("c\u{1b}.rs", "it changed in the project meanwhile");
        let some = Outcome { contexts: vec![context(&["a.rs", "b.rs"], &[drifted])], problem: None };
        let none = Outcome { contexts: vec![context(&[], &[drifted])], problem: None };
        let problem = Problem {
            message: "`b.rs` changed while changes were applied".to_owned(),
            hint: Some("apply again when nothing else writes to the project".to_owned()),
        };
        let failed = Outcome { contexts: Vec::new(), problem: Some(problem) };
        let texts = [told(&some), told(&none), told(&failed), declined(Path::new("my logs")).join("\n")];
        insta::assert_snapshot!(texts.join("\n--\n"));
    }
}
