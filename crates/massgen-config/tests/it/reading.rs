//! Texts that cannot be read, and what is told about them.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::{
    Findings, Here, Severity, Source, Style, There, Validation, render, validate, validate_here,
};

use crate::told;

fn judge(name: &str, text: &str) -> Findings {
    validate(&Source::new(name, text), Backends::built_in())
}

/// A machine with this environment, on which every file is there.
fn here(environment: &dyn Fn(&str) -> Option<String>) -> Here<'_> {
    Here { environment, working_directory: Path::new("/project"), there: &|_| There::Program }
}

/// What a person sees of it.
fn shown(name: &str, text: &str) -> String {
    render(&judge(name, text), Style::Plain { width: 80 })
}

#[test]
fn a_file_that_is_too_much_is_told_in_words_with_advice_that_fits() {
    let copies = |level: usize| vec![format!("*a{level}"); 10].join(",");
    let bomb: Vec<_> = (1..9).map(|level| format!("a{level}: &a{level} [{}]", copies(level - 1))).collect();
    let many_values = "- x\n".repeat(100_001);
    let long_texts = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), ["*a"; 9].join(", "));
    let merges = format!("a: &a {{x: 1}}\nb: [{}]\n", ["{<<: *a}"; 1001].join(", "));
    let texts = [
        ("large", "a: b\n".repeat(2_500_000)),
        ("bomb", format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{}\n", bomb.join("\n"))),
        ("many values", many_values),
        ("long texts", long_texts),
        ("merges", merges),
        ("brackets", format!("a: {}{}\n", "[".repeat(100), "]".repeat(100))),
        ("blocks", format!("{}x\n", "- ".repeat(100))),
    ];
    let pages: Vec<_> =
        texts.iter().map(|(what, text)| format!("{what}\n{}", shown("c.yaml", text))).collect();
    let pages = pages.join("\n");
    assert!(!pages.contains("breached"), "{pages}");
    insta::assert_snapshot!(pages);
}

#[test]
fn what_json_does_not_allow_is_refused_in_a_json_file_with_its_place() {
    let texts = [
        "{\"agents\": [{\"id\": \"a\", \"backend\": {\"type\": \"simulated\",}}]}\n",
        "{\n  \"agents\": [\n    {\"id\": \"é\", \"backend\": {\"type\": \"simulated\"}},\n  ]\n}\n",
        "// a comment\n{\"agents\": []}\n",
        "agents: [{id: a, backend: {type: simulated}}]\n",
        "{'agents': []}\n",
        "{\"agents\": [\n",
        "{} {}\n",
    ];
    let pages: Vec<_> = texts.iter().map(|text| shown("c.json", text)).collect();
    insta::assert_snapshot!(pages.join("\n"));
    for text in texts {
        assert_eq!(told(&judge("C.JSON", text)).len(), 1, "{text}");
    }
    assert!(judge("c.yaml", texts[0]).is_empty(), "YAML allows it");
}

#[test]
fn all_that_json_allows_is_read_from_a_json_file() {
    let text = "\u{feff}{\"prompt\": \"\\/ \\ud83d\\ude00 \\u00e9 \\b\\f\\n\\t\\\"\", \"agent\": {\"id\": \"a\",\n\t\"backend\": {\"type\": \
                \"groq\", \"model\": \"m\", \"temperature\": 1.5e-1, \"seed\": 3, \"stop\": [], \"min_p\": null}}}";
    assert_eq!(told(&judge("c.json", text)), [""; 0]);
    assert_eq!(told(&judge("c.json", " \n")), ["2 error: the configuration is empty"]);
}

#[test]
fn a_variable_that_is_not_set_where_a_file_is_checked_is_a_notice_once() {
    let text = "agents:\n\
                - id: a\n  system_message: In ${LANGUAGE} for ${READER}\n\
                \x20 backend: {type: groq, model: '${MODEL}', api_key: '${TEAM_API_KEY}', stop: ['${MODEL}'], user: '${PERSON}'}\n\
                - id: b\n  backend: {type: groq, model: '${SET}', agent_name: '${UNUSED}'}\n\
                orchestrator: {debug_final_answer: '${UNUSED}'}\n";
    let environment = |name: &str| (name == "SET").then(|| "x".to_owned());
    let findings = validate_here(&Source::new("c.yaml", text), Backends::built_in(), &here(&environment));
    let unset: Vec<_> = told(&findings).into_iter().filter(|line| line.contains("is not set")).collect();
    assert_eq!(
        unset,
        [
            "3 notice: the environment variable `LANGUAGE` is not set here, and a run needs it",
            "3 notice: the environment variable `READER` is not set here, and a run needs it",
            "4 notice: the environment variable `MODEL` is not set here, and a run needs it",
            "4 notice: the environment variable `TEAM_API_KEY` is not set here, and a run needs it",
            "4 notice: the environment variable `PERSON` is not set here, and a run needs it",
        ]
    );
    let hint =
        findings.items().iter().find(|finding| finding.message.contains("`MODEL`")).unwrap().hint.clone();
    assert_eq!(
        hint.unwrap(),
        "set `MODEL`, for example in `.env`, or write the value in place of `${MODEL}`"
    );
    let one = "agent: {id: a, backend: {type: groq, model: '${MODEL}'}}";
    assert!(
        !validate_here(&Source::new("c.yaml", one), Backends::built_in(), &here(&environment))
            .refuses(Validation::Strict)
    );
    let whatever_the_machine = validate(&Source::new("c.yaml", text), Backends::built_in());
    assert!(told(&whatever_the_machine).iter().all(|line| !line.contains("is not set")));
}

#[test]
fn a_key_that_stands_twice_is_named_with_what_mends_it() {
    let shown = shown("c.yaml", "agents: []\nlogs: {}\nagents: []\n");
    assert!(shown.starts_with("c.yaml:3:1: error: the key `agents` stands here a second time\n"), "{shown}");
    assert!(shown.contains("hint: write it once, with all that belongs to it\n"), "{shown}");
}

#[test]
fn what_says_only_what_becomes_of_old_runs_is_right_and_asks_nobody() {
    let text = "logs: {keep_runs: 20}\n";
    let findings = judge("c.yaml", text);
    assert!(!findings.has_errors() && shown("c.yaml", text).contains("it names no agents"), "{findings}");
    assert!(massgen_config::is_about_logs(&Source::new("c.yaml", text)));
    for other in ["logs: {keep_runs: many}\n", "logs: {keep_runs: 20}\nui: {display_type: simple}\n", "{}\n"]
    {
        assert!(!massgen_config::is_about_logs(&Source::new("c.yaml", other)), "{other}");
        assert!(judge("c.yaml", other).has_errors(), "{other}");
    }
}

#[test]
fn files_of_the_user_that_are_missing_are_warnings_where_a_file_is_only_checked() {
    let text = "agents: [{id: a, backend: {type: simulated, cwd: w}}]\n\
                orchestrator: {context_paths: [{path: gone}]}\n";
    let here = Here { there: &|_| There::Nothing, ..here(&|_| None) };
    let findings = validate_here(&Source::new("c.yaml", text), Backends::built_in(), &here);
    assert!(!findings.has_errors());
    let told: Vec<_> = findings.of(Severity::Warning).map(|finding| finding.message.as_str()).collect();
    assert_eq!(told, ["there is no `/project/gone`"]);
}
