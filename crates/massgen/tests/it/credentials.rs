//! Keys of the user, in a home folder that agents are shown.

use serde_json::{Value, json};

use crate::lab::{CONFIG, Lab, can_confine, command, mechanisms, merge};

/// A home folder with keys and other files.
fn with_keys(lab: &Lab) {
    let home = lab.world.home();
    for (path, text) in [
        (".ssh/id", "gold"),
        (".config/gh/hosts.yml", "gold"),
        (".config/app.toml", "open"),
        ("notes.txt", "open"),
    ] {
        fs_err::create_dir_all(home.join(path).parent().unwrap()).unwrap();
        fs_err::write(home.join(path), text).unwrap();
    }
}

fn backend(contexts: &Value) -> Value {
    json!({ "cwd": "workspace", "enable_mcp_command_line": true, "context_paths": contexts })
}

#[test]
fn keys_in_a_home_folder_that_is_shown_are_seen_only_where_they_are_named() {
    for mechanism in mechanisms("keys_in_a_home_folder") {
        let lab = Lab::confined(mechanism);
        with_keys(&lab);
        let home = lab.world.home();
        let at = |path: &str| home.join(path).display().to_string();
        let read = |path: &str| ("mcp__filesystem__read_text_file", json!({ "path": at(path) }));
        let calls = [
            read(".ssh/id"),
            read("notes.txt"),
            command(&format!(
                "cat {} {} {} {}; true",
                at("notes.txt"),
                at(".config/app.toml"),
                at(".ssh/id"),
                at(".config/gh/hosts.yml")
            )),
        ];
        lab.set(&backend(&json!([{ "path": home, "permission": "read" }])), &calls);
        lab.run();
        let made = lab.made();
        assert_eq!(made[0].how, "denied", "{mechanism}: {made:#?}");
        made[1].is("ok", "open");
        assert_eq!(made[2].json()["stdout"], "openopen", "{mechanism}: {made:#?}");
        let told = lab.degraded();
        let named = format!("agents do not see `{}`, `{}`", at(".config/gh"), at(".ssh"));
        assert!(told.iter().any(|told| told.starts_with(&named)), "{told:?}");

        let lab = Lab::confined(mechanism);
        with_keys(&lab);
        let home = lab.world.home();
        let keys = home.join(".ssh");
        let contexts =
            json!([{ "path": home, "permission": "read" }, { "path": keys, "permission": "read" }]);
        let calls = [
            ("mcp__filesystem__read_text_file", json!({ "path": keys.join("id") })),
            command(&format!("cat {}", keys.join("id").display())),
        ];
        lab.set(&backend(&contexts), &calls);
        lab.run();
        let made = lab.made();
        made[0].is("ok", "gold");
        assert_eq!(made[1].json()["stdout"], "gold", "{mechanism}: {made:#?}");
    }
}

#[test]
fn keys_are_not_in_a_copy_of_the_home_folder_nor_changed_by_it() {
    let lab = Lab::new();
    with_keys(&lab);
    let home = lab.world.home();
    let write = |path: &str| {
        let path = format!(".worktree/ctx_1/{path}");
        ("mcp__filesystem__write_file", json!({ "path": path, "content": "new" }))
    };
    let list = ("mcp__filesystem__list_directory", json!({ "path": ".worktree/ctx_1" }));
    let contexts = json!([{ "path": home, "permission": "write" }]);
    lab.set(
        &json!({ "cwd": "workspace", "context_paths": contexts }),
        &[list, write(".ssh/authorized_keys"), write("new.txt")],
    );
    let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
    merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "isolated" } } }));
    lab.configure(&config);
    let told = lab.run();
    let made = lab.made();
    assert!(made[0].text.contains("notes.txt") && !made[0].text.contains(".ssh"), "{made:#?}");
    assert_eq!(fs_err::read_to_string(home.join("new.txt")).unwrap(), "new", "{told}");
    assert!(!home.join(".ssh/authorized_keys").exists(), "{told}");
    assert_eq!(fs_err::read_to_string(home.join(".ssh/id")).unwrap(), "gold");
    assert!(told.stderr.contains("not kept, and so not applied"), "{told}");
}

#[test]
fn keys_in_the_history_of_a_home_folder_are_told() {
    if !can_confine("keys_in_the_history") {
        return;
    }
    for has_history in [false, true] {
        let lab = Lab::new();
        with_keys(&lab);
        let home = lab.world.home();
        if has_history {
            fs_err::create_dir(home.join(".git")).unwrap();
        }
        lab.set(&backend(&json!([{ "path": home, "permission": "read" }])), &[]);
        lab.run();
        let told = lab.degraded();
        let words = "what git has in its history, its programs can read there, keys as well";
        assert_eq!(told.iter().any(|told| told.contains(words)), has_history, "{told:?}");
    }
}
