//! How servers are connected, and what people are told when one cannot be had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use massgen_mcp::{AgentServers, Filter, Launcher, NoticeKind, Pool, Setup, Variable};
use massgen_protocol::AgentId;
use massgen_protocol::tooling::{ServerSpec, ServerTransport};
use serde_json::json;
use tokio::time::Instant;

use crate::peer::{Asked, Manner, Run, Scripted, ok, program, tool};

#[tokio::test(start_paused = true)]
async fn servers_of_every_older_version_are_connected() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (run, scripted, mut heard) = Run::of(Manner { version, ..Manner::default() }).await;
        assert_eq!(run.names(), ["mcp__peer__echo", "mcp__peer__other"], "{version}");
        assert_eq!((run.told().as_str(), scripted.starts()), ("", 1));
        assert_eq!(heard.next("initialize").await["params"]["capabilities"], json!({}));
        assert_eq!(run.call("mcp__peer__echo").await, ok("echo ran"));
    }
}

#[tokio::test(start_paused = true)]
async fn servers_of_the_newest_version_need_no_handshake() {
    let (run, _, mut heard) = Run::of(Manner { asked: Asked::Answers, ..Manner::default() }).await;
    assert_eq!(run.told(), "");
    assert_eq!(run.call("mcp__peer__echo").await, ok("echo ran"));
    let call = heard.next("tools/call").await;
    assert_eq!(call["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(heard.count("initialize"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_at_the_question_for_versions_is_asked_for_a_handshake() {
    let (run, scripted, mut heard) = Run::of(Manner { asked: Asked::Dies, ..Manner::default() }).await;
    assert_eq!((run.told().as_str(), scripted.starts()), ("", 2));
    // It is known now, so it is not asked again when it comes back.
    heard.next("tools/list").await;
    assert_eq!(run.call("mcp__peer__echo").await, ok("echo ran"));
    assert_eq!(heard.count("server/discover"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_the_question_for_versions_is_not_taken_for_the_handshake() {
    let (run, scripted, _) = Run::of(Manner { asked: Asked::AnswersLate, ..Manner::default() }).await;
    assert_eq!((run.told().as_str(), scripted.starts()), ("", 1));
    assert_eq!(run.names().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_page_after_page_in_order() {
    let pages = vec![json!([tool("a"), tool("b")]), json!([]), json!([tool("c")])];
    let (run, ..) = Run::of(Manner { pages, ..Manner::default() }).await;
    assert_eq!(run.names(), ["mcp__peer__a", "mcp__peer__b", "mcp__peer__c"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_end_is_read_for_a_while() {
    // The last page is never the one that is asked for.
    let pages: Vec<_> = (0..1000).map(|number| json!([tool(&format!("tool{number}"))])).collect();
    let (run, _, mut heard) = Run::of(Manner { pages, ..Manner::default() }).await;
    assert_eq!(run.names().len(), 64);
    assert_eq!(heard.count("tools/list"), 64);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_is_not_as_it_should_be_takes_nothing_from_the_others() {
    let odd = json!({"name": "odd", "inputSchema": "none"});
    let pages = vec![json!([tool("echo"), odd, {"description": "nameless"}, {"name": "bare"}, 7])];
    let (run, ..) = Run::of(Manner { pages, ..Manner::default() }).await;
    assert_eq!(run.names(), ["mcp__peer__echo", "mcp__peer__odd", "mcp__peer__bare"]);
    insta::assert_snapshot!(run.told(), @"MCP server `peer` of agent1: its tool `odd` has a schema that is no object: it is offered without arguments");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_is_tried_three_times_and_then_told_with_its_last_words() {
    let manner =
        Manner { dies_at_start: 9, complaint: "npm error 404 no such package\n\n", ..Manner::default() };
    let (run, scripted, _) = Run::of(manner).await;
    assert_eq!(scripted.starts(), 3);
    assert!(run.names().is_empty());
    insta::assert_snapshot!(run.told(), @"MCP server `peer` of agent1: it ended before it was connected; its last words: `npm error 404 no such package`; tried 3 times; try its command in a terminal; what it wrote is in `[folder]/logs/mcp_peer_stderr.log`");
    let log = fs_err::read_to_string(run.folder.path().join("logs/mcp_peer_stderr.log")).expect("a log");
    assert_eq!(log.lines().filter(|line| line.starts_with("npm error")).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_up_late_is_there() {
    let (run, scripted, _) = Run::of(Manner { dies_at_start: 2, ..Manner::default() }).await;
    assert_eq!((run.told().as_str(), scripted.starts()), ("", 3));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_has_half_a_minute_each_time() {
    let begin = Instant::now();
    let (scripted, _heard) = Scripted::new(Manner { asked: Asked::Hangs, ..Manner::default() });
    let launcher: Arc<dyn Launcher> = Arc::<Scripted>::clone(&scripted);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let tell = Arc::new(move |line: &str| kept.lock().expect("kept").push(line.to_owned()));
    let setup = Setup { tell, ..Setup::new(launcher, Arc::new(|_| None)) };
    let run = Run::with(vec![program("peer")], setup).await;
    assert_eq!(scripted.starts(), 3);
    insta::assert_snapshot!(lines.lock().expect("kept").join("\n"), @r"
    MCP server `peer` of agent1 is waited for (try 1 of 3, up to 30 s)
    MCP server `peer` of agent1 is waited for (try 2 of 3, up to 30 s)
    MCP server `peer` of agent1 is waited for (try 3 of 3, up to 30 s)
    ");
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(90) && took < Duration::from_secs(93), "{took:?}");
    insta::assert_snapshot!(run.told(), @"MCP server `peer` of agent1: it was not ready after 30 s; tried 3 times; try its command in a terminal; what it wrote is in `[folder]/logs/mcp_peer_stderr.log`");
}

#[tokio::test(start_paused = true)]
async fn servers_are_connected_at_the_same_time_and_one_that_fails_leaves_the_others() {
    let (scripted, _heard) = Scripted::new(Manner::default());
    let refused = ServerSpec {
        transport: ServerTransport::Stdio {
            command: vec!["rm".to_owned()],
            environment: BTreeMap::new(),
            folder: None,
        },
        ..program("bad")
    };
    let launcher: Arc<dyn Launcher> = Arc::<Scripted>::clone(&scripted);
    let run =
        Run::new(launcher, vec![program("b"), refused, program("a"), program("b"), program("a b")]).await;
    assert_eq!(scripted.starts(), 2);
    assert_eq!(run.names(), ["mcp__b__echo", "mcp__b__other", "mcp__a__echo", "mcp__a__other"]);
    assert!(run.notices.iter().all(|notice| notice.kind == NoticeKind::Missing));
    insta::assert_snapshot!(run.told(), @r"
    MCP server `bad` of agent1: its program `rm` is not among those that may be started; add `security: {allowed_executables: [rm]}` to it; change its entry below `mcp_servers`
    MCP server `b` of agent1: another server has its name; give each server of an agent a name of its own
    MCP server `a b` of agent1: its name may hold letters, digits, `_` and `-` only; change its entry below `mcp_servers`
    ");
}

#[tokio::test(start_paused = true)]
async fn every_agent_has_a_connection_of_its_own_and_sees_its_own_tools_only() {
    let (scripted, _heard) = Scripted::new(Manner::default());
    let folder = tempfile::tempdir().expect("a folder");
    let agents = ["one", "two"].map(|name| AgentServers {
        agent: AgentId::new(name).expect("an id"),
        servers: vec![program("peer")],
        filter: Filter { allowed: (name == "two").then(|| vec!["echo".to_owned()]), excluded: Vec::new() },
        taken: BTreeSet::new(),
        folder: folder.path().to_owned(),
        logs: folder.path().join(name),
    });
    let launcher: Arc<dyn Launcher> = Arc::<Scripted>::clone(&scripted);
    let (pool, notices) = Pool::connect(agents.to_vec(), Setup::new(launcher, Arc::new(|_| None))).await;
    assert_eq!((notices.len(), scripted.starts()), (0, 2));
    let counts = agents.each_ref().map(|servers| pool.tools(&servers.agent).len());
    assert_eq!(counts, [2, 1]);
    assert!(
        pool.call(&agents[1].agent, "mcp__peer__other", serde_json::Map::new(), Arc::new(|_: &str| {}))
            .is_none()
    );
    assert!(pool.tools(&AgentId::new("three").expect("an id")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn programs_get_a_few_variables_of_ours_and_those_that_are_written() {
    let (scripted, _heard) = Scripted::new(Manner {
        complaint: "key canary-value is bad\n",
        dies_at_start: 9,
        ..Manner::default()
    });
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let spec = ServerSpec {
        transport: ServerTransport::Stdio {
            command: vec!["npx".to_owned(), "--key=${KEY}".to_owned()],
            environment: pairs(&[("TOKEN", "x-${KEY}"), ("LD_PRELOAD", "evil.so")]),
            folder: Some("/srv/data".to_owned()),
        },
        ..program("peer")
    };
    let lookup = |name: &str| (name == "KEY").then(|| Variable::secret("canary-value"));
    let launcher: Arc<dyn Launcher> = Arc::<Scripted>::clone(&scripted);
    let mut setup = Setup::new(launcher, Arc::new(lookup));
    setup.environment = pairs(&[("PATH", "/bin"), ("HOME", "/home/u"), ("OPENAI_API_KEY", "sk-canary")]);
    let run = Run::with(vec![spec], setup).await;
    let (command, environment, folder) = scripted.launches().remove(0);
    assert_eq!(command, ["npx", "--key=canary-value"]);
    assert_eq!(environment, pairs(&[("PATH", "/bin"), ("HOME", "/home/u"), ("TOKEN", "x-canary-value")]));
    assert_eq!(folder.to_str(), Some("/srv/data"));
    // What it says of its key goes nowhere.
    insta::assert_snapshot!(run.told(), @"MCP server `peer` of agent1: it ended before it was connected; its last words: `key [KEY] is bad`; tried 3 times; try its command in a terminal; what it wrote is in `[folder]/logs/mcp_peer_stderr.log`");
    let log = fs_err::read_to_string(run.folder.path().join("logs/mcp_peer_stderr.log")).expect("a log");
    assert!(log.contains("key [KEY] is bad") && !log.contains("canary"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn variables_that_are_held_back_are_told() {
    let (scripted, _heard) = Scripted::new(Manner::default());
    let spec = ServerSpec {
        transport: ServerTransport::Stdio {
            command: vec!["npx".to_owned()],
            environment: BTreeMap::from([("PATH".to_owned(), "/evil".to_owned())]),
            folder: None,
        },
        ..program("peer")
    };
    let run = Run::new(scripted, vec![spec]).await;
    insta::assert_snapshot!(run.told(), @"MCP server `peer` of agent1: it does not get the variables `PATH`; `security.env` decides that");
}

#[tokio::test(start_paused = true)]
async fn a_variable_that_is_not_set_is_named_and_nothing_is_started() {
    let (scripted, _heard) = Scripted::new(Manner::default());
    let spec = ServerSpec {
        transport: ServerTransport::Stdio {
            command: vec!["npx".to_owned()],
            environment: BTreeMap::from([("A".to_owned(), "${BRAVE_API_KEY}".to_owned())]),
            folder: None,
        },
        ..program("peer")
    };
    let launcher: Arc<dyn Launcher> = Arc::<Scripted>::clone(&scripted);
    let run = Run::new(launcher, vec![spec]).await;
    assert_eq!(scripted.starts(), 0);
    insta::assert_snapshot!(run.told(), @"MCP server `peer` of agent1: it needs the variable `BRAVE_API_KEY`, which is not set; set the variable in the environment or in `.env`");
}
