//! Files that go with the task: the entries of `upload_files`, judged without looking at the files.

use massgen_protocol::spec::{BackendSpec, Protocol, Service};
use massgen_protocol::{AgentId, AttachmentKind, attachment, limits};

use super::Lower;
use crate::backends::BackendType;
use crate::check::shortened;
use crate::context_paths::absolute;
use crate::endpoint::Endpoint;
use crate::finding::{Finding, Severity};
use crate::node::{Node, Value};
use crate::uploads::{Upload, UploadPlace};

/// The keys of an entry, and what they name.
const KEYS: [(&str, AttachmentKind); 4] = [
    ("image_path", AttachmentKind::Image),
    ("audio_path", AttachmentKind::Audio),
    ("video_path", AttachmentKind::Video),
    ("file_path", AttachmentKind::Document),
];

/// Largest file when `media_max_file_size_mb` is not written, in megabytes.
const MEGABYTES: u64 = 64;

/// A megabyte of `media_max_file_size_mb`.
const MEGABYTE: u64 = 1024 * 1024;

/// Types that a hint names at most.
const NAMED: usize = 6;

/// Who gets files.
pub(super) struct Receiver<'a> {
    /// The path of its backend, for findings.
    pub(super) path: String,
    /// Its name, when it has one.
    pub(super) agent: Option<&'a AgentId>,
    /// Its model, when that could be understood.
    pub(super) own: Option<&'a BackendSpec>,
    /// Models that take its place.
    pub(super) fallback: &'a [BackendSpec],
}

/// One entry that names one file.
struct Named<'a> {
    path: String,
    written: &'a Node,
    text: &'a str,
    kind: AttachmentKind,
    most_bytes: u64,
}

impl Lower<'_> {
    /// The files of one agent, from its `backend`.
    pub(super) fn uploads(&mut self, backend: &Node, receiver: &Receiver<'_>) -> Vec<Upload> {
        let path = format!("{}.upload_files", receiver.path);
        let Some(node) = backend.get("upload_files") else { return Vec::new() };
        let entries = node.list().unwrap_or_default();
        if entries.len() > limits::ATTACHMENTS {
            let message =
                format!("there are {} files; an agent gets at most {}", entries.len(), limits::ATTACHMENTS);
            self.report(Finding::error(path, message).hint("leave some out").at(&node.origin));
            return Vec::new();
        }
        let megabytes: u64 = backend.get("media_max_file_size_mb").and_then(Node::int).unwrap_or(MEGABYTES);
        let mut uploads = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{i}]");
            let most_bytes = megabytes.saturating_mul(MEGABYTE);
            let named = self.named(path, entry, most_bytes);
            uploads.extend(named.and_then(|named| self.upload(&named, receiver)));
        }
        uploads
    }

    /// Files stand in the agent's own backend, once for all of its models.
    pub(super) fn no_uploads(&mut self, fallback: &Node, path: &str) {
        if let Some(entry) = fallback.entry("upload_files").filter(|entry| entry.node.value != Value::Null) {
            let message = "`upload_files` cannot stand in an entry of `fallback`";
            let hint =
                "write it in the agent's `backend`: the models that take its place get the files as well";
            let path = format!("{path}.upload_files");
            self.report(Finding::error(path, message).hint(hint).at(&entry.key_origin));
        }
    }

    /// What an entry names, if that is one file.
    fn named<'n>(&mut self, path: String, entry: &'n Node, most_bytes: u64) -> Option<Named<'n>> {
        let Value::Map(_) = entry.value else { return None };
        let found: Vec<_> = KEYS
            .into_iter()
            .filter_map(|(key, kind)| Some((key, kind, entry.get(key)?)))
            .filter(|(_, _, written)| written.value != Value::Null)
            .collect();
        match found.as_slice() {
            [] => {
                let keys = KEYS.map(|(key, _)| format!("`{key}`")).join(", ");
                self.report(
                    Finding::error(path, "the entry names no file")
                        .hint(format!("write one of {keys}, for example `image_path: chart.png`"))
                        .at(&entry.origin),
                );
                None
            }
            [(key, kind, written)] => {
                let text = written.text().filter(|text| !self.waits(text))?.trim();
                let path = format!("{path}.{key}");
                if text.is_empty() {
                    self.report(
                        Finding::error(path, "the path is empty")
                            .hint("write the path of a file, or an address")
                            .at(&written.origin),
                    );
                    return None;
                }
                Some(Named { path, written, text, kind: *kind, most_bytes })
            }
            [(first, ..), (second, ..), ..] => {
                let message = format!("the entry names more than one file: `{first}` and `{second}`");
                let hint = "give each file an entry of its own";
                self.report(Finding::error(path, message).hint(hint).at(&entry.origin));
                None
            }
        }
    }

    fn upload(&mut self, named: &Named<'_>, receiver: &Receiver<'_>) -> Option<Upload> {
        let is_address = self.is_address(named)?;
        let name = name_of(named.text, is_address);
        let known = named.kind.type_of_name(&name);
        if known.is_none() && !is_address {
            // A name without an end stands for a file in an example; a run does not get far with it.
            let severity = if name.contains('.') { Severity::Error } else { self.limit(Severity::Error) };
            let message = format!("`{}` is no {} that can be sent", shortened(&name), named.kind);
            let hint = format!("the name of such a file ends in {}", named.kind.extensions());
            self.report(Finding::new(severity, &named.path, message).hint(hint).at(&named.written.origin));
            return None;
        }
        let media_type = known.map(|known| known.media_type);
        if !self.is_taken(named, media_type, receiver) {
            return None;
        }
        let place = if is_address {
            // What stands behind a `?` or a `#` often opens the file to whoever has the address (a signature, say), and
            // an address that stays is in the prompt and in the files of the run.
            let stays = !named.text.contains(['?', '#'])
                && services(receiver).all(|service| {
                    !takes(service, named.kind, media_type)
                        || attachment::takes_address(service.protocol, named.kind)
                });
            let url = named.text.to_owned();
            if stays { UploadPlace::Address(url) } else { UploadPlace::Download(url) }
        } else {
            let home = (self.by.lookup)("HOME");
            UploadPlace::File(absolute(named.text, self.by.working_directory, home.as_deref()))
        };
        let is_text = media_type.is_some_and(attachment::is_text) && named.kind == AttachmentKind::Document;
        let text_bytes = if is_text { limits::ATTACHED_TEXT_BYTES } else { u64::MAX };
        Some(Upload {
            agent: receiver.agent?.clone(),
            name,
            kind: named.kind,
            media_type: media_type.map(str::to_owned),
            place,
            most_bytes: named.most_bytes.min(text_bytes),
            path: named.path.clone(),
            origin: named.written.origin.clone(),
        })
    }

    /// Whether the file is at an address; `None` when that cannot be read.
    fn is_address(&mut self, named: &Named<'_>) -> Option<bool> {
        let Some((scheme, _)) = named.text.split_once("://") else { return Some(false) };
        let problem = if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
            let place = named.text.split(['?', '#']).next().unwrap_or_default();
            match Endpoint::parse(place) {
                Ok(_) => return Some(true),
                Err(problem) => problem,
            }
        } else {
            "does not begin with `https://` or `http://`"
        };
        self.report(
            Finding::error(&named.path, format!("the address of the file {problem}"))
                .hint("write the path of a file, or an address such as `https://example.org/chart.png`")
                .at(&named.written.origin),
        );
        None
    }

    /// Whether the agent's own model can be sent the file. What models that take its place cannot be sent is told.
    fn is_taken(&mut self, named: &Named<'_>, media_type: Option<&str>, receiver: &Receiver<'_>) -> bool {
        let what = match named.kind {
            AttachmentKind::Image => "images of this kind",
            AttachmentKind::Audio => "audio",
            AttachmentKind::Video => "video",
            AttachmentKind::Document => "documents of this kind",
        };
        if let Some(own) = receiver.own
            && own.service().is_some_and(|service| !takes(service, named.kind, media_type))
        {
            let message = format!("the type `{}` cannot be sent {what}", own.kind);
            self.report(
                Finding::error(&named.path, message)
                    .hint(self.types_that_take(named.kind, media_type))
                    .at(&named.written.origin),
            );
            return false;
        }
        let others = receiver
            .fallback
            .iter()
            .filter(|other| other.service().is_some_and(|service| !takes(service, named.kind, media_type)));
        let others: Vec<_> = others.map(|other| format!("`{}`", other.model)).collect();
        if !others.is_empty() {
            let message = format!("of the `fallback` models, {} cannot be sent {what}", others.join(", "));
            self.report(
                Finding::notice(&named.path, message)
                    .hint("should one take over, it is told that there is a file which it does not see")
                    .at(&named.written.origin),
            );
        }
        true
    }

    fn types_that_take(&self, kind: AttachmentKind, media_type: Option<&str>) -> String {
        let takes = |known: &&BackendType| {
            let host = known.base_url.as_deref().map(host_of).unwrap_or_default();
            known.support.runs() && taken_by(known.protocol, &host, kind, media_type)
        };
        let types: Vec<_> =
            self.by.backends.types().iter().filter(takes).map(|known| format!("`{}`", known.name)).collect();
        let more = if types.len() > NAMED { " and others" } else { "" };
        format!("remove it; types that can are {}{more}", types.get(..NAMED).unwrap_or(&types).join(", "))
    }
}

fn services<'a>(receiver: &Receiver<'a>) -> impl Iterator<Item = &'a Service> {
    receiver.own.into_iter().chain(receiver.fallback).filter_map(BackendSpec::service)
}

fn takes(service: &Service, kind: AttachmentKind, media_type: Option<&str>) -> bool {
    taken_by(service.protocol, &host_of(&service.base_url), kind, media_type)
}

/// A document whose type only its server tells is most likely one with pages.
fn taken_by(protocol: Protocol, host: &str, kind: AttachmentKind, media_type: Option<&str>) -> bool {
    attachment::takes(protocol, host, kind, media_type.unwrap_or("application/pdf"))
}

fn host_of(url: &str) -> String {
    Endpoint::parse(url).map(|endpoint| endpoint.host).unwrap_or_default()
}

/// The last part of a path or an address.
fn name_of(text: &str, is_address: bool) -> String {
    let path = if is_address { text.split(['?', '#']).next().unwrap_or_default() } else { text };
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
