//! Where configuration and keys are looked for.

use serde_json::json;

use crate::program::World;
use crate::run_folder::team;
use crate::server::{Server, team as reply};

/// A configuration of one agent with this id, who answers with it.
fn config(world: &World, path: &str, id: &str) {
    let script = format!(
        "agents: {{default: {{replies: [[{{answer: from {id}}}], [{{vote: {id}}}]], present: [[{{answer: from {id}}}]]}}}}"
    );
    let script = world.write(&format!("{id}.script.yaml"), &script);
    let backend = json!({ "type": "simulated", "script": script, "latency_ms": 0 });
    world.write(path, &json!({ "agents": [{ "id": id, "backend": backend }] }).to_string());
}

fn in_home(world: &World, path: &str) -> String {
    world.home().join(path).display().to_string()
}

#[test]
fn the_named_configuration_wins_over_the_project_s_and_that_over_the_user_s() {
    let world = World::new();
    config(&world, &in_home(&world, ".config/massgen/config.yaml"), "of_user");
    assert_eq!(world.run(&["q"]).exits(0).stdout, "from of_user\n");
    config(&world, ".massgen/config.yaml", "of_project");
    assert_eq!(world.run(&["q"]).exits(0).stdout, "from of_project\n");
    config(&world, "other.json", "of_flag");
    assert_eq!(world.run(&["--config", "other.json", "q"]).exits(0).stdout, "from of_flag\n");
    config(&world, &in_home(&world, "mine.yaml"), "of_home");
    assert_eq!(world.run(&["--config", "~/mine.yaml", "q"]).exits(0).stdout, "from of_home\n");
}

#[test]
fn flags_that_name_a_backend_need_no_file_and_read_none() {
    let world = team();
    let told = world.run(&["--backend", "simulated", "q"]).exits(0);
    assert!(!told.stdout.contains("the final words") && told.stdout.contains("no language model was asked"));
    let told = world.run(&["--backend", "simulated", "--config", "other.yaml", "q"]).exits(2);
    assert!(told.stderr.contains("cannot be used with"), "{told}");
}

#[test]
fn a_configuration_is_also_found_by_its_name_among_the_user_s() {
    let world = World::new();
    config(&world, &in_home(&world, ".config/massgen/agents/trio.yaml"), "trio");
    for name in ["trio", "trio.yaml"] {
        assert_eq!(world.run(&["--config", name, "q"]).exits(0).stdout, "from trio\n");
    }
    let told = world.run(&["--config", "quartet", "q"]).exits(1);
    assert_eq!(
        told.stderr,
        "error: there is no configuration `quartet`\nhint: looked for `quartet`, `~/.config/massgen/agents/quartet`, \
         `~/.config/massgen/agents/quartet.yaml`\n"
    );
}

#[test]
fn one_agent_of_the_configuration_can_be_kept() {
    let world = team();
    world.write(
        "script.yaml",
        "agents: {agent_b: {replies: [[{answer: alone}]], present: [[{answer: alone}]]}}",
    );
    let told = world.run(&["--single-agent=agent_b", "q"]).exits(0);
    assert_eq!(told.stdout, "alone\n");
    assert_eq!(world.status()["agents"].as_object().unwrap().len(), 1);
    let told = world.run(&["--single-agent", "agent_x", "q"]).exits(1);
    assert!(told.stderr.contains("agents are `agent_a`, `agent_b`, `agent_c`"), "{told}");
}

#[test]
fn the_question_may_stand_in_the_configuration() {
    let world = team();
    let mut config: serde_json::Value = serde_json::from_str(&world.read(".massgen/config.yaml")).unwrap();
    config["prompt"] = "What is a bush?".into();
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run(&["--automation"]).exits(0);
    assert_eq!(told.value("QUESTION"), Some("What is a bush?"));
    let told = world.run(&["--automation", "What is a tree?"]).exits(0);
    assert_eq!(told.value("QUESTION"), Some("What is a tree?"));
}

/// A world whose agent uses the key in `TEAM_API_KEY`.
fn keyed(server: &Server) -> World {
    let mut config = server.config(1);
    config["agents"][0]["backend"]["api_key"] = "${TEAM_API_KEY}".into();
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    world
}

#[test]
fn a_key_is_taken_from_the_nearest_place() {
    let server = Server::start(reply);
    let world = keyed(&server);
    let sent = |variables: &[(&str, &str)]| {
        world.run_with(variables, &["q"]).exits(0);
        server.requests().last().unwrap().authorization.clone().unwrap()
    };
    world.write(&in_home(&world, ".massgen/.env"), "TEAM_API_KEY=key-of-the-home\n");
    assert_eq!(sent(&[]), "Bearer key-of-the-home");
    world.write(&in_home(&world, ".config/massgen/.env"), "export TEAM_API_KEY='key-of-the-user'\n");
    assert_eq!(sent(&[]), "Bearer key-of-the-user");
    world.write(".env", "# the project's\nTEAM_API_KEY=\"key-of-the-project\"\n");
    assert_eq!(sent(&[]), "Bearer key-of-the-project");
    assert_eq!(sent(&[("TEAM_API_KEY", "key-of-the-shell")]), "Bearer key-of-the-shell");
}

#[test]
fn a_missing_key_is_named_with_the_places_where_it_was_looked_for() {
    let server = Server::start(reply);
    let world = keyed(&server);
    for variables in [&[][..], &[("TEAM_API_KEY", "  ")]] {
        let told = world.run_with(variables, &["q"]).exits(1);
        let words = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("agent `agent_a` has no key: `TEAM_API_KEY` is not set"), "{told}");
        for place in ["the environment", "./.env", "~/.config/massgen/.env", "~/.massgen/.env"] {
            assert!(told.stderr.contains(place), "{told}");
        }
    }
    assert!(world.log_dirs().is_empty() && server.requests().is_empty());
}

#[test]
fn an_env_file_that_is_not_understood_is_refused_without_showing_it() {
    let world = team();
    world.write(".env", "A=1\nTEAM_API_KEY=half a-secret-value\n");
    let told = world.run(&["q"]).exits(1);
    let line = "error: `./.env` is not understood at line 2\n";
    assert!(told.stderr.starts_with(line) && !told.stderr.contains("a-secret-value"), "{told}");
}

#[test]
fn a_key_without_a_configuration_is_suggested_and_nothing_is_spent() {
    let world = World::new();
    let told = world.run_with(&[("OPENAI_API_KEY", "key-0123456789")], &["q"]).exits(1);
    assert!(told.stderr.starts_with("error: nothing is configured, but this could be used:\n"), "{told}");
    assert!(told.stderr.contains("\n  OPENAI_API_KEY is set: massgen --backend openai \"your question\"\n"));
    assert!(told.stderr.contains("\n  without any model: massgen --backend simulated \"your question\"\n"));
    assert!(!told.stderr.contains("key-0123456789") && world.log_dirs().is_empty());
}

#[test]
fn a_question_may_be_the_name_of_a_command_or_begin_with_a_hyphen() {
    let world = team();
    for (words, question) in [(&["--", "logs"][..], "logs"), (&["- name three trees"], "- name three trees")]
    {
        let told = world.run(&[&["--automation"], words].concat()).exits(0);
        assert_eq!(told.value("QUESTION"), Some(question));
    }
}
