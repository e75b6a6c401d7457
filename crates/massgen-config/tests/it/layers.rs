//! Flags over the file, and flags alone.

use std::time::Duration;

use massgen_config::{ConfigError, Modes, Settings, SingleAgent};
use massgen_protocol::Usd;
use massgen_protocol::spec::{FinalAnswerStrategy, PeerUpdates, Presentation, RunSpec, Voting, Wire};

use crate::{load_flags, load_text, load_with, told};

const TEAM: &str = "agents:\n  - {id: a, backend: {type: simulated}}\n  - {id: b, backend: {type: simulated}}\n  - {id: c, backend: {type: simulated}}\n\
                    prompt: from the file\ntimeout_settings: {orchestrator_timeout_seconds: 60}\n\
                    orchestrator: {budget: {max_cost: 1}, max_new_answers_per_agent: 5, disable_injection: false}\n";

fn run(text: &str, settings: &Settings) -> RunSpec {
    load_with(text, settings, &[])
        .unwrap_or_else(|findings| panic!("{:?}", told(&findings)))
        .draft
        .finish()
        .unwrap()
}

fn quick() -> Modes {
    Modes { quick: true, ..Modes::default() }
}

fn ids(spec: &RunSpec) -> Vec<&str> {
    spec.agents.iter().map(|agent| agent.id.as_str()).collect()
}

#[test]
fn a_flag_wins_over_the_file() {
    let spec = run(TEAM, &Settings::default());
    assert_eq!((spec.question.as_str(), spec.timeouts.orchestrator.as_secs()), ("from the file", 60));
    let settings = Settings {
        question: Some("from ${THE} line".into()),
        orchestrator_timeout: Some(5),
        max_cost: Some(0.5),
        max_tokens: Some(100),
        ..Settings::default()
    };
    let spec = run(TEAM, &settings);
    assert_eq!(spec.question, "from ${THE} line", "variables are a matter of the file");
    assert_eq!(spec.timeouts.orchestrator, Duration::from_secs(5));
    assert_eq!((spec.budget.max_cost, spec.budget.max_tokens), (Some(Usd::from_dollars(0.5)), Some(100)));
    let single =
        Settings { model: Some("other".into()), system_message: Some("short".into()), ..Settings::default() };
    let spec = run("agent: {id: a, backend: {type: groq}, system_message: long}\nprompt: q\n", &single);
    assert_eq!(
        (spec.agents[0].backend.model.as_str(), spec.agents[0].system_message.as_deref()),
        ("other", Some("short"))
    );
}

#[test]
fn the_written_configuration_stays_as_written_under_flags() {
    let settings = Settings { orchestrator_timeout: Some(5), modes: quick(), ..Settings::default() };
    let loaded = load_with(TEAM, &settings, &[]).unwrap();
    assert_eq!(loaded.written["timeout_settings"]["orchestrator_timeout_seconds"], 60);
    assert_eq!(loaded.written["orchestrator"]["max_new_answers_per_agent"], 5);
}

#[test]
fn quick_gives_each_agent_one_answer_and_synthesises() {
    let orchestration = run(TEAM, &Settings { modes: quick(), ..Settings::default() }).orchestration;
    assert_eq!(orchestration.max_new_answers_per_agent.map(u32::from), Some(1));
    assert_eq!(orchestration.presentation, Presentation::Skip);
    assert_eq!(orchestration.peer_updates, PeerUpdates::AtNextExecution);
    assert_eq!(orchestration.voting, Voting::AfterAllAnswered);
    assert_eq!(orchestration.final_answer, Some(FinalAnswerStrategy::Synthesize));
}

#[test]
fn quick_with_a_single_agent_skips_the_vote() {
    let settings = Settings {
        modes: quick(),
        single_agent: Some(SingleAgent::Named("b".into())),
        ..Settings::default()
    };
    let spec = run(TEAM, &settings);
    assert_eq!(ids(&spec), ["b"]);
    assert_eq!(
        (spec.orchestration.voting, spec.orchestration.presentation),
        (Voting::Skip, Presentation::Skip)
    );
    assert_eq!(
        (spec.orchestration.final_answer, spec.orchestration.peer_updates),
        (None, PeerUpdates::Inject)
    );
    let alone = run(
        "agent: {id: x, backend: {type: simulated}}\nprompt: q",
        &Settings { modes: quick(), ..Settings::default() },
    );
    assert_eq!(alone.orchestration.voting, Voting::Skip);
}

#[test]
fn a_single_agent_is_the_first_or_the_named_one() {
    let with = |single| Settings { single_agent: Some(single), ..Settings::default() };
    assert_eq!(ids(&run(TEAM, &with(SingleAgent::First))), ["a"]);
    assert_eq!(ids(&run(TEAM, &with(SingleAgent::Named("c".into())))), ["c"]);
    assert_eq!(run(TEAM, &with(SingleAgent::First)).orchestration.voting, Voting::WhenReady);
    let findings = load_with(TEAM, &with(SingleAgent::Named("d".into())), &[]).unwrap_err();
    assert_eq!(told(&findings), ["0 error: there is no agent `d`"]);
    assert_eq!(findings.items()[0].hint.as_deref(), Some("agents are `a`, `b`, `c`"));
}

#[test]
fn flags_that_do_not_fit_the_file_are_refused() {
    let backend = Settings { backend: Some("groq".into()), ..Settings::default() };
    assert_eq!(
        told(&load_with(TEAM, &backend, &[]).unwrap_err()),
        ["0 error: a configuration file and `--backend` exclude each other"]
    );
    let model = Settings { model: Some("m".into()), ..Settings::default() };
    assert_eq!(
        told(&load_with(TEAM, &model, &[]).unwrap_err()),
        ["0 error: `--model` is for one agent, but there are 3"]
    );
    let broken = Settings { orchestrator_timeout: Some(5), ..Settings::default() };
    let findings =
        load_with("agent: {id: a, backend: {type: simulated}}\ntimeout_settings: soon\n", &broken, &[])
            .unwrap_err();
    assert_eq!(told(&findings), ["2 error: `timeout_settings` must be a map, not the text `soon`"]);
}

#[test]
fn flags_alone_make_one_agent() {
    let spec = |settings: &Settings| load_flags(settings).unwrap().draft.with_question("q").unwrap();
    let groq = spec(&Settings {
        backend: Some("groq".into()),
        model: Some("m".into()),
        system_message: Some("short".into()),
        ..Settings::default()
    });
    assert_eq!(ids(&groq), ["agent1"]);
    assert_eq!((groq.agents[0].backend.kind.as_str(), groq.agents[0].backend.model.as_str()), ("groq", "m"));
    assert_eq!(groq.agents[0].system_message.as_deref(), Some("short"));
    let inferred = spec(&Settings { model: Some("gpt-4o".into()), ..Settings::default() });
    assert_eq!(inferred.agents[0].backend.kind, "openai");
    for (model, kind) in
        [("claude-opus-4-6", "claude"), ("gemini-3-pro-preview", "gemini"), ("grok-4", "grok")]
    {
        let inferred = spec(&Settings { model: Some(model.into()), ..Settings::default() });
        assert_eq!(inferred.agents[0].backend.kind, kind);
    }
    let local = spec(&Settings {
        base_url: Some("http://localhost:1/v1".into()),
        model: Some("gpt-4o".into()),
        ..Settings::default()
    });
    assert_eq!(local.agents[0].backend.kind, "chatcompletion");
    let quick = spec(&Settings { model: Some("gpt-4o".into()), modes: quick(), ..Settings::default() });
    assert_eq!(quick.orchestration.voting, Voting::Skip);
}

#[test]
fn flags_alone_that_name_nothing_known_are_refused() {
    let errors = |settings: &Settings| told(&load_flags(settings).unwrap_err());
    let unknown = Settings { backend: Some("gorq".into()), ..Settings::default() };
    assert_eq!(errors(&unknown), ["0 error: unknown backend type `gorq`"]);
    assert_eq!(load_flags(&unknown).unwrap_err().items()[0].hint.as_deref(), Some("did you mean `groq`?"));
    assert_eq!(
        errors(&Settings { model: Some("llama-9".into()), ..Settings::default() }),
        ["0 error: no backend is known for the model `llama-9`"]
    );
    let nameless =
        errors(&Settings { base_url: Some("http://localhost:1/v1".into()), ..Settings::default() });
    assert_eq!(nameless, ["0 error: an address is given, and no model"]);
}

#[test]
fn without_anything_a_simulated_team_runs() {
    for settings in
        [Settings::default(), Settings { backend: Some("simulated".into()), ..Settings::default() }]
    {
        let loaded = load_flags(&settings).unwrap();
        assert!(loaded.findings.is_empty());
        assert_eq!(loaded.draft.agents, massgen_config::simulated_team(massgen_config::DEMO_SEED));
        assert!(loaded.draft.agents.iter().all(|agent| agent.backend.is_simulated()));
    }
    let seeds: Vec<_> = massgen_config::simulated_team(7)
        .iter()
        .map(|agent| match &agent.backend.wire {
            Wire::Simulated(spec) => spec.seed,
            Wire::Service(_) => panic!("simulated"),
        })
        .collect();
    assert_eq!(seeds, [7, 8, 9]);
}

#[test]
fn a_run_needs_a_question_that_says_something() {
    let draft = load_text("agent: {id: a, backend: {type: simulated}}").unwrap().draft;
    assert_eq!(draft.question(), None);
    assert_eq!(draft.clone().finish(), Err(ConfigError::NoQuestion));
    assert_eq!(draft.clone().with_question(" \n"), Err(ConfigError::EmptyQuestion));
    let long = "x".repeat(massgen_protocol::limits::QUESTION_BYTES + 1);
    assert!(matches!(draft.with_question(long), Err(ConfigError::QuestionTooLong { .. })));
    let empty = Settings { question: Some(String::new()), ..Settings::default() };
    let findings = load_with(TEAM, &empty, &[]).unwrap_err();
    assert_eq!(told(&findings), ["0 error: the question is empty"]);
}
