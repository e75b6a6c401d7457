//! Conversations with simulated agents, and how they go on.

use serde_json::Value;

use crate::program::World;
use crate::server::{Server, team};

const STAYS: &str = "the session was simulated so far and stays so: no model is asked\n\
    hint: to go on with models, say who answers: `--config FILE` or `--backend TYPE`\n";

const CHANGES: &str =
    "warning: simulated agents answered so far in this session; from here on models are asked\n";

/// Whether the newest turn of the only run was simulated.
fn is_simulated(world: &World, turn: u32) -> bool {
    let text = world.read(world.log_dir().join(format!("turn_{turn}/attempt_1/status.json")));
    serde_json::from_str::<Value>(&text).unwrap()["simulated"] == true
}

#[test]
fn a_session_that_was_simulated_stays_so_and_says_so() {
    let server = Server::start(team);
    let world = server.world(2);
    assert_eq!(world.run(&["--automation", "--simulate", "first?"]).exits(0).stderr, "");
    for (turn, flags) in [(2, &["--continue"][..]), (3, &["--session-id"])] {
        let id = world.read(".massgen/.session_id");
        let id: &[&str] = if turn == 3 { &[&id] } else { &[] };
        let told = world.run(&[&["--automation"], flags, id, &["next?"]].concat()).exits(0);
        assert_eq!(told.stderr, STAYS);
        assert!(is_simulated(&world, turn), "{told}");
    }
    assert_eq!(world.run(&["--automation", "--continue", "--simulate", "fourth?"]).exits(0).stderr, "");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_team_that_is_named_goes_on_with_a_simulated_session_and_that_is_told() {
    let server = Server::start(team);
    let world = server.world(2);
    world.run(&["--simulate", "first?"]).exits(0);
    let config = world.work().join(".massgen/config.yaml");
    let told =
        world.run(&["--automation", "--continue", "--config", config.to_str().unwrap(), "second?"]).exits(0);
    assert_eq!(told.stderr, CHANGES);
    assert!(!is_simulated(&world, 2) && !server.requests().is_empty());
    // It has changed; nobody needs to be told again.
    assert_eq!(world.run(&["--automation", "--continue", "third?"]).exits(0).stderr, "");
    assert!(!is_simulated(&world, 3));
}

#[test]
fn a_session_that_was_simulated_for_want_of_a_configuration_stays_so_when_there_is_one() {
    let world = World::new();
    let told = world.run(&["--automation", "first?"]).exits(0);
    assert!(told.stderr.starts_with("nothing is configured: three SIMULATED agents answer"), "{told}");
    let server = Server::start(team);
    world.write(".massgen/config.yaml", &server.config(2).to_string());
    assert_eq!(world.run(&["--automation", "--continue", "second?"]).exits(0).stderr, STAYS);
    assert!(is_simulated(&world, 2) && server.requests().is_empty());
}

#[test]
fn without_its_logs_a_session_is_still_known_to_be_simulated() {
    let server = Server::start(team);
    let world = server.world(2);
    world.run(&["--simulate", "first?"]).exits(0);
    fs_err::remove_dir_all(world.log_dir()).unwrap();
    assert_eq!(world.run(&["--automation", "--continue", "second?"]).exits(0).stderr, STAYS);
    assert!(is_simulated(&world, 2) && server.requests().is_empty());
}

#[test]
fn a_configuration_of_simulated_agents_that_names_models_now_is_told() {
    let server = Server::start(team);
    let world = World::scripted(1, "agents: {default: {replies: [[{answer: one}], [{vote: agent_a}]]}}");
    assert_eq!(world.run(&["--automation", "first?"]).exits(0).stderr, "");
    assert_eq!(world.run(&["--automation", "--continue", "second?"]).exits(0).stderr, "");
    world.write(".massgen/config.yaml", &server.config(2).to_string());
    assert_eq!(world.run(&["--automation", "--continue", "third?"]).exits(0).stderr, CHANGES);
}
