//! Tools that copy, remove and compare, with results as JSON.

use std::collections::BTreeMap;

use massgen_protocol::limits::TOOL_ENTRIES;
use massgen_workspace::access::{EntryKind, Error, Folder, Found, Last, Place, unified_diff};
use serde_json::{Value, json};

use super::folders::{Globs, Ignored, Onward, walk};
use super::read::text_at;
use super::{FileTool, Touches, WORKSPACE, remove};
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::policy::Effect;
use crate::source::{Capability, Failed};

/// Lines of the difference of one file that a comparison of folders shows.
const DIFF_LINES: usize = 100;

/// Levels of folders that are copied.
const LEVELS: usize = 64;

/// Entries of a list that a result names.
const NAMED: usize = 200;

pub(super) static TOOLS: &[FileTool] = &[
    FileTool {
        server: WORKSPACE,
        name: "copy_file",
        description: "Copy a file or a folder.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "source_path": {"type": "string"},
                    "destination_path": {"type": "string"},
                    "overwrite": {"type": "boolean"},
                },
                "required": ["source_path", "destination_path"],
            })
        },
        does: &[Capability::Reads, Capability::Writes],
        touches: Touches::Named(&[("source_path", Effect::Read), ("destination_path", Effect::Write)]),
        run: |desk, arguments| told("copy_file", copy_file(desk, arguments)),
    },
    FileTool {
        server: WORKSPACE,
        name: "copy_files_batch",
        description: "Copy the files below a folder whose paths fit the patterns.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "source_base_path": {"type": "string"},
                    "destination_base_path": {"type": "string"},
                    "include_patterns": {"type": "array", "items": {"type": "string"}},
                    "exclude_patterns": {"type": "array", "items": {"type": "string"}},
                    "overwrite": {"type": "boolean"},
                },
                "required": ["source_base_path", "destination_base_path"],
            })
        },
        does: &[Capability::Reads, Capability::Writes],
        touches: Touches::Named(&[
            ("source_base_path", Effect::Read),
            ("destination_base_path", Effect::Write),
        ]),
        run: |desk, arguments| told("copy_files_batch", copy_files_batch(desk, arguments)),
    },
    FileTool {
        server: WORKSPACE,
        name: "delete_file",
        description: "Delete a file or an empty folder; with `recursive` a folder and all that is in it. Read files \
                      before you delete them.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"path": {"type": "string"}, "recursive": {"type": "boolean"}},
                "required": ["path"],
            })
        },
        does: &[Capability::Deletes],
        touches: Touches::Named(&[("path", Effect::Delete)]),
        run: |desk, arguments| told("delete_file", delete_file(desk, arguments)),
    },
    FileTool {
        server: WORKSPACE,
        name: "delete_files_batch",
        description: "Delete the files below a folder whose paths fit the patterns.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "base_path": {"type": "string"},
                    "include_patterns": {"type": "array", "items": {"type": "string"}},
                    "exclude_patterns": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["base_path"],
            })
        },
        does: &[Capability::Deletes],
        touches: Touches::Named(&[("base_path", Effect::Delete)]),
        run: |desk, arguments| told("delete_files_batch", delete_files_batch(desk, arguments)),
    },
    FileTool {
        server: WORKSPACE,
        name: "compare_directories",
        description: "Tell which files only one of two folders has, and which differ.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "dir1": {"type": "string"},
                    "dir2": {"type": "string"},
                    "show_content_diff": {"type": "boolean"},
                },
                "required": ["dir1", "dir2"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("dir1", Effect::Read), ("dir2", Effect::Read)]),
        run: |desk, arguments| told("compare_directories", compare_directories(desk, arguments)),
    },
    FileTool {
        server: WORKSPACE,
        name: "compare_files",
        description: "Show the difference of two text files.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "file1": {"type": "string"},
                    "file2": {"type": "string"},
                    "context_lines": {"type": "integer", "minimum": 0, "maximum": 100},
                },
                "required": ["file1", "file2"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("file1", Effect::Read), ("file2", Effect::Read)]),
        run: |desk, arguments| told("compare_files", compare_files(desk, arguments)),
    },
];

/// A result in the shape that these tools have.
fn told(operation: &str, result: Result<Value, Failed>) -> Result<String, Failed> {
    let failed =
        |error: String| json!({"success": false, "operation": operation, "error": error}).to_string();
    match result {
        Ok(details) => Ok(json!({"success": true, "operation": operation, "details": details}).to_string()),
        Err(Failed::Denied(why)) => Err(Failed::Denied(failed(why))),
        Err(Failed::Error(why)) => Err(Failed::Error(failed(why))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overwrite {
    Yes,
    No,
}

impl Overwrite {
    fn of(arguments: Arguments<'_>) -> Self {
        if arguments.is_on("overwrite") { Self::Yes } else { Self::No }
    }
}

fn copy_file(desk: &Desk, arguments: Arguments<'_>) -> Result<Value, Failed> {
    let source = desk.existing(arguments.text("source_path")?)?;
    let target = match desk.find(arguments.text("destination_path")?, Last::Followed)? {
        Found::There(place) => place,
        Found::Missing(gap) => gap.into_place()?,
    };
    if target.path().starts_with(source.path()) {
        let path = desk.shown(source.path());
        return Err(Failed::Error(format!(
            "`{path}` cannot be copied into itself; choose another destination"
        )));
    }
    let mut left = TOOL_ENTRIES;
    copy(desk, &source, &target, Overwrite::of(arguments), &mut left, LEVELS)?;
    Ok(json!({
        "source": desk.shown(source.path()),
        "destination": desk.shown(target.path()),
        "copied": TOOL_ENTRIES - left,
    }))
}

fn copy(
    desk: &Desk,
    source: &Place,
    target: &Place,
    overwrite: Overwrite,
    left: &mut usize,
    levels: usize,
) -> Result<(), Failed> {
    let Some(rest) = left.checked_sub(1) else {
        return Err(Failed::Error(format!("more than {TOOL_ENTRIES} files and folders; copy them in parts")));
    };
    *left = rest;
    let there = match target.look() {
        Ok(told) => Some(told.kind),
        Err(Error::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let kind = source.look()?.kind;
    if there.is_some() && overwrite == Overwrite::No {
        let path = desk.shown(target.path());
        return Err(Failed::Error(format!("`{path}` exists already; set `overwrite` to replace it")));
    }
    if there.is_some() {
        super::change::check_known(desk, target, "read it before you replace it")?;
    }
    match kind {
        EntryKind::Folder => {
            let Some(levels) = levels.checked_sub(1) else {
                return Err(Failed::Error(format!("folders are nested more than {LEVELS} deep")));
            };
            if there != Some(EntryKind::Folder) {
                target.make_folder()?;
            }
            let (from, to) = (source.folder()?, target.folder()?);
            for entry in from.entries(TOOL_ENTRIES)? {
                let (from, to) = (from.child(&entry.name)?, to.child(&entry.name)?);
                copy(desk, &from, &to, overwrite, left, levels)?;
            }
        }
        EntryKind::File => {
            desk.check_rules(Effect::Read, source.path())?;
            desk.check_rules(Effect::Write, target.path())?;
            let permissions = source.look()?.permissions;
            target.fill(&mut source.open()?, Some(permissions))?;
            // Whoever knows the one knows the other.
            if desk.knows(source.path()) || there.is_none() {
                desk.note(target.path());
            }
        }
        EntryKind::Link => {
            if there.is_some() {
                target.remove()?;
            }
            target.make_link(&source.link_says()?)?;
        }
        EntryKind::Other => {
            return Err(Failed::Error(format!(
                "`{}` is no file that can be copied",
                source.path().display()
            )));
        }
    }
    Ok(())
}

fn copy_files_batch(desk: &Desk, arguments: Arguments<'_>) -> Result<Value, Failed> {
    let source = desk.existing(arguments.text("source_base_path")?)?.folder()?;
    let files = chosen(desk, &source, arguments)?;
    let destination = arguments.text("destination_base_path")?.trim_end_matches('/');
    let target = desk.find(destination, Last::Followed)?.path();
    if target.starts_with(source.path()) && target != source.path() {
        let path = desk.shown(&target);
        return Err(Failed::Error(format!("`{path}` is inside the source; choose another destination")));
    }
    desk.managed().decide_change(&target)?;
    let (mut copied, mut skipped, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = TOOL_ENTRIES;
    for (path, place) in files {
        let result =
            desk.managed().find(target.join(&path), Last::AsItIs).map_err(Failed::from).and_then(|found| {
                let to = match found {
                    Found::There(_) if !arguments.is_on("overwrite") => return Ok(false),
                    Found::There(place) => place,
                    Found::Missing(gap) => gap.into_place()?,
                };
                copy(desk, &place, &to, Overwrite::of(arguments), &mut left, 1).map(|()| true)
            });
        match result {
            Ok(true) => copied.push(path),
            Ok(false) => skipped.push(path),
            Err(Failed::Denied(why) | Failed::Error(why)) => errors.push(format!("{path}: {why}")),
        }
    }
    Ok(json!({
        "summary": {"copied": copied.len(), "skipped": skipped.len(), "errors": errors.len()},
        "copied": named(copied),
        "skipped": named(skipped),
        "errors": named(errors),
    }))
}

fn delete_file(desk: &Desk, arguments: Arguments<'_>) -> Result<Value, Failed> {
    let place = desk.find(arguments.text("path")?, Last::AsItIs)?.there()?;
    remove::check(desk, &place)?;
    let is_folder = place.look()?.kind == EntryKind::Folder;
    if is_folder && arguments.is_on("recursive") {
        place.remove_tree()?;
    } else if is_folder && !place.folder()?.entries(TOOL_ENTRIES)?.is_empty() {
        return Err(Failed::Error(format!(
            "`{}` is a folder and not empty; set `recursive` to delete all that is in it",
            desk.shown(place.path())
        )));
    } else {
        place.remove()?;
    }
    desk.forget(place.path());
    Ok(json!({"deleted": desk.shown(place.path())}))
}

fn delete_files_batch(desk: &Desk, arguments: Arguments<'_>) -> Result<Value, Failed> {
    let base = desk.existing(arguments.text("base_path")?)?.folder()?;
    let (mut deleted, mut skipped, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (path, place) in chosen(desk, &base, arguments)? {
        if remove::critical(desk, place.path()).is_some() {
            skipped.push(path);
            continue;
        }
        match remove::check(desk, &place).and_then(|()| place.remove().map_err(Failed::from)) {
            Ok(()) => {
                desk.forget(place.path());
                deleted.push(path);
            }
            Err(Failed::Denied(why) | Failed::Error(why)) => errors.push(format!("{path}: {why}")),
        }
    }
    Ok(json!({
        "summary": {"deleted": deleted.len(), "skipped": skipped.len(), "errors": errors.len()},
        "deleted": named(deleted),
        "skipped": named(skipped),
        "errors": named(errors),
    }))
}

/// Files and links below `base` that the patterns of a call choose.
fn chosen(desk: &Desk, base: &Folder, arguments: Arguments<'_>) -> Result<Vec<(String, Place)>, Failed> {
    let included = Globs::new(&arguments.texts("include_patterns").unwrap_or_else(|| vec!["*"]))?;
    let excluded = Globs::new(&arguments.texts("exclude_patterns").unwrap_or_default())?;
    let mut files = Vec::new();
    let walked = walk(desk, base, Ignored::Seen, &mut |place, path, kind| {
        let is_chosen = kind != EntryKind::Folder && included.matches(path) && !excluded.matches(path);
        if is_chosen {
            files.push((path.to_owned(), place.clone()));
        }
        Ok(Onward::Go)
    })?;
    walked.whole(|| {
        Failed::Error(format!(
            "`{}` holds more than {TOOL_ENTRIES} files and folders; name a smaller one",
            desk.shown(base.path())
        ))
    })?;
    Ok(files)
}

fn compare_directories(desk: &Desk, arguments: Arguments<'_>) -> Result<Value, Failed> {
    let files = |name: &str| -> Result<BTreeMap<String, Place>, Failed> {
        let folder = desk.existing(arguments.text(name)?)?.folder()?;
        Ok(chosen(desk, &folder, Arguments(&serde_json::Map::new()))?.into_iter().collect())
    };
    let (first, second) = (files("dir1")?, files("dir2")?);
    let only = |here: &BTreeMap<String, Place>, there: &BTreeMap<String, Place>| {
        named(here.keys().filter(|path| !there.contains_key(*path)).cloned().collect())
    };
    let (mut different, mut identical, mut diffs) = (Vec::new(), Vec::new(), serde_json::Map::new());
    for (path, one) in &first {
        let Some(other) = second.get(path) else { continue };
        for place in [one, other] {
            desk.check_rules(Effect::Read, place.path())?;
        }
        if same(one, other)? {
            identical.push(path.clone());
            continue;
        }
        different.push(path.clone());
        if arguments.is_on("show_content_diff") && diffs.len() < NAMED {
            let diff = match (text_at(one), text_at(other)) {
                (Ok(before), Ok(after)) => {
                    let diff = unified_diff(
                        &before,
                        &after,
                        (&desk.shown(one.path()), &desk.shown(other.path())),
                        3,
                    );
                    let lines = diff.lines().count();
                    let mut shown: String = diff.split_inclusive('\n').take(DIFF_LINES).collect();
                    if lines > DIFF_LINES {
                        let rest = format!("(… {} more lines)\n", lines - DIFF_LINES);
                        shown.push_str(&rest);
                    }
                    shown
                }
                _ => "not both are text files".to_owned(),
            };
            diffs.insert(path.clone(), Value::String(diff));
        }
    }
    let mut details = json!({
        "only_in_dir1": only(&first, &second),
        "only_in_dir2": only(&second, &first),
        "different": named(different),
        "identical": named(identical),
    });
    if let (true, Some(details)) = (arguments.is_on("show_content_diff"), details.as_object_mut()) {
        details.insert("content_diffs".to_owned(), Value::Object(diffs));
    }
    Ok(details)
}

/// Whether two files hold the same bytes, or two links say the same.
fn same(one: &Place, other: &Place) -> Result<bool, Failed> {
    use std::io::Read;

    let (first, second) = (one.look()?, other.look()?);
    match (first.kind, second.kind) {
        (EntryKind::File, EntryKind::File) if first.size == second.size => {}
        (EntryKind::Link, EntryKind::Link) => return Ok(one.link_says()? == other.link_says()?),
        _ => return Ok(false),
    }
    let system = |error: std::io::Error| Failed::Error(format!("`{}`: {error}", one.path().display()));
    let mut first = std::io::BufReader::new(one.open()?).bytes();
    let mut second = std::io::BufReader::new(other.open()?).bytes();
    loop {
        match (first.next().transpose().map_err(system)?, second.next().transpose().map_err(system)?) {
            (None, None) => return Ok(true),
            (one, other) if one == other => {}
            _ => return Ok(false),
        }
    }
}

fn compare_files(desk: &Desk, arguments: Arguments<'_>) -> Result<Value, Failed> {
    let (first, second) =
        (desk.existing(arguments.text("file1")?)?, desk.existing(arguments.text("file2")?)?);
    let (before, after) = (text_at(&first)?, text_at(&second)?);
    for place in [&first, &second] {
        desk.note(place.path());
    }
    let names = (desk.shown(first.path()), desk.shown(second.path()));
    let context = arguments.count("context_lines").unwrap_or(3);
    let diff = unified_diff(&before, &after, (&names.0, &names.1), context);
    Ok(json!({"identical": before == after, "diff": diff}))
}

/// At most [`NAMED`] of a list, and how many more there are.
fn named(mut list: Vec<String>) -> Vec<String> {
    let more = list.len().saturating_sub(NAMED);
    list.truncate(NAMED);
    if more > 0 {
        list.push(format!("… and {more} more"));
    }
    list
}
