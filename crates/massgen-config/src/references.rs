//! `@path` in a question: a file or folder that the agents are to see.
//!
//! `@path` asks for reading, `@path:w` for writing, `@"a path"` has spaces in it, `\@` is a plain `@`. A reference ends at
//! white space, at one of `, ; ! ? ) } ] > :`, or at a full stop that ends a sentence.
//!
//! What leads nowhere is a mistake when it looks like a path, and stays text otherwise. It looks like a path when
//!
//! * it stands in quotes, or asks for writing with `:w`;
//! * it begins with `/`, `./`, `../` or `~/`, or ends with `/`;
//! * the first of its parts is there (`@src/mian` where there is a `src`);
//! * its last part has the ending of a usual kind of file (`@notes.md`, and not `@app.route`).
//!
//! All else (`@media`, `@types/node`, `@pytest.mark.skip`) is text, and so is an address (`user@host.org`). Text with marks
//! of code in it, such as `@app.get("/x.md")`, is judged by what stands before the first mark, and not by its end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::context_paths::{self, ContextPath, Permission};

mod complete;
mod likeness;

pub use complete::{COMPLETIONS, complete, unfinished};

/// Longest reference, in bytes. The longest path that Linux takes is as long.
const LONGEST: usize = 4096;

/// Files of one folder from which on the folder itself is the better reference.
const CROWD: usize = 3;

/// Marks behind a path that has marks in it, as in `(see @app/[id].)`.
const MARKS_BEHIND: usize = 4;

/// What a question is read against.
pub trait PathProbe {
    /// What is at `path`, which is absolute; `None` when nothing is there or it cannot be seen.
    fn kind(&self, path: &Path) -> Option<PathKind>;

    /// What the folder at `path` holds: names and what they are, in any order.
    fn entries(&self, path: &Path) -> Vec<(String, PathKind)>;

    /// What `~/` stands for.
    fn home(&self) -> Option<&Path>;

    /// What relative paths start from, absolute.
    fn working_directory(&self) -> &Path;
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A folder.
    Folder,
    /// Anything else.
    File,
}

/// A path that a question names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The path, absolute.
    pub path: PathBuf,
    /// What is there.
    pub kind: PathKind,
    /// What is asked for; for a path that is named twice, the most of it.
    pub permission: Permission,
    /// How it is written, `@` included, where it stands first.
    pub was: String,
}

/// Something that looks like a path and leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// How it is written, `@` included.
    pub was: String,
    /// Where it was looked for, absolute.
    pub path: PathBuf,
}

/// A question, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The question with absolute paths in place of references and a plain `@` in place of `\@`. Where there is a
    /// reference, runs of spaces (but for indentation) are one space and the ends are trimmed.
    pub text: String,
    /// The paths, each once, in the order in which they stand.
    pub references: Vec<Reference>,
    /// What cannot be meant as text and is not there. While there is any, the question cannot be asked.
    pub missing: Vec<Missing>,
    /// Advice for a person.
    pub hints: Vec<String>,
}

impl Parsed {
    /// The references as context paths.
    pub fn context_paths(&self) -> Vec<ContextPath> {
        let context_path = |reference: &Reference| ContextPath {
            path: reference.path.to_string_lossy().into_owned(),
            permission: reference.permission,
            flag: "question",
        };
        self.references.iter().map(context_path).collect()
    }
}

/// Reads a question.
pub fn parse(text: &str, probe: &dyn PathProbe) -> Parsed {
    let mut pieces = Pieces::default();
    let mut references: Vec<Reference> = Vec::new();
    let mut missing: Vec<Missing> = Vec::new();
    let (mut places, mut absences) = (HashMap::new(), HashSet::new());
    let (mut rest, mut before) = (text, None);
    while let Some((plain, after)) = rest.split_once('@') {
        rest = after;
        if let Some(unescaped) = plain.strip_suffix('\\') {
            pieces.text(unescaped);
            pieces.text("@");
            before = Some('@');
            continue;
        }
        pieces.text(plain);
        let glued = plain.chars().next_back().or(before).is_some_and(is_part_of_a_word);
        before = Some('@');
        let found = match token(after) {
            Some(token) if !(glued && is_rest_of_an_address(after)) => token.resolve(probe),
            Some(_) | None => Found::Text,
        };
        match found {
            Found::Path { reference, length } => {
                pieces.path(&reference.path);
                let (token, behind) = after.split_at_checked(length).unwrap_or((after, ""));
                (rest, before) = (behind, token.chars().next_back());
                let place = *places.entry(reference.path.clone()).or_insert(references.len());
                match references.get_mut(place) {
                    Some(known) => known.permission = known.permission.max(reference.permission),
                    None => references.push(reference),
                }
            }
            Found::Nothing(absent) if !glued => {
                if absences.insert(absent.was.clone()) {
                    missing.push(absent);
                }
                pieces.text("@");
            }
            Found::Nothing(_) | Found::Text => pieces.text("@"),
        }
    }
    pieces.text(rest);
    let hints = hints(&references, probe);
    Parsed { text: pieces.assemble(), references, missing, hints }
}

/// Whether an `@` behind `c` stands in the middle of a word: of an address, a version, an option.
fn is_part_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.%+-/=#&~".contains(c)
}

/// Whether `after` goes on as an address does behind its `@`: a host with a top-level domain of two or more letters.
fn is_rest_of_an_address(after: &str) -> bool {
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(after.len());
    let host = after.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
    host.rsplit_once('.').is_some_and(|(domain, top)| {
        !domain.is_empty() && top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic())
    })
}

/// What stands behind an `@` and may be a path.
struct Token<'a> {
    /// The path as written, without quotes.
    path: &'a str,
    form: Form,
    /// Everything behind the `@`.
    after: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Quoted,
    Bare,
}

/// What a token turned out to be.
enum Found {
    Path {
        reference: Reference,
        /// Bytes that it takes behind the `@`, the permission included.
        length: usize,
    },
    Nothing(Missing),
    Text,
}

/// The token at the start of `after`, which follows an `@`.
fn token(after: &str) -> Option<Token<'_>> {
    if let Some(inside) = after.strip_prefix('"') {
        let end = inside.find(['"', '\n']).filter(|end| *end > 0 && *end <= LONGEST)?;
        let (path, behind) = inside.split_at_checked(end)?;
        return behind.starts_with('"').then_some(Token { path, form: Form::Quoted, after });
    }
    let path = after.get(..end_of_bare(after)?)?;
    (!path.is_empty()).then_some(Token { path, form: Form::Bare, after })
}

/// Where a path without quotes ends; `None` when an `@` stands in it or it is too long.
fn end_of_bare(after: &str) -> Option<usize> {
    let mut characters = after.char_indices().peekable();
    let mut only_dots = true;
    while let Some((at, c)) = characters.next() {
        if at > LONGEST || c == '@' {
            return None;
        }
        if c.is_whitespace() || ",;!?)}]>:".contains(c) {
            return Some(at);
        }
        let ends_a_sentence = characters.peek().is_none_or(|(_, next)| next.is_whitespace());
        if c == '.' && ends_a_sentence && !only_dots {
            return Some(at);
        }
        only_dots = if c == '/' { true } else { only_dots && c == '.' };
    }
    Some(after.len())
}

/// Whether `path` is read back whole without quotes around it.
fn is_bare(path: &str) -> bool {
    end_of_bare(path) == Some(path.len()) && !path.starts_with('"')
}

impl Token<'_> {
    fn resolve(&self, probe: &dyn PathProbe) -> Found {
        let mut candidates = vec![self.path];
        if self.form == Form::Bare {
            candidates.splice(0..0, longer(self.path, self.after));
            candidates.extend(shorter(self.path));
        }
        for candidate in candidates.iter().filter(|candidate| !is_a_full_stop(candidate, self.form)) {
            let path = absolute(candidate, probe);
            let Some(kind) = probe.kind(&path) else { continue };
            let length = match self.form {
                Form::Quoted => candidate.len() + 2,
                Form::Bare => candidate.len(),
            };
            let permission = asked_permission(self.after.get(length..).unwrap_or_default());
            let was = self.written(candidate, permission);
            let length = match permission {
                Permission::Read => length,
                Permission::Write => length + WRITE.len(),
            };
            return Found::Path { reference: Reference { path, kind, permission, was }, length };
        }
        let last = candidates.last().copied().unwrap_or(self.path);
        if !is_a_full_stop(last, self.form)
            && (self.form == Form::Quoted || likeness::looks_like_a_path(last, self.after, probe))
        {
            return Found::Nothing(Missing {
                was: self.written(last, Permission::Read),
                path: absolute(last, probe),
            });
        }
        Found::Text
    }

    /// How a candidate stands in the question.
    fn written(&self, candidate: &str, permission: Permission) -> String {
        let path = match self.form {
            Form::Quoted => format!("@\"{candidate}\""),
            Form::Bare => format!("@{candidate}"),
        };
        match permission {
            Permission::Read => path,
            Permission::Write => path + WRITE,
        }
    }
}

/// What asks for writing.
const WRITE: &str = ":w";

fn asked_permission(behind: &str) -> Permission {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    match behind.strip_prefix(WRITE) {
        Some(rest) if !goes_on(rest) => Permission::Write,
        Some(_) | None => Permission::Read,
    }
}

/// `@.` and `@...` are punctuation; the folder is `@./`.
fn is_a_full_stop(candidate: &str, form: Form) -> bool {
    form == Form::Bare
        && (candidate == "." || candidate.starts_with("...") && candidate.trim_matches('.').is_empty())
}

/// What a path without quotes is when that is there: names such as `[id]` have marks in them that end a reference.
fn longer<'a>(path: &str, after: &'a str) -> Vec<&'a str> {
    let end = after.find(|c: char| c.is_whitespace() || ":@\"".contains(c)).unwrap_or(after.len());
    let word = after.get(..end.min(after.floor_char_boundary(LONGEST))).unwrap_or_default();
    let without_mark = |word: &&'a str| word.strip_suffix([',', ';', '!', '?', ')', '}', ']', '>', '.']);
    let words = std::iter::successors(Some(word), without_mark).take(MARKS_BEHIND + 1);
    words.take_while(|candidate| candidate.len() > path.len()).collect()
}

/// What else a path without quotes may be when it is not there as written: without what closes a clause in scripts that
/// put no space behind it, then without marks and dots at its end.
fn shorter(path: &str) -> Vec<&str> {
    const CLOSING: &[char] =
        &['，', '。', '、', '；', '：', '！', '？', '）', '】', '」', '』', '》', '”', '’', '…'];
    const MARKS: &[char] = &['"', '\'', '`', '*', '_', '.', '|'];
    let clause = path.find(CLOSING).and_then(|end| path.get(..end)).unwrap_or(path);
    let bare = clause.trim_end_matches(MARKS);
    let mut shorter: Vec<&str> = Vec::new();
    for candidate in [clause, bare] {
        if !candidate.is_empty() && candidate.len() < shorter.last().map_or(path.len(), |last| last.len()) {
            shorter.push(candidate);
        }
    }
    shorter
}

/// `written` as an absolute path.
fn absolute(written: &str, probe: &dyn PathProbe) -> PathBuf {
    let home = probe.home().map(Path::to_string_lossy);
    context_paths::absolute(written, probe.working_directory(), home.as_deref())
}

/// `path` as a person in the working directory would write it.
fn shown(path: &Path, probe: &dyn PathProbe) -> String {
    path.strip_prefix(probe.working_directory()).unwrap_or(path).display().to_string()
}

fn hints(references: &[Reference], probe: &dyn PathProbe) -> Vec<String> {
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    for reference in references.iter().filter(|reference| reference.kind == PathKind::File) {
        if let Some(folder) = reference.path.parent() {
            *folders.entry(folder).or_default() += 1;
        }
    }
    let crowded = folders.iter().filter(|(_, files)| **files >= CROWD);
    let hint = |(folder, files): (&&Path, &usize)| {
        let name = shown(folder, probe);
        let name = if name.is_empty() { ".".to_owned() } else { name };
        let reference =
            if name.contains(char::is_whitespace) { format!("@\"{name}/\"") } else { format!("@{name}/") };
        format!("{files} files of one folder: `{reference}` names them all")
    };
    crowded.map(hint).collect()
}

/// The question on its way to a text.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Path(String),
}

impl Pieces {
    fn text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            Some(Piece::Path(_)) | None => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    fn path(&mut self, path: &Path) {
        self.pieces.push(Piece::Path(path.to_string_lossy().into_owned()));
    }

    fn assemble(self) -> String {
        let has_paths = self.pieces.iter().any(|piece| matches!(piece, Piece::Path(_)));
        let last = self.pieces.len().saturating_sub(1);
        let mut out = String::new();
        for (at, piece) in self.pieces.into_iter().enumerate() {
            match piece {
                Piece::Path(path) => out.push_str(&path),
                Piece::Text(text) if !has_paths => out.push_str(&text),
                Piece::Text(text) => {
                    let text = if at == 0 { text.trim_start() } else { &text };
                    push_with_single_spaces(&mut out, if at == last { text.trim_end() } else { text });
                }
            }
        }
        out
    }
}

/// Indentation stays: what is quoted may be code.
fn push_with_single_spaces(out: &mut String, text: &str) {
    let mut is_indentation = out.is_empty() || out.ends_with('\n');
    for c in text.chars() {
        if c == ' ' && !is_indentation && out.ends_with(' ') {
            continue;
        }
        is_indentation = c == '\n' || is_indentation && c == ' ';
        out.push(c);
    }
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
