//! What a user's own file of models changes about a run.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::{Findings, LoadRequest, Loaded, Settings, Severity, Source, Validation, load};
use massgen_protocol::spec::Wire;

use crate::told;

fn load_beside(models: &str, config: Option<&str>, settings: &Settings) -> Result<Loaded, Findings> {
    let backends = Backends::built_in().extended(&Source::new("models.yaml", models)).unwrap();
    let config = config.map(|text| Source::new("config.yaml", text));
    load(LoadRequest {
        source: config.as_ref(),
        settings,
        lookup: &|_| None,
        working_directory: Path::new("/project"),
        instance: None,
        validation: Validation::Normal,
        backends: &backends,
    })
}

/// Model, address and variables of the key of the only agent.
fn backend(models: &str, backend: &str) -> (String, String, Vec<String>) {
    let config = format!("agent: {{id: a, backend: {{{backend}}}}}");
    let loaded = load_beside(models, Some(&config), &Settings::default()).unwrap();
    assert_eq!(loaded.findings.count(Severity::Warning), 0, "{:?}", told(&loaded.findings));
    let spec = loaded.draft.agents[0].backend.clone();
    match spec.wire {
        Wire::Service(service) => (spec.model, service.base_url, service.key_variables),
        Wire::Simulated(_) => panic!("no address"),
    }
}

#[test]
fn a_type_goes_where_the_users_file_says_with_the_key_and_the_model_that_it_names() {
    let models = "backends:\n  openai:\n    default_model: big-one\n    base_url: https://gateway.example/v1\n    \
                  key_variables: [GATEWAY_KEY]\n";
    let moved =
        ("big-one".to_owned(), "https://gateway.example/v1".to_owned(), vec!["GATEWAY_KEY".to_owned()]);
    assert_eq!(backend(models, "type: openai"), moved);
    // The named key is for the address of the file; elsewhere keys follow the host as ever.
    let elsewhere = backend(models, "type: openai, base_url: 'https://api.openai.com/v1'");
    assert_eq!(elsewhere.2, ["OPENAI_API_KEY"]);
    // Other types are not touched.
    assert_eq!(backend(models, "type: groq").2, ["GROQ_API_KEY"]);
}

#[test]
fn a_key_that_the_users_file_names_goes_to_a_server_on_this_machine_too() {
    let models = "backends: {openai: {base_url: 'http://localhost:4000/v1', key_variables: [PROXY_KEY]}}";
    assert_eq!(backend(models, "type: openai").2, ["PROXY_KEY"]);
    let unnamed = "backends: {openai: {base_url: 'http://localhost:4000/v1'}}";
    assert!(backend(unnamed, "type: openai").2.is_empty());
}

#[test]
fn a_host_of_the_users_file_gets_its_key_and_its_neighbours_do_not() {
    let models = "hosts: {llm.example.com: [EXAMPLE_KEY]}";
    let keys = |url: &str| backend(models, &format!("type: chatcompletion, model: m, base_url: '{url}'")).2;
    assert_eq!(keys("https://eu.llm.example.com/v1"), ["EXAMPLE_KEY"]);
    let config = "agent: {id: a, backend: {type: chatcompletion, model: m, base_url: 'https://notllm.example.com/v1'}}";
    let loaded = load_beside(models, Some(config), &Settings::default()).unwrap();
    assert_eq!(
        told(&loaded.findings),
        ["1 warning: no key is sent to `notllm.example.com`: its provider is not known"]
    );
}

#[test]
fn flags_alone_use_the_users_default_model() {
    let settings = Settings { backend: Some("groq".to_owned()), ..Settings::default() };
    let loaded = load_beside("backends: {groq: {default_model: mine}}", None, &settings).unwrap();
    assert_eq!(loaded.draft.agents[0].backend.model, "mine");
}

#[test]
fn the_example_of_the_reference_page_is_right() {
    let page = include_str!("../../../../docs/reference/models.md");
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let backends = Backends::built_in().extended(&Source::new("models.md", example)).unwrap();
    let facts = backends.facts("openai", "my-fine-tune");
    assert_eq!((facts.context_window, facts.max_output_tokens), (Some(128_000), Some(16_384)));
    assert_eq!(facts.price.unwrap().cached_input, 300_000_000);
}

proptest::proptest! {
    #[test]
    fn no_file_of_models_brings_the_program_down(
        cut in 0_usize..2000,
        at in 0_usize..2000,
        noise in "[ -~\\n\\t\\{\\}\\[\\]:,&*!|>é🎉\u{0}]{0,40}",
    ) {
        let page = include_str!("../../../../docs/reference/models.md");
        let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
        let mut text: String = example.chars().take(cut).collect();
        let at = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
        text.insert_str(at, &noise);
        for text in [text, noise] {
            if let Err(findings) = Backends::built_in().extended(&Source::new("models.yaml", text)) {
                assert!(findings.has_errors());
                assert!(findings.items().iter().all(|finding| finding.hint.is_some()));
            }
        }
    }
}
