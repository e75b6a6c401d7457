//! The text of a patch, read.

/// What begins the line before everything.
const BEGIN: &str = "*** Begin Patch";

/// What ends a patch.
const END: &str = "*** End Patch";

/// A patch: what happens to which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch(pub(super) Vec<Change>);

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It is made.
    Add { path: String, content: String },
    /// It is removed.
    Delete { path: String },
    /// It is changed, and moved if `to` is there.
    Update { path: String, to: Option<String>, hunks: Vec<Hunk> },
}

/// One place in a file that changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    /// Lines that come before it, somewhere, outermost first.
    pub(super) after: Vec<String>,
    /// Its lines.
    pub(super) lines: Vec<Line>,
    /// Whether it is the end of the file.
    pub(super) end: End,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// It stays.
    Kept(String),
    /// It goes.
    Removed(String),
    /// It comes.
    Added(String),
}

/// Whether a hunk is the end of its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    /// It may stand anywhere.
    #[default]
    Open,
    /// It is.
    OfFile,
}

/// What is wrong with a patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("the patch must begin with `{BEGIN}` and end with `{END}`")]
    NoFrame,
    #[error("the patch changes nothing")]
    Empty,
    #[error(
        "line {line} of the patch, `{text}`, is not understood; a file begins with `*** Add File: `, `*** Update File: ` \
         or `*** Delete File: `, lines of a new file with `+`, lines of a hunk with a space, `-`, `+` or `@@`"
    )]
    NotUnderstood { line: usize, text: String },
    #[error("line {line} of the patch names no file")]
    NoPath { line: usize },
    #[error("`{path}` has no hunk")]
    NoHunk { path: String },
}

pub(super) fn parse(text: &str) -> Result<Patch, Problem> {
    let mut lines: Vec<(usize, &str)> =
        text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
    while lines.last().is_some_and(|(_, line)| line.trim().is_empty()) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|(_, line)| line.trim().is_empty()).count();
    lines.drain(..blank);
    let [(_, first), body @ .., (_, last)] = lines.as_slice() else { return Err(Problem::NoFrame) };
    if first.trim() != BEGIN || last.trim() != END {
        return Err(Problem::NoFrame);
    }
    let mut changes: Vec<Change> = Vec::new();
    for (line, text) in body {
        let named = |name: &str| {
            let path = name.trim().to_owned();
            if path.is_empty() { Err(Problem::NoPath { line: *line }) } else { Ok(path) }
        };
        if let Some(path) = text.strip_prefix("*** Add File:") {
            changes.push(Change::Add { path: named(path)?, content: String::new() });
        } else if let Some(path) = text.strip_prefix("*** Delete File:") {
            changes.push(Change::Delete { path: named(path)? });
        } else if let Some(path) = text.strip_prefix("*** Update File:") {
            changes.push(Change::Update { path: named(path)?, to: None, hunks: Vec::new() });
        } else {
            let not_understood =
                || Problem::NotUnderstood { line: *line, text: text.chars().take(80).collect() };
            match changes.last_mut() {
                Some(Change::Add { content, .. }) => {
                    content.push_str(text.strip_prefix('+').ok_or_else(not_understood)?);
                    content.push('\n');
                }
                Some(Change::Update { to, hunks, .. }) => {
                    if let Some(path) = text.strip_prefix("*** Move to:") {
                        *to = Some(named(path)?);
                    } else {
                        hunk_line(hunks, text).ok_or_else(not_understood)?;
                    }
                }
                Some(Change::Delete { .. }) | None => return Err(not_understood()),
            }
        }
    }
    for change in &changes {
        if let Change::Update { path, to: None, hunks } = change
            && hunks.iter().all(|hunk| hunk.lines.is_empty())
        {
            return Err(Problem::NoHunk { path: path.clone() });
        }
    }
    if changes.is_empty() { Err(Problem::Empty) } else { Ok(Patch(changes)) }
}

/// Adds a line to the hunks of a file; `None` when it is none.
fn hunk_line(hunks: &mut Vec<Hunk>, text: &str) -> Option<()> {
    if let Some(header) = text.strip_prefix("@@") {
        let header = header.trim();
        // `@@ -1,2 +3,4 @@` of other formats says nothing that is needed.
        let header = if header.starts_with('-') { "" } else { header.trim_end_matches("@@").trim_end() };
        let is_new = hunks.last().is_none_or(|hunk| !hunk.lines.is_empty());
        if is_new {
            hunks.push(Hunk::default());
        }
        if !header.is_empty() {
            hunks.last_mut()?.after.push(header.to_owned());
        }
        return Some(());
    }
    if hunks.is_empty() {
        hunks.push(Hunk::default());
    }
    let hunk = hunks.last_mut()?;
    if text.trim_end() == "*** End of File" {
        hunk.end = End::OfFile;
        return Some(());
    }
    let line = match text.split_at_checked(1) {
        // Editors take the space of an empty line away.
        None => Line::Kept(String::new()),
        Some((" ", rest)) => Line::Kept(rest.to_owned()),
        Some(("-", rest)) => Line::Removed(rest.to_owned()),
        Some(("+", rest)) => Line::Added(rest.to_owned()),
        Some(_) => return None,
    };
    hunk.lines.push(line);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_of_every_kind_is_read() {
        let patch = parse(
            "\n*** Begin Patch\n*** Add File: a.txt\n+one\n+\n*** Delete File: b.txt\n*** Update File: c.rs\n\
             *** Move to: d.rs\n@@ mod x\n@@ fn y() {\n keep\n-old\n+new\n\n@@\n+end\n*** End of File\n*** End Patch\n\n",
        )
        .expect("a patch");
        insta::assert_debug_snapshot!(patch);
    }

    #[test]
    fn what_is_no_patch_is_told_with_its_line() {
        let told = [
            "",
            "*** Begin Patch",
            "*** Begin Patch\n*** End Patch",
            "*** Begin Patch\nwhat\n*** End Patch",
            "*** Begin Patch\n*** Add File:\n+a\n*** End Patch",
            "*** Begin Patch\n*** Add File: a\nno plus\n*** End Patch",
            "*** Begin Patch\n*** Update File: a\n*** End Patch",
            "*** Begin Patch\n*** Update File: a\n?x\n*** End Patch",
            "*** Begin Patch\n*** Delete File: a\n-x\n*** End Patch",
        ]
        .map(|text| format!("{text:?}\n  {}", parse(text).expect_err("no patch")));
        insta::assert_snapshot!(told.join("\n"));
    }
}
