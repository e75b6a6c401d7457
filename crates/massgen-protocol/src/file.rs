//! Files that models make: where their bytes stand, how large they are, and what they are called.
//!
//! The bytes stay where the provider put them, as base64 inside its own item, so they are kept once and the item goes
//! back as it came. What had to be fetched from the provider stands in an item of our own, which goes nowhere. What a model says about a file (its type, the place of its bytes) is never trusted: a type is
//! reduced to letters that cannot do harm, a place that holds no base64 holds no file, and names are made here.

mod made;

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};

pub use self::made::{MadeFiles, NamedFile};
use crate::limits;
use crate::message::{ItemContent, Reply, ReplyItem, ToolFile};
use crate::size::size;

/// What a file is that does not say it.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Longest media type that is believed.
const TYPE_BYTES: usize = 100;

/// Ends of names by media type; anything else ends in `bin`.
const EXTENSIONS: [(&str, &str); 35] = [
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/jpg", "jpg"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("image/bmp", "bmp"),
    ("image/tiff", "tiff"),
    ("image/avif", "avif"),
    ("image/heic", "heic"),
    ("image/svg+xml", "svg"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/opus", "opus"),
    ("audio/aac", "aac"),
    ("audio/flac", "flac"),
    ("audio/mp4", "m4a"),
    ("audio/l16", "pcm"),
    ("audio/pcm", "pcm"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
    ("video/quicktime", "mov"),
    ("application/pdf", "pdf"),
    ("application/json", "json"),
    ("application/zip", "zip"),
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/markdown", "md"),
    ("text/html", "html"),
    ("application/xml", "xml"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
];

/// The type of the items that hold what was fetched.
const FETCHED: &str = "massgen_fetched_file";

/// How every provider writes bytes; whether the padding is there does not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file in a reply. Shown, it is its type and size: `image/png, 34 KB`.
#[derive(Debug, Clone, Copy)]
pub struct ReplyFile<'a> {
    /// What it is, for example `image/png`.
    pub media_type: &'a str,
    encoded: &'a str,
}

impl ReplyFile<'_> {
    /// Its size in bytes, without decoding them.
    pub fn size(&self) -> usize {
        let letters =
            self.encoded.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count();
        letters / 4 * 3 + (letters % 4).saturating_sub(1)
    }

    /// Its bytes; `None` when they are not base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        decoded(self.encoded)
    }

    /// What kind of file it is: `image`, `audio`, `video` or `file`.
    pub fn kind(&self) -> &'static str {
        kind(self.media_type)
    }
}

impl ToolFile {
    /// Its bytes; `None` when they are not base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        decoded(&self.data)
    }
}

impl fmt::Display for ReplyFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.media_type, size(u64::try_from(self.size()).unwrap_or(u64::MAX)))
    }
}

impl ReplyItem {
    /// The provider's item that holds a file: base64, or a `data:` address, stands at `at`, a JSON pointer into it.
    /// `said` is its media type as the provider names it; a `data:` address knows better. Without base64 there the item
    /// is one that only the provider understands.
    pub fn with_file(provider: Value, at: &str, said: Option<&str>) -> Self {
        let place = provider.pointer(at).and_then(Value::as_str).and_then(split);
        let file = place.filter(|(_, encoded)| decoded(encoded).is_some_and(|bytes| !bytes.is_empty()));
        let content = match file {
            Some((named, _)) => ItemContent::File {
                media_type: media_type(named.filter(|named| !named.is_empty()).or(said)),
                at: at.to_owned(),
            },
            None => ItemContent::Opaque,
        };
        Self { content, provider: Some(provider) }
    }

    /// A file that its provider keeps under `id`, with the bytes that were fetched. `said` is its media type, as far as
    /// it is known. The item is ours: the provider never sees it.
    pub fn with_fetched(id: &str, bytes: &[u8], said: Option<&str>) -> Self {
        let item = json!({"type": FETCHED, "id": id, "data": BASE64.encode(bytes)});
        Self::with_file(item, "/data", said)
    }

    /// Whether it is of [`Self::with_fetched`].
    pub fn is_fetched(&self) -> bool {
        let kind = self.provider.as_ref().and_then(|item| item.get("type"));
        kind.and_then(Value::as_str) == Some(FETCHED)
    }

    /// The file that it is, if it is one and its bytes are there.
    pub fn file(&self) -> Option<ReplyFile<'_>> {
        let ItemContent::File { media_type, at } = &self.content else {
            return None;
        };
        let (_, encoded) = split(self.provider.as_ref()?.pointer(at)?.as_str()?)?;
        Some(ReplyFile { media_type, encoded })
    }
}

impl Reply {
    /// The files that the model made, in order.
    pub fn files(&self) -> impl Iterator<Item = ReplyFile<'_>> {
        self.items.iter().filter_map(ReplyItem::file)
    }
}

/// Makes the names of files: `image-1.png`, `image-2.jpg`, `audio-1.wav`, `file-1.bin`. Equal files in equal order get
/// equal names.
#[derive(Debug, Clone, Default)]
pub struct FileNames {
    made: Vec<&'static str>,
}

impl FileNames {
    /// The name of the next file.
    pub fn next(&mut self, media_type: &str) -> String {
        let kind = kind(media_type);
        self.made.push(kind);
        let number = self.made.iter().filter(|made| **made == kind).count();
        let known = EXTENSIONS.iter().find(|(known, _)| *known == media_type);
        format!("{kind}-{number}.{}", known.map_or("bin", |(_, extension)| extension))
    }
}

/// Whether `name` is one that [`FileNames`] may have made.
pub fn is_made_name(name: &str) -> bool {
    let parts = name.split_once('-').and_then(|(kind, rest)| Some((kind, rest.split_once('.')?)));
    parts.is_some_and(|(kind, (number, extension))| {
        matches!(kind, "image" | "audio" | "video" | "file")
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && (extension == "bin" || EXTENSIONS.iter().any(|(_, known)| *known == extension))
    })
}

/// The media type of files whose name ends as `name` does, if that is known.
pub fn media_type_of_name(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    let known = EXTENSIONS.iter().find(|(_, extension)| extension.eq_ignore_ascii_case(end));
    known.map(|(media_type, _)| *media_type)
}

fn kind(media_type: &str) -> &'static str {
    ["image", "audio", "video"]
        .into_iter()
        .find(|kind| media_type.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/')))
        .unwrap_or("file")
}

/// A media type without its parameters, in small letters; what is none is `application/octet-stream`.
fn media_type(said: Option<&str>) -> String {
    let essence = said.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let names = essence.split_once('/').filter(|(kind, of_it)| is_name(kind) && is_name(of_it));
    if names.is_some() && essence.len() <= TYPE_BYTES { essence } else { UNKNOWN_TYPE.to_owned() }
}

/// The media type that a text names, and its base64: of a `data:` address both, else the text is base64.
fn split(text: &str) -> Option<(Option<&str>, &str)> {
    let is_address = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
    if !is_address {
        return Some((None, text));
    }
    let (head, encoded) = text.get(5..)?.split_once(',')?;
    let (media_type, encoding) = head.rsplit_once(';')?;
    encoding.trim().eq_ignore_ascii_case("base64").then_some((Some(media_type), encoded))
}

/// The bytes that base64 means, in either of its alphabets, broken into lines or not; `None` for any other text, and
/// for one that is longer than a reply.
fn decoded(text: &str) -> Option<Vec<u8>> {
    if text.len() > limits::REPLY_BYTES {
        return None;
    }
    let is_unusual = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'-' | b'_');
    let usual = if text.bytes().any(is_unusual) {
        let letters = text.chars().filter(|letter| !letter.is_ascii_whitespace());
        Cow::Owned(letters.map(usual_letter).collect::<String>())
    } else {
        Cow::Borrowed(text)
    };
    BASE64.decode(usual.as_bytes()).ok()
}

/// A letter of the alphabet for addresses as one of the usual alphabet.
fn usual_letter(letter: char) -> char {
    match letter {
        '-' => '+',
        '_' => '/',
        other => other,
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
