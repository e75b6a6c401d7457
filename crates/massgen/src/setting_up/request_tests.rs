use massgen_config::generate::Cooperation;

use super::*;
use crate::arguments::CommandLine;
use crate::environment::Environment;

fn offers(variables: &[(&str, &str)]) -> Offers {
    Offers::find(Backends::built_in(), &Environment::of(variables), &[])
}

fn set_up(words: &[&str]) -> crate::arguments::Arguments {
    let words = std::iter::once("massgen").chain(words.iter().copied());
    CommandLine::parse(words.map(Into::into)).unwrap().arguments
}

/// The plan of `--quickstart --headless` with these further words and this key set.
fn quickstart(words: &[&str], variable: &str) -> Result<Option<Plan>, Failure> {
    let arguments = set_up(&[&["--quickstart", "--headless"], words].concat());
    let base_url = arguments.base_url.as_deref();
    let request = Request { flags: &arguments.set_up, base_url, backends: Backends::built_in() };
    request.quickstart(&offers(&[(variable, "k")]))
}

fn generated(words: &[&str]) -> Result<Plan, Failure> {
    let arguments = set_up(&[&["--generate-config", "team.yaml"], words].concat());
    let request = Request { flags: &arguments.set_up, base_url: None, backends: Backends::built_in() };
    request.generated()
}

fn told(plan: &Plan) -> Vec<String> {
    let line = |agent: &PlannedAgent| {
        format!("{} {} {}", agent.id, agent.backend, agent.model.as_deref().unwrap_or("-"))
    };
    plan.agents.iter().map(line).collect()
}

#[test]
fn one_agent_of_what_is_there_is_the_default() {
    let plan = quickstart(&[], "GROQ_API_KEY").unwrap().unwrap();
    assert_eq!(told(&plan), ["agent_a groq llama-3.3-70b-versatile"]);
    assert_eq!((plan.cooperation, plan.execution), (Cooperation::Voting, Execution::Local));
    assert_eq!(quickstart(&[], "OPENROUTER_API_KEY").unwrap(), None);
}

#[test]
fn flags_say_how_many_and_what_of() {
    let plan = quickstart(&["--config-agents", "2", "--config-backend", "cerebras"], "X").unwrap().unwrap();
    assert_eq!(told(&plan), ["agent_a cerebras llama-3.3-70b", "agent_b cerebras llama-3.3-70b"]);
    let plan = quickstart(&["--config-model", "gpt-5.2"], "X").unwrap().unwrap();
    assert_eq!(told(&plan), ["agent_a openai gpt-5.2"]);
    let words = ["--config-agent-id", "me", "--config-docker", "--config-context-path", "src"];
    let plan = quickstart(&words, "OPENAI_API_KEY").unwrap().unwrap();
    assert_eq!(told(&plan), ["me openai gpt-5.4"]);
    assert_eq!((plan.execution, plan.context_path.as_deref()), (Execution::Docker, Some("src")));
}

#[test]
fn agents_are_described_one_by_one() {
    let words = [
        "--quickstart-agent",
        "backend=openai",
        "--quickstart-agent",
        "id=b,type=groq,model=m,reasoning_effort=low",
    ];
    let plan = quickstart(&words, "X").unwrap().unwrap();
    assert_eq!(told(&plan), ["agent_a openai gpt-5.4", "b groq m"]);
    assert_eq!(plan.agents[1].reasoning_effort.as_deref(), Some("low"));
}

#[test]
fn an_address_goes_to_every_agent() {
    let words = ["--config-backend", "openai", "--base-url", "http://127.0.0.1:9/v1", "--config-agents", "2"];
    let plan = quickstart(&words, "X").unwrap().unwrap();
    assert!(plan.agents.iter().all(|agent| agent.base_url.as_deref() == Some("http://127.0.0.1:9/v1")));
}

#[test]
fn a_generated_team_is_named_by_type_and_model() {
    let plan =
        generated(&["--config-backend", "openai", "--config-model", "gpt-5.4", "--config-agents", "2"])
            .unwrap();
    assert_eq!(told(&plan), ["openai-5.41 openai gpt-5.4", "openai-5.42 openai gpt-5.4"]);
    let plan =
        generated(&["--config-backend", "claude", "--config-model", "m", "--config-agent-id", "x"]).unwrap();
    assert_eq!(told(&plan), ["x claude m"]);
}

#[test]
fn what_cannot_be_is_refused_with_advice_and_exit_1() {
    let of = |outcome: Result<(), Failure>| {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.code(), 1, "{failure}");
        failure.to_string()
    };
    let quick = |words: &[&str]| of(quickstart(words, "OPENAI_API_KEY").map(drop));
    let all = [
        quick(&["--config-agents", "0"]),
        quick(&["--config-agents", "11"]),
        quick(&["--config-agents", "-1"]),
        quick(&["--config-backend", "openai,groq"]),
        quick(&["--config-backend", "opnai"]),
        quick(&["--config-backend", "claude_code"]),
        quick(&["--config-model", "unheard-of"]),
        quick(&["--config-model", "a,b"]),
        quick(&["--config-agents", "2", "--config-agent-id", "me"]),
        quick(&["--quickstart-agent", "backend=openai,colour=red"]),
        of(generated(&["--config-backend", "openai"]).map(drop)),
        of(generated(&["--config-model", "gpt-5.4"]).map(drop)),
    ]
    .join("\n");
    insta::assert_snapshot!(all);
}
