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
        }
    }
}
