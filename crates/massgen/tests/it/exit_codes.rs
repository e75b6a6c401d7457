//! What the exit code tells.

use crate::program::World;
use crate::run_folder::team;
use crate::server::Server;
use massgen_testkit::model_server::ScriptedReply;

/// Agents that talk and neither answer nor vote.
const TALKERS: &str =
    "agents: {default: {replies: [[{say: a}], [{say: b}], [{say: c}], [{say: d}], [{say: e}]]}}";
const HANGING: &str = "agents: {default: {replies: [[{hang: true}], [{hang: true}], [{hang: true}]]}}";

#[test]
fn a_final_answer_gives_0() {
    let told = team().run(&["q"]).exits(0);
    assert_eq!(told.stdout, "the final words\n");
}

#[test]
fn a_wrong_configuration_gives_1() {
    World::new().run(&["--config", "missing.yaml", "q"]).exits(1);
}

#[test]
fn agents_that_never_act_give_2_and_are_named() {
    let told = World::scripted(2, TALKERS).run(&["q"]).exits(2);
    assert_eq!(told.stdout, "");
    assert!(told.stderr.contains("no agent gave an answer"), "{told}");
    for agent in ["agent_a", "agent_b"] {
        let line = format!("{agent}: out: it gave neither an answer nor a vote when asked again");
        assert!(told.stderr.contains(&line), "{told}");
    }
}

#[test]
fn models_that_all_fail_give_2_and_their_words() {
    let server = Server::start(|_| ScriptedReply::refusal(401, "invalid_api_key", "this key is no good"));
    let told = server.world(2).run(&["q"]).exits(2);
    assert!(told.stderr.contains("this key is no good"), "{told}");
}

#[test]
fn wrong_flags_give_2_and_start_nothing() {
    let world = team();
    for flags in
        [&["--bogus", "q"][..], &["--max-tokens", "many", "q"], &["--automation=yes", "q"], &["q", "r"]]
    {
        let told = world.run(flags).exits(2);
        assert!(told.stderr.starts_with("error: ") && told.stdout.is_empty(), "{told}");
    }
    assert!(world.log_dirs().is_empty());
}

#[test]
fn a_deadline_without_an_answer_gives_3() {
    let told = World::scripted(2, HANGING).run(&["--orchestrator-timeout", "1", "q"]).exits(3);
    assert!(told.stderr.contains("the deadline came before any answer"), "{told}");
}

#[test]
fn a_deadline_with_an_answer_gives_0_and_says_so() {
    let script = "agents: {agent_a: {replies: [[{answer: in time}], [{hang: true}], [{hang: true}]], present: [[{hang: true}]]}, \
                  agent_b: {replies: [[{hang: true}], [{hang: true}]]}}";
    let told = World::scripted(2, script).run(&["--orchestrator-timeout", "1", "q"]).exits(0);
    assert_eq!(told.stdout, "in time\n", "{told}");
    assert!(told.stderr.contains("the deadline is reached"), "{told}");
}

#[test]
fn an_interrupt_gives_4() {
    let world = World::scripted(2, HANGING);
    let mut running = world.start(&["q"]);
    running.hear("starts round 1");
    running.interrupt();
    running.wait().exits(4);
}

#[test]
fn a_spent_budget_without_an_answer_gives_5() {
    let told = team().run(&["--max-tokens", "10", "q"]).exits(5);
    assert!(told.stderr.contains("the budget was spent before any answer"), "{told}");
}
