use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn with(text: &str, replacements: &[(&str, &str)]) -> String {
    moved(text, replacements).into_owned()
}

#[test]
fn a_path_is_replaced_by_itself_and_in_front_of_others() {
    let here = [("/w/one_ab12", "agent1"), ("/w/one_ab12/.worktree/ctx_1", "project")];
    let cases = [
        ("/w/one_ab12", "agent1"),
        ("see /w/one_ab12/src/main.rs.", "see agent1/src/main.rs."),
        ("see /w/one_ab12.", "see agent1."),
        ("(`/w/one_ab12`)", "(`agent1`)"),
        ("\"/w/one_ab12\":1", "\"agent1\":1"),
        ("file:///w/one_ab12/x", "file://agent1/x"),
        ("DIR=/w/one_ab12:/bin", "DIR=agent1:/bin"),
        ("在/w/one_ab12中", "在agent1中"),
        ("/w/one_ab12/.worktree/ctx_1/a", "project/a"),
        ("/w/one_ab12/.worktree/ctx_12/a", "agent1/.worktree/ctx_12/a"),
        ("/w/one_ab12 /w/one_ab12", "agent1 agent1"),
    ];
    for (text, expected) in cases {
        assert_eq!(with(text, &here), expected, "{text}");
    }
}

#[test]
fn a_part_of_another_name_stays() {
    let here = [("/w/one", "agent1")];
    for text in [
        "/w/one2",
        "/w/one-b",
        "/w/one_b",
        "/w/one.txt",
        "/w/one..x",
        "/x/w/one",
        "x/w/one",
        "./w/one",
        "//w/one",
    ] {
        assert_eq!(with(text, &here), text);
    }
}

#[test]
fn nothing_is_replaced_twice_and_nothing_by_an_empty_path() {
    assert_eq!(with("/a /b", &[("/a", "/b"), ("/b", "/a")]), "/b /a");
    assert_eq!(with("/a /b", &[("/", "x"), ("", "y")]), "/a /b");
    assert_eq!(with("/a/b", &[("/a/", "x")]), "x/b");
}

/// The same, as plainly as it can be said.
fn plainly(text: &str, replacements: &[(String, String)]) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || "_-~+@%".contains(c);
    let chars: Vec<char> = text.chars().collect();
    let (mut done, mut at) = (String::new(), 0);
    'text: while at < chars.len() {
        let before: String = chars[..at].iter().collect();
        let rest: String = chars[at..].iter().collect();
        let mut fitting: Vec<_> = replacements
            .iter()
            .filter(|(from, _)| !from.trim_end_matches('/').is_empty())
            .filter(|(from, _)| rest.starts_with(from.trim_end_matches('/')))
            .collect();
        fitting.sort_by_key(|(from, _)| std::cmp::Reverse(from.trim_end_matches('/').len()));
        for (from, to) in fitting {
            let from = from.trim_end_matches('/');
            let after = rest[from.len()..].trim_start_matches('.');
            let stops = after.len() < rest.len() - from.len();
            let begins = match before.chars().last() {
                None => true,
                Some('/') => before.ends_with("://"),
                Some(c) => c != '.' && !part(c),
            };
            let ends = !after.chars().next().is_some_and(part) || (stops && after.is_empty());
            if begins && ends {
                done.push_str(to);
                at += from.chars().count();
                continue 'text;
            }
        }
        done.push(chars[at]);
        at += 1;
    }
    done
}

proptest! {
    #[test]
    fn it_does_what_the_plain_way_does(
        text in "[/ab.é: -]{0,40}",
        replacements in vec(("[/ab.]{0,4}", "[xy/]{0,3}"), 0..5),
    ) {
        // Of two that are the same, which one counts is not said.
        let mut seen = std::collections::BTreeSet::new();
        let replacements: Vec<(String, String)> = replacements
            .into_iter()
            .filter(|(from, _)| seen.insert(from.trim_end_matches('/').to_owned()))
            .collect();
        let pairs: Vec<_> = replacements.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        prop_assert_eq!(with(&text, &pairs), plainly(&text, &replacements));
    }

    #[test]
    fn what_it_replaced_is_not_there_any_more(
        text in "( ?(/w/one|/w/one/two|/w|one|[a-z.é ]|/){1,3}){0,10}",
    ) {
        let replacements = [("/w/one", "agent1"), ("/w/one/two", "agent2")];
        let once = with(&text, &replacements);
        prop_assert_eq!(with(&once, &replacements), once);
    }

    #[test]
    fn a_text_without_the_path_stays(text in "[a-z /.]{0,60}") {
        prop_assert_eq!(with(&text, &[("/W/one", "agent1")]), text);
    }
}
