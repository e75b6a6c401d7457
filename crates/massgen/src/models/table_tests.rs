use massgen_model::listing::Abilities;
use massgen_protocol::Price;

use super::*;
use crate::models::report;

fn entry(name: &str, facts: ModelFacts, abilities: &[(Ability, bool)]) -> Entry {
    Entry {
        name: name.to_owned(),
        facts,
        abilities: abilities.iter().copied().collect::<Abilities>(),
        tools: Vec::new(),
    }
}

fn providers() -> Vec<Provider> {
    let price = Price {
        input: 1_750_000_000,
        output: 14_000_000_000,
        cached_input: 175_000_000,
        cache_write: 1_750_000_000,
    };
    let facts =
        ModelFacts { context_window: Some(400_000), max_output_tokens: Some(128_000), price: Some(price) };
    let large = ModelFacts {
        context_window: Some(1_048_576),
        max_output_tokens: Some(8192),
        price: Some(Price { input: 10_000, ..Price::FREE }),
    };
    let tools = [(Ability::Tools, true), (Ability::Reasoning, true), (Ability::Images, false)];
    let provider = |kind: &str, origin, models| Provider {
        kind: kind.to_owned(),
        display_name: kind.to_uppercase(),
        origin,
        models,
        unusable: 0,
        error: None,
    };
    vec![
        provider(
            "openai",
            Origin::Service,
            vec![
                entry("gpt-5.2", facts, &tools),
                entry(
                    "a-name-that-is-much-longer-than-the-column-that-is-there-for-it",
                    large,
                    &[(Ability::Tools, false)],
                ),
                entry("nobody-knows-it", ModelFacts::default(), &[]),
            ],
        ),
        Provider { unusable: 2, ..provider("groq", Origin::Service, Vec::new()) },
        Provider {
            error: Some("`h` answered 401".to_owned()),
            ..provider("zai", Origin::Service, Vec::new())
        },
        provider("claude", Origin::Catalogue, vec![entry("claude-x", facts, &[])]),
    ]
}

#[test]
fn it_fits_the_terminal_and_tells_what_is_unknown() {
    for (width, name) in [(80, "wide"), (40, "narrow")] {
        let text = table(&providers(), width);
        for line in text.lines().filter(|line| !line.contains("much-longer")) {
            assert!(line.width() <= width, "{line}");
        }
        insta::assert_snapshot!(format!("models_{name}"), text);
    }
    assert_eq!(table(&[], 80), "");
}

#[test]
fn unknown_is_null_for_programs_and_never_zero() {
    let json = report::json(&providers());
    let unknown = &json["providers"][0]["models"][2];
    for key in ["context_window", "max_output_tokens", "price"] {
        assert!(unknown[key].is_null(), "{key}");
    }
    assert!(unknown["capabilities"]["tools"].is_null());
    let known = &json["providers"][0]["models"][0];
    assert_eq!(known["price"]["input"].as_f64(), Some(1.75));
    assert_eq!(known["capabilities"]["image_understanding"], false);
    assert_eq!(json["providers"][2]["error"], "`h` answered 401");
    assert!(json["providers"][2]["source"].is_null());
}

#[test]
fn numbers_are_short_and_true() {
    let shown = [1, 999, 1000, 8192, 999_499, 999_500, 1_000_000, 1_048_576, 2_000_000, u64::MAX].map(tokens);
    assert_eq!(shown[..9], ["1", "999", "1k", "8k", "999k", "1M", "1M", "1.05M", "2M"]);
    let shown = [0, 1, 2_800_000, 250_000_000, 3_000_000_000, 150_000_000_000].map(dollars);
    assert_eq!(shown, ["free", "<0.0001", "0.0028", "0.25", "3", "150"]);
}
