use super::*;

fn parse(text: &str) -> Result<Script, SimulatedError> {
    Script::parse(text, Path::new("/runs/script.yaml"))
}

/// Line, column and problem of the error that `text` gives.
fn problem(text: &str) -> (u64, u64, String) {
    match parse(text) {
        Err(SimulatedError::Script { path, line, column, problem }) => {
            assert_eq!(path, Path::new("/runs/script.yaml"));
            (line, column, problem)
        }
        other => panic!("{text} gave {other:?}"),
    }
}

#[test]
fn every_step_is_read() {
    let script = parse(
        "agents:
  a:
    replies:
      - - think: t
        - say: s
        - call: {tool: lookup, arguments: {q: x, n: [1, 2]}}
        - call: {tool: lookup}
        - call: {tool: lookup, arguments: '{\"cut'}
        - answer: done
        - vote: b
          reason: why
        - wait_ms: 50
        - fail: {kind: rate_limited, message: slow, retries: 2, delay_ms: 10}
      - [{hang: true}]
    present:
      - [{answer: final}]
",
    )
    .unwrap();
    let part = script.part(&AgentId::new("a").unwrap()).unwrap();
    let call = |arguments: &str| Step::Call { tool: "lookup".into(), arguments: arguments.into() };
    let failure =
        ScriptedFailure { kind: FailureKind::RateLimited, message: "slow".into(), retries: 2, delay_ms: 10 };
    assert_eq!(
        part.replies,
        [
            vec![
                Step::Think("t".into()),
                Step::Say("s".into()),
                call(r#"{"q":"x","n":[1,2]}"#),
                call("{}"),
                call("{\"cut"),
                Step::Answer("done".into()),
                Step::Vote { target: "b".into(), reason: "why".into() },
                Step::Wait(Duration::from_millis(50)),
                Step::Fail(failure),
            ],
            vec![Step::Hang],
        ]
    );
    assert_eq!(part.present, [[Step::Answer("final".into())]]);
}

#[test]
fn agents_without_an_entry_get_the_default_one() {
    let script =
        parse("agents:\n  a: {replies: [[{say: a}]]}\n  default: {replies: [[{say: d}]]}\n").unwrap();
    let first = |id: &str| script.part(&AgentId::new(id).unwrap()).unwrap().replies[0].clone();
    assert_eq!(first("a"), [Step::Say("a".into())]);
    assert_eq!(first("b"), [Step::Say("d".into())]);
    assert!(parse("agents: {}").unwrap().part(&AgentId::new("b").unwrap()).is_none());
}

#[test]
fn an_unknown_key_is_told_with_its_place() {
    let (line, column, problem) = problem("agents:\n  a:\n    replies:\n      - [{say: x}, {shout: y}]\n");
    assert_eq!((line, column), (4, 21));
    assert!(problem.starts_with("unknown field `shout`"), "{problem}");
    assert!(!problem.contains("line"), "the place is told once: {problem}");
}

#[test]
fn a_wrong_value_is_told_with_its_place() {
    let (line, column, problem) = problem("agents:\n  a:\n    replies:\n      - - fail: {kind: broken}\n");
    assert_eq!((line, column), (4, 24));
    assert!(problem.contains("`broken`") && problem.contains("rate_limited"), "{problem}");
}

#[test]
fn a_step_with_no_or_two_meanings_is_refused() {
    for (step, column) in [("{}", 10), ("{say: a, think: b}", 10), ("{vote: a, hang: true}", 10)] {
        let (line, found, problem) = problem(&format!("agents:\n  a:\n    replies:\n      - [{step}]\n"));
        assert_eq!((line, found), (4, column), "{step}");
        assert!(problem.starts_with("a step has exactly one of"), "{problem}");
    }
    let refused = |step: &str| problem(&format!("agents:\n  a:\n    replies:\n      - [{step}]\n")).2;
    assert_eq!(refused("{say: a, reason: b}"), "`reason` belongs to `vote`");
    assert_eq!(refused("{hang: false}"), "`hang` can only be `true`");
}

#[test]
fn nothing_follows_the_end_of_a_call() {
    let text = "agents:\n  a:\n    replies:\n      - - hang: true\n        - say: late\n";
    assert_eq!(problem(text), (5, 11, "nothing can follow `hang`".to_owned()));
    let text = "agents:\n  a:\n    present:\n      - - fail: {kind: server}\n        - say: late\n";
    assert_eq!(problem(text), (5, 11, "nothing can follow `fail`".to_owned()));
}

#[test]
fn an_empty_reply_is_refused() {
    assert_eq!(
        problem("agents:\n  a:\n    replies:\n      - []\n"),
        (4, 9, "a reply needs at least one step".to_owned())
    );
}

#[test]
fn workflow_tools_cannot_be_scripted() {
    let (line, _, problem) = problem("tools:\n  lookup: {result: x}\n  vote: {result: y}\n");
    assert_eq!((line, problem.as_str()), (3, "`vote` is a workflow tool and cannot be scripted"));
}

#[test]
fn an_agent_that_the_run_does_not_have_is_refused() {
    let team = ["agent_a", "agent_b"].map(|id| AgentId::new(id).unwrap());
    let script = parse("agents:\n  default: {}\n  agent_a: {}\n  agnet_b:\n    replies: []\n").unwrap();
    let error = script.check_agents(&team).unwrap_err().to_string();
    assert_eq!(
        error,
        "the script `/runs/script.yaml` is wrong at line 5, column 5: this is for agent `agnet_b`, which the run \
         does not have"
    );
}

#[test]
fn a_missing_script_is_told_with_its_path() {
    let error = Script::load(Path::new("/nowhere/script.yaml")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/script.yaml"), "{error}");
}
