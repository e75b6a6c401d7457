//! Questions to a person, and replies, as files in a folder.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_ports::{CallWatch, Clock};
use massgen_protocol::AgentId;
use massgen_protocol::limits::{APPROVAL_INTERVAL, APPROVAL_TIME};
use massgen_protocol::message::{Asking, ToolQuestion};
use massgen_workspace::write_whole;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::Effect;
use super::risk::Risk;

/// Longest reply that is read.
const REPLY_BYTES: u64 = 64 * 1024;

/// A question about one thing that a call wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its number, unique in the run.
    pub id: u64,
    /// Who wants it.
    pub agent: AgentId,
    /// With which tool.
    pub tool: String,
    /// What it would do.
    pub effect: Effect,
    /// To what.
    pub target: String,
    /// Why it is asked.
    pub reason: String,
    /// How much harm it can do.
    pub risk: Risk,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It may be done.
    Approved {
        /// For how long this is meant.
        scope: Scope,
    },
    /// It may not be done.
    Refused {
        /// Why, for the model.
        feedback: String,
    },
}

/// For how long a reply is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This time.
    #[default]
    Once,
    /// For this run.
    Session,
    /// For good.
    Always,
}

/// Who replies to questions.
pub trait Approver: Send + Sync {
    /// Asks, and lets `watch` hear where the reply is awaited. It replies in the end, if only with a refusal because nobody did.
    fn ask(&self, question: Question, watch: Arc<dyn CallWatch>) -> BoxFuture<'static, Reply>;
}

/// Puts questions into a folder as `req_<id>.json` and waits for `resp_<id>.json`.
pub struct FileApprover {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for FileApprover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileApprover").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Asked<'a> {
    id: String,
    agent_id: &'a AgentId,
    tool: &'a str,
    action: &'a str,
    target: &'a str,
    reason: &'a str,
    risk: &'a str,
    scopes: [Scope; 3],
    created_at: f64,
    expires_in_seconds: u64,
}

#[derive(Deserialize)]
struct Replied {
    approved: bool,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    feedback: Option<String>,
}

impl FileApprover {
    /// Asks in `folder`.
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock }
    }
}

impl Approver for FileApprover {
    fn ask(&self, question: Question, watch: Arc<dyn CallWatch>) -> BoxFuture<'static, Reply> {
        let (folder, clock) = (self.folder.clone(), self.clock.clone());
        Box::pin(async move {
            let files = Files::of(&folder, question.id);
            let reply_in = files.replied.display().to_string();
            let told = ToolQuestion {
                wants: format!("{} `{}`", question.effect.verb(), question.target),
                reason: question.reason.clone(),
                reply_in: reply_in.clone(),
                time: APPROVAL_TIME,
            };
            watch.asks(Asking::Asked { question: told }).await;
            if let Err(error) = files.ask(&question, &*clock) {
                return Reply::Refused { feedback: format!("the question could not be asked: {error}") };
            }
            let begun = clock.monotonic();
            let mut before = None;
            let mut told = None;
            loop {
                let problem = match files.reply() {
                    Ok(Some(reply)) => return reply,
                    Ok(None) => None,
                    Err(error) => Some(error),
                };
                // It may be half written: it counts when it is whole, and is told when it stays as it is.
                if problem.is_some() && problem == before && problem != told {
                    let (problem, reply_in) = (problem.clone().unwrap_or_default(), reply_in.clone());
                    watch.asks(Asking::Misunderstood { reply_in, problem }).await;
                    told.clone_from(&before);
                }
                before.clone_from(&problem);
                let now = clock.monotonic();
                if now.saturating_sub(begun) >= APPROVAL_TIME {
                    let feedback = match problem {
                        Some(problem) => format!("the reply could not be read: {problem}"),
                        None => format!("nobody replied within {} seconds", APPROVAL_TIME.as_secs()),
                    };
                    return Reply::Refused { feedback };
                }
                clock.sleep_until(now + APPROVAL_INTERVAL).await;
            }
        })
    }
}

/// The two files of a question. Both are gone when it is over, even when nobody waits any longer.
struct Files {
    asked: PathBuf,
    replied: PathBuf,
}

impl Files {
    fn of(folder: &std::path::Path, id: u64) -> Self {
        Self {
            asked: folder.join(format!("req_{id:016x}.json")),
            replied: folder.join(format!("resp_{id:016x}.json")),
        }
    }

    fn ask(&self, question: &Question, clock: &dyn Clock) -> Result<(), String> {
        let asked = Asked {
            id: format!("{:016x}", question.id),
            agent_id: &question.agent,
            tool: &question.tool,
            action: question.effect.action(),
            target: &question.target,
            reason: &question.reason,
            risk: match question.risk {
                Risk::Low => "low",
                Risk::Medium => "medium",
                Risk::High => "high",
            },
            scopes: [Scope::Once, Scope::Session, Scope::Always],
            created_at: clock.now().unix_seconds(),
            expires_in_seconds: APPROVAL_TIME.as_secs(),
        };
        let text = serde_json::to_string_pretty(&asked).map_err(|error| error.to_string())?;
        if let Some(folder) = self.asked.parent() {
            fs_err::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        // A reply that was there before the question answers another one.
        remove(&self.replied)?;
        write_whole(&self.asked, text.as_bytes()).map_err(|error| error.to_string())
    }

    fn reply(&self) -> Result<Option<Reply>, String> {
        use std::io::Read;

        let file = match fs_err::File::open(&self.replied) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let mut text = String::new();
        file.take(REPLY_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
        let replied: Replied = serde_json::from_str(&text).map_err(|error| match error.classify() {
            Category::Syntax | Category::Eof => format!("it is no JSON ({error})"),
            Category::Data | Category::Io => error.to_string(),
        })?;
        Ok(Some(if replied.approved {
            Reply::Approved { scope: replied.scope }
        } else {
            Reply::Refused { feedback: replied.feedback.unwrap_or_else(|| "a person refused it".to_owned()) }
        }))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.asked, &self.replied] {
            if let Err(error) = remove(path) {
                tracing::warn!(%error, "a file of a question stays behind");
            }
        }
    }
}

fn remove(path: &std::path::Path) -> Result<(), String> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}
