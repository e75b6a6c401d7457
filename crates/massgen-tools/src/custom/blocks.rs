//! What tools of the user give back: texts, pictures and sounds.

use massgen_protocol::limits;
use serde_json::{Map, Value};

/// What a call of a tool of the user gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomReply {
    /// How it ended.
    pub outcome: CustomOutcome,
    /// Its texts, one below the other, or what went wrong.
    pub text: String,
    /// Its pictures and sounds.
    pub media: Vec<MediaBlock>,
}

/// How a call of a tool of the user ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomOutcome {
    /// It worked.
    Done,
    /// It failed.
    Failed,
    /// It was not called: its arguments are not what it takes.
    Refused,
}

impl CustomReply {
    /// The text, with a line for each picture and sound: for a model that gets text alone.
    pub fn shown(&self) -> String {
        let media = self.media.iter().map(|media| {
            let what = match media.kind {
                MediaKind::Image => "picture",
                MediaKind::Audio => "sound",
            };
            format!("[a {what} of {} bytes, {}, that cannot be shown here]", media.bytes(), media.media_type)
        });
        let text = Some(self.text.clone()).filter(|text| !text.is_empty());
        text.into_iter().chain(media).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self { outcome: CustomOutcome::Failed, text: text.into(), media: Vec::new() }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { outcome: CustomOutcome::Refused, text: text.into(), media: Vec::new() }
    }
}

/// A picture or a sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaBlock {
    /// Which of them.
    pub kind: MediaKind,
    /// What it is, for example `image/png`; `application/octet-stream` when nobody knows.
    pub media_type: String,
    /// Its bytes in base64.
    pub data: String,
}

impl MediaBlock {
    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.data.trim_end_matches('=').len().saturating_mul(3) / 4
    }
}

/// What a block that is no text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
}

/// What one block holds.
enum Content {
    Text(String),
    Error(String),
    Media(MediaBlock),
}

/// The reply that these blocks make. `None` if one of them is no block.
pub(crate) fn reply_of(blocks: &[Value]) -> Option<CustomReply> {
    let mut reply = CustomReply { outcome: CustomOutcome::Done, text: String::new(), media: Vec::new() };
    let mut texts = Vec::new();
    for block in blocks {
        match content_of(block.as_object()?)? {
            Content::Text(text) => texts.push(text),
            Content::Error(text) => {
                reply.outcome = CustomOutcome::Failed;
                texts.push(text);
            }
            Content::Media(media) => reply.media.push(media),
        }
    }
    reply.text = texts.join("\n");
    Some(reply)
}

/// What the output of a program means: blocks, if every line is one, else the text that it is.
pub(crate) fn reply_of_output(output: &[u8]) -> CustomReply {
    let text = String::from_utf8_lossy(output).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let blocks: Option<Vec<Value>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
    blocks.as_deref().and_then(reply_of).unwrap_or(CustomReply {
        outcome: CustomOutcome::Done,
        text: text.trim_end().to_owned(),
        media: Vec::new(),
    })
}

fn content_of(block: &Map<String, Value>) -> Option<Content> {
    let text = |key: &str| block.get(key).and_then(Value::as_str);
    let media = |kind| {
        let data = text("data")?.trim();
        let known =
            text("media_type").or_else(|| text("mimeType")).filter(|media_type| is_media_type(media_type));
        let media_type = known.or_else(|| type_of(data)).unwrap_or("application/octet-stream").to_owned();
        is_base64(data).then(|| Content::Media(MediaBlock { kind, media_type, data: data.to_owned() }))
    };
    match text("type")? {
        "text" => Some(Content::Text(text("text")?.to_owned())),
        "error" => Some(Content::Error(text("text").or_else(|| text("error"))?.to_owned())),
        "image" => media(MediaKind::Image),
        "audio" => media(MediaKind::Audio),
        _ => None,
    }
}

fn is_media_type(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'))
    };
    text.len() < 100 && text.split_once('/').is_some_and(|(kind, name)| is_word(kind) && is_word(name))
}

fn is_base64(data: &str) -> bool {
    let body = data.trim_end_matches('=');
    !body.is_empty()
        && data.len() <= limits::CUSTOM_RESULT_BYTES
        && data.len() - body.len() <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// The type that the first bytes tell, in base64.
fn type_of(data: &str) -> Option<&'static str> {
    const BEGINNINGS: &[(&str, &str)] = &[
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGODdh", "image/gif"),
        ("R0lGODlh", "image/gif"),
        ("SUQz", "audio/mpeg"),
        ("T2dnUw", "audio/ogg"),
        ("ZkxhQw", "audio/flac"),
    ];
    let found = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning));
    // `RIFF`, four bytes of length, and what it holds; three bytes are four characters.
    let riff = || match (data.starts_with("UklGR"), data.get(11..16)) {
        (true, Some(kind)) if kind.starts_with("XRUJ") => Some("image/webp"),
        (true, Some(kind)) if kind.starts_with("XQVZ") => Some("audio/wav"),
        (_, _) => None,
    };
    found.map(|(_, media_type)| *media_type).or_else(riff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn media_are_known_by_what_is_said_or_by_their_first_bytes_and_nothing_else_passes() {
        let media_type =
            |block: &str| reply_of_output(block.as_bytes()).media.pop().map(|media| media.media_type);
        for (block, expected) in [
            (r#"{"type":"image","data":"iVBORw0KGgoAAAA="}"#, Some("image/png")),
            (r#"{"type":"image","data":"iVBORw0KGgoAAAA=","mimeType":"image/x-own"}"#, Some("image/x-own")),
            (r#"{"type":"image","data":"UklGRiQAAABXRUJQVlA4"}"#, Some("image/webp")),
            (r#"{"type":"audio","data":"UklGRiQAAABXQVZFZm10"}"#, Some("audio/wav")),
            (r#"{"type":"audio","data":"AAAA","media_type":"x"}"#, Some("application/octet-stream")),
            (r#"{"type":"image","data":"no base64!"}"#, None),
            (r#"{"type":"image","data":""}"#, None),
            (r#"{"type":"video","data":"AAAA"}"#, None),
        ] {
            assert_eq!(media_type(block).as_deref(), expected, "{block}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_harm(output in prop::collection::vec(any::<u8>(), 0..200)) {
            let reply = reply_of_output(&output);
            prop_assert!(reply.media.is_empty());
        }
    }
}
