use super::*;

fn report(variables: &[(&str, &str)]) -> Report {
    Report {
        offers: Offers::find(Backends::built_in(), &Environment::of(variables), &[]),
        selected: Vec::new(),
        written: None,
        docker: false,
        skills: false,
        status: Status::NeedsConfig { steps: Vec::new() },
    }
}

#[test]
fn a_success_is_told_with_what_was_chosen_and_how_to_run() {
    let agent = PlannedAgent { model: Some("gpt-5.4".to_owned()), ..PlannedAgent::new("agent_a", "openai") };
    let report = Report {
        selected: vec![agent.clone(), agent],
        written: Some(Written::Config(".massgen/config.yaml".to_owned())),
        docker: true,
        skills: true,
        status: Status::Success { run: "massgen \"your question\"".to_owned() },
        ..report(&[("OPENAI_API_KEY", "canary"), ("ANTHROPIC_API_KEY", "canary")])
    };
    assert!(!report.render().contains("canary"));
    insta::assert_snapshot!(report.render());
}

#[test]
fn who_has_nothing_is_told_how_to_go_on_in_five_lines() {
    let steps = steps(&report(&[]).offers, Backends::built_in());
    assert_eq!(steps.len(), 5);
    let report = Report {
        written: Some(Written::Template(".env".to_owned())),
        status: Status::NeedsConfig { steps },
        ..report(&[])
    };
    let text = report.render();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_key_without_a_known_model_comes_with_the_command_that_names_one() {
    let offers = report(&[("OPENROUTER_API_KEY", "k"), ("POE_API_KEY", "k")]).offers;
    let steps = steps(&offers, Backends::built_in());
    assert_eq!(
        steps[..2],
        [
            "massgen --quickstart --headless --config-backend openrouter --config-model NAME",
            "massgen --quickstart --headless --config-backend poe --config-model NAME --base-url URL",
        ]
    );
}

#[test]
fn different_agents_are_listed() {
    let report = Report {
        selected: vec![PlannedAgent::new("a", "openai"), PlannedAgent::new("b", "groq")],
        ..report(&[])
    };
    let text = report.render();
    assert!(text.contains("\nSelected (2 backends):\n  openai\n  groq\n"), "{text}");
}

#[test]
fn the_template_sets_nothing_until_somebody_writes_into_it() {
    let text = template_text(Backends::built_in());
    insta::assert_snapshot!(text);
    assert_eq!(dotenvy::from_read_iter(text.as_bytes()).count(), 0);
}
