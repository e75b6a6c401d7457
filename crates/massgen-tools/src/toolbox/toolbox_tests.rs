use std::sync::Arc;
use std::time::Duration;

use massgen_ports::{ToolHost, Waiting};
use massgen_protocol::ToolOutcome;
use massgen_protocol::limits::BACKGROUND_JOBS;
use massgen_protocol::tooling::Tooling;
use serde_json::{Value, json};

use crate::naming::Selection;
use crate::testing::{House, Setup, agent};

fn id(record: &Value) -> String {
    record["job_id"].as_str().expect("an id").to_owned()
}

async fn start(house: &House, command: &str) -> String {
    let arguments =
        json!({"tool_name": "mcp__command_line__execute_command", "arguments": {"command": command}});
    id(&house.json("start_background_tool", arguments).await)
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_while_its_agent_does_something_else() {
    let house = House::new();
    let job = start(&house, "hold").await;
    assert!(job.starts_with("bgtool_") && job.len() == 19, "{job}");
    let told = house.ok("write_file", json!({"path": "a", "content": "x"})).await;
    assert!(!told.contains("background job"), "{told}");
    assert_eq!(house.json("get_background_tool_status", json!({"job_id": job})).await["status"], "running");
    assert_eq!(house.json("get_background_tool_result", json!({"job_id": job})).await["ready"], false);
    house.runner.go.add_permits(1);
    let told = house.json("wait_for_background_tool", json!({"timeout_seconds": 600})).await;
    assert_eq!((&told["job_id"], &told["tool_success"]), (&json!(job), &json!(true)));
    assert!(told["result"].as_str().expect("text").contains("held"), "{told}");
    // It was heard of: it is not announced again.
    let told = house.ok("execute_command", json!({"command": "echo"})).await;
    assert!(!told.contains("background job"), "{told}");
    assert_eq!(house.json("list_background_tools", json!({})).await["count"], 0);
    assert_eq!(house.json("list_background_tools", json!({"include_all": true})).await["count"], 1);
}

#[tokio::test]
async fn the_result_of_the_next_work_tells_of_a_job_that_ended_and_calls_about_jobs_do_not() {
    let house = House::new();
    let job = start(&house, "echo").await;
    while house.json("get_background_tool_status", json!({"job_id": job})).await["status"] == "running" {
        tokio::task::yield_now().await;
    }
    let told = house.ok("execute_command", json!({"command": "echo"})).await;
    assert!(told.ends_with("get its result with custom_tool__get_background_tool_result]"), "{told}");
    assert!(told.contains(&format!("background job {job}")), "{told}");
    let again = house.ok("execute_command", json!({"command": "echo"})).await;
    assert!(!again.contains("background job"), "{again}");
    assert_eq!(house.json("wait_for_background_tool", json!({})).await["ready"], false);
}

#[tokio::test]
async fn who_starts_a_job_and_waits_for_it_finds_it_however_fast_it_was() {
    let house = House::new();
    for _ in 0..50 {
        let job = start(&house, "echo").await;
        let result = house.json("wait_for_background_tool", json!({})).await;
        assert_eq!((&result["job_id"], &result["ready"]), (&json!(job), &json!(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_time_or_when_something_comes() {
    let house = House::new();
    let _job = start(&house, "hold").await;
    assert_eq!(
        house.json("wait_for_background_tool", json!({"timeout_seconds": 5})).await["timed_out"],
        true
    );
    // While there is something to hear no wait begins, and one that is under way ends.
    let wait = || house.json("wait_for_background_tool", json!({"timeout_seconds": 600}));
    house.tools.set_waiting(&agent(), Waiting::Pointless);
    assert_eq!(wait().await["interrupted"], true);
    house.tools.set_waiting(&agent(), Waiting::Allowed);
    let news = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        house.tools.set_waiting(&agent(), Waiting::Pointless);
    };
    let (told, ()) = tokio::join!(wait(), news);
    assert_eq!((&told["interrupted"], &told["ready"]), (&json!(true), &json!(false)), "{told}");
    house.tools.set_waiting(&agent(), Waiting::Allowed);
    // A longer wait than there may be is the longest one.
    let told = house.json("wait_for_background_tool", json!({"timeout_seconds": 100_000})).await;
    assert_eq!(told["timed_out"], true, "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_ends_at_once_and_stays_cancelled() {
    let house = House::new();
    let job = start(&house, "hold").await;
    assert_eq!(house.json("cancel_background_tool", json!({"job_id": job})).await["status"], "cancelled");
    house.runner.go.add_permits(1);
    let result = house.json("get_background_tool_result", json!({"job_id": job})).await;
    assert_eq!((&result["status"], &result["tool_error"]), (&json!("cancelled"), &json!("it was cancelled")));
    assert!(
        house
            .not_ok("cancel_background_tool", json!({"job_id": "bgtool_x"}))
            .await
            .contains("there is no job")
    );
}

#[tokio::test(start_paused = true)]
async fn jobs_end_with_their_box() {
    let house = House::new();
    let _job = start(&house, "hold").await;
    while house.runner.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    let go = Arc::downgrade(&house.runner.go);
    drop(house);
    let dropped = async {
        while go.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), dropped).await;
    assert!(ended.is_ok(), "the command that was held up lives on without its box");
}

#[tokio::test(start_paused = true)]
async fn more_jobs_than_the_limit_are_refused() {
    let house = House::new();
    for _ in 0..BACKGROUND_JOBS {
        let _job = start(&house, "hold").await;
    }
    let arguments = json!({"tool_name": "execute_command", "arguments": {"command": "hold"}});
    assert!(house.not_ok("start_background_tool", arguments).await.contains("run already"));
}

#[tokio::test(start_paused = true)]
async fn any_call_moves_to_the_background_when_it_asks() {
    let house = House::new();
    for extra in
        [json!({"background": true}), json!({"run_in_background": true}), json!({"mode": "background"})]
    {
        let mut arguments = json!({"command": "echo"});
        arguments.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
        let told = house.json("execute_command", arguments).await;
        assert_eq!((&told["status"], &told["success"]), (&json!("background"), &json!(true)));
        let result = house.json("wait_for_background_tool", json!({})).await;
        assert_eq!(result["job_id"], told["job_id"]);
    }
    let told = house.json("execute_command", json!({"command": "echo", "background": false})).await;
    assert_eq!(told["exit_code"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_job_may_not_do_is_told_at_once() {
    let house = House::new();
    for (arguments, why) in [
        (json!({"tool_name": "nothing"}), "there is no tool"),
        (json!({"tool_name": "write_file", "arguments": {"path": "a"}}), "content"),
        (json!({"tool": "list_background_tools"}), "does not run in the background"),
        (json!({}), "tool_name"),
    ] {
        let text = house.not_ok("start_background_tool", arguments).await;
        assert!(text.contains(why), "{text}");
    }
    // Arguments as a text, beside the others, and under their short names.
    for arguments in [
        json!({"tool": "write_file", "args": {"path": "1", "content": "x"}}),
        json!({"tool_name": "write_file", "arguments": "{\"path\": \"2\", \"content\": \"x\"}"}),
        json!({"tool_name": "write_file", "path": "3", "content": "x"}),
    ] {
        let _job = house.json("start_background_tool", arguments).await;
        assert_eq!(house.json("wait_for_background_tool", json!({})).await["tool_success"], true);
    }
    assert!(house.exists("ws/1") && house.exists("ws/2") && house.exists("ws/3"));
}

#[tokio::test]
async fn tools_are_left_out_as_the_configuration_says() {
    let tooling = Tooling {
        allowed: Some(vec!["write_file".to_owned(), "mcp__command_line__execute_command".to_owned()]),
        excluded: vec!["execute_command".to_owned()],
        ..Tooling::default()
    };
    let house = House::with(Setup { selection: Selection::of(&tooling), ..Setup::default() });
    let names: Vec<String> = house.tools.tools(&agent()).into_iter().map(|schema| schema.name).collect();
    assert_eq!(names, ["mcp__filesystem__write_file"]);
    assert!(matches!(
        house.call("execute_command", json!({"command": "ls"})).await,
        ToolOutcome::Denied { .. }
    ));
}

#[tokio::test]
async fn what_tools_say_has_no_terminal_codes() {
    let house = House::new();
    house.write("ws/a.txt", "\u{1b}]0;title\u{7}\u{1b}[31mred\r\nnext\u{8}\n");
    assert_eq!(house.ok("read_text_file", json!({"path": "a.txt"})).await, "red\nnext\n");
}

#[tokio::test]
async fn a_null_for_what_need_not_be_there_and_wrapped_arguments_are_taken() {
    let house = House::new();
    house.write("ws/a.txt", "one\ntwo\n");
    assert_eq!(house.ok("read_text_file", json!({"path": "a.txt", "head": null, "tail": 1})).await, "two\n");
    let text = house.not_ok("read_text_file", json!({"path": null})).await;
    assert!(text.contains("`path`"), "{text}");
    let wrapped = Value::String(json!({"path": "a.txt", "head": 1}).to_string());
    assert_eq!(house.ok("read_text_file", wrapped).await, "one\n");
    let arguments = json!({"tool": "execute_command", "args": {"command": "echo", "timeout": null}});
    assert_eq!(house.json("start_background_tool", arguments).await["status"], "running");
}
