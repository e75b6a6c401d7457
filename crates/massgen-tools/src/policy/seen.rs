//! What a command line runs, as far as rules that refuse can see it: its commands, and those inside of others.
//!
//! Seen through are quotes, backslashes, `;`, `&&`, `|`, line breaks, groups, assignments and redirections before a
//! command, the folder of a program, `$(…)`, backquotes and `<(…)`, programs that run what stands after them (`sudo`,
//! `env`, `timeout 5`, `xargs`, `find -exec`, …), and lines that are given to a shell (`sh -c`, `bash -lc`, `eval`).
//!
//! Not seen: what a variable holds (`a=rm; $a x`), what a pattern of names becomes (`/bin/r?`), what is decoded or comes
//! from a file, a pipe or the network (`sh script`, `… | sh`), and what programs of other languages do
//! (`python -c`, `make`). Rules on command lines help against mistakes; the wall is the sandbox.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::CharIndices;

/// Lines inside of lines that are looked into.
const LEVELS: usize = 8;

/// Bytes of commands inside of others that are looked at.
const INNER_BYTES: usize = 1024 * 1024;

/// What a line is seen to run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Each command as it stands there, and as the shell reads it: its words without quotes and without what stands before
    /// its program, once with the folder of that and once without. `A=1 /bin/r"m" x` is `/bin/rm x` and `rm x` too.
    pub(crate) commands: Vec<String>,
    /// Whether that is all.
    pub(crate) clarity: Clarity,
    inner_bytes: usize,
}

/// How much of a line could be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Clarity {
    /// All that this module sees at all.
    #[default]
    Clear,
    /// It is cut off in the middle, too deep, or its program is what another command prints.
    Unclear,
}

/// What `line` runs.
pub(crate) fn seen(line: &str) -> Seen {
    let mut seen = Seen::default();
    seen.line(line, LEVELS);
    seen
}

/// How a program runs others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// The words after its options and after so many more.
    Words { after: usize },
    /// A line that follows the option `-c`.
    Line,
    /// The line that is its first word.
    FirstLine,
    /// The words after `-exec` and the like.
    Exec,
}

fn runs(name: &str, next: Option<&str>) -> Option<Runs> {
    Some(match name {
        "command" if next.is_some_and(|word| word.starts_with("-v") || word.starts_with("-V")) => {
            return None;
        }
        "builtin" | "busybox" | "chronic" | "command" | "doas" | "env" | "eval" | "exec" | "fakeroot"
        | "ionice" | "nice" | "nohup" | "parallel" | "pkexec" | "setpriv" | "setsid" | "stdbuf"
        | "strace" | "sudo" | "systemd-run" | "time" | "toybox" | "unbuffer" | "unshare" | "watch"
        | "xargs" => Runs::Words { after: 0 },
        "chroot" | "chrt" | "flock" | "ssh" | "taskset" | "timeout" => Runs::Words { after: 1 },
        "ash" | "bash" | "dash" | "fish" | "ksh" | "runuser" | "script" | "sh" | "su" | "zsh" => Runs::Line,
        "trap" => Runs::FirstLine,
        "find" => Runs::Exec,
        _ => return None,
    })
}

/// Words of the shell that stand before a command.
fn is_reserved(word: &str) -> bool {
    matches!(word, "!" | "{" | "}" | "coproc" | "do" | "elif" | "else" | "if" | "then" | "until" | "while")
}

pub(crate) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

impl Seen {
    fn line(&mut self, line: &str, levels: usize) {
        let Some(levels) = levels.checked_sub(1) else {
            self.clarity = Clarity::Unclear;
            return;
        };
        let Read { simple, inner, clarity, .. } = Read::of(line);
        if clarity == Clarity::Unclear {
            self.clarity = Clarity::Unclear;
        }
        for command in simple {
            self.commands.push(command.raw.trim().to_owned());
            self.command(&command.words, levels);
        }
        for line in inner {
            self.line(&line, levels);
        }
    }

    /// A command, and those inside of it. Each begins at one of the words.
    fn command(&mut self, words: &[Word], levels: usize) {
        let mut open = vec![0];
        let mut known = BTreeSet::from([0]);
        let mut lines = BTreeSet::new();
        while let Some(start) = open.pop() {
            let rest = words.get(start..).unwrap_or_default();
            let before = rest.iter().take_while(|word| is_assignment(&word.text) || is_reserved(&word.text));
            let start = start + before.count();
            let Some((program, arguments)) = words.get(start..).and_then(<[Word]>::split_first) else {
                continue;
            };
            if program.is_made {
                self.clarity = Clarity::Unclear;
            }
            let name = program.text.rsplit('/').next().unwrap_or(&program.text);
            let arguments: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
            let told = [&[program.text.as_str()], arguments.as_slice()].concat().join(" ");
            if start > 0 {
                self.inner_bytes = self.inner_bytes.saturating_add(told.len());
            }
            if self.inner_bytes > INNER_BYTES {
                self.clarity = Clarity::Unclear;
                return;
            }
            if name.len() < program.text.len() {
                self.commands.push(told.get(program.text.len() - name.len()..).unwrap_or(&told).to_owned());
            }
            self.commands.push(told);
            let Some(how) = runs(name, arguments.first().copied()) else { continue };
            for at in begins(how, &arguments) {
                let at = start + 1 + at;
                let Some(word) = words.get(at) else { continue };
                let is_line =
                    matches!(how, Runs::Line | Runs::FirstLine) || word.text.contains(char::is_whitespace);
                if is_line && lines.insert(at) {
                    self.line(word.text.strip_prefix("--command=").unwrap_or(&word.text), levels);
                } else if !is_line && known.insert(at) {
                    open.push(at);
                }
            }
        }
    }
}

/// The places in `arguments` where a command or a line may begin. A word after an option may belong to the option or be
/// the command, so both are places.
fn begins(how: Runs, arguments: &[&str]) -> Vec<usize> {
    let is_option = |word: &str| word.len() > 1 && word.starts_with('-');
    let numbered = || arguments.iter().copied().enumerate();
    match how {
        Runs::Words { mut after } => {
            let mut places = Vec::new();
            let mut belongs_to_option = false;
            for (at, word) in numbered() {
                if is_option(word) {
                    belongs_to_option = word != "--" && !word.contains('=');
                } else if !is_assignment(word) {
                    places.push(at);
                    if belongs_to_option {
                        belongs_to_option = false;
                    } else if after > 0 {
                        after -= 1;
                    } else {
                        break;
                    }
                }
            }
            places
        }
        Runs::Line => {
            let gives = |word: &str| is_option(word) && !word.starts_with("--") && word.contains('c');
            let after =
                |at: usize| numbered().skip(at + 1).find(|(_, word)| !is_option(word)).map(|(at, _)| at);
            let short = numbered().filter(|(_, word)| gives(word) || *word == "--command");
            let long = numbered().filter(|(_, word)| word.starts_with("--command=")).map(|(at, _)| at);
            short.filter_map(|(at, _)| after(at)).chain(long).collect()
        }
        Runs::FirstLine => {
            numbered().find(|(_, word)| !is_option(word)).map(|(at, _)| at).into_iter().collect()
        }
        Runs::Exec => {
            let gives = |word: &str| matches!(word, "-exec" | "-execdir" | "-ok" | "-okdir");
            numbered().filter(|(_, word)| gives(word)).map(|(at, _)| at + 1).collect()
        }
    }
}

/// One command with its words.
#[derive(Debug, Default)]
struct Simple {
    raw: String,
    words: Vec<Word>,
}

/// A word as the shell reads it, without its quotes.
#[derive(Debug, Default)]
struct Word {
    text: String,
    /// Whether a part of it is what another command prints.
    is_made: bool,
}

/// A line that is being read.
struct Read<'a> {
    line: &'a str,
    rest: Peekable<CharIndices<'a>>,
    /// Where the command under way begins.
    begin: usize,
    words: Vec<Word>,
    word: Option<Word>,
    /// The next word is the file of a redirection.
    is_target: bool,
    simple: Vec<Simple>,
    /// Lines in substitutions.
    inner: Vec<String>,
    clarity: Clarity,
}

impl<'a> Read<'a> {
    fn of(line: &'a str) -> Self {
        let mut read = Self {
            line,
            rest: line.char_indices().peekable(),
            begin: 0,
            words: Vec::new(),
            word: None,
            is_target: false,
            simple: Vec::new(),
            inner: Vec::new(),
            clarity: Clarity::Clear,
        };
        while let Some((at, c)) = read.rest.next() {
            read.plain(at, c);
        }
        read.end_command(line.len(), line.len());
        read
    }

    fn plain(&mut self, at: usize, c: char) {
        match c {
            '\\' => match self.rest.next() {
                Some((_, '\n')) => {}
                Some((_, c)) => self.push(c),
                None => self.clarity = Clarity::Unclear,
            },
            '\'' => self.single(),
            '"' => self.double(),
            '`' => self.backquotes(),
            '$' => self.dollar(),
            '<' | '>' if self.next_is('(') => self.substitution(),
            '<' | '>' => self.redirection(),
            '&' if self.next_is('>') => self.redirection(),
            ';' | '|' | '&' | '\n' | '(' | ')' => self.end_command(at, at + 1),
            '#' if self.word.is_none() => while self.rest.next_if(|(_, c)| *c != '\n').is_some() {},
            c if c.is_whitespace() => self.end_word(),
            c => self.push(c),
        }
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.rest.peek().is_some_and(|(_, c)| *c == wanted)
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().text.push(c);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.is_target)
        {
            self.words.push(word);
        }
    }

    /// Ends the command that goes to `to`; the next begins at `next`.
    fn end_command(&mut self, to: usize, next: usize) {
        self.end_word();
        self.is_target = false;
        let raw = self.line.get(self.begin..to).unwrap_or_default().to_owned();
        self.begin = next;
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.simple.push(Simple { raw, words });
        }
    }

    fn single(&mut self) {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some((_, '\'')) => return,
                Some((_, c)) => self.push(c),
                None => return self.clarity = Clarity::Unclear,
            }
        }
    }

    fn double(&mut self) {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some((_, '"')) => return,
                Some((_, '`')) => self.backquotes(),
                Some((_, '$')) => self.dollar(),
                Some((_, '\\')) => match self.rest.next() {
                    Some((_, '\n')) => {}
                    Some((_, c)) => {
                        if !matches!(c, '$' | '`' | '"' | '\\') {
                            self.push('\\');
                        }
                        self.push(c);
                    }
                    None => return self.clarity = Clarity::Unclear,
                },
                Some((_, c)) => self.push(c),
                None => return self.clarity = Clarity::Unclear,
            }
        }
    }

    /// What follows a `$`.
    fn dollar(&mut self) {
        match self.rest.peek().map(|(_, c)| *c) {
            Some('(') => self.substitution(),
            Some('{') => self.parameter(),
            // `$'\x72m'` is `rm` in some shells and not in others.
            Some('\'') => self.clarity = Clarity::Unclear,
            Some(_) | None => self.push('$'),
        }
    }

    /// `${…}`: it may hold substitutions.
    fn parameter(&mut self) {
        self.push('$');
        let mut depth = 0_usize;
        while let Some((_, c)) = self.rest.next() {
            match c {
                '`' => self.backquotes(),
                '$' if self.next_is('(') => self.substitution(),
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.push(c);
            if depth == 0 {
                return;
            }
        }
        self.clarity = Clarity::Unclear;
    }

    /// `$(…)` or `<(…)`, from the bracket on.
    fn substitution(&mut self) {
        self.rest.next();
        let (mut text, mut depth, mut quote) = (String::new(), 1_usize, None);
        while let Some((_, c)) = self.rest.next() {
            match (quote, c) {
                (None | Some('"'), '\\') => {
                    text.push(c);
                    text.extend(self.rest.next().map(|(_, c)| c));
                    continue;
                }
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, '(') => depth += 1,
                (None, ')') => depth -= 1,
                (_, _) => {}
            }
            if depth == 0 {
                return self.made(text);
            }
            text.push(c);
        }
        self.clarity = Clarity::Unclear;
        self.made(text);
    }

    fn backquotes(&mut self) {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some((_, '`')) => return self.made(text),
                Some((_, '\\')) => match self.rest.next() {
                    Some((_, c @ ('`' | '\\' | '$'))) => text.push(c),
                    Some((_, c)) => text.extend(['\\', c]),
                    None => {}
                },
                Some((_, c)) => text.push(c),
                None => {
                    self.clarity = Clarity::Unclear;
                    return self.made(text);
                }
            }
        }
    }

    fn made(&mut self, line: String) {
        self.word.get_or_insert_default().is_made = true;
        self.inner.push(line);
    }

    /// From the second character of `>`, `2>&1`, `&>`, `<<-` and the like.
    fn redirection(&mut self) {
        let is_number = |word: &Word| !word.is_made && word.text.chars().all(|c| c.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
        while self.rest.next_if(|(_, c)| matches!(c, '<' | '>' | '&' | '|' | '-')).is_some() {}
        self.is_target = true;
    }
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
