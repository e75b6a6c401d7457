//! Tool servers of others in whole runs, in the sandbox. `cargo xtask servers` installs them and runs these tests; without
//! it they are left out, and say so.

use std::path::{Path, PathBuf};

use massgen_sandbox::Mechanism;
use serde_json::{Value, json};

use crate::lab::{Call, Lab, mechanisms};

/// The folder with the packages of npm: tests/peers/servers.
const NODE_SERVERS: &str = "MASSGEN_TEST_NODE_SERVERS";
/// The Node.js that they run on.
const NODE: &str = "MASSGEN_TEST_NODE";
/// An environment of Python with the packages.
const PYTHON_SERVERS: &str = "MASSGEN_TEST_PYTHON_SERVERS";

/// The path that `variable` holds; says what is left out if it is not set.
fn path(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("left out: `{variable}` is not set; `cargo xtask servers` runs this test");
    }
    path
}

/// A server of npm, with these arguments, as a configuration names it.
fn of_npm(folder: &Path, node: &Path, package: &str, arguments: &[&str]) -> Value {
    let file = folder.join(format!("node_modules/@modelcontextprotocol/{package}/dist/index.js"));
    let arguments = std::iter::once(file.to_str().unwrap()).chain(arguments.iter().copied());
    json!({ "name": "theirs", "type": "stdio", "command": node, "args": arguments.collect::<Vec<_>>() })
}

/// What the calls of an agent with `server` come to, under `mechanism`, which sees `project`.
fn run(lab: &Lab, server: &Value, calls: &[Call<'_>]) {
    let backend = json!({ "cwd": "workspace", "mcp_servers": [server],
        "context_paths": [{ "path": "project", "permission": "read" }] });
    lab.set(&backend, calls);
    lab.run();
}

fn lab(mechanism: Mechanism) -> (Lab, String) {
    let lab = Lab::confined(mechanism);
    lab.world.write("project/notes.txt", "notes");
    lab.world.write("secret.txt", "secret");
    let project = lab.world.work().join("project").display().to_string();
    (lab, project)
}

#[test]
fn the_server_of_all_features_works_in_the_sandbox() {
    let (Some(folder), Some(node)) = (path(NODE_SERVERS), path(NODE)) else { return };
    for mechanism in mechanisms("the_server_of_all_features") {
        let (lab, _) = lab(mechanism);
        let server = of_npm(&folder, &node, "server-everything", &["stdio"]);
        let calls = [
            ("mcp__theirs__echo", json!({ "message": "hello" })),
            ("mcp__theirs__get-sum", json!({ "a": 2, "b": 40 })),
            ("mcp__theirs__get-tiny-image", json!({})),
        ];
        run(&lab, &server, &calls);
        let made = lab.made();
        made[0].is("ok", "hello");
        made[1].is("ok", "42");
        assert_eq!(made[2].files.len(), 1, "{:?}", made[2]);
    }
}

#[test]
fn the_server_of_files_reads_what_its_agent_sees_in_the_sandbox_and_nothing_else() {
    let (Some(folder), Some(node)) = (path(NODE_SERVERS), path(NODE)) else { return };
    for mechanism in mechanisms("the_server_of_files") {
        let (lab, project) = lab(mechanism);
        let work = lab.world.work().display().to_string();
        // It would allow all of it itself.
        let server = of_npm(&folder, &node, "server-filesystem", &[&project, &work]);
        let read = |path: String| ("mcp__theirs__read_text_file", json!({ "path": path }));
        let written = format!("{project}/new.txt");
        let calls = [
            read(format!("{project}/notes.txt")),
            read(format!("{work}/secret.txt")),
            ("mcp__theirs__write_file", json!({ "path": written, "content": "x" })),
        ];
        run(&lab, &server, &calls);
        let made = lab.made();
        made[0].is("ok", "notes");
        assert_eq!((made[1].how, made[2].how), ("error", "error"), "{made:?}");
        assert!(!Path::new(&written).exists());
        let told = lab.degraded();
        assert!(told.iter().any(|told| told.contains("add") && told.contains("`context_paths`")), "{told:?}");
    }
}

#[test]
fn the_server_of_git_tells_the_state_of_a_repository_in_the_sandbox() {
    let Some(folder) = path(PYTHON_SERVERS) else { return };
    for mechanism in mechanisms("the_server_of_git") {
        let (lab, project) = lab(mechanism);
        let git = lab
            .world
            .command("git", &[("PATH", crate::lab::PATH)])
            .args(["init", "--quiet", &project])
            .status();
        assert!(git.unwrap().success());
        let server = json!({ "name": "theirs", "type": "stdio", "command": folder.join("bin/python3"),
            "args": ["-m", "mcp_server_git", "--repository", project] });
        run(&lab, &server, &[("mcp__theirs__git_status", json!({ "repo_path": project }))]);
        assert_eq!(lab.degraded(), Vec::<String>::new());
        lab.made()[0].is("ok", "notes.txt");
    }
}
