//! Skills that come with the program, and those that agents wrote in earlier runs.

use massgen_testkit::model_server::ScriptedReply;
use serde_json::{Value, json};

use crate::program::World;
use crate::server::{Asked, Server, asked, team};

fn world(server: &Server, coordination: &Value) -> World {
    let mut config = server.config(1);
    config["agents"][0]["backend"]["cwd"] = json!("work");
    config["orchestrator"] = json!({ "coordination": coordination });
    let world = World::new();
    world.write("team.yaml", &config.to_string());
    world
}

/// The path of the skill `name` that a request offers.
fn offered(request: &Value, name: &str) -> Option<String> {
    let system = request["messages"][0]["content"].as_str().unwrap();
    let line = system.lines().find(|line| line.starts_with(&format!("- {name}: ")))?;
    Some(line.rsplit_once('(')?.1.trim_end_matches(')').to_owned())
}

/// Whether a request begins a conversation.
fn is_beginning(request: &Value) -> bool {
    request["messages"].as_array().unwrap().len() == 2
}

/// All that tools gave back.
fn results(server: &Server) -> String {
    let messages =
        requests(server).into_iter().flat_map(|request| request["messages"].as_array().unwrap().clone());
    messages
        .filter(|message| message["role"] == "tool")
        .map(|message| message["content"].to_string())
        .collect()
}

fn requests(server: &Server) -> Vec<Value> {
    server.requests().iter().map(|request| request.json()).collect()
}

#[test]
fn a_skill_of_the_program_is_offered_when_it_is_named_and_read_as_a_file() {
    let server = Server::start(|request| match offered(request.json(), "file-search") {
        Some(path) if is_beginning(request.json()) => {
            ScriptedReply::call("read_text_file", &json!({ "path": path }))
        }
        _ => team(request),
    });
    let world = world(&server, &json!({ "massgen_skills": ["file_search", "serena"] }));
    let told = world.run(&["--no-display", "--config", "team.yaml", "q"]).exits(0);
    assert!(told.stderr.contains("the skill `serena` of `massgen_skills` is not offered"), "{told}");
    assert!(results(&server).contains("# Finding things in a project"));
    assert_eq!(offered(&requests(&server)[0], "evolving-skill-creator"), None, "nobody named it");
}

#[test]
fn what_an_agent_wrote_down_in_one_run_is_offered_in_the_next_when_it_is_asked_for() {
    const SKILL: &str = "---\nname: reports\ndescription: How reports are made.\n---\nBegin with the end.\n";
    let server = Server::start(|request| {
        if !is_beginning(request.json()) || asked(request) != Asked::First {
            return team(request);
        }
        let path = "tasks/evolving_skill/SKILL.md";
        offered(request.json(), "reports").map_or_else(
            || ScriptedReply::call("write_file", &json!({ "path": path, "content": SKILL })),
            |path| ScriptedReply::call("read_text_file", &json!({ "path": path })),
        )
    });
    let world = world(&server, &json!({ "load_previous_session_skills": true }));
    world.run(&["--no-display", "--config", "team.yaml", "first"]).exits(0);
    assert!(!requests(&server).iter().any(|request| offered(request, "reports").is_some()));
    world.run(&["--no-display", "--config", "team.yaml", "second"]).exits(0);
    assert!(results(&server).contains("Begin with the end."), "{}", results(&server));

    let mut config = server.config(1);
    config["agents"][0]["backend"]["cwd"] = json!("work");
    world.write("plain.yaml", &config.to_string());
    world.run(&["--no-display", "--config", "plain.yaml", "third"]).exits(0);
    assert_eq!(offered(requests(&server).last().unwrap(), "reports"), None, "nobody asked for it");
}

#[test]
fn configurations_that_a_skill_of_the_program_shows_are_valid() {
    let world = World::new();
    let skill = include_str!("../../../../skills/massgen-config-creator/SKILL.md");
    let shown: Vec<&str> =
        skill.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(shown.len(), 3);
    for text in shown {
        world.write("shown.yaml", text);
        world.run(&["--validate", "shown.yaml", "--strict"]).exits(0);
    }
}
