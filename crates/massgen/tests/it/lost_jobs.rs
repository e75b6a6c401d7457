//! Background jobs of a run that was killed.

use serde_json::{Value, json};

use crate::lab::{Lab, can_confine, command};

#[test]
fn who_comes_back_is_told_of_a_job_that_was_lost_with_the_run() {
    if !can_confine("who_comes_back") {
        return;
    }
    let lab = Lab::new();
    let job = json!({ "command": "sleep 1000", "background": true });
    let backend = json!({ "cwd": "workspace", "enable_mcp_command_line": true });
    lab.set(&backend, &[]);
    let replies = |replies: Value| {
        let script = json!({ "agents": { "default": { "replies": replies } } });
        lab.world.write("script.yaml", &script.to_string());
    };
    let call =
        |(tool, arguments): (&str, Value)| json!([{ "call": { "tool": tool, "arguments": arguments } }]);
    let started = call(("mcp__command_line__execute_command", job));
    replies(json!([started, [{ "hang": true }]]));
    let mut running = lab.start(&["--stream-events", "Do it."]);
    running.hear("It runs in the background");
    running.signal("-KILL");
    running.wait();

    let look = call(command("echo here"));
    replies(json!([started, look, look, [{ "answer": "done" }], [{ "vote": "agent_a" }]]));
    lab.resume();
    let made = lab.made();
    let told: Vec<_> =
        made.iter().filter(|made| made.text.contains("was lost when massgen was stopped")).collect();
    let [told] = told.as_slice() else { panic!("{made:#?}") };
    told.is("ok", "here");
    told.is("ok", made[0].json()["job_id"].as_str().unwrap());
}
