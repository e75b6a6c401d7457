//! Tools of agents in whole runs: files, commands, jobs, plans, and what is refused.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use massgen_protocol::Event;
use massgen_sandbox::Mechanism;
use massgen_testkit::model_server::ScriptedReply;
use serde_json::{Value, json};

use crate::lab::{CONFIG, Lab, can_confine, command, mechanisms, merge, simulated};
use crate::server::{Asked, Server, answer, asked, vote};

/// Longer than anything here takes. It ends tests that would hang; none is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// An agent that runs commands in its workspace.
fn with_commands() -> Value {
    json!({ "cwd": "workspace", "enable_mcp_command_line": true })
}

const PATCH: &str = "*** Begin Patch\n*** Update File: notes.txt\n@@\n-two\n+second\n*** Add File: deep/new.txt\n+new\n*** End Patch";

#[test]
fn files_are_written_read_searched_and_changed() {
    let file = |name: &str| format!("mcp__filesystem__{name}");
    let lab = Lab::alone(
        &json!({ "cwd": "workspace" }),
        &[
            (&file("write_file"), json!({ "path": "notes.txt", "content": "one\ntwo\n" })),
            (&file("read_text_file"), json!({ "path": "notes.txt" })),
            (
                &file("edit_file"),
                json!({ "path": "notes.txt", "edits": [{ "oldText": "one", "newText": "first" }] }),
            ),
            ("mcp__workspace_tools__grep", json!({ "pattern": "^tw" })),
            ("mcp__workspace_tools__apply_patch", json!({ "patch": PATCH })),
            ("read_file", json!({ "path": "deep/new.txt" })),
        ],
    );
    lab.run();
    let made = lab.made();
    made[1].is("ok", "one\ntwo");
    made[3].is("ok", "notes.txt");
    made[4].is("ok", "deep/new.txt");
    made[5].is("ok", "new");
    assert_eq!(lab.left_file("notes.txt"), "first\nsecond\n");
    assert_eq!(lab.left_file("deep/new.txt"), "new\n");
}

#[test]
fn what_is_outside_of_the_workspace_is_refused_and_so_are_our_own_files() {
    for mechanism in mechanisms("what_is_outside") {
        let lab = Lab::confined(mechanism);
        let work = lab.world.work();
        let at = |path: &str| work.join(path).display().to_string();
        lab.world.write("project/secret.txt", "secret");
        lab.world.write("seen/read.txt", "shown");
        let write = |path: &str| ("mcp__filesystem__write_file", json!({ "path": path, "content": "x" }));
        let read = |path: &str| ("mcp__filesystem__read_text_file", json!({ "path": path }));
        let mut backend = with_commands();
        merge(&mut backend, &json!({ "context_paths": [{ "path": "seen", "permission": "read" }] }));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let code = format!("import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)");
        let (outside, logs, seen) =
            (at("project/secret.txt"), at(".massgen/massgen_logs"), at("seen/read.txt"));
        lab.set(
            &backend,
            &[
                write("../escaped.txt"),
                write("/etc/massgen_was_here"),
                read(&outside),
                ("mcp__filesystem__list_directory", json!({ "path": logs })),
                write(&seen),
                read(&seen),
                command(&format!("cat {outside}")),
                command(&format!("ls {logs}/*")),
                command(&format!("echo x > {seen}")),
                command(&format!("cat {seen}")),
                command("ln -s /etc/passwd link && ln -s .. up"),
                read("link"),
                write("up/escaped.txt"),
                command(&format!("python3 -c '{code}'")),
                command("echo x > up/escaped.txt"),
                command("readlink /proc/self/ns/pid"),
            ],
        );
        lab.run();
        let made = lab.made();
        for refused in [0, 1, 2, 3, 4, 11, 12] {
            assert!(made[refused].how != "ok", "{refused}: {:#?}", made[refused]);
        }
        made[5].is("ok", "shown");
        for refused in [6, 7, 8, 13] {
            assert_eq!(made[refused].json()["success"], json!(false), "{:?}", made[refused]);
        }
        // It was the mechanism that the test is for: only one of them has processes of its own.
        let ours = fs_err::read_link("/proc/self/ns/pid").unwrap().display().to_string();
        let theirs = made[15].json()["stdout"].as_str().unwrap().trim().to_owned();
        assert_eq!(theirs == ours, mechanism == Mechanism::Landlock, "{mechanism}: {theirs}");
        assert_eq!(made[9].json()["stdout"], "shown");
        assert_eq!(lab.world.read("seen/read.txt"), "shown");
        let escaped = |path: &std::path::Path| path.ends_with("escaped.txt");
        let files = crate::program::files(&lab.world.work());
        assert!(!files.keys().any(|path| escaped(path)), "{:?}", files.keys());
    }
}

#[test]
fn agents_do_not_see_the_folders_that_others_work_in() {
    for mechanism in mechanisms("agents_do_not_see") {
        let lab = Lab::confined(mechanism);
        let both = lab.world.work();
        let mut backend = simulated();
        merge(&mut backend, &with_commands());
        let agent = |id: &str| json!({ "id": id, "backend": backend });
        lab.configure(&json!({ "agents": [agent("agent_a"), agent("agent_b")] }));
        let line =
            format!("find {} -name treasure.txt; find / -name treasure.txt 2>/dev/null", both.display());
        let script = json!({ "agents": {
            "agent_a": { "replies": [
                [{ "call": { "tool": "write_file", "arguments": { "path": "treasure.txt", "content": "gold" } } }],
                [{ "call": { "tool": "execute_command", "arguments": { "command": "find / -name treasure.txt 2>/dev/null" } } }],
                [{ "answer": "a" }], [{ "vote": "agent_a" }],
            ] },
            "agent_b": { "replies": [
                [{ "call": { "tool": "execute_command", "arguments": { "command": line } } }],
                [{ "answer": "b" }], [{ "vote": "agent_a" }],
            ] },
        } });
        lab.world.write("script.yaml", &script.to_string());
        lab.run();
        for made in lab.made().iter().filter(|made| made.tool == "execute_command") {
            let found = made.json()["stdout"].as_str().unwrap().lines().count();
            // The second agent runs before it has seen an answer. Landlock lets nobody list what is above the workspace.
            let is_first = made.tool_use.call.agent.index() == 0;
            let own = usize::from(is_first && mechanism == Mechanism::Bubblewrap);
            assert_eq!(found, own, "{made:?}");
        }
    }
}

#[test]
fn who_sees_a_whole_project_sees_nothing_of_massgen_in_it() {
    for mechanism in mechanisms("who_sees_a_whole_project") {
        let lab = Lab::confined(mechanism);
        lab.world.write("src/main.txt", "the program");
        lab.world.write(".massgen/.env", "KEY=secret");
        lab.world.write(".massgen/workspaces/workspace_of_another/treasure.txt", "gold");
        fs_err::create_dir_all(lab.world.home().join(".ssh")).unwrap();
        fs_err::write(lab.world.home().join(".ssh/id"), "key").unwrap();
        let at = |path: &str| lab.world.work().join(path).display().to_string();
        let read = |path: &str| ("mcp__filesystem__read_text_file", json!({ "path": path }));
        let (project, env, peer) = (
            at("src/main.txt"),
            at(".massgen/.env"),
            at(".massgen/workspaces/workspace_of_another/treasure.txt"),
        );
        let mut backend = with_commands();
        merge(&mut backend, &json!({ "context_paths": [{ "path": ".", "permission": "read" }] }));
        lab.set(
            &backend,
            &[
                read(&project),
                read(&env),
                read(&peer),
                command(&format!("cat {project}")),
                command(&format!("cat {env} {peer} {}/.ssh/id; env", lab.world.home().display())),
                ("mcp__workspace_tools__grep", json!({ "pattern": "gold|secret|program", "path": at("") })),
            ],
        );
        lab.run_with(&[("OPENAI_API_KEY", "sk-0123456789-canary")]);
        let made = lab.made();
        made[0].is("ok", "the program");
        for refused in [1, 2] {
            assert_eq!(made[refused].how, "denied", "{:?}", made[refused]);
        }
        assert_eq!(made[3].json()["stdout"], "the program");
        for secret in ["KEY=secret", "gold", "key\n", "canary"] {
            assert!(!made[4].json()["stdout"].as_str().unwrap().contains(secret), "{:?}", made[4]);
        }
        made[5].is("ok", "the program");
        assert!(!made[5].text.contains("gold") && !made[5].text.contains("KEY="), "{:?}", made[5]);
    }
}

#[test]
fn who_presents_changes_the_project_itself_where_nothing_is_kept_apart() {
    let lab = Lab::new();
    lab.world.write("project/notes.txt", "old");
    let path = lab.world.work().join("project/notes.txt").display().to_string();
    let backend =
        json!({ "cwd": "workspace", "context_paths": [{ "path": "project", "permission": "write" }] });
    let read = ("mcp__filesystem__read_text_file", json!({ "path": path }));
    let write = ("mcp__filesystem__write_file", json!({ "path": path, "content": "new" }));
    lab.set(&backend, &[read.clone(), write.clone()]);
    let mut script: Value = serde_json::from_str(&lab.world.read("script.yaml")).unwrap();
    let call = |(tool, arguments): &crate::lab::Call<'_>| json!([{ "call": { "tool": tool, "arguments": arguments } }]);
    script["agents"]["default"]["present"] = json!([call(&read), call(&write), [{ "answer": "changed" }]]);
    lab.world.write("script.yaml", &script.to_string());
    let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
    merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "legacy" } } }));
    lab.configure(&config);
    lab.run();
    let made = lab.made();
    assert_eq!(made[1].how, "denied", "before it presents: {:?}", made[1]);
    assert_eq!(made[3].how, "ok", "when it presents: {:?}", made[3]);
    assert_eq!(lab.world.read("project/notes.txt"), "new");
}

#[test]
fn the_journal_of_the_run_is_out_of_reach_of_who_may_change_the_project_around_it() {
    for mechanism in mechanisms("the_journal_of_the_run") {
        let lab = Lab::confined(mechanism);
        let logs = lab.world.work().join(".massgen/massgen_logs");
        let notes = lab.world.write("notes.txt", "old").display().to_string();
        let server = Server::start(move |request| match asked(request) {
            // The results of the calls are no question.
            Asked::First => answer("mine"),
            Asked::Judge => vote("agent1"),
            // The run is at work: its journal is there, and this is where.
            Asked::Present => {
                let files = crate::program::files(&logs);
                let journal = files.keys().find(|path| path.extension().is_some_and(|end| end == "db"));
                let journal = logs.join(journal.expect("a journal")).display().to_string();
                let call = |line: String| json!({ "command": line });
                let change = call(format!("echo new > {notes}"));
                let verbs = ["cat", "echo x >>", "rm", "truncate -s 0", "ln"];
                let lines = verbs.map(|verb| format!("{verb} {journal}")).into_iter();
                lines
                    .chain([format!("mv {0} {0}.gone", logs.display())])
                    .fold(ScriptedReply::call("execute_command", &change), |reply, line| {
                        reply.with_call("execute_command", &call(line))
                    })
            }
        });
        let mut config = server.config(1);
        let mut backend = with_commands();
        merge(&mut backend, &json!({ "context_paths": [{ "path": ".", "permission": "write" }] }));
        merge(&mut config["agents"][0]["backend"], &backend);
        merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "legacy" } } }));
        lab.configure(&config);
        lab.run();
        let mut made = lab.made();
        made.sort_by_key(|made| made.tool_use.index);
        // It may change the project.
        made[0].is("ok", "\"success\":true");
        assert_eq!(lab.world.read("notes.txt"), "new\n");
        for refused in &made[1..] {
            assert_eq!(refused.json()["success"], json!(false), "{mechanism}: {refused:?}");
        }
        assert_eq!(made.len(), 7, "{made:?}");
    }
}

#[test]
fn commands_end_as_they_do_and_never_hold_up_a_run() {
    for mechanism in mechanisms("commands_end") {
        let timed = ("execute_command", json!({ "command": "echo so far; sleep 300", "timeout": 1 }));
        // At most 700 processes, none of which starts another.
        let many = "i=0; while [ $i -lt 700 ]; do sleep 60 & i=$((i+1)); done; wait; echo all of them";
        let lab = Lab::confined(mechanism);
        lab.set(
            &with_commands(),
            &[
                command("echo out; echo err >&2; exit 3"),
                timed,
                command("head -c 2000000 /dev/zero | tr '\\0' a"),
                command("printf '\\033[31mred\\033[0m\\a \\033]0;title\\007end'"),
                command("head -c 100000000 /dev/zero | tr '\\0' x"),
                command(many),
                command("echo still here; pgrep sleep | wc -l"),
            ],
        );
        lab.run();
        let made = lab.made();
        let first = made[0].json();
        assert_eq!((&first["exit_code"], &first["stdout"]), (&json!(3), &json!("out\n")));
        made[1].is("error", "the command was ended after 1 seconds");
        made[1].is("error", "so far");
        made[2].is("ok", "The result is long");
        assert_eq!(made[3].json()["stdout"], "red end");
        for long in [2, 4] {
            assert!(made[long].text.len() < 20_000, "{}", made[long].text.len());
            let file = made[long].text.split('`').nth(1).unwrap();
            assert!(file.starts_with(".tool_results/"), "{file}");
        }
        // They are counted as they run: how far the loop came by then is chance, that it was ended is not.
        // The system itself refuses what ordinary users start beyond.
        let said = &made[5].text;
        assert!(said.contains("512 are allowed") || said.contains("fork"), "{said}");
        made[6].is("ok", "still here");
    }
}

#[test]
fn a_long_result_is_a_file_that_the_agent_can_read() {
    let content = "a line of many\n".repeat(10_000);
    let server = Server::start(move |request| match asked(request) {
        Asked::Present => answer("the final words"),
        Asked::Judge => vote("agent1"),
        Asked::First if request.json().to_string().contains("as I read") => vote("agent1"),
        Asked::First => match request.last_text() {
            text if text.contains("The result is long") => {
                let file = text.split('`').nth(1).unwrap();
                ScriptedReply::call("read_file", &json!({ "path": file, "tail": 2 }))
            }
            text if text.contains("many") => answer("as I read"),
            text if text.contains("big.txt") => {
                ScriptedReply::call("read_file", &json!({ "path": "big.txt" }))
            }
            _ => ScriptedReply::call("write_file", &json!({ "path": "big.txt", "content": content })),
        },
    });
    let lab = Lab::new();
    let mut config = server.config(1);
    merge(&mut config["agents"][0]["backend"], &json!({ "cwd": "workspace" }));
    lab.configure(&config);
    lab.run();
    let made = lab.made();
    made[1].is("ok", "The result is long");
    assert_eq!(made[2].text.matches("a line of many").count(), 2, "{:?}", made[2]);
}

#[test]
fn a_job_in_the_background_is_told_of_with_a_later_result() {
    if !can_confine("a_job_in_the_background") {
        return;
    }
    let server = Server::start(|request| match asked(request) {
        Asked::Present => answer("the final words"),
        Asked::Judge => vote("agent1"),
        Asked::First if request.json().to_string().contains("heard of it") => vote("agent1"),
        Asked::First => match request.last_text() {
            text if text.contains("background job bgtool_") => answer("heard of it"),
            _ if request.json().to_string().contains("bgtool_") => {
                ScriptedReply::call("list_directory", &json!({ "path": "." }))
            }
            _ => ScriptedReply::call(
                "execute_command",
                &json!({ "command": "echo from afar", "background": true }),
            ),
        },
    });
    let lab = Lab::new();
    let mut config = server.config(1);
    merge(&mut config["agents"][0]["backend"], &with_commands());
    lab.configure(&config);
    lab.run();
    let made = lab.made();
    assert_eq!(made[0].json()["status"], "background");
    assert!(made.iter().any(|made| made.text.contains("is completed; get its result")), "{made:#?}");
}

#[test]
fn plans_and_calls_that_are_no_calls_are_answered() {
    let mut backend = json!({ "cwd": "workspace" });
    merge(&mut backend, &simulated());
    let lab = Lab::new();
    lab.set(
        &backend,
        &[
            (
                "mcp__planning__create_task_plan",
                json!({ "tasks": ["look", { "description": "do", "depends_on": [0] }] }),
            ),
            ("get_ready_tasks", json!({})),
            ("fly_to_the_moon", json!({})),
            ("read_file", json!("{no json")),
            ("read_file", json!({ "wrong": 1 })),
            ("get_task_plan", json!({})),
        ],
    );
    let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
    merge(
        &mut config,
        &json!({ "orchestrator": { "coordination": { "enable_agent_task_planning": true } } }),
    );
    lab.configure(&config);
    lab.run();
    let made = lab.made();
    made[1].is("ok", "look");
    made[2].is("denied", "there is no tool `fly_to_the_moon`");
    made[3].is("error", "JSON");
    made[4].is("error", "path");
    made[5].is("ok", "look");
    assert!(lab.left_file("tasks/plan.json").contains("look"));
}

#[test]
fn files_of_a_peer_are_read_and_not_changed() {
    for mechanism in mechanisms("files_of_a_peer") {
        let server = Server::start(|request| {
            let text = request.json().to_string();
            let is_first = text.contains("You are agent1");
            match asked(request) {
                Asked::Present => answer("the final words"),
                Asked::Judge if is_first => vote("agent1"),
                // It has seen the answer of the first.
                Asked::Judge => {
                    let peers =
                        text.split("are at ").nth(1).and_then(|rest| rest.split("/agentN").next()).unwrap();
                    let file = format!("{peers}/agent1/notes.txt");
                    ScriptedReply::call("read_file", &json!({ "path": file }))
                        .with_call("write_file", &json!({ "path": file, "content": "mine" }))
                        .with_call("execute_command", &json!({ "command": format!("cat {file}") }))
                        .with_call("execute_command", &json!({ "command": format!("echo mine > {file}") }))
                }
                Asked::First => match request.last_text() {
                    text if text.contains("echo mine") => vote("agent1"),
                    text if is_first && !text.contains("notes.txt") => ScriptedReply::call(
                        "write_file",
                        &json!({ "path": "notes.txt", "content": "of the first" }),
                    ),
                    _ => answer("mine"),
                },
            }
        });
        let lab = Lab::confined(mechanism);
        let mut config = server.config(2);
        for agent in [0, 1] {
            merge(&mut config["agents"][agent]["backend"], &with_commands());
        }
        lab.configure(&config);
        lab.run();
        let made = lab.made();
        let of_second: Vec<_> = made.iter().filter(|made| made.tool_use.call.agent.index() == 1).collect();
        assert!(of_second.len() >= 4, "{made:#?}");
        let of = |index: u16| *of_second.iter().find(|made| made.tool_use.index == index).unwrap();
        of(0).is("ok", "of the first");
        assert_ne!(of(1).how, "ok", "{:?}", of(1));
        assert_eq!(of(2).json()["stdout"], "of the first");
        assert_eq!(of(3).json()["success"], false);
    }
}

#[test]
fn a_command_of_a_run_that_was_killed_is_gone_and_the_model_is_told_that_nobody_knows() {
    if !can_confine("a_command_of_a_run_that_was_killed") {
        return;
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let code = format!(
        "import socket, time; s = socket.create_connection((\"127.0.0.1\", {port})); s.sendall(b\"here\"); time.sleep(600)"
    );
    let mut backend = with_commands();
    merge(&mut backend, &json!({ "command_line_network": "full" }));
    let lab = Lab::alone(&backend, &[command(&format!("python3 -c '{code}'"))]);
    let running = lab.start(&["--automation", "Do it."]);
    let (mut connection, _) = listener.accept().unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = [0; 4];
    connection.read_exact(&mut said).unwrap();
    running.signal("-KILL");
    assert_eq!(running.wait().code, None);
    // Its end closes the connection.
    match connection.read(&mut said) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    lab.world.run_with(&[("PATH", crate::lab::PATH)], &["--automation", "--resume", "latest"]).exits(0);
    let made = lab.made();
    assert_eq!((made.len(), made[0].how), (1, "unknown"), "{made:?}");
}

/// The numbers of calls of one reply as they begin and end.
fn course(lab: &Lab) -> Vec<String> {
    let steps = lab.events().into_iter().filter_map(|envelope| match envelope.event {
        Event::ToolCallStarted { tool_use, .. } => Some(format!("begin {}", tool_use.index)),
        Event::ToolCallFinished { tool_use, .. } => Some(format!("end {}", tool_use.index)),
        _ => None,
    });
    steps.collect()
}

#[test]
fn calls_of_a_reply_run_one_by_one_or_together_as_is_asked_for() {
    if !can_confine("calls_of_a_reply") {
        return;
    }
    let lab = Lab::new();
    let mut backend = with_commands();
    merge(&mut backend, &json!({ "max_concurrent_tools": 1 }));
    let calls = [command("test -e second || echo 1 > first"), command("test -e first && echo 2 > second")];
    lab.set_replies(&backend, &[&calls]);
    lab.run();
    assert_eq!(course(&lab), ["begin 0", "end 0", "begin 1", "end 1"]);
    assert_eq!(lab.left_file("first") + &lab.left_file("second"), "1\n2\n");

    // Each waits for the other.
    let lab = Lab::new();
    merge(&mut backend, &json!({ "max_concurrent_tools": 2 }));
    let meet =
        |own: &str, other: &str| command(&format!("touch {own}; until test -e {other}; do sleep 0.05; done"));
    lab.set_replies(&backend, &[&[meet("a", "b"), meet("b", "a")]]);
    lab.run();
    assert!(lab.made().iter().all(|made| made.json()["success"] == true), "{:?}", lab.made());
}
