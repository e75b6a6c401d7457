//! Asking a service which models it has.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use massgen_protocol::message::FailureKind;
use massgen_protocol::spec::{KeyHeader, Protocol, Service};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use tokio::time::timeout;

use super::{Page, page};
use crate::connect::{endpoint, found, key_header};
use crate::error::ModelError;
use crate::headers::Further;
use crate::http::HttpClient;
use crate::keys::KeySource;
use crate::provider::failure::Witness;

/// How long a service may take for its whole list.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Most models of a service that are listed.
pub const MODELS: usize = 5000;

/// Largest page that is read, in bytes; the largest list of all that are known has one of them.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Most pages of a list.
const PAGES: usize = 50;

/// Longest mark of a next page, in bytes.
const MARK_BYTES: usize = 4096;

/// The version of the Messages protocol whose list is read.
const MESSAGES_VERSION: &str = "2023-06-01";

/// Whom to ask, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// The protocol of the service.
    pub protocol: Protocol,
    /// Its address, as in a configuration.
    pub base_url: String,
    /// Variables that may hold the key, in order; where none is set, the question goes out without a key.
    pub key_variables: Vec<String>,
    /// The header that carries the key.
    pub key_header: KeyHeader,
    /// Further headers, as in a configuration: `${NAME}` in a value stands for a variable.
    pub headers: BTreeMap<String, String>,
}

/// The list of the service's models, all pages in one. It takes at most `patience`, follows no redirect and reads a
/// bounded number of bytes.
///
/// # Errors
/// The address or the key cannot be used, or the service does not answer, or not with a list.
pub async fn ask(
    inquiry: &Inquiry,
    keys: &dyn KeySource,
    http: &HttpClient,
    patience: Duration,
) -> Result<Page, ModelError> {
    let url = address(inquiry)?;
    let Further { mut headers, mut secrets } = Further::read(&inquiry.headers, keys)?;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if inquiry.protocol == Protocol::Messages {
        let name = HeaderName::from_static("anthropic-version");
        headers.entry(name).or_insert(HeaderValue::from_static(MESSAGES_VERSION));
    }
    if let Some((variable, key)) = found(keys, &inquiry.key_variables) {
        let (name, value) = key_header(inquiry.key_header, variable, &key)?;
        // The configuration may say itself how the service knows its user.
        headers.entry(name).or_insert(value);
        secrets.push(key);
    }
    let client = http.for_url(&url).map_err(|problem| ModelError::NoTrust { problem })?;
    let witness = Witness::new(&url, secrets);
    let reader = Reader { protocol: inquiry.protocol, url, headers, client, witness };
    match timeout(patience, reader.whole()).await {
        Ok(whole) => whole,
        Err(_) => Err(failed(reader.witness.deadline(patience))),
    }
}

fn failed(failure: crate::retry::Failure) -> ModelError {
    ModelError::NoListing { kind: failure.kind, message: failure.message }
}

/// Where the list is: beside the place that requests go to.
fn address(inquiry: &Inquiry) -> Result<Url, ModelError> {
    let service = Service {
        protocol: inquiry.protocol,
        ..Service::chat_completions(inquiry.base_url.as_str(), Vec::new())
    };
    let mut url = endpoint(&service, "any")?;
    let (call, list) = match inquiry.protocol {
        Protocol::ChatCompletions => ("/chat/completions", "/models"),
        Protocol::Responses => ("/responses", "/models"),
        Protocol::Messages => ("/messages", "/models"),
        Protocol::Gemini => ("/models/any:streamGenerateContent", "/models"),
        Protocol::Ollama => ("/chat", "/tags"),
    };
    let path = url.path();
    let path = format!("{}{list}", path.strip_suffix(call).unwrap_or(path));
    url.set_path(&path);
    // The form of a streamed reply is not for a list.
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "alt")
        .map(|(n, v)| (n.into_owned(), v.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Ok(url)
}

struct Reader {
    protocol: Protocol,
    url: Url,
    headers: HeaderMap,
    client: Client,
    witness: Witness,
}

impl Reader {
    async fn whole(&self) -> Result<Page, ModelError> {
        let mut whole = Page::default();
        let mut names = HashSet::new();
        let mut mark: Option<String> = None;
        for _ in 0..PAGES {
            let body = self.body(mark.as_deref()).await?;
            let read = page(self.protocol, &body);
            let read = read.map_err(|problem| failed(self.witness.malformed(problem)))?;
            whole.unusable += read.unusable;
            whole.models.extend(read.models.into_iter().filter(|model| names.insert(model.name.clone())));
            whole.models.truncate(MODELS);
            match read.next {
                // A mark that stays the same leads nowhere.
                Some(next)
                    if whole.models.len() < MODELS
                        && next.len() <= MARK_BYTES
                        && mark.as_ref() != Some(&next) =>
                {
                    mark = Some(next);
                }
                Some(_) | None => break,
            }
        }
        Ok(whole)
    }

    /// One page, the first or the one behind `mark`.
    async fn body(&self, mark: Option<&str>) -> Result<Vec<u8>, ModelError> {
        let mut url = self.url.clone();
        match self.protocol {
            Protocol::Messages => {
                let mut query = url.query_pairs_mut();
                query.append_pair("limit", "1000");
                if let Some(mark) = mark {
                    query.append_pair("after_id", mark);
                }
            }
            Protocol::Gemini => {
                let mut query = url.query_pairs_mut();
                query.append_pair("pageSize", "1000");
                if let Some(mark) = mark {
                    query.append_pair("pageToken", mark);
                }
            }
            Protocol::ChatCompletions | Protocol::Responses | Protocol::Ollama => {}
        }
        let sent = self.client.get(url).headers(self.headers.clone()).send().await;
        let mut response = sent.map_err(|error| failed(self.witness.transport(&error)))?;
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(_) if status != StatusCode::OK => break,
                Err(error) => return Err(failed(self.witness.transport(&error))),
            }
            if body.len() > PAGE_BYTES {
                let message =
                    format!("`{}` sent a list of more than {PAGE_BYTES} bytes", self.witness.host());
                return Err(ModelError::NoListing { kind: FailureKind::Malformed, message });
            }
        }
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(failed(self.witness.status(status, &headers, &body, jiff::Timestamp::now())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_beside_the_place_of_the_calls() {
        let at = |protocol, base_url: &str| {
            let key_header = KeyHeader::Bearer;
            let inquiry = Inquiry {
                protocol,
                base_url: base_url.to_owned(),
                key_variables: Vec::new(),
                key_header,
                headers: BTreeMap::new(),
            };
            address(&inquiry).map(String::from).unwrap()
        };
        assert_eq!(at(Protocol::ChatCompletions, "https://h/v1/"), "https://h/v1/models");
        assert_eq!(at(Protocol::ChatCompletions, "https://h/v1?version=2"), "https://h/v1/models?version=2");
        assert_eq!(at(Protocol::Responses, "https://h/v1"), "https://h/v1/models");
        assert_eq!(at(Protocol::Messages, "https://h"), "https://h/v1/models");
        assert_eq!(at(Protocol::Gemini, "https://h/v1beta"), "https://h/v1beta/models");
        assert_eq!(at(Protocol::Ollama, "http://h:11434"), "http://h:11434/api/tags");
    }
}
