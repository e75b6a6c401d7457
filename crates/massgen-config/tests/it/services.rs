//! Which service each backend type means: protocol, address, key, header, tools and parameters.

use std::fmt::Write;

use massgen_config::Settings;
use massgen_config::backends::{Backends, Support};
use massgen_protocol::spec::{AgentSpec, BackendSpec, Service};
use serde_json::{Value, json};

use crate::{load_text, load_with, told};

const ENVIRONMENT: &[(&str, &str)] = &[
    ("AZURE_OPENAI_ENDPOINT", "https://team.openai.azure.com/"),
    ("AWS_DEFAULT_REGION", "eu-central-1"),
    ("VLLM_API_KEY", "set"),
];

fn agent_in(agent: &str, environment: &[(&str, &str)]) -> (AgentSpec, Vec<String>) {
    let mut loaded = load_with(&format!("agent: {{id: a, {agent}}}"), &Settings::default(), environment)
        .unwrap_or_else(|findings| panic!("{agent}: {:?}", told(&findings)));
    (loaded.draft.agents.remove(0), told(&loaded.findings))
}

fn backend(keys: &str) -> (BackendSpec, Vec<String>) {
    let (agent, told) = agent_in(&format!("backend: {{{keys}}}"), ENVIRONMENT);
    (agent.backend, told)
}

fn service(keys: &str) -> Service {
    backend(keys).0.service().unwrap().clone()
}

fn parameters(keys: &str) -> Value {
    let (backend, told) = backend(keys);
    assert!(told.is_empty(), "{told:?}");
    serde_json::to_value(backend.parameters).unwrap()
}

fn refused(keys: &str) -> Vec<String> {
    told(&load_text(&format!("agent: {{id: a, backend: {{{keys}}}}}")).unwrap_err())
}

#[test]
fn every_type_that_runs_has_its_service() {
    let mut table = String::new();
    for kind in Backends::built_in().types() {
        if !matches!(kind.support, Support::Provider | Support::OwnServer) {
            continue;
        }
        let mut keys = format!("type: {}", kind.name);
        if kind.default_model.is_none() {
            keys.push_str(", model: m");
        }
        if matches!(kind.name.as_str(), "poe" | "zai") {
            assert!(refused(&keys)[0].ends_with("needs a `base_url`"), "{}", kind.name);
            let host = if kind.name == "poe" { "api.poe.com/v1" } else { "api.z.ai/api/paas/v4" };
            write!(keys, ", base_url: 'https://{host}'").unwrap();
        }
        for key in ["enable_web_search", "enable_x_search", "enable_code_execution"] {
            let with = format!("{keys}, {key}: true");
            if load_with(&format!("agent: {{id: a, backend: {{{with}}}}}"), &Settings::default(), ENVIRONMENT)
                .is_ok()
            {
                keys = with;
            }
        }
        let (backend, told) = backend(&keys);
        let service = backend.service().unwrap();
        writeln!(
            table,
            "{} {}: {:?} {}\n    {:?} in {:?}; tools {:?}; parameters {}",
            kind.name,
            backend.model,
            service.protocol,
            service.base_url,
            service.key_variables,
            service.key_header,
            service.tools,
            serde_json::to_string(&backend.parameters).unwrap(),
        )
        .unwrap();
        for line in told {
            writeln!(table, "    {line}").unwrap();
        }
    }
    insta::assert_snapshot!("services", table);
}

#[test]
fn a_deployment_of_azure_has_its_address_and_its_version() {
    let at = |keys: &str| {
        let service = service(&format!("type: azure_openai, model: my-gpt, {keys}"));
        (service.base_url, format!("{:?} {:?}", service.key_header, service.key_variables))
    };
    let key = r#"ApiKey ["AZURE_OPENAI_API_KEY"]"#.to_owned();
    let deployment = "https://r.openai.azure.com/openai/deployments/my-gpt?api-version=2024-12-01-preview";
    for url in ["", "/", "/openai", "/openai/deployments/other/chat/completions"] {
        assert_eq!(
            at(&format!("azure_endpoint: 'https://r.openai.azure.com{url}'")),
            (deployment.to_owned(), key.clone())
        );
    }
    let (url, _) = at("base_url: 'https://r.openai.azure.com', api_version: 2025-03-01-preview");
    assert!(url.ends_with("?api-version=2025-03-01-preview"), "{url}");
    let unified = at("base_url: 'https://r.openai.azure.com/openai/v1/'");
    let bearer = r#"Bearer ["AZURE_OPENAI_API_KEY"]"#.to_owned();
    assert_eq!(unified, ("https://r.openai.azure.com/openai/v1".to_owned(), bearer));
    let (elsewhere, keys) = at("base_url: 'https://azure.example.org'");
    assert!(elsewhere.starts_with("https://azure.example.org/openai/") && keys == "ApiKey []", "{keys}");
    let version = [("AZURE_OPENAI_API_VERSION", "2030-01-01"), ENVIRONMENT[0]];
    let (agent, _) = agent_in("backend: {type: azure_openai}", &version);
    assert_eq!(
        agent.backend.service().unwrap().base_url,
        "https://team.openai.azure.com/openai/deployments/gpt-4o?api-version=2030-01-01"
    );
    assert_eq!(
        refused("type: azure_openai, base_url: 'https://r.openai.azure.com', model: 'a/b?c'"),
        ["1 error: `a/b?c` is no name of a deployment"]
    );
    assert_eq!(refused("type: azure_openai"), ["1 error: the type `azure_openai` needs a `base_url`"]);
}

#[test]
fn bedrock_is_in_a_region() {
    assert_eq!(
        service("type: bedrock, region: us-west-2").base_url,
        "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1"
    );
    let own = service("type: bedrock, base_url: 'https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1'");
    assert_eq!(own.key_variables, ["AWS_BEARER_TOKEN_BEDROCK"]);
    for foreign in
        ["https://bedrock-runtime.x.evil.amazonaws.com", "https://x.execute-api.us-east-1.amazonaws.com"]
    {
        assert!(
            service(&format!("type: bedrock, base_url: '{foreign}'")).key_variables.is_empty(),
            "{foreign}"
        );
    }
    assert_eq!(refused("type: bedrock"), ["1 error: the type `bedrock` needs a `region`"]);
    assert_eq!(refused("type: bedrock, region: 'evil.example/'"), ["1 error: `evil.example/` is no region"]);
}

#[test]
fn openrouter_searches_with_a_plugin_and_tells_costs() {
    let open = |keys: &str| parameters(&format!("type: openrouter, model: m, {keys}"));
    assert_eq!(open("temperature: 0"), json!({ "temperature": 0, "usage": { "include": true } }));
    assert_eq!(
        open(
            "enable_web_search: true, max_results: 3, search_prompt: Look, search_context_size: low, reasoning: true"
        ),
        json!({
            "plugins": [{ "id": "web", "engine": "exa", "max_results": 3, "search_prompt": "Look" }],
            "reasoning": { "enabled": true },
            "usage": { "include": true },
            "web_search_options": { "search_context_size": "low" },
        })
    );
    assert_eq!(
        open("enable_web_search: true, plugins: [{id: web, engine: native}]")["plugins"],
        json!([{ "id": "web", "engine": "native" }])
    );
    for bad in ["engine: bing", "max_results: 0", "search_context_size: huge", "reasoning: {effort: max}"] {
        assert_eq!(refused(&format!("type: openrouter, model: m, {bad}")).len(), 1, "{bad}");
    }
}

#[test]
fn parameters_have_the_names_of_their_protocol() {
    let cases = [
        (
            "type: openai, reasoning_effort: low, verbosity: low, text: {format: {type: text}}",
            json!({
                "reasoning": { "effort": "low" }, "text": { "format": { "type": "text" }, "verbosity": "low" },
            }),
        ),
        (
            "type: claude, stop: [x], reasoning: {type: enabled, budget_tokens: 2000, effort: high}, betas: [b]",
            json!({
                "stop_sequences": ["x"], "thinking": { "type": "enabled", "budget_tokens": 2000 },
                "output_config": { "effort": "high" }, "betas": ["b"],
            }),
        ),
        (
            "type: gemini, stop: x, top_k: 3, thinking_config: {thinking_level: high}",
            json!({
                "stop_sequences": "x", "top_k": 3, "thinking_config": { "thinking_level": "high" },
            }),
        ),
        (
            "type: ollama, model: m, repetition_penalty: 1.1, reasoning: false, num_ctx: 8192",
            json!({
                "repeat_penalty": 1.1, "think": false, "num_ctx": 8192,
            }),
        ),
        ("type: groq, reasoning: {effort: low}, stop: x", json!({ "reasoning_effort": "low", "stop": "x" })),
    ];
    for (keys, wanted) in cases {
        assert_eq!(parameters(keys), wanted, "{keys}");
    }
}

#[test]
fn bounds_and_own_fields_stay_out_of_extra_body_in_every_protocol() {
    for field in ["input: x", "system: x", "contents: []", "candidateCount: 2"] {
        assert!(
            refused(&format!("type: claude, extra_body: {{{field}}}"))[0].contains("would replace"),
            "{field}"
        );
    }
    for field in
        ["max_output_tokens: 1", "generationConfig: {maxOutputTokens: 1}", "options: {num_predict: 1}"]
    {
        assert!(
            refused(&format!("type: gemini, extra_body: {{{field}}}"))[0].contains("escape the budget"),
            "{field}"
        );
    }
}

#[test]
fn an_old_gemini_is_told_to_have_no_tools_of_its_own_here() {
    let (spec, told) =
        backend("type: gemini, model: gemini-2.5-pro, enable_web_search: true, enable_code_execution: true");
    assert!(spec.service().unwrap().tools.is_empty());
    assert_eq!(
        told,
        [
            "1 warning: without effect: `enable_web_search`, `enable_code_execution`: `gemini-2.5-pro` cannot use this \
          together with the tools of an agent"
        ]
    );
}

#[test]
fn tools_that_a_service_does_not_run_are_refused() {
    for (key, what) in [("enable_web_search", "web search"), ("enable_code_interpreter", "code execution")] {
        let told =
            refused(&format!("type: azure_openai, base_url: 'https://r.openai.azure.com', {key}: true"));
        assert_eq!(told, [format!("1 error: the type `azure_openai` has no {what}")]);
    }
    let gateway = "type: openrouter, model: m, base_url: 'http://localhost:4000/v1', enable_web_search: true";
    assert_eq!(
        refused(gateway),
        [
            "1 error: without effect: `enable_web_search`: `localhost` does not offer this to the type `openrouter`"
        ]
    );
}

#[test]
fn a_fallback_is_a_backend_of_its_own() {
    let text = "backend: {type: openai}, fallback: [{type: claude, api_key: sk-0123456789}, \
                {type: groq, api_key_command: pass groq, llm_circuit_breaker_enabled: true}]";
    let (agent, told) = agent_in(text, &[]);
    assert_eq!(told, ["1 warning: a key is written into the configuration itself"]);
    let kinds: Vec<_> = agent.backends().map(|backend| backend.kind.as_str()).collect();
    assert_eq!(kinds, ["openai", "claude", "groq"]);
    let [claude, groq] = [0, 1].map(|at: usize| agent.fallback[at].service().unwrap().clone());
    assert_eq!(claude.key_variables, ["MASSGEN_AGENT_1_FALLBACK_1_KEY"]);
    assert_eq!(groq.key_variables, ["MASSGEN_AGENT_1_FALLBACK_2_KEY"]);
    assert!(groq.key_command.is_some() && groq.pacing.breaker.is_some());
}

#[test]
fn mistakes_in_a_fallback_are_told_at_their_place() {
    let text = "agents: [{id: a, backend: {type: openai}, fallback: [{type: groq}, {type: claude, modle: x}, \
                {type: simulated}, {type: groq, enable_x_search: true}]}]";
    let findings = load_text(text).unwrap_err();
    let places: Vec<_> = findings.items().iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "agents[0].fallback[1].modle",
            "agents[0].fallback[2].type",
            "agents[0].fallback[3].enable_x_search"
        ]
    );
}

#[test]
fn a_key_is_wanted_for_every_fallback() {
    let text = "agent: {id: a, backend: {type: openai}, fallback: [{type: vllm, model: m}, {type: claude}]}";
    let loaded = load_text(text).unwrap();
    let missing = loaded.missing_keys(&|name| (name == "OPENAI_API_KEY").then(|| "k".to_owned()), "here");
    assert_eq!(
        told(&missing),
        [
            "1 error: agent `a` has no key for `claude-opus-4-6` of its `fallback`: `ANTHROPIC_API_KEY` is not set"
        ]
    );
}

#[test]
fn flags_that_name_a_model_leave_no_other() {
    let text = "agent: {id: a, backend: {type: openai}, fallback: [{type: groq}]}";
    let with = |settings: Settings| load_with(text, &settings, &[]).unwrap().draft.agents[0].clone();
    assert!(with(Settings { simulate: true, ..Settings::default() }).fallback.is_empty());
    assert!(with(Settings { model: Some("gpt-5".into()), ..Settings::default() }).fallback.is_empty());
    assert_eq!(with(Settings::default()).fallback.len(), 1);
}

#[test]
fn a_parameter_of_another_protocol_is_refused_with_those_that_have_it() {
    for (keys, parameter) in [
        ("type: openai, stop: [x]", "stop"),
        ("type: groq, betas: [x]", "betas"),
        ("type: claude, seed: 1", "seed"),
        ("type: grok, thinking_config: {}", "thinking_config"),
    ] {
        let kind = keys.split([' ', ',']).nth(1).unwrap();
        let wanted = format!("1 error: `{parameter}` is no parameter of the type `{kind}`");
        assert_eq!(refused(keys), [wanted], "{keys}");
    }
    let text = "agent: {id: a, backend: {type: groq, betas: [x]}}";
    assert_eq!(
        load_text(text).unwrap_err().items()[0].hint.as_deref(),
        Some("remove it: it is one of `claude`; what only the provider knows goes under `extra_body`")
    );
    assert_eq!(refused("type: openai, num_ctx: 1")[0], "1 error: unknown key `num_ctx` in `agent.backend`");
}
