//! Where keys of providers may go, and where they never do.

use massgen_config::{LiteralKey, Settings, Severity, Style, render};
use massgen_protocol::spec::Wire;

use crate::{load_text, load_with, told};

const CANARY: &str = "sk-canary-0123456789";

fn variables(backend: &str, environment: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let text = format!("agent: {{id: a, backend: {{model: m, {backend}}}}}");
    let loaded = load_with(&text, &Settings::default(), environment).unwrap();
    match &loaded.draft.agents[0].backend.wire {
        Wire::Service(service) => (service.key_variables.clone(), told(&loaded.findings)),
        Wire::Simulated(_) => panic!("no key"),
    }
}

#[test]
fn a_key_goes_to_its_own_provider_only() {
    for (backend, keys) in [
        ("type: chatcompletion", &["OPENAI_API_KEY"][..]),
        ("type: chatcompletion, base_url: 'https://api.groq.com/openai/v1'", &["GROQ_API_KEY"]),
        ("type: moonshot", &["MOONSHOT_API_KEY", "KIMI_API_KEY"]),
        ("type: openai, base_url: 'https://openrouter.ai/api/v1'", &["OPENROUTER_API_KEY"]),
        ("type: zai, base_url: 'https://open.bigmodel.cn/api/paas/v4'", &["ZAI_API_KEY"]),
        ("type: chatcompletion, base_url: 'http://localhost:11434/v1'", &[]),
        ("type: openai, base_url: 'http://127.0.0.1:8080/v1'", &[]),
        ("type: chatcompletion, base_url: 'https://llm.example.org/v1'", &[]),
        ("type: openai, base_url: 'https://openai.com.example.org/v1'", &[]),
        (
            "type: chatcompletion, base_url: 'https://llm.example.org/v1', api_key: '${TEAM_KEY}'",
            &["TEAM_KEY"],
        ),
        ("type: vllm", &[]),
    ] {
        assert_eq!(variables(backend, &[("OPENAI_API_KEY", CANARY)]).0, keys, "{backend}");
    }
}

#[test]
fn a_server_of_ones_own_gets_its_key_when_that_is_set() {
    assert_eq!(variables("type: vllm", &[("VLLM_API_KEY", "x")]).0, ["VLLM_API_KEY"]);
    assert!(variables("type: vllm", &[("VLLM_API_KEY", "")]).0.is_empty());
}

#[test]
fn an_unknown_host_without_a_key_is_told_how_to_get_one() {
    let (_, told) = variables("type: openai, base_url: 'https://llm.example.org/v1'", &[]);
    assert!(
        told.iter()
            .any(|line| line == "1 warning: no key is sent to `llm.example.org`: its provider is not known")
    );
    let (_, told) = variables("type: chatcompletion, base_url: 'http://gpu.lan:8000/v1'", &[]);
    assert!(told[0].starts_with("1 notice: no key is sent"), "{told:?}");
}

#[test]
fn a_key_over_a_readable_connection_is_warned_of() {
    let (_, told) = variables("type: chatcompletion, base_url: 'http://api.openai.com/v1'", &[]);
    assert_eq!(told, ["1 warning: the key travels readable to `api.openai.com`"]);
}

#[test]
fn missing_keys_name_their_variables_and_where_they_were_looked_for() {
    let text = "agents:\n  - {id: a, backend: {type: moonshot}}\n  - {id: b, backend: {type: groq}}\n";
    let loaded = load_text(text).unwrap();
    let groq = |name: &str| (name == "GROQ_API_KEY").then(|| CANARY.to_owned());
    let missing = loaded.missing_keys(&groq, "the environment, ./.env");
    assert_eq!(
        told(&missing),
        ["2 error: agent `a` has no key: `MOONSHOT_API_KEY` or `KIMI_API_KEY` is not set"]
    );
    assert!(missing.items()[0].hint.as_deref().unwrap().starts_with("looked in the environment, ./.env"));
    let kimi = |name: &str| (name != "MOONSHOT_API_KEY").then(|| CANARY.to_owned());
    assert!(loaded.missing_keys(&kimi, "").is_empty());
}

#[test]
fn a_key_in_the_file_is_handed_over_apart_and_shown_nowhere() {
    let text = format!(
        "agents:\n  - id: a\n    backend:\n      type: groq\n      api_key: {CANARY}  # mine\n  - id: b\n    backend:\n      type: chatcompletion\n      \
         model: m\n      base_url: https://llm.example.org/v1\n      api_key: \"{CANARY}-b\"\n      \
         mcp_servers: [{{name: x, command: y, env: {{SOME_TOKEN: {CANARY}}}}}]\n"
    );
    let loaded = load_text(&text).unwrap();
    let handed: Vec<_> = loaded
        .literal_keys
        .iter()
        .map(|key| (key.agent.as_str(), key.variable.as_str(), key.expose()))
        .collect();
    let second = format!("{CANARY}-b");
    assert_eq!(
        handed,
        [
            ("a", "MASSGEN_AGENT_1_KEY", CANARY),
            ("b", "MASSGEN_AGENT_2_KEY", second.as_str()),
            ("b", "MASSGEN_AGENT_2_SECRET_1", CANARY)
        ]
    );
    assert_eq!(
        loaded
            .findings
            .of(Severity::Warning)
            .filter(|w| w.message == "a key is written into the configuration itself")
            .count(),
        3
    );
    assert!(loaded.missing_keys(&|_| None, "").is_empty());
    let debug = format!("{loaded:?}");
    let written = loaded.written.to_string();
    let findings = loaded.findings.clone();
    let shown = [
        debug,
        render(&findings, Style::Plain { width: 80 }),
        render(&findings, Style::Drawn { width: 80 }),
        findings.to_json().to_string(),
        serde_json::to_string(&loaded.draft.with_question("q").unwrap()).unwrap(),
    ];
    for text in shown.iter().chain([&written]) {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(
        written.contains("\"api_key\":\"***\"") && written.contains("\"SOME_TOKEN\":\"***\""),
        "{written}"
    );
}

#[test]
fn a_broken_file_shows_no_key_either() {
    let lines = [
        format!("api_key: {CANARY}\nagents: [\n"),
        format!("agents:\n  - id: a\n    backend: {{type: groq, api_key: {CANARY}\n"),
        format!("agent:\n  id: a\n  backend:\n    type: groq\n    api_key: {CANARY}\n    modle: x\n"),
        format!(
            "agent:\n  id: a\n  backend:\n    type: groq\n    model: &k {CANARY}\n    api_key: *k\n    temperature: *k\n"
        ),
        format!("agent: {{id: a, backend: {{type: groq, extra_body: {{token: {CANARY}}}}}}}"),
        format!("agent: {{id: a, backend: {{type: groq, api_key: [{CANARY}]}}}}"),
        format!("agent: {{id: a, backend: {{type: groq, base_url: 'https://me:{CANARY}@host/v1'}}}}"),
        format!(
            "{{\"agent\": {{\"id\": \"a\", \"backend\": {{\"type\": \"groq\", \"api_key\": \"{CANARY}\", \"x\": 1}}}}}}"
        ),
    ];
    for text in lines {
        let findings = load_text(&text).unwrap_err();
        let plain = render(&findings, Style::Plain { width: 200 });
        for shown in [
            &plain,
            &render(&findings, Style::Drawn { width: 200 }),
            &format!("{findings:?}"),
            &findings.to_json().to_string(),
        ] {
            assert!(!shown.contains("canary"), "{text}\n{shown}");
        }
    }
}

#[test]
fn keys_of_the_environment_never_reach_the_specification() {
    let environment = [("OPENAI_API_KEY", CANARY), ("HOST", "llm.example.org"), ("MY_TOKEN", CANARY)];
    for backend in [
        "type: groq, extra_body: {auth: '${OPENAI_API_KEY}'}",
        "type: groq, model: '${MY_TOKEN}'",
        "type: chatcompletion, model: m, base_url: 'https://h/${OPENAI_API_KEY}/v1'",
        "type: groq, stop: ['${MY_TOKEN}']",
    ] {
        let text = format!("agent: {{id: a, backend: {{{backend}}}}}");
        let findings = load_with(&text, &Settings::default(), &environment).unwrap_err();
        assert!(told(&findings)[0].contains("looks like a key and cannot stand in"), "{:?}", told(&findings));
        assert!(!render(&findings, Style::Plain { width: 200 }).contains("canary"));
    }
    let text = "agent: {id: a, backend: {type: openai, base_url: 'https://${HOST}/v1', api_key: '${OPENAI_API_KEY}'}}";
    let loaded = load_with(text, &Settings::default(), &environment).unwrap();
    assert_eq!(loaded.written["agent"]["backend"]["base_url"], "https://${HOST}/v1");
    assert_eq!(loaded.written["agent"]["backend"]["api_key"], "${OPENAI_API_KEY}");
    assert!(!format!("{loaded:?}").contains("canary"));
}

#[test]
fn a_key_mixed_with_other_text_is_refused() {
    let findings = load_text("agent: {id: a, backend: {type: groq, api_key: 'Bearer ${X}'}}").unwrap_err();
    assert_eq!(told(&findings), ["1 error: `api_key` mixes a variable with other text"]);
}

#[test]
fn an_unset_variable_is_an_error_where_it_is_used_and_only_there() {
    let text = "agent:\n  id: a\n  system_message: 'Speak ${LANGUAGE}'\n  backend:\n    type: simulated\n    exclude_custom_tools: ['${NOWHERE}']\n    \
                mcp_servers: [{name: x, command: '${NOWHERE}'}]\n";
    let findings = load_text(text).unwrap_err();
    let errors: Vec<_> = findings.of(Severity::Error).map(|finding| finding.message.as_str()).collect();
    assert_eq!(errors, ["the environment variable `LANGUAGE` is not set"]);
    // A server that cannot be started leaves the rest of the team at work.
    let loaded = load_with(text, &Settings::default(), &[("LANGUAGE", "Latin")]).unwrap();
    let warnings: Vec<_> = loaded.findings.of(Severity::Warning).map(|warning| &warning.message).collect();
    assert_eq!(warnings, ["the environment variable `NOWHERE` is not set, and the server needs it"]);
    assert_eq!(loaded.draft.agents[0].system_message.as_deref(), Some("Speak Latin"));
    assert_eq!(loaded.written["agent"]["system_message"], "Speak ${LANGUAGE}");
}

#[test]
fn a_variable_may_hold_a_number_or_a_switch() {
    let text = "agent: {id: a, backend: {type: groq, temperature: '${T}', max_tokens: '${N}', parallel_tool_calls: '${P}'}}";
    let environment = |t| [("T", t), ("N", "5"), ("P", "false")];
    let backend =
        load_with(text, &Settings::default(), &environment("0.5")).unwrap().draft.agents[0].backend.clone();
    assert_eq!(backend.max_output_tokens, Some(5));
    let parameters = serde_json::to_string(&backend.parameters).unwrap();
    assert_eq!(parameters, r#"{"parallel_tool_calls":false,"temperature":0.5}"#);
    let findings = load_with(text, &Settings::default(), &environment("warm")).unwrap_err();
    assert_eq!(
        told(&findings),
        ["1 error: `temperature` must be a number from 0 to 2, not the value of `T`"]
    );
}

#[test]
fn a_literal_key_debugs_without_itself() {
    let loaded = load_text(&format!("agent: {{id: a, backend: {{type: groq, api_key: {CANARY}}}}}")).unwrap();
    let [key]: &[LiteralKey] = loaded.literal_keys.as_slice() else { panic!("one key") };
    assert_eq!(
        format!("{key:?}"),
        "LiteralKey { agent: AgentId(\"a\"), variable: \"MASSGEN_AGENT_1_KEY\", .. }"
    );
}
