//! Calls, and servers that do not do as they should.

use std::sync::Arc;
use std::time::Duration;

use massgen_mcp::{Launcher, Setup, Variable};
use massgen_protocol::ToolOutcome;
use massgen_protocol::tooling::ServerSpec;
use serde_json::{Value, json};
use tokio::time::{Instant, advance};

use crate::peer::{Manner, Reaction, Run, Scripted, denied, error, ok, program, text};

fn manner(on_call: impl Fn(&str, &Value, usize) -> Reaction + Send + Sync + 'static) -> Manner {
    Manner { on_call: Box::new(on_call), ..Manner::default() }
}

const ECHO: &str = "mcp__peer__echo";

#[tokio::test(start_paused = true)]
async fn arguments_go_to_the_server_and_its_text_comes_back() {
    let (run, ..) = Run::of(manner(|name, arguments, _| text(&format!("{name} {arguments}")))).await;
    let called = run.begin(ECHO, json!({"a": [1, "ü"]})).await;
    assert_eq!(called.outcome, ok(r#"echo {"a":[1,"ü"]}"#));
}

#[tokio::test(start_paused = true)]
async fn errors_of_tools_and_of_the_protocol_are_errors_and_no_failures_of_the_server() {
    let failing = manner(|name, _, _| match name {
        "echo" => {
            Reaction::Result(json!({"isError": true, "content": [{"type": "text", "text": "no such city"}]}))
        }
        _ => Reaction::Error(-32602, "unknown argument `x`"),
    });
    let (run, scripted, _) = Run::of(failing).await;
    for _ in 0..5 {
        assert_eq!(error(run.call(ECHO).await), "no such city");
        let told = error(run.call("mcp__peer__other").await);
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @"the server refused the call (-32602): unknown argument `x`");
        }
    }
    assert_eq!(scripted.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_in_mid_call_is_told_as_unknown_and_comes_back() {
    let dying = manner(|_, _, number| if number == 1 { Reaction::Die } else { text("back") });
    let (run, scripted, mut heard) = Run::of(dying).await;
    insta::assert_snapshot!(error(run.call(ECHO).await), @"the tool server `peer` failed during the call: it ended. The tool may have run or not: look before you call it again");
    // It may have run, so it is not repeated.
    assert_eq!((heard.count("tools/call"), scripted.starts()), (1, 1));
    assert_eq!(run.call(ECHO).await, ok("back"));
    assert_eq!(scripted.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ended_between_calls_comes_back_without_a_word() {
    let ending = manner(|_, _, number| match number {
        1 => Reaction::Last(json!({"content": [{"type": "text", "text": "last"}]})),
        _ => text("back"),
    });
    let (run, scripted, mut heard) = Run::of(ending).await;
    assert_eq!(run.call(ECHO).await, ok("last"));
    assert_eq!(run.call(ECHO).await, ok("back"));
    assert_eq!((heard.count("tools/call"), scripted.starts()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn garbage_is_an_error_and_the_server_starts_anew() {
    let garbage = manner(|_, _, number| match number {
        1 => Reaction::Raw(b"{\"jsonrpc\":\"2.0\",\"id\":\xff\xfe\n".to_vec()),
        2 => Reaction::Raw("\u{1b}[31mpanic!\n".repeat(100).into_bytes()),
        _ => text("back"),
    });
    let (run, scripted, _) = Run::of(garbage).await;
    for _ in 0..2 {
        let told = error(run.call(ECHO).await);
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @"the tool server `peer` failed during the call: it sent something that is no message of the protocol. The tool may have run or not: look before you call it again");
        }
    }
    assert_eq!(run.call(ECHO).await, ok("back"));
    assert_eq!(scripted.starts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_long_is_an_error_and_the_server_starts_anew() {
    let huge = manner(|_, _, number| match number {
        1 => Reaction::Raw(vec![b'x'; 100 * 1024 * 1024]),
        _ => text("back"),
    });
    let (run, scripted, _) = Run::of(huge).await;
    insta::assert_snapshot!(error(run.call(ECHO).await), @"the tool server `peer` failed during the call: it sent a message of more than 32 MiB or 1000000 values. The tool may have run or not: look before you call it again");
    assert_eq!(run.call(ECHO).await, ok("back"));
    assert_eq!(scripted.starts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_stopped_when_its_time_is_over_and_the_server_is_told() {
    let (run, scripted, mut heard) = Run::of(manner(|name, _, _| match name {
        "echo" => Reaction::Nothing,
        _ => text("works"),
    }))
    .await;
    let begin = Instant::now();
    insta::assert_snapshot!(error(run.call(ECHO).await), @"the tool was stopped after 400 s without a result. It may have done some of its work: look before you call it again");
    assert_eq!(begin.elapsed().as_secs(), 400);
    let call = heard.next("tools/call").await;
    let told = heard.next("notifications/cancelled").await;
    assert_eq!(told["params"]["requestId"], call["id"]);
    // The server itself is fine.
    assert_eq!(run.call("mcp__peer__other").await, ok("works"));
    assert_eq!(scripted.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_may_have_a_time_of_its_own_and_progress_does_not_prolong_it() {
    let progressing = manner(|_, _, _| {
        let token = |number: i64| {
            json!({"jsonrpc": "2.0", "method": "notifications/progress",
                   "params": {"progressToken": number, "progress": 1, "total": 2, "message": "half"}})
        };
        let lines: Vec<String> = (0..9).map(|number| token(number).to_string()).collect();
        Reaction::Raw(format!("{}\n", lines.join("\n")).into_bytes())
    });
    let (scripted, _heard) = Scripted::new(progressing);
    let spec = ServerSpec { call_time: Some(Duration::from_secs(7)), ..program("peer") };
    let run = Run::new(scripted, vec![spec]).await;
    let begin = Instant::now();
    error(run.call(ECHO).await);
    assert_eq!(begin.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn who_calls_hears_how_far_it_is_and_of_no_other_call() {
    let progressing = manner(|_, _, _| {
        let told = |number: i64| {
            json!({"jsonrpc": "2.0", "method": "notifications/progress",
                   "params": {"progressToken": number, "progress": 1, "total": 2, "message": "half\u{1b}[2J"}})
        };
        Reaction::After((0..9).map(told).collect(), json!({"content": [{"type": "text", "text": "done"}]}))
    });
    let (run, ..) = Run::of(progressing).await;
    assert_eq!(run.call(ECHO).await, ok("done"));
    assert_eq!(*run.progress.lock().expect("kept"), ["1 of 2: half"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_is_cancelled_at_the_server() {
    let (run, _, mut heard) = Run::of(manner(|_, _, _| Reaction::Nothing)).await;
    let call = tokio::spawn(run.begin(ECHO, json!({})));
    let id = heard.next("tools/call").await["id"].clone();
    call.abort();
    assert_eq!(heard.next("notifications/cancelled").await["params"]["requestId"], id);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_server_asks_for_is_granted() {
    let asking = manner(|_, _, _| {
        let ask = |id: &str, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let schema = json!({"type": "object", "properties": {"key": {"type": "string"}}});
        let message = json!({"role": "user", "content": {"type": "text", "text": "hello"}});
        Reaction::After(
            vec![
                ask("e", "elicitation/create", json!({"message": "your key?", "requestedSchema": schema})),
                ask("s", "sampling/createMessage", json!({"messages": [message], "maxTokens": 5})),
                ask("r", "roots/list", json!({})),
                ask("p", "ping", json!({})),
            ],
            json!({"content": [{"type": "text", "text": "went on"}]}),
        )
    });
    let (run, _, mut heard) = Run::of(asking).await;
    assert_eq!(run.call(ECHO).await, ok("went on"));
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..4 {
        let answer = heard.any_answer().await;
        answers.insert(answer["id"].as_str().expect("ours").to_owned(), answer);
    }
    for id in ["e", "s", "r"] {
        assert_eq!(answers[id]["error"]["code"], -32601, "{id}");
    }
    assert!(answers["p"].get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_asks_for_input_in_its_result_is_refused() {
    let (run, ..) = Run::of(manner(|_, _, _| {
        Reaction::Result(json!({"resultType": "input_required", "requestState": "s", "inputRequests": {
            "key": {"method": "elicitation/create", "params": {"mode": "form", "message": "your key?",
                "requestedSchema": {"type": "object", "properties": {}}}}}}))
    }))
    .await;
    insta::assert_snapshot!(error(run.call(ECHO).await), @"the tool asks for input of a person, and nobody is there to give it");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_three_times_is_left_alone_for_a_while() {
    let failing = manner(|_, _, number| if number <= 3 { Reaction::Die } else { text("back") });
    let (run, scripted, _) = Run::of(failing).await;
    for _ in 0..3 {
        error(run.call(ECHO).await);
    }
    insta::assert_snapshot!(denied(run.call(ECHO).await), @"the call was not made: the tool server `peer` has failed repeatedly and is left alone for another 30 s; do something else meanwhile, or go on without it");
    assert_eq!(scripted.starts(), 3);
    advance(Duration::from_secs(30)).await;
    assert_eq!(run.call(ECHO).await, ok("back"));
    assert_eq!(run.call(ECHO).await, ok("back"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_started_again_is_tried_three_times_per_call() {
    let (scripted, mut heard) = Scripted::new(manner(|_, _, _| Reaction::Die));
    let gone =
        Arc::new(Gone { scripted: Arc::clone(&scripted), starts: std::sync::atomic::AtomicUsize::new(0) });
    let launcher: Arc<dyn Launcher> = Arc::<Gone>::clone(&gone);
    let run = Run::new(launcher, vec![program("peer")]).await;
    error(run.call(ECHO).await);
    insta::assert_snapshot!(error(run.call(ECHO).await), @"the tool was not run: the tool server `peer` failed: it ended before it was connected");
    assert_eq!(gone.starts.load(std::sync::atomic::Ordering::SeqCst), 4);
    assert_eq!(heard.count("tools/call"), 1);
}

/// Starts a server once; later ones end at once.
#[derive(Debug)]
struct Gone {
    scripted: Arc<Scripted>,
    starts: std::sync::atomic::AtomicUsize,
}

impl Launcher for Gone {
    fn launch(
        &self,
        launch: massgen_mcp::Launch,
    ) -> futures::future::BoxFuture<'_, std::io::Result<massgen_mcp::Launched>> {
        let number = self.starts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            let mut launched = self.scripted.launch(launch).await?;
            if number > 0 {
                launched.stdout = Box::new(tokio::io::empty());
            }
            Ok(launched)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_that_are_too_much_are_not_sent() {
    let (run, _, mut heard) = Run::of(Manner::default()).await;
    let called = run.begin(ECHO, json!({"text": "x".repeat(20_000)})).await;
    insta::assert_snapshot!(denied(called.outcome), @"the call was not made: a text has 20000 characters, at most 15000 are allowed; use smaller arguments");
    assert_eq!(heard.count("tools/call"), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_run_at_the_same_time_and_each_gets_its_own_answer() {
    let (run, ..) = Run::of(manner(|_, arguments, _| text(&arguments["n"].to_string()))).await;
    let calls = (0..50).map(|n| run.begin(ECHO, json!({"n": n})));
    let answers = futures::future::join_all(calls).await;
    for (n, called) in answers.into_iter().enumerate() {
        assert_eq!(called.outcome, ok(&n.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_list_of_tools_changes_nothing() {
    let changing = manner(|_, _, _| {
        let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
        Reaction::After(vec![changed], json!({"content": []}))
    });
    let (run, _, mut heard) = Run::of(changing).await;
    let before = run.pool.tools(&crate::peer::agent()).to_vec();
    assert_eq!(run.call(ECHO).await, ok(""));
    assert_eq!(run.call(ECHO).await, ok(""));
    assert_eq!(run.pool.tools(&crate::peer::agent()), before);
    assert_eq!(heard.count("tools/list"), 1);
}

#[tokio::test(start_paused = true)]
async fn values_of_variables_do_not_come_back_in_results() {
    let (scripted, _heard) = Scripted::new(manner(|name, _, _| match name {
        "echo" => text("your key is canary-value"),
        _ => Reaction::Error(-1, "bad key canary-value"),
    }));
    let mut spec = program("peer");
    if let massgen_protocol::tooling::ServerTransport::Stdio { environment, .. } = &mut spec.transport {
        environment.insert("KEY".to_owned(), "${KEY}".to_owned());
    }
    let run =
        Run::with(vec![spec], Setup::new(scripted, Arc::new(|_| Some(Variable::secret("canary-value")))))
            .await;
    assert_eq!(run.call(ECHO).await, ok("your key is [KEY]"));
    assert!(!error(run.call("mcp__peer__other").await).contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_result_with_parts_that_nobody_knows_keeps_the_others() {
    let (run, ..) = Run::of(manner(|_, _, _| {
        Reaction::Result(json!({"content": [
            {"type": "text", "text": "one"}, {"type": "hologram"}, {"type": "image", "data": "aGk=", "mimeType": "image/png"},
        ], "structuredContent": {"n": 1}}))
    }))
    .await;
    let called = run.begin(ECHO, json!({})).await;
    assert_eq!(called.files.len(), 1);
    let ToolOutcome::Ok { text, .. } = called.outcome else { panic!("it worked") };
    insta::assert_snapshot!(text, @r#"
    one
    [a part of the unknown kind `hologram`]
    [file 1: image/png, 2 bytes]
    {"n":1}
    "#);
}

#[tokio::test(start_paused = true)]
async fn after_the_end_of_the_run_nothing_is_started_any_more() {
    let (run, scripted, _) = Run::of(Manner::default()).await;
    run.pool.close().await;
    assert!(error(run.call(ECHO).await).contains("the run is over"));
    assert_eq!(scripted.starts(), 1);
}
