//! What the words of a command of the user name: its program, scripts, modules of Python. What is not found among them can
//! only be told.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Shells, which take a script as a word.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "ash"];

/// Programs that run what their words, or files that they look for, say. Python has its versions in its name.
const RUNNERS: [&str; 32] = [
    "bun", "bundle", "cargo", "deno", "env", "gmake", "go", "just", "lua", "make", "nice", "node", "nohup",
    "npm", "npx", "perl", "php", "pipx", "pnpm", "poetry", "rake", "ruby", "setsid", "stdbuf", "sudo",
    "task", "time", "timeout", "uv", "uvx", "xargs", "yarn",
];

/// Options of runners that name the folder to begin in.
const FOLDERS: [&str; 3] = ["-C", "--chdir", "--directory"];

/// A command, seen from the folder that it starts in.
pub(super) struct Seen<'a> {
    pub(super) command: &'a [String],
    pub(super) folder: &'a Path,
    /// Where its program is looked for.
    pub(super) search_path: &'a OsStr,
}

/// What Python is told to run.
enum Python<'a> {
    /// A module, by its name (`-m`).
    Module(&'a str),
    /// A file or a folder.
    Script(&'a str),
}

impl<'a> Seen<'a> {
    /// The files that it names: its program, and what among its words is a file, or a folder that is run. A word that is
    /// none may be a script, or a setting, with files in it.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let program = self.command.first().and_then(|program| {
            if program.contains('/') {
                self.file(program)
            } else {
                massgen_sandbox::program(self.search_path, program)
            }
        });
        program.into_iter().chain(self.named()).collect()
    }

    /// The files that the words after its program name.
    fn named(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.package().into_iter().collect();
        for word in self.command.iter().skip(1) {
            match self.file(word) {
                Some(file) => files.push(file),
                None => files.extend(self.files_in(word)),
            }
        }
        files
    }

    /// Whether it is known what it starts, as far as that can be seen from its words.
    pub(super) fn is_known(&self) -> bool {
        if let Some(script) = self.script() {
            return self.files_in(script).next().is_some();
        }
        let is_runner = |word: &str| {
            let name = name_of(word);
            SHELLS.contains(&name) || RUNNERS.contains(&name) || is_python(name)
        };
        if !self.command.first().is_some_and(|program| is_runner(program)) {
            return true;
        }
        let is_one_more = |file: &PathBuf| file.file_name().and_then(OsStr::to_str).is_some_and(is_runner);
        let has_module = self.module().is_some_and(|module| self.has_module(module));
        has_module || self.named().iter().any(|file| !is_one_more(file))
    }

    /// What people read of it: the script of a shell, or all words.
    pub(super) fn told(&self) -> String {
        self.script().map_or_else(|| self.command.join(" "), str::to_owned)
    }

    /// The files that a script or a setting names.
    fn files_in(&self, text: &str) -> impl Iterator<Item = PathBuf> {
        text.split(|c: char| !is_of_a_name(c)).filter_map(|name| self.file(name))
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        if name.is_empty() {
            return None;
        }
        let mut places = self.chosen().into_iter().chain([self.folder.to_path_buf()]);
        places.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
    }

    /// The folder that its words choose to begin in (`env -C FOLDER`).
    fn chosen(&self) -> Option<PathBuf> {
        let program = self.command.first().map(|program| name_of(program))?;
        if !RUNNERS.contains(&program) {
            return None;
        }
        let mut words = self.command.iter().skip(1);
        let name = words.find_map(|word| {
            let sticks =
                FOLDERS.iter().find_map(|option| word.strip_prefix(option)).filter(|rest| !rest.is_empty());
            sticks
                .map(|rest| Some(rest.trim_start_matches('=')))
                .or(FOLDERS.contains(&word.as_str()).then_some(None))
        })?;
        let name = match name {
            Some(name) => name,
            None => words.next()?,
        };
        Some(self.folder.join(name)).filter(|folder| folder.is_dir())
    }

    /// The file that runs where a folder, or a name without its ending, is given to an interpreter.
    fn package(&self) -> Option<PathBuf> {
        let (name, ends): (&str, &[&str]) = match self.python() {
            Some(Python::Script(name)) => (name, &["/__main__.py"]),
            Some(Python::Module(_)) => return None,
            None => {
                let node = self.command.iter().position(|word| name_of(word) == "node")?;
                let mut words = self.command.iter().skip(node + 1).filter(|word| !word.starts_with('-'));
                (words.next()?, &[".js", "/package.json", "/index.js"])
            }
        };
        let name = name.trim_end_matches('/');
        ends.iter().find_map(|end| self.file(&format!("{name}{end}")))
    }

    /// The module that `python -m` runs. Python looks for it, and for all that it imports, where it starts.
    pub(super) fn module(&self) -> Option<&'a str> {
        match self.python()? {
            Python::Module(name) => Some(name),
            Python::Script(_) => None,
        }
    }

    fn has_module(&self, module: &str) -> bool {
        let path = module.replace('.', "/");
        [".py", "/__init__.py", "/__main__.py"].iter().any(|end| self.file(&format!("{path}{end}")).is_some())
    }

    /// What Python runs, if it is Python that the command starts.
    fn python(&self) -> Option<Python<'a>> {
        let python = self.command.iter().position(|word| is_python(name_of(word)))?;
        let mut words = self.command.iter().skip(python + 1);
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-') else { return Some(Python::Script(word)) };
            if letters.starts_with('-') {
                continue;
            }
            // Letters stand together; the first one that takes a value has the rest of the word, or the next one.
            let mut letters = letters.chars();
            let found = letters.find(|letter| matches!(letter, 'c' | 'm' | 'W' | 'X'));
            let rest = Some(letters.as_str()).filter(|rest| !rest.is_empty());
            match (found, rest) {
                (Some('c'), _) => return None,
                (Some('m'), Some(name)) => return Some(Python::Module(name)),
                (Some('m'), None) => return words.next().map(|name| Python::Module(name)),
                (Some(_), None) => {
                    words.next();
                }
                (Some(_), Some(_)) | (None, _) => {}
            }
        }
        None
    }

    /// The script that a shell is given as a word.
    fn script(&self) -> Option<&'a str> {
        let shell = self.command.iter().position(|word| SHELLS.contains(&name_of(word)))?;
        let mut words = self.command.iter().skip(shell + 1);
        // `-c` may stand together with other letters, and further options, or their end, behind it.
        let is_option =
            |word: &&String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        words.find(is_option)?;
        words.find(|word| !word.starts_with(['-', '+'])).map(String::as_str)
    }
}

/// The last part of a path.
fn name_of(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_python(name: &str) -> bool {
    name.starts_with("python") || name.starts_with("pypy")
}

/// Whether `c` stands in names of files, as they are written in a script without quotes.
fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | '%' | '~')
}
