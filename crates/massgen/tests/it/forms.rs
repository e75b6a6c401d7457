//! A final answer in a form.

use massgen_testkit::model_server::{ReceivedRequest, ScriptedReply};
use serde_json::{Value, json};

use crate::program::World;
use crate::server::{Asked, Server, asked, team};

/// A team whose model writes `finale` when it is asked for a form, and breaks the run when that is at another call.
fn server(finale: &'static str) -> Server {
    Server::start(move |request: &ReceivedRequest| {
        let has_form = request.json().get("response_format").is_some();
        match asked(request) {
            Asked::Present if has_form => ScriptedReply::text(finale),
            Asked::Present => ScriptedReply::text("nobody asked for a form"),
            Asked::Judge | Asked::First if has_form => ScriptedReply::refusal(400, "bad_form", "too early"),
            Asked::Judge | Asked::First => team(request),
        }
    })
}

fn world(server: &Server, schema: &Value) -> World {
    let mut config = server.config(2);
    for agent in config["agents"].as_array_mut().unwrap() {
        agent["backend"]["output_schema"] = schema.clone();
    }
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    world
}

fn city() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

#[test]
fn the_last_call_asks_for_the_form_and_an_answer_in_it_is_taken_as_it_is() {
    let server = server(r#"{"city":"Lyon"}"#);
    let world = world(&server, &city());
    let told = world.run(&["--automation", "--output-file", "answer.json", "where?"]).exits(0);
    assert!(!told.stderr.contains("output_schema"), "{told}");
    assert_eq!(world.read("answer.json"), r#"{"city":"Lyon"}"#);
    assert_eq!(server.requests().len(), 5, "two answers, two votes, one presentation");
}

#[test]
fn an_answer_that_does_not_fit_is_kept_and_told_of_once() {
    let server = server(r#"{"town":"Lyon"}"#);
    let world = world(&server, &city());
    for arguments in [&["--automation", "where?"][..], &["where?"], &["--stream-events", "where?"]] {
        let told = world.run(arguments).exits(0);
        let warning = "warning: the final answer does not follow the `output_schema` of `agent_a`: \"city\" is a required \
                       property";
        assert_eq!(told.stderr.matches(warning).count(), 1, "{told}");
        assert!(!told.stdout.contains(warning), "{told}");
    }
    let told = world.run(&["--resume", "latest"]).exits(0);
    assert_eq!(told.stderr.matches("does not follow").count(), 1, "{told}");
}

#[test]
fn a_schema_that_cannot_be_used_costs_nothing() {
    let server = server("{}");
    let world = world(&server, &json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}));
    let told = world.run(&["--automation", "where?"]).exits(1);
    assert!(told.stderr.contains("`output_schema` of `agent_a` cannot be used"), "{told}");
    assert_eq!(server.requests().len(), 0);
}
