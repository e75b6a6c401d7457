use super::*;

fn known() -> &'static Backends {
    Backends::built_in()
}

#[test]
fn the_file_that_is_compiled_in_is_right() {
    let mut table = Backends::default();
    let findings = read::built_in(&Source::new("backends.yaml", TABLE), &mut table);
    assert_eq!(crate::render(&findings, crate::Style::Plain { width: 100 }), "");
    for backend in table.types() {
        assert!(!backend.display_name.is_empty() && !backend.provider.is_empty(), "{}", backend.name);
        let default = backend.default_model.as_deref().filter(|_| backend.support != Support::Simulated);
        if let Some(default) = default.filter(|_| backend.support != Support::Never) {
            assert!(backend.model(default).is_some(), "{}: {default} is not among its models", backend.name);
        }
        for model in &backend.models {
            let odd = model.lacks.iter().find(|what| !backend.capabilities.contains(what));
            assert_eq!(odd, None, "{}: {} lacks what its type does not have", backend.name, model.name);
        }
        let is_native = backend.files == FileAccess::Native;
        assert_eq!(
            backend.capabilities.contains(&Capability::FilesystemNative),
            is_native,
            "{}",
            backend.name
        );
    }
}

/// Every type of MassGen 0.1.97 with the variables of its key and its default model.
const REFERENCE: &[(&str, &[&str], Option<&str>)] = &[
    ("ag2", &[], None),
    ("antigravity_cli", &["GEMINI_API_KEY", "GOOGLE_API_KEY"], Some("gemini-3.5-flash")),
    ("azure_openai", &["AZURE_OPENAI_API_KEY"], Some("gpt-4o")),
    ("cerebras", &["CEREBRAS_API_KEY"], Some("llama-3.3-70b")),
    ("chatcompletion", &["OPENAI_API_KEY"], None),
    ("claude", &["ANTHROPIC_API_KEY"], Some("claude-opus-4-6")),
    ("claude_code", &["CLAUDE_CODE_API_KEY", "ANTHROPIC_API_KEY"], Some("claude-opus-4-6")),
    ("codex", &["OPENAI_API_KEY"], Some("gpt-5.4")),
    ("copilot", &[], Some("gpt-5-mini")),
    ("fireworks", &["FIREWORKS_API_KEY"], Some("accounts/fireworks/models/llama-v3p3-70b-instruct")),
    ("gemini", &["GOOGLE_API_KEY", "GEMINI_API_KEY"], Some("gemini-3-flash-preview")),
    ("gemini_cli", &["GEMINI_API_KEY", "GOOGLE_API_KEY"], Some("gemini-3.1-pro-preview")),
    ("grok", &["XAI_API_KEY"], Some("grok-4.20-0309-reasoning")),
    ("groq", &["GROQ_API_KEY"], Some("llama-3.3-70b-versatile")),
    ("inference", &["VLLM_API_KEY", "SGLANG_API_KEY"], None),
    ("lmstudio", &[], None),
    ("moonshot", &["MOONSHOT_API_KEY", "KIMI_API_KEY"], Some("moonshot-v1-128k")),
    ("nebius", &["NEBIUS_API_KEY"], Some("Qwen/Qwen3-4B-fast")),
    ("nvidia_nim", &["NGC_API_KEY"], Some("moonshotai/kimi-k2.5")),
    ("openai", &["OPENAI_API_KEY"], Some("gpt-5.4")),
    ("openrouter", &["OPENROUTER_API_KEY"], None),
    ("poe", &["POE_API_KEY"], None),
    ("qwen", &["QWEN_API_KEY"], Some("qwen-max")),
    ("sglang", &["SGLANG_API_KEY"], None),
    ("simulated", &[], Some("simulated")),
    ("together", &["TOGETHER_API_KEY"], Some("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8")),
    ("uitars", &["UI_TARS_API_KEY"], Some("ui-tars-1.5")),
    ("vllm", &["VLLM_API_KEY"], None),
    ("zai", &["ZAI_API_KEY"], Some("glm-4.5")),
];

#[test]
fn every_type_of_the_python_program_is_there_with_its_keys_and_its_default_model() {
    let rows: Vec<(&str, Vec<&str>, Option<&str>)> = known()
        .types()
        .iter()
        .map(|backend| {
            let keys = backend.key_variables.iter().map(String::as_str).collect();
            (backend.name.as_str(), keys, backend.default_model.as_deref())
        })
        .collect();
    // Those that the Python program lacks.
    let more = ["bedrock", "deepseek", "mistral", "ollama"];
    assert_eq!(rows.iter().filter(|row| more.contains(&row.0)).count(), more.len());
    assert!(rows.is_sorted_by(|one, next| one.0 < next.0), "in alphabetical order");
    let rows: Vec<_> = rows.into_iter().filter(|row| !more.contains(&row.0)).collect();
    let wanted: Vec<_> = REFERENCE.iter().map(|(name, keys, model)| (*name, keys.to_vec(), *model)).collect();
    assert_eq!(rows, wanted);
}

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
        assert_eq!(known().get(written).map(|backend| backend.name.as_str()), Some(meant), "{written}");
    }
    assert_eq!(known().get("opnai"), None);
    assert_eq!(known().nearest_type("opnai"), Some("openai"));
}

#[test]
fn the_keys_of_a_type_are_those_of_the_host_of_its_address() {
    for backend in known().types() {
        let Some(url) = &backend.base_url else { continue };
        assert!(Endpoint::parse(url).is_ok(), "{url}");
        // The host of a region is the provider's by its whole name only: others can have hosts beside it.
        if backend.support == Support::Provider && !url.contains(REGION) {
            assert_eq!(known().host_key_variables(url), backend.key_variables, "{}", backend.name);
        }
    }
}

#[test]
fn a_key_follows_the_host_and_nothing_that_looks_like_it() {
    for (url, keys) in [
        ("https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"][..]),
        ("https://api.z.ai/api/paas/v4/", &["ZAI_API_KEY"]),
        ("https://open.bigmodel.cn/api/paas/v4", &["ZAI_API_KEY"]),
        ("https://api.moonshot.ai/v1", &["MOONSHOT_API_KEY", "KIMI_API_KEY"]),
        ("https://API.Together.XYZ./v1", &["TOGETHER_API_KEY"]),
        ("https://api.poe.com/v1", &["POE_API_KEY"]),
        ("https://dashscope.aliyuncs.com:443/compatible-mode/v1", &["QWEN_API_KEY"]),
    ] {
        assert_eq!(known().host_key_variables(url), keys, "{url}");
    }
    for foreign in [
        "https://openai.com.evil.example/v1",
        "https://notopenai.com/v1",
        "https://evil.example/openai.com/v1",
        "https://evil.example#.openai.com",
        "https://fuzz.ai/v1",
        "http://localhost:8000/v1",
        "not an address",
    ] {
        assert!(known().host_key_variables(foreign).is_empty(), "{foreign}");
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
        assert_eq!(known().type_of_model(model).map(|backend| backend.name.as_str()), Some(meant), "{model}");
    }
    assert_eq!(known().type_of_model("llama-3.3-70b"), None);
}

#[test]
fn a_model_can_do_what_its_type_can_unless_the_table_says_otherwise() {
    let openai = known().get("openai").unwrap();
    assert!(openai.can("gpt-5.4", Capability::Reasoning));
    assert!(!openai.can("gpt-4o", Capability::Reasoning) && openai.can("gpt-4o", Capability::WebSearch));
    assert!(openai.can("a-model-of-tomorrow", Capability::Reasoning));
    assert!(!openai.can("gpt-5.4", Capability::Bash));
}

#[test]
fn what_nobody_knows_of_a_model_stays_unknown() {
    assert_eq!(known().facts("openai", "no-such-model"), ModelFacts::default());
    assert_eq!(known().facts("no-such-type", "gpt-5.4"), ModelFacts::default());
    let kimi = known().facts("moonshot", "moonshot-v1-128k");
    assert_eq!((kimi.context_window, kimi.price), (Some(131_072), None));
}

#[test]
fn the_ways_in_are_told_in_words() {
    let auth = |name: &str| known().get(name).unwrap().auth();
    assert_eq!(auth("codex"), "OPENAI_API_KEY or login");
    assert_eq!(auth("vllm"), "none or VLLM_API_KEY");
    assert_eq!((auth("lmstudio").as_str(), auth("copilot").as_str()), ("none", "subscription"));
}

#[test]
fn the_key_of_a_type_goes_to_its_own_address_and_to_no_strange_one() {
    let table = Backends::built_in();
    let claude = table.get("claude").unwrap();
    let variables = |url: &str| table.key_variables(claude, url);
    assert_eq!(variables("https://api.anthropic.com"), ["ANTHROPIC_API_KEY"]);
    for elsewhere in
        ["https://api.anthropic.com.evil.example", "http://127.0.0.1:1", "https://evil.example", "no url"]
    {
        assert!(variables(elsewhere).is_empty(), "{elsewhere}");
    }
    assert_eq!(variables("https://api.openai.com/v1"), ["OPENAI_API_KEY"], "the host's key, not the type's");
    let vllm = table.get("vllm").unwrap();
    assert_eq!(table.key_variables(vllm, "http://gpu.example:8000/v1"), vllm.key_variables);
}
