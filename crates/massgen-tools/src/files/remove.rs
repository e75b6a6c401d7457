//! When a file may be removed.

use std::path::Path;

use massgen_protocol::limits::TOOL_ENTRIES;
use massgen_protocol::workspace::Deletion;
use massgen_workspace::access::{EntryKind, Place};

use super::folders::{Ignored, Onward, walk};
use super::known::{CRITICAL, is_made_again};
use crate::desk::Desk;
use crate::policy::Effect;
use crate::source::Failed;

/// Paths that one refusal names.
const NAMED: usize = 5;

/// Refuses to remove `place` when it is something that agents leave alone, or that this agent does not know.
pub(super) fn check(desk: &Desk, place: &Place) -> Result<(), Failed> {
    let path = place.path();
    desk.managed().decide_removal(path)?;
    if let Some(name) = critical(desk, path) {
        return Err(Failed::Denied(format!(
            "`{}` is not removed: `{name}` belongs to tools that are still needed",
            desk.shown(path)
        )));
    }
    check_rules(desk, place, Effect::Delete)?;
    match desk.deletion() {
        Deletion::Always => Ok(()),
        Deletion::AfterReading => check_known(desk, place),
    }
}

/// Refuses when a rule refuses it for `place` or for one thing in it.
pub(super) fn check_rules(desk: &Desk, place: &Place, effect: Effect) -> Result<(), Failed> {
    desk.check_rules(effect, place.path())?;
    if place.look()?.kind == EntryKind::Folder {
        let walked = walk(desk, &place.folder()?, Ignored::Seen, &mut |inside, _, _| {
            desk.check_rules(effect, inside.path())?;
            Ok(Onward::Go)
        })?;
        walked.whole(|| too_much(desk, place))?;
    }
    Ok(())
}

fn too_much(desk: &Desk, place: &Place) -> Failed {
    Failed::Denied(format!(
        "`{}` holds more than {TOOL_ENTRIES} files and folders; work on it in parts, or with a command",
        desk.shown(place.path())
    ))
}

/// The part of `path`, below what the agent was given, that is left alone.
pub(super) fn critical(desk: &Desk, path: &Path) -> Option<String> {
    let managed = desk.managed();
    let roots = managed.roots().iter().filter_map(|root| path.strip_prefix(&root.path).ok());
    let below = roots.min_by_key(|rest| rest.components().count())?;
    let names = below.components().filter_map(|part| part.as_os_str().to_str());
    names.into_iter().find(|name| CRITICAL.contains(name)).map(str::to_owned)
}

fn check_known(desk: &Desk, place: &Place) -> Result<(), Failed> {
    let is_known = |place: &Place| -> Result<bool, Failed> {
        let told = place.look()?;
        let needs_no_reading = told.kind != EntryKind::File || told.size == 0;
        Ok(needs_no_reading || is_made_again(place.path()) || desk.knows(place.path()))
    };
    let mut unknown = Vec::new();
    if place.look()?.kind == EntryKind::Folder {
        if is_made_again(place.path()) {
            return Ok(());
        }
        let walked = walk(desk, &place.folder()?, Ignored::Seen, &mut |inside, _, kind| {
            if kind == EntryKind::Folder && is_made_again(inside.path()) {
                return Ok(Onward::Past);
            }
            if !is_known(inside)? {
                unknown.push(desk.shown(inside.path()));
            }
            Ok(if unknown.len() > NAMED { Onward::Stop } else { Onward::Go })
        })?;
        walked.whole(|| too_much(desk, place))?;
    } else if !is_known(place)? {
        unknown.push(desk.shown(place.path()));
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let more = if unknown.len() > NAMED { " and others" } else { "" };
    unknown.truncate(NAMED);
    Err(Failed::Denied(format!(
        "read before you delete: you have neither read nor made `{}`{more}. Read them first (get_file_info is enough \
         for files that are no text), then delete.",
        unknown.join("`, `")
    )))
}
