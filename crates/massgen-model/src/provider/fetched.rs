//! Files that a service's tools for code made and keep: a reply names them by ids. They are fetched once the reply is
//! whole, and put behind its items.
//!
//! They come from the service's own address, with the client and the key of the call. A redirect is not followed. What
//! cannot be fetched stays named, and takes nothing from the reply.

use std::collections::BTreeSet;
use std::fmt::Display;

use massgen_protocol::message::ReplyItem;
use massgen_protocol::{CallId, limits};
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::failure::root_cause;
use super::{CALL_HEADER, Endpoint};
use crate::download::{DownloadError, Downloaded, read};

/// Longest id that goes into an address, in bytes.
const ID_BYTES: usize = 256;

/// Types that say nothing, and those that servers tell when they do not know more.
const VAGUE_TYPES: [&str; 4] =
    ["application/octet-stream", "application/binary", "binary/octet-stream", "text/plain"];

/// How files of a type begin, at a place in them.
const BEGINNINGS: [(&str, usize, &[u8]); 6] = [
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 8, b"WEBP"),
    ("application/pdf", 0, b"%PDF-"),
    ("application/zip", 0, b"PK\x03\x04"),
];

/// A file that a reply names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFile {
    /// Where it is, in the place of the last part of the address that requests go to. Ids of the service are among these
    /// parts, unchecked.
    pub(crate) place: Vec<String>,
    /// What the model calls it.
    pub(crate) name: Option<String>,
    /// Header that the service wants to see.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

/// What became of the files that a reply names.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Those that were fetched, in order.
    pub(crate) items: Vec<ReplyItem>,
    /// How many stay where they are.
    pub(crate) left: u32,
    /// Why the first of those does, as the end of a sentence that begins with it.
    pub(crate) problem: Option<String>,
}

impl Fetched {
    fn leave(&mut self, count: usize, problem: &dyn Display) {
        self.left = self.left.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.problem.get_or_insert_with(|| problem.to_string());
    }
}

/// Fetches the files that `items` name, those that come before `deadline`.
pub(crate) async fn fetch(
    endpoint: &Endpoint,
    call: CallId,
    items: &[ReplyItem],
    deadline: Instant,
) -> Fetched {
    let mut fetched = Fetched::default();
    let mut seen = BTreeSet::new();
    let mut named = endpoint.codec.stored_files(items);
    named.retain(|file| seen.insert(file.place.clone()));
    let begun = Instant::now();
    let deadline = deadline.min(begun + limits::FETCH_TIME);
    let mut room = limits::FETCHED_BYTES;
    for (position, file) in named.iter().enumerate() {
        if position >= limits::FETCHED_FILES {
            let rest = named.len() - position;
            fetched.leave(rest, &format_args!("is one too many, {} is the most", limits::FETCHED_FILES));
            break;
        }
        let Some(url) = file.url(&endpoint.url) else {
            fetched.leave(1, &"has an id that is none");
            continue;
        };
        let one = one(endpoint, call, file, url, room);
        match timeout_at(deadline, one).await {
            Err(_) => {
                fetched.leave(named.len() - position, &DownloadError::Late(deadline - begun));
                break;
            }
            Ok(Err(problem)) => fetched.leave(1, &problem),
            Ok(Ok(read)) if read.bytes.is_empty() => fetched.leave(1, &"is empty"),
            Ok(Ok(read)) => {
                room = room.saturating_sub(u64::try_from(read.bytes.len()).unwrap_or(u64::MAX));
                let id = file.place.iter().rev().nth(1).map(String::as_str).unwrap_or_default();
                let media_type = media_type(file.name.as_deref(), &read);
                fetched.items.push(ReplyItem::with_fetched(id, &read.bytes, media_type.as_deref()));
            }
        }
    }
    fetched
}

async fn one(
    endpoint: &Endpoint,
    call: CallId,
    file: &StoredFile,
    url: Url,
    most_bytes: u64,
) -> Result<Downloaded, DownloadError> {
    let mut headers: HeaderMap = endpoint.headers.clone();
    headers.remove(CONTENT_TYPE);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.extend(file.header.clone());
    let request = endpoint.client.get(url).headers(headers).header(CALL_HEADER, call.to_string());
    let response = request.send().await.map_err(|error| DownloadError::Unreachable(root_cause(&error)))?;
    read(response, most_bytes).await
}

impl StoredFile {
    /// Its address beside that of the requests; `None` where one of its ids is none.
    fn url(&self, requests: &Url) -> Option<Url> {
        let is_id = |part: &String| {
            !part.is_empty()
                && part.len() <= ID_BYTES
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !self.place.iter().all(is_id) {
            return None;
        }
        let mut url = requests.clone();
        url.path_segments_mut().ok()?.pop().extend(&self.place);
        Some(url)
    }
}

/// What a file is by its name, by its server, or else by its bytes.
fn media_type(name: Option<&str>, file: &Downloaded) -> Option<String> {
    let by_name = name.and_then(massgen_protocol::file::media_type_of_name).map(str::to_owned);
    let says_more = |told: &&String| {
        let essence = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        !VAGUE_TYPES.contains(&essence.as_str())
    };
    let by_bytes = || {
        let begins = |(_, at, magic): &&(&str, usize, &[u8])| {
            file.bytes.get(*at..).is_some_and(|bytes| bytes.starts_with(magic))
        };
        let known = BEGINNINGS.iter().find(begins).map(|(media_type, ..)| *media_type);
        known.or_else(|| std::str::from_utf8(&file.bytes).is_ok().then_some("text/plain"))
    };
    by_name
        .or_else(|| file.media_type.as_ref().filter(says_more).cloned())
        .or_else(|| by_bytes().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(place: &[&str]) -> StoredFile {
        let place = place.iter().map(|part| (*part).to_owned()).collect();
        StoredFile { place, name: None, header: None }
    }

    #[test]
    fn a_file_is_beside_the_requests_and_only_an_id_gets_into_its_address() {
        let requests = Url::parse("https://api.test/openai/v1/responses?api-version=1").unwrap();
        let url = |ids: [&str; 2]| {
            let file = file(&["containers", ids[0], "files", ids[1], "content"]);
            file.url(&requests).map(String::from)
        };
        assert_eq!(
            url(["cntr_1", "cfile-A"]).as_deref(),
            Some("https://api.test/openai/v1/containers/cntr_1/files/cfile-A/content?api-version=1")
        );
        let long = "a".repeat(ID_BYTES + 1);
        for hostile in
            ["", ".", "..", "../../x", "a/b", "a%2fb", "a?b", "a#b", "a b", "é", "a\n", "@evil.test", &long]
        {
            assert_eq!(url([hostile, "f"]), None, "{hostile:?}");
            assert_eq!(url(["c", hostile]), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_file_is_what_its_name_its_server_or_its_bytes_say() {
        let told = |name: Option<&str>, told: Option<&str>, bytes: &[u8]| {
            media_type(name, &Downloaded { bytes: bytes.to_vec(), media_type: told.map(str::to_owned) })
        };
        let png = b"\x89PNG\r\n\x1a\n".as_slice();
        assert_eq!(told(Some("a.csv"), Some("text/plain"), b"a,b").as_deref(), Some("text/csv"));
        assert_eq!(told(Some("a.what"), Some("image/png; x"), b"\xff").as_deref(), Some("image/png; x"));
        for vague in [None, Some("application/octet-stream"), Some("Application/Binary; x=1")] {
            assert_eq!(told(None, vague, png).as_deref(), Some("image/png"));
            assert_eq!(told(None, vague, b"RIFF1234WEBPx").as_deref(), Some("image/webp"));
            assert_eq!(told(None, vague, b"words").as_deref(), Some("text/plain"));
            assert_eq!(told(None, vague, b"\xff\xfe").as_deref(), None);
        }
    }
}
