//! How much harm something can do, when no rule says.

use std::sync::LazyLock;

use regex::RegexSet;

use super::lines::{commands, is_before};
use super::seen::seen;
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

/// Programs that only read, whatever their options are.
const READERS: &[&str] = &[
    "basename",
    "cat",
    "cmp",
    "comm",
    "cut",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "egrep",
    "fgrep",
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
    "sha256sum",
    "stat",
    "tail",
    "test",
    "tr",
    "true",
    "false",
    "uname",
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
    if seen(line).commands.iter().any(|command| reaches_far(command)) {
        return Risk::High;
    }
    if let Some(commands) = commands(line) {
        return if commands.iter().all(|command| only_reads(command)) { Risk::Low } else { Risk::Medium };
    }
    // What cannot be seen through may hold one of the words.
    let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
    let is_high = words.any(|word| OTHER_USERS.contains(&word) || NETWORK.contains(&word));
    if is_high { Risk::High } else { Risk::Medium }
}

/// Whether a command, its program first and without a folder, does much harm or reaches other machines.
fn reaches_far(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let Some(name) = words.first() else { return false };
    let has = |word: &str| words.contains(&word);
    if OTHER_USERS.contains(name) || NETWORK.contains(name) {
        return true;
    }
    if PUBLISHERS.iter().any(|(program, verbs)| program == name && verbs.iter().any(|verb| has(verb))) {
        return true;
    }
    let is_forced = |word: &&str| word.starts_with("--force") || *word == "-f" || word.starts_with('+');
    *name == "git" && ((has("push") && words.iter().any(is_forced)) || (has("reset") && has("--hard")))
}

/// Whether a command, as it is written, surely changes nothing and runs nothing else. A program of another folder than
/// those of the system may be any, and so may one that is found by a variable that was set before it.
fn only_reads(command: &str) -> bool {
    if command.contains('>') {
        return false;
    }
    let words: Vec<&str> = command.split_whitespace().skip_while(|word| is_before(word)).collect();
    let Some((program, arguments)) = words.split_first() else { return true };
    let name =
        ["/bin/", "/usr/bin/"].iter().find_map(|folder| program.strip_prefix(folder)).unwrap_or(*program);
    let has = |option: &str| arguments.iter().any(|word| word.starts_with(option));
    // `-uo` is `-u -o`, and long options may be cut short.
    let writes = || {
        has("--ou")
            || arguments
                .iter()
                .any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('o'))
    };
    match name {
        // An output can be written to a file by an option too.
        "git" => {
            arguments.first().is_some_and(|verb| GIT_READERS.contains(verb)) && !has("--ou") && !has("--ext")
        }
        "date" => !has("-s") && !has("--s"),
        "file" => !has("-C") && !has("--c"),
        "rg" => !has("--pre") && !has("--hostname-bin"),
        "sort" => !writes() && !has("--co"),
        "tree" => !writes(),
        "uniq" => arguments.iter().filter(|word| !word.starts_with('-')).count() < 2,
        name => READERS.contains(&name),
    }
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
        for line in [
            "ls -la",
            "cat a | grep b | wc -l",
            "git status && git diff",
            "cd x; pwd",
            "echo 'rm x'",
            "/usr/bin/ls",
            "! time ls",
            "sort a | uniq -c",
            "",
        ] {
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
            "./ls",
            "tools/cat a",
            "PATH=. ls",
            "PATH=.; ls",
            "LD_PRELOAD=./x.so cat a",
            "GIT_EXTERNAL_DIFF=./x git diff",
            "git -c alias.status='!make' status",
            "sort -uo b a",
            "sort --compress-program=./x a",
            "rg --pre ./x a",
            "tree -o a",
            "uniq a b",
            "timeout 5 ls",
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
            "timeout 5 curl x",
            "env -i A=1 sudo ls",
            "sh -c 'git push --force'",
            "find . -exec ssh x {} +",
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
