//! Files that go to the model of an agent together with the task (`upload_files`).
//!
//! The bytes of a file are in no event: an [`Attachment`] names them by their hash, and the run keeps them once, beside
//! its journal. In a request they travel as an [`AttachedFile`].

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::size::size;
use crate::spec::Protocol;

/// What an image is counted with, in tokens: about what the largest one costs that providers do not make smaller.
const IMAGE_TOKENS: u64 = 1_600;

/// What a page is counted with, in tokens: its text, and itself as an image.
const PAGE_TOKENS: u64 = 3_000;

/// Bytes of a file with pages that are counted as one page.
const PAGE_BYTES: u64 = 64 * 1024;

/// What 1024 bytes of sound or video are counted with, in tokens: a second of mp3 has about 16 KB and costs 32 tokens,
/// a second of video has some hundred and costs 300.
const STREAM_TOKENS_PER_KIB: u64 = 2;

/// What a video is counted with whose length nobody knows, in tokens: a little more than a minute and a half.
const VIDEO_TOKENS: u64 = 30_000;

/// Bytes of text that are counted as one token.
const TOKEN_BYTES: u64 = 4;

/// Largest image that services which speak Anthropic Messages take, in bytes of the file. The 5 MiB that they name are
/// those of its base64, four of which carry three of the file.
const MESSAGES_IMAGE_BYTES: u64 = 5 * 1024 * 1024 / 4 * 3;

/// Most bytes of files in one request to services which speak Anthropic Messages. A request has at most 32 MB: as base64
/// these files take 29.3 MB of it, the rest is for the conversation.
const MESSAGES_FILES_BYTES: u64 = 22_000_000;

/// Most bytes of files in one request to Gemini. A request has at most 20 MB, and four bytes of it carry three of a file.
const GEMINI_FILES_BYTES: u64 = 15_000_000;

/// A file that goes to the model of an agent with the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// Its name, without folders.
    pub name: String,
    /// Its media type, for example `image/png`; `image/*` where an address does not tell.
    pub media_type: String,
    /// What it is to a model.
    pub kind: AttachmentKind,
    /// Where its content is.
    pub content: AttachmentContent,
}

/// What a file is to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A picture (`image_path`).
    Image,
    /// Sound (`audio_path`).
    Audio,
    /// Moving pictures (`video_path`).
    Video,
    /// Text or pages (`file_path`).
    Document,
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum AttachmentContent {
    /// At an address that the provider reads itself.
    Address {
        /// The address, `http` or `https`.
        url: String,
    },
    /// In the blobs of the run.
    Blob {
        /// The hash that names it, BLAKE3 in hex.
        hash: String,
        /// Its size.
        bytes: u64,
    },
}

/// A file with its bytes, as a request carries it. Written down it is the [`Attachment`] alone: its hash stands for the
/// bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedFile {
    /// What it is.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// Its bytes; none when it is at an address.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for AttachedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AttachedFile").field(&self.attachment).finish()
    }
}

impl AttachedFile {
    /// The text of a file that is one.
    pub fn text(&self) -> Option<&str> {
        let is_here = matches!(self.attachment.content, AttachmentContent::Blob { .. });
        let text = || std::str::from_utf8(&self.bytes).ok();
        (is_here && self.attachment.is_text()).then(text).flatten()
    }
}

impl Attachment {
    /// Whether it is text that every model reads.
    pub fn is_text(&self) -> bool {
        self.kind == AttachmentKind::Document && is_text(&self.media_type)
    }

    /// Whether a service that speaks `protocol` on `host` takes it. Text goes to all of them, as text.
    pub fn is_taken_by(&self, protocol: Protocol, host: &str) -> bool {
        takes(protocol, host, self.kind, &self.media_type)
    }

    /// Its bytes that go with each request; none when it is at an address.
    pub fn sent_bytes(&self) -> u64 {
        match &self.content {
            AttachmentContent::Address { .. } => 0,
            AttachmentContent::Blob { bytes, .. } => *bytes,
        }
    }

    /// About what it costs in a prompt, in tokens. Providers count each in their own way; this is for deciding whether
    /// a conversation still fits, and what a call may cost.
    pub fn prompt_tokens(&self) -> u64 {
        let bytes = match &self.content {
            AttachmentContent::Address { .. } => None,
            AttachmentContent::Blob { bytes, .. } => Some(*bytes),
        };
        match (self.kind, bytes) {
            (AttachmentKind::Image, _) => IMAGE_TOKENS,
            (AttachmentKind::Audio | AttachmentKind::Video, Some(bytes)) => {
                bytes.div_ceil(1024).saturating_mul(STREAM_TOKENS_PER_KIB)
            }
            (AttachmentKind::Audio | AttachmentKind::Video, None) => VIDEO_TOKENS,
            (AttachmentKind::Document, Some(bytes)) if self.is_text() => bytes.div_ceil(TOKEN_BYTES),
            (AttachmentKind::Document, Some(bytes)) => bytes.div_ceil(PAGE_BYTES).saturating_mul(PAGE_TOKENS),
            (AttachmentKind::Document, None) => PAGE_TOKENS,
        }
    }

    /// The bytes of text that cost as much as it does.
    pub fn prompt_bytes(&self) -> u64 {
        self.prompt_tokens().saturating_mul(TOKEN_BYTES)
    }

    /// One line that says what it is: `chart.png (image/png, 34 KB)`.
    pub fn line(&self) -> String {
        match &self.content {
            AttachmentContent::Address { .. } => format!("{} ({})", self.name, self.media_type),
            AttachmentContent::Blob { bytes, .. } => {
                format!("{} ({}, {})", self.name, self.media_type, size(*bytes))
            }
        }
    }
}

/// Whether a document of this type is text.
pub fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/") || media_type == "application/json"
}

/// Whether a service that speaks `protocol` on `host` takes files of this kind and type.
pub fn takes(protocol: Protocol, host: &str, kind: AttachmentKind, media_type: &str) -> bool {
    let is_at =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match (kind, protocol) {
        (AttachmentKind::Image, Protocol::Gemini) => media_type != GIF,
        (AttachmentKind::Image, _)
        | (AttachmentKind::Audio, Protocol::ChatCompletions | Protocol::Gemini)
        | (AttachmentKind::Video, Protocol::Gemini) => true,
        // xAI takes documents only that were uploaded before.
        (AttachmentKind::Document, Protocol::Responses) => is_text(media_type) || !is_at("x.ai"),
        // OpenAI itself has no part for it; servers with open models do.
        (AttachmentKind::Video, Protocol::ChatCompletions) => {
            !["openai.com", "azure.com"].into_iter().any(is_at)
        }
        (AttachmentKind::Document, _) if is_text(media_type) => true,
        (
            AttachmentKind::Audio | AttachmentKind::Video,
            Protocol::Responses | Protocol::Messages | Protocol::Ollama,
        )
        | (AttachmentKind::Document, Protocol::Ollama) => false,
        (AttachmentKind::Document, Protocol::Messages | Protocol::Gemini) => media_type == PDF,
        (AttachmentKind::Document, Protocol::ChatCompletions) => {
            media_type == PDF && ["openai.com", "openrouter.ai"].into_iter().any(is_at)
        }
    }
}

/// Whether services that speak `protocol` read files of this kind from any address.
pub fn takes_address(protocol: Protocol, kind: AttachmentKind) -> bool {
    match (kind, protocol) {
        (AttachmentKind::Image, Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages)
        | (AttachmentKind::Video, Protocol::ChatCompletions) => true,
        (AttachmentKind::Image, Protocol::Gemini | Protocol::Ollama)
        | (
            AttachmentKind::Video,
            Protocol::Responses | Protocol::Messages | Protocol::Gemini | Protocol::Ollama,
        )
        // Sound and documents always go with the request.
        | (AttachmentKind::Audio | AttachmentKind::Document, _) => false,
    }
}

/// Most bytes of one file of this kind that services which speak `protocol` take, where that is known.
pub fn most_bytes(protocol: Protocol, kind: AttachmentKind) -> Option<u64> {
    (protocol == Protocol::Messages && kind == AttachmentKind::Image).then_some(MESSAGES_IMAGE_BYTES)
}

/// Most bytes of all files in one request that services which speak `protocol` take, where that is known.
pub fn most_bytes_together(protocol: Protocol) -> Option<u64> {
    match protocol {
        Protocol::Messages => Some(MESSAGES_FILES_BYTES),
        Protocol::Gemini => Some(GEMINI_FILES_BYTES),
        Protocol::ChatCompletions | Protocol::Responses | Protocol::Ollama => None,
    }
}

/// The media type of GIF.
const GIF: &str = "image/gif";

/// The media type of PDF.
const PDF: &str = "application/pdf";

/// A type of files that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileType {
    /// The ends of their names, without the dot, in lower case; the first one is the usual one.
    pub extensions: &'static [&'static str],
    /// Their media type.
    pub media_type: &'static str,
}

impl AttachmentKind {
    /// The types of this kind that can be sent.
    pub fn types(self) -> &'static [FileType] {
        const fn of(extensions: &'static [&'static str], media_type: &'static str) -> FileType {
            FileType { extensions, media_type }
        }
        const IMAGES: &[FileType] = &[
            of(&["png"], "image/png"),
            of(&["jpg", "jpeg"], "image/jpeg"),
            of(&["gif"], GIF),
            of(&["webp"], "image/webp"),
        ];
        const AUDIO: &[FileType] = &[of(&["wav"], "audio/wav"), of(&["mp3"], "audio/mp3")];
        const VIDEO: &[FileType] = &[
            of(&["mp4"], "video/mp4"),
            of(&["mov"], "video/quicktime"),
            of(&["webm"], "video/webm"),
            of(&["mpeg", "mpg"], "video/mpeg"),
            of(&["avi"], "video/x-msvideo"),
            of(&["mkv"], "video/x-matroska"),
        ];
        const DOCUMENTS: &[FileType] = &[
            of(&["pdf"], PDF),
            of(&["doc"], "application/msword"),
            of(&["docx"], "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            of(&["pptx"], "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
            of(&["txt", "log"], "text/plain"),
            of(&["md"], "text/markdown"),
            of(&["json"], "application/json"),
            of(&["csv"], "text/csv"),
            of(&["tsv"], "text/tab-separated-values"),
            of(&["yaml", "yml"], "text/yaml"),
            of(&["toml"], "text/x-toml"),
            of(&["xml"], "text/xml"),
            of(&["html"], "text/html"),
            of(&["css"], "text/css"),
            of(&["js"], "text/javascript"),
            of(&["ts"], "text/x-typescript"),
            of(&["c"], "text/x-c"),
            of(&["cpp"], "text/x-c++"),
            of(&["cs"], "text/x-csharp"),
            of(&["go"], "text/x-go"),
            of(&["java"], "text/x-java"),
            of(&["php"], "text/x-php"),
            of(&["py"], "text/x-python"),
            of(&["rb"], "text/x-ruby"),
            of(&["rs"], "text/x-rust"),
            of(&["sh"], "text/x-shellscript"),
            of(&["sql"], "text/x-sql"),
            of(&["tex"], "text/x-tex"),
        ];
        match self {
            Self::Image => IMAGES,
            Self::Audio => AUDIO,
            Self::Video => VIDEO,
            Self::Document => DOCUMENTS,
        }
    }

    /// The type of the file `name`, by the end of its name.
    pub fn type_of_name(self, name: &str) -> Option<&'static FileType> {
        let (_, extension) = name.rsplit_once('.')?;
        let has_it =
            |known: &&FileType| known.extensions.iter().any(|end| extension.eq_ignore_ascii_case(end));
        self.types().iter().find(has_it)
    }

    /// The type with a media type as a server writes it, parameters behind a `;` included.
    pub fn type_of_media(self, media_type: &str) -> Option<&'static FileType> {
        let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let bare = match bare.as_str() {
            "audio/mpeg" => "audio/mp3",
            "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
            "image/jpg" => "image/jpeg",
            other => other,
        };
        self.types().iter().find(|known| known.media_type == bare)
    }

    /// The ends of names that it has, as words: `png, jpg, jpeg, gif or webp`.
    pub fn extensions(self) -> String {
        let all: Vec<&str> = self.types().iter().flat_map(|known| known.extensions).copied().collect();
        match all.split_last() {
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

impl fmt::Display for AttachmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Document => "document",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, kind: AttachmentKind, bytes: &[u8]) -> AttachedFile {
        let media_type = kind.type_of_name(name).unwrap().media_type.to_owned();
        let content = AttachmentContent::Blob { hash: "ab".repeat(32), bytes: bytes.len() as u64 };
        let attachment = Attachment { name: name.to_owned(), media_type, kind, content };
        AttachedFile { attachment, bytes: bytes.into() }
    }

    #[test]
    fn the_bytes_of_a_file_are_written_nowhere_and_its_hash_is() {
        let written = serde_json::to_string(&file("a.PNG", AttachmentKind::Image, b"bytes of it")).unwrap();
        assert!(written.contains(&"ab".repeat(32)) && !written.contains("bytes of it"), "{written}");
        assert!(!format!("{:?}", file("a.png", AttachmentKind::Image, &[77; 3])).contains("77"));
        let read: AttachedFile = serde_json::from_str(&written).unwrap();
        assert_eq!(
            read.attachment,
            file("a.png", AttachmentKind::Image, b"bytes of it").attachment.named("a.PNG")
        );
        assert!(read.bytes.is_empty());
    }

    impl Attachment {
        fn named(self, name: &str) -> Self {
            Self { name: name.to_owned(), ..self }
        }
    }

    #[test]
    fn text_goes_everywhere_and_the_rest_where_the_protocol_has_a_part_for_it() {
        let all = [
            Protocol::ChatCompletions,
            Protocol::Responses,
            Protocol::Messages,
            Protocol::Gemini,
            Protocol::Ollama,
        ];
        let taken = |name: &str, kind, host: &str| {
            let attachment = file(name, kind, b"x").attachment;
            all.map(|protocol| attachment.is_taken_by(protocol, host))
        };
        let (image, audio, video, document) =
            (AttachmentKind::Image, AttachmentKind::Audio, AttachmentKind::Video, AttachmentKind::Document);
        assert_eq!(taken("a.png", image, ""), [true; 5]);
        assert_eq!(taken("a.gif", image, ""), [true, true, true, false, true]);
        assert_eq!(taken("a.csv", document, ""), [true; 5]);
        assert_eq!(taken("a.csv", document, "api.x.ai"), [true; 5]);
        assert_eq!(taken("a.pdf", document, "api.x.ai"), [false, false, true, true, false]);
        assert_eq!(taken("a.docx", document, "notx.ai"), [false, true, false, false, false]);
        assert_eq!(taken("a.mp3", audio, ""), [true, false, false, true, false]);
        assert_eq!(taken("a.mp4", video, "api.example"), [true, false, false, true, false]);
        assert_eq!(taken("a.mp4", video, "api.openai.com"), [false, false, false, true, false]);
        assert_eq!(taken("a.pdf", document, "api.example"), [false, true, true, true, false]);
        assert_eq!(taken("a.pdf", document, "openrouter.ai"), [true, true, true, true, false]);
        assert_eq!(taken("a.pdf", document, "notopenrouter.ai"), [false, true, true, true, false]);
        assert_eq!(taken("a.docx", document, "api.openai.com"), [false, true, false, false, false]);
    }

    #[test]
    fn only_text_has_a_text() {
        assert_eq!(file("a.md", AttachmentKind::Document, b"# x").text(), Some("# x"));
        assert_eq!(file("a.md", AttachmentKind::Document, &[0xff]).text(), None);
        assert_eq!(file("a.pdf", AttachmentKind::Document, b"x").text(), None);
    }

    #[test]
    fn a_file_costs_what_a_model_sees_of_it() {
        let cost =
            |name: &str, kind, bytes: usize| file(name, kind, &vec![0; bytes]).attachment.prompt_tokens();
        assert_eq!(cost("a.png", AttachmentKind::Image, 10), cost("a.png", AttachmentKind::Image, 1_000_000));
        assert_eq!(cost("a.txt", AttachmentKind::Document, 4_000), 1_000);
        assert_eq!(cost("a.pdf", AttachmentKind::Document, 65_537), 6_000);
        assert_eq!(cost("a.mp3", AttachmentKind::Audio, 160_000), 314);
    }

    #[test]
    fn servers_names_of_types_are_understood() {
        let name = |kind: AttachmentKind, media| kind.type_of_media(media).map(|known| known.extensions[0]);
        assert_eq!(name(AttachmentKind::Audio, "audio/mpeg"), Some("mp3"));
        assert_eq!(name(AttachmentKind::Document, "text/plain; charset=utf-8"), Some("txt"));
        assert_eq!(name(AttachmentKind::Image, "text/html"), None);
        assert_eq!(AttachmentKind::Audio.extensions(), "wav or mp3");
    }
}
