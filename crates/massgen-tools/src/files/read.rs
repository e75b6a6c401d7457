//! Tools that read files.

use massgen_protocol::limits::TOOL_FILE_BYTES;
use massgen_workspace::access::Place;
use serde_json::json;

use super::{FILESYSTEM, FileTool, Touches, known};
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::policy::Effect;
use crate::source::{Capability, Failed};

pub(super) static TOOLS: &[FileTool] = &[
    FileTool {
        server: FILESYSTEM,
        name: "read_text_file",
        description: "Read a text file. `head` or `tail` gives only its first or last lines.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "head": {"type": "integer", "minimum": 1},
                    "tail": {"type": "integer", "minimum": 1},
                },
                "required": ["path"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: read_text_file,
    },
    FileTool {
        server: FILESYSTEM,
        name: "read_multiple_files",
        description: "Read several text files. One that cannot be read does not hold up the others.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"paths": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
                "required": ["paths"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("paths", Effect::Read)]),
        run: read_multiple_files,
    },
];

fn read_text_file(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let text = text_of(desk, arguments.text("path")?)?;
    let lines = || text.split_inclusive('\n').collect::<Vec<_>>();
    match (arguments.count("head"), arguments.count("tail")) {
        (None, None) => Ok(text),
        (Some(head), None) => Ok(lines().into_iter().take(head).collect()),
        (None, Some(tail)) => {
            let lines = lines();
            let skipped = lines.len().saturating_sub(tail);
            Ok(lines.into_iter().skip(skipped).collect())
        }
        (Some(_), Some(_)) => Err(Failed::Error(
            "give either `head` or `tail`, not both; or none of them for the whole file".to_owned(),
        )),
    }
}

fn read_multiple_files(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let paths = arguments.texts("paths").unwrap_or_default();
    let mut failures = 0;
    let parts: Vec<String> = paths
        .iter()
        .map(|path| match text_of(desk, path) {
            Ok(text) => format!("{path}:\n{text}\n"),
            Err(Failed::Denied(why) | Failed::Error(why)) => {
                failures += 1;
                format!("{path}: {why}\n")
            }
        })
        .collect();
    let all = parts.join("---\n");
    if failures == paths.len() { Err(Failed::Error(all)) } else { Ok(all) }
}

/// The text of the file at `path`, which the agent knows from now on.
fn text_of(desk: &Desk, path: &str) -> Result<String, Failed> {
    let place = desk.existing(path)?;
    let text = text_at(&place)?;
    desk.note(place.path());
    Ok(text)
}

/// What helps with other files. Not every agent can run commands.
const KNOWS_ITS_FORMAT: &str = "if you can run commands, use a program that knows its format";

/// The text of a file.
pub(super) fn text_at(place: &Place) -> Result<String, Failed> {
    let path = place.path();
    if known::is_named_binary(path) {
        let hint =
            if known::is_named_media(path) { "use a tool that looks at media" } else { KNOWS_ITS_FORMAT };
        return Err(Failed::Error(format!("`{}` is no text file; {hint}", path.display())));
    }
    let bytes = place.read(TOOL_FILE_BYTES).map_err(|error| match error {
        massgen_workspace::access::Error::TooLarge { .. } => {
            Failed::Error(format!("{error}; if you can run commands, read parts of it with one"))
        }
        massgen_workspace::access::Error::NotAFile(_) => {
            Failed::Error(format!("{error}; list_directory shows what is in a folder"))
        }
        other => other.into(),
    })?;
    if known::is_binary(&bytes) {
        return Err(Failed::Error(format!("`{}` is no text file; {KNOWS_ITS_FORMAT}", path.display())));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failed::Error(format!(
            "`{}` is not written in UTF-8; if you can run commands, convert it with one",
            path.display()
        ))
    })
}
