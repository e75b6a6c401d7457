use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{LoadRequest, Loaded, Settings, Source, Validation, load, validate};

/// What a strict check makes of `text`.
fn loaded(text: &str) -> Result<Loaded, crate::Findings> {
    load(LoadRequest {
        source: Some(&Source::new("generated.yaml", text)),
        settings: &Settings::default(),
        lookup: &|_| None,
        working_directory: Path::new("/work"),
        instance: None,
        validation: Validation::Strict,
        backends: Backends::built_in(),
    })
}

fn generate(plan: &Plan) -> Result<String, ConfigError> {
    super::generate(plan, Backends::built_in())
}

fn agent(backend: &str) -> PlannedAgent {
    PlannedAgent {
        model: Some("some-model".to_owned()),
        base_url: match backend {
            "azure_openai" => Some("https://team.openai.azure.com".to_owned()),
            "bedrock" => Some("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1".to_owned()),
            "poe" => Some("https://api.poe.com/v1".to_owned()),
            "zai" => Some("https://api.z.ai/api/paas/v4".to_owned()),
            _ => None,
        },
        ..PlannedAgent::new("agent_a", backend)
    }
}

#[test]
fn a_team_is_written_as_a_page_with_comments() {
    let first = PlannedAgent {
        reasoning_effort: Some("low".to_owned()),
        system_message: Some("You check \"every\" number: 1, 2.".to_owned()),
        ..PlannedAgent::new("agent_a", "openai")
    };
    let second = PlannedAgent {
        model: Some("llama3.2:3b".to_owned()),
        base_url: Some("http://127.0.0.1:11434/v1".to_owned()),
        ..PlannedAgent::new("agent_b", "chatcompletion")
    };
    insta::assert_snapshot!(generate(&Plan::of(vec![first, second])).unwrap());
}

#[test]
fn everything_that_can_be_asked_for_is_written() {
    let agent =
        PlannedAgent { web_search: true, code_execution: true, ..PlannedAgent::new("agent_a", "openai") };
    let agent = PlannedAgent { model: Some("o4-mini".to_owned()), ..agent };
    let plan = Plan {
        cooperation: Cooperation::Decomposition,
        execution: Execution::Docker,
        context_path: Some("/home/me/my project".to_owned()),
        ..Plan::of_equal(&agent, 3)
    };
    insta::assert_snapshot!(generate(&plan).unwrap());
}

#[test]
fn what_is_written_for_every_type_that_runs_passes_the_strict_check() {
    for kind in Backends::built_in().types().iter().filter(|kind| kind.support.runs()) {
        for count in [1, 3, MOST_AGENTS] {
            let text = generate(&Plan::of_equal(&agent(&kind.name), count)).unwrap();
            let loaded =
                loaded(&text).unwrap_or_else(|findings| panic!("{}: {findings:?}\n{text}", kind.name));
            assert_eq!(loaded.draft.agents.len(), count);
            assert_eq!(loaded.draft.agents[0].backend.model, "some-model");
        }
    }
}

#[test]
fn all_that_is_asked_for_passes_the_strict_check() {
    let agent = PlannedAgent { web_search: true, code_execution: true, ..agent("openai") };
    let plan = Plan {
        cooperation: Cooperation::Decomposition,
        execution: Execution::Docker,
        context_path: Some("src".to_owned()),
        ..Plan::of_equal(&agent, 2)
    };
    let source = Source::new("written.yaml", generate(&plan).unwrap());
    let findings = validate(&source, Backends::built_in());
    assert!(!findings.refuses(Validation::Strict), "{findings:?}");
}

#[test]
fn a_type_that_does_not_run_yet_is_written_all_the_same() {
    let text = generate(&Plan::of(vec![PlannedAgent::new("agent_a", "claude")])).unwrap();
    assert!(text.contains("      type: claude\n      model: claude-opus-4-6\n"), "{text}");
}

#[test]
fn the_model_of_the_type_is_written_down() {
    let text = generate(&Plan::of(vec![PlannedAgent::new("agent_a", "OpenAI")])).unwrap();
    assert!(text.contains("      type: openai\n      model: gpt-5.4\n"), "{text}");
}

#[test]
fn an_agent_is_described_in_parts() {
    let agent = described_agent("backend=openai, model=gpt-5.4,reasoning_effort=high", 1).unwrap();
    let expected = PlannedAgent {
        model: Some("gpt-5.4".to_owned()),
        reasoning_effort: Some("high".to_owned()),
        ..PlannedAgent::new("agent_b", "openai")
    };
    assert_eq!(agent, expected);
    let agent = described_agent("type=lmstudio,id=me,model=a=b", 0).unwrap();
    assert_eq!(
        (agent.id.as_str(), agent.backend.as_str(), agent.model.as_deref()),
        ("me", "lmstudio", Some("a=b"))
    );
}

#[test]
fn a_wrong_description_names_the_part() {
    let told = |text: &str| {
        let error = described_agent(text, 0).unwrap_err();
        format!("{error}\n  {}\n", error.hint())
    };
    let all: String = [
        "",
        " ",
        "openai",
        "backend=openai,",
        "backend=",
        "model=gpt-5.4",
        "backend=openai,modle=x",
        "backend=openai,colour=red",
        "backend=openai,type=groq",
    ]
    .into_iter()
    .map(told)
    .collect();
    insta::assert_snapshot!(all);
}

#[test]
fn a_plan_that_is_no_team_is_refused_with_advice() {
    let told = |plan: &Plan| {
        let error = generate(plan).unwrap_err();
        format!("{error}\n  {}\n", error.hint())
    };
    let same = Plan::of(vec![agent("openai"), agent("groq")]);
    let all: String = [
        told(&Plan::of(Vec::new())),
        told(&Plan::of_equal(&agent("openai"), MOST_AGENTS + 1)),
        told(&Plan::of(vec![PlannedAgent::new("agent_a", "opnai")])),
        told(&Plan::of(vec![PlannedAgent::new("agent_a", "something")])),
        told(&Plan::of(vec![PlannedAgent::new("agent_a", "openrouter")])),
        told(&Plan::of(vec![PlannedAgent { base_url: None, ..agent("poe") }])),
        told(&Plan::of(vec![PlannedAgent::new("../up", "openai")])),
        told(&Plan::of(vec![PlannedAgent { reasoning_effort: Some("hihg".to_owned()), ..agent("openai") }])),
        told(&Plan::of(vec![PlannedAgent {
            reasoning_effort: Some("as it likes".to_owned()),
            ..agent("openai")
        }])),
        told(&Plan::of(vec![PlannedAgent { web_search: true, ..agent("groq") }])),
        told(&Plan::of(vec![PlannedAgent { code_execution: true, ..agent("simulated") }])),
        told(&same),
    ]
    .concat();
    insta::assert_snapshot!(all);
}

#[test]
fn ids_are_letters_or_say_type_and_model() {
    assert_eq!([0, 1, 25, 26].map(letter_id), ["agent_a", "agent_b", "agent_z", "agent_27"]);
    assert_eq!(model_id("openai", "gpt-5.4", 0), "openai-5.41");
    assert_eq!(model_id("chatcompletion", "meta/llama3.2:3b", 1), "chatcompletion-meta-llama3.2-3b2");
    assert!(AgentId::new(model_id("openai", &"é".repeat(500), 9)).is_ok());
}

#[test]
fn every_effort_of_the_registry_can_be_written_and_no_other() {
    assert!(efforts().contains(&"low"), "{:?}", efforts());
    for effort in efforts() {
        let agent = PlannedAgent { reasoning_effort: Some((*effort).to_owned()), ..agent("openai") };
        loaded(&generate(&Plan::of(vec![agent])).unwrap()).unwrap();
    }
    let text = generate(&Plan::of(vec![PlannedAgent {
        reasoning_effort: Some("low".to_owned()),
        ..agent("openai")
    }]));
    assert!(loaded(&text.unwrap().replace("effort: low", "effort: lots")).is_err());
}

#[test]
fn what_a_type_cannot_do_is_not_written() {
    for kind in Backends::built_in().types() {
        for (key, capability) in [("web_search", Capability::WebSearch), ("code_", Capability::CodeExecution)]
        {
            let agent = PlannedAgent {
                web_search: capability == Capability::WebSearch,
                code_execution: capability == Capability::CodeExecution,
                base_url: Some("https://h.example/v1".to_owned()),
                ..agent(&kind.name)
            };
            let text = generate(&Plan::of(vec![agent]));
            assert_eq!(
                text.is_ok_and(|text| text.contains(key)),
                kind.can("some-model", capability),
                "{}",
                kind.name
            );
        }
    }
}

#[test]
fn decomposition_needs_somebody_to_share_with() {
    let plan = Plan { cooperation: Cooperation::Decomposition, ..Plan::of(vec![agent("openai")]) };
    assert!(!generate(&plan).unwrap().contains("coordination_mode"));
}

proptest! {
    #[test]
    fn whatever_stands_in_a_text_is_read_back(message in "\\PC{0,40}|[\\x00-\\x7f\u{2028}\u{feff}]{0,40}") {
        // A variable in a text is replaced on purpose.
        prop_assume!(!message.contains("${"));
        let agent = PlannedAgent { system_message: Some(message.clone()), ..agent("openai") };
        let loaded = loaded(&generate(&Plan::of(vec![agent])).unwrap()).unwrap();
        let read = loaded.draft.agents[0].system_message.clone();
        if message.trim().is_empty() {
            prop_assert_eq!(read, None);
        } else {
            prop_assert_eq!(read, Some(message));
        }
    }
}
