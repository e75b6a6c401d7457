//! Connections to servers that are services.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Url, redirect};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use crate::error::Error;
use crate::limits::{EVENT_BYTES, HTTP_CONNECT_TIME};
use crate::security::{AddressRules, Refused, check_address};

/// Redirects that are followed, to the same place only: some servers move `/mcp` to `/mcp/`.
const REDIRECTS: usize = 3;

/// How services are reached: through the proxies of the environment, except on this machine, trusting the authorities of
/// the system and those that [`Self::trusting`] adds.
#[derive(Debug, Clone, Default)]
pub struct Web {
    authorities: Vec<Certificate>,
}

/// What one connection needs.
pub(crate) struct Address<'a> {
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a BTreeMap<String, String>,
    /// How long it may be silent.
    pub(crate) silence: Duration,
    /// The rules for the addresses that its host turns out to have; `None` looks at none.
    pub(crate) rules: Option<AddressRules>,
}

impl Web {
    /// Trusts the authorities of the system.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also trusts the authorities in `bundle`, certificates in PEM form.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn trusting(bundle: &[u8]) -> Result<Self, Error> {
        let no_trust = |problem: &str| Error::NoTrust { problem: problem.to_owned() };
        let authorities = Certificate::from_pem_bundle(bundle)
            .map_err(|_| no_trust("the additional certificates cannot be read"))?;
        Ok(Self { authorities })
    }

    pub(crate) fn transport(
        &self,
        address: &Address<'_>,
    ) -> Result<StreamableHttpClientTransport<Client>, Error> {
        let mut headers = HashMap::new();
        for (name, value) in address.headers {
            let unusable = || Refused::new(format!("its header `{name}` cannot be sent"));
            let name_read = HeaderName::try_from(name.as_str()).map_err(|_| unusable())?;
            let mut value_read = HeaderValue::try_from(value.as_str()).map_err(|_| unusable())?;
            value_read.set_sensitive(true);
            headers.insert(name_read, value_read);
        }
        let config = StreamableHttpClientTransportConfig::with_uri(address.url.as_str())
            .custom_headers(headers)
            .max_sse_event_size(EVENT_BYTES);
        Ok(StreamableHttpClientTransport::with_client(self.client(address)?, config))
    }

    fn client(&self, address: &Address<'_>) -> Result<Client, Error> {
        // Another part of the process may have chosen a provider before; then that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .http1_only()
            .gzip(false)
            .referer(false)
            .redirect(redirect::Policy::custom(follow))
            .connect_timeout(HTTP_CONNECT_TIME)
            .read_timeout(address.silence)
            // A connection that was used before may be half closed, and costs a pause then.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("massgen/", env!("CARGO_PKG_VERSION")));
        let is_here = is_this_machine(address.url);
        if is_here {
            builder = builder.no_proxy();
        }
        builder = if address.url.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            builder.tls_certs_merge(self.authorities.iter().cloned())
        };
        if let (Some(rules), Some(host)) = (address.rules, address.url.host_str()) {
            builder = builder.dns_resolver(Arc::new(Guarded { host: host.to_ascii_lowercase(), rules }));
        }
        builder.build().map_err(|error| Error::NoTrust { problem: root_cause(&error) })
    }
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let is_same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if is_same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

/// The last reason in a chain. The others repeat it, and name the whole address.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        // It has no reason below it, and would name the address.
        Some(error) if error.is_timeout() => "it took too long".to_owned(),
        Some(error) => match error.status() {
            Some(status) => format!("HTTP {status}"),
            None => "the connection failed".to_owned(),
        },
        None => cause.to_string(),
    }
}

/// Looks names up, and judges the addresses of one of them each time, so that a name cannot change its mind between the
/// check and the connection.
struct Guarded {
    host: String,
    rules: AddressRules,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = (name.as_str().to_ascii_lowercase() == self.host).then_some(self.rules);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(rules) = rules {
                for address in &found {
                    check_address(address.ip(), rules)?;
                }
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(host: &str, asked: &str, rules: AddressRules) -> Result<usize, String> {
        let guarded = Guarded { host: host.to_owned(), rules };
        let found = guarded.resolve(asked.parse().expect("a name")).await;
        found.map(Iterator::count).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn addresses_that_a_name_turns_out_to_have_are_judged() {
        let nothing = AddressRules { localhost: false, private: false };
        assert!(found("localhost", "LOCALHOST", nothing).await.unwrap_err().contains("this machine"));
        let here = AddressRules { localhost: true, private: false };
        assert!(found("localhost", "localhost", here).await.expect("allowed") > 0);
        // A proxy may be anywhere.
        assert!(found("example.org", "localhost", nothing).await.expect("not ours to judge") > 0);
    }

    #[test]
    fn texts_of_errors_name_no_address() {
        let url = Url::parse("http://127.0.0.1/").expect("a URL");
        let address =
            Address { url: &url, headers: &BTreeMap::new(), silence: HTTP_CONNECT_TIME, rules: None };
        let client = Web::new().client(&address).expect("a client");
        let error = client.get("canary:").build().unwrap_err();
        assert!(!root_cause(&error).contains("canary"));
    }
}
