//! Rules for paths in whole runs: in the project and in copies of it, for tools and for programs.

use massgen_sandbox::Mechanism;
use serde_json::{Value, json};

use crate::lab::{CONFIG, Lab, command, mechanisms, merge};

#[test]
fn a_rule_for_a_folder_holds_in_the_project_and_in_copies_for_tools_and_for_commands() {
    for mechanism in mechanisms("a_rule_for_a_folder_holds") {
        for permission in ["read", "write"] {
            let lab = Lab::confined(mechanism);
            lab.world.write("project/secrets/key.txt", "gold");
            lab.world.write("project/docs/kept.txt", "old");
            lab.world.write("project/open.txt", "open");
            let is_copy = permission == "write";
            let seen = if is_copy {
                ".worktree/ctx_1".to_owned()
            } else {
                lab.world.work().join("project").display().to_string()
            };
            let backend = json!({
                "cwd": "workspace",
                "enable_mcp_command_line": true,
                "context_paths": [{ "path": "project", "permission": permission }],
                "permissions": { "role": "implementer",
                    "rules": { "deny": ["read_file(secrets/**)", "write_file(docs/**)"] } },
            });
            let read =
                |path: &str| ("mcp__filesystem__read_text_file", json!({ "path": format!("{seen}/{path}") }));
            let kept = json!({ "path": format!("{seen}/docs/new.txt"), "content": "x" });
            lab.set(
                &backend,
                &[
                    read("secrets/key.txt"),
                    read("open.txt"),
                    ("mcp__filesystem__write_file", kept),
                    command(&format!("cat {seen}/open.txt; cat {seen}/secrets/key.txt; ls {seen}/secrets")),
                    command(&format!(
                        "echo new > {seen}/docs/kept.txt; echo new > beside && cat {seen}/docs/kept.txt"
                    )),
                ],
            );
            let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
            merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "isolated" } } }));
            lab.configure(&config);
            let told = lab.run();
            let made = lab.made();
            made[0].is("denied", "read_file(secrets/**)");
            made[1].is("ok", "open");
            made[2].is("denied", "write_file(docs/**)");
            let said = made[3].json()["stdout"].as_str().unwrap().to_owned();
            // Landlock takes nothing from a tree that may be changed, and people are told.
            let is_kept = mechanism == Mechanism::Bubblewrap || !is_copy;
            assert!(said.contains("open"), "{mechanism} {permission}: {made:#?}");
            assert_eq!(said.contains("gold"), !is_kept, "{mechanism} {permission}: {made:#?}");
            assert_eq!(said.contains("key.txt"), !is_kept, "{mechanism} {permission}: {made:#?}");
            assert_eq!(
                made[4].json()["stdout"],
                if is_kept { "old" } else { "new\n" },
                "{mechanism} {permission}: {made:#?}"
            );
            let is_told = |text: &String| text.contains("its programs are not held to rules for paths");
            assert_eq!(lab.degraded().iter().any(is_told), mechanism == Mechanism::Landlock, "{told}");
            // A copy is a repository, and what is refused is in its first commit.
            let is_told = |text: &String| text.contains("what git has in its history, its programs can read");
            assert_eq!(lab.degraded().iter().any(is_told), is_copy, "{told}");
        }
    }
}

#[test]
fn commands_of_who_presents_make_files_at_the_top_of_a_project_that_holds_our_state() {
    for mechanism in mechanisms("commands_of_who_presents") {
        let lab = Lab::confined(mechanism);
        lab.world.write("old.txt", "old");
        let whole = json!({ "cwd": "workspace", "enable_mcp_command_line": true,
            "context_paths": [{ "path": ".", "permission": "write" }] });
        lab.set(&whole, &[]);
        let top = lab.world.work().display().to_string();
        let lines = [
            format!("cd {top} && echo new > new.txt && mkdir -p target/deep"),
            format!("cd {top} && echo changed > old.txt"),
            format!("find {top}/.massgen/massgen_logs -type f | grep ."),
            format!("cd {top} && mv .massgen other"),
            format!("cd {top} && echo x > .massgen/new"),
        ];
        let mut script: Value = serde_json::from_str(&lab.world.read("script.yaml")).unwrap();
        let calls = lines.iter().map(|line| {
            let (tool, arguments) = command(line);
            json!([{ "call": { "tool": tool, "arguments": arguments } }])
        });
        let presented: Vec<Value> = calls.chain([json!([{ "answer": "changed" }])]).collect();
        script["agents"]["default"]["present"] = json!(presented);
        lab.world.write("script.yaml", &script.to_string());
        let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
        merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "legacy" } } }));
        lab.configure(&config);
        lab.run();
        let done: Vec<_> = lab.made().iter().map(|made| made.json()["success"] == true).collect();
        // Landlock opens the parts of such a folder, and no room for more of them.
        let can_make = mechanism == Mechanism::Bubblewrap;
        assert_eq!(done, [can_make, true, false, false, false], "{mechanism}: {:#?}", lab.made());
        let new = fs_err::read_to_string(lab.world.work().join("new.txt")).ok();
        assert_eq!(new.as_deref(), can_make.then_some("new\n"), "{mechanism}: what is told is what is there");
        assert_eq!(lab.world.read("old.txt"), "changed\n");
        assert!(!lab.world.work().join("other").exists());
    }
}
