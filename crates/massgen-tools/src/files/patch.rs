//! One call that adds, changes, moves and deletes several files, all or none of them.

mod apply;
mod parse;

use massgen_workspace::access::{EntryKind, Found, Last, Place};
use serde_json::json;

use self::parse::{Change, Patch};
use super::read::text_at;
use super::{FileTool, Touches, WORKSPACE, remove};
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::policy::Effect;
use crate::source::{Capability, Failed};

pub(super) static TOOLS: &[FileTool] = &[FileTool {
    server: WORKSPACE,
    name: "apply_patch",
    description: "Change several files at once, all or none. Format: `*** Begin Patch`, then for each file \
                  `*** Add File: path` (lines with +), `*** Delete File: path`, or `*** Update File: path` (optionally \
                  `*** Move to: path`; then hunks: `@@ line before it`, lines with space, - or +), then `*** End Patch`.",
    parameters: || {
        json!({
            "type": "object",
            "properties": {"patch": {"type": "string"}},
            "required": ["patch"],
        })
    },
    does: &[Capability::Reads, Capability::Writes, Capability::Deletes],
    touches: Touches::Patch,
    run: apply_patch,
}];

/// What a patch touches, for the policy. A text that is no patch touches nothing: it is refused later.
pub(super) fn touched(arguments: Arguments<'_>) -> Vec<(Effect, String)> {
    let Some(Ok(patch)) = arguments.optional("patch").map(parse::parse) else { return Vec::new() };
    let mut touched = Vec::new();
    for change in patch.0 {
        match change {
            Change::Add { path, .. } => touched.push((Effect::Write, path)),
            Change::Delete { path } => touched.push((Effect::Delete, path)),
            Change::Update { path, to, .. } => {
                // Hunks that fit tell what is in it, and so does the place that it is moved to.
                touched.extend([(Effect::Write, path.clone()), (Effect::Read, path)]);
                touched.extend(to.map(|to| (Effect::Write, to)));
            }
        }
    }
    touched
}

/// What is done to one place, with what undoes it.
struct Step {
    place: Place,
    /// What was there.
    before: Option<Vec<u8>>,
    /// What is to be there.
    after: Option<String>,
}

fn apply_patch(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let nothing = |why: String| Failed::Error(format!("{why}. Nothing was changed."));
    let patch = parse::parse(arguments.text("patch")?).map_err(|problem| nothing(problem.to_string()))?;
    let mut lines = Vec::new();
    let steps = prepare(desk, patch, &mut lines).map_err(|failed| match failed {
        Failed::Error(why) => nothing(why),
        Failed::Denied(why) => Failed::Denied(format!("{why}. Nothing was changed.")),
    })?;
    for (index, step) in steps.iter().enumerate() {
        if let Err(error) = perform(&step.place, step.after.as_deref().map(str::as_bytes)) {
            let done = steps.get(..index).unwrap_or_default();
            let undone: Result<Vec<()>, Failed> =
                done.iter().rev().map(|step| perform(&step.place, step.before.as_deref())).collect();
            return Err(match undone {
                Ok(_) => nothing(format!("`{}`: {}", desk.shown(step.place.path()), why(error))),
                Err(worse) => Failed::Error(format!(
                    "{}; and what was done before could not be undone: {}. Look at the files.",
                    why(error),
                    why(worse)
                )),
            });
        }
    }
    for step in &steps {
        match step.after {
            Some(_) => desk.note(step.place.path()),
            None => desk.forget(step.place.path()),
        }
    }
    Ok(lines.join("\n"))
}

fn why(failed: Failed) -> String {
    match failed {
        Failed::Denied(why) | Failed::Error(why) => why,
    }
}

fn perform(place: &Place, content: Option<&[u8]>) -> Result<(), Failed> {
    match content {
        Some(bytes) => place.replace(bytes)?,
        None => place.remove()?,
    }
    Ok(())
}

/// Everything that can fail because of the patch fails here, before the first change. Only folders for new files are made.
fn prepare(desk: &Desk, patch: Patch, lines: &mut Vec<String>) -> Result<Vec<Step>, Failed> {
    let mut steps: Vec<Step> = Vec::new();
    let mut gaps = Vec::new();
    let mut touched = std::collections::BTreeSet::new();
    for change in patch.0 {
        let mut once = |path: &std::path::Path| {
            if touched.insert(path.to_path_buf()) {
                return Ok(());
            }
            Err(Failed::Error(format!("the patch names `{}` twice; put its hunks together", path.display())))
        };
        match change {
            Change::Add { path, content } => {
                let gap = missing(desk, &path)?;
                once(&gap.path())?;
                lines.push(format!("A {path}"));
                gaps.push((gap, content));
            }
            Change::Delete { path } => {
                let place = desk.find(&path, Last::AsItIs)?.there()?;
                once(place.path())?;
                if place.look()?.kind != EntryKind::File {
                    return Err(Failed::Error(format!("`{path}` is no file; use delete_file")));
                }
                remove::check(desk, &place)?;
                let before = Some(place.read(massgen_protocol::limits::TOOL_FILE_BYTES)?);
                lines.push(format!("D {path}"));
                steps.push(Step { place, before, after: None });
            }
            Change::Update { path, to, hunks } => {
                let place = desk.existing(&path)?;
                once(place.path())?;
                desk.managed().decide_change(place.path())?;
                let before = text_at(&place)?;
                let after = apply::apply(&before, &hunks)
                    .map_err(|problem| Failed::Error(format!("`{path}`: {problem}")))?;
                match to {
                    None => {
                        lines.push(format!("M {path}"));
                        steps.push(Step { place, before: Some(before.into_bytes()), after: Some(after) });
                    }
                    Some(to) => {
                        let gap = missing(desk, &to)?;
                        once(&gap.path())?;
                        desk.managed().decide_removal(place.path())?;
                        lines.push(format!("R {path} -> {to}"));
                        gaps.push((gap, after));
                        steps.push(Step { place, before: Some(before.into_bytes()), after: None });
                    }
                }
            }
        }
    }
    // New files first: a folder in the way is found before anything is lost.
    let mut new = Vec::new();
    for (gap, content) in gaps {
        new.push(Step { place: gap.into_place()?, before: None, after: Some(content) });
    }
    new.append(&mut steps);
    Ok(new)
}

fn missing(desk: &Desk, path: &str) -> Result<massgen_workspace::access::Gap, Failed> {
    match desk.find(path, Last::AsItIs)? {
        Found::There(place) => Err(Failed::Error(format!(
            "`{}` exists already; use `*** Update File:` to change it",
            desk.shown(place.path())
        ))),
        Found::Missing(gap) => {
            desk.managed().decide_change(&gap.path())?;
            Ok(gap)
        }
    }
}
