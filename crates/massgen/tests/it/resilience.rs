//! Models that fail for good, conversations that outgrow their window, keys that are refused, replies that are withheld:
//! what the program makes of them, from the first request to the last word.

use std::sync::atomic::{AtomicBool, Ordering};

use massgen_protocol::event::{CallOutcome, Compaction};
use massgen_protocol::message::FailureKind;
use massgen_protocol::{Envelope, Event};
use massgen_testkit::model_server::chunks::{self, DONE, Frame};
use massgen_testkit::model_server::{ReceivedRequest, ScriptedReply};
use serde_json::{Value, json};

use crate::program::{Told, World};
use crate::server::{Asked, Server, answer, asked, team, vote};

/// What was told, without the breaks of its lines.
fn unwrapped(told: &Told) -> String {
    told.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn journal(world: &World) -> Vec<Event> {
    let journal = massgen_journal::read(&world.log_dir()).unwrap();
    journal.into_iter().map(|Envelope { event, .. }| event).collect()
}

fn events(world: &World) -> String {
    world.read(world.attempt().join("events.jsonl"))
}

/// How many requests each model got.
fn asked_for(server: &Server, model: &str) -> usize {
    server.requests().iter().filter(|request| request.json()["model"] == model).count()
}

/// One agent whose model is `dead` and that may go on with `spare`.
fn with_spare(server: &Server) -> Value {
    let backend =
        |model: &str| json!({ "type": "chatcompletion", "model": model, "base_url": server.base_url() });
    json!({ "id": "agent_a", "backend": backend("dead"), "fallback": [backend("spare")] })
}

fn gone() -> ScriptedReply {
    ScriptedReply::refusal(404, "model_not_found", "this model is gone")
}

#[test]
fn an_agent_whose_model_fails_for_good_goes_on_with_the_next_and_says_so_once() {
    let server = Server::start(|request| match request.json()["model"].as_str() {
        Some("dead") => gone(),
        _ => team(request),
    });
    let mut config = server.config(2);
    config["agents"][0] = with_spare(&server);
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run(&["--no-display", "why?"]).exits(0);
    assert_eq!(told.stdout, "the final words\n");
    assert_eq!(asked_for(&server, "dead"), 1);
    assert!(asked_for(&server, "spare") >= 3, "it answers, votes and presents");
    assert_eq!(unwrapped(&told).matches("goes on with").count(), 1, "{told}");
    let taken: Vec<u32> = journal(&world)
        .iter()
        .filter_map(|event| match event {
            Event::FallbackTaken { entry, failure, .. } => {
                assert_eq!(failure.kind, FailureKind::Rejected);
                Some(*entry)
            }
            _ => None,
        })
        .collect();
    assert_eq!(taken, [1]);
    let events = events(&world);
    assert_eq!(events.matches("goes on with spare").count(), 1, "{events}");
    assert!(told.stderr.contains("this model is gone"), "{told}");
}

#[test]
fn a_model_that_has_failed_for_good_is_not_asked_again_after_a_kill() {
    static IS_BACK: AtomicBool = AtomicBool::new(false);
    let server = Server::start(|request| match request.json()["model"].as_str() {
        Some("dead") => gone(),
        _ if IS_BACK.load(Ordering::SeqCst) => team(request),
        _ => ScriptedReply::Hang,
    });
    let world = World::new();
    world.write(".massgen/config.yaml", &json!({ "agents": [with_spare(&server)] }).to_string());
    let running = world.start(&["--automation", "why?"]);
    server.received(2);
    running.signal("-KILL");
    assert_eq!(running.wait().code, None);
    IS_BACK.store(true, Ordering::SeqCst);
    world.run(&["--resume", "latest"]).exits(0);
    assert_eq!(asked_for(&server, "dead"), 1);
}

/// The conversation of a request, without the instructions of the system: who speaks, and what.
fn conversation(request: &Value) -> Vec<(String, String)> {
    let messages = request["messages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages
        .map(|message| (text(&message["role"]), text(&message["content"])))
        .skip_while(|(role, _)| role == "system" || role == "developer")
        .collect()
}

/// Every request begins its conversation with a user and ends it with anybody but the model.
fn check_shapes(server: &Server) {
    for request in server.requests() {
        let conversation = conversation(&request.json());
        let role = |said: Option<&(String, String)>| said.unwrap().0.clone();
        assert_eq!(role(conversation.first()), "user", "{conversation:?}");
        assert_ne!(role(conversation.last()), "assistant", "{conversation:?}");
    }
}

/// What the model of a single agent says once there is an answer.
fn after_an_answer(request: &ReceivedRequest) -> Option<ScriptedReply> {
    match asked(request) {
        Asked::Present => Some(team(request)),
        Asked::Judge => Some(vote("agent1")),
        Asked::First => request.last_text().contains("Judge the current answers").then(|| vote("agent1")),
    }
}

/// As a provider counts: about four bytes each.
fn tokens(bytes: usize) -> usize {
    bytes / 4
}

/// `reply` with the usage that a provider would report.
fn counted(request: &ReceivedRequest, reply: ScriptedReply) -> ScriptedReply {
    reply.with(|reply| {
        let input = tokens(request.body.len());
        let calls: usize = reply.calls.iter().map(|call| call.arguments.len()).sum();
        let output = tokens(reply.text.len() + reply.reasoning.len() + calls);
        reply.usage = Some(
            json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}),
        );
    })
}

/// About 4,000 tokens that lead to nothing.
fn musings() -> ScriptedReply {
    ScriptedReply::text("I am still thinking. ".repeat(800))
}

const WINDOW: usize = 10_000;

#[test]
fn a_conversation_that_nearly_fills_its_window_goes_on_with_a_summary() {
    let server = Server::start(|request| {
        let reply = if request.last_text().contains("has become too long") {
            ScriptedReply::text("what I know: the sky is blue")
        } else if let Some(reply) = after_an_answer(request) {
            reply
        } else if request.last_text().contains("the sky is blue") {
            answer("it is blue")
        } else {
            musings()
        };
        counted(request, reply)
    });
    let world = server.world(1);
    let models = world.home().join(".config/massgen/models.yaml");
    let window = format!("backends: {{chatcompletion: {{models: {{m: {{context_window: {WINDOW}}}}}}}}}");
    world.write(&models.display().to_string(), &window);
    let told = world.run(&["--no-display", "why?"]).exits(0);
    assert_eq!(told.stdout, "the final words\n");
    check_shapes(&server);
    let requests = server.requests();
    assert!(requests.iter().all(|request| tokens(request.bytes) < WINDOW + 1_000), "none is far too long");
    let summary = requests.iter().position(|request| request.json().to_string().contains("become too long"));
    let [opening, recap] = &conversation(&requests[summary.unwrap() + 1].json())[..] else {
        panic!("it does not begin anew")
    };
    assert!(opening.1.contains("why?") && !opening.1.contains("still thinking"), "{opening:?}");
    assert_eq!(recap.0, "user");
    assert!(recap.1.contains("the sky is blue"), "{recap:?}");
    let summarized = journal(&world)
        .iter()
        .filter(|event| {
            matches!(event, Event::ConversationCompacted { compaction: Compaction::Summarized { .. }, .. })
        })
        .count();
    assert_eq!(summarized, 1, "{told}");
    let line = "the context window is full: the conversation begins anew with a summary";
    assert!(events(&world).contains(line));
    assert!(unwrapped(&told).contains(line), "{told}");
}

#[test]
fn a_provider_that_calls_a_conversation_too_long_gets_it_without_old_results_and_then_afresh() {
    let server = Server::start(|request| {
        let messages = request.json()["messages"].as_array().unwrap().iter();
        let results = messages.filter(|message| message["role"] == "tool").count();
        match after_an_answer(request) {
            Some(reply) => reply,
            // Twice: once with all results, once without the old ones.
            None if results == 4 => {
                ScriptedReply::refusal(400, "context_length_exceeded", "your messages are too long")
            }
            None if request.number < 4 => ScriptedReply::call("look", &json!({ "at": results })),
            None => answer("found"),
        }
    });
    let mut config = server.config(1);
    config["orchestrator"] = json!({ "coordination": { "enforcement_attempts": 20 } });
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run(&["--no-display", "why?"]).exits(0);
    check_shapes(&server);
    let told_of: Vec<String> = journal(&world)
        .iter()
        .filter_map(|event| match event {
            Event::ModelCallFinished { outcome: CallOutcome::Failed { failure }, .. } => {
                Some(failure.kind.to_string())
            }
            Event::ConversationCompacted { compaction, .. } => Some(compaction.to_string()),
            Event::Degraded { message, .. } => Some(message.clone()),
            _ => None,
        })
        .collect();
    let wanted = [
        "context window exceeded",
        "the context window is full: 2 older tool results left out",
        "context window exceeded",
        "its conversation outgrew the context window of its model and begins afresh",
    ];
    assert_eq!(told_of, wanted);
    for line in [wanted[1], wanted[3]] {
        assert!(unwrapped(&told).contains(line), "{told}");
    }
    assert_eq!(told.stdout, "the final words\n");
}

#[test]
fn a_key_that_is_refused_is_told_with_the_place_to_look() {
    let server = Server::start(|_| ScriptedReply::refusal(401, "invalid_api_key", "this key is no good"));
    let told = |more: Value, advice: &str| {
        let mut config = server.config(1);
        config["agents"][0]["backend"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let world = World::new();
        world.write(".massgen/config.yaml", &config.to_string());
        world.run(&["trust"]).exits(0);
        let told = world.run_with(&[("TEAM_API_KEY", "sk-team-0123456789abcdef")], &["why?"]).exits(2);
        let line =
            format!("answered 401 Unauthorized: this key is no good; {advice} (not authorised, 1 attempt)");
        assert!(unwrapped(&told).contains(&line), "{advice}\n{told}");
    };
    told(json!({ "api_key": "${TEAM_API_KEY}" }), "check the key in `TEAM_API_KEY`");
    told(json!({ "api_key": "sk-written-0123456789" }), "check `api_key` of the agent");
    told(json!({ "api_key_command": "echo sk-printed-0123456789" }), "check what `api_key_command` prints");
    told(json!({}), "no key was sent, name one in `api_key`");
}

#[test]
fn a_reply_that_is_withheld_or_refused_is_told_and_asked_for_in_other_words() {
    let refusal = || {
        let refused = chunks::delta("m", &json!({ "refusal": "I cannot help with that." }));
        let frames = [refused, chunks::finish("m", "stop"), DONE.to_owned()];
        let frames = frames.into_iter().map(Frame::data).collect();
        ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames }
    };
    let server = Server::start(move |request| match request.number {
        0 => ScriptedReply::text("the first wo").with(|reply| reply.finish = Some("content_filter".into())),
        1 => refusal(),
        2 => answer("what can be said"),
        _ => team(request),
    });
    let world = server.world(1);
    let told = world.run(&["--no-display", "why?"]).exits(0);
    check_shapes(&server);
    let requests = server.requests();
    let last = |number: usize| conversation(&requests[number].json()).pop().unwrap().1;
    assert!(last(1).contains("withheld by a filter"), "{}", last(1));
    assert!(last(2).contains("You declined"), "{}", last(2));
    let causes: Vec<String> = journal(&world)
        .iter()
        .filter_map(|event| match event {
            Event::NoDecision { cause, .. } => Some(cause.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(causes.len(), 2);
    for cause in causes {
        assert!(unwrapped(&told).contains(&cause), "{cause}\n{told}");
        assert!(events(&world).contains(&cause), "{cause}");
    }
}
