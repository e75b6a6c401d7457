//! What agents must not change although they may write around it: programs that massgen runs, and replies of people.

use massgen_sandbox::Mechanism;
use serde_json::{Value, json};

use crate::lab::{CONFIG, Call, Lab, can_confine, command, mechanisms, merge, program};

/// A hook that lets everything pass.
const HOOK: &str = "#!/bin/sh\nexit 0\n";

/// Lets the only agent write to the project itself while it presents, and make `calls` then.
fn presenting(lab: &Lab, backend: &Value, calls: &[Call<'_>]) {
    let mut backend = backend.clone();
    merge(
        &mut backend,
        &json!({ "cwd": "workspace", "enable_mcp_command_line": true,
            "context_paths": [{ "path": ".", "permission": "write" }] }),
    );
    lab.set(&backend, &[]);
    let call = |(tool, arguments): &Call<'_>| json!([{ "call": { "tool": tool, "arguments": arguments } }]);
    let mut script: Value = serde_json::from_str(&lab.world.read("script.yaml")).unwrap();
    let replies = calls.iter().map(call).chain([json!([{ "answer": "final" }])]);
    script["agents"]["default"]["present"] = replies.collect();
    lab.world.write("script.yaml", &script.to_string());
    let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
    merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "legacy" } } }));
    lab.configure(&config);
}

/// Hooks before every call that run `handler`.
fn hook(handler: &str) -> Value {
    json!({ "hooks": { "PreToolUse": [{ "type": "command", "matcher": "*", "handler": [handler] }] } })
}

#[test]
fn who_may_write_to_the_project_does_not_change_the_hooks_in_it() {
    for mechanism in mechanisms("who_may_write_to_the_project") {
        let lab = Lab::confined(mechanism);
        let work = lab.world.work();
        program(&work.join("hooks"), "check.sh", HOOK);
        lab.world.write("src/a.txt", "old");
        let escaped = work.parent().unwrap().join("escaped");
        let at = |path: &str| work.join(path).display().to_string();
        let evil = format!("#!/bin/sh\ntouch {}\nexit 0\n", escaped.display());
        let calls = [
            ("mcp__filesystem__read_text_file", json!({ "path": at("hooks/check.sh") })),
            ("mcp__filesystem__write_file", json!({ "path": at("hooks/check.sh"), "content": evil })),
            ("mcp__filesystem__move_file", json!({ "source": at("hooks"), "destination": at("moved") })),
            command(&format!(
                "printf '{evil}' > {}; mv {} {}",
                at("hooks/check.sh"),
                at("hooks"),
                at("src/moved")
            )),
            command(&format!("echo new > {}", at("src/a.txt"))),
        ];
        presenting(&lab, &hook("./hooks/check.sh"), &calls);
        lab.run();
        let made = lab.made();
        made[0].is("ok", "exit 0");
        assert_eq!((made[1].how, made[2].how), ("denied", "denied"), "{mechanism}: {made:#?}");
        assert_eq!(made[4].json()["success"], true, "{mechanism}: {:#?}", made[4]);
        assert_eq!(lab.world.read("hooks/check.sh"), HOOK, "{mechanism}: {:#?}", made[3]);
        assert_eq!(lab.world.read("src/a.txt"), "new\n");
        assert!(!escaped.exists(), "{mechanism}");
    }
}

#[test]
fn a_run_whose_hooks_nothing_keeps_from_an_agent_does_not_begin() {
    if !can_confine("a_run_whose_hooks_nothing_keeps") {
        return;
    }
    let lab = Lab::new();
    lab.world.write("check.py", "");
    presenting(&lab, &json!({ "hooks": { "PreToolUse": [{ "handler": "./check.py" }] } }), &[]);
    let told = lab.start(&["--automation", "Do it."]).wait();
    assert_eq!(told.code, Some(1), "{told}");
    let said = told.stderr.replace(&lab.world.work().display().to_string(), "[work]");
    assert!(said.contains("`[work]/check.py` is, which a hook runs with all your rights"), "{said}");
    assert!(said.contains("write_mode: legacy"), "{said}");

    // Landlock keeps no part of a tree as it is.
    if mechanisms("a_run_whose_hooks_nothing_keeps").contains(&Mechanism::Landlock) {
        let lab = Lab::confined(Mechanism::Landlock);
        program(&lab.world.work().join("ci/hooks"), "check.sh", HOOK);
        presenting(&lab, &hook("./ci/hooks/check.sh"), &[]);
        let told = lab.start(&["--automation", "Do it."]).wait();
        assert_eq!(told.code, Some(1), "{told}");
        assert!(told.stderr.contains("Landlock cannot keep it as it is"), "{told}");
    }
}

#[test]
fn nobody_replies_to_its_own_questions() {
    for mechanism in mechanisms("nobody_replies") {
        let lab = Lab::confined(mechanism);
        let work = lab.world.work();
        lab.world.write("secret.txt", "gold");
        lab.world.write("src/a.txt", "old");
        let permissions = json!({ "permissions": {
            "approval_mode": "file", "approval_dir": "questions", "settings_path": "replies.json",
            "rules": { "ask": ["write_file(*)"], "allow": ["command(*)"] },
        } });
        let (questions, replies) = (work.join("questions"), work.join("replies.json"));
        let line = format!(
            "ls {0}; mkdir -p {0}; echo x > {0}/mine; echo '{{}}' > {1}; cat {1}; rm -rf {0} {1}; true",
            questions.display(),
            replies.display()
        );
        let calls = [command(&line), ("mcp__filesystem__list_directory", json!({ "path": questions }))];
        presenting(&lab, &permissions, &calls);
        lab.run();
        let made = lab.made();
        assert_eq!(made[1].how, "denied", "{mechanism}: {:#?}", made[1]);
        assert!(questions.is_dir() && !questions.join("mine").exists(), "{mechanism}: {:#?}", made[0]);
        assert_eq!(lab.world.read("replies.json"), "{}\n", "{mechanism}: {:#?}", made[0]);
    }
}

/// Lets the only agent make `calls` in a copy of the project, which is applied, and gives back what was told.
fn applying(lab: &Lab, backend: &Value, calls: &[Call<'_>]) -> String {
    let mut backend = backend.clone();
    merge(
        &mut backend,
        &json!({ "cwd": "workspace", "context_paths": [{ "path": ".", "permission": "write" }] }),
    );
    lab.set(&backend, calls);
    lab.run().stderr
}

/// Makes a file of the copy.
fn write(path: &str, content: &str) -> Call<'static> {
    ("mcp__filesystem__write_file", json!({ "path": format!(".worktree/ctx_1/{path}"), "content": content }))
}

fn read(path: &str) -> Call<'static> {
    ("mcp__filesystem__read_text_file", json!({ "path": format!(".worktree/ctx_1/{path}") }))
}

#[test]
fn modules_that_a_function_could_import_are_not_taken_from_a_copy_and_the_standard_library_comes_first() {
    let lab = Lab::new();
    let function = "import colorsys\ndef before(event):\n    return None\n";
    lab.world.write("my_hooks.py", function);
    let hooks = json!({ "hooks": { "PreToolUse": [{ "matcher": "*", "handler": "my_hooks.before" }] } });
    let evil = "raise SystemError\n";
    let calls = [write("colorsys.py", evil), write("my_hooks/__init__.py", evil), write("notes.md", "n")];
    let told = applying(&lab, &hooks, &calls);
    assert!(told.contains("colorsys.py (it is protected)"), "{told}");
    let is_there = |path: &str| lab.world.work().join(path).exists();
    assert!(is_there("notes.md") && !is_there("colorsys.py") && !is_there("my_hooks"), "{told}");

    // However it came there.
    let lab = Lab::new();
    lab.world.write("my_hooks.py", function);
    lab.world.write("colorsys.py", evil);
    applying(&lab, &hooks, &[write("notes.md", "n")]);
    lab.made()[0].is("ok", "notes.md");
    assert!(lab.degraded().is_empty(), "{:?}", lab.degraded());
}

#[test]
fn what_lies_beside_a_hook_and_replies_of_people_are_not_taken_from_a_copy() {
    let lab = Lab::new();
    let hooks = lab.world.work().join("hooks");
    program(&hooks, "check.sh", "#!/bin/sh\n. \"${0%/*}/lib.sh\"\n");
    lab.world.write("hooks/lib.sh", "true\n");
    lab.world.write("perms.json", "{}\n");
    let mut more = hook("./hooks/check.sh");
    merge(
        &mut more,
        &json!({ "permissions": { "approval_mode": "file", "settings_path": "perms.json",
            "rules": { "allow": ["mcp(*)", "write_file(*)", "read_file(*)"] } } }),
    );
    let all = r#"{"permissions": {"allow": ["*(*)"]}}"#;
    let calls = [
        read("hooks/lib.sh"),
        write("hooks/lib.sh", "touch escaped\n"),
        read("perms.json"),
        write("perms.json", all),
        write("notes.md", "n"),
    ];
    let told = applying(&lab, &more, &calls);
    assert_eq!(lab.world.read("hooks/lib.sh"), "true\n", "{told}");
    assert_eq!(lab.world.read("perms.json"), "{}\n", "{told}");
    assert_eq!(lab.world.read("notes.md"), "n", "{told}");
}

#[test]
fn what_a_script_of_a_shell_names_is_guarded_and_what_it_does_not_name_is_told() {
    if !can_confine("what_a_script_of_a_shell_names") {
        return;
    }
    let lab = Lab::new();
    lab.world.write("hooks/check.sh", "exit 0\n");
    let script = |line: &str| json!({ "hooks": { "PreToolUse": [{ "type": "command", "matcher": "*", "handler": ["sh", "-c", line] }] } });
    let at = lab.world.work().join("hooks/check.sh").display().to_string();
    let calls = [
        ("mcp__filesystem__read_text_file", json!({ "path": at })),
        ("mcp__filesystem__write_file", json!({ "path": at, "content": "touch escaped\n" })),
    ];
    presenting(&lab, &script("sh hooks/check.sh"), &calls);
    lab.run();
    assert_eq!(lab.made()[1].how, "denied", "{:#?}", lab.made());
    assert_eq!(lab.world.read("hooks/check.sh"), "exit 0\n");

    let lab = Lab::new();
    applying(&lab, &script("cd hooks; sh check.sh; exit 0"), &[]);
    let told = lab.degraded();
    assert!(told.iter().any(|told| told.contains("what that starts is not kept from agents")), "{told:?}");
}

#[test]
fn the_configuration_is_not_changed_by_the_agents_that_it_is_about() {
    let evil = r#"{"hooks": {"PreToolUse": [{"type": "command", "handler": ["touch", "escaped"]}]}}"#;
    let lab = Lab::new();
    let calls = [read(CONFIG), write(CONFIG, evil), write("notes.md", "n")];
    let told = applying(&lab, &json!({}), &calls);
    assert!(told.contains("team.yaml (it is protected)"), "{told}");
    assert_eq!(lab.world.read("notes.md"), "n", "{told}");
    assert_ne!(lab.world.read(CONFIG), evil);

    for mechanism in mechanisms("the_configuration_is_not_changed") {
        let lab = Lab::confined(mechanism);
        let at = lab.world.work().join(CONFIG).display().to_string();
        let calls = [
            ("mcp__filesystem__read_text_file", json!({ "path": at })),
            ("mcp__filesystem__write_file", json!({ "path": at, "content": evil })),
            command(&format!("echo evil > {at}; rm -f {at}; mv {at} {at}.old; true")),
        ];
        presenting(&lab, &json!({}), &calls);
        let before = lab.world.read(CONFIG);
        lab.run();
        assert_eq!(lab.made()[1].how, "denied", "{mechanism}: {:#?}", lab.made());
        assert_eq!(lab.world.read(CONFIG), before, "{mechanism}: {:#?}", lab.made());
    }
}

#[test]
fn what_may_only_be_read_inside_of_what_may_be_changed_stays_as_it_is() {
    let lab = Lab::new();
    lab.world.write("kept/a.txt", "old");
    let contexts = json!([{ "path": ".", "permission": "write" }, { "path": "kept", "permission": "read" }]);
    let calls = [read("kept/a.txt"), write("kept/a.txt", "new"), write("notes.md", "n")];
    lab.set(&json!({ "cwd": "workspace", "context_paths": contexts }), &calls);
    let told = lab.run().stderr;
    assert!(told.contains("kept/a.txt (it is protected)"), "{told}");
    assert_eq!(lab.world.read("kept/a.txt"), "old");
    assert_eq!(lab.world.read("notes.md"), "n");
}
