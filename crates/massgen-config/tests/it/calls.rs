//! How calls are held back, what headers they carry, which command gives their key.

use std::num::NonZeroU32;
use std::time::Duration;

use massgen_config::{Settings, Style, render};
use massgen_protocol::pacing::{BackoffSettings, BreakerSettings, RateLimit};
use massgen_protocol::spec::{KeyCommand, Service, Wire};

use crate::{load_text, load_with, told};

fn services(text: &str, settings: &Settings) -> (Vec<Service>, Vec<String>) {
    let loaded = load_with(text, settings, &[("GROQ_API_KEY", "x"), ("TEAM_TOKEN", "canary-token")]).unwrap();
    let services = loaded.draft.agents.iter().map(|agent| match &agent.backend.wire {
        Wire::Service(service) => service.clone(),
        Wire::Simulated(_) => panic!("no service"),
    });
    (services.collect(), told(&loaded.findings))
}

fn service(backend: &str) -> (Service, Vec<String>) {
    let text = format!("agent: {{id: a, backend: {{type: groq, model: llama-x, {backend}}}}}");
    let (mut services, told) = services(&text, &Settings::default());
    (services.remove(0), told)
}

fn refused(text: &str) -> Vec<String> {
    told(&load_text(text).unwrap_err())
}

#[test]
fn a_breaker_is_off_until_it_is_switched_on() {
    let (service_of, told) = service("temperature: 1");
    assert!(service_of.pacing.is_standard() && told.is_empty());
    let (service_of, told) = service("llm_circuit_breaker_max_failures: 3");
    assert!(service_of.pacing.breaker.is_none());
    assert_eq!(told, ["1 notice: `llm_circuit_breaker_max_failures` has no effect"]);
    let (service_of, told) = service("llm_circuit_breaker_enabled: true");
    assert_eq!(service_of.pacing.breaker, Some(BreakerSettings::default()));
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn every_key_of_the_breaker_has_its_effect() {
    let keys = "llm_circuit_breaker_enabled: true, llm_circuit_breaker_max_failures: 3, \
                llm_circuit_breaker_reset_time_seconds: 7.5, llm_circuit_breaker_backoff_multiplier: 1.5, \
                llm_circuit_breaker_max_backoff_seconds: 60, llm_circuit_breaker_retry_after_threshold_seconds: 9, \
                llm_circuit_breaker_retryable_status_codes: [503, 404]";
    let wanted = BreakerSettings {
        max_failures: NonZeroU32::new(3).unwrap(),
        pause: Duration::from_millis(7500),
        growth_percent: 150,
        max_pause: Duration::from_mins(1),
        max_retry_after: Duration::from_secs(9),
        statuses: vec![503, 404],
    };
    assert_eq!(service(keys).0.pacing.breaker, Some(wanted));
}

#[test]
fn a_call_may_be_given_less_or_more_time() {
    let (service_of, told) = service("call_timeout_seconds: 2.5");
    assert_eq!(service_of.pacing.deadline, Some(Duration::from_millis(2500)));
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(service("temperature: 1").0.pacing.deadline, None);
    let told = refused("agent: {id: a, backend: {type: openai, model: gpt-x, call_timeout_seconds: 0}}");
    assert!(told.iter().any(|line| line.contains("0.001")), "{told:?}");
}

#[test]
fn a_service_may_be_silent_for_as_long_as_its_key_says() {
    let (service_of, told) = service("idle_timeout_seconds: 300");
    assert_eq!(service_of.pacing.idle_timeout, Some(Duration::from_mins(5)));
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(service("temperature: 1").0.pacing.idle_timeout, None);
    let told = refused("agent: {id: a, backend: {type: openai, model: gpt-x, idle_timeout_seconds: 0}}");
    assert!(told.iter().any(|line| line.contains("0.001")), "{told:?}");
}

#[test]
fn calls_of_gemini_are_repeated_as_its_keys_say() {
    let backoff = |keys: &str| {
        let text = format!("agent: {{id: a, backend: {{type: gemini{keys}}}}}");
        let (mut services, told) = services(&text, &Settings::default());
        assert!(told.is_empty(), "{keys}: {told:?}");
        services.remove(0).pacing.backoff.unwrap()
    };
    let standard = BackoffSettings {
        attempts: NonZeroU32::new(5).unwrap(),
        first_delay: Duration::from_secs(2),
        growth_percent: 300,
        max_delay: Duration::from_mins(1),
        jitter_percent: 20,
    };
    assert_eq!(backoff(""), standard);
    let keys = ", gemini_backoff_max_attempts: 3, gemini_backoff_initial_delay: 0.5, gemini_backoff_multiplier: 1.5, \
                gemini_backoff_max_delay: 7, gemini_backoff_jitter: 0";
    let own = BackoffSettings {
        attempts: NonZeroU32::new(3).unwrap(),
        first_delay: Duration::from_millis(500),
        growth_percent: 150,
        max_delay: Duration::from_secs(7),
        jitter_percent: 0,
    };
    assert_eq!(backoff(keys), own);
    assert!(service("temperature: 1").0.pacing.backoff.is_none(), "other services have no such keys");
}

const RATES: &str = "
rate_limits:
  groq:
    llama: {rpm: 10, tpm: 2000}
    llama-3: {rpd: 5}
    llama-3.3-70b: {rpm: 3}
    default: {rpm: 99}
agents:
  - {id: a, backend: {type: groq, model: llama-3.3-70b}}
  - {id: b, backend: {type: groq, model: llama-3.1-8b}}
  - {id: c, backend: {type: groq, model: my-llama}}
  - {id: d, backend: {type: groq, model: qwen}}
  - {id: e, backend: {type: groq, model: qwen, enable_rate_limit: false}}
  - {id: f, backend: {type: lmstudio, model: llama-3.3-70b}}
";

#[test]
fn limits_are_found_by_the_longest_name_that_fits_and_hold_unless_switched_off() {
    let (services, told) = services(RATES, &Settings::default());
    let rates: Vec<_> = services.iter().map(|service| service.pacing.rate).collect();
    let limit = |rpm, tpm: u32, rpd| RateLimit {
        requests_per_minute: NonZeroU32::new(rpm),
        tokens_per_minute: NonZeroU32::new(tpm).map(Into::into),
        requests_per_day: NonZeroU32::new(rpd),
    };
    let wanted = [
        Some(limit(3, 0, 0)),
        Some(limit(0, 0, 5)),
        Some(limit(10, 2000, 0)),
        Some(limit(99, 0, 0)),
        None,
        None,
    ];
    assert_eq!(rates, wanted);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn the_flag_asks_for_limits_and_says_where_none_is_known() {
    let settings = Settings { rate_limit: true, ..Settings::default() };
    let (services, told) = services(RATES, &settings);
    assert_eq!(services[4].pacing.rate, services[3].pacing.rate, "the flag wins over the file");
    assert_eq!(told, ["0 warning: no rate limit is known for `lmstudio` and `llama-3.3-70b`"]);
}

#[test]
fn a_table_of_limits_with_mistakes_is_refused() {
    let agent = "agent: {id: a, backend: {type: simulated}}";
    for (table, message) in [
        ("{groc: {}}", "2 error: unknown backend type `groc`"),
        ("{groq: 5}", "2 error: this must be a map from model to limits, not the number `5`"),
        ("{groq: {default: 5}}", "2 error: this must be a map of limits, not the number `5`"),
        ("{groq: {default: {rpm: 0}}}", "2 error: this must be a whole number from 1, not the number `0`"),
        (
            "{groq: {default: {rpm: many}}}",
            "2 error: this must be a whole number from 1, not the text `many`",
        ),
        ("{groq: {default: {rps: 1}}}", "2 error: unknown limit `rps`"),
    ] {
        let told = refused(&format!("{agent}\nrate_limits: {table}\n"));
        assert_eq!(told, [message], "{table}");
    }
}

#[test]
fn a_command_stands_in_the_place_of_a_key() {
    let (shell, told) = service("api_key_command: ' pass show groq | head -1 '");
    assert_eq!(shell.key_command, Some(KeyCommand::Shell("pass show groq | head -1".to_owned())));
    assert_eq!(shell.key_variables, ["MASSGEN_AGENT_1_KEY"]);
    assert!(told.is_empty(), "{told:?}");
    let (program, _) =
        service("api_key_command: [pass, show, 'my groq'], base_url: 'https://llm.example.org/v1'");
    let parts = ["pass", "show", "my groq"].map(str::to_owned);
    assert_eq!(program.key_command, Some(KeyCommand::Program(parts.to_vec())));
    assert_eq!(program.key_variables, ["MASSGEN_AGENT_1_KEY"], "also for a host that nobody knows");
    let loaded = load_text("agent: {id: a, backend: {type: groq, api_key_command: x}}").unwrap();
    assert!(loaded.missing_keys(&|_| None, "").is_empty(), "the command is the key");
    for (written, message) in [
        ("api_key_command: ' '", "1 error: the command is empty"),
        ("api_key_command: []", "1 error: the command is empty"),
        (
            "api_key_command: x, api_key: '${GROQ_API_KEY}'",
            "1 error: both `api_key` and `api_key_command` are given",
        ),
    ] {
        let told = refused(&format!("agent: {{id: a, backend: {{type: groq, {written}}}}}"));
        assert_eq!(told, [message], "{written}");
    }
}

#[test]
fn variables_in_headers_stay_names() {
    let (service, told) =
        service("extra_headers: {X-Title: my team, Authorization: 'Token ${TEAM_TOKEN}', X-Org: '${ORG}'}");
    let headers: Vec<_> =
        service.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [("Authorization", "Token ${TEAM_TOKEN}"), ("X-Org", "${ORG}"), ("X-Title", "my team")]
    );
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_key_in_a_header_itself_is_refused_and_not_shown() {
    for name in ["Authorization", "api-key", "X-Api-Key", "x-auth-token", "Cookie"] {
        let text = format!(
            "agent: {{id: a, backend: {{type: groq, extra_headers: {{{name}: sk-canary-0123456789}}}}}}"
        );
        let findings = load_text(&text).unwrap_err();
        assert_eq!(told(&findings), ["1 error: a key is written into a header itself"], "{name}");
        assert!(!render(&findings, Style::Plain { width: 200 }).contains("canary"), "{name}");
    }
    let told = refused("agent: {id: a, backend: {type: groq, extra_headers: {X-Number: 5}}}");
    assert_eq!(told, ["1 error: `extra_headers` must be a map from header to text, not a map"]);
}
