//! Files of a conversation, as the parts that the protocols have for them.
//!
//! rig would write them too, but it gives every document the same name, replaces what it thinks a model does not read,
//! and copies the bytes several times. So its body has a mark where the files of a message belong, and the parts are
//! put there while the body is brought into order. Text among the files stands in the message already.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use massgen_protocol::message::Message;
use massgen_protocol::spec::Protocol;
use massgen_protocol::{AttachedFile, AttachmentContent, AttachmentKind, ModelRequest};
use serde::de::Error as _;
use serde_json::{Map, Value, json};

/// The files of a request, for one service.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    protocol: Protocol,
    host: &'a str,
    /// The marks of the messages that have files.
    marked: Vec<(String, &'a [Arc<AttachedFile>])>,
}

/// The text of a message of the user for rig: with a mark at its end when it has files.
pub(crate) fn marked(text: &str, files: &[Arc<AttachedFile>]) -> String {
    if files.is_empty() { text.to_owned() } else { format!("{text}{}", mark(text, files)) }
}

/// Stands for `files` at the end of `text` in rig's body, and never leaves this process. It is made of a hash of both,
/// so that nothing that is said can hold it by accident or by intent. It needs no escapes in JSON.
fn mark(text: &str, files: &[Arc<AttachedFile>]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    for file in files {
        match &file.attachment.content {
            AttachmentContent::Address { url } => hasher.update(url.as_bytes()),
            AttachmentContent::Blob { hash, .. } => hasher.update(hash.as_bytes()),
        };
    }
    format!("[files {}]", hasher.finalize().to_hex())
}

impl<'a> Files<'a> {
    /// The files of `request` for a service that speaks `protocol` on `host`.
    pub(crate) fn of(request: &'a ModelRequest, protocol: Protocol, host: &'a str) -> Self {
        let marked = request.messages.iter().filter_map(|message| match message {
            Message::User { text, files } if !files.is_empty() => Some((mark(text, files), files.as_slice())),
            Message::User { .. } | Message::Assistant { .. } | Message::ToolResult { .. } => None,
        });
        Self { protocol, host, marked: marked.collect() }
    }

    /// `entries` with the files in the place of their marks.
    pub(crate) fn placed<'e>(
        &self,
        mut entries: Vec<Cow<'e, str>>,
    ) -> Result<Vec<Cow<'e, str>>, serde_json::Error> {
        for (mark, files) in &self.marked {
            // At the end of a JSON text.
            let end = format!("{mark}\"");
            for entry in &mut entries {
                if entry.contains(&end) {
                    *entry = Cow::Owned(self.with_files(entry, mark, files)?);
                }
            }
        }
        Ok(entries)
    }

    /// One entry of the conversation with `files` where their `mark` is.
    fn with_files(
        &self,
        entry: &str,
        mark: &str,
        files: &[Arc<AttachedFile>],
    ) -> Result<String, serde_json::Error> {
        let fields: Map<String, Value> = serde_json::from_str(entry)?;
        let field = |key: &str| fields.get(key).ok_or_else(|| serde_json::Error::missing_field("content"));
        let without_mark = |text: &str| text.replace(mark, "");
        let written = match self.protocol {
            Protocol::Ollama => {
                let text = field("content")?.as_str().unwrap_or_default();
                self.beside_images(&without_mark(text), files)
            }
            Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages => {
                vec![("content", self.between(field("content")?, mark, files))]
            }
            Protocol::Gemini => vec![("parts", self.between(field("parts")?, mark, files))],
        };
        let rest = fields.iter().filter(|(key, _)| written.iter().all(|(name, _)| key != name));
        let rest = rest.map(|(key, value)| (key.as_str(), value.to_string()));
        let all = rest.chain(written.iter().map(|(key, value)| (*key, value.clone())));
        let all: Vec<_> = all.map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        Ok(format!("{{{}}}", all.join(",")))
    }

    /// The parts of `content` with those of `files` behind the one that has their `mark`.
    fn between(&self, content: &Value, mark: &str, files: &[Arc<AttachedFile>]) -> String {
        let parts = match content {
            Value::String(text) => vec![json!({"type": "text", "text": text})],
            Value::Array(parts) => parts.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        };
        let mut written: Vec<String> = Vec::new();
        for part in parts {
            let part = part.to_string();
            let is_marked = part.contains(mark);
            written.push(if is_marked { part.replace(mark, "") } else { part });
            if is_marked {
                written.extend(files.iter().map(|file| self.part(file)));
            }
        }
        format!("[{}]", written.join(","))
    }

    /// The fields of a message of the protocol that has a list of images beside the text.
    fn beside_images(&self, text: &str, files: &[Arc<AttachedFile>]) -> Vec<(&'static str, String)> {
        let mut text = text.to_owned();
        let mut images = Vec::new();
        for file in files {
            if file.attachment.is_taken_by(self.protocol, self.host) && is_here(file) {
                images.push(format!("\"{}\"", STANDARD.encode(&file.bytes)));
            } else {
                text.push('\n');
                text.push_str(&untaken(file));
            }
        }
        let mut fields = vec![("content", Value::from(text).to_string())];
        if !images.is_empty() {
            fields.push(("images", format!("[{}]", images.join(","))));
        }
        fields
    }

    /// The part for `file`, or one line of text where the service takes none.
    fn part(&self, file: &AttachedFile) -> String {
        let attachment = &file.attachment;
        let (name, media) = (json!(attachment.name), json!(attachment.media_type));
        let data = || STANDARD.encode(&file.bytes);
        let data_uri = || format!("\"data:{};base64,{}\"", attachment.media_type, data());
        let address = match &attachment.content {
            AttachmentContent::Address { url } => Some(json!(url).to_string()),
            AttachmentContent::Blob { .. } => None,
        };
        let is_sent = match address {
            Some(_) => massgen_protocol::attachment::takes_address(self.protocol, attachment.kind),
            None => true,
        };
        if !is_sent || !attachment.is_taken_by(self.protocol, self.host) {
            return self.text(&untaken(file));
        }
        match (self.protocol, attachment.kind) {
            (Protocol::ChatCompletions, AttachmentKind::Image) => {
                let url = address.unwrap_or_else(data_uri);
                format!(r#"{{"type":"image_url","image_url":{{"url":{url}}}}}"#)
            }
            (Protocol::ChatCompletions, AttachmentKind::Video) => {
                let url = address.unwrap_or_else(data_uri);
                format!(r#"{{"type":"video_url","video_url":{{"url":{url}}}}}"#)
            }
            (Protocol::ChatCompletions, AttachmentKind::Audio) => {
                let format = json!(attachment.media_type.trim_start_matches("audio/"));
                format!(r#"{{"type":"input_audio","input_audio":{{"data":"{}","format":{format}}}}}"#, data())
            }
            (Protocol::ChatCompletions, AttachmentKind::Document) => {
                let data = data_uri();
                format!(r#"{{"type":"file","file":{{"filename":{name},"file_data":{data}}}}}"#)
            }
            (Protocol::Responses, AttachmentKind::Image) => {
                let url = address.unwrap_or_else(data_uri);
                format!(r#"{{"type":"input_image","detail":"auto","image_url":{url}}}"#)
            }
            (Protocol::Responses, AttachmentKind::Document) => {
                format!(r#"{{"type":"input_file","filename":{name},"file_data":{}}}"#, data_uri())
            }
            (Protocol::Messages, AttachmentKind::Image) => {
                let source = match address {
                    Some(url) => format!(r#"{{"type":"url","url":{url}}}"#),
                    None => base64_source(&media, &data()),
                };
                format!(r#"{{"type":"image","source":{source}}}"#)
            }
            (Protocol::Messages, AttachmentKind::Document) => {
                let source = base64_source(&media, &data());
                format!(r#"{{"type":"document","title":{name},"source":{source}}}"#)
            }
            (Protocol::Gemini, _) => {
                format!(r#"{{"inlineData":{{"mimeType":{media},"data":"{}"}}}}"#, data())
            }
            (
                Protocol::Responses | Protocol::Messages | Protocol::Ollama,
                AttachmentKind::Audio | AttachmentKind::Video,
            )
            | (Protocol::Ollama, AttachmentKind::Image | AttachmentKind::Document) => {
                self.text(&untaken(file))
            }
        }
    }

    fn text(&self, text: &str) -> String {
        match self.protocol {
            Protocol::ChatCompletions | Protocol::Messages | Protocol::Ollama => {
                json!({"type": "text", "text": text})
            }
            Protocol::Responses => json!({"type": "input_text", "text": text}),
            Protocol::Gemini => json!({"text": text}),
        }
        .to_string()
    }
}

fn base64_source(media: &Value, data: &str) -> String {
    format!(r#"{{"type":"base64","media_type":{media},"data":"{data}"}}"#)
}

/// Told in the place of a file that a service does not take: a model that took over from one that does.
fn untaken(file: &AttachedFile) -> String {
    format!("[the file {} is not shown: this model cannot be sent it]", file.attachment.line())
}

fn is_here(file: &AttachedFile) -> bool {
    matches!(file.attachment.content, AttachmentContent::Blob { .. })
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
