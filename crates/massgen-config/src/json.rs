//! JSON is read by the reader of YAML, which knows the place of every value. What YAML allows beyond JSON is refused here
//! first: another program that reads the same file would refuse it too.

use crate::node::SyntaxError;
use crate::source::{Source, Span};

/// What to do about a text that is YAML, or nothing, but not JSON.
const HINT: &str = "JSON has no comments and no comma before a closing bracket; YAML has both, under a name that ends in `.yaml`";

/// What to do about a text that ends too early.
const CLOSE: &str = "add the quotes and brackets that are missing at the end, or the rest of the file";

/// Checks that the text is JSON. One without any value is left to the reader, which says so.
///
/// # Errors
/// The first place where it is not.
pub(crate) fn check(source: &Source) -> Result<(), SyntaxError> {
    let text = source.text();
    let bare = text.trim_start_matches('\u{feff}');
    if bare.trim().is_empty() {
        return Ok(());
    }
    let Err(error) = serde_json::from_str::<serde_json::Value>(bare) else {
        return Ok(());
    };
    let problem = problem(&error);
    // How deep a configuration may be is for the reader to say.
    if problem == "recursion limit exceeded" {
        return Ok(());
    }
    let message = format!("this is not JSON: {problem}");
    let hint = if error.is_eof() { CLOSE } else { HINT };
    Err(SyntaxError { message, span: span(&error, text), hint })
}

/// What is wrong, without the place.
fn problem(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "it ends before all that was opened is closed".to_owned();
    }
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem).to_owned()
}

/// The place of the error in `text`. The parser counts columns in bytes, a person in characters.
fn span(error: &serde_json::Error, text: &str) -> Option<Span> {
    let before: usize = text.split_inclusive('\n').take(error.line().checked_sub(1)?).map(str::len).sum();
    let line = text.get(before..)?.split('\n').next()?;
    let into = line.floor_char_boundary(error.column().saturating_sub(1));
    let column = line.get(..into)?.chars().count() + 1;
    Some(Span {
        line: u32::try_from(error.line()).ok()?,
        column: u32::try_from(column).ok()?,
        start: before + into,
        length: line.get(into..)?.chars().next().map_or(0, char::len_utf8),
    })
}
