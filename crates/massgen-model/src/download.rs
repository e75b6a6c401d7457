//! Reading a file at an address, for a model whose service does not read it there itself.

use std::net::IpAddr;
use std::time::Duration;

use massgen_protocol::AddressKind;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, Url};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::http::{HttpClient, is_loopback_host};
use crate::provider::failure::root_cause;

/// How long a file may take, redirects included.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a server may point elsewhere.
const REDIRECTS: usize = 5;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type, as the server says.
    pub media_type: Option<String>,
}

/// Why a file could not be read, as the end of a sentence that begins with its name. No address is in it: one may hold
/// what nobody else should see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// It has no address.
    #[error("is at no address of the web")]
    NotAnAddress,
    /// No connection, or it broke.
    #[error("cannot be read: {0}")]
    Unreachable(String),
    /// The server refuses.
    #[error("cannot be read: its server answers with status {0}")]
    Refused(u16),
    /// The server points to another kind of address, to this machine, into a network of its own, or elsewhere again and
    /// again.
    #[error("cannot be read: its address is redirected {0}")]
    Redirected(&'static str),
    /// It is larger than it may be, in bytes.
    #[error("has more than {0} bytes")]
    TooLarge(u64),
    /// It took too long.
    #[error("was not there after {} s", .0.as_secs())]
    Late(Duration),
}

impl HttpClient {
    /// The file at `address`, which has at most `most_bytes`. It takes at most `patience`. No key goes along. A server
    /// can neither point from `https` to `http`, nor to this machine, nor from the public network into one that is not.
    ///
    /// Names are looked up here, once, before they are followed, and a connection goes to an address that was found then:
    /// a name cannot lead elsewhere once it was judged. One that only a proxy can look up is left to the proxy.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn download(
        &self,
        address: &str,
        most_bytes: u64,
        patience: Duration,
    ) -> Result<Downloaded, DownloadError> {
        let url = Url::parse(address).map_err(|_| DownloadError::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(DownloadError::NotAnAddress);
        }
        match timeout(patience, self.followed(url, most_bytes)).await {
            Ok(read) => read,
            Err(_) => Err(DownloadError::Late(patience)),
        }
    }

    async fn followed(&self, mut url: Url, most_bytes: u64) -> Result<Downloaded, DownloadError> {
        let mut begins: Option<Place> = None;
        let mut found = addresses(&url).await;
        for _ in 0..=REDIRECTS {
            let client = self.pinned(&url, found.clone()).map_err(DownloadError::Unreachable)?;
            let sent = client.get(url.clone()).send().await;
            let response = sent.map_err(|error| DownloadError::Unreachable(root_cause(&error)))?;
            if !response.status().is_redirection() {
                return read(response, most_bytes).await;
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = target(&url, response.status().as_u16(), location)?;
            // A server may not point inside, but who begins inside means to be there.
            let reached = response.remote_addr().map(|reached| reached.ip());
            let begin = *begins.get_or_insert_with(|| start(reached, &found));
            found = addresses(&url).await;
            may_follow(begin, next(&found))?;
        }
        Err(DownloadError::Redirected("too often"))
    }
}

/// Where a server with the file at `from` points to by its `status` and its header `location`.
fn target(from: &Url, status: u16, location: Option<&str>) -> Result<Url, DownloadError> {
    match location.and_then(|location| from.join(location).ok()) {
        None => Err(DownloadError::Refused(status)),
        Some(target) if target.scheme() != from.scheme() => {
            Err(DownloadError::Redirected("to an address of another kind"))
        }
        Some(target) if is_loopback_host(&target) && !is_loopback_host(from) => {
            Err(DownloadError::Redirected("to this machine"))
        }
        Some(target) => Ok(target),
    }
}

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the network of everybody, or nobody here knows.
    Public,
    /// On this machine, or in a network that not everybody can reach.
    Inner,
}

/// Where a way begins whose host has these addresses and was `reached` at that one. All must be inner: else somebody in
/// the public network, who names inner addresses among others, could lead anywhere inside.
fn start(reached: Option<IpAddr>, addresses: &[IpAddr]) -> Place {
    let is_inside = !addresses.is_empty() && addresses.iter().copied().chain(reached).all(is_inner);
    if is_inside { Place::Inner } else { Place::Public }
}

/// Where a host with these addresses is that a server points to: one inner address is enough, for it may be the one
/// that is taken.
fn next(addresses: &[IpAddr]) -> Place {
    if addresses.iter().copied().any(is_inner) { Place::Inner } else { Place::Public }
}

/// Refuses a way that begins at `start` and leads from the public network to one that is not.
fn may_follow(start: Place, next: Place) -> Result<(), DownloadError> {
    match (start, next) {
        (Place::Public, Place::Inner) => Err(DownloadError::Redirected("into a private network")),
        (Place::Inner, _) | (Place::Public, Place::Public) => Ok(()),
    }
}

/// The addresses of the host of `url`; none when it cannot be looked up.
async fn addresses(url: &Url) -> Vec<IpAddr> {
    let Some(host) = url.host_str() else { return Vec::new() };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return vec![address];
    }
    match lookup_host((bare, url.port_or_known_default().unwrap_or_default())).await {
        Ok(found) => found.map(|address| address.ip()).collect(),
        // The request says it better, or its proxy knows the name.
        Err(_) => Vec::new(),
    }
}

/// Whether `address` is not in the public network.
fn is_inner(address: IpAddr) -> bool {
    match AddressKind::of(address) {
        AddressKind::Public => false,
        AddressKind::ThisMachine | AddressKind::Private | AddressKind::Nobody => true,
    }
}

/// The file that `response` hands over. It has at most `most_bytes`, and that is so while it comes in: what a server
/// says of its length is not trusted.
pub(crate) async fn read(mut response: Response, most_bytes: u64) -> Result<Downloaded, DownloadError> {
    if !response.status().is_success() {
        return Err(DownloadError::Refused(response.status().as_u16()));
    }
    let size = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    if response.content_length().is_some_and(|length| length > most_bytes) {
        return Err(DownloadError::TooLarge(most_bytes));
    }
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.map(str::to_owned);
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if size(bytes.len().saturating_add(chunk.len())) > most_bytes {
                    return Err(DownloadError::TooLarge(most_bytes));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(Downloaded { bytes, media_type }),
            Err(error) => return Err(DownloadError::Unreachable(root_cause(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_points_to_addresses_of_its_kind_and_not_to_this_machine() {
        let to = |from: &str, location: Option<&str>| {
            target(&Url::parse(from).unwrap(), 302, location).map(|url| url.to_string())
        };
        let from = "https://example.org/a/b.png";
        assert_eq!(to(from, Some("../c.png")), Ok("https://example.org/c.png".to_owned()));
        assert_eq!(to(from, Some("//cdn.example/c.png")), Ok("https://cdn.example/c.png".to_owned()));
        assert_eq!(to(from, None), Err(DownloadError::Refused(302)));
        for elsewhere in ["http://example.org/c.png", "file:///etc/passwd", "ftp://example.org/c.png"] {
            let refused = to(from, Some(elsewhere)).unwrap_err();
            assert_eq!(refused, DownloadError::Redirected("to an address of another kind"));
        }
        for here in ["https://127.0.0.1/", "https://localhost:8080/c", "https://[::1]/", "https://0.0.0.0/"] {
            let refused = to(from, Some(here)).unwrap_err();
            assert_eq!(refused, DownloadError::Redirected("to this machine"), "{here}");
        }
        assert!(to("http://127.0.0.1:1/a", Some("http://localhost:2/b")).is_ok());
    }

    #[test]
    fn inner_addresses_are_told_from_public_ones_in_every_form() {
        let is_inner = |text: &str| is_inner(text.parse().unwrap());
        for inner in [
            "127.0.0.1",
            "127.255.0.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::192.168.0.1",
        ] {
            assert!(is_inner(inner), "{inner}");
        }
        for public in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(!is_inner(public), "{public}");
        }
    }

    #[test]
    fn a_server_of_the_public_network_does_not_point_into_another() {
        let follows = |from: &[&str], to: &[&str]| {
            let parsed = |all: &[&str]| all.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
            let (begins, leads) = (parsed(from), parsed(to));
            may_follow(start(begins.first().copied(), &begins), next(&leads)).is_ok()
        };
        assert!(!follows(&["1.1.1.1"], &["10.0.0.1"]));
        assert!(!follows(&["1.1.1.1"], &["8.8.8.8", "::1"]), "one inner address is enough");
        assert!(!follows(&[], &["169.254.169.254"]));
        assert!(!follows(&["10.0.0.1", "1.1.1.1"], &["10.0.0.2"]), "who is public as well begins there");
        let (inner, public) = ("10.0.0.1".parse().unwrap(), "1.1.1.1".parse().unwrap());
        assert_eq!(start(Some(public), &[inner]), Place::Public, "names change their address");
        assert!(follows(&["1.1.1.1"], &["8.8.8.8"]) && follows(&["1.1.1.1"], &[]));
        assert!(follows(&["10.0.0.1"], &["10.0.0.2"]) && follows(&["127.0.0.1"], &["8.8.8.8"]));
    }

    #[tokio::test]
    async fn names_of_this_machine_are_looked_up() {
        for inner in ["http://localhost:1/a", "http://[::1]/", "http://2130706433/", "http://0x7f.1/a"] {
            let url = Url::parse(inner).unwrap();
            assert_eq!(next(&addresses(&url).await), Place::Inner, "{inner}");
        }
        assert_eq!(next(&addresses(&Url::parse("http://1.1.1.1/").unwrap()).await), Place::Public);
    }
}
