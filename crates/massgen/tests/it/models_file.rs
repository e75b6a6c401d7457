//! The user's own file of models.

use serde_json::Value;

use crate::program::World;
use crate::server::{Server, team};

/// Writes `~/.config/massgen/models.yaml`.
fn models(world: &World, text: &str) {
    let path = world.home().join(".config/massgen/models.yaml");
    world.write(&path.display().to_string(), text);
}

#[test]
fn a_type_is_reached_where_the_users_file_says_with_the_model_and_key_that_it_names() {
    let server = Server::start(team);
    let world = World::new();
    models(
        &world,
        &format!(
            "backends:\n  groq:\n    base_url: {}\n    default_model: my-model\n    key_variables: [MY_GATEWAY_KEY]\n",
            server.base_url()
        ),
    );
    let variables = [("MY_GATEWAY_KEY", "key-of-the-gateway"), ("GROQ_API_KEY", "key-of-groq")];
    world.run_with(&variables, &["--backend", "groq", "q"]).exits(0);
    let requests = server.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.authorization.as_deref(), Some("Bearer key-of-the-gateway"));
        assert_eq!(request.json()["model"], "my-model");
    }
}

#[test]
fn a_price_of_the_users_file_is_what_a_run_costs() {
    let server = Server::start(team);
    let spent = |models_file: Option<&str>| {
        let world = server.world(1);
        if let Some(text) = models_file {
            models(&world, text);
        }
        world.run(&["q"]).exits(0);
        let status = fs_err::read_to_string(world.attempt().join("status.json")).unwrap();
        let status: Value = serde_json::from_str(&status).unwrap();
        status["costs"]["total_estimated_cost"].as_f64().unwrap()
    };
    // A server on this machine costs nothing unless the file says so.
    assert_eq!(spent(None).to_bits(), 0.0_f64.to_bits());
    let one = spent(Some("backends: {chatcompletion: {models: {m: {price: {input: 1, output: 1}}}}}"));
    let two = spent(Some("backends: {chatcompletion: {models: {m: {price: {input: 2, output: 2}}}}}"));
    assert!(one > 0.0 && (two - 2.0 * one).abs() < 1e-9, "{one} {two}");
}

#[test]
fn a_budgeted_call_asks_for_no_more_than_the_model_can_write() {
    let server = Server::start(team);
    let world = server.world(1);
    models(&world, "backends: {chatcompletion: {models: {m: {max_output_tokens: 1234}}}}");
    world.run(&["--max-tokens", "500000", "q"]).exits(0);
    for request in server.requests() {
        let sent = request.json();
        let bound = sent.get("max_tokens").or_else(|| sent.get("max_completion_tokens"));
        assert_eq!(bound.and_then(Value::as_u64), Some(1234), "{sent}");
    }
}

#[test]
fn a_broken_file_of_models_stops_the_run_and_says_where() {
    let world = World::new();
    models(&world, "backends:\n  openai:\n    modles: {}\n");
    let told = world.run(&["--backend", "simulated", "q"]).exits(1);
    insta::assert_snapshot!(told.stderr, @r"
    ~/.config/massgen/models.yaml:3:5: error: unknown key `modles` in
      `backends.openai`
      3 |     modles: {}
        |     ^^^^^^
      hint: did you mean `models`?

    1 error in ~/.config/massgen/models.yaml
    ");
    assert!(world.log_dirs().is_empty());
}

#[test]
fn a_folder_in_the_place_of_the_file_of_models_is_told() {
    let world = World::new();
    fs_err::create_dir_all(world.home().join(".config/massgen/models.yaml")).unwrap();
    let told = world.run(&["--backend", "simulated", "q"]).exits(1);
    assert_eq!(
        told.stderr,
        "error: cannot read the models in `~/.config/massgen/models.yaml`: it is a folder\n\
         hint: make it a file that you can read, or move it away\n"
    );
}
