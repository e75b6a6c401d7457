use super::*;
use crate::tree::{Digest, Entry, Mode};

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

fn scrub() -> Scrub {
    let id = |id: &str, index| (AgentId::new(id).unwrap(), AgentNo::from_index(index));
    let paths = [
        ("/p/.massgen/workspaces/agent_a_1f", "/p/.massgen/temp_workspaces/r/.views/77"),
        ("/p/.massgen/workspaces/agent_ab_2e", "agent2"),
        ("/p/.massgen/temp_workspaces/r/tok/", ""),
    ];
    Scrub::new(
        [id("agent_a", 0), id("agent_ab", 1), id("b", 2)],
        paths.map(|(from, to)| (from.to_owned(), to.to_owned())),
    )
}

fn tree(paths: &[&str]) -> Tree {
    let file = || Entry::File { digest: Digest::of(b""), size: 0, mode: Mode::Plain };
    Tree { entries: paths.iter().map(|text| (path(text), file())).collect() }
}

#[test]
fn notes_name_no_agent_and_no_place_that_moved() {
    let text = "agent_a asked agent_ab (not agent_abc, nor b). \
                /p/.massgen/workspaces/agent_a_1f/x.md /p/.massgen/workspaces/agent_ab_2e/y.md \
                /p/.massgen/temp_workspaces/r/tok/agent2/z.md";
    let seen = scrub().content(&path("memory/short_term/notes.md"), text.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(seen).unwrap(),
        "agent1 asked agent2 (not agent_abc, nor b). /p/.massgen/temp_workspaces/r/.views/77/x.md \
         agent2/y.md agent2/z.md"
    );
}

#[test]
fn what_an_agent_delivers_stays_as_it_is() {
    let scrub = scrub();
    let text = b"made by agent_a";
    for deliverable in
        ["report.md", "src/memory/x.md", "execution_trace.md/x", "docs/tasks/plan.md", ".worktree/ctx_1/a"]
    {
        assert_eq!(scrub.content(&path(deliverable), text), None, "{deliverable}");
    }
    for note in
        ["tasks/plan.md", "memory/x", ".massgen_scratch/x.json", ".tool_results/1.txt", "execution_trace.md"]
    {
        assert_eq!(scrub.content(&path(note), text).unwrap(), b"made by agent1", "{note}");
    }
}

#[test]
fn only_texts_of_some_size_are_rewritten() {
    let scrub = scrub();
    let long = "agent_a ".repeat(300_000);
    assert!(long.len() as u64 > limits::SCRUBBED_FILE_BYTES);
    assert_eq!(scrub.content(&path("memory/long.md"), long.as_bytes()), None);
    assert_eq!(scrub.content(&path("memory/a.PNG"), b"agent_a"), None);
    assert_eq!(scrub.content(&path("memory/latin1.txt"), b"agent_a \xe9"), None);
    assert_eq!(scrub.content(&path("memory/other.md"), b"nothing to see"), None);
}

#[test]
fn names_of_notes_name_no_agent_and_never_become_one() {
    let tree = tree(&[
        "agent_a/kept.md",
        "memory/agent_a.md",
        "memory/agent1.md",
        "memory/agent_ab/agent_a/deep.md",
        "memory/b",
        "memory/bread",
        "tasks/notes_agent_a_old.md",
    ]);
    let places = scrub().places(&tree);
    let lines: Vec<String> = places.iter().map(|(old, new)| format!("{old} -> {new}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    agent_a/kept.md -> agent_a/kept.md
    memory/agent1.md -> memory/agent1.md
    memory/agent_a.md -> memory/agent1-2.md
    memory/agent_ab/agent_a/deep.md -> memory/agent2/agent1/deep.md
    memory/b -> memory/agent3
    memory/bread -> memory/bread
    tasks/notes_agent_a_old.md -> tasks/notes_agent1_old.md
    ");
}

#[test]
fn peers_do_not_see_what_tools_keep_for_themselves() {
    let tree = tree(&[
        "a/.git/x",
        ".massgen/y",
        "deep/er/.claude/z",
        ".gitignore",
        ".codexes",
        "memory/.gemini/q",
        "ok",
    ]);
    let seen: Vec<String> = scrub().places(&tree).values().map(ToString::to_string).collect();
    assert_eq!(seen, [".codexes", ".gitignore", "ok"]);
}

#[test]
fn a_name_that_grows_still_fits() {
    let name = format!("memory/{}", "b-agent_a".repeat(25));
    let many = Scrub::new([(AgentId::new("agent_a").unwrap(), AgentNo::from_index(49_999))], []);
    let places = many.places(&tree(&[&name]));
    assert!(places.values().all(|place| place.name().len() <= 255));
}
