//! One HTTP client for all agents of a process.
//!
//! HTTP/1.1 only, so that each of several hundred streams has a connection of its own: over HTTP/2 they would share
//! one, and a server's limit on concurrent streams would hold agents back without a word. Redirects are not followed,
//! so a key goes to the configured host only.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url, redirect};

/// Time to open a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_mins(1);

/// A shared client with its connections. Clones share them.
///
/// A client is built when the first model of its kind of address is connected. The one for TLS takes 10 to 30 ms (it
/// reads the certificates of the system); a run against local servers never builds it.
#[derive(Debug, Clone, Default)]
pub struct HttpClient {
    clients: Arc<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    /// For this machine: no proxy, no certificates.
    loopback: OnceLock<Result<Client, String>>,
    /// For other hosts without TLS.
    plain: OnceLock<Result<Client, String>>,
    /// For everything else.
    tls: OnceLock<Result<Client, String>>,
}

impl HttpClient {
    /// A client without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client to use for `url`, or why none can be built.
    pub(crate) fn for_url(&self, url: &Url) -> Result<Client, String> {
        let (slot, build): (_, fn(ClientBuilder) -> ClientBuilder) = if is_loopback(url) {
            (&self.clients.loopback, |builder| builder.no_proxy().tls_certs_only([]))
        } else if url.scheme() == "http" {
            (&self.clients.plain, |builder| builder.tls_certs_only([]))
        } else {
            (&self.clients.tls, |builder| builder)
        };
        slot.get_or_init(|| {
            // Another part of the process may have chosen a provider before; then that one stays.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let base = Client::builder()
                .http1_only()
                .gzip(false)
                .referer(false)
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(POOL_IDLE)
                .user_agent(concat!("massgen/", env!("CARGO_PKG_VERSION")));
            build(base).build().map_err(|error| crate::provider::failure::root_cause(&error))
        })
        .clone()
    }
}

/// Whether `url` is plain HTTP to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http" && is_loopback_host(url)
}

/// Whether the host of `url` is this machine.
pub(crate) fn is_loopback_host(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}
