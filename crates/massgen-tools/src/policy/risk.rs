//! How much harm something can do, when no rule says.

use std::sync::LazyLock;

use regex::RegexSet;

use super::lines::{commands, program};
use super::{Effect, Request};

/// How much harm something can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// None that could not be made good.
    Low,
    /// Some.
    Medium,
    /// Much, or outside of this machine.
    High,
}

/// Programs that only read.
const READERS: &[&str] = &[
    "basename",
    "cat",
    "cmp",
    "comm",
    "cut",
    "date",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "egrep",
    "fgrep",
    "file",
    "grep",
    "head",
    "id",
    "ls",
    "md5sum",
    "nl",
    "od",
    "printf",
    "pwd",
    "realpath",
    "rg",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "test",
    "tr",
    "tree",
    "true",
    "false",
    "uname",
    "uniq",
    "wc",
    "which",
    "whoami",
    "cd",
    "[",
];

/// What `git` does without changing anything.
const GIT_READERS: &[&str] = &["blame", "describe", "diff", "log", "ls-files", "rev-parse", "show", "status"];

/// Programs that reach other machines.
const NETWORK: &[&str] = &[
    "aria2c", "curl", "ftp", "nc", "ncat", "netcat", "nmap", "rsync", "scp", "sftp", "socat", "ssh",
    "telnet", "wget",
];

/// Programs that take the rights of another user.
const OTHER_USERS: &[&str] = &["doas", "pkexec", "su", "sudo"];

/// Words that make something public, of programs that publish.
const PUBLISHERS: &[(&str, &[&str])] = &[
    ("cargo", &["publish"]),
    ("docker", &["push"]),
    ("gem", &["push"]),
    ("gh", &["release"]),
    ("npm", &["publish"]),
    ("pnpm", &["publish"]),
    ("poetry", &["publish"]),
    ("twine", &["upload"]),
    ("uv", &["publish"]),
    ("yarn", &["publish"]),
];

/// How much harm `request` can do.
pub(crate) fn of(request: &Request) -> Risk {
    match request.effect {
        Effect::Read | Effect::Write => Risk::Low,
        Effect::Delete | Effect::Tool => Risk::Medium,
        Effect::Address => Risk::High,
        Effect::Command => of_line(&request.target),
    }
}

fn of_line(line: &str) -> Risk {
    if let Some(commands) = commands(line) {
        return commands.iter().map(|command| of_command(command)).max().unwrap_or(Risk::Low);
    }
    // What cannot be seen through may hold one of the words.
    let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
    let is_high = words.any(|word| OTHER_USERS.contains(&word) || NETWORK.contains(&word));
    if is_high { Risk::High } else { Risk::Medium }
}

fn of_command(command: &str) -> Risk {
    let Some(name) = program(command) else { return Risk::Low };
    let words: Vec<&str> = command.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    if OTHER_USERS.contains(&name) || NETWORK.contains(&name) {
        return Risk::High;
    }
    if PUBLISHERS.iter().any(|(program, verbs)| *program == name && verbs.iter().any(|verb| has(verb))) {
        return Risk::High;
    }
    if name == "git" {
        let is_forced = has("push")
            && words.iter().any(|word| word.starts_with("--force") || *word == "-f" || word.starts_with('+'));
        if is_forced || (has("reset") && has("--hard")) {
            return Risk::High;
        }
        let verb = words.iter().skip_while(|word| !word.ends_with("git")).nth(1);
        let reads = verb.is_some_and(|verb| GIT_READERS.contains(verb));
        // An output can be written to a file by an option too.
        return if reads && !command.contains(['>']) && !command.contains("--output") {
            Risk::Low
        } else {
            Risk::Medium
        };
    }
    if READERS.contains(&name) && !command.contains('>') && !(name == "sort" && command.contains("-o")) {
        return Risk::Low;
    }
    Risk::Medium
}

/// Commands that no rule and no reply allows, each with why.
const HARDLINE: &[(&str, &str)] = &[
    (
        r"\brm\s+(-\S+\s+)*(-[a-zA-Z]*[rR][a-zA-Z]*|--recursive)\s+(-\S+\s+)*(--\s+)?['\x22]?/+(\*|\.)?['\x22]?(\s|;|&|\||$)",
        "it deletes the whole file system",
    ),
    (r"\brm\s+.*--no-preserve-root", "it deletes the whole file system"),
    (r"\bfind\s+/\s+(.*\s)?-delete\b", "it deletes the whole file system"),
    (r":\s*\(\s*\)\s*\{.*:\s*\|\s*:.*\}", "it is a fork bomb"),
    (r"(>|\bof=)\s*/dev/(sd|hd|vd|xvd|nvme|mmcblk|disk|mapper/)", "it writes to a raw disk"),
    (r"\bmkfs(\.\w+)?\b", "it formats a disk"),
    (r"\b(wipefs|fdisk|sfdisk|parted)\s+.*/dev/", "it changes a raw disk"),
];

static PATTERNS: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(HARDLINE.iter().map(|(pattern, _)| pattern)).ok());

/// Why `line` is never run, whatever rules and people say.
pub fn hardline(line: &str) -> Option<&'static str> {
    // Our own patterns are tested; without them nothing would be run.
    let Some(patterns) = PATTERNS.as_ref() else { return Some("commands cannot be checked") };
    let index = patterns.matches(line).into_iter().next()?;
    HARDLINE.get(index).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk(line: &str) -> Risk {
        of(&Request::new(Effect::Command, line))
    }

    #[test]
    fn commands_are_classed_by_what_they_can_do() {
        for line in ["ls -la", "cat a | grep b | wc -l", "git status && git diff", "cd x; pwd", "echo 'rm x'"]
        {
            assert_eq!(risk(line), Risk::Low, "{line}");
        }
        for line in [
            "cargo build",
            "rm x",
            "echo a > b",
            "git commit -m x",
            "echo $(cat a)",
            "git log --output=x",
            "make",
        ] {
            assert_eq!(risk(line), Risk::Medium, "{line}");
        }
        for line in [
            "sudo ls",
            "ls; sudo ls",
            "git push --force",
            "git -C x push origin +main",
            "git reset --hard HEAD~1",
            "npm publish",
            "curl http://x",
            "A=1 /usr/bin/curl x",
            "echo $(curl x)",
            "eval sudo ls",
        ] {
            assert_eq!(risk(line), Risk::High, "{line}");
        }
    }

    #[test]
    fn what_destroys_a_machine_is_named() {
        for line in [
            "rm -rf /",
            "rm -r -f /*",
            "rm -fr -- / ; ls",
            "sudo rm --recursive --force /",
            "rm -rf --no-preserve-root /",
            ":(){ :|:& };:",
            ":() { : | : & } ; :",
            "dd if=x of=/dev/sda",
            "cat x > /dev/nvme0n1",
            "mkfs.ext4 /dev/sdb1",
            "find / -delete",
        ] {
            assert!(hardline(line).is_some(), "{line}");
        }
        for line in [
            "rm -rf ./x",
            "rm -rf /tmp/x",
            "rm -rf target",
            "ls /",
            "cat x > /dev/null",
            "find . -delete",
            "rm a",
        ] {
            assert_eq!(hardline(line), None, "{line}");
        }
    }
}
