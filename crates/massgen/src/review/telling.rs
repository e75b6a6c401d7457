//! Changes and what became of them, as lines for people.

use std::collections::BTreeSet;
use std::path::Path;

use massgen_view::clean::clean_line;
use massgen_workspace::Entry;
use massgen_workspace::changes::{FileChange, Hunk, Side, Text, Undone, listed, spell};

use super::application::{DRIFTED, Outcome, words};
use super::proposal::Proposal;
use super::standing::{Standing, Standings};
use crate::real_folders::real;
use crate::shell::quoted;

/// Files that are listed of one context path; the others are counted.
const LISTED: usize = 200;

/// Places of one file that are listed; the others are counted.
const PLACES: usize = 20;

/// Files that a hint names.
const INCLUDED: usize = 5;

/// `1 file`, `3 files`.
pub(super) fn files(number: usize) -> String {
    if number == 1 { "1 file".to_owned() } else { format!("{number} files") }
}

/// What the context path `path` is really called. A run that came from elsewhere may have noted a name that leads there by
/// links.
pub(super) fn place(path: &str) -> String {
    clean_line(&real(Path::new(path)).display().to_string())
}

/// The changes, a line each, below the name of their context path; with `standings` also how each of them stands, and its
/// places.
pub(super) fn list(proposal: &Proposal, standings: Option<&Standings>) -> String {
    let mut lines = Vec::new();
    for (at, context) in proposal.contexts.iter().enumerate() {
        lines.push(format!("{}: {}", place(&context.path), files(context.changes.len())));
        let shown = context.changes.iter().take(LISTED);
        // The name comes last: it may be longer than any line.
        let width = shown.clone().map(|change| size(change).len()).max().unwrap_or_default();
        for (number, change) in shown.enumerate() {
            let standing = standings.and_then(|standings| standings.get((at, number)));
            let words = standing.map(|standing| format!("  ({})", standing.words())).unwrap_or_default();
            let letter = change.status.letter();
            lines.push(format!("  {letter}  {:width$}  {}{words}", size(change), name(change)));
            if standings.is_some() {
                lines.extend(numbered(places(change), standing));
            }
        }
        if let Some(more @ 1..) = context.changes.len().checked_sub(LISTED) {
            lines.push(format!("  and {more} more"));
        }
    }
    lines.join("\n")
}

/// What can be done next with changes that stand so; `log_dir` is how the run is named.
pub(super) fn next(standings: &Standings, log_dir: &Path) -> Vec<String> {
    let mut hints = Vec::new();
    if standings.iter().any(|standing| matches!(standing, Standing::Open | Standing::InPart(_))) {
        hints.push(format!("hint: apply what is not applied with {}", command("apply", log_dir)));
    }
    if standings.iter().any(|standing| matches!(standing, Standing::Drifted | Standing::InPartChangedSince)) {
        let overwrite = command("apply --overwrite", log_dir);
        hints.push(format!("hint: apply it to what changed meanwhile too with {overwrite}"));
    }
    let is_there = |standing: &Standing| matches!(standing, Standing::Applied | Standing::InPart(_));
    if standings.is_undoable && standings.iter().any(is_there) {
        hints.push(format!("hint: undo with {}", command("undo", log_dir)));
    }
    hints
}

/// That all of what is to be applied is applied.
pub(super) fn nothing_to_apply(number: usize) -> String {
    match number {
        1 => "nothing to apply: the file is applied".to_owned(),
        _ => format!("nothing to apply: all {} are applied", files(number)),
    }
}

/// Places of a file, each with the number by which it is chosen. What of a file that stands in part is applied is marked.
fn numbered(places: &[Hunk], standing: Option<&Standing>) -> Vec<String> {
    let shown = places.iter().take(PLACES);
    let mark = |place: &Hunk| match standing {
        Some(standing @ Standing::InPart(_)) if standing.holds(place.index) => "  (applied)",
        Some(_) | None => "",
    };
    let mut lines: Vec<String> = shown
        .map(|place| {
            format!("      {}. {}: {}{}", place.index + 1, extent(place), first_line(place), mark(place))
        })
        .collect();
    if let Some(more @ 1..) = places.len().checked_sub(PLACES) {
        lines.push(format!("      and {more} more"));
    }
    lines
}

/// The places of a file that can be chosen by themselves; none when it is applied as a whole.
pub(super) fn places(change: &FileChange) -> &[Hunk] {
    // The only one is all of it.
    Some(hunks(change)).filter(|hunks| hunks.len() > 1).unwrap_or_default()
}

/// The places where the text of a file changed, even if there is one only; none when it did not change so.
pub(super) fn hunks(change: &FileChange) -> &[Hunk] {
    match &change.text {
        // What is new or gone is so as a whole.
        Text::Hunks(hunks) if change.before.is_some() && change.after.is_some() => hunks,
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
    if [&change.before, &change.after].into_iter().flatten().any(|entry| matches!(entry, Entry::Link { .. }))
    {
        return "link".to_owned();
    }
    let text = match &change.text {
        Text::Hunks(hunks) => {
            let count =
                |side| hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.side == side).count();
            format!("+{} -{}", count(Side::New), count(Side::Old))
        }
        Text::Binary => "binary".to_owned(),
        Text::Long => "long".to_owned(),
        Text::Same => String::new(),
    };
    match (&change.before, &change.after) {
        (Some(Entry::File { mode: old, .. }), Some(Entry::File { mode: new, .. })) if old != new => {
            format!("{text} mode").trim_start().to_owned()
        }
        _ => text,
    }
}

/// What was applied, for people; `log_dir` is how the run is named, `diff` where all changes are.
pub(super) fn outcome(outcome: &Outcome, log_dir: &Path, diff: &Path) -> Vec<String> {
    if let Some(problem) = &outcome.problem {
        let mut lines =
            vec![format!("error: nothing was changed in the project: {}", clean_line(&problem.message))];
        lines.extend(problem.hint.iter().map(|hint| format!("hint: {hint}")));
        lines.push(format!(
            "hint: the changes are kept; apply them later with {}: with `--file` some of them, with `--overwrite` also to what changed meanwhile",
            command("apply", log_dir)
        ));
        return lines;
    }
    let mut lines = Vec::new();
    for context in &outcome.contexts {
        let place = place(&context.context);
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
    let skipped = || outcome.contexts.iter().flat_map(|context| &context.skipped);
    let drifted: Vec<&str> =
        skipped().filter(|(_, why)| why == DRIFTED).map(|(path, _)| path.as_str()).collect();
    if !drifted.is_empty() {
        lines.push(format!(
            "hint: apply it there too with {}, which can be undone; or put in what fits with {}",
            command("apply --overwrite", log_dir),
            by_hand(&format!("git apply --reject{}", only(&drifted)), diff)
        ));
    } else if skipped().next().is_some() {
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

/// What was undone of an application that came to `outcome`, for people. A renamed file is one, although two paths change.
pub(super) fn undone(undone: &Undone, outcome: &Outcome) -> Vec<String> {
    let place = clean_line(&undone.target.display().to_string());
    let applied: BTreeSet<&str> =
        outcome.contexts.iter().flat_map(|context| &context.applied).map(String::as_str).collect();
    let mut paths: Vec<String> = undone.restored.iter().map(spell).collect();
    if paths.iter().any(|path| applied.contains(path.as_str())) {
        paths.retain(|path| applied.contains(path.as_str()));
    }
    let mut lines = vec![match paths.len() {
        0 if undone.kept.is_empty() => format!("nothing to restore in {place}: it is as it was before"),
        0 => format!("nothing was restored in {place}"),
        number => format!("{} restored in {place}", files(number)),
    }];
    lines.extend(paths.iter().take(LISTED).map(|path| format!("  {}", clean_line(path))));
    let kept = undone.kept.iter().filter_map(|kept| Some((spell(&kept.path), words(kept.reason)?)));
    lines.extend(kept.map(|(path, why)| format!("  kept: {} ({why})", clean_line(&path))));
    lines
}

/// A command about the run `log_dir`.
pub(super) fn command(name: &str, log_dir: &Path) -> String {
    format!("`massgen {name} {}`", quoted(&log_dir.display().to_string()))
}

/// Options by which git takes only `paths` from a diff; none if they are many. What else is in it may be applied already.
fn only(paths: &[&str]) -> String {
    let is_shown_as_it_is = |path: &&str| clean_line(path) == **path;
    if paths.len() > INCLUDED || !paths.iter().all(is_shown_as_it_is) {
        return String::new();
    }
    let mut options = String::new();
    for path in paths {
        let mut pattern = String::new();
        for char in path.chars() {
            if matches!(char, '*' | '?' | '[' | '\\') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        options.push_str(" --include ");
        options.push_str(&quoted(&pattern));
    }
    options
}

fn by_hand(command: &str, diff: &Path) -> String {
    format!("`{command} {}`", quoted(&diff.display().to_string()))
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
        let odd = ("it's/[id].tsx", "it changed in the project meanwhile");
        let two = Outcome { contexts: vec![context(&[], &[("c.rs", odd.1), odd])], problem: None };
        let some = Outcome { contexts: vec![context(&["a.rs", "b.rs"], &[drifted])], problem: None };
        let none = Outcome { contexts: vec![context(&[], &[drifted])], problem: None };
        let problem = Problem {
            message: "`b.rs` changed while changes were applied".to_owned(),
            hint: Some("apply again when nothing else writes to the project".to_owned()),
        };
        let failed = Outcome { contexts: Vec::new(), problem: Some(problem) };
        let texts =
            [told(&some), told(&none), told(&two), told(&failed), declined(Path::new("my logs")).join("\n")];
        insta::assert_snapshot!(texts.join("\n--\n"));
    }
}
