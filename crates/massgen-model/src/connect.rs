//! From an agent's specification to its model.

use std::sync::Arc;

use massgen_ports::Model;
use massgen_protocol::spec::{AgentSpec, Wire};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::catalog;
use crate::chat::ChatCodec;
use crate::error::ModelError;
use crate::http::{HttpClient, is_loopback_host};
use crate::keys::KeySource;
use crate::provider::failure::Witness;
use crate::provider::{Endpoint, ProviderModel};
use crate::retry::RetryPolicy;

/// The model of `agent`, with the standard retry policy.
///
/// # Errors
/// The key is missing, the base URL cannot be used, or the backend speaks another protocol.
pub fn connect(
    agent: &AgentSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
) -> Result<Arc<dyn Model>, ModelError> {
    Ok(Arc::new(connect_with(agent, keys, http, RetryPolicy::default())?))
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
    let backend = &agent.backend;
    let (base_url, variables) = match &backend.wire {
        Wire::ChatCompletions { base_url, key_variables } => (base_url, key_variables),
        Wire::Simulated(_) => {
            return Err(ModelError::OtherWire { kind: backend.kind.clone() });
        }
    };
    let url = endpoint(base_url)?;
    let mut headers = HeaderMap::new();
    let key = match found(keys, variables) {
        Some((variable, key)) => {
            headers.insert(AUTHORIZATION, bearer(variable, &key)?);
            Some(key)
        }
        // Local servers want no key; if this one does, it says so.
        None if variables.is_empty() || is_loopback_host(&url) || catalog::is_local(&backend.kind) => None,
        None => {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(ModelError::MissingKey { host, variables: variables.clone() });
        }
    };
    let client = http.for_url(&url).map_err(|problem| bad_url(&url, problem))?;
    let codec = ChatCodec::new(&url, &backend.model, &backend.parameters, backend.max_output_tokens);
    let witness = Witness::new(&url, key);
    Ok(ProviderModel::new(Endpoint { url, client, headers, witness, codec: Box::new(codec), policy }))
}

fn found<'a>(keys: &dyn KeySource, variables: &'a [String]) -> Option<(&'a str, SecretString)> {
    variables.iter().find_map(|variable| Some((variable.as_str(), keys.key(variable)?)))
}

fn bearer(variable: &str, key: &SecretString) -> Result<HeaderValue, ModelError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
        .map_err(|_| ModelError::UnusableKey { variable: variable.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The address that requests go to: the base URL with `/chat/completions` at the end of its path. A query stays.
fn endpoint(base_url: &str) -> Result<Url, ModelError> {
    const PATH: &str = "/chat/completions";
    let unreadable = |problem: String| ModelError::BadBaseUrl { url: without_secrets(base_url), problem };
    let mut url = Url::parse(base_url.trim()).map_err(|error| unreadable(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(unreadable("it is not an http or https address".to_owned()));
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix(PATH).unwrap_or(path);
    let path = format!("{path}{PATH}");
    url.set_path(&path);
    Ok(url)
}

fn bad_url(url: &Url, problem: String) -> ModelError {
    ModelError::BadBaseUrl { url: without_secrets(url.as_str()), problem }
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
        let made = |base: &str| endpoint(base).map(String::from).map_err(|error| error.to_string());
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
            assert!(endpoint(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn messages_about_an_address_hold_no_secret_part() {
        assert_eq!(without_secrets("ftp://me:canary@h:1/v1?key=canary#canary"), "ftp://h:1/v1");
        assert_eq!(without_secrets("me:canary@h"), "h");
    }
}
