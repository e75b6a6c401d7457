//! Tools that list what is there.

use massgen_protocol::Timestamp;
use massgen_protocol::limits::TOOL_ENTRIES;
use massgen_protocol::workspace::Access;
use massgen_workspace::access::{Entry, EntryKind, Error, Folder};
use serde_json::{Value, json};

use super::folders::{Globs, reason};
use super::{FILESYSTEM, FileTool, Touches, known};
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::policy::Effect;
use crate::source::{Capability, Failed};

/// Levels of folders that a tree shows.
const LEVELS: usize = 32;

pub(super) static TOOLS: &[FileTool] = &[
    FileTool {
        server: FILESYSTEM,
        name: "list_directory",
        description: "List a folder.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: list_directory,
    },
    FileTool {
        server: FILESYSTEM,
        name: "list_directory_with_sizes",
        description: "List a folder with the sizes of files.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "sortBy": {"type": "string", "enum": ["name", "size"]},
                },
                "required": ["path"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: list_directory_with_sizes,
    },
    FileTool {
        server: FILESYSTEM,
        name: "directory_tree",
        description: "List a folder and all folders in it, as JSON.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "excludePatterns": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["path"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: directory_tree,
    },
    FileTool {
        server: FILESYSTEM,
        name: "get_file_info",
        description: "Tell size, times and permissions of a file or folder.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: get_file_info,
    },
    FileTool {
        server: FILESYSTEM,
        name: "list_allowed_directories",
        description: "List the folders and files that you may use.",
        parameters: || json!({"type": "object", "properties": {}}),
        does: &[],
        touches: Touches::Named(&[]),
        run: |desk, _| Ok(list_allowed_directories(desk)),
    },
];

fn list_directory(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let entries = desk.existing(arguments.text("path")?)?.folder()?.entries(TOOL_ENTRIES)?;
    if entries.is_empty() {
        return Ok("the folder is empty".to_owned());
    }
    let lines: Vec<String> = entries.iter().map(line).collect();
    Ok(lines.join("\n"))
}

fn list_directory_with_sizes(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let folder = desk.existing(arguments.text("path")?)?.folder()?;
    let mut rows = Vec::new();
    for entry in folder.entries(TOOL_ENTRIES)? {
        let size = match entry.kind {
            EntryKind::File => {
                folder.child(&entry.name).and_then(|place| place.look()).ok().map(|told| told.size)
            }
            EntryKind::Folder | EntryKind::Link | EntryKind::Other => None,
        };
        rows.push((entry, size));
    }
    if arguments.optional("sortBy") == Some("size") {
        rows.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    }
    let count = |kind| rows.iter().filter(|(entry, _)| entry.kind == kind).count();
    let total: u64 = rows.iter().filter_map(|(_, size)| *size).sum();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(entry, size)| match (entry.kind, size) {
            (EntryKind::File, Some(size)) => format!("{}  {size}", line(entry)),
            (EntryKind::File, None) => format!("{}  (its size is not known)", line(entry)),
            (EntryKind::Folder | EntryKind::Link | EntryKind::Other, _) => line(entry),
        })
        .collect();
    lines.push(String::new());
    lines.push(format!(
        "{} files, {} folders, {total} bytes",
        count(EntryKind::File),
        count(EntryKind::Folder)
    ));
    Ok(lines.join("\n"))
}

fn line(entry: &Entry) -> String {
    let kind = match entry.kind {
        EntryKind::File => "[FILE]",
        EntryKind::Folder => "[DIR]",
        EntryKind::Link => "[LINK]",
        EntryKind::Other => "[OTHER]",
    };
    format!("{kind} {}", entry.name.to_string_lossy())
}

fn directory_tree(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let folder = desk.existing(arguments.text("path")?)?.folder()?;
    let excluded = Globs::new(&arguments.texts("excludePatterns").unwrap_or_default())?;
    let mut left = TOOL_ENTRIES;
    let entries = folder.entries(left)?;
    let tree = branches(&folder, entries, "", &excluded, &mut left, LEVELS);
    serde_json::to_string_pretty(&tree).map_err(|error| Failed::Error(error.to_string()))
}

fn branches(
    folder: &Folder,
    entries: Vec<Entry>,
    below: &str,
    excluded: &Globs,
    left: &mut usize,
    levels: usize,
) -> Vec<Value> {
    let mut branches = Vec::new();
    for entry in entries {
        let name = entry.name.to_string_lossy();
        let path = if below.is_empty() { name.to_string() } else { format!("{below}/{name}") };
        if excluded.matches(&path) {
            continue;
        }
        *left = left.saturating_sub(1);
        branches.push(match entry.kind {
            EntryKind::Folder => {
                let children = match levels.checked_sub(1) {
                    Some(levels) => branches_of(folder, &entry, &path, excluded, left, levels),
                    None => vec![json!("deeper folders are not shown")],
                };
                json!({"name": name, "type": "directory", "children": children})
            }
            EntryKind::File | EntryKind::Link | EntryKind::Other => json!({"name": name, "type": "file"}),
        });
    }
    branches
}

/// What is in a folder; in its place, why that cannot be shown. The rest of the tree is shown all the same.
fn branches_of(
    folder: &Folder,
    entry: &Entry,
    path: &str,
    excluded: &Globs,
    left: &mut usize,
    levels: usize,
) -> Vec<Value> {
    let opened = folder.child(&entry.name).and_then(|place| place.folder());
    let listed = opened.and_then(|child| child.entries(*left).map(|entries| (child, entries)));
    match listed {
        Ok((child, entries)) => branches(&child, entries, path, excluded, left, levels),
        Err(Error::TooMany { .. }) => vec![json!("not shown: there is too much; name a smaller folder")],
        Err(error) => vec![json!(format!("not shown: {}", reason(&error)))],
    }
}

fn get_file_info(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let place = desk.existing(arguments.text("path")?)?;
    let told = place.look()?;
    // There is no other way to know a file that is no text.
    if told.kind == EntryKind::File && known::is_named_binary(place.path()) {
        desk.note(place.path());
    }
    let moment = |time: Timestamp| {
        jiff::Timestamp::from_microsecond(time.micros())
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default()
    };
    Ok(format!(
        "size: {}\nmodified: {}\naccessed: {}\nchanged: {}\nisDirectory: {}\nisFile: {}\npermissions: {:03o}",
        told.size,
        moment(told.modified),
        moment(told.accessed),
        moment(told.changed),
        told.kind == EntryKind::Folder,
        told.kind == EntryKind::File,
        told.permissions,
    ))
}

fn list_allowed_directories(desk: &Desk) -> String {
    let managed = desk.managed();
    let lines: Vec<String> = managed
        .roots()
        .iter()
        .map(|root| {
            let access = match root.access {
                Access::Read => "read",
                Access::Write => "read and write",
            };
            format!("{} ({access})", root.path.display())
        })
        .collect();
    format!("Paths that do not begin with / are in the first of these.\n{}", lines.join("\n"))
}
