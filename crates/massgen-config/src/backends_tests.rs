use super::*;

#[test]
fn types_are_found_by_any_spelling_of_their_name() {
    for (written, meant) in [
        ("OpenAI", "openai"),
        ("azure openai", "azure_openai"),
        ("Together AI", "together"),
        ("Kimi", "moonshot"),
        ("claude-code", "claude_code"),
        (" LM Studio ", "lmstudio"),
    ] {
        assert_eq!(backend(written).map(|backend| backend.name), Some(meant), "{written}");
    }
    assert_eq!(backend("opnai"), None);
    assert_eq!(nearest_type("opnai"), Some("openai"));
}

#[test]
fn the_table_is_sorted_and_every_address_in_it_is_one() {
    let names: Vec<_> = BACKENDS.iter().map(|backend| backend.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for backend in BACKENDS {
        let Some(url) = backend.base_url else { continue };
        assert!(Endpoint::parse(url).is_ok(), "{url}");
        if backend.support == Support::Provider {
            assert_eq!(host_key_variables(url), backend.key_variables, "{}", backend.name);
        }
    }
}

#[test]
fn a_key_follows_the_host_and_nothing_that_looks_like_it() {
    assert_eq!(host_key_variables("https://openrouter.ai/api/v1"), ["OPENROUTER_API_KEY"]);
    assert_eq!(host_key_variables("https://api.z.ai/api/paas/v4/"), ["ZAI_API_KEY"]);
    assert_eq!(host_key_variables("https://api.moonshot.ai/v1"), ["MOONSHOT_API_KEY", "KIMI_API_KEY"]);
    for foreign in [
        "https://openai.com.evil.example/v1",
        "https://notopenai.com/v1",
        "https://evil.example/openai.com/v1",
        "https://fuzz.ai/v1",
        "http://localhost:8000/v1",
        "not an address",
    ] {
        assert!(host_key_variables(foreign).is_empty(), "{foreign}");
    }
}

#[test]
fn well_known_models_tell_their_type() {
    for (model, meant) in [
        ("GPT-5.4", "openai"),
        ("o4-mini", "openai"),
        ("claude-opus-4-6", "claude"),
        ("gemini-3-flash-preview", "gemini"),
        ("grok-4", "grok"),
        ("glm-4.5", "zai"),
        ("simulated", "simulated"),
    ] {
        assert_eq!(type_of_model(model).map(|backend| backend.name), Some(meant), "{model}");
    }
    assert_eq!(type_of_model("llama-3.3-70b"), None);
}
