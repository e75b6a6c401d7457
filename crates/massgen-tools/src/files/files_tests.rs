use std::os::unix::fs::symlink;

use massgen_ports::ToolHost;
use massgen_protocol::ToolOutcome;
use massgen_protocol::limits::{SEARCH_MATCHES, TOOL_ENTRIES, TOOL_FILE_BYTES, TOOL_RESULT_IN_PROMPT_BYTES};
use massgen_protocol::tooling::{FileTools, Permissions, Role};
use massgen_protocol::workspace::Deletion;
use serde_json::{Value, json};

use crate::testing::{House, Setup, agent, permissions};

#[tokio::test]
async fn schemas_are_those_that_prompts_and_configurations_know() {
    let house = House::new();
    let schemas = house.tools.tools(&agent());
    let lines: Vec<String> = schemas
        .iter()
        .map(|schema| format!("{} {}\n  {}", schema.name, schema.parameters, schema.description))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < 12_000, "every call pays for them: {bytes}");
}

#[tokio::test]
async fn writers_only_leaves_two_file_tools() {
    let house = House::with(Setup { files: FileTools::WritersOnly, ..Setup::default() });
    let names: Vec<String> = house.tools.tools(&agent()).into_iter().map(|schema| schema.name).collect();
    let files: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.contains("filesystem") || name.contains("workspace_tools"))
        .collect();
    assert_eq!(files, ["mcp__filesystem__write_file", "mcp__filesystem__edit_file"]);
    assert!(
        house.not_ok("mcp__filesystem__read_text_file", json!({"path": "a"})).await.starts_with("denied")
    );
}

#[tokio::test]
async fn files_are_written_read_and_changed() {
    let house = House::new();
    house.ok("write_file", json!({"path": "a/b.txt", "content": "one\ntwo\nthree\n"})).await;
    assert_eq!(house.read("ws/a/b.txt"), "one\ntwo\nthree\n");
    assert_eq!(house.ok("read_text_file", json!({"path": "a/b.txt"})).await, "one\ntwo\nthree\n");
    assert_eq!(house.ok("mcp__filesystem__read_file", json!({"path": "a/b.txt", "head": 1})).await, "one\n");
    assert_eq!(house.ok("read_text_file", json!({"path": "a/b.txt", "tail": 1})).await, "three\n");
    assert!(
        house
            .not_ok("read_text_file", json!({"path": "a/b.txt", "head": 1, "tail": 1}))
            .await
            .contains("either")
    );
    let edits = json!([{"oldText": "two", "newText": "2"}]);
    let shown = house.ok("edit_file", json!({"path": "a/b.txt", "edits": edits, "dryRun": true})).await;
    assert_eq!(house.read("ws/a/b.txt"), "one\ntwo\nthree\n");
    let changed = house.ok("edit_file", json!({"path": "a/b.txt", "edits": edits})).await;
    assert!(shown.ends_with(&changed) && changed.contains("-two\n+2\n"), "{changed}");
    assert_eq!(house.read("ws/a/b.txt"), "one\n2\nthree\n");
    let failed = json!([{"oldText": "one", "newText": "1"}, {"oldText": "nine", "newText": "9"}]);
    assert!(house.not_ok("edit_file", json!({"path": "a/b.txt", "edits": failed})).await.contains("edit 2"));
    assert_eq!(house.read("ws/a/b.txt"), "one\n2\nthree\n");
}

#[tokio::test]
async fn several_files_are_read_and_one_that_is_missing_holds_up_none() {
    let house = House::new();
    house.write("ws/a", "A");
    let read =
        house.ok("read_multiple_files", json!({"paths": ["a", "b", house.path("peers/agent2/a.txt")]})).await;
    insta::assert_snapshot!(read.replace(&house.root.display().to_string(), "ROOT"));
    assert!(house.not_ok("read_multiple_files", json!({"paths": ["x", "y"]})).await.starts_with("error"));
}

#[tokio::test]
async fn a_file_that_nobody_read_is_not_replaced() {
    let house = House::new();
    house.write("ws/a.txt", "the user's");
    house.write("ws/empty.txt", "");
    assert!(house.not_ok("write_file", json!({"path": "a.txt", "content": "x"})).await.starts_with("denied"));
    assert_eq!(house.read("ws/a.txt"), "the user's");
    house.ok("write_file", json!({"path": "empty.txt", "content": "x"})).await;
    house.ok("read_text_file", json!({"path": "a.txt"})).await;
    house.ok("write_file", json!({"path": "a.txt", "content": "mine"})).await;
    house.ok("write_file", json!({"path": "a.txt", "content": "mine again"})).await;
    assert_eq!(house.read("ws/a.txt"), "mine again");
}

#[tokio::test]
async fn what_is_no_text_is_not_read_as_text() {
    let house = House::new();
    house.write("ws/a.png", "x");
    house.write("ws/a.zip", "x");
    house.write("ws/nul", b"a\0b");
    house.write("ws/latin", b"a\xe4b");
    let file = fs_err::File::create(house.root.join("ws/big.txt")).expect("made");
    file.set_len(TOOL_FILE_BYTES + 1).expect("grown");
    let mut told = Vec::new();
    for path in ["a.png", "a.zip", "nul", "latin", "big.txt", ".", "missing", "a\0b"] {
        told.push(house.not_ok("read_text_file", json!({"path": path})).await);
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn what_was_not_given_is_neither_read_nor_changed() {
    let house = House::new();
    symlink(house.root.join("outside"), house.root.join("ws/out")).expect("linked");
    house.write("ws/mine", "mine");
    let secret = house.path("outside/secret");
    for path in [secret.as_str(), "../outside/secret", "out/secret", "/etc/passwd", "/proc/self/environ"] {
        for (tool, arguments) in [
            ("read_text_file", json!({"path": path})),
            ("write_file", json!({"path": path, "content": "x"})),
            ("edit_file", json!({"path": path, "edits": [{"oldText": "a", "newText": "b"}]})),
            ("create_directory", json!({"path": path})),
            ("list_directory", json!({"path": path})),
            ("directory_tree", json!({"path": path})),
            ("get_file_info", json!({"path": path})),
            ("move_file", json!({"source": path, "destination": "x"})),
            ("move_file", json!({"source": "mine", "destination": path})),
            ("search_files", json!({"path": path, "pattern": "*"})),
            ("grep", json!({"path": path, "pattern": "."})),
            ("glob", json!({"path": path, "pattern": "*"})),
            ("copy_file", json!({"source_path": path, "destination_path": "x"})),
            ("copy_file", json!({"source_path": "mine", "destination_path": path, "overwrite": true})),
            ("delete_file", json!({"path": path})),
            ("delete_files_batch", json!({"base_path": path})),
            ("compare_files", json!({"file1": "mine", "file2": path})),
            (
                "apply_patch",
                json!({"patch": format!("*** Begin Patch\n*** Delete File: {path}\n*** End Patch")}),
            ),
            (
                "apply_patch",
                json!({"patch": format!("*** Begin Patch\n*** Add File: {path}/n\n+x\n*** End Patch")}),
            ),
        ] {
            let text = house.not_ok(tool, arguments).await;
            assert!(text.starts_with("denied: ") && text.contains("outside"), "{tool} {path}: {text}");
        }
    }
    assert_eq!(house.read("outside/secret"), "the secret");
    assert_eq!(house.read("ws/mine"), "mine");
}

#[tokio::test]
async fn what_may_only_be_read_is_not_changed() {
    let house = House::new();
    let (peer, git) = (house.path("peers/agent2/a.txt"), house.path("project/.git/config"));
    house.ok("read_text_file", json!({"path": peer})).await;
    for path in [peer.as_str(), git.as_str()] {
        let text = house.not_ok("write_file", json!({"path": path, "content": "x"})).await;
        assert!(text.starts_with("denied: "), "{text}");
    }
    assert!(house.not_ok("delete_file", json!({"path": peer})).await.starts_with("denied: "));
    assert!(
        house.not_ok("move_file", json!({"source": peer, "destination": "x"})).await.starts_with("denied: ")
    );
    house.ok("copy_file", json!({"source_path": peer, "destination_path": "copy.txt"})).await;
    assert_eq!(house.read("ws/copy.txt"), "of a peer\n");
}

#[tokio::test]
async fn folders_are_listed() {
    let house = House::new();
    house.write("ws/src/main.rs", "fn main() {}");
    house.write("ws/src/deep/x.txt", "12345");
    house.write("ws/b.txt", "123");
    symlink("b.txt", house.root.join("ws/link")).expect("linked");
    let told = [
        house.ok("list_directory", json!({"path": "."})).await,
        house.ok("list_directory_with_sizes", json!({"path": "src"})).await,
        house.ok("directory_tree", json!({"path": ".", "excludePatterns": ["*.txt"]})).await,
        house.ok("list_allowed_directories", json!({})).await,
    ];
    insta::assert_snapshot!(told.join("\n---\n").replace(&house.root.display().to_string(), "ROOT"));
    let info = house.ok("get_file_info", json!({"path": "b.txt"})).await;
    assert!(info.contains("size: 3") && info.contains("isFile: true"), "{info}");
}

/// Runs `test` again as a user whom modes of files hold back, when this one is root. Whether that was done.
fn done_by_common_user(test: &str) -> bool {
    let id = std::process::Command::new("id").arg("-u").output().expect("id");
    if id.stdout != b"0\n" {
        return false;
    }
    let mut again = std::process::Command::new("setpriv");
    again.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    again.arg(std::env::current_exe().expect("this program")).args(["--exact", test]).env("TMPDIR", "/tmp");
    match again.output() {
        Ok(ended) => assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout)),
        Err(error) => eprintln!("not tried, root is not held back by modes, and `setpriv`: {error}"),
    }
    true
}

#[tokio::test]
async fn what_cannot_be_looked_into_is_named_and_the_rest_is_shown() {
    use std::os::unix::fs::PermissionsExt;

    let test = "files::tests::what_cannot_be_looked_into_is_named_and_the_rest_is_shown";
    if done_by_common_user(test) {
        return;
    }
    let house = House::new();
    house.write("ws/a/closed/x.txt", "word");
    house.write("ws/a/z.txt", "word");
    house.write("ws/secret.txt", "word");
    let set = |name: &str, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(house.root.join(name), permissions).expect("set");
    };
    set("ws/a/closed", 0o000);
    set("ws/secret.txt", 0o000);
    let tree = house.ok("directory_tree", json!({"path": "."})).await;
    assert!(tree.contains("not shown: Permission denied") && tree.contains("z.txt"), "{tree}");
    let found = house.ok("search_files", json!({"path": ".", "pattern": "*.txt"})).await;
    assert!(
        found.contains("a/z.txt") && found.contains("(not looked into: `a/closed` (Permission denied"),
        "{found}"
    );
    let globbed = house.ok("glob", json!({"pattern": "**/*.txt"})).await;
    assert!(globbed.contains("a/z.txt") && globbed.contains("not looked into: `a/closed`"), "{globbed}");
    let lines = house.ok("grep", json!({"pattern": "word"})).await;
    assert!(lines.contains("a/z.txt:1: word") && lines.contains("not looked into: `a/closed`"), "{lines}");
    assert!(lines.contains("secret.txt: not searched, Permission denied"), "{lines}");
    let copied = json!({"source_base_path": "a", "destination_base_path": "b"});
    let told = house.not_ok("copy_files_batch", copied).await;
    assert!(told.contains("some folders cannot be looked into: `closed`"), "{told}");
    set("ws/a/closed", 0o755);
}

#[tokio::test]
async fn a_folder_with_too_much_does_not_hide_the_rest_of_the_tree() {
    let house = House::new();
    house.write("ws/a/first", "x");
    for number in 0..TOOL_ENTRIES {
        fs_err::hard_link(house.root.join("ws/a/first"), house.root.join(format!("ws/a/{number}")))
            .expect("linked");
    }
    house.write("ws/b/c.txt", "x");
    let outcome = house.call("directory_tree", json!({"path": "."})).await;
    let ToolOutcome::Ok { text, .. } = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("not shown: there is too much") && text.contains("c.txt"), "{text}");
}

#[tokio::test]
async fn files_are_found_by_name_and_by_what_they_hold() {
    let house = House::new();
    house.write("ws/src/main.rs", "fn main() {\n    hello();\n}\n");
    house.write("ws/src/lib.rs", "pub fn hello() {}\n");
    house.write("ws/target/out.rs", "hello\n");
    house.write("ws/notes.md", "Hello\n");
    house.write("ws/.gitignore", "target/\n*.log\n!keep.log\n");
    house.write("ws/a.log", "hello\n");
    house.write("ws/keep.log", "hello\n");
    house.write("ws/pic.png", "hello\n");
    house.write("ws/.git/x", "hello\n");
    let told = [
        house
            .ok("search_files", json!({"path": ".", "pattern": "*.rs", "excludePatterns": ["target"]}))
            .await,
        house.ok("search_files", json!({"path": ".", "pattern": "LIB"})).await,
        house.ok("glob", json!({"pattern": "**/*.rs"})).await,
        house.ok("glob", json!({"pattern": "*.md", "path": "src"})).await,
        house.ok("grep", json!({"pattern": "hello"})).await,
        house.ok("grep", json!({"pattern": "HELLO", "ignore_case": true, "include": "*.md"})).await,
        house.ok("grep", json!({"pattern": "hello", "path": "src/main.rs", "context": 1})).await,
        house.ok("grep", json!({"pattern": "hello", "path": "src"})).await,
        house.not_ok("grep", json!({"pattern": "("})).await.lines().next().unwrap_or_default().to_owned(),
    ];
    insta::assert_snapshot!(told.join("\n---\n"));
}

#[tokio::test]
async fn a_search_that_finds_too_much_is_cut_and_says_so() {
    let house = House::new();
    house.write("ws/many", "line\n".repeat(SEARCH_MATCHES + 10));
    house.write("ws/long", "x".repeat(100_000));
    let found = house.ok("grep", json!({"pattern": "line", "path": "many"})).await;
    assert_eq!(found.lines().count(), SEARCH_MATCHES + 1);
    assert!(found.contains("only the first"));
    assert!(house.ok("grep", json!({"pattern": "x", "path": "long"})).await.len() < 1000);
}

#[tokio::test]
async fn files_are_read_before_they_are_deleted() {
    let house = House::new();
    for name in ["known", "unknown", "dir/a", "dir/b", "dir/x.pyc", "out/node_modules/y", "dist/z"] {
        house.write(&format!("ws/{name}"), "text");
    }
    house.write("ws/pic.png", b"\x89PNG");
    house.ok("read_text_file", json!({"path": "known"})).await;
    house.ok("read_text_file", json!({"path": "dir/a"})).await;
    house.ok("delete_file", json!({"path": "known"})).await;
    assert!(!house.exists("ws/known"));
    assert!(house.not_ok("delete_file", json!({"path": "unknown"})).await.contains("read before you delete"));
    assert!(house.not_ok("delete_file", json!({"path": "dir", "recursive": true})).await.contains("dir/b"));
    house.ok("read_text_file", json!({"path": "dir/b"})).await;
    assert!(house.not_ok("delete_file", json!({"path": "dir"})).await.contains("recursive"));
    house.ok("delete_file", json!({"path": "dir", "recursive": true})).await;
    house.ok("delete_file", json!({"path": "out", "recursive": true})).await;
    house.ok("delete_file", json!({"path": "dist", "recursive": true})).await;
    assert!(house.not_ok("delete_file", json!({"path": "pic.png"})).await.contains("get_file_info"));
    house.ok("get_file_info", json!({"path": "pic.png"})).await;
    house.ok("delete_file", json!({"path": "pic.png"})).await;
    assert!(house.exists("ws/unknown"));
    let free = House::with(Setup { deletion: Deletion::Always, ..Setup::default() });
    free.write("ws/unknown", "text");
    free.ok("delete_file", json!({"path": "unknown"})).await;
}

#[tokio::test]
async fn names_that_tools_need_and_roots_are_not_deleted() {
    let house = House::with(Setup { deletion: Deletion::Always, ..Setup::default() });
    house.write("ws/.git/config", "x");
    house.write("ws/a/.env", "x");
    house.write("ws/b.txt", "x");
    for path in [".git", ".git/config", "a/.env", ".", &house.path("project")] {
        let text = house.not_ok("delete_file", json!({"path": path, "recursive": true})).await;
        assert!(text.starts_with("denied: "), "{path}: {text}");
    }
    let told = house.json("delete_files_batch", json!({"base_path": "."})).await;
    assert_eq!(told["details"]["deleted"], json!(["b.txt"]));
    assert_eq!(told["details"]["summary"], json!({"deleted": 1, "skipped": 2, "errors": 0}));
}

#[tokio::test]
async fn files_are_copied_and_moved() {
    let house = House::new();
    house.write("ws/src/a.txt", "A");
    house.write("ws/src/sub/b.py", "B");
    symlink("a.txt", house.root.join("ws/src/link")).expect("linked");
    let copied = house.json("copy_file", json!({"source_path": "src", "destination_path": "copy"})).await;
    assert_eq!(copied["operation"], "copy_file");
    assert_eq!(house.read("ws/copy/sub/b.py"), "B");
    assert!(house.root.join("ws/copy/link").is_symlink());
    let again = json!({"source_path": "src/a.txt", "destination_path": "copy/a.txt"});
    assert!(house.not_ok("copy_file", again).await.contains("overwrite"));
    assert!(
        house
            .not_ok("copy_file", json!({"source_path": "src", "destination_path": "src/in"}))
            .await
            .contains("itself")
    );
    let batch = json!({
        "source_base_path": "src", "destination_base_path": "only", "include_patterns": ["*.py", "*.txt"],
        "exclude_patterns": ["a*"],
    });
    let told = house.json("copy_files_batch", batch.clone()).await;
    assert_eq!(told["details"]["copied"], json!(["sub/b.py"]));
    let told = house.json("copy_files_batch", batch).await;
    assert_eq!(told["details"]["summary"], json!({"copied": 0, "skipped": 1, "errors": 0}));
    house.ok("move_file", json!({"source": "copy", "destination": "deep/er/moved"})).await;
    assert_eq!(house.read("ws/deep/er/moved/a.txt"), "A");
    // Whoever made a file may delete it wherever it was moved to.
    house.ok("delete_file", json!({"path": "deep/er/moved", "recursive": true})).await;
    assert!(
        house
            .not_ok("move_file", json!({"source": "src", "destination": "only"}))
            .await
            .contains("exists already")
    );
    assert!(
        house.not_ok("move_file", json!({"source": ".", "destination": "x"})).await.starts_with("denied")
    );
}

#[tokio::test]
async fn what_is_different_is_shown() {
    let house = House::new();
    for (name, text) in
        [("one/same", "s"), ("two/same", "s"), ("one/a", "x\ny\n"), ("two/a", "x\nz\n"), ("two/b", "b")]
    {
        house.write(&format!("ws/{name}"), text);
    }
    let told = house
        .json("compare_directories", json!({"dir1": "one", "dir2": "two", "show_content_diff": true}))
        .await;
    let files =
        house.json("compare_files", json!({"file1": "one/a", "file2": "two/a", "context_lines": 0})).await;
    insta::assert_snapshot!(format!(
        "{}\n{}",
        serde_json::to_string_pretty(&told).expect("JSON"),
        files["details"]["diff"].as_str().expect("text"),
    ));
}

#[tokio::test]
async fn a_patch_changes_all_its_files() {
    let house = House::new();
    house.write("ws/a.rs", "fn a() {\n    1\n}\n");
    house.write("ws/old.txt", "old\n");
    house.write("ws/gone.txt", "gone\n");
    house.ok("read_text_file", json!({"path": "gone.txt"})).await;
    let patch = "*** Begin Patch\n*** Add File: new/b.rs\n+fn b() {}\n*** Update File: a.rs\n@@ fn a() {\n-    1\n+    2\n\
                 *** Update File: old.txt\n*** Move to: moved.txt\n@@\n-old\n+new\n*** Delete File: gone.txt\n*** End Patch";
    let told = house.ok("apply_patch", json!({"patch": patch})).await;
    assert_eq!(told, "A new/b.rs\nM a.rs\nR old.txt -> moved.txt\nD gone.txt");
    assert_eq!(house.read("ws/new/b.rs"), "fn b() {}\n");
    assert_eq!(house.read("ws/a.rs"), "fn a() {\n    2\n}\n");
    assert_eq!(house.read("ws/moved.txt"), "new\n");
    assert!(!house.exists("ws/old.txt") && !house.exists("ws/gone.txt"));
}

#[tokio::test]
async fn a_patch_of_which_one_part_fails_changes_nothing() {
    let house = House::new();
    house.write("ws/a", "a\n");
    house.write("ws/b", "b\n");
    for (bad, why) in [
        ("*** Update File: b\n-x\n+y", "does not fit"),
        ("*** Update File: missing\n-x\n+y", "does not exist"),
        ("*** Add File: b\n+x", "exists already"),
        ("*** Delete File: b", "read before you delete"),
        ("*** Update File: ../outside/secret\n-the secret\n+x", "outside"),
        ("*** Update File: a\n-a\n+y", "twice"),
        ("*** Add File: a/under\n+x", "not a folder"),
        ("*** Update File: b\n*** Move to: a\n-b\n+c", "exists already"),
    ] {
        let patch = format!(
            "*** Begin Patch\n*** Update File: a\n-a\n+changed\n*** Add File: n\n+n\n{bad}\n*** End Patch"
        );
        let text = house.not_ok("apply_patch", json!({"patch": patch})).await;
        assert!(text.contains(why) && text.contains("Nothing was changed"), "{bad}: {text}");
        assert_eq!((house.read("ws/a").as_str(), house.read("ws/b").as_str()), ("a\n", "b\n"), "{bad}");
        assert!(!house.exists("ws/n"));
    }
}

#[tokio::test]
async fn a_patch_that_breaks_in_the_middle_is_undone() {
    let house = House::new();
    house.write("ws/a", "a\n");
    house.write("ws/n", "");
    fs_err::remove_file(house.root.join("ws/n")).expect("removed");
    // The second new file cannot be made: the first one stands where its folder would be.
    let patch = "*** Begin Patch\n*** Update File: a\n-a\n+b\n*** Add File: n\n+n\n*** Add File: n/x\n+x\n*** End Patch";
    let text = house.not_ok("apply_patch", json!({"patch": patch})).await;
    assert!(text.contains("Nothing was changed"), "{text}");
    assert_eq!(house.read("ws/a"), "a\n");
}

#[tokio::test]
async fn a_long_result_goes_to_a_file_and_is_shown_at_its_ends() {
    let house = House::new();
    let lines: Vec<String> = (0..20_000).map(|line| format!("line {line}\n")).collect();
    let text = lines.concat();
    house.write("ws/long.txt", &text);
    let shown = house.ok("read_text_file", json!({"path": "long.txt"})).await;
    assert!(shown.len() < TOOL_RESULT_IN_PROMPT_BYTES / 4);
    assert!(shown.contains("line 0\n") && shown.ends_with("line 19999\n"));
    let path = shown.split('`').nth(1).expect("a path");
    assert!(path.starts_with(".tool_results/read_text_file_20260101_"), "{path}");
    assert_eq!(house.read(&format!("ws/{path}")), text);
}

#[tokio::test]
async fn wrong_arguments_are_refused_before_anything_happens() {
    let house = House::new();
    for (tool, arguments) in [
        ("write_file", "{\"path\": \"a\"}"),
        ("write_file", "{\"path\": 1, \"content\": \"x\"}"),
        ("write_file", "not json"),
        ("edit_file", "{\"path\": \"a\", \"edits\": [{\"oldText\": \"x\"}]}"),
    ] {
        let outcome = house.call_with(tool, arguments).await;
        assert!(matches!(&outcome, ToolOutcome::Error { text } if text.contains("again")), "{outcome:?}");
    }
    assert!(house.records().is_empty());
    let text = house.not_ok("write_files", json!({})).await;
    assert!(text.contains("there is no tool `write_files`") && text.contains("write_file"), "{text}");
    assert_eq!(
        house.call_with("list_allowed_directories", "").await,
        house.call_with("list_allowed_directories", "{}").await
    );
}

#[tokio::test]
async fn a_hard_link_to_something_outside_is_not_written_through() {
    let house = House::with(Setup { deletion: Deletion::Always, ..Setup::default() });
    fs_err::hard_link(house.root.join("outside/secret"), house.root.join("ws/hard")).expect("linked");
    house.ok("edit_file", json!({"path": "hard", "edits": [{"oldText": "the", "newText": "my"}]})).await;
    assert_eq!(house.read("ws/hard"), "my secret");
    assert_eq!(house.read("outside/secret"), "the secret");
    let _: Value = house.json("delete_file", json!({"path": "hard"})).await;
    assert_eq!(house.read("outside/secret"), "the secret");
}

#[tokio::test]
async fn every_tool_that_touches_files_asks_for_what_it_does() {
    use std::collections::BTreeSet;

    use crate::policy::Effect;
    use crate::source::{Capability, Source};

    let house = House::new();
    let source = house.file_source();
    let patch =
        "*** Begin Patch\n*** Add File: a\n+a\n*** Update File: b\n-a\n*** Delete File: c\n*** End Patch";
    for schema in source.schemas(&agent()) {
        let required = schema.parameters["required"].as_array().cloned().unwrap_or_default();
        let value = |name: &str| match schema.parameters["properties"][name]["type"].as_str() {
            Some("array") => json!(["x"]),
            _ if name == "patch" => json!(patch),
            _ => json!("x"),
        };
        let arguments =
            required.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), value(name))).collect();
        let wanted: BTreeSet<Effect> = source
            .requests(&agent(), &schema.name, &arguments)
            .into_iter()
            .map(|request| request.effect)
            .collect();
        for capability in source.capabilities(&agent(), &schema.name).expect("it is there") {
            let asks = match capability {
                Capability::Reads => wanted.contains(&Effect::Read),
                Capability::Writes => wanted.contains(&Effect::Write),
                Capability::Deletes => wanted.contains(&Effect::Delete),
                Capability::Executes | Capability::Network => false,
            };
            assert!(asks, "{} {capability:?} {wanted:?}", schema.name);
        }
    }
}

#[tokio::test]
async fn rules_are_asked_about_the_file_that_a_link_leads_to() {
    let permissions =
        Permissions { deny: vec!["read_file(keys/*)".to_owned()], ..crate::testing::permissions() };
    let house = House::with(Setup { permissions: Some(permissions), ..Setup::default() });
    house.write("ws/keys/a", "key");
    house.write("ws/b", "b");
    symlink("keys/a", house.root.join("ws/link")).expect("linked");
    for path in ["keys/a", "link", "./keys/../keys/a", &house.path("ws/keys/a")] {
        assert!(
            house.not_ok("read_text_file", json!({"path": path})).await.contains("rule: read_file(keys/*)"),
            "{path}"
        );
    }
    assert_eq!(house.ok("read_text_file", json!({"path": "b"})).await, "b");
    assert_eq!(house.records().len(), 5);
}

#[tokio::test]
async fn rules_for_a_file_hold_when_a_call_names_the_folder_around_it() {
    let permissions = Permissions {
        allow: vec!["write_file(*)".to_owned()],
        ask: vec!["read_file(*.pem)".to_owned()],
        deny: vec!["read_file(*.env)".to_owned(), "write_file(dir/keep)".to_owned()],
        ..crate::testing::permissions()
    };
    let setup = Setup { permissions: Some(permissions), deletion: Deletion::Always, ..Setup::default() };
    let house = House::with(setup);
    for name in ["dir/a", "dir/my.env", "dir/my.pem", "dir/keep", "two/my.env"] {
        house.write(&format!("ws/{name}"), "word");
    }
    let found = house.ok("grep", json!({"pattern": "word", "path": "dir"})).await;
    insta::assert_snapshot!(found);
    for (tool, arguments) in [
        ("copy_file", json!({"source_path": "dir", "destination_path": "copy"})),
        ("compare_directories", json!({"dir1": "dir", "dir2": "two"})),
        ("delete_file", json!({"path": "dir", "recursive": true})),
        ("move_file", json!({"source": "dir", "destination": "moved"})),
    ] {
        let text = house.not_ok(tool, arguments).await;
        assert!(text.starts_with("denied: ") && text.contains("rule: "), "{tool}: {text}");
    }
    let copied = house
        .json("copy_files_batch", json!({"source_base_path": "dir", "destination_base_path": "copy2"}))
        .await;
    assert_eq!(copied["details"]["copied"], json!(["a", "keep"]));
    assert!(house.exists("ws/dir/keep") && !house.exists("ws/copy/my.env"));
}

#[tokio::test]
async fn rules_hold_in_the_project_as_they_are_spelled_there() {
    let permissions = Permissions {
        role: Some(Role::ReadWrite),
        deny: vec!["read_file(secrets/**)".to_owned(), "write_file(docs/*)".to_owned()],
        ..crate::testing::permissions()
    };
    let house = House::with(Setup { permissions: Some(permissions), ..Setup::default() });
    for name in ["project/secrets/key.txt", "project/docs/a.txt", "project/open.txt"] {
        house.write(name, "gold");
    }
    let read = |name: &str| json!({ "path": house.path(name) });
    assert_eq!(house.ok("read_text_file", read("project/open.txt")).await.trim(), "gold");
    for (tool, arguments) in [
        ("read_text_file", read("project/secrets/key.txt")),
        ("write_file", json!({ "path": house.path("project/docs/new.txt"), "content": "x" })),
        (
            "copy_file",
            json!({ "source_path": house.path("project/secrets/key.txt"), "destination_path": "a" }),
        ),
    ] {
        let told = house.not_ok(tool, arguments).await;
        assert!(told.starts_with("denied") && told.contains("rule"), "{tool}: {told}");
    }
    // Work on the folder around it, file by file.
    let found = house.ok("grep", json!({ "pattern": "gold", "path": house.path("project") })).await;
    assert!(found.contains("open.txt:1") && found.contains("key.txt: not searched"), "{found}");
}

#[tokio::test]
async fn what_may_not_be_read_is_not_shown_by_a_change_nor_moved_to_where_it_can_be_read() {
    let permissions = Permissions {
        role: Some(Role::ReadWrite),
        deny: vec!["read_file(keys/**)".to_owned()],
        ..crate::testing::permissions()
    };
    let house = House::with(Setup { permissions: Some(permissions), ..Setup::default() });
    house.write("ws/keys/deep/a.txt", "one\ngold\n");
    let patch = |head: &str| json!({"patch": format!("*** Begin Patch\n*** Update File: keys/deep/a.txt\n{head}@@\n-one\n+1\n*** End Patch")});
    let edits = json!([{"oldText": "one", "newText": "1"}]);
    for (tool, arguments) in [
        ("edit_file", json!({"path": "keys/deep/a.txt", "edits": edits})),
        ("move_file", json!({"source": "keys/deep/a.txt", "destination": "a.txt"})),
        ("move_file", json!({"source": "keys", "destination": "open"})),
        ("apply_patch", patch("")),
        ("apply_patch", patch("*** Move to: a.txt\n")),
    ] {
        let told = house.not_ok(tool, arguments).await;
        assert!(told.starts_with("denied") && told.contains("rule: read_file(keys/**)"), "{tool}: {told}");
        assert!(!told.contains("gold"), "{tool}: {told}");
    }
    assert_eq!(house.read("ws/keys/deep/a.txt"), "one\ngold\n");
    assert!(!house.exists("ws/a.txt") && !house.exists("ws/open"));
}

#[tokio::test]
async fn a_copy_replaces_no_file_that_the_agent_has_not_read() {
    let house = House::new();
    for name in ["new.txt", "made.txt", "from/made.txt"] {
        house.write(&format!("ws/{name}"), name);
    }
    let one = json!({"source_path": "new.txt", "destination_path": "made.txt", "overwrite": true});
    let told = house.not_ok("copy_file", one.clone()).await;
    assert!(told.starts_with("denied") && told.contains("you have not read it"), "{told}");
    let folder = json!({"source_base_path": "from", "destination_base_path": ".", "overwrite": true});
    assert_eq!(house.json("copy_files_batch", folder).await["details"]["summary"]["errors"], 1);
    assert_eq!(house.read("ws/made.txt"), "made.txt");
    house.ok("read_text_file", json!({"path": "made.txt"})).await;
    house.ok("copy_file", one).await;
    assert_eq!(house.read("ws/made.txt"), "new.txt");
}

#[tokio::test]
async fn a_dry_run_needs_no_right_to_write() {
    let permissions = Permissions { deny: vec!["write_file(*)".to_owned()], ..permissions() };
    let house = House::with(Setup { permissions: Some(permissions), ..Setup::default() });
    house.write("ws/a.txt", "one\n");
    let edit = |dry: bool| {
        let edits = json!([{"oldText": "one", "newText": "1"}]);
        json!({"path": "a.txt", "edits": edits, "dryRun": dry})
    };
    assert!(house.ok("edit_file", edit(true)).await.contains("+1"));
    assert!(house.not_ok("edit_file", edit(false)).await.contains("write_file(*)"));
    assert_eq!(house.read("ws/a.txt"), "one\n");
}
