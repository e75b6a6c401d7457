//! What a run costs: the same figures everywhere, and right by hand.

use massgen_protocol::event::CallOutcome;
use massgen_protocol::{Event, TokenUsage, UsageSource, Usd};
use massgen_testkit::model_server::chunks::{Frame, event};
use massgen_testkit::model_server::{ReceivedRequest, ScriptedReply};
use serde_json::{Value, json};

use crate::program::{Told, World};
use crate::server::Server;

/// A dollar in millionths, which the files tell and in which the sums below are.
const DOLLAR: f64 = 1e6;

/// What a service counts, in our meaning: input with the cached and the written part, output with the reasoning.
#[derive(Debug, Clone, Copy)]
struct Counts {
    input: u64,
    cached: u64,
    written: u64,
    output: u64,
    reasoning: u64,
}

/// The calls of a team of two in the order in which an agent makes them: its answer, its vote, the final words.
const CALLS: [Counts; 3] = [
    Counts { input: 1000, cached: 0, written: 400, output: 200, reasoning: 150 },
    Counts { input: 2000, cached: 1200, written: 300, output: 50, reasoning: 40 },
    Counts { input: 3000, cached: 2500, written: 0, output: 500, reasoning: 300 },
];

/// A key of a file, and what it counts.
type Counter = (&'static str, fn(Counts) -> u64);

/// Dollars per million tokens. So a token costs this many millionths of a dollar.
const PRICE: &str = "{input: 3, cached_input: 0.3, cache_write: 3.75, output: 15}";

/// A protocol, and what an agent pays for each of its calls.
struct Case {
    /// The backend type that speaks it.
    kind: &'static str,
    /// What follows the address of the server.
    path: &'static str,
    reply: fn(Counts, &str, &Value) -> ScriptedReply,
    /// What the service tells of each call.
    told: fn(Counts) -> Counts,
    /// By hand, in millionths of a dollar.
    costs: [u64; 3],
}

/// With all counters, of 600, 500 and 500 tokens that are neither cached nor written:
/// - 600 × 3 + 0 × 0.3 + 400 × 3.75 + 200 × 15 = 1800 + 0 + 1500 + 3000 = 6300
/// - 500 × 3 + 1200 × 0.3 + 300 × 3.75 + 50 × 15 = 1500 + 360 + 1125 + 750 = 3735
/// - 500 × 3 + 2500 × 0.3 + 0 × 3.75 + 500 × 15 = 1500 + 750 + 0 + 7500 = 9750
const ALL: [u64; 3] = [6300, 3735, 9750];

/// Where nobody tells what was written, it is input as any other:
/// - 1000 × 3 + 200 × 15 = 6000
/// - 800 × 3 + 1200 × 0.3 + 50 × 15 = 2400 + 360 + 750 = 3510
/// - 9750 as above
const WITHOUT_WRITES: [u64; 3] = [6000, 3510, 9750];

const CASES: [Case; 5] = [
    Case { kind: "chatcompletion", path: "/v1", reply: chat, told: |counts| counts, costs: ALL },
    Case { kind: "openai", path: "/v1", reply: responses, told: |counts| counts, costs: ALL },
    Case { kind: "claude", path: "", reply: messages, told: |counts| counts, costs: ALL },
    Case {
        kind: "gemini",
        path: "/v1beta",
        reply: gemini,
        told: |counts| Counts { written: 0, ..counts },
        costs: WITHOUT_WRITES,
    },
    Case {
        kind: "ollama",
        path: "",
        reply: ollama,
        told: |counts| Counts { written: 0, reasoning: 0, ..counts },
        costs: WITHOUT_WRITES,
    },
];

fn chat(counts: Counts, tool: &str, arguments: &Value) -> ScriptedReply {
    let usage = json!({"prompt_tokens": counts.input, "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning}});
    ScriptedReply::call(tool, arguments).with(|reply| reply.usage = Some(usage))
}

fn responses(counts: Counts, tool: &str, arguments: &Value) -> ScriptedReply {
    let item = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": tool,
        "arguments": arguments.to_string(), "status": "completed"});
    let usage = json!({"input_tokens": counts.input, "output_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "output_tokens_details": {"reasoning_tokens": counts.reasoning}});
    events(&[
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed",
            "response": {"status": "completed", "output": [item], "usage": usage}}),
    ])
}

/// Its input is what was neither read from the cache nor written to it, and the output is counted twice: so far, and at
/// the end.
fn messages(counts: Counts, tool: &str, arguments: &Value) -> ScriptedReply {
    let rest = counts.input - counts.cached - counts.written;
    let start = json!({"input_tokens": rest, "cache_read_input_tokens": counts.cached,
        "cache_creation_input_tokens": counts.written, "output_tokens": 1});
    let end = json!({"output_tokens": counts.output,
        "output_tokens_details": {"thinking_tokens": counts.reasoning}});
    let block = json!({"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}});
    let delta = json!({"type": "input_json_delta", "partial_json": arguments.to_string()});
    events(&[
        json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "usage": start}}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": end}),
        json!({"type": "message_stop"}),
    ])
}

/// Its candidates do not have the thoughts in them, and every fragment counts everything so far.
fn gemini(counts: Counts, tool: &str, arguments: &Value) -> ScriptedReply {
    let usage = json!({"promptTokenCount": counts.input, "cachedContentTokenCount": counts.cached,
        "candidatesTokenCount": counts.output - counts.reasoning, "thoughtsTokenCount": counts.reasoning,
        "totalTokenCount": counts.input + counts.output});
    let call = json!([{"functionCall": {"name": tool, "args": arguments}}]);
    let fragment = |parts: &Value, reason: Option<&str>| {
        json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason}],
            "usageMetadata": usage})
    };
    events(&[fragment(&call, None), fragment(&json!([{"text": ""}]), Some("STOP"))])
}

fn ollama(counts: Counts, tool: &str, arguments: &Value) -> ScriptedReply {
    let call = json!({"function": {"name": tool, "arguments": arguments}});
    let line = json!({"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": true,
        "done_reason": "stop", "prompt_eval_count": counts.input, "prompt_eval_cached_count": counts.cached,
        "eval_count": counts.output});
    let frames = vec![Frame::data(format!("{line}\n"))];
    ScriptedReply::Raw { content_type: "application/x-ndjson".to_owned(), frames }
}

fn events(data: &[Value]) -> ScriptedReply {
    let frames = data.iter().map(|data| Frame::data(event(&data.to_string()))).collect();
    ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames }
}

/// Which call of its agent a request is, from 0.
fn position(request: &ReceivedRequest) -> usize {
    let call = request.call.as_deref().unwrap();
    call.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<usize>().unwrap() - 1
}

/// The tool of a call and its arguments.
fn act(position: usize) -> (&'static str, Value) {
    match position {
        0 => ("new_answer", json!({"content": "an answer"})),
        1 => ("vote", json!({"agent_id": "agent1", "reason": "it is best"})),
        _ => ("new_answer", json!({"content": "the final words"})),
    }
}

/// A server that answers each agent's calls in turn, in the words of `reply`.
fn server(reply: fn(Counts, &str, &Value) -> ScriptedReply) -> Server {
    Server::start(move |request| {
        let at = position(request).min(2);
        let (tool, arguments) = act(at);
        reply(CALLS[at], tool, &arguments)
    })
}

/// Two agents of the type `kind` at `base_url`, with `facts` of their model in the user's file.
fn world(kind: &str, base_url: &str, facts: &str) -> World {
    let world = World::new();
    let agent = |id: &str| json!({"id": id, "backend": {"type": kind, "model": "m"}});
    world.write(".massgen/config.yaml", &json!({"agents": [agent("a"), agent("b")]}).to_string());
    let models = format!(
        "backends:\n  {kind}:\n    base_url: {base_url}\n    key_variables: [K]\n    models: {{m: {facts}}}\n"
    );
    world.write(&world.home().join(".config/massgen/models.yaml").display().to_string(), &models);
    world
}

fn run(world: &World, arguments: &[&str]) -> Told {
    world.run_with(&[("K", "key")], arguments)
}

fn file(world: &World, name: &str) -> Value {
    serde_json::from_str(&fs_err::read_to_string(world.attempt().join(name)).unwrap()).unwrap()
}

/// The calls in the journal that came to an end, by agent: what they used and cost.
fn calls(world: &World) -> [Vec<(TokenUsage, Option<Usd>)>; 2] {
    let mut calls = [Vec::new(), Vec::new()];
    for envelope in massgen_journal::read(&world.log_dir()).unwrap() {
        if let Event::ModelCallFinished { call, outcome } = envelope.event {
            match outcome {
                CallOutcome::Replied { reply, cost } => calls[call.agent.index()].push((reply.usage, cost)),
                CallOutcome::Failed { .. } | CallOutcome::Cancelled { .. } => panic!("{outcome:?}"),
            }
        }
    }
    calls
}

/// The figures that the files have for some calls.
fn figures(calls: &[(Counts, u64)], names: &[Counter], cost: &str) -> Value {
    let mut figures = serde_json::Map::new();
    for (name, count) in names {
        figures
            .insert((*name).to_owned(), calls.iter().map(|(counts, _)| count(*counts)).sum::<u64>().into());
    }
    figures.insert(cost.to_owned(), dollars(calls.iter().map(|(_, cost)| cost).sum()));
    figures.into()
}

#[expect(clippy::cast_precision_loss, reason = "small amounts")]
fn dollars(millionths: u64) -> Value {
    json!(millionths as f64 / DOLLAR)
}

/// The part of `whole` that `expected` speaks of.
#[track_caller]
fn tells(whole: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&whole[key], value, "`{key}` of {whole:#}");
    }
}

const AGENT: [Counter; 5] = [
    ("input_tokens", |counts| counts.input),
    ("output_tokens", |counts| counts.output),
    ("reasoning_tokens", |counts| counts.reasoning),
    ("cached_input_tokens", |counts| counts.cached),
    ("cache_creation_tokens", |counts| counts.written),
];

#[test]
fn every_file_and_the_screen_tell_the_same_right_cost_in_every_protocol() {
    for case in CASES {
        let server = server(case.reply);
        let base_url = format!("http://{}{}", server.address(), case.path);
        let world = world(case.kind, &base_url, &format!("{{context_window: 100000, price: {PRICE}}}"));
        let told = run(&world, &["--max-cost", "1", "q"]).exits(0);
        assert_eq!(server.requests().len(), 5, "{}: {told}", case.kind);

        // Agent 1 answers, votes and presents; agent 2 answers and votes.
        let call = |at: usize| ((case.told)(CALLS[at]), case.costs[at]);
        let agents = [vec![call(0), call(1), call(2)], vec![call(0), call(1)]];
        for (said, expected) in calls(&world).iter().zip(&agents) {
            assert_eq!(said.len(), expected.len(), "{}", case.kind);
            for ((usage, cost), (counts, millionths)) in said.iter().zip(expected) {
                let counted = TokenUsage {
                    input: counts.input,
                    output: counts.output,
                    reasoning: counts.reasoning,
                    cached_input: counts.cached,
                    cache_write: counts.written,
                    ..TokenUsage::default()
                };
                assert_eq!(*usage, counted, "{}", case.kind);
                assert_eq!(*cost, Some(Usd::from_nanos(millionths * 1000)), "{}", case.kind);
            }
        }

        let all = agents.concat();
        let [status, metrics] = ["status.json", "metrics_summary.json"].map(|name| file(&world, name));
        let completions = file(&world, "metrics_events.json")["round_completions"].clone();
        let completions = completions.as_array().unwrap();
        for (id, calls) in ["a", "b"].into_iter().zip(&agents) {
            for document in [&status, &metrics] {
                let agent = &document["agents"][id];
                tells(&agent["token_usage"], &figures(calls, &AGENT, "estimated_cost"));
                let rounds = agent["round_history"].as_array().unwrap();
                assert_eq!(rounds.len(), calls.len(), "{}: {agent:#}", case.kind);
                for (round, call) in rounds.iter().zip(calls) {
                    tells(round, &figures(&[*call], &AGENT, "estimated_cost"));
                    tells(round, &json!({"token_source": "api", "context_window_size": 100_000}));
                    assert!(completions.contains(round), "{round:#}");
                }
            }
        }
        assert_eq!(completions.len(), 5);
        tells(&metrics["totals"], &figures(&all, &AGENT, "estimated_cost"));
        tells(&metrics["totals"], &figures(&all, &[], "agent_cost"));
        let sums: [Counter; 2] =
            [("total_input_tokens", |counts| counts.input), ("total_output_tokens", |counts| counts.output)];
        tells(&metrics["rounds"], &figures(&all, &sums, "total_estimated_cost"));
        tells(&status["costs"], &figures(&all, &sums, "total_estimated_cost"));
        let rounds: [Counter; 2] = [
            ("total_round_input_tokens", |counts| counts.input),
            ("total_round_output_tokens", |counts| counts.output),
        ];
        tells(&status["rounds"], &figures(&all, &rounds, "total_round_cost"));
        let spent: [Counter; 1] = [("spent_tokens", |counts| counts.input + counts.output)];
        tells(&status["budget"], &figures(&all, &spent, "spent_cost"));
        tells(&status["budget"], &json!({"reserved_cost": 0.0, "reserved_tokens": 0, "max_cost": 1.0}));

        // 2 × 6300 + 2 × 3735 + 9750 = 29820 and 2 × 6000 + 2 × 3510 + 9750 = 28770 millionths.
        let shown = if case.costs == ALL { "$0.030" } else { "$0.029" };
        assert!(told.stderr.contains(&format!("Cost      {shown} of $1.00\n")), "{}: {told}", case.kind);
        // 2 × 1000 + 2 × 2000 + 3000 in, of them 2 × 1200 + 2500 cached; 2 × 200 + 2 × 50 + 500 out.
        assert!(told.stderr.contains("Tokens    9.0k in (4.9k cached), 1.0k out\n"), "{told}");
        let page = run(&world, &["logs"]).exits(0);
        assert!(page.stdout.contains(&format!("  cost      {shown}\n")), "{page}");
        assert!(page.stdout.contains("  tokens    9.0k in, 1.0k out"), "{page}");
        let list = run(&world, &["logs", "list"]).exits(0);
        assert!(list.stdout.contains(shown), "{list}");
    }
}

/// A chat server whose every reply has this usage, or none.
fn chat_server(usage: Option<Value>) -> Server {
    Server::start(move |request| {
        let (tool, arguments) = act(position(request));
        ScriptedReply::call(tool, &arguments).with(|reply| reply.usage.clone_from(&usage))
    })
}

#[test]
fn what_the_provider_says_of_the_cost_wins_over_prices() {
    let counts = json!({"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200});
    for (said, millionths) in [
        // OpenRouter, in dollars. 5 × 0.0123 = 0.0615
        (
            json!({"cost": 0.0123, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.0123}}),
            61_500,
        ),
        // With a key of one's own, the fee and the bill. 5 × (0.0006 + 0.012) = 0.063
        (
            json!({"cost": 0.0006, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.012}}),
            63_000,
        ),
        // xAI, in ten-billionths of a dollar. 5 × 0.0037756 = 0.018878
        (json!({"cost_in_usd_ticks": 37_756_000}), 18_878),
        // A free model says so.
        (json!({"cost": 0}), 0),
        // Nothing is said, and the price counts. 5 × (1000 × 3 + 200 × 15) = 5 × 6000 = 30000
        (json!({}), 30_000),
    ] {
        let mut usage = counts.clone();
        usage.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let server = chat_server(Some(usage));
        let world = world("openrouter", &server.base_url(), &format!("{{price: {PRICE}}}"));
        run(&world, &["q"]).exits(0);
        assert_eq!(server.requests().len(), 5);
        let status = world.status();
        assert_eq!(status["costs"]["total_estimated_cost"], dollars(millionths), "{said}");
        assert_eq!(status["budget"]["spent_cost"], dollars(millionths), "{said}");
    }
}

#[test]
fn an_unknown_price_is_told_in_words_and_never_as_zero() {
    let server = chat_server(Some(json!({"prompt_tokens": 1000, "completion_tokens": 200})));
    let encrypted = server.encrypted(&["models.test"]);
    let proxy = server.tunnel_proxy(encrypted.address());
    let world = world("chatcompletion", "https://models.test/v1", "");
    let bundle = world.write("authority.pem", encrypted.authority());
    let address = format!("http://{}", proxy.address());
    let variables =
        [("HTTPS_PROXY", address.as_str()), ("MASSGEN_CA_BUNDLE", bundle.to_str().unwrap()), ("K", "key")];
    let told = world.run_with(&variables, &["q"]).exits(0);
    assert!(told.stderr.contains("Cost      price unknown\n"), "{told}");
    assert!(told.stderr.contains("$?") && !told.stderr.contains("$0"), "{told}");
    let [status, metrics] = ["status.json", "metrics_summary.json"].map(|name| file(&world, name));
    for cost in [
        &status["costs"]["total_estimated_cost"],
        &status["rounds"]["total_round_cost"],
        &status["budget"]["spent_cost"],
        &status["agents"]["a"]["token_usage"]["estimated_cost"],
        &status["agents"]["b"]["round_history"][0]["estimated_cost"],
        &metrics["totals"]["estimated_cost"],
        &metrics["totals"]["agent_cost"],
        &metrics["rounds"]["total_estimated_cost"],
    ] {
        assert!(cost.is_null(), "{cost}");
    }
    assert_eq!(status["costs"]["total_input_tokens"], 5000);
    assert_eq!(calls(&world)[0].iter().map(|(_, cost)| *cost).collect::<Vec<_>>(), [None; 3]);
    let page = world.run(&["logs"]).exits(0);
    assert!(page.stdout.contains("  cost      price unknown\n") && !page.stdout.contains('$'), "{page}");
    let list = world.run(&["logs", "list"]).exits(0);
    assert!(list.stdout.contains('?') && !list.stdout.contains('$'), "{list}");

    // Half of it known: what is known is told, with what is not. Agent b: 2 × 6000 millionths.
    let models = format!(
        "backends:\n  chatcompletion: {{base_url: 'https://models.test/v1', key_variables: [K]}}\n  \
         groq: {{base_url: '{}', key_variables: [K], models: {{m: {{price: {PRICE}}}}}}}\n",
        server.base_url()
    );
    world.write(&world.home().join(".config/massgen/models.yaml").display().to_string(), &models);
    let agent = |id: &str, kind: &str| json!({"id": id, "backend": {"type": kind, "model": "m"}});
    let config = json!({"agents": [agent("a", "chatcompletion"), agent("b", "groq")]});
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run_with(&variables, &["--max-cost", "1", "q"]).exits(0);
    let warning = "the price of `m` is unknown, so `--max-cost` does not count its calls";
    assert!(told.stderr.contains(warning), "{told}");
    assert!(told.stderr.contains("Cost      $0.012 of $1.00, and price unknown for 3 calls\n"), "{told}");
    let newest = world.log_dirs().pop().unwrap().join("turn_1/attempt_1/status.json");
    let status: Value = serde_json::from_str(&fs_err::read_to_string(newest).unwrap()).unwrap();
    assert!(status["costs"]["total_estimated_cost"].is_null());
    assert!(status["agents"]["a"]["token_usage"]["estimated_cost"].is_null());
    assert_eq!(status["agents"]["b"]["token_usage"]["estimated_cost"], dollars(12_000));
}

#[test]
fn tokens_that_nobody_counted_are_estimated_and_marked() {
    for usage in [None, Some(json!({"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 7}))] {
        let server = chat_server(usage.clone());
        let world = world("chatcompletion", &server.base_url(), &format!("{{price: {PRICE}}}"));
        let told = run(&world, &["q"]).exits(0);
        assert!(told.stderr.contains(" out, partly estimated\n"), "{told}");
        let status = world.status();
        let sizes: Vec<usize> = server.requests().iter().map(|request| request.bytes).collect();
        // Four bytes a token, rounded up.
        let input: usize = sizes.iter().map(|bytes| bytes.div_ceil(4)).sum();
        assert_eq!(status["costs"]["total_input_tokens"], input);
        if usage.is_some() {
            assert_eq!(status["costs"]["total_output_tokens"], 5 * 7);
        }
        for round in ["a", "b"].map(|id| &status["agents"][id]["round_history"][0]) {
            assert_eq!(round["token_source"], "estimated", "{round}");
            assert!(round["estimated_cost"].as_f64().unwrap() > 0.0, "{round}");
        }
        for (usage, _) in calls(&world).concat() {
            assert_eq!(usage.source, UsageSource::Estimated);
        }
        let page = run(&world, &["logs"]).exits(0);
        assert!(page.stdout.contains(" out, partly estimated\n"), "{page}");
    }
}

#[test]
fn budgets_settle_on_what_was_used_and_not_on_what_was_held_back() {
    let tokens = |input: u64, output: u64| json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let facts = format!("{{price: {PRICE}}}");
    let spent = |usage: &Value, limit: [&str; 2]| {
        let server = chat_server(Some(usage.clone()));
        let world = world("openrouter", &server.base_url(), &facts);
        let told = run(&world, &[limit[0], limit[1], "q"]).exits(0);
        (told, world.status()["budget"].clone(), server.requests().len())
    };

    // Each of the five calls holds back more than 16384 tokens, together more than the limit; they use 110 each.
    let (told, budget, requests) = spent(&tokens(100, 10), ["--max-tokens", "60000"]);
    assert_eq!((requests, &budget["spent_tokens"]), (5, &json!(550)), "{told}");
    assert!(told.stderr.contains("Tokens    500 in, 50 out of 60.0k\n"), "{told}");

    // Two calls go out at once; what they used was more than anybody thought, and no third one goes out.
    let (told, budget, requests) = spent(&tokens(40_000, 10_000), ["--max-tokens", "60000"]);
    assert_eq!((requests, &budget["spent_tokens"]), (2, &json!(100_000)), "{told}");
    assert!(told.stderr.contains("early: the budget is spent"), "{told}");

    // Each call holds back at least 16384 × 15 millionths = 0.24576 dollars; it costs 100 × 3 + 10 × 15 = 450.
    let (told, budget, requests) = spent(&tokens(100, 10), ["--max-cost", "0.7"]);
    assert_eq!((requests, &budget["spent_cost"]), (5, &dollars(5 * 450)), "{told}");
    assert!(told.stderr.contains("Cost      $0.0023 of $0.700\n"), "{told}");

    // What the provider says counts in the budget too.
    let mut dear = tokens(100, 10);
    dear["cost"] = json!(0.4);
    let (told, budget, requests) = spent(&dear, ["--max-cost", "0.7"]);
    assert_eq!((requests, &budget["spent_cost"]), (2, &json!(0.8)), "{told}");
    assert!(told.stderr.contains("Cost      $0.800 of $0.700\n"), "{told}");
}
