//! One HTTP client for all agents of a process.
//!
//! HTTP/1.1 only, so that each of several hundred streams has a connection of its own: over HTTP/2 they would share
//! one, and a server's limit on concurrent streams would hold agents back without a word. Redirects are not followed,
//! so a key goes to the configured host only.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Url, redirect};

use crate::error::ModelError;
use crate::gate::Gates;

/// Time to open a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_mins(1);

/// A shared client with its connections, and with what is known of the services behind them: which ones are broken, and
/// how much was asked of each. Clones share both, so a process makes one and keeps it.
///
/// A client is built when the first model of its kind of address is connected. One for TLS takes 10 to 30 ms (it
/// reads the certificates of the system); a run against local servers never builds it.
///
/// Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) and of the system; this
/// machine is never reached through one. Trusted are the authorities of the system (on Linux those of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` instead, where they are set) and those that [`Self::trusting`] adds.
#[derive(Debug, Clone, Default)]
pub struct HttpClient {
    clients: Arc<Clients>,
    gates: Gates,
}

#[derive(Debug, Default)]
struct Clients {
    authorities: Vec<Certificate>,
    /// For this machine: no proxy, no certificates.
    loopback: OnceLock<Result<Client, String>>,
    /// For this machine with TLS: no proxy.
    loopback_tls: OnceLock<Result<Client, String>>,
    /// For other hosts without TLS.
    plain: OnceLock<Result<Client, String>>,
    /// For other hosts with TLS.
    tls: OnceLock<Result<Client, String>>,
}

impl HttpClient {
    /// A client without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that also trusts the authorities in `bundle`, certificates in PEM form.
    ///
    /// # Errors
    /// There is no certificate in it, or one that cannot be read.
    pub fn trusting(bundle: &[u8]) -> Result<Self, ModelError> {
        let no_trust = |problem: &str| ModelError::NoTrust { problem: problem.to_owned() };
        let authorities = Certificate::from_pem_bundle(bundle)
            .map_err(|_| no_trust("the additional certificates cannot be read"))?;
        if authorities.is_empty() {
            return Err(no_trust("the additional certificates hold none"));
        }
        Ok(Self { clients: Arc::new(Clients { authorities, ..Clients::default() }), ..Self::default() })
    }

    /// The gates in front of the services.
    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// The client to use for `url`, or why none can be built.
    pub(crate) fn for_url(&self, url: &Url) -> Result<Client, String> {
        let clients = &self.clients;
        let base = || {
            // Another part of the process may have chosen a provider before; then that one stays.
            let _ = rustls::crypto::ring::default_provider().install_default();
            Client::builder()
                .http1_only()
                .gzip(false)
                .referer(false)
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(POOL_IDLE)
                .user_agent(concat!("massgen/", env!("CARGO_PKG_VERSION")))
        };
        let trusting = || base().tls_certs_merge(clients.authorities.iter().cloned());
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| crate::provider::failure::root_cause(&error))
        };
        let is_plain = url.scheme() == "http";
        match (is_loopback_host(url), is_plain) {
            (true, true) => clients.loopback.get_or_init(|| build(base().no_proxy().tls_certs_only([]))),
            (true, false) => clients.loopback_tls.get_or_init(|| build(trusting().no_proxy())),
            (false, true) => clients.plain.get_or_init(|| build(base().tls_certs_only([]))),
            (false, false) => clients.tls.get_or_init(|| build(trusting())),
        }
        .clone()
    }
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
