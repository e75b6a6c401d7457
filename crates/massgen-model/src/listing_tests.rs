use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(protocol: Protocol, document: &Value) -> Page {
    page(protocol, document.to_string().as_bytes()).unwrap()
}

fn only(protocol: Protocol, document: &Value) -> Listed {
    let [model] = <[Listed; 1]>::try_from(read(protocol, document).models).unwrap();
    model
}

fn chat(entry: &Value) -> Listed {
    only(Protocol::ChatCompletions, &json!({"object": "list", "data": [entry]}))
}

#[test]
fn a_bare_list_tells_names_and_nothing_more() {
    let list = json!({"object": "list", "data": [
        {"id": "gpt-5.2", "object": "model", "created": 1_765_000_000, "owned_by": "system"},
        {"id": "gpt-5-mini", "object": "model", "created": 1_754_000_000, "owned_by": "system"},
        {"id": "gpt-5.2"},
    ]});
    for protocol in [Protocol::ChatCompletions, Protocol::Responses] {
        let page = read(protocol, &list);
        let names: Vec<_> = page.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["gpt-5.2", "gpt-5-mini"]);
        assert!(page.models.iter().all(|model| model.facts == ModelFacts::default()));
        assert!(page.models.iter().all(|model| model.abilities == Abilities::default()));
        assert_eq!(page.next, None);
    }
}

#[test]
fn openrouter_tells_prices_per_token_and_what_goes_in() {
    let entry = |pricing: Value| {
        json!({"id": "z-ai/glm-5", "name": "GLM 5", "context_length": 202_752,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": pricing, "top_provider": {"context_length": 202_752, "max_completion_tokens": 65536},
        "supported_parameters": ["tools", "temperature"]})
    };
    let model = chat(&entry(
        json!({"prompt": "0.000001", "completion": "0.0000032", "input_cache_read": "0.0000002",
        "request": "0"}),
    ));
    let price = Price {
        input: 1_000_000_000,
        output: 3_200_000_000,
        cached_input: 200_000_000,
        cache_write: 1_000_000_000,
    };
    let facts =
        ModelFacts { context_window: Some(202_752), max_output_tokens: Some(65536), price: Some(price) };
    assert_eq!(model.facts, facts);
    let can = |ability| model.abilities.can(ability);
    assert_eq!((can(Ability::Tools), can(Ability::Reasoning)), (Some(true), Some(false)));
    assert_eq!((can(Ability::Images), can(Ability::Audio)), (Some(true), Some(false)));
    let free = chat(&entry(json!({"prompt": "0", "completion": "0"})));
    assert_eq!(free.facts.price, Some(Price::FREE), "what is said to be free is");
    for unknown in [
        json!({"prompt": "-1", "completion": "-1"}),
        json!({"prompt": "0.1"}),
        json!({"prompt": "NaN", "completion": "inf"}),
        json!({"prompt": "1e300", "completion": "1"}),
        json!("free"),
        json!({}),
    ] {
        assert_eq!(chat(&entry(unknown.clone())).facts.price, None, "{unknown}");
    }
}

#[test]
fn windows_and_abilities_are_found_under_the_names_of_many_services() {
    let groq =
        chat(&json!({"id": "m", "active": true, "context_window": 131_072, "max_completion_tokens": 32768}));
    assert_eq!((groq.facts.context_window, groq.facts.max_output_tokens), (Some(131_072), Some(32768)));
    let poe = chat(
        &json!({"id": "m", "context_window": {"context_length": 400_000, "max_output_tokens": 128_000}}),
    );
    assert_eq!((poe.facts.context_window, poe.facts.max_output_tokens), (Some(400_000), Some(128_000)));
    let mistral = chat(&json!({"id": "m", "type": "base", "max_context_length": 131_072,
        "capabilities": {"completion_chat": true, "function_calling": true, "vision": false}}));
    assert_eq!(mistral.facts.context_window, Some(131_072));
    assert_eq!(mistral.abilities.can(Ability::Tools), Some(true));
    assert_eq!(mistral.abilities.can(Ability::Images), Some(false));
    assert_eq!(mistral.abilities.can(Ability::Audio), None);
    let vllm = chat(&json!({"id": "m", "max_model_len": 40960, "root": "m"}));
    assert_eq!(vllm.facts.context_window, Some(40960));
    let moonshot = chat(&json!({"id": "m", "context_length": 262_144, "supports_image_in": true}));
    assert_eq!(moonshot.abilities.can(Ability::Images), Some(true));
    let together = json!([{"id": "a/b", "type": "chat", "context_length": 8192,
            "pricing": {"hourly": 0, "input": 0.3, "output": 0.9, "base": 0}},
        {"id": "by-the-hour", "type": "chat", "pricing": {"hourly": 2, "input": 0, "output": 0}},
        {"id": "flux", "type": "image"}]);
    let together = read(Protocol::ChatCompletions, &together).models;
    assert_eq!(together.len(), 2);
    assert_eq!(together[0].facts.price.unwrap().output, 900_000_000);
    assert_eq!(together[1].facts.price, None);
    let nothing = chat(&json!({"id": "m", "context_length": 0, "max_completion_tokens": null}));
    assert_eq!(nothing.facts, ModelFacts::default(), "0 is no window");
}

#[test]
fn anthropic_and_gemini_tell_where_the_list_goes_on() {
    let mut list = json!({"data": [{"type": "model", "id": "claude-sonnet-4-6", "display_name": "Claude Sonnet 4.6",
        "created_at": "2026-02-04T00:00:00Z", "max_input_tokens": 200_000, "max_tokens": 64000,
        "capabilities": {"image_input": {"supported": true}, "thinking": {"supported": true}}}],
        "has_more": true, "first_id": "claude-sonnet-4-6", "last_id": "claude-sonnet-4-6"});
    let page = read(Protocol::Messages, &list);
    assert_eq!(page.next.as_deref(), Some("claude-sonnet-4-6"));
    let model = &page.models[0];
    assert_eq!((model.facts.context_window, model.facts.max_output_tokens), (Some(200_000), Some(64000)));
    assert_eq!(model.abilities.can(Ability::Images), Some(true));
    list["has_more"] = json!(false);
    assert_eq!(read(Protocol::Messages, &list).next, None);

    let list = json!({"models": [
        {"name": "models/gemini-3-flash", "displayName": "Gemini 3 Flash", "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65536, "supportedGenerationMethods": ["generateContent", "countTokens"], "thinking": true},
        {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]}],
        "nextPageToken": "abc"});
    let page = read(Protocol::Gemini, &list);
    assert_eq!(page.next.as_deref(), Some("abc"));
    let [model] = page.models.as_slice() else { panic!("{page:?}") };
    assert_eq!(model.name, "gemini-3-flash");
    assert_eq!(model.facts.context_window, Some(1_048_576));
    assert_eq!(model.abilities.can(Ability::Reasoning), Some(true));
    assert_eq!(model.abilities.can(Ability::Tools), None);
}

#[test]
fn ollama_tells_what_was_pulled() {
    let list = json!({"models": [{"name": "qwen3:4b", "model": "qwen3:4b", "size": 2_600_000_000_u64,
        "details": {"family": "qwen3", "parameter_size": "4.0B"}, "capabilities": ["completion", "tools", "thinking"]}]});
    let model = only(Protocol::Ollama, &list);
    assert_eq!(model.name, "qwen3:4b");
    assert_eq!(model.abilities.can(Ability::Reasoning), Some(true));
    assert_eq!(model.abilities.can(Ability::Images), Some(false));
}

#[test]
fn names_that_cannot_stand_in_a_command_are_counted_and_left_out() {
    let long = "x".repeat(NAME_BYTES + 1);
    let list = json!({"data": [{"id": "good"}, {"id": "\u{1b}[2Jbad"}, {"id": "a b"}, {"id": ""}, {"id": 7}, {}, 3,
        {"id": "\u{202e}evil"}, {"id": long}]});
    let page = read(Protocol::ChatCompletions, &list);
    assert_eq!((page.models.len(), page.unusable), (1, 8));
}

#[test]
fn what_is_no_list_is_told() {
    for (body, problem) in [
        ("<html>", "no JSON"),
        ("", "no JSON"),
        ("{}", "no list under `data`"),
        (r#"{"data": {"id": "m"}}"#, "no list under `data`"),
        ("3", "no list under `data`"),
    ] {
        let error = page(Protocol::ChatCompletions, body.as_bytes()).unwrap_err();
        assert!(error.starts_with(problem), "{body}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(page(Protocol::Ollama, deep.as_bytes()).is_err());
}

const PROTOCOLS: [Protocol; 5] =
    [Protocol::ChatCompletions, Protocol::Responses, Protocol::Messages, Protocol::Gemini, Protocol::Ollama];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_it(body in proptest::collection::vec(any::<u8>(), 0..300), at in 0..400_usize, byte: u8) {
        let mut list = json!({"data": [{"id": "m", "pricing": {"prompt": "1", "completion": "2"}, "capabilities": [],
            "context_window": {"context_length": 5}}], "models": [{"name": "models/m"}], "has_more": true, "last_id": "m"})
            .to_string().into_bytes();
        if let Some(place) = list.get_mut(at) {
            *place = byte;
        }
        for protocol in PROTOCOLS {
            for body in [&body, &list] {
                if let Ok(page) = page(protocol, body) {
                    prop_assert!(page.models.iter().all(|model| is_usable(&model.name)));
                }
            }
        }
    }
}
