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
