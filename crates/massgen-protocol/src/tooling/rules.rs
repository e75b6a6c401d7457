//! What rules that refuse say of paths, as far as a sandbox can hold programs to it.

use super::{Approval, Permissions};

/// A part of the file system that a rule refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// What is refused.
    pub refuses: Refuses,
    /// Where; a path that is not absolute is seen from everything that the agent was given.
    pub path: String,
    /// How much of it.
    pub covers: Covers,
}

/// What a rule refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuses {
    /// Reading.
    Reading,
    /// Making, changing and removing.
    Changing,
}

/// How much a rule covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// One file.
    File,
    /// All that is in a folder.
    Folder,
}

impl Permissions {
    /// Where replies of people are: the file of those that are remembered, and the folder of questions.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let folder = match &self.approval {
            Approval::Policy => None,
            Approval::Files { folder } => Some(folder.as_str()),
        };
        self.remembered.as_deref().into_iter().chain(folder)
    }

    /// The rules that refuse paths which a sandbox can hold programs to: whole paths, and all of a folder.
    pub fn path_rules(&self) -> Vec<PathRule> {
        self.deny.iter().filter_map(|rule| PathRule::of(rule)).collect()
    }

    /// The rules that refuse paths in a way that only tools which say what they touch are held to.
    pub fn loose_path_rules(&self) -> impl Iterator<Item = &str> {
        let is_of_paths =
            |rule: &&String| matches!(action_and_pattern(rule), Some(("read_file" | "write_file", _)));
        self.deny.iter().filter(is_of_paths).filter(|rule| PathRule::of(rule).is_none()).map(String::as_str)
    }
}

impl PathRule {
    /// What `rule`, such as `read_file(secrets/**)`, says of one place.
    fn of(rule: &str) -> Option<Self> {
        let (action, pattern) = action_and_pattern(rule)?;
        let refuses = match action {
            // What may not be touched at all is at the least not read.
            "read_file" | "*" => Refuses::Reading,
            "write_file" => Refuses::Changing,
            _ => return None,
        };
        // A `*` of a rule fits `/` too.
        let folder = ["/**/*", "/**", "/*"].into_iter().find_map(|all| pattern.strip_suffix(all));
        let (path, covers) = folder.map_or((pattern, Covers::File), |folder| (folder, Covers::Folder));
        let is_plain = !path.is_empty()
            && !path.starts_with('~')
            && !path.contains(['*', '?', '[', ']', '{', '}', '\\'])
            && path.split('/').all(|part| part != "..");
        is_plain.then(|| Self { refuses, path: path.to_owned(), covers })
    }
}

fn action_and_pattern(rule: &str) -> Option<(&str, &str)> {
    let (action, rest) = rule.trim().split_once('(')?;
    Some((action.trim(), rest.strip_suffix(')')?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_from_rules_that_name_one() {
        let place = |refuses, covers, path: &str| Some(PathRule { refuses, path: path.to_owned(), covers });
        for (rule, expected) in [
            ("read_file(secrets/**)", place(Refuses::Reading, Covers::Folder, "secrets")),
            ("read_file(/home/u/keys/*)", place(Refuses::Reading, Covers::Folder, "/home/u/keys")),
            ("read_file(./a/**/*)", place(Refuses::Reading, Covers::Folder, "./a")),
            ("write_file( LICENSE )", place(Refuses::Changing, Covers::File, "LICENSE")),
            ("*(keys/**)", place(Refuses::Reading, Covers::Folder, "keys")),
            ("read_file(*secret*)", None),
            ("read_file(*)", None),
            ("read_file(/**)", None),
            ("write_file(a/../b)", None),
            ("read_file(~/x)", None),
            ("command(git push*)", None),
            ("nothing", None),
        ] {
            assert_eq!(PathRule::of(rule), expected, "{rule}");
        }
    }
}
