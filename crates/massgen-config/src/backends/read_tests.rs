use super::*;
use crate::{Style, render};

fn extended(text: &str) -> Backends {
    let file = Source::new("models.yaml", text);
    Backends::built_in().extended(&file).unwrap_or_else(|findings| {
        panic!("{}", render(&findings, Style::Plain { width: 100 }));
    })
}

fn refused(text: &str) -> String {
    let file = Source::new("models.yaml", text);
    render(&Backends::built_in().extended(&file).unwrap_err(), Style::Plain { width: 80 })
}

#[test]
fn a_users_file_adds_models_and_changes_facts_without_losing_others() {
    let table = extended(
        "backends:\n  openai:\n    default_model: gpt-5.2\n    models:\n      \
         my-model: {context_window: 64000, price: {input: 2, output: 8.5}}\n      \
         gpt-5.1-codex: {price: {input: 1.25, cached_input: 0.125, cache_write: 0, output: 10}}\n",
    );
    let openai = table.get("openai").unwrap();
    assert_eq!(openai.default_model.as_deref(), Some("gpt-5.2"));
    assert_eq!(openai.models[0].name, "my-model");
    let mine = table.facts("openai", "my-model");
    assert_eq!((mine.context_window, mine.max_output_tokens), (Some(64_000), None));
    // The cache costs what input costs where nothing is written.
    let (input, output) = (2_000_000_000, 8_500_000_000);
    assert_eq!(mine.price, Some(Price { input, output, cached_input: input, cache_write: input }));
    let codex = table.facts("openai", "gpt-5.1-codex");
    assert_eq!((codex.context_window, codex.max_output_tokens), (Some(400_000), Some(128_000)));
    let price = codex.price.unwrap();
    assert_eq!((price.cached_input, price.cache_write), (125_000_000, 0));
    // Everything else is as it was.
    assert_eq!(openai.models.len(), Backends::built_in().get("openai").unwrap().models.len() + 1);
    assert_eq!(openai.key_variables, ["OPENAI_API_KEY"]);
    assert_eq!(table.get("groq"), Backends::built_in().get("groq"));
}

#[test]
fn an_empty_file_changes_nothing() {
    for text in ["", "# nothing yet\n", "backends:\nhosts:\n", "backends: {openai: {models: {gpt-5.4: }}}"] {
        assert_eq!(&extended(text), Backends::built_in(), "{text:?}");
    }
}

#[test]
fn the_keys_of_a_moved_type_are_those_of_its_new_host_unless_they_are_named() {
    let keys = |text: &str| extended(text).get("openai").unwrap().key_variables.clone();
    assert_eq!(
        keys("backends: {openai: {base_url: 'https://openrouter.ai/api/v1'}}"),
        ["OPENROUTER_API_KEY"]
    );
    assert!(keys("backends: {openai: {base_url: 'https://gateway.example/v1'}}").is_empty());
    assert_eq!(
        keys("backends: {openai: {base_url: 'https://gateway.example/v1', key_variables: [GATEWAY_KEY]}}"),
        ["GATEWAY_KEY"]
    );
    // An empty list says that no key is wanted.
    assert!(keys("backends: {openai: {key_variables: []}}").is_empty());
    let with_host =
        "backends: {openai: {base_url: 'https://eu.gateway.example/v1'}}\nhosts: {gateway.example: [G]}";
    assert_eq!(keys(with_host), ["G"]);
}

#[test]
fn the_narrowest_host_counts_and_a_users_host_replaces_ours() {
    let table = extended("hosts:\n  EU.openai.com: [EU_KEY]\n  groq.com: [MY_GROQ]\n");
    assert_eq!(table.host_key_variables("https://eu.openai.com/v1"), ["EU_KEY"]);
    assert_eq!(table.host_key_variables("https://a.eu.openai.com/v1"), ["EU_KEY"]);
    assert_eq!(table.host_key_variables("https://api.openai.com/v1"), ["OPENAI_API_KEY"]);
    assert_eq!(table.host_key_variables("https://api.groq.com/openai/v1"), ["MY_GROQ"]);
    assert_eq!(table.get("groq").unwrap().key_variables, ["MY_GROQ"]);
}

#[test]
fn every_mistake_is_told_with_its_line_and_what_to_do() {
    insta::assert_snapshot!(refused(
        "backends:
  opnai: {default_model: x}
  openai:
    defualt_model: gpt-5.4
    base_url: api.openai.com/v1
    support: never
    models:
      gpt-5.4:
        context_window: big
        max_output_tokens: 0
        price: {input: -1, outptu: 10}
      gpt-5.2: 400000
      gpt-5.1: {lacks: [reasonin]}
  groq: {default_model: 3}
  poe: {key_variables: [MY_POE_KEY]}
  simulated: {base_url: 'https://x.example'}
hosts:
  https://llm.example.com/v1: [A_KEY]
  localhost: [A_KEY]
  127.0.0.1: [A_KEY]
  llm.example.com: A_KEY
modles: {}
"
    ));
}

#[test]
fn a_text_that_is_no_table_is_told() {
    insta::assert_snapshot!(
        [
            refused("backends: [openai]\n"),
            refused("just a text\n"),
            refused("backends:\n  openai: {models: {a: }\n"),
            refused("backends: {openai: {}}\nbackends: {groq: {}}\n"),
        ]
        .join("----\n")
    );
}

#[test]
fn a_key_in_the_file_is_refused_and_never_shown() {
    for text in [
        "backends: {openai: {key_variables: [sk-canary-0123456789]}}",
        "backends: {openai: {key_variables: sk-canary-0123456789}}",
        "hosts:\n  llm.example.com: [sk-canary-0123456789]\n",
        "backends:\n  openai:\n    api_key: sk-canary-0123456789\n",
    ] {
        let findings = Backends::built_in().extended(&Source::new("models.yaml", text)).unwrap_err();
        let plain = refused(text);
        for shown in [&plain, &format!("{findings:?}"), &findings.to_json().to_string()] {
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}

#[test]
fn a_list_without_end_is_not_read() {
    use std::fmt::Write;
    let mut text = "hosts:\n".to_owned();
    for at in 0..=MOST_ENTRIES {
        writeln!(text, "  h{at}.example: [K]").unwrap();
    }
    let findings = Backends::built_in().extended(&Source::new("models.yaml", text)).unwrap_err();
    assert_eq!(findings.items()[0].message, "`hosts` has 10001 entries; at most 10000 are read");
}
