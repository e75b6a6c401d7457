use std::time::Duration;

use massgen_ports::Unwatched;
use massgen_protocol::{AgentNo, CallId};
use tokio::time::Instant;

use super::*;

const SCRIPT: &str = "tools:
  lookup: {result: found, description: Looks things up., wait_ms: 30, append_to: ran.txt}
  broken: {result: no luck, error: true}
  misplaced: {result: x, append_to: missing/ran.txt}
";

fn id(text: &str) -> AgentId {
    AgentId::new(text).unwrap()
}

/// Tools of a script in a folder of its own, for agent `a`.
fn tools() -> (tempfile::TempDir, SimulatedTools) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.yaml");
    fs_err::write(&path, SCRIPT).unwrap();
    let script = Arc::new(Script::load(&path).unwrap());
    (folder, SimulatedTools::new([(id("a"), script)]))
}

fn run(tools: &SimulatedTools, agent: &str, tool: &str, index: u16) -> BoxFuture<'static, ToolOutcome> {
    let call = CallId { agent: AgentNo::from_index(0), number: 3 };
    let tool_call = ToolCall { id: "x".into(), name: tool.into(), arguments: "{}".into() };
    let run = tools.run(&id(agent), ToolUse { call, index }, tool_call, Arc::new(Unwatched));
    Box::pin(async move { run.await.outcome })
}

#[test]
fn tools_are_offered_to_agents_with_the_script_only() {
    let (_folder, tools) = tools();
    let offered = tools.tools(&id("a"));
    let names: Vec<_> = offered.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["broken", "lookup", "misplaced"]);
    assert_eq!(offered[1].description, "Looks things up.");
    assert_eq!(offered[1].parameters["additionalProperties"], true);
    assert!(tools.tools(&id("b")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tool_gives_its_result_after_its_time() {
    let (_folder, tools) = tools();
    let start = Instant::now();
    assert_eq!(run(&tools, "a", "lookup", 0).await, ToolOutcome::ok("found"));
    assert_eq!(start.elapsed(), Duration::from_millis(30));
    assert_eq!(run(&tools, "a", "broken", 0).await, ToolOutcome::Error { text: "no luck".into() });
}

#[tokio::test]
async fn unknown_tools_and_strangers_are_denied() {
    let (_folder, tools) = tools();
    let denied = |name: &str| ToolOutcome::Denied { text: format!("there is no tool `{name}`") };
    assert_eq!(run(&tools, "a", "nothing", 0).await, denied("nothing"));
    assert_eq!(run(&tools, "b", "lookup", 0).await, denied("lookup"));
}

#[tokio::test(start_paused = true)]
async fn each_start_of_a_tool_leaves_a_line_even_when_the_tool_is_stopped() {
    let (folder, tools) = tools();
    run(&tools, "a", "lookup", 0).await;
    let stopped = tokio::time::timeout(Duration::from_millis(1), run(&tools, "a", "lookup", 1)).await;
    assert!(stopped.is_err());
    drop(run(&tools, "a", "lookup", 2));
    let lines = fs_err::read_to_string(folder.path().join("ran.txt")).unwrap();
    assert_eq!(lines, "agent1-call-3-tool-0\nagent1-call-3-tool-1\n");
}

#[tokio::test]
async fn a_line_that_cannot_be_written_is_an_error_of_the_tool() {
    let (_folder, tools) = tools();
    match run(&tools, "a", "misplaced", 0).await {
        ToolOutcome::Error { text } => assert!(text.contains("missing/ran.txt"), "{text}"),
        other => panic!("{other:?}"),
    }
}
