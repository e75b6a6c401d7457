//! Real programs, started as they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use massgen_mcp::{Setup, Unconfined};
use massgen_protocol::tooling::{ServerSpec, ServerTransport};
use serde_json::json;
use tokio::time::timeout;

use crate::peer::{Run, error, ok, program};

/// A server as a script. `env` tells its variables, `folder` its folder, `die` ends it. What it starts holds the pipe
/// `held` open until the last of it has ended.
const SCRIPT: &str = r#"
exec 9>held
sleep 1000 >/dev/null 2>&1 &
echo "ready to serve" >&2
while read -r line; do
  id=${line#*'"id":'}; id=${id%%[,\}]*}
  said() { printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s"}]}}\n' "$id" "$1"; }
  tool() { printf '{"name":"%s","inputSchema":{"type":"object"}}' "$1"; }
  case $line in
    *'"method":"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
    *'"method":"server/discover"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"method":"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s,%s,%s]}}\n' "$id" "$(tool env)" "$(tool folder)" "$(tool die)" ;;
    *'"name":"env"'*) said "$(env | sed 's/=.*//' | sort | tr '\n' ' ')" ;;
    *'"name":"folder"'*) said "$(pwd)" ;;
    *'"name":"die"'*) exit 3 ;;
  esac
done
"#;

/// Longest wait for something that happens at once on a machine with nothing else to do.
const LONGEST: Duration = Duration::from_mins(1);

async fn script() -> Run {
    let spec = ServerSpec {
        transport: ServerTransport::Stdio {
            command: ["sh", "server.sh"].map(str::to_owned).to_vec(),
            environment: BTreeMap::from([("GIVEN".to_owned(), "1".to_owned())]),
            folder: None,
        },
        ..program("script")
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("server.sh"), SCRIPT).expect("written");
    let made = tokio::process::Command::new("mkfifo").arg(folder.path().join("held")).status().await;
    assert!(made.expect("mkfifo").success());
    let mut setup = Setup::new(Arc::new(Unconfined), Arc::new(|_| None));
    let path = std::env::var("PATH").expect("a path");
    setup.environment = BTreeMap::from([("PATH".to_owned(), path), ("SECRET".to_owned(), "x".to_owned())]);
    // Opening a pipe for writing waits for a reader.
    let held = hold(folder.path());
    let run = Run::at(folder, vec![spec], setup).await;
    assert_eq!(run.told(), "");
    drop(held);
    run
}

/// Opens the pipe for reading and writing, so that whoever opens it next need not wait.
fn hold(folder: &Path) -> fs_err::File {
    fs_err::OpenOptions::new().read(true).write(true).open(folder.join("held")).expect("opened")
}

/// Waits until nobody has the pipe open any more.
async fn all_ended(held: fs_err::File) {
    let read = tokio::task::spawn_blocking(move || {
        let mut held = held;
        std::io::Read::read_to_end(&mut held, &mut Vec::new())
    });
    timeout(LONGEST, read).await.expect("all of it ends").expect("it reads").expect("to the end");
}

fn reader(run: &Run) -> fs_err::File {
    let both = hold(run.folder.path());
    let reader = fs_err::OpenOptions::new().read(true).open(run.folder.path().join("held")).expect("opened");
    drop(both);
    reader
}

#[tokio::test]
async fn a_program_has_a_minimal_environment_and_its_complaints_are_kept() {
    let run = script().await;
    let massgen_protocol::ToolOutcome::Ok { text, .. } = run.call("mcp__script__env").await else {
        panic!("it works")
    };
    // The shell itself adds some.
    let names: Vec<&str> =
        text.split_whitespace().filter(|name| !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_")).collect();
    assert_eq!(names, ["GIVEN", "PATH"]);
    let folder = fs_err::canonicalize(run.folder.path()).expect("a folder");
    assert_eq!(run.call("mcp__script__folder").await, ok(folder.to_str().expect("text")));
    run.pool.close().await;
    let log = fs_err::read_to_string(run.folder.path().join("logs/mcp_script_stderr.log")).expect("a log");
    assert_eq!(log, "ready to serve\n");
}

#[tokio::test]
async fn a_program_that_ends_comes_back_and_what_it_started_is_ended_first() {
    let run = script().await;
    let held = reader(&run);
    assert!(error(run.call("mcp__script__die").await).contains("it ended; its last words: `ready to serve`"));
    // The call has given the first one up, and nothing has been started since.
    all_ended(held).await;
    let _both = hold(run.folder.path());
    let folder = run.begin("mcp__script__folder", json!({})).await.outcome;
    assert!(matches!(folder, massgen_protocol::ToolOutcome::Ok { .. }), "{folder:?}");
}

#[tokio::test]
async fn when_a_run_is_dropped_its_programs_end_with_all_that_they_started() {
    let run = script().await;
    let held = reader(&run);
    let Run { pool, folder, .. } = run;
    drop(pool);
    all_ended(held).await;
    drop(folder);
}

#[tokio::test]
async fn when_a_run_is_closed_its_programs_end_with_all_that_they_started() {
    let run = script().await;
    let held = reader(&run);
    run.pool.close().await;
    all_ended(held).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let spec = ServerSpec {
        transport: ServerTransport::Stdio {
            command: vec!["/nowhere/uvx".to_owned()],
            environment: BTreeMap::new(),
            folder: None,
        },
        ..program("git")
    };
    let run = Run::new(Arc::new(Unconfined), vec![spec]).await;
    insta::assert_snapshot!(run.told(), @"MCP server `git` of agent1: its program `/nowhere/uvx` cannot be started: No such file or directory (os error 2); install the program, or write its whole path");
}
