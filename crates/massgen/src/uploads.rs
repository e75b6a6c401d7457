//! Files that go with the task: read before a run begins, kept beside its journal, and found there again when it goes
//! on. A run that is resumed sends the bytes of its start, whatever became of the files since.

use std::collections::BTreeMap;
use std::io::Read;
use std::iter;
use std::path::Path;
use std::sync::Arc;

use massgen_config::{Refusal, Upload, UploadPlace, Uploads};
use massgen_engine::Redactor;
use massgen_journal::{SqliteJournal, blob_name, load_bytes};
use massgen_model::HttpClient;
use massgen_model::download::{DownloadError, PATIENCE};
use massgen_ports::JournalError;
use massgen_protocol::attachment::{is_text, most_bytes, most_bytes_together};
use massgen_protocol::size::{bound, size};
use massgen_protocol::spec::{AgentSpec, RunSpec};
use massgen_protocol::{AgentId, AttachedFile, Attachment, AttachmentContent, AttachmentKind, limits};

use crate::failure::Failure;
use crate::setup;

/// What to do about a text that is too large.
const WHOLE: &str = "a text goes into the prompt whole; send a part of it";

/// The files of a run, by agent.
pub(crate) type Files = BTreeMap<AgentId, Vec<Arc<AttachedFile>>>;

/// Reads the files and puts them among the attachments of the agents of `spec`. An address that `redactor` finds a
/// secret in is read here: it must be in no file of the run. A secret in a name is covered before anybody sees the name.
///
/// # Errors
/// All files that cannot be read, or that cannot be sent as they are.
pub(crate) async fn read(
    uploads: &Uploads,
    spec: &mut RunSpec,
    http: &HttpClient,
    redactor: &Redactor,
) -> Result<Files, Failure> {
    let mut files = Files::new();
    let mut refused = Vec::new();
    let mut room = limits::ATTACHED_BYTES;
    // Agents often share a file, which is then read and held once.
    let mut known: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    for entry in uploads.entries() {
        let mut upload = entry.clone();
        upload.name = redactor.text(&entry.name).into_owned();
        let upload = &upload;
        match content(upload, room, http, redactor).await {
            Ok(Content { media_type, bytes }) => {
                let content = match bytes {
                    Some(bytes) => {
                        let hash = blob_name(&bytes);
                        let bytes = known.entry(hash.clone()).or_insert_with(|| {
                            room = room.saturating_sub(length(&bytes));
                            bytes.into()
                        });
                        let bytes = Arc::clone(bytes);
                        Some((AttachmentContent::Blob { hash, bytes: length(&bytes) }, bytes))
                    }
                    None => None,
                };
                let url = || match &upload.place {
                    UploadPlace::Address(url) | UploadPlace::Download(url) => url.clone(),
                    UploadPlace::File(path) => path.display().to_string(),
                };
                let (content, bytes) =
                    content.unwrap_or_else(|| (AttachmentContent::Address { url: url() }, Arc::default()));
                let attachment =
                    Attachment { name: upload.name.clone(), media_type, kind: upload.kind, content };
                if let Some(agent) = spec.agents.iter_mut().find(|agent| agent.id == upload.agent) {
                    if let Some(refusal) = unfit(agent, &attachment) {
                        refused.push((entry, refusal));
                        continue;
                    }
                    agent.attachments.push(attachment.clone());
                }
                let file = Arc::new(AttachedFile { attachment, bytes });
                files.entry(upload.agent.clone()).or_default().push(file);
            }
            Err(refusal) => refused.push((entry, refusal)),
        }
    }
    if refused.is_empty() { Ok(files) } else { Err(setup::configuration(uploads.refused(refused))) }
}

/// Keeps `files` beside the journal of the run. Its first event, which names them, comes later.
///
/// # Errors
/// What the file system says.
pub(crate) fn keep(files: &Files, journal: &SqliteJournal) -> Result<(), JournalError> {
    for file in files.values().flatten() {
        if let AttachmentContent::Blob { .. } = file.attachment.content {
            journal.keep(&file.bytes)?;
        }
    }
    Ok(())
}

/// The files that the run with `spec`, whose journal is in `journal_dir`, began with.
///
/// # Errors
/// One is not there any more, or damaged.
pub(crate) fn kept(spec: &RunSpec, journal_dir: &Path) -> Result<Files, Failure> {
    let mut known: BTreeMap<&str, Arc<[u8]>> = BTreeMap::new();
    let mut files = Files::new();
    for agent in &spec.agents {
        for attachment in &agent.attachments {
            let bytes: Arc<[u8]> = match &attachment.content {
                AttachmentContent::Address { .. } => Arc::default(),
                AttachmentContent::Blob { hash, .. } => {
                    if let Some(bytes) = known.get(hash.as_str()) {
                        Arc::clone(bytes)
                    } else {
                        let bytes: Arc<[u8]> = load_bytes(journal_dir, hash)
                            .map_err(|problem| lost(journal_dir, attachment, &problem))?
                            .into();
                        known.insert(hash, Arc::clone(&bytes));
                        bytes
                    }
                }
            };
            let file = AttachedFile { attachment: attachment.clone(), bytes };
            files.entry(agent.id.clone()).or_default().push(Arc::new(file));
        }
    }
    Ok(files)
}

fn lost(journal_dir: &Path, attachment: &Attachment, problem: &str) -> Failure {
    let (folder, name) = (journal_dir.display(), &attachment.name);
    Failure::configuration(format!(
        "the run in `{folder}` cannot be resumed: its file `{name}` is lost: {problem}"
    ))
    .hint("restore the folder from a backup, or ask the question again")
}

/// What was found at the place of a file.
struct Content {
    media_type: String,
    /// `None` for what stays at its address.
    bytes: Option<Vec<u8>>,
}

/// Reads one file, unless models read it themselves. `room` is what may be read at all.
async fn content(
    upload: &Upload,
    room: u64,
    http: &HttpClient,
    redactor: &Redactor,
) -> Result<Content, Refusal> {
    let most = upload.most_bytes.min(room);
    let (bytes, told_type) = match &upload.place {
        UploadPlace::Address(url) if redactor.text(url) == *url => {
            let media_type = upload.media_type.clone().unwrap_or_else(|| format!("{}/*", upload.kind));
            return Ok(Content { media_type, bytes: None });
        }
        UploadPlace::File(path) => (from_file(path, upload, most)?, None),
        UploadPlace::Address(url) | UploadPlace::Download(url) => {
            let read = http.download(url, most, PATIENCE).await.map_err(|error| match error {
                DownloadError::TooLarge(_) => too_large(upload, most),
                error => Refusal {
                    message: format!("the file `{}` {error}", upload.name),
                    hint: "check the address, or save the file and write its path".to_owned(),
                },
            })?;
            (read.bytes, read.media_type)
        }
    };
    if bytes.is_empty() {
        return Err(Refusal {
            message: format!("the file `{}` is empty", upload.name),
            hint: "remove the entry, or fill the file".to_owned(),
        });
    }
    let told = || told_type.as_deref().and_then(|told| upload.kind.type_of_media(told));
    let media_type = upload.media_type.clone().or_else(|| told().map(|known| known.media_type.to_owned()));
    let Some(media_type) = media_type else {
        return Err(Refusal {
            message: format!("`{}` is no {} that can be sent", upload.name, upload.kind),
            hint: format!("such a file is a {}", upload.kind.extensions()),
        });
    };
    let is_text = is_text(&media_type);
    if is_text && std::str::from_utf8(&bytes).is_err() {
        return Err(Refusal {
            message: format!("the file `{}` is no text in UTF-8", upload.name),
            hint: "convert it, for example with `iconv -t UTF-8`".to_owned(),
        });
    }
    if is_text && length(&bytes) > limits::ATTACHED_TEXT_BYTES {
        return Err(larger(upload, limits::ATTACHED_TEXT_BYTES, WHOLE));
    }
    Ok(Content { media_type, bytes: Some(bytes) })
}

fn from_file(path: &Path, upload: &Upload, most: u64) -> Result<Vec<u8>, Refusal> {
    let refusal = |message: String| Refusal {
        message,
        hint: "check its path; a relative one begins at the directory that massgen is started in".to_owned(),
    };
    let unreadable = |error: std::io::Error| refusal(format!("the file `{}`: {error}", upload.name));
    let about = fs_err::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refusal(format!("the file `{}` is not there", upload.name)),
        _ => unreadable(error),
    })?;
    // A pipe would be waited for.
    if !about.is_file() {
        return Err(refusal(format!("`{}` is no file", upload.name)));
    }
    if about.len() > most {
        return Err(too_large(upload, most));
    }
    let mut bytes = Vec::new();
    let file = fs_err::File::open(path).map_err(unreadable)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    // It may have grown meanwhile.
    if length(&bytes) > most { Err(too_large(upload, most)) } else { Ok(bytes) }
}

/// Refuses a file that has more than `most` bytes, which are those of `upload` or what is left for it.
fn too_large(upload: &Upload, most: u64) -> Refusal {
    if most < upload.most_bytes {
        return Refusal {
            message: format!("the file `{}` is one too many", upload.name),
            hint: format!("all files of a run together are at most {}", size(limits::ATTACHED_BYTES)),
        };
    }
    let is_text =
        upload.kind == AttachmentKind::Document && upload.media_type.as_deref().is_some_and(is_text);
    larger(upload, most, if is_text { WHOLE } else { "make it smaller, or set `media_max_file_size_mb`" })
}

/// Why `agent`, or a model of it, cannot be sent `file` beside the files that the agent has, if so.
fn unfit(agent: &AgentSpec, file: &Attachment) -> Option<Refusal> {
    let too_large = |most: u64, hint: String| Refusal {
        message: format!("the file `{}` is larger than {}", file.name, bound(most)),
        hint,
    };
    let one_too_many =
        |hint: String| Refusal { message: format!("the file `{}` is one too many", file.name), hint };
    // One file that is too large for all of the room is not one too many.
    let crowded = |bytes: u64, most: u64, hint: String| {
        if bytes <= most {
            None
        } else if file.sent_bytes() > most {
            Some(too_large(most, hint))
        } else {
            Some(one_too_many(hint))
        }
    };
    let models = iter::once(&agent.backend).chain(&agent.fallback);
    let mut services = models.filter_map(|model| Some((&model.kind, model.service()?.protocol)));
    let by_service = services.find_map(|(kind, protocol)| {
        if let Some(most) = most_bytes(protocol, file.kind).filter(|most| file.sent_bytes() > *most) {
            let hint = format!("the type `{kind}` takes no larger {}; make it smaller", file.kind);
            return Some(too_large(most, hint));
        }
        // The host does not matter for what is taken by those that have a limit.
        let sent = agent.attachments.iter().chain([file]).filter(|file| file.is_taken_by(protocol, ""));
        let sent: u64 = sent.map(Attachment::sent_bytes).sum();
        let most = most_bytes_together(protocol)?;
        let hint = format!("the type `{kind}` takes files of {} together; leave some out", bound(most));
        crowded(sent, most, hint)
    });
    by_service.or_else(|| {
        let all: u64 = agent.attachments.iter().chain([file]).map(Attachment::sent_bytes).sum();
        let most = limits::ATTACHED_BYTES_PER_AGENT;
        let hint = format!("the files of one agent together are at most {}; leave some out", size(most));
        crowded(all, most, hint)
    })
}

fn larger(upload: &Upload, most: u64, hint: &str) -> Refusal {
    Refusal {
        message: format!("the file `{}` is larger than {}", upload.name, bound(most)),
        hint: hint.to_owned(),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use massgen_protocol::spec::{BackendSpec, Protocol, Service, VotingSensitivity, Wire};

    use super::*;

    fn agent(protocol: Protocol, attachments: Vec<Attachment>) -> AgentSpec {
        let service = Service { protocol, ..Service::chat_completions("http://h.test/v1", Vec::new()) };
        AgentSpec {
            id: AgentId::new("a").unwrap(),
            backend: BackendSpec {
                kind: "kind".to_owned(),
                wire: Wire::Service(service),
                model: "m".to_owned(),
                max_output_tokens: None,
                context_window: None,
                price: None,
                parameters: BTreeMap::new(),
                output_schema: None,
            },
            system_message: None,
            voting_sensitivity: VotingSensitivity::Lenient,
            fallback: Vec::new(),
            attachments,
            workspace: None,
            tooling: Box::default(),
        }
    }

    fn image(bytes: u64) -> Attachment {
        Attachment {
            name: "a.png".to_owned(),
            media_type: "image/png".to_owned(),
            kind: AttachmentKind::Image,
            content: AttachmentContent::Blob { hash: String::new(), bytes },
        }
    }

    #[test]
    fn files_just_as_large_as_a_service_and_an_agent_may_have_are_sent_and_no_larger_ones() {
        let half = limits::ATTACHED_BYTES_PER_AGENT / 2;
        for (protocol, others, bytes) in [
            (Protocol::Messages, vec![], 3_932_160),
            (Protocol::Messages, vec![image(21_999_000)], 1_000),
            (Protocol::Gemini, vec![], 15_000_000),
            (Protocol::Gemini, vec![image(14_999_000)], 1_000),
            (Protocol::ChatCompletions, vec![image(half)], half),
        ] {
            let agent = agent(protocol, others);
            let refusal = |bytes| unfit(&agent, &image(bytes)).map(|refusal| refusal.message);
            assert_eq!(refusal(bytes), None, "{protocol:?}");
            assert!(refusal(bytes + 1).is_some(), "{protocol:?}");
        }
    }

    #[test]
    fn what_a_service_reads_at_an_address_takes_no_room() {
        let content = AttachmentContent::Address { url: "https://example.org/a.png".to_owned() };
        let at_address = Attachment { content, ..image(0) };
        let full = agent(Protocol::ChatCompletions, vec![image(limits::ATTACHED_BYTES_PER_AGENT)]);
        assert!(unfit(&full, &at_address).is_none() && unfit(&full, &image(1)).is_some());
    }
}
