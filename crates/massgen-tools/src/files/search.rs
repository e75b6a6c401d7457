//! Tools that search.

use massgen_protocol::limits::{
    SEARCH_BYTES, SEARCH_LINE_BYTES, SEARCH_MATCHES, SEARCH_RESULT_BYTES, TOOL_FILE_BYTES,
};
use massgen_protocol::size::size;
use massgen_workspace::access::{EntryKind, Error, Place};
use regex::{Regex, RegexBuilder};
use serde_json::json;

use super::folders::{Globs, Ignored, Onward, note, reason, walk};
use super::{FILESYSTEM, FileTool, Touches, WORKSPACE, known};
use crate::arguments::Arguments;
use crate::clean::clean;
use crate::desk::Desk;
use crate::policy::Effect;
use crate::preview::front;
use crate::source::{Capability, Failed};

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 1024 * 1024;

/// Lines around a match that can be asked for.
const CONTEXT: u64 = 10;

pub(super) static TOOLS: &[FileTool] = &[
    FileTool {
        server: FILESYSTEM,
        name: "search_files",
        description: "Find files and folders by name, in a folder and all folders in it. `*` and `?` work; without \
                      them, a part of the name is enough.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "pattern": {"type": "string"},
                    "excludePatterns": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["path", "pattern"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: search_files,
    },
    FileTool {
        server: WORKSPACE,
        name: "grep",
        description: "Find lines in text files by a regular expression. Files that .gitignore names are left out. \
                      `include` is a pattern of file names.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "pattern": {"type": "string"},
                    "path": {"type": "string"},
                    "include": {"type": "string"},
                    "ignore_case": {"type": "boolean"},
                    "context": {"type": "integer", "minimum": 0, "maximum": CONTEXT},
                },
                "required": ["pattern"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: grep,
    },
    FileTool {
        server: WORKSPACE,
        name: "glob",
        description: "Find files by a pattern such as `src/**/*.rs`. Files that .gitignore names are left out.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"pattern": {"type": "string"}, "path": {"type": "string"}},
                "required": ["pattern"],
            })
        },
        does: &[Capability::Reads],
        touches: Touches::Named(&[("path", Effect::Read)]),
        run: glob,
    },
];

fn search_files(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let pattern = arguments.text("pattern")?;
    let excluded = Globs::new(&arguments.texts("excludePatterns").unwrap_or_default())?;
    let is_pattern = pattern.contains(['*', '?', '[', '{']);
    let globs = Globs::new(if is_pattern { std::slice::from_ref(&pattern) } else { &[] })?;
    let part = pattern.to_lowercase();
    let fits = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_pattern { globs.matches(path) } else { name.to_lowercase().contains(&part) }
    };
    let start = desk.existing(arguments.text("path")?)?.folder()?;
    let mut found = Vec::new();
    let walked = walk(desk, &start, Ignored::Seen, &mut |place, path, _| {
        if excluded.matches(path) {
            return Ok(Onward::Past);
        }
        if fits(path) {
            found.push(desk.shown(place.path()));
        }
        Ok(if found.len() > SEARCH_MATCHES { Onward::Stop } else { Onward::Go })
    })?;
    Ok(format!("{}{}", listed(found), note(&walked)))
}

fn glob(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let globs = Globs::new(&[arguments.text("pattern")?])?;
    let start = desk.existing(arguments.optional("path").unwrap_or("."))?.folder()?;
    let mut found = Vec::new();
    let walked = walk(desk, &start, Ignored::Skipped, &mut |place, path, kind| {
        if kind != EntryKind::Folder && globs.matches(path) {
            found.push(desk.shown(place.path()));
        }
        Ok(if found.len() > SEARCH_MATCHES { Onward::Stop } else { Onward::Go })
    })?;
    Ok(format!("{}{}", listed(found), note(&walked)))
}

fn listed(mut found: Vec<String>) -> String {
    if found.is_empty() {
        return "nothing was found".to_owned();
    }
    let is_cut = found.len() > SEARCH_MATCHES;
    found.truncate(SEARCH_MATCHES);
    if is_cut {
        found.push(format!(
            "(only the first {SEARCH_MATCHES} are shown; use a narrower pattern for the rest)"
        ));
    }
    found.join("\n")
}

fn grep(desk: &Desk, arguments: Arguments<'_>) -> Result<String, Failed> {
    let pattern = arguments.text("pattern")?;
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(arguments.is_on("ignore_case"))
        .size_limit(PATTERN_BYTES)
        .build()
        .map_err(|error| {
            Failed::Error(format!(
                "the pattern is no regular expression: {error}; escape special characters with \\"
            ))
        })?;
    let include = arguments.optional("include").map(|pattern| Globs::new(&[pattern])).transpose()?;
    let mut search = Search {
        regex,
        context: arguments.count("context").unwrap_or_default(),
        lines: Vec::new(),
        matches: 0,
        told: 0,
        read: 0,
        end: None,
    };
    let start = desk.existing(arguments.optional("path").unwrap_or("."))?;
    if start.look()?.kind == EntryKind::File {
        search.file(desk, &start, &desk.shown(start.path()))?;
        return Ok(search.told());
    }
    let walked = walk(desk, &start.folder()?, Ignored::Skipped, &mut |place, path, kind| {
        let is_wanted = include.as_ref().is_none_or(|include| include.matches(path));
        if kind == EntryKind::File && is_wanted {
            search.file(desk, place, &desk.shown(place.path()))?;
        }
        Ok(if search.end.is_some() { Onward::Stop } else { Onward::Go })
    })?;
    Ok(format!("{}{}", search.told(), note(&walked)))
}

struct Search {
    regex: Regex,
    context: usize,
    lines: Vec<String>,
    matches: usize,
    /// Bytes of all lines.
    told: usize,
    /// Bytes of files.
    read: u64,
    /// Why it has stopped.
    end: Option<End>,
}

/// What a search has had enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Matches,
    Lines,
    Files,
}

impl Search {
    /// Searches one file. What is no text or is gone has no lines; what cannot be read has one that says why.
    fn file(&mut self, desk: &Desk, place: &Place, shown: &str) -> Result<(), Failed> {
        if known::is_named_binary(place.path()) {
            return Ok(());
        }
        if self.read >= SEARCH_BYTES {
            self.end = Some(End::Files);
            return Ok(());
        }
        if desk.check_rules(Effect::Read, place.path()).is_err() {
            self.lines.push(format!("{shown}: not searched, the rules do not allow it"));
            return Ok(());
        }
        let bytes = match place.read(TOOL_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(Error::Refused(refusal)) => return Err(refusal.into()),
            Err(Error::TooLarge { .. }) => {
                self.lines.push(format!("{shown}: not searched, the file is too large"));
                return Ok(());
            }
            Err(error @ Error::System { .. }) => {
                self.lines.push(format!("{shown}: not searched, {}", reason(&error)));
                return Ok(());
            }
            Err(
                Error::Missing(_)
                | Error::Exists(_)
                | Error::NotAFolder(_)
                | Error::NotAFile(_)
                | Error::NotAPath
                | Error::TooManyLinks(_)
                | Error::TooMany { .. },
            ) => return Ok(()),
        };
        self.read = self.read.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        if known::is_binary(&bytes) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let mut shown_to = 0;
        for (at, line) in lines.iter().enumerate() {
            if !self.regex.is_match(line) {
                continue;
            }
            self.matches += 1;
            if self.matches > SEARCH_MATCHES {
                self.end = Some(End::Matches);
                return Ok(());
            }
            let from = at.saturating_sub(self.context).max(shown_to);
            let to = (at + self.context + 1).min(lines.len());
            if self.context > 0 && from > shown_to && !self.lines.is_empty() {
                self.lines.push("--".to_owned());
            }
            // A line that was shown as a neighbour is shown again as a match when it is one.
            for number in from.min(at)..to {
                let mark = if number == at { ':' } else { '-' };
                let line = clean(lines.get(number).copied().unwrap_or_default());
                let cut = front(&line, SEARCH_LINE_BYTES);
                let more = if cut.len() < line.len() { "…" } else { "" };
                let told = format!("{shown}{mark}{}{mark} {cut}{more}", number + 1);
                self.told += told.len();
                self.lines.push(told);
            }
            if self.told > SEARCH_RESULT_BYTES {
                self.end = Some(End::Lines);
                return Ok(());
            }
            shown_to = to;
        }
        Ok(())
    }

    fn told(mut self) -> String {
        let narrower = "use a narrower pattern, folder or `include`";
        self.lines.extend(self.end.map(|end| match end {
            End::Matches => format!("(only the first {SEARCH_MATCHES} lines are shown; {narrower})"),
            End::Lines => format!(
                "(only the first {} of lines are shown; {narrower}, or less `context`)",
                size(SEARCH_RESULT_BYTES.try_into().unwrap_or(u64::MAX))
            ),
            End::Files => {
                format!(
                    "(the search stopped after {} of files; use a smaller folder or `include`)",
                    size(SEARCH_BYTES)
                )
            }
        }));
        if self.lines.is_empty() { "nothing was found".to_owned() } else { self.lines.join("\n") }
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
