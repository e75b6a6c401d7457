//! Steering messages as files: `msg_*.json` in a folder, written by a person's tool or a parent process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use massgen_ports::SessionHandle;
use massgen_protocol::{Command, Event, Note, Seq, limits};
use serde::Deserialize;

/// What a message file says.
#[derive(Deserialize)]
struct Message {
    content: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    target_agents: Option<Vec<String>>,
}

/// Hands messages of `folder` to the session until it ends, in order of their names. A file is removed once its
/// message is durable; one that cannot be understood is set aside as `*.rejected` and told about.
pub(crate) async fn watch(folder: PathBuf, session: Arc<dyn SessionHandle>, tell: impl Fn(String)) {
    let mut ticks = tokio::time::interval(limits::INBOX_INTERVAL);
    let mut events = session.events(Seq(0));
    loop {
        ticks.tick().await;
        for file in message_files(&folder) {
            match read(&file) {
                Ok(note) => {
                    if !session.send(Command::Steer(note.clone())).await {
                        return;
                    }
                    let stored = |event: &Event| match event {
                        Event::NoteReceived { note: stored, .. } => *stored == note,
                        Event::Degraded { .. } => true,
                        _ => false,
                    };
                    loop {
                        match events.next().await {
                            Some(envelope) if stored(&envelope.event) => break,
                            Some(_) => {}
                            None => return,
                        }
                    }
                    if let Err(error) = fs_err::remove_file(&file) {
                        tell(format!("warning: {error}; the message may be delivered again on a resume"));
                        return;
                    }
                }
                Err(problem) => {
                    tell(format!("warning: the message `{}` was set aside: {problem}", file.display()));
                    let mut aside = file.clone().into_os_string();
                    aside.push(".rejected");
                    if fs_err::rename(&file, aside).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// The message files in `folder`, in order of their names.
fn message_files(folder: &Path) -> Vec<PathBuf> {
    let is_message = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("msg_") && Path::new(&name).extension().is_some_and(|end| end == "json")
    };
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_message).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Result<Note, String> {
    let length = fs_err::metadata(file).map_err(|error| error.to_string())?.len();
    if usize::try_from(length).unwrap_or(usize::MAX) > 2 * limits::NOTE_BYTES {
        return Err(format!("it has {length} bytes"));
    }
    let text = fs_err::read_to_string(file).map_err(|error| error.to_string())?;
    let message: Message = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if message.content.trim().is_empty() {
        return Err("`content` is empty".to_owned());
    }
    let targets = match message.target_agents {
        None => None,
        Some(ids) => {
            let ids: Result<Vec<_>, _> = ids.into_iter().map(massgen_protocol::AgentId::new).collect();
            Some(ids.map_err(|error| error.to_string())?)
        }
    };
    Ok(Note {
        content: message.content,
        source: message.source.unwrap_or_else(|| "human".to_owned()),
        targets,
    })
}
