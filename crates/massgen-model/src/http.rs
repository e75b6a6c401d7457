//! One HTTP client for all agents of a process.
//!
//! HTTP/1.1 only, so that each of several hundred streams has a connection of its own: over HTTP/2 they would share
//! one, and a server's limit on concurrent streams would hold agents back without a word. Redirects are not followed,
//! so a key goes to the configured host only.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Url, redirect};
use tokio::net::lookup_host;

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
        let client = match (is_loopback_host(url), is_plain(url)) {
            (true, true) => &clients.loopback,
            (true, false) => &clients.loopback_tls,
            (false, true) => &clients.plain,
            (false, false) => &clients.tls,
        };
        client.get_or_init(|| built(self.builder(url))).clone()
    }

    /// A client for `url` alone that takes `addresses` for those of its host, whatever its name leads to by now; without
    /// any it reaches the host only where a proxy finds it.
    pub(crate) fn pinned(&self, url: &Url, addresses: Vec<IpAddr>) -> Result<Client, String> {
        let Some(host) = url.domain() else { return self.for_url(url) };
        built(self.builder(url).dns_resolver(Pinned { host: host.to_owned(), addresses }))
    }

    fn builder(&self, url: &Url) -> ClientBuilder {
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
        let base = if is_loopback_host(url) { base.no_proxy() } else { base };
        if is_plain(url) {
            base.tls_certs_only([])
        } else {
            base.tls_certs_merge(self.clients.authorities.iter().cloned())
        }
    }
}

fn built(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| crate::provider::failure::root_cause(&error))
}

fn is_plain(url: &Url) -> bool {
    url.scheme() == "http"
}

/// Knows the addresses of one host; other names, such as that of a proxy, it looks up.
#[derive(Debug)]
struct Pinned {
    host: String,
    addresses: Vec<IpAddr>,
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        if !name.as_str().eq_ignore_ascii_case(&self.host) {
            return Box::pin(async move {
                let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
                Ok(Box::new(found.into_iter()) as Addrs)
            });
        }
        let known: Vec<SocketAddr> =
            self.addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
        Box::pin(async move {
            if known.is_empty() {
                return Err("its name cannot be looked up".into());
            }
            Ok(Box::new(known.into_iter()) as Addrs)
        })
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

/// Whether the host of `url` is this machine or one of a private network: a server of one's own.
pub(crate) fn is_near(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_private()
                || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
        Err(_) => {
            let ends = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];
            !bare.contains('.') || ends.iter().any(|end| bare.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_goes_to_the_address_that_was_judged_whatever_the_name_leads_to_by_now() {
        // The name is one of this machine, so no proxy is asked; the system finds another address for it, or none.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let url = Url::parse(&format!("http://Changing.localhost:{port}/a")).unwrap();
        let http = HttpClient::new();

        let elsewhere = http.pinned(&url, vec!["127.0.0.2".parse().unwrap()]).unwrap();
        assert!(elsewhere.get(url.clone()).send().await.unwrap_err().is_connect(), "nobody listens there");
        let unknown = http.pinned(&url, Vec::new()).unwrap().get(url.clone()).send().await.unwrap_err();
        let cause = crate::provider::failure::root_cause(&unknown);
        assert_eq!(cause, "its name cannot be looked up");

        let here = http.pinned(&url, vec!["127.0.0.1".parse().unwrap()]).unwrap();
        assert_eq!(here.get(url).send().await.unwrap().status(), 204);
        assert!(server.await.unwrap().contains(&format!("changing.localhost:{port}")));
    }

    #[tokio::test]
    async fn other_names_than_the_one_that_is_pinned_are_looked_up() {
        let pinned = Pinned { host: "a.test".to_owned(), addresses: vec!["192.0.2.1".parse().unwrap()] };
        let found = |name: &str| pinned.resolve(name.parse().unwrap());
        let here: Vec<_> = found("localhost").await.unwrap().map(|address| address.ip()).collect();
        assert!(!here.is_empty() && here.iter().all(IpAddr::is_loopback), "{here:?}");
        let known: Vec<_> = found("A.test").await.unwrap().map(|address| address.ip().to_string()).collect();
        assert_eq!(known, ["192.0.2.1"]);
    }
}
