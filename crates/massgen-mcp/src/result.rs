//! The result of a call, as a server sends it, made into what a model reads and files that are kept.
//!
//! Servers get things wrong in many ways, so it is read without types: what is there and usable is taken.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use massgen_protocol::ToolOutcome;
use serde_json::Value;

use crate::limits::FILES_PER_RESULT;
use crate::notice::quoted;
use crate::variables::Mask;

/// What is kept of a file without a usable media type.
const ANY_MEDIA_TYPE: &str = "application/octet-stream";

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// For the model. Its text is as the server sent it, with control codes.
    pub outcome: ToolOutcome,
    /// Files that the server sent, in order; the text names each where it stood, as `[file N: …]`, from 1.
    pub files: Vec<SentFile>,
}

/// A file that a server sent.
#[derive(Clone, PartialEq, Eq)]
pub struct SentFile {
    /// What it is, such as `image/png`.
    pub media_type: String,
    /// Its content, checked to be base64.
    pub base64: String,
}

impl fmt::Debug for SentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentFile({}, {} bytes of base64)", self.media_type, self.base64.len())
    }
}

impl Called {
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { outcome: ToolOutcome::Error { text: text.into() }, files: Vec::new() }
    }

    pub(crate) fn denied(text: impl Into<String>) -> Self {
        Self { outcome: ToolOutcome::Denied { text: text.into() }, files: Vec::new() }
    }
}

/// Reads the result of `tools/call`.
pub(crate) fn called(result: Value, mask: &Mask) -> Called {
    let Value::Object(mut result) = result else {
        return Called::error("the server answered with something that is no result");
    };
    let mut read = Read { mask, parts: Vec::new(), plain: Vec::new(), files: Vec::new(), left_out: 0 };
    if let Some(Value::Array(content)) = result.remove("content") {
        for item in content {
            read.item(item);
        }
    }
    if let Some(structured) = result.remove("structuredContent") {
        read.structured(&structured);
    }
    if read.left_out > 0 {
        read.parts.push(format!("[{} more files were left out]", read.left_out));
    }
    let text = read.parts.join("\n");
    let outcome = if result.get("isError") == Some(&Value::Bool(true)) {
        let silent = text.is_empty();
        ToolOutcome::Error {
            text: if silent { "the tool failed and did not say why".to_owned() } else { text },
        }
    } else {
        ToolOutcome::ok(text)
    };
    Called { outcome, files: read.files }
}

struct Read<'a> {
    mask: &'a Mask,
    /// What the model reads.
    parts: Vec<String>,
    /// Texts among them, as they came.
    plain: Vec<String>,
    files: Vec<SentFile>,
    left_out: usize,
}

impl Read<'_> {
    fn item(&mut self, item: Value) {
        let Value::Object(mut item) = item else {
            return self.parts.push("[a part that is unreadable]".to_owned());
        };
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut text = |name: &str| match item.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        match kind.as_str() {
            "text" => {
                let text = self.mask.apply(&text("text").unwrap_or_default());
                self.parts.push(text.clone());
                self.plain.push(text);
            }
            "image" | "audio" => {
                let (data, media_type) = (text("data").unwrap_or_default(), text("mimeType"));
                self.file(&kind, data, media_type, None);
            }
            "resource_link" => {
                let uri = text("uri").unwrap_or_default();
                let name = text("name").unwrap_or_default();
                let about = text("description").map(|about| format!(": {about}")).unwrap_or_default();
                self.parts.push(self.mask.apply(&format!("[link `{name}` to {uri}{about}]")));
            }
            "resource" => match item.remove("resource") {
                Some(Value::Object(resource)) => self.resource(resource),
                _ => self.parts.push("[a resource that is unreadable]".to_owned()),
            },
            other => self.parts.push(format!("[a part of the unknown kind `{}`]", quoted(other))),
        }
    }

    fn resource(&mut self, mut resource: serde_json::Map<String, Value>) {
        let mut text = |name: &str| match resource.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (uri, media_type) = (text("uri"), text("mimeType"));
        if let Some(content) = text("text") {
            let uri = uri.unwrap_or_default();
            self.parts.push(self.mask.apply(&format!("[resource {uri}]\n{content}")));
        } else if let Some(blob) = text("blob") {
            self.file("resource", blob, media_type, uri);
        } else {
            self.parts.push("[a resource without content]".to_owned());
        }
    }

    fn file(&mut self, kind: &str, base64: String, media_type: Option<String>, uri: Option<String>) {
        if self.files.len() == FILES_PER_RESULT {
            self.left_out += 1;
            return;
        }
        let size = match STANDARD.decode(&base64) {
            Ok(bytes) if !bytes.is_empty() => bytes.len(),
            Ok(_) => return self.parts.push(format!("[an empty file of the kind {kind}]")),
            Err(_) => return self.parts.push(format!("[a damaged file of the kind {kind}]")),
        };
        let media_type =
            media_type.filter(|named| is_media_type(named)).unwrap_or_else(|| ANY_MEDIA_TYPE.to_owned());
        let from = uri.map(|uri| format!(" from {}", self.mask.apply(&uri))).unwrap_or_default();
        self.parts.push(format!("[file {}: {media_type}, {size} bytes{from}]", self.files.len() + 1));
        self.files.push(SentFile { media_type, base64 });
    }

    /// Adds what stands in the structured content, unless a text says it already.
    fn structured(&mut self, structured: &Value) {
        let is_said = structured.is_null() || self.is_said(structured) || self.is_said_unwrapped(structured);
        if !is_said {
            self.parts.push(self.mask.apply(&structured.to_string()));
        }
    }

    /// Whether a text is `value` as JSON.
    fn is_said(&self, value: &Value) -> bool {
        let joined = self.plain.join("\n");
        let texts = self.plain.iter().chain([&joined]);
        texts.filter_map(|text| serde_json::from_str::<Value>(text).ok()).any(|said| said == *value)
    }

    /// Whether `value` is an object of one key around what a text says: some servers wrap a text in one, and others
    /// anything that is no object, below `result`.
    fn is_said_unwrapped(&self, value: &Value) -> bool {
        let only =
            value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((key, inner)) = only else { return false };
        match inner.as_str() {
            Some(text) => self.mask.apply(text) == self.plain.join("\n"),
            None => key == "result" && self.is_said(inner),
        }
    }
}

/// Whether `named` is a type and a subtype of usual length.
fn is_media_type(named: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    named.len() <= 100 && named.split_once('/').is_some_and(|(kind, rest)| is_word(kind) && is_word(rest))
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
