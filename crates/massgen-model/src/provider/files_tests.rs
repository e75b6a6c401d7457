use massgen_protocol::Attachment;
use massgen_protocol::spec::{BackendSpec, Service, Wire};
use massgen_testkit::history::{reply, text_item};
use reqwest::Url;

use super::*;
use crate::chat::ChatCodec;
use crate::gemini::GeminiCodec;
use crate::messages::MessagesCodec;
use crate::ollama::OllamaCodec;
use crate::provider::codec::Codec;
use crate::provider::testing::{request, user};
use crate::provider::usage::text_bytes;
use crate::responses::ResponsesCodec;

fn file(name: &str, kind: AttachmentKind, content: AttachmentContent, bytes: &[u8]) -> Arc<AttachedFile> {
    let media_type = kind.type_of_name(name).map_or("image/*", |known| known.media_type).to_owned();
    let attachment = Attachment { name: name.to_owned(), media_type, kind, content };
    Arc::new(AttachedFile { attachment, bytes: bytes.into() })
}

fn blob(name: &str, kind: AttachmentKind) -> Arc<AttachedFile> {
    let bytes = name.as_bytes();
    let hash = blake3::hash(bytes).to_hex().to_string();
    file(name, kind, AttachmentContent::Blob { hash, bytes: bytes.len() as u64 }, bytes)
}

fn at_address(url: &str, kind: AttachmentKind) -> Arc<AttachedFile> {
    file(url.rsplit('/').next().unwrap(), kind, AttachmentContent::Address { url: url.to_owned() }, b"")
}

/// A file of every kind.
fn files() -> Vec<Arc<AttachedFile>> {
    vec![
        blob("chart.png", AttachmentKind::Image),
        at_address("https://example.org/photo.jpg", AttachmentKind::Image),
        blob("paper \"1\".pdf", AttachmentKind::Document),
        blob("deck.pptx", AttachmentKind::Document),
        blob("voice.mp3", AttachmentKind::Audio),
        blob("clip.mp4", AttachmentKind::Video),
    ]
}

fn asked(files: Vec<Arc<AttachedFile>>) -> Message {
    Message::User { text: "what is \"this\"?\n".to_owned(), files }
}

fn codec(protocol: Protocol, url: &str) -> Box<dyn Codec> {
    let backend = BackendSpec {
        kind: "test".to_owned(),
        wire: Wire::Service(Service { protocol, ..Service::chat_completions(url, Vec::new()) }),
        model: "some-model".to_owned(),
        max_output_tokens: None,
        context_window: None,
        price: None,
        parameters: std::collections::BTreeMap::new(),
        output_schema: None,
    };
    let none = std::collections::BTreeMap::new();
    let url = Url::parse(url).unwrap();
    match protocol {
        Protocol::ChatCompletions => Box::new(ChatCodec::new(&url, "some-model", &none, None)),
        Protocol::Responses => Box::new(ResponsesCodec::new(&url, &backend)),
        Protocol::Messages => Box::new(MessagesCodec::new(&url, &backend, &[])),
        Protocol::Gemini => Box::new(GeminiCodec::new("gemini-3-pro", &none, &[], None)),
        Protocol::Ollama => Box::new(OllamaCodec::new("some-model", &none, None)),
    }
}

const ALL: [(Protocol, &str, &str); 6] = [
    (Protocol::ChatCompletions, "messages", "https://api.openai.com/v1"),
    (Protocol::ChatCompletions, "messages", "https://models.example/v1"),
    (Protocol::Responses, "input", "https://api.openai.com/v1"),
    (Protocol::Messages, "messages", "https://api.anthropic.com"),
    (Protocol::Gemini, "contents", "https://generativelanguage.googleapis.com/v1beta"),
    (Protocol::Ollama, "messages", "http://localhost:11434"),
];

#[test]
fn each_protocol_gets_the_parts_that_it_has_and_a_line_for_the_others() {
    for (protocol, key, url) in ALL {
        let body = codec(protocol, url).body(&request(vec![asked(files()), user("news")])).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let said: Vec<&Value> =
            body[key].as_array().unwrap().iter().filter(|entry| entry["role"] != "system").collect();
        let host = Url::parse(url).unwrap().host_str().unwrap().replace('.', "_");
        insta::assert_snapshot!(
            format!("files_for_{protocol:?}_at_{host}"),
            serde_json::to_string_pretty(&said).unwrap()
        );
    }
}

#[test]
fn a_longer_conversation_begins_with_the_bytes_of_the_shorter_one_with_its_files() {
    let others = [
        (Protocol::Messages, "messages", "https://gateway.example"),
        (Protocol::Messages, "messages", "https://api.z.ai/api/anthropic"),
    ];
    let conversation = [
        asked(files()),
        user("news"),
        Message::Assistant { reply: Arc::new(reply([text_item("hm")])) },
        user("more news"),
    ];
    for (protocol, _, url) in ALL.into_iter().chain(others) {
        let codec = codec(protocol, url);
        let written = |length: usize| {
            let body = codec.body(&request(conversation[..length].to_vec())).unwrap();
            // A mark of what is to be cached may move; it is no part of what is compared with the cache.
            String::from_utf8(body.to_vec()).unwrap().replace(r#","cache_control":{"type":"ephemeral"}"#, "")
        };
        for length in 1..conversation.len() {
            let (shorter, longer) = (written(length), written(length + 1));
            // Where messages of one role share an entry, it is only closed later.
            let shorter = shorter.strip_suffix("]}").unwrap();
            let open = shorter.strip_suffix("]}").unwrap_or(shorter);
            assert!(longer.starts_with(open), "{protocol:?} {url}\n{open}\n{longer}");
        }
    }
}

#[test]
fn nothing_that_is_said_passes_for_a_place_of_files() {
    let files = files();
    let mark = mark("other", &files);
    for (protocol, _, url) in ALL {
        let body = codec(protocol, url).body(&request(vec![asked(files.clone()), user(&mark)])).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(
            body.matches("[files ").count(),
            1,
            "{protocol:?}: what was said is said, our mark is gone"
        );
        assert_eq!(body.matches(&STANDARD.encode("chart.png")).count(), 1, "{protocol:?}");
    }
}

#[test]
fn requests_without_files_are_written_as_before() {
    for (protocol, _, url) in ALL {
        let body = codec(protocol, url).body(&request(vec![user("why?")])).unwrap();
        assert!(!String::from_utf8(body.to_vec()).unwrap().contains("[files "), "{protocol:?}");
    }
}

#[test]
fn a_file_is_counted_by_what_a_model_sees_of_it_and_not_by_its_bytes() {
    let bytes = vec![7; 3_000_000];
    let content = AttachmentContent::Blob { hash: "ab".repeat(32), bytes: 3_000_000 };
    let image = file("big.png", AttachmentKind::Image, content.clone(), &bytes);
    let video = file("big.mp4", AttachmentKind::Video, content, &bytes);
    let request = request(vec![asked(vec![image, video])]);
    for (protocol, _, url) in ALL {
        let body = codec(protocol, url).body(&request).unwrap();
        let counted = text_bytes(&body);
        assert!((6_000..40_000).contains(&counted), "{protocol:?} {} {counted}", body.len());
    }
}
