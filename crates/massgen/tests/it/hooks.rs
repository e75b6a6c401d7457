//! Hooks, rules, approvals and tools of the user in whole runs.

use std::time::{Duration, Instant};

use massgen_protocol::Event;
use massgen_protocol::message::ToolVerdict;
use serde_json::{Value, json};

use crate::lab::{Call, Lab, can_confine, command, merge};

/// Longer than anything here takes. It ends tests that would hang; none is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// An agent with a workspace and `more` in its backend.
fn backend(more: &Value) -> Value {
    let mut backend = json!({ "cwd": "workspace" });
    merge(&mut backend, more);
    backend
}

fn write(path: &str) -> Call<'static> {
    ("mcp__filesystem__write_file", json!({ "path": path, "content": "x" }))
}

fn read(path: &str) -> Call<'static> {
    ("mcp__filesystem__read_text_file", json!({ "path": path }))
}

/// Decisions in events, as `verdict action target (rule)`.
fn decided(lab: &Lab) -> Vec<String> {
    let decisions = lab.events().into_iter().flat_map(|envelope| match envelope.event {
        Event::ToolCallFinished { decisions, .. } => decisions,
        _ => Vec::new(),
    });
    let line = |decision: massgen_protocol::message::ToolDecision| {
        let verdict = match decision.verdict {
            ToolVerdict::Allowed => "allowed",
            ToolVerdict::Denied => "denied",
        };
        let target = decision.target.replace(&lab.world.work().display().to_string(), "[work]");
        let target = match target.split_once("/workspace_") {
            Some((before, after)) => format!("{before}/workspace{}", after.get(8..).unwrap_or_default()),
            None => target,
        };
        format!("{verdict} {} {target} ({})", decision.action, decision.rule)
    };
    decisions.map(line).collect()
}

#[test]
fn hooks_refuse_rewrite_and_add() {
    let lab = Lab::new();
    let hook = |script: &str| json!(["sh", "-c", script]);
    let rewrite = r#"printf '{"updated_input": {"path": "rewritten.txt", "content": "by a hook"}}'"#;
    let add = r#"printf '{"inject": {"content": "a word from a hook", "strategy": "tool_result"}}'"#;
    let more = json!({ "hooks": {
        "PreToolUse": [
            { "type": "command", "matcher": "*delete_file", "handler": hook("echo files stay here >&2; exit 2") },
            { "type": "command", "matcher": "*write_file", "handler": hook(rewrite) },
        ],
        "PostToolUse": [{ "type": "command", "matcher": "*read_text_file", "handler": hook(add) }],
    } });
    let delete = ("mcp__workspace_tools__delete_file", json!({ "path": "rewritten.txt" }));
    lab.set(&backend(&more), &[write("asked.txt"), read("rewritten.txt"), delete]);
    lab.run();
    let made = lab.made();
    made[0].is("ok", "rewritten.txt");
    made[1].is("ok", "by a hook");
    made[1].is("ok", "a word from a hook");
    made[2].is("denied", "files stay here");
    assert_eq!(lab.left_file("rewritten.txt"), "by a hook");
    assert_eq!(
        decided(&lab),
        ["denied write_file [work]/.massgen/workspaces/workspace/rewritten.txt (hook)"]
    );
}

#[test]
fn a_hook_holds_for_short_names_jobs_and_calls_without_arguments_and_refusals_are_in_the_ledger() {
    let lab = Lab::new();
    let hook = |matcher: &str| json!({ "type": "command", "matcher": matcher, "handler": ["sh", "-c", "echo hands off >&2; exit 2"] });
    let matchers = ["mcp__filesystem__write_file", "*delete_file", "*list_allowed_directories"];
    let more = json!({ "hooks": { "PreToolUse": matchers.map(hook) } });
    let job = json!({ "tool_name": "mcp__workspace_tools__delete_file", "arguments": { "path": "a.txt" } });
    let calls: [Call<'_>; 3] = [
        ("write_file", json!({ "path": "a.txt", "content": "x" })),
        ("custom_tool__start_background_tool", job),
        ("list_allowed_directories", json!("")),
    ];
    lab.set(&backend(&more), &calls);
    lab.run();
    for made in lab.made() {
        made.is("denied", "hands off");
    }
    // As rules would judge it; of a call that reaches nothing, the tool.
    let path = "write_file [work]/.massgen/workspaces/workspace/a.txt";
    let refused = [path, path, "mcp filesystem/list_allowed_directories"];
    assert_eq!(decided(&lab), refused.map(|what| format!("denied {what} (hook)")));
    let ledger = fs_err::read_to_string(lab.world.log_dir().join("ledger.jsonl")).unwrap();
    let lines: Vec<Value> = ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| line["decision"]["action"].as_str().unwrap()).collect();
    assert_eq!(told, ["write_file", "write_file", "mcp"]);
    assert!(lines.iter().all(|line| line["decision"]["rule"] == "hook"), "{ledger}");
}

#[test]
fn a_hook_that_fails_is_told_once_and_refuses_only_where_it_is_to() {
    for (fail_closed, how) in [(false, "ok"), (true, "denied")] {
        let lab = Lab::new();
        let hook = json!({ "type": "command", "handler": ["sh", "-c", "echo gone wrong >&2; exit 7"],
            "fail_closed": fail_closed });
        let more = json!({ "hooks": { "PreToolUse": [hook] } });
        lab.set(&backend(&more), &[write("a.txt"), write("b.txt")]);
        lab.run();
        assert!(lab.made().iter().all(|made| made.how == how), "{:#?}", lab.made());
        let told: Vec<_> = lab.degraded().into_iter().filter(|told| told.contains("hook")).collect();
        assert!(told.len() == 1 && told[0].contains("gone wrong"), "{told:?}");
    }
}

#[test]
fn functions_and_programs_of_the_user_are_tools_and_one_that_is_missing_is_told() {
    if !can_confine("functions_and_programs") {
        return;
    }
    let lab = Lab::new();
    let code = "def add(a: int, b: int = 2) -> str:\n    \"\"\"Adds two numbers.\n\n    Args:\n        a: the first one\n    \"\"\"\n    \
                return str(a + b)\n";
    lab.world.write("mine/tools.py", code);
    let program = lab.world.write("mine/count.sh", "#!/bin/sh\nwc -c | tr -d ' \\n'\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&program, executable).unwrap();
    let schema =
        json!({ "type": "object", "properties": { "word": { "type": "string" } }, "required": ["word"] });
    let more = json!({ "custom_tools": [
        { "path": "mine/tools.py", "function": "add" },
        { "name": "count", "description": "Counts.", "command": ["mine/count.sh"], "schema": schema },
        { "path": "mine/gone.py", "function": "gone" },
    ] });
    let calls: [Call<'_>; 4] = [
        ("custom_tool__add", json!({ "a": 3 })),
        ("custom_tool__add", json!({ "a": "three" })),
        ("custom_tool__count", json!({ "word": "x" })),
        ("custom_tool__count", json!({ "wort": "x" })),
    ];
    lab.set(&backend(&more), &calls);
    let told = lab.run();
    assert!(told.stderr.contains("gone.py") && told.stderr.contains("agents do without `gone`"), "{told}");
    let made = lab.made();
    made[0].is("ok", "5");
    made[1].is("error", "a");
    made[2].is("ok", "12");
    made[3].is("error", "word");
}

#[test]
fn an_agent_that_only_reads_writes_nothing_and_every_decision_is_in_the_ledger() {
    let lab = Lab::new();
    lab.world.write("seen/notes.txt", "notes");
    let more = json!({
        "permissions": { "role": "read-only" },
        "context_paths": [{ "path": "seen", "permission": "read" }],
    });
    let seen = lab.world.work().join("seen/notes.txt");
    lab.set(&backend(&more), &[write("a.txt"), read(&seen.display().to_string()), read("../../secret.txt")]);
    lab.run();
    let made = lab.made();
    made[0].is("denied", "not allowed to");
    made[1].is("ok", "notes");
    assert_eq!(made[2].how, "denied", "{:?}", made[2]);
    assert!(!lab.left().join("a.txt").exists());
    insta::assert_snapshot!(decided(&lab).join("\n"));
    let ledger = fs_err::read_to_string(lab.world.log_dir().join("ledger.jsonl")).unwrap();
    let lines: Vec<Value> = ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| &line["decision"]["decision"]).collect();
    // The last path fits the role; the tool itself knows that the agent does not have it.
    assert_eq!(told, ["deny", "allow", "allow", "deny"], "{ledger}");
}

#[test]
fn rules_refuse_commands_however_they_are_written() {
    if !can_confine("rules_refuse_commands") {
        return;
    }
    let lab = Lab::new();
    let more = json!({
        "enable_mcp_command_line": true,
        "permissions": { "role": "implementer", "rules": { "deny": ["command(rm *)"] } },
    });
    let calls = [
        write("kept.txt"),
        command("rm kept.txt"),
        command("true && rm -f kept.txt"),
        command("\"rm\" kept.txt"),
        command("ls"),
    ];
    lab.set(&backend(&more), &calls);
    lab.run();
    let made = lab.made();
    for refused in [1, 2, 3] {
        made[refused].is("denied", "command(rm *)");
    }
    made[4].is("ok", "kept.txt");
    assert_eq!(lab.left_file("kept.txt"), "x");
}

#[test]
fn a_person_replies_to_questions_through_files() {
    if !can_confine("a_person_replies") {
        return;
    }
    let lab = Lab::new();
    let more = json!({
        "enable_mcp_command_line": true,
        "permissions": { "approval_mode": "file", "approval_dir": "questions", "rules": { "ask": ["command(touch *)"] } },
    });
    lab.set(&backend(&more), &[command("touch allowed.txt"), command("touch refused.txt")]);
    let running = lab.start(&["--automation", "Do it."]);
    let questions = lab.world.work().join("questions");
    for approved in [true, false] {
        let (id, asked) = question(&questions);
        assert_eq!(asked["agent_id"], "agent_a", "{asked}");
        let reply = json!({ "approved": approved, "scope": "once", "feedback": "not today" });
        fs_err::write(questions.join(format!("resp_{id}.json")), reply.to_string()).unwrap();
        // It is taken when both files are gone.
        until(|| (!questions.join(format!("req_{id}.json")).exists()).then_some(()));
    }
    running.wait().exits(0);
    let made = lab.made();
    made[0].is("ok", "\"success\":true");
    made[1].is("denied", "not today");
    assert!(lab.left().join("allowed.txt").exists() && !lab.left().join("refused.txt").exists());
    assert_eq!(
        decided(&lab),
        [
            "allowed command touch allowed.txt (command(touch *))",
            "denied command touch refused.txt (command(touch *))"
        ]
    );
}

/// The number of the question that waits, and what it says.
fn question(folder: &std::path::Path) -> (String, Value) {
    until(|| {
        let names = fs_err::read_dir(folder).ok()?.map(|entry| entry.unwrap().file_name());
        let name = names.map(|name| name.into_string().unwrap()).find(|name| {
            let path: &std::path::Path = name.as_ref();
            name.starts_with("req_") && path.extension().is_some_and(|ending| ending == "json")
        })?;
        let text = fs_err::read_to_string(folder.join(&name)).ok()?;
        let id = name.trim_start_matches("req_").trim_end_matches(".json").to_owned();
        Some((id, serde_json::from_str(&text).unwrap()))
    })
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        std::thread::yield_now();
    }
}
