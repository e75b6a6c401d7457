//! From an agent's specification to its model.

use std::sync::Arc;

use massgen_ports::Model;
use massgen_protocol::message::ReplyOrigin;
use massgen_protocol::spec::{AgentSpec, BackendSpec, KeyHeader, Protocol, Service, UNNAMED_KEY_PREFIX};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::catalog;
use crate::chat::ChatCodec;
use crate::error::ModelError;
use crate::gemini::GeminiCodec;
use crate::headers::Further;
use crate::http::{HttpClient, is_loopback_host, is_near};
use crate::keys::KeySource;
use crate::messages::MessagesCodec;
use crate::ollama::OllamaCodec;
use crate::provider::codec::Codec;
use crate::provider::failure::Witness;
use crate::provider::{Endpoint, ProviderModel};
use crate::responses::ResponsesCodec;
use crate::retry::{FirstSilence, RetryPolicy};

/// The model of `agent`, with the retry policy that its configuration asks for. What holds calls back beyond one call
/// (circuit breaker, rates) is kept in `http`: agents that share it share that too.
///
/// # Errors
/// The key is missing, the base URL cannot be used, or the backend speaks another protocol.
pub fn connect(
    agent: &AgentSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
) -> Result<Arc<dyn Model>, ModelError> {
    connect_backend(&agent.backend, keys, http)
}

/// The model that one of an agent's backends describes, as [`connect`] makes it.
///
/// # Errors
/// As [`connect`].
pub fn connect_backend(
    backend: &BackendSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
) -> Result<Arc<dyn Model>, ModelError> {
    let policy = backend.service().map(|service| policy(service, &backend.kind));
    Ok(Arc::new(provider(backend, keys, http, policy.unwrap_or_default())?))
}

/// What the configuration asks for, and what a server of one's own needs.
fn policy(service: &Service, kind: &str) -> RetryPolicy {
    let is_near = Url::parse(service.base_url.trim()).is_ok_and(|url| is_near(&url));
    let first_silence =
        if is_near || catalog::is_local(kind) { FirstSilence::UntilDeadline } else { FirstSilence::Bounded };
    RetryPolicy { first_silence, ..RetryPolicy::paced(&service.pacing) }
}

/// The model of `agent`, with a retry policy.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(
    agent: &AgentSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
    policy: RetryPolicy,
) -> Result<ProviderModel, ModelError> {
    provider(&agent.backend, keys, http, policy)
}

fn provider(
    backend: &BackendSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
    policy: RetryPolicy,
) -> Result<ProviderModel, ModelError> {
    let Some(service) = backend.service() else {
        return Err(ModelError::NoService { kind: backend.kind.clone() });
    };
    let url = endpoint(service, &backend.model)?;
    let Further { mut headers, mut secrets } = Further::read(&service.headers, keys)?;
    let key_advice = match found(keys, &service.key_variables) {
        // The configuration says itself how the service knows its user.
        _ if headers.contains_key(key_header_name(service.key_header)) => {
            "check the key in `extra_headers`".to_owned()
        }
        Some((variable, key)) => {
            let (name, value) = key_header(service.key_header, variable, &key)?;
            headers.insert(name, value);
            secrets.push(key);
            key_advice(service, variable)
        }
        // Local servers want no key; if this one does, it says so.
        None if service.key_variables.is_empty()
            || is_loopback_host(&url)
            || catalog::is_local(&backend.kind) =>
        {
            match service.key_variables.first() {
                Some(variable) => format!("no key was sent, set `{variable}`"),
                None => "no key was sent, name one in `api_key`".to_owned(),
            }
        }
        None => {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(ModelError::MissingKey { host, variables: service.key_variables.clone() });
        }
    };
    let client = http.for_url(&url).map_err(|problem| ModelError::NoTrust { problem })?;
    let codec: Box<dyn Codec> = match service.protocol {
        Protocol::ChatCompletions => {
            Box::new(ChatCodec::new(&url, &backend.model, &backend.parameters, backend.max_output_tokens))
        }
        Protocol::Gemini => Box::new(GeminiCodec::new(
            &backend.model,
            &backend.parameters,
            &service.tools,
            backend.max_output_tokens,
        )),
        Protocol::Ollama => {
            Box::new(OllamaCodec::new(&backend.model, &backend.parameters, backend.max_output_tokens))
        }
        Protocol::Responses => Box::new(ResponsesCodec::new(&url, backend)),
        Protocol::Messages => Box::new(MessagesCodec::new(&url, backend, &service.tools)),
    };
    for (name, value) in &codec.headers() {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    let witness = Witness::new(&url, secrets).with_key_advice(key_advice);
    let name = format!("{} at {}", backend.model, witness.host());
    let passage = http.gates().passage(&url, &backend.model, name, &service.pacing);
    let origin = ReplyOrigin {
        protocol: service.protocol,
        host: url.host_str().unwrap_or_default().to_owned(),
        model: backend.model.clone(),
    };
    Ok(ProviderModel::new(Endpoint { url, client, headers, witness, codec, origin, policy, passage }))
}

/// Where to look when the service refuses the key that came from `variable`.
fn key_advice(service: &Service, variable: &str) -> String {
    if service.key_command.is_some() && service.key_variables.first().is_some_and(|first| first == variable) {
        "check what `api_key_command` prints".to_owned()
    } else if variable.starts_with(UNNAMED_KEY_PREFIX) {
        "check `api_key` of the agent".to_owned()
    } else {
        format!("check the key in `{variable}`")
    }
}

pub(crate) fn found<'a>(keys: &dyn KeySource, variables: &'a [String]) -> Option<(&'a str, SecretString)> {
    variables.iter().find_map(|variable| Some((variable.as_str(), keys.key(variable)?)))
}

pub(crate) fn key_header(
    header: KeyHeader,
    variable: &str,
    key: &SecretString,
) -> Result<(HeaderName, HeaderValue), ModelError> {
    let key = key.expose_secret();
    let value = match header {
        KeyHeader::Bearer => HeaderValue::from_str(&format!("Bearer {key}")),
        KeyHeader::ApiKey | KeyHeader::XApiKey | KeyHeader::XGoogApiKey => HeaderValue::from_str(key),
    };
    let mut value = value.map_err(|_| ModelError::UnusableKey { variable: variable.to_owned() })?;
    value.set_sensitive(true);
    Ok((key_header_name(header), value))
}

fn key_header_name(header: KeyHeader) -> HeaderName {
    match header {
        KeyHeader::Bearer => AUTHORIZATION,
        KeyHeader::ApiKey => HeaderName::from_static("api-key"),
        KeyHeader::XApiKey => HeaderName::from_static("x-api-key"),
        KeyHeader::XGoogApiKey => HeaderName::from_static("x-goog-api-key"),
    }
}

/// The address that requests for `model` go to: the base URL with the path of the protocol at its end. A query stays.
pub(crate) fn endpoint(service: &Service, model: &str) -> Result<Url, ModelError> {
    let base_url = service.base_url.trim();
    let unreadable = |problem: String| ModelError::BadBaseUrl { url: without_secrets(base_url), problem };
    let mut url = Url::parse(base_url).map_err(|error| unreadable(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(unreadable("it is not an http or https address".to_owned()));
    }
    let suffixes: &[&str] = match service.protocol {
        Protocol::ChatCompletions => &["/chat/completions"],
        Protocol::Responses => &["/responses"],
        // People write the address of this one with the version of the protocol and without.
        Protocol::Messages => &["/v1", "/messages"],
        Protocol::Ollama => &["/api", "/chat"],
        Protocol::Gemini => &[],
    };
    let mut path = url.path().trim_end_matches('/');
    for suffix in suffixes.iter().rev() {
        path = path.strip_suffix(suffix).unwrap_or(path);
    }
    let mut path = format!("{path}{}", suffixes.concat());
    if service.protocol == Protocol::Gemini {
        let model = model.strip_prefix("models/").unwrap_or(model);
        path = format!("{path}/models/{model}:streamGenerateContent");
        url.query_pairs_mut().append_pair("alt", "sse");
    }
    url.set_path(&path);
    Ok(url)
}

/// The part of an address that holds neither user nor password nor query.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit('@').next().unwrap_or_default();
            if path.is_empty() { format!("{scheme}://{host}") } else { format!("{scheme}://{host}/{path}") }
        }
        None => url.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_base_url_gets_the_path_once() {
        let made = |base: &str| {
            endpoint(&Service::chat_completions(base, Vec::new()), "m")
                .map(String::from)
                .map_err(|error| error.to_string())
        };
        for base in [
            "http://localhost:8000/v1",
            "http://localhost:8000/v1/",
            "http://localhost:8000/v1/chat/completions",
        ] {
            assert_eq!(made(base).as_deref(), Ok("http://localhost:8000/v1/chat/completions"), "{base}");
        }
        assert_eq!(made("https://h").as_deref(), Ok("https://h/chat/completions"));
        assert_eq!(
            made("https://h/a?api-version=1").as_deref(),
            Ok("https://h/a/chat/completions?api-version=1")
        );
        for bad in ["localhost:8000", "ftp://h/v1", "", "http://"] {
            assert!(made(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_server_of_ones_own_may_read_a_prompt_for_as_long_as_the_call_lasts() {
        let of = |base: &str, kind: &str| {
            let mut service = Service::chat_completions(base, Vec::new());
            service.pacing.idle_timeout = Some(std::time::Duration::from_secs(7));
            let policy = policy(&service, kind);
            assert_eq!(policy.idle_timeout.as_secs(), 7, "{base}");
            policy.before_the_first_piece().as_secs()
        };
        for near in [
            "http://localhost:8000/v1",
            "http://127.0.0.1:8000/v1",
            "http://[::1]/v1",
            "http://10.1.2.3/v1",
            "http://192.168.0.9:11434",
            "http://172.16.0.1/v1",
            "http://[fd00::1]/v1",
            "http://gpu-box:8000/v1",
            "http://gpu.local/v1",
            "http://host.docker.internal/v1",
        ] {
            assert_eq!(of(near, "chatcompletion"), 600, "{near}");
        }
        for far in ["https://api.openai.com/v1", "http://172.32.0.1/v1", "https://8.8.8.8/v1", "nonsense"] {
            assert_eq!(of(far, "openai"), 7, "{far}");
            assert_eq!(of(far, "vllm"), 600, "{far}");
        }
    }

    #[test]
    fn each_protocol_has_its_path() {
        let made = |protocol, base: &str| {
            let service = Service { protocol, ..Service::chat_completions(base, Vec::new()) };
            endpoint(&service, "the/model").map(String::from).unwrap()
        };
        assert_eq!(made(Protocol::Responses, "https://h/v1"), "https://h/v1/responses");
        for base in ["https://h", "https://h/", "https://h/v1", "https://h/v1/messages"] {
            assert_eq!(made(Protocol::Messages, base), "https://h/v1/messages", "{base}");
        }
        for base in ["http://h:11434", "http://h:11434/api", "http://h:11434/api/chat"] {
            assert_eq!(made(Protocol::Ollama, base), "http://h:11434/api/chat", "{base}");
        }
        let gemini = "https://h/v1beta/models/the/model:streamGenerateContent?alt=sse";
        assert_eq!(made(Protocol::Gemini, "https://h/v1beta/"), gemini);
    }

    #[test]
    fn messages_about_an_address_hold_no_secret_part() {
        assert_eq!(without_secrets("ftp://me:canary@h:1/v1?key=canary#canary"), "ftp://h:1/v1");
        assert_eq!(without_secrets("me:canary@h"), "h");
    }
}
