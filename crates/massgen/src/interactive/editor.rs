//! Where lines come from: a terminal with editing, history and completion.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use rustyline::completion::Completer;
use rustyline::config::{Behavior, BellStyle, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::completion::{Completion, Offers, complete};
use super::line::goes_on;
use crate::at_paths::Files;
use crate::environment::Environment;

/// Lines that are kept for later sessions.
const HISTORY_LINES: usize = 1000;

/// Longest line that is kept.
const HISTORY_LINE_BYTES: usize = 16 * 1024;

/// Longest history file that is read: what [`HISTORY_LINES`] can take, with every character escaped.
const HISTORY_BYTES: u64 = 2 * (HISTORY_LINES * HISTORY_LINE_BYTES) as u64;

/// What came from the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// A line, or several between delimiters.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// Where lines come from.
pub(crate) trait Editor: Send + 'static {
    /// Waits for the next input.
    fn read(&mut self, prompt: &str, offers: &Offers) -> io::Result<Read>;

    /// Keeps `text`, so that it can be called back. After an error it is only kept until the end of the session.
    fn remember(&mut self, text: &str) -> io::Result<()>;
}

/// What keeps secrets out of a text.
pub(crate) type Redact = Box<dyn Fn(&str) -> String + Send>;

/// What the line editor of a terminal can be.
enum Reader {
    /// Keys are edited as they come.
    Keys(Box<rustyline::Editor<Assistant, FileHistory>>),
    /// Whole lines: the terminal understands nothing of editing.
    Lines(Box<FileHistory>),
}

/// The terminal of the process.
pub(crate) struct Terminal {
    reader: Reader,
    history: Option<PathBuf>,
    redact: Redact,
}

impl Terminal {
    /// The terminal, with the lines of earlier sessions in `history`, what keeps keys out of that file, and where
    /// paths are looked for. Also tells what is not as it should be.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(crate) fn open(
        history: Option<PathBuf>,
        redact: Redact,
        environment: Environment,
    ) -> io::Result<(Self, Option<String>)> {
        // With an answer that goes to a file, the prompt must not go there too.
        let behavior =
            if io::IsTerminal::is_terminal(&io::stdout()) { Behavior::Stdio } else { Behavior::PreferTerm };
        let config = Config::builder()
            .behavior(behavior)
            .bell_style(BellStyle::None)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .max_history_size(HISTORY_LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(problem)?
            .history_ignore_space(true)
            .build();
        let mut kept = FileHistory::with_config(&config);
        let (history, remark) = match history.map(|path| load(&mut kept, &path).map(|()| path)) {
            None => (None, None),
            Some(Ok(path)) => (Some(path), None),
            Some(Err(error)) => (None, Some(format!("warning: lines are not kept for later: {error}"))),
        };
        let reader = if can_edit(environment.get("TERM").as_deref()) {
            let mut editor = rustyline::Editor::with_history(config, kept).map_err(problem)?;
            editor.set_helper(Some(Assistant { offers: Offers::default(), environment }));
            Reader::Keys(Box::new(editor))
        } else {
            Reader::Lines(Box::new(kept))
        };
        Ok((Self { reader, history, redact }, remark))
    }
}

impl Editor for Terminal {
    fn read(&mut self, prompt: &str, offers: &Offers) -> io::Result<Read> {
        let editor = match &mut self.reader {
            Reader::Keys(editor) => editor,
            Reader::Lines(_) => return read_lines(prompt, &mut io::stdin().lock(), &mut io::stderr()),
        };
        if let Some(assistant) = editor.helper_mut() {
            assistant.offers = offers.clone();
        }
        match editor.readline(prompt) {
            Ok(line) => Ok(Read::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Read::Interrupted),
            Err(ReadlineError::Eof) => Ok(Read::End),
            Err(error) => Err(problem(error)),
        }
    }

    fn remember(&mut self, text: &str) -> io::Result<()> {
        if text.len() > HISTORY_LINE_BYTES {
            return Ok(());
        }
        let kept = (self.redact)(text);
        let is_new = match &mut self.reader {
            Reader::Keys(editor) => editor.add_history_entry(kept),
            Reader::Lines(history) => history.add(&kept),
        };
        let is_new = is_new.map_err(problem)?;
        let mut append = |path: &Path| match &mut self.reader {
            Reader::Keys(editor) => editor.append_history(path),
            Reader::Lines(history) => history.append(path),
        };
        if let Some(path) = self.history.as_deref().filter(|_| is_new)
            && let Err(error) = append(path)
        {
            // Told once; what is typed from now on is kept in memory.
            self.history = None;
            return Err(problem(error));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("history", &self.history).finish_non_exhaustive()
    }
}

/// Reads the lines in `path`; makes it, for its owner only, when it is not there.
fn load(history: &mut FileHistory, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        create_private_folder(folder)?;
    }
    let file = fs_err::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    if size > HISTORY_BYTES {
        return Err(io::Error::other(format!("`{}` is too long ({size} bytes); remove it", path.display())));
    }
    if size == 0 {
        return Ok(());
    }
    history.load(path).map_err(|error| io::Error::other(format!("`{}`: {error}", path.display())))
}

/// Whether lines can be edited on a terminal of type `term`. Those that cannot are the ones that the line editor knows.
fn can_edit(term: Option<&str>) -> bool {
    let cannot = ["dumb", "cons25", "emacs"];
    term.is_none_or(|term| !cannot.iter().any(|known| term.eq_ignore_ascii_case(known)))
}

/// Asks with `prompt` on `out` for a line of `input`, or for several between delimiters. Stdout is for answers alone.
fn read_lines(prompt: &str, input: &mut impl BufRead, out: &mut impl Write) -> io::Result<Read> {
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let mut text = String::new();
    loop {
        let is_end = input.read_line(&mut text)? == 0;
        if is_end && text.is_empty() {
            // Nobody has pressed Enter, and whatever comes next begins on a line of its own.
            writeln!(out)?;
            return Ok(Read::End);
        }
        if is_end || !goes_on(&text) {
            return Ok(Read::Line(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
    }
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn problem(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// What helps while a line is typed.
struct Assistant {
    offers: Offers,
    environment: Environment,
}

impl Helper for Assistant {}
impl Highlighter for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<String>), ReadlineError> {
        let Completion { start, candidates } = complete(line, pos, &self.offers, &Files(&self.environment));
        Ok((start, candidates))
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult, ReadlineError> {
        Ok(if goes_on(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn history(path: &Path) -> io::Result<FileHistory> {
        let mut history = FileHistory::new();
        load(&mut history, path).map(|()| history)
    }

    #[test]
    fn the_history_is_for_its_owner_only_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".massgen/history");
        let mut first = history(&path).unwrap();
        first.add("a question\nin two lines").unwrap();
        first.append(&path).unwrap();
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let lines: Vec<_> = history(&path).unwrap().iter().cloned().collect();
        assert_eq!(lines, ["a question\nin two lines"]);
    }

    #[test]
    fn a_terminal_that_cannot_edit_gives_whole_lines_and_is_asked_beside_the_answers() {
        assert!(!can_edit(Some("dumb")) && !can_edit(Some("EMACS")));
        assert!(can_edit(Some("xterm-256color")) && can_edit(None));
        let mut input = "why?\r\n\n\"\"\"one\ntwo\n\"\"\"\nlast".as_bytes();
        let mut out = Vec::new();
        let mut read = || read_lines("> ", &mut input, &mut out).unwrap();
        let line = |text: &str| Read::Line(text.to_owned());
        assert_eq!([read(), read()], [line("why?"), line("")]);
        assert_eq!([read(), read()], [line("\"\"\"one\ntwo\n\"\"\""), line("last")]);
        assert_eq!(read(), Read::End);
        assert_eq!(out, b"> > > > > \n");
    }

    #[test]
    fn a_history_that_cannot_be_used_is_told_of_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        fs_err::write(&path, [0xff, 0xfe, b'\n']).unwrap();
        assert!(history(&path).err().unwrap().to_string().contains("history"));
        assert_eq!(fs_err::read(&path).unwrap(), [0xff, 0xfe, b'\n']);
        fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(HISTORY_BYTES + 1).unwrap();
        assert!(history(&path).err().unwrap().to_string().contains("too long"));
    }
}
