use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use massgen_config::{LoadRequest, Loaded, Settings, Severity, Source, Validation, load};

use super::*;

fn found(name: &str) -> String {
    find(name).map_or_else(|failure| failure.to_string(), |example| example.name.to_owned())
}

#[test]
fn every_file_of_the_folder_is_in_the_program_and_in_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files = BTreeSet::new();
    let topics = fs_err::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    for topic in topics.filter(|path| path.file_name().unwrap() != "README.md") {
        for file in fs_err::read_dir(&topic).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
            files.insert(name.strip_suffix(".yaml").unwrap_or_else(|| panic!("{name}")).to_owned());
        }
    }
    let names: BTreeSet<String> = EXAMPLES.iter().map(|example| example.name.to_owned()).collect();
    assert_eq!(names, files);
    assert_eq!(names.len(), EXAMPLES.len());
    let mut topics: Vec<&str> = EXAMPLES.iter().map(Example::topic).collect();
    topics.dedup();
    assert_eq!(topics.len(), topics.iter().collect::<BTreeSet<_>>().len(), "a topic stands in two places");
}

#[test]
fn every_name_that_is_told_finds_its_example() {
    for example in EXAMPLES {
        for name in [example.path(), format!("{}.yaml", example.path()), example.name.to_owned()] {
            assert_eq!(found(&name), example.name);
        }
        assert_eq!(found(&example.name.replace(['-', '/'], "_")), example.name);
        for name in example.names() {
            assert_eq!(found(name), example.name, "{name}");
        }
    }
}

#[test]
fn names_of_massgen_that_are_served_find_an_example() {
    for (name, example) in [
        ("three_agents_default", "basic/three-agents"),
        ("basic/multi/three_agents_default", "basic/three-agents"),
        ("basic_multi_three_agents_default", "basic/three-agents"),
        ("single_agent", "basic/one-agent"),
        ("lmstudio", "local/lmstudio"),
        ("research_team.yaml", "teams/research"),
    ] {
        assert_eq!(found(name), example);
    }
}

#[test]
fn a_name_that_is_not_there_is_told_with_what_was_probably_meant() {
    let names = [
        "basic/tree-agents",
        "agents",
        "three",
        "reviw",
        "teams",
        "team",
        "single_gpt5nano_file_search",
        "zzz",
        "",
        "a\u{1b}[31m",
    ];
    insta::assert_snapshot!(names.map(found).join("\n"));
}

fn loaded(example: &Example, environment: &BTreeMap<String, String>) -> Loaded {
    load(LoadRequest {
        source: Some(&Source::new(example.path(), example.text)),
        settings: &Settings::default(),
        lookup: &|name| environment.get(name).cloned(),
        working_directory: Path::new("/project"),
        instance: None,
        validation: Validation::Strict,
        backends: massgen_config::backends::Backends::built_in(),
    })
    .unwrap_or_else(|findings| panic!("{}: {:?}", example.name, findings.items()))
}

/// The parts of the head comment: what stands behind `# Name:`, further lines included.
fn head(example: &Example) -> BTreeMap<&'static str, String> {
    let mut head = BTreeMap::new();
    let mut last = None;
    for line in example.text.lines().map_while(|line| line.strip_prefix('#')) {
        match line.strip_prefix(' ').and_then(|line| line.split_once(":  ").or_else(|| line.split_once(": ")))
        {
            Some((name, rest)) if name.chars().all(char::is_alphabetic) => {
                head.insert(name, rest.trim().to_owned());
                last = Some(name);
            }
            Some(_) | None => {
                if let Some(text) = last.and_then(|last| head.get_mut(last)) {
                    text.push(' ');
                    text.push_str(line.trim());
                }
            }
        }
    }
    head
}

/// Names of variables in a text, but for what stands in parentheses.
fn variables(text: &str) -> BTreeSet<String> {
    let text = text.split('(').next().unwrap_or_default();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.contains('_') && word.to_uppercase() == **word).map(str::to_owned).collect()
}

#[test]
fn every_example_loads_strictly_and_its_head_tells_the_keys_that_it_needs() {
    for example in EXAMPLES {
        let head = head(example);
        let told = |name: &str| head.get(name).cloned().unwrap_or_default();
        assert!(!told("When").is_empty(), "{} does not say when to use it", example.name);
        assert!(told("Run").contains(&example.path()), "{} does not say how to run it", example.name);
        let environment = variables(&told("Set"));
        let environment = environment.into_iter().map(|name| (name, "https://llm.example.org/v1".to_owned()));
        let loaded = loaded(example, &environment.collect());
        assert_eq!(loaded.findings.of(Severity::Warning).count(), 0, "{}", example.name);
        for notice in loaded.findings.of(Severity::Notice) {
            assert!(!notice.message.contains("without effect"), "{}: {}", example.name, notice.message);
        }
        let keys: BTreeSet<String> = loaded
            .draft
            .agents
            .iter()
            .flat_map(massgen_protocol::AgentSpec::backends)
            .filter_map(|backend| backend.service())
            .flat_map(|service| service.key_variables.clone())
            .collect();
        assert!(!told("Needs").is_empty(), "{}", example.name);
        assert_eq!(keys, variables(&told("Needs")), "{}", example.name);
    }
}

#[test]
fn the_list_names_all_examples_in_80_columns() {
    let list = list();
    for line in list.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    insta::assert_snapshot!(list);
}
