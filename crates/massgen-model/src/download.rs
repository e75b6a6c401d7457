//! Reading a file at an address, for a model whose service does not read it there itself.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, Url};
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
    /// The server points to another kind of address, to this machine, or elsewhere again and again.
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
    /// The file at `address`, which has at most `most_bytes`. It takes at most `patience`. No key goes along, and a
    /// server can neither point from `https` to `http` nor to this machine.
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
        for _ in 0..=REDIRECTS {
            let client = self.for_url(&url).map_err(DownloadError::Unreachable)?;
            let sent = client.get(url.clone()).send().await;
            let response = sent.map_err(|error| DownloadError::Unreachable(root_cause(&error)))?;
            if !response.status().is_redirection() {
                return read(response, most_bytes).await;
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = target(&url, response.status().as_u16(), location)?;
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

async fn read(mut response: Response, most_bytes: u64) -> Result<Downloaded, DownloadError> {
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
}
