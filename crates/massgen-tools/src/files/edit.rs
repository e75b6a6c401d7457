//! Replacing parts of a text: the bytes around them stay as they are, line endings included.

use massgen_workspace::access::unified_diff;
use serde_json::Value;

use super::read::text_at;
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::source::Failed;

/// Lines around a change in the difference that is shown.
const CONTEXT: usize = 3;

const BYTE_ORDER_MARK: char = '\u{feff}';

pub(super) fn edit_file(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let place = desk.existing(arguments.text("path")?)?;
    let before = text_at(&place)?;
    let edits = arguments.0.get("edits").and_then(Value::as_array);
    let mut after = before.clone();
    for (index, edit) in edits.into_iter().flatten().enumerate() {
        let part = |name: &str| edit.get(name).and_then(Value::as_str).unwrap_or_default();
        after = replaced(&after, part("oldText"), part("newText"))
            .map_err(|why| Failed::Error(format!("edit {}: {why}. Nothing was changed.", index + 1)))?;
    }
    let shown = desk.shown(place.path());
    let diff = unified_diff(&before, &after, (&shown, &shown), CONTEXT);
    if diff.is_empty() {
        return Ok(format!("`{shown}` stays as it is: the edits change nothing"));
    }
    if arguments.is_on("dryRun") {
        return Ok(format!("this would change:\n{diff}"));
    }
    desk.managed().decide_change(place.path())?;
    place.replace(after.as_bytes())?;
    desk.note(place.path());
    Ok(diff)
}

/// `text` with `old` replaced by `new` at the one place where it is; an error says why not, for a model.
fn replaced(text: &str, old: &str, new: &str) -> Result<String, String> {
    let (mark, body) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => (text.get(..BYTE_ORDER_MARK.len_utf8()).unwrap_or_default(), body),
        None => ("", text),
    };
    if old.is_empty() {
        return Err("`oldText` is empty; give the text that is to be replaced".to_owned());
    }
    let carriage = carriage_returns(body);
    let in_file_endings = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
    let mut spellings = Vec::new();
    // In a file whose lines all end with a carriage return, new lines end like that too.
    if carriage != Carriage::Always {
        spellings.push((old.to_owned(), new.to_owned()));
    }
    if carriage != Carriage::Never {
        spellings.push((in_file_endings(old), in_file_endings(new)));
    }
    for (old, new) in &spellings {
        match body.matches(old.as_str()).count() {
            0 => {}
            1 => return Ok(format!("{mark}{}", body.replacen(old.as_str(), new, 1))),
            many => {
                return Err(format!(
                    "`oldText` is found {many} times; give more of the lines around it, so that it is found once"
                ));
            }
        }
    }
    let ending = if carriage == Carriage::Always { "\r\n" } else { "\n" };
    replaced_by_lines(body, old, new, ending).map(|body| format!("{mark}{body}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carriage {
    Always,
    Sometimes,
    Never,
}

fn carriage_returns(text: &str) -> Carriage {
    let (with, all) = (text.matches("\r\n").count(), text.matches('\n').count());
    match with {
        0 => Carriage::Never,
        some if some == all => Carriage::Always,
        _ => Carriage::Sometimes,
    }
}

/// Replaces whole lines that are the same but for the space at their ends. New lines are indented as the found ones.
fn replaced_by_lines(text: &str, old: &str, new: &str, ending: &str) -> Result<String, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let wanted: Vec<&str> = old.trim_matches(['\r', '\n']).lines().collect();
    let is_blank = wanted.iter().all(|line| line.trim().is_empty());
    let fits =
        |window: &[&str]| window.iter().zip(&wanted).all(|(line, wanted)| line.trim() == wanted.trim());
    let places: Vec<usize> = if is_blank {
        Vec::new()
    } else {
        lines.windows(wanted.len()).enumerate().filter(|(_, window)| fits(window)).map(|(at, _)| at).collect()
    };
    let at = match places.as_slice() {
        [at] => *at,
        [] => {
            return Err(
                "`oldText` is not in the file; read the file again and copy the text exactly".to_owned()
            );
        }
        many => {
            return Err(format!(
                "`oldText` is found {} times but for the space around lines; copy the text exactly, with more lines",
                many.len()
            ));
        }
    };
    let (before, rest) = lines.split_at(at);
    let (found, after) = rest.split_at(wanted.len());
    let there = found.first().map(|line| indentation(line)).unwrap_or_default();
    let written = wanted.first().map(|line| indentation(line)).unwrap_or_default();
    let mut changed = before.concat();
    let new = new.trim_matches(['\r', '\n']);
    let count = new.lines().count();
    for (index, line) in new.lines().enumerate() {
        match line.strip_prefix(written) {
            Some(rest) if !line.trim().is_empty() => changed.extend([there, rest]),
            Some(_) | None => changed.push_str(line),
        }
        let is_last =
            index + 1 == count && after.is_empty() && !found.last().is_some_and(|line| line.ends_with('\n'));
        if !is_last {
            changed.push_str(ending);
        }
    }
    changed.push_str(&after.concat());
    Ok(changed)
}

fn indentation(line: &str) -> &str {
    let rest = line.trim_start_matches([' ', '\t']);
    line.strip_suffix(rest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_replaced_where_it_is_found_once() {
        for (text, old, new, after) in [
            ("a b c", "b", "x", Ok("a x c")),
            ("a b b", "b", "x", Err("2 times")),
            ("a", "", "x", Err("empty")),
            ("a", "z", "x", Err("not in the file")),
            ("a\r\nb\r\nc\r\n", "a\nb\n", "1\n2\n", Ok("1\r\n2\r\nc\r\n")),
            ("a\r\nb\r\n", "a", "1\n2", Ok("1\r\n2\r\nb\r\n")),
            ("a\r\nb\nc\r\n", "b\nc", "x", Ok("a\r\nx\r\n")),
            ("a\r\nb\nc\r\nd\r\n", "c\nd", "x\ny", Ok("a\r\nb\nx\r\ny\r\n")),
            ("\u{feff}a\n", "a\n", "b\n", Ok("\u{feff}b\n")),
            ("no end", "end", "END", Ok("no END")),
            (
                "    if x:\n        y()\n",
                "if x:\n    y()",
                "if z:\n    y()\n    w()",
                Ok("    if z:\n        y()\n        w()\n"),
            ),
            ("a  \nb", "a\nb", "c", Ok("c")),
            ("\tx = 1\n\tx = 1\n", "x  = 1", "y", Err("not in the file")),
            ("\tx\n\n\tz\n", "x  \n\n", "y\n", Ok("\ty\n\n\tz\n")),
        ] {
            let got = replaced(text, old, new);
            match after {
                Ok(after) => assert_eq!(got.as_deref(), Ok(after), "{text:?}"),
                Err(part) => assert!(got.as_ref().is_err_and(|why| why.contains(part)), "{text:?}: {got:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn what_stands_around_a_replaced_text_stays_byte_for_byte(
            before in "[a-d \r\n]{0,20}", after in "[a-d \r\n]{0,20}", new in "[x-z]{0,5}",
        ) {
            let text = format!("{before}OLD{after}");
            prop_assert_eq!(replaced(&text, "OLD", &new), Ok(format!("{before}{new}{after}")));
        }
    }
}
