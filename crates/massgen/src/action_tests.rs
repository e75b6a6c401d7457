use std::ffi::OsString;

use super::*;

fn line(words: &[&str]) -> CommandLine {
    let words = std::iter::once("massgen").chain(words.iter().copied());
    CommandLine::parse(words.map(OsString::from)).unwrap_or_else(|error| panic!("{error}"))
}

fn decided(words: &[&str]) -> String {
    format!("{:?}", decide(&line(words)).unwrap_or_else(|failure| panic!("{failure}")))
}

fn refused(words: &[&str]) -> String {
    let failure = decide(&line(words)).unwrap_err();
    assert_eq!(failure.code(), crate::failure::USAGE);
    failure.to_string()
}

/// The flags that take the place of a run, in the order in which they win.
const IN_ORDER: [(&[&str], &str); 15] = [
    (&["--list-sessions"], "ListSessions"),
    (&["--validate", "f"], "Validate(\"f\")"),
    (&["--list-backends"], "ListBackends"),
    (&["--list-examples"], "ListExamples"),
    (&["--example", "e"], "Example(\"e\")"),
    (&["--show-schema"], "ShowSchema"),
    (&["--setup"], "Setup"),
    (&["--setup-skills"], "setup_skills"),
    (&["--setup-docker"], "setup_docker"),
    (&["--textual-serve"], "\"textual_serve\""),
    (&["--web-quickstart"], "web_quickstart"),
    (&["--select"], "select"),
    (&["--generate-config", "g"], "GenerateConfig(\"g\")"),
    (&["--quickstart"], "Quickstart"),
    (&["--init"], "Init"),
];

#[test]
fn of_several_flags_that_take_the_place_of_a_run_the_first_in_order_wins() {
    for (at, (first, expected)) in IN_ORDER.iter().enumerate() {
        assert!(decided(first).contains(expected), "{first:?}");
        for (second, _) in &IN_ORDER[at..] {
            // Typed the other way round, so that the order of typing does not decide.
            let words = if first == second { first.to_vec() } else { [*second, *first].concat() };
            assert!(decided(&words).contains(expected), "{words:?}: {}", decided(&words));
        }
    }
}

#[test]
fn the_web_interface_wins_over_the_setup_of_keys() {
    assert!(decided(&["--setup", "--web"]).contains("\"web\""));
}

#[test]
fn anything_else_is_a_run() {
    for words in [
        &[][..],
        &["q"],
        &["--resume", "latest"],
        &["--continue", "q"],
        &["--broadcast", "false", "q"],
        &["--display", "rich"],
    ] {
        assert_eq!(decided(words), "Run", "{words:?}");
    }
}

#[test]
fn every_flag_whose_feature_is_not_there_is_told_and_never_ignored() {
    for row in unavailable::FLAGS {
        let flag = flag(row.name);
        let known = crate::arguments::command(crate::arguments::Detail::Everything);
        let arg = known.get_arguments().find(|arg| arg.get_id() == row.name).unwrap();
        let choices = arg.get_possible_values();
        let value = row.values.first().map(|value| (*value).to_owned());
        let value = value.or_else(|| choices.first().map(|choice| choice.get_name().to_owned()));
        let value = value.filter(|_| arg.get_action().takes_values());
        let value = value.or_else(|| arg.get_action().takes_values().then(|| "5".to_owned()));
        let words: Vec<&str> = [flag.as_str()].into_iter().chain(value.as_deref()).chain(["q"]).collect();
        let line = line(&words);
        let Ok(Action::Unavailable(found)) = decide(&line) else { panic!("{words:?}") };
        assert_eq!(found, row);
        let told = row.flag_failure(&line);
        assert_eq!(told.code(), crate::failure::USAGE);
        let told = told.to_string();
        assert!(told.starts_with(&format!("error: `{flag}")) && told.contains("hint: "), "{told}");
        assert!(
            told.contains(&format!("needs {}, which this version of massgen does not have yet", row.feature))
        );
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let told = [
        &["--single-agent", "--coordination-mode", "decomposition"][..],
        &["--single-agent=a", "--coordination-mode=decomposition", "q"],
        &["--personas", "perspective", "--coordination-mode", "decomposition"],
        &["--web-quickstart", "--web"],
        &["--quickstart-agent", "backend=openai"],
        &["--quickstart", "--quickstart-agent", "backend=openai"],
        &["--headless", "--quickstart-agent", "backend=openai"],
        &["--quickstart", "--headless", "--quickstart-agent", "backend=openai", "--config-backend", "openai"],
        &["--quickstart", "--headless", "--quickstart-agent", "backend=openai", "--config-model", "m"],
        &["--quickstart", "--headless", "--quickstart-agent", "backend=openai", "--config-agent-id", "a"],
        &["--quickstart", "--headless", "--quickstart-agent", "backend=openai", "--config-agents", "2"],
        &["--plan", "--plan-steps", "0"],
        &["--plan", "--plan-chunks", "-3"],
    ];
    let told: Vec<String> =
        told.iter().map(|words| format!("massgen {}\n{}", words.join(" "), refused(words))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_only_looks_like_a_contradiction_is_not_refused() {
    assert_eq!(decided(&["--personas", "off", "--coordination-mode", "parallel"]), "Run");
    assert_eq!(decided(&["--single-agent", "--coordination-mode", "parallel"]), "Run");
    let words = ["--quickstart", "--headless", "--quickstart-agent", "backend=openai", "--config", "c.yaml"];
    assert_eq!(decided(&words), "Quickstart");
}

#[test]
fn a_flag_that_has_nothing_to_do_is_told() {
    let told = |words: &[&str]| idle(&line(words));
    assert_eq!(
        told(&["--strict", "q"]),
        ["warning: `--strict` has nothing to do here; it belongs to `--validate`"]
    );
    assert_eq!(
        told(&["--json", "--config-agents", "3", "q"]),
        [
            "warning: `--config-agents` has nothing to do here; it belongs to `--quickstart` or `--generate-config`",
            "warning: `--json` has nothing to do here; it belongs to `--validate` or `--list-backends` or `--list-examples` or \
             `--show-schema`",
        ]
    );
    assert_eq!(told(&["--validate", "f", "--strict", "--json"]), [""; 0]);
    assert_eq!(told(&["--quickstart", "--headless", "--config-backend", "openai"]), [""; 0]);
}

#[test]
fn no_flag_is_ignored_beside_what_takes_the_place_of_a_run() {
    let known = crate::arguments::command(crate::arguments::Detail::Everything);
    let values = |id: &str| match id {
        "max_cost" | "max_tokens" | "orchestrator_timeout" | "config_agents" => Some("3"),
        "resume" => None,
        _ => Some("x"),
    };
    let mut tried = 0;
    for (owner, taken) in TAKES {
        let first = [flag(owner), "f".to_owned()];
        for arg in known.get_arguments().filter(|arg| arg.get_id() != "help" && arg.get_id() != owner) {
            let id = arg.get_id().as_str();
            let choice = arg.get_possible_values().first().map(|choice| choice.get_name().to_owned());
            let value = choice.or_else(|| values(id).map(str::to_owned));
            let value = value.filter(|_| arg.get_action().takes_values());
            let name =
                if id == "question" { None } else { Some(format!("--{}", arg.get_long().unwrap_or(id))) };
            let has_value =
                known.get_arguments().any(|arg| arg.get_id() == owner && arg.get_action().takes_values());
            let first = &first[..if has_value { 2 } else { 1 }];
            let words: Vec<&str> = first.iter().chain(&name).chain(&value).map(String::as_str).collect();
            let words = std::iter::once("massgen").chain(words);
            let Ok(line) = CommandLine::parse(words.map(OsString::from)) else {
                continue;
            };
            tried += 1;
            let is_told = match decide(&line) {
                Err(_) | Ok(Action::Unavailable(_)) => true,
                Ok(_) => !idle(&line).is_empty(),
            };
            let is_missing = unavailable(id).is_some() || id == "quickstart_agent";
            let is_meant = taken.contains(&id) && !is_missing || OF_THE_DISPLAY.contains(&id);
            assert!(is_told != is_meant, "`{owner}` and `{id}`");
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn flags_that_name_other_flags_name_those_there_are() {
    let known = crate::arguments::command(crate::arguments::Detail::Everything);
    let names = TAKES.iter().flat_map(|(owner, taken)| taken.iter().chain([owner]));
    let names = names.chain(&ALSO_OF_RUNS).chain(&OF_THE_DISPLAY).chain(&RIVALS);
    for id in names.chain(OF_NEW_CONFIGURATIONS.iter().flat_map(|(id, meant)| [id, meant])) {
        assert!(known.get_arguments().any(|arg| arg.get_id() == id), "{id}");
    }
}

#[test]
fn whoever_sits_at_a_terminal_is_not_asked_what_was_said() {
    let answered =
        |words: &[&str], person| answered_unasked(&line(words), person).map(|failure| failure.to_string());
    let words = ["--quickstart", "--config-backend", "openai"];
    assert_eq!(
        answered(&words, Person::Present).unwrap(),
        "error: `--config-backend` needs `--quickstart --headless`\nhint: add `--headless`, or leave it out to be asked\n"
    );
    assert_eq!(answered(&words, Person::Absent), None);
    assert_eq!(answered(&["--quickstart", "--config", "c.yaml"], Person::Present), None);
    assert_eq!(answered(&["--quickstart", "--headless", "--config-model", "m"], Person::Present), None);
}
