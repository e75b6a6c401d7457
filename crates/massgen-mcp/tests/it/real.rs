//! Servers of others. `cargo xtask servers` installs them and runs these tests; without it they are left out, and say so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use massgen_mcp::{Setup, Unconfined};
use massgen_protocol::ToolOutcome;
use massgen_protocol::tooling::{ServerSecurity, ServerSpec, ServerTransport};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::peer::{Run, agent, error, program};

/// The folder with the packages of npm: tests/peers/servers.
const NODE_SERVERS: &str = "MASSGEN_TEST_NODE_SERVERS";
/// An environment of Python with the packages.
const PYTHON_SERVERS: &str = "MASSGEN_TEST_PYTHON_SERVERS";

/// The folder that `variable` names; says what is left out if it is not set.
fn servers(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("left out: `{variable}` is not set; `cargo xtask servers` runs this test");
    }
    folder
}

fn index(servers: &Path, package: &str) -> String {
    let file = servers.join(format!("node_modules/@modelcontextprotocol/{package}/dist/index.js"));
    file.to_str().expect("text").to_owned()
}

fn command(name: &str, parts: &[&str]) -> ServerSpec {
    let transport = ServerTransport::Stdio {
        command: parts.iter().map(|&part| part.to_owned()).collect(),
        environment: BTreeMap::new(),
        folder: None,
    };
    ServerSpec { transport, ..program(name) }
}

fn setup() -> Setup {
    let mut setup = Setup::new(Arc::new(Unconfined), Arc::new(|_| None));
    setup.environment = std::env::vars().collect();
    setup
}

async fn text(run: &Run, name: &str, arguments: Value) -> String {
    match run.begin(name, arguments).await.outcome {
        ToolOutcome::Ok { text, .. } => text,
        other => panic!("`{name}` failed: {other:?}"),
    }
}

/// What the server of all features does, however it is reached.
async fn every_feature(run: &Run) {
    assert!(run.names().contains(&"mcp__everything__echo"), "{}: {:?}", run.told(), run.names());
    // What it would ask a person or a model for is not offered to it.
    assert!(!run.names().iter().any(|name| name.contains("elicitation") || name.contains("sampling")));
    let echo = run.pool.tools(&agent()).iter().find(|tool| tool.name == "echo").expect("there").clone();
    assert_eq!(echo.schema.parameters["required"], json!(["message"]));
    assert!(text(run, "mcp__everything__echo", json!({"message": "hällo"})).await.contains("hällo"));
    assert!(text(run, "mcp__everything__get-sum", json!({"a": 2, "b": 40})).await.contains("42"));

    let image = run.begin("mcp__everything__get-tiny-image", json!({})).await;
    assert_eq!(image.files.len(), 1);
    assert_eq!(image.files[0].media_type, "image/png");
    let structured =
        text(run, "mcp__everything__get-structured-content", json!({"location": "Chicago"})).await;
    assert_eq!(structured.matches("temperature").count(), 1, "once, not twice: {structured}");
    let links = text(run, "mcp__everything__get-resource-links", json!({"count": 2})).await;
    assert!(links.contains("[link `"), "{links}");
    let blob = json!({"resourceType": "Blob", "resourceId": 1});
    assert_eq!(run.begin("mcp__everything__get-resource-reference", blob).await.files.len(), 1);
    // It reports its progress.
    let long = json!({"duration": 1, "steps": 4});
    assert!(text(run, "mcp__everything__trigger-long-running-operation", long).await.contains("completed"));
    // This one works as a background task only.
    let topic = json!({"topic": "tides"});
    error(run.begin("mcp__everything__simulate-research-query", topic).await.outcome);
    error(run.begin("mcp__everything__get-sum", json!({"a": "x"})).await.outcome);
}

#[tokio::test]
async fn the_server_of_all_features_works_over_its_streams_and_comes_back_when_it_is_killed() {
    let Some(folder) = servers(NODE_SERVERS) else { return };
    let everything = index(&folder, "server-everything");
    // The shell writes its number down and becomes the server.
    let line = r#"echo $$ > server.pid; exec "$@""#;
    let spec = command("everything", &["sh", "-c", line, "sh", "node", &everything, "stdio"]);
    let run = Run::with(vec![spec], setup()).await;
    every_feature(&run).await;

    let pid = || fs_err::read_to_string(run.folder.path().join("server.pid")).expect("written");
    let first = pid();
    kill(first.trim()).await;
    // The call may have been written before the end was seen: then nobody knows whether it ran.
    let called = run.begin("mcp__everything__echo", json!({"message": "back"})).await.outcome;
    assert!(match &called {
        ToolOutcome::Ok { text, .. } => text.contains("back"),
        other => error(other.clone()).contains("may have run or not"),
    });
    assert!(text(&run, "mcp__everything__echo", json!({"message": "back"})).await.contains("back"));
    assert_ne!(pid(), first);

    // In the middle of a call.
    let long =
        run.begin("mcp__everything__trigger-long-running-operation", json!({"duration": 600, "steps": 600}));
    let long = tokio::spawn(long);
    // It runs for certain once a later call has been answered.
    text(&run, "mcp__everything__echo", json!({"message": "x"})).await;
    kill(pid().trim()).await;
    let told = error(long.await.expect("it ends").outcome);
    assert!(told.contains("may have run or not"), "{told}");
    every_feature(&run).await;
    run.pool.close().await;
}

async fn kill(pid: &str) {
    let killed = Command::new("kill").args(["-9", pid]).status().await.expect("kill");
    assert!(killed.success());
}

/// The server of all features over HTTP, on this machine.
struct Service {
    child: Child,
    port: u16,
}

impl Service {
    async fn start(folder: &Path, port: u16) -> Self {
        let mut command = Command::new("node");
        command.arg("--import").arg(folder.join("loopback.mjs"));
        command.arg(index(folder, "server-everything")).arg("streamableHttp").env("PORT", port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("node");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let hello = loop {
            let line = lines.next_line().await.expect("read").expect("it tells its port");
            if let Ok(hello) = serde_json::from_str::<Value>(&line) {
                break hello;
            }
        };
        // What it prints further is of no interest, but must have a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let port = hello["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Self { child, port }
    }
}

#[tokio::test]
async fn the_server_of_all_features_works_over_http_and_is_found_again_after_a_restart() {
    let Some(folder) = servers(NODE_SERVERS) else { return };
    let mut service = Service::start(&folder, 0).await;
    let url = format!("http://127.0.0.1:{}/mcp", service.port);
    let spec = ServerSpec {
        transport: ServerTransport::Http { url, headers: BTreeMap::new(), silence: None },
        security: ServerSecurity { allow_localhost: true, ..ServerSecurity::default() },
        ..program("everything")
    };
    let run = Run::with(vec![spec], setup()).await;
    every_feature(&run).await;

    service.child.kill().await.expect("killed");
    let gone = error(run.begin("mcp__everything__echo", json!({"message": "x"})).await.outcome);
    assert!(gone.contains("the tool was not run"), "{gone}");
    let service = Service::start(&folder, service.port).await;
    // It does not know the old session, and says so in its own way.
    let called = run.begin("mcp__everything__echo", json!({"message": "back"})).await;
    assert!(matches!(&called.outcome, ToolOutcome::Ok { text, .. } if text.contains("back")), "{called:?}");
    every_feature(&run).await;
    run.pool.close().await;
    drop(service);
}

#[tokio::test]
async fn the_server_of_files_reads_and_writes_in_its_folder_only() {
    let Some(folder) = servers(NODE_SERVERS) else { return };
    let place = tempfile::tempdir().expect("a folder");
    let root = fs_err::canonicalize(place.path()).expect("a folder");
    let root = root.to_str().expect("text");
    let spec = command("files", &["node", &index(&folder, "server-filesystem"), root]);
    let run = Run::with(vec![spec], setup()).await;
    assert_eq!(run.told(), "");
    let file = format!("{root}/a.txt");
    text(&run, "mcp__files__write_file", json!({"path": file, "content": "one\ntwo\n"})).await;
    assert_eq!(fs_err::read_to_string(&file).expect("written"), "one\ntwo\n");
    let read = text(&run, "mcp__files__read_text_file", json!({"path": file})).await;
    assert_eq!(read.matches("one\ntwo\n").count(), 1, "{read}");
    assert_eq!(read.matches("one").count(), 1, "once, not twice: {read}");
    let outside =
        error(run.begin("mcp__files__read_text_file", json!({"path": "/etc/passwd"})).await.outcome);
    assert!(outside.contains("outside allowed directories"), "{outside}");
    let reading = run.pool.tools(&agent()).iter().find(|tool| tool.name == "read_text_file").expect("there");
    assert_eq!(reading.hints.read_only, Some(true));
    run.pool.close().await;
}

#[tokio::test]
async fn the_server_of_git_tells_the_state_of_a_repository() {
    let Some(folder) = servers(PYTHON_SERVERS) else { return };
    let place = tempfile::tempdir().expect("a folder");
    let made = Command::new("git").args(["init", "--quiet"]).current_dir(place.path()).status().await;
    assert!(made.expect("git").success());
    fs_err::write(place.path().join("new.txt"), "x").expect("written");
    let python = folder.join("bin/python3");
    let root = place.path().to_str().expect("text");
    let parts = [python.to_str().expect("text"), "-m", "mcp_server_git", "--repository", root];
    let run = Run::with(vec![command("git", &parts)], setup()).await;
    assert_eq!(run.told(), "");
    let status = text(&run, "mcp__git__git_status", json!({"repo_path": root})).await;
    assert!(status.contains("new.txt"), "{status}");
    assert_eq!(status.matches("new.txt").count(), 1, "once, not twice: {status}");
    error(run.begin("mcp__git__git_show", json!({"repo_path": root, "revision": "nowhere"})).await.outcome);
    run.pool.close().await;
}
