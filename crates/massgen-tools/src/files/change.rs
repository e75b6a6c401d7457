//! Tools that make and change files.

use massgen_workspace::access::{EntryKind, Found, Last, Place};
use serde_json::json;

use super::{FILESYSTEM, FileTool, Touches, edit, remove};
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::policy::Effect;
use crate::source::{Capability, Failed};

pub(super) static TOOLS: &[FileTool] = &[
    FileTool {
        server: FILESYSTEM,
        name: "write_file",
        description: "Make a file, with the folders around it, or replace one that you have made or read.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
                "required": ["path", "content"],
            })
        },
        does: &[Capability::Writes],
        touches: Touches::Named(&[("path", Effect::Write)]),
        run: write_file,
    },
    FileTool {
        server: FILESYSTEM,
        name: "edit_file",
        description: "Replace parts of a text file. Each `oldText` must be found exactly once. Returns the difference; \
                      `dryRun` only shows it.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "edits": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "properties": {"oldText": {"type": "string"}, "newText": {"type": "string"}},
                            "required": ["oldText", "newText"],
                        },
                    },
                    "dryRun": {"type": "boolean"},
                },
                "required": ["path", "edits"],
            })
        },
        does: &[Capability::Reads, Capability::Writes],
        touches: Touches::Edited,
        run: edit::edit_file,
    },
    FileTool {
        server: FILESYSTEM,
        name: "create_directory",
        description: "Make a folder and the folders around it.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            })
        },
        does: &[Capability::Writes],
        touches: Touches::Named(&[("path", Effect::Write)]),
        run: create_directory,
    },
    FileTool {
        server: FILESYSTEM,
        name: "move_file",
        description: "Move or rename a file or folder. Nothing may be at the destination.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"source": {"type": "string"}, "destination": {"type": "string"}},
                "required": ["source", "destination"],
            })
        },
        does: &[Capability::Reads, Capability::Writes],
        // What is somewhere else can be read under another name.
        touches: Touches::Named(&[
            ("source", Effect::Write),
            ("source", Effect::Read),
            ("destination", Effect::Write),
        ]),
        run: move_file,
    },
];

fn write_file(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let content = arguments.text("content")?;
    let place = match desk.find(arguments.text("path")?, Last::Followed)? {
        Found::There(place) => {
            check_known(desk, &place, "read it first, or change parts of it with edit_file")?;
            place
        }
        Found::Missing(gap) => gap.into_place()?,
    };
    place.replace(content.as_bytes())?;
    desk.note(place.path());
    Ok(format!("wrote {} bytes to `{}`", content.len(), desk.shown(place.path())))
}

/// Refuses to replace a file with something in it that the agent has not read; `instead` says what it can do.
pub(super) fn check_known(desk: &Desk, place: &Place, instead: &str) -> Result<(), Failed> {
    let told = place.look()?;
    if told.kind == EntryKind::File && told.size > 0 && !desk.knows(place.path()) {
        let path = desk.shown(place.path());
        return Err(Failed::Denied(format!("`{path}` exists, and you have not read it; {instead}")));
    }
    Ok(())
}

fn create_directory(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let path = match desk.find(arguments.text("path")?, Last::Followed)? {
        Found::There(place) => {
            if place.look()?.kind != EntryKind::Folder {
                return Err(massgen_workspace::access::Error::Exists(place.path().to_path_buf()).into());
            }
            return Ok(format!("`{}` is there already", desk.shown(place.path())));
        }
        Found::Missing(gap) => {
            let place = gap.into_place()?;
            place.make_folder()?;
            place.path().to_path_buf()
        }
    };
    Ok(format!("made the folder `{}`", desk.shown(&path)))
}

fn move_file(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let source = desk.find(arguments.text("source")?, Last::AsItIs)?.there()?;
    let target = match desk.find(arguments.text("destination")?, Last::AsItIs)? {
        Found::There(place) => {
            let path = desk.shown(place.path());
            return Err(Failed::Error(format!(
                "`{path}` exists already; remove it first or choose another name"
            )));
        }
        Found::Missing(gap) => {
            // Refused before folders are made for it.
            desk.managed().decide_removal(source.path())?;
            for effect in [Effect::Write, Effect::Read] {
                remove::check_rules(desk, &source, effect)?;
            }
            gap.into_place()?
        }
    };
    source.move_to(&target)?;
    desk.follow(source.path(), target.path());
    Ok(format!("moved `{}` to `{}`", desk.shown(source.path()), desk.shown(target.path())))
}
