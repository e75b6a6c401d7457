//! Configurations as people write them, and what runs because of them.

use std::time::Duration;

use massgen_config::{DisplayType, Settings, Severity};
use massgen_protocol::Usd;
use massgen_protocol::spec::{
    Budget, Continuation, FinalAnswerStrategy, Novelty, Orchestration, PeerUpdates, Presentation, Service,
    Timeouts, Voting, VotingSensitivity, Wire,
};

use crate::{load_text, load_with, told};

/// A team in the shape of the usual configurations: different providers, workspaces, pacing, timeouts.
pub(crate) const TEAM: &str = r#"# Three providers look at one question.
agents:
  - id: "fast"
    backend:
      type: "groq"
      model: "llama-3.3-70b-versatile"
      temperature: 0.4
      cwd: "workspace1"
    system_message: |
      You answer in short sentences.
  - id: "router"
    voting_sensitivity: strict
    backend:
      type: "chatcompletion"
      base_url: "https://openrouter.ai/api/v1/"
      model: "qwen/qwen3-coder"
      reasoning: {effort: high}
      extra_body: {provider: {sort: price}}
  - id: "local"
    backend: {type: lmstudio, model: some-model, max_tokens: 2048}

orchestrator:
  snapshot_storage: "snapshots"
  agent_temporary_workspace: "temp_workspaces"
  voting_sensitivity: "balanced"
  answer_novelty_requirement: "balanced"
  max_new_answers_per_agent: 3
  coordination:
    max_orchestration_restarts: 0

timeout_settings:
  orchestrator_timeout_seconds: 900
  initial_round_timeout_seconds: 90.5

ui:
  display_type: "textual_terminal"
  logging_enabled: true
"#;

#[test]
fn a_usual_team_runs_as_written() {
    let loaded = load_text(TEAM).unwrap();
    let unshared = "3 notice: agents `router`, `local` have no workspace: they read the answers of the others, and not \
                    their files";
    assert_eq!(told(&loaded.findings), [unshared]);
    let spec = loaded.draft.clone().with_question("why?").unwrap();
    let [fast, router, local] = spec.agents.as_slice() else { panic!("three agents") };
    assert_eq!(fast.system_message.as_deref(), Some("You answer in short sentences.\n"));
    assert_eq!(fast.voting_sensitivity, VotingSensitivity::Balanced);
    assert_eq!(router.voting_sensitivity, VotingSensitivity::Strict);
    let wire = |base_url: &str, keys: &[&str]| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Wire::Service(Service::chat_completions(base_url, keys))
    };
    assert_eq!(fast.backend.wire, wire("https://api.groq.com/openai/v1", &["GROQ_API_KEY"]));
    assert_eq!(router.backend.wire, wire("https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"]));
    assert_eq!(local.backend.wire, wire("http://localhost:1234/v1", &[]));
    assert_eq!(local.backend.max_output_tokens, Some(2048));
    assert_eq!(fast.backend.parameters.get("temperature"), Some(&0.4.into()));
    assert_eq!(router.backend.parameters.get("provider"), Some(&serde_json::json!({ "sort": "price" })));
    assert_eq!(router.backend.parameters.get("reasoning"), Some(&serde_json::json!({ "effort": "high" })));
    assert!(
        spec.agents
            .iter()
            .all(|agent| agent.backend.price.is_none() && agent.backend.context_window.is_none())
    );
    assert_eq!(spec.orchestration.novelty, Novelty::Balanced);
    assert_eq!(spec.orchestration.max_new_answers_per_agent.map(u32::from), Some(3));
    assert_eq!(spec.timeouts.orchestrator, Duration::from_mins(15));
    assert_eq!(spec.timeouts.initial_round, Some(Duration::from_millis(90_500)));
    assert_eq!(spec.timeouts.round_grace, Duration::from_mins(2));
    assert_eq!(loaded.ui.display, Some(DisplayType::Terminal));
    assert_eq!(loaded.written["agents"][0]["backend"]["model"], "llama-3.3-70b-versatile");
}

#[test]
fn an_empty_orchestrator_is_the_documented_default() {
    let spec =
        load_text("agent: {id: a, backend: {type: simulated}}\nprompt: why?\norchestrator:\nui:\n").unwrap();
    let spec = spec.draft.finish().unwrap();
    assert_eq!(spec.orchestration, Orchestration::default());
    assert_eq!(spec.timeouts, Timeouts::default());
    assert_eq!(spec.budget, Budget::default());
    assert_eq!(spec.question, "why?");
}

#[test]
fn null_means_the_default() {
    let text = "agent: {id: a, backend: {type: simulated, seed: null}}\norchestrator: {max_new_answers_per_agent: null, \
                voting_sensitivity: ~}\ntimeout_settings: {subsequent_round_timeout_seconds: null}\n";
    let loaded = load_text(text).unwrap();
    assert!(loaded.findings.is_empty(), "{:?}", told(&loaded.findings));
    assert_eq!(loaded.draft.orchestration, Orchestration::default());
}

#[test]
fn the_switches_of_the_orchestrator_do_what_they_say() {
    let orchestration = |keys: &str| {
        let text = format!("agent: {{id: a, backend: {{type: simulated}}}}\norchestrator: {{{keys}}}\n");
        load_text(&text).unwrap().draft.orchestration
    };
    assert_eq!(orchestration("skip_voting: true").voting, Voting::Skip);
    assert_eq!(orchestration("defer_voting_until_all_answered: yes").voting, Voting::AfterAllAnswered);
    assert_eq!(orchestration("defer_peer_updates_until_restart: on").peer_updates, PeerUpdates::AtRestart);
    let both = orchestration("disable_injection: true, defer_peer_updates_until_restart: true");
    assert_eq!(both.peer_updates, PeerUpdates::AtNextExecution);
    assert_eq!(orchestration("skip_final_presentation: true").presentation, Presentation::Skip);
    let strategy = orchestration("final_answer_strategy: winner_reuse").final_answer;
    assert_eq!(strategy, Some(FinalAnswerStrategy::WinnerReuse));
    assert_eq!(
        orchestration("fairness_enabled: false, fairness_lead_cap_answers: 5").fairness_lead_cap,
        None
    );
    assert_eq!(orchestration("fairness_lead_cap_answers: 5").fairness_lead_cap.map(u32::from), Some(5));
    let share = orchestration("coordination: {continuation_share: 0.25}").continuation;
    assert_eq!(share, Continuation::Auto { share_per_mille: 250 });
    let fresh = orchestration("coordination: {continuation: fresh, continuation_share: 0.25}").continuation;
    assert_eq!(fresh, Continuation::Fresh);
}

#[test]
fn a_lead_of_no_answers_is_mended_aloud() {
    let text = "agent: {id: a, backend: {type: simulated}}\norchestrator: {fairness_lead_cap_answers: 0}\n";
    let loaded = load_text(text).unwrap();
    assert_eq!(loaded.draft.orchestration.fairness_lead_cap.map(u32::from), Some(1));
    assert_eq!(loaded.findings.count(Severity::Warning), 1);
}

#[test]
fn merged_sensitivities_are_told() {
    for (written, meant) in [
        ("lenient", VotingSensitivity::Lenient),
        ("roi_conservative", VotingSensitivity::Lenient),
        ("roi", VotingSensitivity::Balanced),
        ("diversity", VotingSensitivity::Balanced),
        ("sequential", VotingSensitivity::Strict),
        ("checklist_gated", VotingSensitivity::Strict),
    ] {
        let text = format!(
            "agent: {{id: a, backend: {{type: simulated}}}}\norchestrator: {{voting_sensitivity: {written}}}\n"
        );
        let loaded = load_text(&text).unwrap();
        assert_eq!(loaded.draft.agents[0].voting_sensitivity, meant, "{written}");
        let warned = told(&loaded.findings)
            .iter()
            .any(|line| line.contains(&format!("2 warning: `{written}` has no policy")));
        assert_eq!(warned, written != "lenient", "{written}");
    }
}

#[test]
fn budgets_are_exact() {
    let text = "agent: {id: a, backend: {type: simulated}}\norchestrator: {budget: {max_cost: 0.25, max_tokens: 1000}}\n";
    let budget = load_text(text).unwrap().draft.budget;
    assert_eq!((budget.max_cost, budget.max_tokens), (Some(Usd::from_nanos(250_000_000)), Some(1000)));
}

#[test]
fn simulated_agents_differ_and_take_their_settings() {
    let text = "agents:\n  - {id: a, backend: {type: simulated}}\n  - {id: b, backend: {type: Simulated, temperature: 1}}\n  - id: c\n    \
                backend: {type: simulated, seed: 9, latency_ms: 0, tokens_per_second: 0, script: s.yaml}\n";
    let loaded = load_text(text).unwrap();
    let settings: Vec<_> = loaded
        .draft
        .agents
        .iter()
        .map(|agent| match &agent.backend.wire {
            Wire::Simulated(spec) => (
                spec.seed,
                spec.latency.as_millis(),
                spec.tokens_per_second.map(u32::from),
                spec.script.clone(),
            ),
            Wire::Service(_) => panic!("simulated"),
        })
        .collect();
    let usual = |seed| (seed, 300, Some(200), None);
    assert_eq!(settings, [usual(0), usual(1), (9, 0, None, Some("/project/s.yaml".to_owned()))]);
    assert_eq!(told(&loaded.findings), ["3 notice: without effect on a simulated model: `temperature`"]);
}

#[test]
fn parameters_keep_their_documented_names_and_extra_body_wins() {
    let text = "agent:\n  id: a\n  backend:\n    type: openai\n    text: {verbosity: low}\n    reasoning: {effort: medium, summary: auto}\n    \
                temperature: 1\n    parallel_tool_calls: no\n    extra_body: {temperature: 0.5, metadata: {run: \"${RUN}\"}}\n";
    let loaded = load_with(text, &Settings::default(), &[("RUN", "7")]).unwrap();
    let parameters = serde_json::to_value(&loaded.draft.agents[0].backend.parameters).unwrap();
    let wanted = serde_json::json!({
        "metadata": { "run": "7" }, "parallel_tool_calls": false,
        "reasoning": { "effort": "medium", "summary": "auto" }, "temperature": 0.5, "text": { "verbosity": "low" },
    });
    assert_eq!(parameters, wanted);
    assert_eq!(loaded.draft.agents[0].backend.model, "gpt-5.4");
}

#[test]
fn extra_body_cannot_replace_what_massgen_sends() {
    let refused = |field: &str| {
        let text = format!("agent: {{id: a, backend: {{type: groq, extra_body: {{{field}}}}}}}");
        told(&load_text(&text).unwrap_err()).join("; ")
    };
    for field in ["messages: []", "model: other", "stream: false", "tools: []", "n: 5"] {
        assert!(refused(field).contains("would replace what massgen sends"), "{field}");
    }
    assert!(refused("max_tokens: 1").contains("would escape the budget"));
}
