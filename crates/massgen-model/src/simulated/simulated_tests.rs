use std::collections::{BTreeSet, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use futures::StreamExt;
use massgen_ports::{ModelEvent, contract};
use massgen_protocol::message::{FailureKind, FinishReason, ItemContent};
use massgen_protocol::spec::{BackendSpec, Budget, Orchestration, Service, Timeouts, VotingSensitivity};
use massgen_protocol::{
    AgentSpec, CallContext, CallId, DeltaKind, ModelFailure, Price, Reply, ToolCall, ToolSchema, UsageSource,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

const QUESTION: &str = "\n  How do we move the archive?\nIt is large.";

fn id(text: &str) -> AgentId {
    AgentId::new(text).unwrap()
}

fn settings(seed: u64) -> SimulatedSpec {
    SimulatedSpec { seed, latency: Duration::ZERO, tokens_per_second: None, script: None }
}

fn run_spec(agents: &[&str], settings: &SimulatedSpec) -> RunSpec {
    let agent = |id_text: &&str| AgentSpec {
        id: id(id_text),
        backend: BackendSpec {
            kind: "simulated".into(),
            wire: Wire::Simulated(settings.clone()),
            model: "simulated".into(),
            max_output_tokens: None,
            context_window: None,
            price: Some(Price::FREE),
            parameters: BTreeMap::new(),
            output_schema: None,
        },
        system_message: None,
        voting_sensitivity: VotingSensitivity::Lenient,
        fallback: Vec::new(),
        attachments: Vec::new(),
        workspace: None,
        tooling: Box::default(),
    };
    RunSpec {
        question: QUESTION.into(),
        agents: agents.iter().map(agent).collect(),
        orchestration: Orchestration::default(),
        timeouts: Timeouts::default(),
        budget: Budget::default(),
        history: Vec::new(),
        instructions: None,
        skills: Vec::new(),
        memories: None,
    }
}

fn team(agents: &[&str], settings: &SimulatedSpec) -> SimulatedTeam {
    SimulatedTeam::new(&run_spec(agents, settings)).unwrap()
}

/// A team of agents `a`, `b` and `c` with a script, and the folder of the script.
fn scripted(script: &str) -> (tempfile::TempDir, SimulatedTeam) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.yaml");
    fs_err::write(&path, script).unwrap();
    let settings = SimulatedSpec { script: Some(path.to_str().unwrap().to_owned()), ..settings(1) };
    let team = team(&["a", "b", "c"], &settings);
    (folder, team)
}

/// The first request of the agent at `index` of the sorted ids.
fn request(agent: &str, index: usize) -> ModelRequest {
    ModelRequest {
        context: CallContext {
            agent: id(agent),
            call: CallId { agent: AgentNo::from_index(index), number: 1 },
            purpose: Purpose::Coordinate,
            candidates: Vec::new(),
            may_answer: true,
            fallback: 0,
        },
        system: "You are one of several.".into(),
        tools: Arc::new([ToolSchema {
            name: NEW_ANSWER.into(),
            description: "Submits an answer.".into(),
            parameters: json!({ "type": "object" }),
        }]),
        messages: vec![Message::user(QUESTION)],
        max_output_tokens: None,
        output: None,
    }
}

fn candidates(count: usize) -> Vec<AgentNo> {
    (0..count).map(AgentNo::from_index).collect()
}

async fn events(model: &SimulatedModel, request: ModelRequest) -> Vec<ModelEvent> {
    model.call(request).collect().await
}

async fn reply(model: &SimulatedModel, request: ModelRequest) -> Reply {
    match events(model, request).await.pop() {
        Some(ModelEvent::Finished(reply)) => *reply,
        other => panic!("no reply but {other:?}"),
    }
}

/// Name and arguments of the only tool call of `reply`.
fn only_call(reply: &Reply) -> (String, Value) {
    let calls: Vec<&ToolCall> = reply.tool_calls().collect();
    assert_eq!(calls.len(), 1, "{reply:?}");
    (calls[0].name.clone(), serde_json::from_str(&calls[0].arguments).unwrap())
}

async fn answer_text(model: &SimulatedModel, request: ModelRequest) -> String {
    let (name, arguments) = only_call(&reply(model, request).await);
    assert_eq!(name, "new_answer");
    arguments["content"].as_str().unwrap().to_owned()
}

async fn vote_target(model: &SimulatedModel, request: ModelRequest) -> String {
    let (name, arguments) = only_call(&reply(model, request).await);
    assert_eq!(name, "vote");
    arguments["agent_id"].as_str().unwrap().to_owned()
}

/// `request` after its agent had `reply` and the engine's word on its tool call.
fn continued(mut request: ModelRequest, reply: Reply, is_error: bool) -> ModelRequest {
    let call = reply.tool_calls().next().unwrap().clone();
    request.messages.push(Message::Assistant { reply: Arc::new(reply) });
    request.messages.push(Message::ToolResult {
        id: call.id,
        name: call.name,
        text: "noted".into(),
        is_error,
    });
    request.context.call.number += 1;
    request
}

#[tokio::test]
async fn an_agent_answers_then_votes_then_presents() {
    let team = team(&["a", "b"], &settings(7));
    let model = team.model(&id("a")).unwrap();
    let first = request("a", 0);
    let answer = reply(&model, first.clone()).await;
    assert_eq!(answer.finish, FinishReason::ToolCalls);
    assert!(!answer.reasoning().is_empty());
    let (name, arguments) = only_call(&answer);
    assert_eq!(name, "new_answer");
    let text = arguments["content"].as_str().unwrap();
    assert!(text.contains("Simulated answer") && text.contains("> How do we move the archive?\n"), "{text}");
    assert!(!text.contains("It is large"), "{text}");

    let mut second = continued(first, answer, false);
    second.context.candidates = vec![AgentNo::from_index(1)];
    let vote = reply(&model, second.clone()).await;
    let (name, arguments) = only_call(&vote);
    assert_eq!((name.as_str(), arguments["agent_id"].as_str()), ("vote", Some("agent2")));
    assert!(arguments["reason"].as_str().unwrap().starts_with("Simulated vote for agent2"));

    let mut third = continued(second, vote, false);
    third.context.purpose = Purpose::Present;
    let text = answer_text(&model, third).await;
    assert!(
        text.contains("Simulated final answer") && text.contains("How do we move the archive?"),
        "{text}"
    );
}

#[tokio::test]
async fn an_agent_without_an_accepted_answer_answers_while_it_may() {
    let team = team(&["a", "b"], &settings(7));
    let model = team.model(&id("a")).unwrap();
    let mut shown = request("a", 0);
    shown.context.candidates = vec![AgentNo::from_index(1)];
    let refused = reply(&model, shown.clone()).await;
    assert_eq!(only_call(&refused).0, "new_answer");
    let again = continued(shown.clone(), refused.clone(), true);
    let second = answer_text(&model, again).await;
    assert_ne!(Value::from(second), only_call(&refused).1["content"], "a refused answer is not repeated");

    let vote_only = CallContext { may_answer: false, fallback: 0, ..shown.context.clone() };
    assert_eq!(vote_target(&model, ModelRequest { context: vote_only, ..shown.clone() }).await, "agent2");
    let own_shown = CallContext { candidates: vec![AgentNo::from_index(0)], ..shown.context.clone() };
    assert_eq!(vote_target(&model, ModelRequest { context: own_shown, ..shown }).await, "agent1");
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_replies() {
    let settings = SimulatedSpec {
        latency: Duration::from_millis(20),
        tokens_per_second: NonZeroU32::new(300),
        ..settings(5)
    };
    let first = events(&team(&["a", "b"], &settings).model(&id("b")).unwrap(), request("b", 1)).await;
    let second = events(&team(&["a", "b"], &settings).model(&id("b")).unwrap(), request("b", 1)).await;
    assert_eq!(first, second);
    let other_seed = SimulatedSpec { seed: 6, ..settings };
    let third = events(&team(&["a", "b"], &other_seed).model(&id("b")).unwrap(), request("b", 1)).await;
    assert_ne!(first, third);
}

#[tokio::test]
async fn answers_of_a_team_differ_in_most_words_even_when_the_question_is_long() {
    let names: Vec<String> = (0..8).map(|n| format!("agent{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long_question: String = (0..60).flat_map(|n| [format!("w{n}"), " ".to_owned()]).collect();
    for (seed, question) in [(0, QUESTION), (1, QUESTION), (42, long_question.as_str())] {
        let spec = RunSpec { question: question.into(), ..run_spec(&names, &settings(seed)) };
        let team = SimulatedTeam::new(&spec).unwrap();
        let mut answers: Vec<HashSet<String>> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let text = answer_text(&team.model(&id(name)).unwrap(), request(name, index)).await;
            let words: HashSet<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
            for other in &answers {
                let shared = words.intersection(other).count();
                let all = words.union(other).count();
                assert!(shared * 2 < all, "{shared} of {all} words are shared");
            }
            answers.push(words);
        }
    }
}

#[tokio::test]
async fn no_two_answers_of_a_large_team_are_the_same() {
    let names: Vec<String> = (0..100).map(|n| format!("agent{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let team = team(&names, &settings(3));
    let mut answers = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        for number in 1..=3 {
            let mut request = request(name, index);
            request.context.call.number = number;
            answers.insert(answer_text(&team.model(&id(name)).unwrap(), request).await);
        }
    }
    assert_eq!(answers.len(), 300);
}

#[tokio::test]
async fn most_agents_of_a_team_vote_alike_and_not_always_for_the_same_one() {
    let names = ["a", "b", "c", "d", "e"];
    let mut winners = BTreeSet::new();
    let mut agreeing = 0;
    for seed in 0..100 {
        let team = team(&names, &settings(seed));
        let mut votes: BTreeMap<String, usize> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let mut request = request(name, index);
            request.context.candidates = candidates(names.len());
            *votes.entry(vote_target(&team.model(&id(name)).unwrap(), request).await).or_default() += 1;
        }
        let (winner, count) = votes.into_iter().max_by_key(|(_, count)| *count).unwrap();
        agreeing += usize::from(count >= 3);
        winners.insert(winner);
    }
    assert!(agreeing >= 95, "{agreeing} of 100 teams agree");
    assert_eq!(winners.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn pieces_come_after_the_latency_at_the_configured_speed() {
    let settings = SimulatedSpec {
        latency: Duration::from_millis(100),
        tokens_per_second: NonZeroU32::new(100),
        ..settings(1)
    };
    let model = team(&["a"], &settings).model(&id("a")).unwrap();
    let start = Instant::now();
    let timed: Vec<_> = model.call(request("a", 0)).map(|event| (start.elapsed(), event)).collect().await;
    assert_eq!(timed[0].0, Duration::from_millis(100));
    let Some((end, ModelEvent::Finished(reply))) = timed.last() else { panic!("no reply") };
    assert_eq!(reply.first_token_after, Duration::from_millis(100));
    assert_eq!(reply.duration, *end);
    let tokens_of = |text: &str| text.len().div_ceil(4);
    let tokens = tokens_of(&reply.reasoning()) + tokens_of(&reply.tool_calls().next().unwrap().arguments);
    assert_eq!(*end, Duration::from_millis(100 + 10 * u64::try_from(tokens).unwrap()));
    let streamed = |wanted: DeltaKind| -> String {
        let piece = |event: &ModelEvent| match event {
            ModelEvent::Delta { kind, text } if *kind == wanted => Some(text.clone()),
            _ => None,
        };
        timed.iter().filter_map(|(_, event)| piece(event)).collect()
    };
    assert_eq!(streamed(DeltaKind::Reasoning), reply.reasoning());
    assert_eq!(streamed(DeltaKind::ToolArguments), reply.tool_calls().next().unwrap().arguments);
    assert!(timed.len() > 40, "50 pieces a second, not {} in all", timed.len());
}

#[tokio::test(start_paused = true)]
async fn without_a_speed_each_item_comes_as_one_piece() {
    let settings = SimulatedSpec { latency: Duration::from_millis(30), ..settings(1) };
    let model = team(&["a"], &settings).model(&id("a")).unwrap();
    let start = Instant::now();
    let events = events(&model, request("a", 0)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(30));
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn tokens_are_counted_from_bytes_and_marked_as_an_estimate() {
    let model = team(&["a"], &settings(1)).model(&id("a")).unwrap();
    let short = reply(&model, request("a", 0)).await;
    assert_eq!(short.usage.source, UsageSource::Estimated);
    assert_eq!(short.usage.output, u64::try_from(short.bytes().div_ceil(4)).unwrap());
    assert!(short.usage.reasoning > 0 && short.usage.reasoning < short.usage.output);
    let mut longer = request("a", 0);
    longer.messages.push(Message::user("x".repeat(400)));
    assert_eq!(reply(&model, longer).await.usage.input, short.usage.input + 100);
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_once() {
    let (_folder, team) = scripted(
        "agents:
  a:
    replies:
      - [{think: t}, {say: s}, {call: {tool: x}}, {answer: y}, {vote: b}, {wait_ms: 9}]
      - [{fail: {kind: server, retries: 3}}]
      - [{wait_ms: 9}]
",
    );
    let model = team.model(&id("a")).unwrap();
    for number in 1..=4 {
        let mut request = request("a", 0);
        request.context.call.number = number;
        contract::model_ends_once(&model, request).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_scripted_reply_has_its_steps_in_order() {
    let (_folder, team) = scripted(
        "agents:
  a:
    replies:
      - - think: hm
        - wait_ms: 50
        - say: let me look
        - call: {tool: lookup, arguments: {q: x}}
        - call: {tool: lookup, arguments: '{\"q'}
        - answer: so
        - vote: c
          reason: good
",
    );
    let model = team.model(&id("a")).unwrap();
    let start = Instant::now();
    let reply = reply(&model, request("a", 0)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(50));
    let call = |index: usize, name: &str, arguments: &str| {
        let id = format!("simulated-agent1-call-1-{index}");
        ItemContent::ToolCall(ToolCall { id, name: name.into(), arguments: arguments.into() })
    };
    let contents: Vec<_> = reply.items.iter().map(|item| item.content.clone()).collect();
    assert_eq!(
        contents,
        [
            ItemContent::Reasoning { text: "hm".into() },
            ItemContent::Text { text: "let me look".into() },
            call(2, "lookup", r#"{"q":"x"}"#),
            call(3, "lookup", "{\"q"),
            call(4, "new_answer", r#"{"content":"so"}"#),
            call(5, "vote", r#"{"agent_id":"agent3","reason":"good"}"#),
        ]
    );
    assert_eq!(reply.finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn a_reply_without_tool_calls_stops() {
    let (_folder, team) = scripted("agents: {a: {replies: [[{say: only text}]]}}");
    let reply = reply(&team.model(&id("a")).unwrap(), request("a", 0)).await;
    assert_eq!((reply.text().as_str(), reply.finish), ("only text", FinishReason::Stop));
}

#[tokio::test]
async fn a_vote_names_an_agent_by_id_or_number_or_anything_else() {
    let (_folder, team) =
        scripted("agents: {a: {replies: [[{vote: b}], [{vote: agent1}], [{vote: nobody}]]}}");
    let model = team.model(&id("a")).unwrap();
    let mut targets = Vec::new();
    for number in 1..=3 {
        let mut request = request("a", 0);
        request.context.call.number = number;
        targets.push(vote_target(&model, request).await);
    }
    assert_eq!(targets, ["agent2", "agent1", "nobody"]);
}

#[tokio::test(start_paused = true)]
async fn a_scripted_failure_retries_first() {
    let script =
        "agents: {a: {replies: [[{fail: {kind: server, message: boom, retries: 2, delay_ms: 40}}]]}}";
    let (_folder, team) = scripted(script);
    let start = Instant::now();
    let events = events(&team.model(&id("a")).unwrap(), request("a", 0)).await;
    let retrying = |attempt| ModelEvent::Retrying {
        attempt,
        kind: FailureKind::Server,
        message: "boom".into(),
        delay: Duration::from_millis(40),
    };
    let failure = ModelFailure { kind: FailureKind::Server, message: "boom".into(), attempts: 3 };
    assert_eq!(events, [retrying(1), retrying(2), ModelEvent::Failed(failure)]);
    assert_eq!(start.elapsed(), Duration::from_millis(80));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_has_no_end() {
    let (_folder, team) = scripted("agents: {a: {replies: [[{say: wait for it}, {hang: true}]]}}");
    let mut call = team.model(&id("a")).unwrap().call(request("a", 0));
    assert!(matches!(call.next().await, Some(ModelEvent::Delta { kind: DeltaKind::Text, .. })));
    let year = Duration::from_hours(8760);
    assert!(tokio::time::timeout(year, call.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_time_itself_hangs_instead_of_panicking() {
    let (_folder, team) = scripted(
        "agents: {a: {replies: [[{wait_ms: 18446744073709551615}, {wait_ms: 18446744073709551615}, {say: x}]]}}",
    );
    let mut call = team.model(&id("a")).unwrap().call(request("a", 0));
    assert!(tokio::time::timeout(Duration::from_hours(1), call.next()).await.is_err());
}

#[tokio::test]
async fn the_number_of_the_call_decides_which_reply_comes_and_then_the_agent_goes_on_by_itself() {
    let (_folder, team) = scripted("agents: {default: {replies: [[{say: one}], [{say: two}]]}}");
    let mut request = request("b", 1);
    request.context.call.number = 2;
    assert_eq!(reply(&team.model(&id("b")).unwrap(), request.clone()).await.text(), "two");
    request.context.call.number = 3;
    assert!(answer_text(&team.model(&id("b")).unwrap(), request).await.contains("Simulated answer"));
}

#[tokio::test]
async fn replies_of_the_presentation_come_in_order_whatever_the_number_of_the_call() {
    let (_folder, team) = scripted(
        "agents: {a: {replies: [[{say: no}]], present: [[{call: {tool: x}}], [{wait_ms: 0}], [{answer: end}]]}}",
    );
    let model = team.model(&id("a")).unwrap();
    let mut request = request("a", 0);
    request.context.purpose = Purpose::Present;
    request.context.call.number = 9;
    let first = reply(&model, request.clone()).await;
    assert_eq!(only_call(&first).0, "x");
    // A reply goes through the journal before it comes back.
    let stored: Reply = serde_json::from_value(serde_json::to_value(&first).unwrap()).unwrap();
    let mut request = continued(request, stored, false);
    let second = reply(&model, request.clone()).await;
    assert_eq!((second.bytes(), second.finish.clone()), (0, FinishReason::Stop));
    request.messages.push(Message::Assistant { reply: Arc::new(second) });
    request.context.call.number += 1;
    assert_eq!(answer_text(&model, request.clone()).await, "end");
    let third = reply(&model, request.clone()).await;
    assert!(answer_text(&model, continued(request, third, true)).await.contains("Simulated final answer"));
}

#[test]
fn a_script_that_names_a_strange_agent_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.yaml");
    fs_err::write(&path, "agents:\n  zzz:\n    replies: []\n").unwrap();
    let settings = SimulatedSpec { script: Some(path.to_str().unwrap().to_owned()), ..settings(1) };
    match SimulatedTeam::new(&run_spec(&["a"], &settings)) {
        Err(SimulatedError::Script { line, column, .. }) => assert_eq!((line, column), (3, 5)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn agents_with_a_real_provider_are_not_simulated() {
    let mut spec = run_spec(&["a", "b"], &settings(1));
    spec.agents[1].backend.wire = Wire::Service(Service::chat_completions("http://127.0.0.1:1", Vec::new()));
    let team = SimulatedTeam::new(&spec).unwrap();
    assert!(team.model(&id("a")).is_some());
    assert!(team.model(&id("b")).is_none());
}

#[tokio::test]
async fn a_long_question_is_quoted_in_part() {
    let mut spec = run_spec(&["a"], &settings(1));
    spec.question = "ü".repeat(121);
    let model = SimulatedTeam::new(&spec).unwrap().model(&id("a")).unwrap();
    let text = answer_text(&model, request("a", 0)).await;
    assert!(text.contains(&format!("> {}…\n", "ü".repeat(120))), "{text}");
}
