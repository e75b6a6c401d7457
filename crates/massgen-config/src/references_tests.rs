//! Questions against a tree of paths that exists only here.

use proptest::prelude::*;

use super::*;

/// A project with these paths; folders end with a slash.
struct Tree(&'static [&'static str]);

const PROJECT: Tree = Tree(&[
    "/proj/",
    "/proj/src/",
    "/proj/src/main.rs",
    "/proj/src/lib.rs",
    "/proj/src/a.b.rs",
    "/proj/src/.hidden",
    "/proj/docs/",
    "/proj/docs/my notes.md",
    "/proj/docs/one  two.md",
    "/proj/app/",
    "/proj/app/[id]/",
    "/proj/app/[id]/page.tsx",
    "/proj/Makefile",
    "/proj/.env",
    "/home/",
    "/home/notes/",
    "/home/notes/todo.md",
    "/etc/",
    "/etc/hosts",
]);

impl PathProbe for Tree {
    fn kind(&self, path: &Path) -> Option<PathKind> {
        let path = path.to_str()?;
        self.0.iter().find_map(|known| {
            if *known == path {
                Some(PathKind::File)
            } else {
                (known.strip_suffix('/') == Some(path)).then_some(PathKind::Folder)
            }
        })
    }

    fn entries(&self, path: &Path) -> Vec<(String, PathKind)> {
        let start = format!("{}/", path.display());
        let inside =
            self.0.iter().filter_map(|known| known.strip_prefix(&start)).filter(|name| !name.is_empty());
        inside
            .filter_map(|name| match name.strip_suffix('/') {
                Some(folder) if !folder.contains('/') => Some((folder.to_owned(), PathKind::Folder)),
                None if !name.contains('/') => Some((name.to_owned(), PathKind::File)),
                Some(_) | None => None,
            })
            .collect()
    }

    fn home(&self) -> Option<&Path> {
        Some(Path::new("/home"))
    }

    fn working_directory(&self) -> &Path {
        Path::new("/proj")
    }
}

/// The text, and `r /path` or `w /path` for each reference; `! @path` for what is missing.
fn read(question: &str) -> (String, Vec<String>) {
    let parsed = parse(question, &PROJECT);
    let references = parsed.references.iter().map(|reference| {
        let sign = match reference.permission {
            Permission::Read => 'r',
            Permission::Write => 'w',
        };
        format!("{sign} {}", reference.path.display())
    });
    let missing = parsed.missing.iter().map(|missing| format!("! {}", missing.was));
    let found = references.chain(missing).collect();
    (parsed.text, found)
}

#[track_caller]
fn assert_read(question: &str, text: &str, found: &[&str]) {
    let (is_text, is_found) = read(question);
    assert_eq!(is_found, found, "{question}");
    assert_eq!(is_text, text, "{question}");
}

#[track_caller]
fn assert_text(question: &str) {
    assert_read(question, question, &[]);
}

#[test]
fn a_path_becomes_absolute_and_is_read_unless_writing_is_asked_for() {
    assert_read("explain @src/main.rs", "explain /proj/src/main.rs", &["r /proj/src/main.rs"]);
    assert_read("mend @src/main.rs:w now", "mend /proj/src/main.rs now", &["w /proj/src/main.rs"]);
    assert_read("tidy @src/:w", "tidy /proj/src", &["w /proj/src"]);
    assert_read("see @src", "see /proj/src", &["r /proj/src"]);
    assert_read("see @Makefile", "see /proj/Makefile", &["r /proj/Makefile"]);
    assert_read("see @/etc/hosts", "see /etc/hosts", &["r /etc/hosts"]);
    assert_read("see @~/notes/todo.md", "see /home/notes/todo.md", &["r /home/notes/todo.md"]);
    assert_read("see @./src/../docs/", "see /proj/docs", &["r /proj/docs"]);
    assert_read("see @../etc/hosts", "see /etc/hosts", &["r /etc/hosts"]);
}

#[test]
fn quotes_hold_a_path_with_spaces() {
    assert_read("@\"docs/my notes.md\"", "/proj/docs/my notes.md", &["r /proj/docs/my notes.md"]);
    assert_read("a @\"docs/my notes.md\":w, b", "a /proj/docs/my notes.md, b", &["w /proj/docs/my notes.md"]);
    assert_read("@\"docs/no such.md\"", "@\"docs/no such.md\"", &["! @\"docs/no such.md\""]);
    assert_text("an open @\"quote is text");
    assert_text("an empty @\"\" too");
}

#[test]
fn a_reference_ends_where_a_clause_ends() {
    for end in [",", ";", "!", "?", ")", "}", "]", ">", ":", ".", ". More", ", more", "\nmore", " more"] {
        let question = format!("see @src/main.rs{end}");
        assert_read(&question, &format!("see /proj/src/main.rs{end}"), &["r /proj/src/main.rs"]);
    }
    assert_read("see @src/a.b.rs.", "see /proj/src/a.b.rs.", &["r /proj/src/a.b.rs"]);
    assert_read("@src/main.rs:write", "/proj/src/main.rs:write", &["r /proj/src/main.rs"]);
    assert_read("@src/main.rs:w.", "/proj/src/main.rs.", &["w /proj/src/main.rs"]);
    assert_read(
        "`@src/main.rs` (\"@src/lib.rs\")",
        "`/proj/src/main.rs` (\"/proj/src/lib.rs\")",
        &["r /proj/src/main.rs", "r /proj/src/lib.rs"],
    );
    assert_read("参考@src/main.rs，然后回答", "参考/proj/src/main.rs，然后回答", &["r /proj/src/main.rs"]);
    assert_read("wait for @src/main.rs...", "wait for /proj/src/main.rs...", &["r /proj/src/main.rs"]);
}

#[test]
fn marks_that_end_a_reference_may_stand_in_a_path_that_is_there() {
    let page = "/proj/app/[id]/page.tsx";
    assert_read("mend @app/[id]/page.tsx:w, now", &format!("mend {page}, now"), &[&format!("w {page}")]);
    assert_read("(see @app/[id]/page.tsx)", &format!("(see {page})"), &[&format!("r {page}")]);
    assert_read("see @app/[id].", "see /proj/app/[id].", &["r /proj/app/[id]"]);
    assert_read("see @app/[no]/page.tsx", "see @app/[no]/page.tsx", &["! @app/[no"]);
}

#[test]
fn words_and_addresses_stay_text() {
    for question in [
        "why is @media there?",
        "what does @decorator do, and @Override?",
        "write to user@example.org about src",
        "mail first.last+tag@sub.example.co.uk.",
        "@app.route(\"/items\") is a route",
        "npm i react@18/umd lodash@4.17.21 actions/checkout@v4",
        "see https://example.org/@user/post",
        "curl -d @- and @ alone, @. and @... and @@ and @:w",
        "git clone git@example.org:team/project.git",
        "{@link Foo} @param {string} x",
        "@4.17 is a version",
        "install @types/node and @angular/core, or @scope/pkg",
        "the `@types/*` packages and **@vue/runtime-core**",
        "import {x} from '@scope/pkg/deep' and \"@babel/core\"",
        "what do @pytest.mark.skip and @functools.lru_cache do? And @Override.x or @app.route?",
        "@media(max-width: 600px) and @media (min-width) and @include foo($a/b)",
        "@app.get(\"/items/list.md\") and @app.map and @x.key and @click.option",
        "a rule like @/\\w+/ or @[a-z]/x.rs is no path",
        "@README and @main:where",
        "  no reference   keeps its spaces  ",
        "",
    ] {
        assert_text(question);
    }
}

#[test]
fn an_address_stays_text_even_where_its_host_is_a_file() {
    let tree = Tree(&["/proj/example.org"]);
    assert_eq!(parse("to user@example.org", &tree).references, []);
    assert_eq!(parse("to @example.org", &tree).references.len(), 1);
}

#[test]
fn what_looks_like_a_path_and_is_not_there_is_named_once() {
    assert_read(
        "@src/none.rs and @src/none.rs and @notes.md, @~/x/:w!",
        "@src/none.rs and @src/none.rs and @notes.md, @~/x/:w!",
        &["! @src/none.rs", "! @notes.md", "! @~/x/"],
    );
    assert_eq!(parse("@~/x", &PROJECT).missing, [Missing { was: "@~/x".into(), path: "/home/x".into() }]);
}

#[test]
fn what_looks_like_a_path_and_is_not_there_is_missing() {
    for (question, missing) in [
        ("@/no/such", "@/no/such"),
        ("@./no", "@./no"),
        ("@../no", "@../no"),
        ("@~/no", "@~/no"),
        ("@nothing:w now", "@nothing"),
        ("@types/node:w", "@types/node"),
        ("@lib/", "@lib/"),
        ("@\"no thing\"", "@\"no thing\""),
        ("@src/mian", "@src/mian"),
        ("@Makefile/x", "@Makefile/x"),
        ("@src/(group)/x", "@src/(group"),
        ("@lib/none.rs", "@lib/none.rs"),
        ("@NOTES.MD?", "@NOTES.MD"),
        ("@photo.jpeg, please", "@photo.jpeg"),
        ("@.gitignore", "@.gitignore"),
    ] {
        assert_read(question, question, &[&format!("! {missing}")]);
    }
}

#[test]
fn whether_the_first_part_is_there_decides_over_a_slash() {
    let question = "see @types/node";
    assert_eq!(parse(question, &Tree(&["/proj/", "/proj/types/"])).missing.len(), 1);
    assert_eq!(parse(question, &Tree(&["/proj/", "/proj/type/"])).missing, []);
}

#[test]
fn a_backslash_makes_a_plain_at_sign() {
    assert_read("\\@src/main.rs is a path", "@src/main.rs is a path", &[]);
    assert_read("\\@types/node and @src", "@types/node and /proj/src", &["r /proj/src"]);
    assert_read("a\\@b.cc", "a@b.cc", &[]);
}

#[test]
fn a_path_that_is_named_twice_stands_once_and_writing_wins() {
    let text = "/proj/src /proj/src /proj/src";
    assert_read("@src @./src/:w @src", text, &["w /proj/src"]);
    assert_eq!(parse("@src @./src/:w", &PROJECT).references[0].was, "@src");
}

#[test]
fn spaces_collapse_beside_references_but_not_in_paths_or_indentation() {
    assert_read("  a   @src   b  ", "a /proj/src b", &["r /proj/src"]);
    assert_read(
        " @\"docs/one  two.md\"  as:\n    if x:\n        y  = 1 \n",
        "/proj/docs/one  two.md as:\n    if x:\n        y = 1",
        &["r /proj/docs/one  two.md"],
    );
}

#[test]
fn three_files_of_one_folder_give_a_hint() {
    let parsed = parse("@src/main.rs @src/lib.rs @src/main.rs", &PROJECT);
    assert_eq!(parsed.hints, [""; 0]);
    let parsed = parse("@src/main.rs @src/lib.rs @src/a.b.rs", &PROJECT);
    assert_eq!(parsed.hints, ["3 files of one folder: `@src/` names them all"]);
}

#[test]
fn completion_offers_what_is_there() {
    let complete = |typed| complete(typed, &PROJECT);
    assert_eq!(complete("@src/m"), ["@src/main.rs", "@src/main.rs:w"]);
    assert_eq!(complete("@s"), ["@src/"]);
    assert_eq!(complete("@"), ["@Makefile", "@Makefile:w", "@app/", "@docs/", "@src/"]);
    assert_eq!(complete("@."), ["@.env", "@.env:w"]);
    assert_eq!(complete("@docs/m"), ["@\"docs/my notes.md\"", "@\"docs/my notes.md\":w"]);
    assert_eq!(complete("@\"docs/my n"), ["@\"docs/my notes.md\"", "@\"docs/my notes.md\":w"]);
    assert_eq!(complete("@\"d"), ["@\"docs/"]);
    assert_eq!(complete("@~/notes/"), ["@~/notes/todo.md", "@~/notes/todo.md:w"]);
    assert_eq!(complete("@/etc/h"), ["@/etc/hosts", "@/etc/hosts:w"]);
    assert_eq!(complete("src"), [""; 0]);
}

#[test]
fn a_reference_under_way_is_found_before_the_cursor() {
    for (text, at) in [
        ("see @src/ma", Some(4)),
        ("@", Some(0)),
        ("see @\"docs/my n", Some(4)),
        ("see (@s", Some(5)),
        ("参考@s", Some(6)),
        ("see @src and", None),
        ("user@exam", None),
        ("\\@src", None),
        ("@\"a b\" ", None),
        ("@src:w", None),
        ("", None),
    ] {
        assert_eq!(unfinished(text), at, "{text}");
    }
}

/// Texts in which what matters is frequent.
fn any_question() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("@".to_owned()),
        Just("\\".to_owned()),
        Just("\"".to_owned()),
        Just("src/main.rs".to_owned()),
        Just("docs/my notes.md".to_owned()),
        Just(":w".to_owned()),
        Just("..".to_owned()),
        Just("~/".to_owned()),
        "[ \n.,;:/a-z，é]{0,4}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_question_is_too_strange(question in any_question()) {
        let parsed = parse(&question, &PROJECT);
        if parsed.references.is_empty() {
            prop_assert_eq!(&parsed.text, &question.replace("\\@", "@"));
        }
        for reference in &parsed.references {
            prop_assert!(PROJECT.kind(&reference.path).is_some());
            prop_assert!(parsed.text.contains(reference.path.to_str().unwrap()));
            prop_assert!(question.contains(&reference.was) || reference.was.ends_with(":w"));
        }
        for missing in &parsed.missing {
            prop_assert!(PROJECT.kind(&missing.path).is_none());
        }
        if let Some(at) = unfinished(&question) {
            let _ = complete(&question[at..], &PROJECT);
        }
    }

    #[test]
    fn a_word_of_letters_and_dots_or_slashes_stays_text_unless_it_is_there(
        one in "[a-z]{1,6}", mark in "[./]", other in "q[a-z]{1,6}"
    ) {
        // No ending of a usual file begins with `q`.
        let question = format!("what is @{one}{mark}{other} about?");
        prop_assert_eq!(&parse(&question, &Tree(&[])).text, &question);
        prop_assert_eq!(parse(&question, &Tree(&[])).missing, []);
    }

    #[test]
    fn a_question_without_an_at_sign_is_left_as_it_is(question in "[^@]{0,200}") {
        prop_assert_eq!(parse(&question, &PROJECT).text, question);
    }

    #[test]
    fn what_completion_offers_is_a_reference(start in "[@\"a-zM./~]{0,6}") {
        for offered in complete(&format!("@{start}"), &PROJECT) {
            let closed = if offered.matches('"').count() == 1 { format!("{offered}\"") } else { offered };
            let parsed = parse(&closed, &PROJECT);
            prop_assert_eq!(parsed.references.len(), 1, "{}", closed);
        }
    }
}

#[test]
fn a_megabyte_of_signs_is_read_at_once() {
    for unit in ["@", "@\"", "@a", "@a.b/", "\\@", "@\"a\"", "@a "] {
        let question = unit.repeat((1 << 20) / unit.len());
        assert!(parse(&question, &Tree(&[])).references.is_empty());
    }
    let absent: Vec<String> = (0..100_000).map(|number| format!("@{number}/")).collect();
    let absent = absent.join(" ");
    assert_eq!(parse(&absent, &Tree(&[])).missing.len(), 100_000);
}
