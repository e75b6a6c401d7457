//! Texts compared line by line, and hunks put into a text.

use std::collections::BTreeSet;

use massgen_protocol::limits::COMPARED_LINES;
use similar::{Algorithm, DiffTag};

use crate::changes::file_change::{Hunk, Line, Side, Text};

/// Unchanged lines that a hunk shows before and after what changed.
const CONTEXT: usize = 3;

/// How many bytes at the beginning of a file decide whether it is text, as git does it.
const PROBED_BYTES: usize = 8000;

/// What happened between two contents.
pub(crate) fn between(old: &[u8], new: &[u8]) -> Text {
    if old == new {
        return Text::Same;
    }
    if is_binary(old) || is_binary(new) {
        return Text::Binary;
    }
    Text::Hunks(line_by_line(old, new, CONTEXT))
}

/// One content in the place of another, without a look at what they share.
pub(crate) fn replacing(old: &[u8], new: &[u8]) -> Text {
    if is_binary(old) || is_binary(new) {
        return Text::Binary;
    }
    let side =
        |side: Side, text| lines(text).into_iter().map(move |line| Line { side, bytes: line.to_vec() });
    let lines = side(Side::Old, old).chain(side(Side::New, new)).collect();
    Text::Hunks(vec![Hunk { index: 0, old_start: 0, new_start: 0, lines }])
}

/// Whether these bytes are no text.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(PROBED_BYTES).any(|byte| *byte == 0)
}

/// The lines of a text, each with its ending.
pub(crate) fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A hunk that does not fit, by its number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DoesNotFit(pub(crate) usize);

/// Puts `hunks`, some of those of one comparison and in order, into `text`. A hunk goes where it was, moved by what the
/// hunks before it added or removed; if its old lines are not there, to the only other place where they are.
pub(crate) fn put_in(text: &[u8], hunks: &[&Hunk]) -> Result<Vec<u8>, DoesNotFit> {
    let current = lines(text);
    let mut out: Vec<&[u8]> = Vec::with_capacity(current.len());
    // Lines of `current` that are already in `out`.
    let mut done = 0;
    // How far the text before this point is displaced against the old content.
    let mut displaced: isize = 0;
    for hunk in hunks {
        let old: Vec<&[u8]> = hunk.old_lines().collect();
        let misfit = DoesNotFit(hunk.index);
        let known = hunk.old_start.checked_add_signed(displaced);
        let place = match known {
            Some(place) if place >= done && stands_at(&current, &old, place) => place,
            Some(_) | None => only_place(&current, &old, done).ok_or(DoesNotFit(hunk.index))?,
        };
        out.extend(current.get(done..place).ok_or(misfit)?);
        out.extend(hunk.new_lines());
        done = place + old.len();
        displaced = isize::try_from(place).unwrap_or(isize::MAX)
            - isize::try_from(hunk.old_start).unwrap_or(isize::MAX);
    }
    out.extend(current.get(done..).unwrap_or_default());
    // A line without its ending can only be the last one: anything after it would be glued to it.
    let glued = out.split_last().is_some_and(|(_, before)| before.iter().any(|line| !line.ends_with(b"\n")));
    match hunks.last() {
        Some(last) if glued => Err(DoesNotFit(last.index)),
        Some(_) | None => Ok(out.concat()),
    }
}

/// Which of `hunks`, all those of one comparison with `old`, stand in `text`, which else is `old`; nothing when there is
/// any other difference.
pub(crate) fn held(old: &[u8], hunks: &[Hunk], text: &[u8]) -> Option<BTreeSet<usize>> {
    let (old, text) = (lines(old), lines(text));
    let mut held = BTreeSet::new();
    // Lines that were compared.
    let (mut in_old, mut in_text) = (0, 0);
    let stands = |lines: &[&[u8]], at: usize| text.get(at..at + lines.len()) == Some(lines);
    for hunk in hunks {
        let between = old.get(in_old..hunk.old_start)?;
        if !stands(between, in_text) {
            return None;
        }
        in_text += between.len();
        let before: Vec<&[u8]> = hunk.old_lines().collect();
        let after: Vec<&[u8]> = hunk.new_lines().collect();
        if stands(&after, in_text) {
            held.insert(hunk.index);
            in_text += after.len();
        } else if stands(&before, in_text) {
            in_text += before.len();
        } else {
            return None;
        }
        in_old = hunk.old_start + before.len();
    }
    (old.get(in_old..)? == text.get(in_text..)?).then_some(held)
}

fn stands_at(current: &[&[u8]], old: &[&[u8]], place: usize) -> bool {
    // A hunk without old lines belongs into an empty text.
    if old.is_empty() {
        return current.is_empty();
    }
    current.get(place..place.saturating_add(old.len())) == Some(old)
}

/// The one place at or after `from` where the lines `old` stand.
fn only_place(current: &[&[u8]], old: &[&[u8]], from: usize) -> Option<usize> {
    if old.is_empty() {
        return None;
    }
    let mut places = current
        .windows(old.len())
        .enumerate()
        .skip(from)
        .filter(|(_, window)| *window == old)
        .map(|(place, _)| place);
    places.next().filter(|_| places.next().is_none())
}

/// Two texts line by line, with up to `context` unchanged lines around what changed. What takes too long to compare is
/// shown as replaced.
pub(crate) fn line_by_line(old: &[u8], new: &[u8], context: usize) -> Vec<Hunk> {
    let (old, new) = (lines(old), lines(new));
    let mut hunks = Vec::new();
    // More lines than there are mean the same, and are not counted twice without an overflow.
    let context = context.min(old.len().max(new.len()));
    for group in similar::group_diff_ops(operations(&old, &new), context) {
        let Some(first) = group.first() else { continue };
        let (old_start, new_start) = (first.old_range().start, first.new_range().start);
        let mut lines = Vec::new();
        let mut push = |side: Side, from: &[&[u8]]| {
            lines.extend(from.iter().map(|bytes| Line { side, bytes: bytes.to_vec() }));
        };
        for operation in &group {
            let (tag, old_range, new_range) = operation.as_tag_tuple();
            let removed = old.get(old_range).unwrap_or_default();
            let added = new.get(new_range).unwrap_or_default();
            match tag {
                DiffTag::Equal => push(Side::Both, removed),
                DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                    push(Side::Old, removed);
                    push(Side::New, added);
                }
            }
        }
        hunks.push(Hunk { index: hunks.len(), old_start, new_start, lines });
    }
    hunks
}

/// The steps from `old` to `new`. What is alike at both ends is set aside first; if the rest is too long to be compared
/// in bounded time, it is replaced as a whole, which is right but shows more than changed.
fn operations(old: &[&[u8]], new: &[&[u8]]) -> Vec<similar::DiffOp> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let shorter = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (old.len() - head - tail, new.len() - head - tail);
    if old_middle + new_middle <= COMPARED_LINES {
        return similar::capture_diff_slices(Algorithm::Myers, old, new);
    }
    let mut steps = Vec::with_capacity(3);
    if head > 0 {
        steps.push(similar::DiffOp::Equal { old_index: 0, new_index: 0, len: head });
    }
    steps.push(similar::DiffOp::Replace {
        old_index: head,
        old_len: old_middle,
        new_index: head,
        new_len: new_middle,
    });
    if tail > 0 {
        steps.push(similar::DiffOp::Equal {
            old_index: head + old_middle,
            new_index: head + new_middle,
            len: tail,
        });
    }
    steps
}

#[cfg(test)]
#[path = "hunks_tests.rs"]
mod tests;
