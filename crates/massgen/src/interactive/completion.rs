//! What can stand where the cursor is: commands, their arguments, and paths after `@`.

use massgen_config::references::{self, PathProbe};
use massgen_view::clean::clean_line;

use super::command::{Argument, COMMANDS, TOPICS, entry};

/// Most candidates that are offered.
const MOST_CANDIDATES: usize = 200;

/// What the session has that can be named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// Ids of the agents.
    pub(crate) agents: Vec<String>,
    /// Numbers of the questions.
    pub(crate) turns: Vec<u32>,
}

/// What may replace the text from `start` to the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Completion {
    /// First byte that is replaced.
    pub(crate) start: usize,
    /// The texts that may stand there.
    pub(crate) candidates: Vec<String>,
}

/// What can stand in `line` at byte `cursor`.
pub(crate) fn complete(line: &str, cursor: usize, offers: &Offers, probe: &dyn PathProbe) -> Completion {
    let Some(before) = line.get(..cursor) else {
        return Completion::default();
    };
    let mut completion = if let Some(start) = references::unfinished(before) {
        Completion { start, candidates: paths(before.get(start..).unwrap_or_default(), probe) }
    } else if before.starts_with('/') && !before.contains('\n') {
        command(before, offers, probe)
    } else {
        Completion::default()
    };
    completion.candidates.truncate(MOST_CANDIDATES);
    completion
}

fn command(before: &str, offers: &Offers, probe: &dyn PathProbe) -> Completion {
    let Some((name, written)) = before.split_once(char::is_whitespace) else {
        let begun = |name: &&str| name.starts_with(&before.to_lowercase());
        let mut names: Vec<_> = COMMANDS.iter().map(|entry| entry.name).filter(begun).collect();
        if names.is_empty() {
            names = COMMANDS.iter().flat_map(|entry| entry.aliases.iter().copied()).filter(begun).collect();
        }
        let candidates = names.into_iter().map(|name| format!("{name} ")).collect();
        return Completion { start: 0, candidates };
    };
    let start = before.len() - written.trim_start().len();
    let written = written.trim_start();
    match entry(name).map_or(Argument::None, |entry| entry.argument) {
        Argument::None => Completion::default(),
        Argument::Path => {
            // The same path as in a question, where an `@` stands before it.
            let candidates = paths(&format!("@{written}"), probe);
            let candidates = candidates.iter().filter_map(|path| path.strip_prefix('@')).map(str::to_owned);
            Completion { start, candidates: candidates.collect() }
        }
        Argument::Inspection => {
            let word = written.rsplit(char::is_whitespace).next().unwrap_or_default();
            let earlier = written.get(..written.len() - word.len()).unwrap_or_default().trim();
            let is_number = |word: &str| word.parse::<u32>().is_ok();
            let mut words = offers.agents.clone();
            words.extend(TOPICS.iter().map(|topic| topic.word.to_owned()));
            if earlier.is_empty() {
                words.extend(offers.turns.iter().map(u32::to_string));
                words.push("all".to_owned());
            } else if !is_number(earlier) {
                words.clear();
            }
            words.retain(|candidate| candidate.starts_with(word));
            Completion { start: before.len() - word.len(), candidates: words }
        }
    }
}

/// What `reference`, with its `@`, may become. What cannot be shown cannot be chosen either.
fn paths(reference: &str, probe: &dyn PathProbe) -> Vec<String> {
    let mut paths = references::complete(reference, probe);
    paths.retain(|path| clean_line(path) == *path);
    paths
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use massgen_config::references::PathKind;

    use super::*;

    struct Tree;

    impl PathProbe for Tree {
        fn kind(&self, _: &Path) -> Option<PathKind> {
            None
        }

        fn entries(&self, path: &Path) -> Vec<(String, PathKind)> {
            let file = |name: &str| (name.to_owned(), PathKind::File);
            let folder = |name: &str| (name.to_owned(), PathKind::Folder);
            match path.to_str().unwrap().trim_end_matches('/') {
                "/work" => {
                    let folders = vec![folder("src"), folder("my notes")];
                    let files = ["spec.md", ".env", "a:b", "\u{1b}[2Jevil"].map(file);
                    folders.into_iter().chain(files).collect()
                }
                "/work/src" | "/home/me/src" => vec![file("main.rs"), file("lib.rs")],
                "/work/my notes" => vec![file("to do.md")],
                _ => Vec::new(),
            }
        }

        fn home(&self) -> Option<&Path> {
            Some(Path::new("/home/me"))
        }

        fn working_directory(&self) -> &Path {
            Path::new("/work")
        }
    }

    /// The line with each candidate in its place.
    fn completed(line: &str) -> Vec<String> {
        let offers = Offers { agents: vec!["agent_a".to_owned(), "agent_b".to_owned()], turns: vec![1, 2] };
        let completion = complete(line, line.len(), &offers, &Tree);
        let head = &line[..completion.start.min(line.len())];
        completion.candidates.into_iter().map(|candidate| format!("{head}{candidate}")).collect()
    }

    #[test]
    fn a_slash_at_the_beginning_offers_the_commands() {
        assert_eq!(completed("/").len(), COMMANDS.len());
        assert_eq!(completed("/co"), ["/cost ", "/context ", "/config "]);
        assert_eq!(completed("/EXI"), ["/exit "]);
        assert_eq!(completed("what is /co"), <[String; 0]>::default());
        assert_eq!(completed("/status "), <[String; 0]>::default());
    }

    #[test]
    fn an_inspection_offers_questions_agents_and_topics() {
        assert_eq!(
            completed("/inspect a"),
            ["agent_a", "agent_b", "answer", "answers", "all"].map(|word| format!("/inspect {word}"))
        );
        assert_eq!(completed("/i t"), ["/i table"]);
        assert!(completed("/inspect ").contains(&"/inspect 2".to_owned()));
        assert_eq!(completed("/inspect 2 l"), ["/inspect 2 log"]);
        assert_eq!(completed("/inspect table l"), <[String; 0]>::default());
    }

    #[test]
    fn an_at_offers_paths_to_read_and_to_write() {
        assert_eq!(completed("fix @s"), ["fix @spec.md", "fix @spec.md:w", "fix @src/"]);
        assert_eq!(completed("fix (@~/src/m"), ["fix (@~/src/main.rs", "fix (@~/src/main.rs:w"]);
        assert_eq!(completed("mail me@s"), <[String; 0]>::default());
        assert_eq!(completed("see @spec.md s"), <[String; 0]>::default());
        assert_eq!(completed("/context src/l"), ["/context src/lib.rs", "/context src/lib.rs:w"]);
        assert_eq!(
            completed("\"\"\"two\nlines @src/m"),
            ["\"\"\"two\nlines @src/main.rs", "\"\"\"two\nlines @src/main.rs:w"]
        );
    }

    #[test]
    fn a_path_that_would_be_cut_is_quoted() {
        assert_eq!(completed("@m"), ["@\"my notes/"]);
        assert_eq!(completed("@\"my notes/"), ["@\"my notes/to do.md\"", "@\"my notes/to do.md\":w"]);
        assert_eq!(completed("@a"), ["@\"a:b\"", "@\"a:b\":w"]);
    }

    #[test]
    fn hidden_files_are_offered_when_asked_for_and_hostile_names_never() {
        assert_eq!(completed("@.e"), ["@.env", "@.env:w"]);
        assert!(completed("@").iter().all(|line| !line.contains(".env") && !line.contains('\u{1b}')));
    }

    #[test]
    fn a_cursor_inside_of_a_character_offers_nothing() {
        assert_eq!(complete("é", 1, &Offers::default(), &Tree), Completion::default());
    }
}
