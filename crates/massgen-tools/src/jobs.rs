//! Calls that go on in the background of an agent.

mod lost;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use massgen_ports::{Clock, Waiting};
use massgen_protocol::limits::{BACKGROUND_JOBS, REMEMBERED_JOBS};
use massgen_protocol::{Timestamp, ToolOutcome, ToolUse};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::source::{Failed, Kind};

pub(crate) use lost::MOVED;
pub use lost::{LostJob, lost_jobs};

/// What the id of a job begins with; 12 hexadecimal digits follow.
const ID: &str = "bgtool_";

/// How the announcement of the end of the job `id` begins.
fn announced(id: &str) -> String {
    format!("background job {id} (")
}

/// A job that has ended and that its agent has not heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Its id.
    job: String,
    /// What ran.
    tool: String,
    /// How it ended.
    status: Status,
}

impl Notice {
    /// For the model.
    pub(crate) fn text(&self) -> String {
        let (announced, tool) = (announced(&self.job), &self.tool);
        match self.status {
            Status::Lost => {
                format!("{announced}{tool}) {LOST}; look what is there before you start it again")
            }
            status @ (Status::Running | Status::Completed | Status::Failed | Status::Cancelled) => format!(
                "{announced}{tool}) is {}; get its result with custom_tool__get_background_tool_result",
                status.word()
            ),
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// It runs.
    Running,
    /// It has a result.
    Completed,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// The process ended that ran it.
    Lost,
}

/// What is said of a job that was lost.
const LOST: &str = "was lost when massgen was stopped: nobody knows what came of it";

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "error",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }
}

/// What is to run in the background.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// A random number for its id.
    pub(crate) number: u64,
    /// The tool.
    pub(crate) tool: String,
    /// What kind of tool it is.
    pub(crate) kind: Kind,
    /// The call that started it.
    pub(crate) source: ToolUse,
}

/// The jobs of one agent. When the last owner drops them, they all end.
pub(crate) struct Jobs {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    jobs: VecDeque<Job>,
    waiting: Waiting,
}

#[derive(Debug)]
struct Job {
    id: String,
    start: Start,
    status: Status,
    created: Timestamp,
    completed: Option<Timestamp>,
    outcome: Option<ToolOutcome>,
    /// Whether its agent has heard of its end.
    heard: Heard,
    handle: Option<AbortHandle>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Yes,
    No,
}

impl Jobs {
    /// None but those that were `lost` with an earlier process.
    pub(crate) fn new(clock: Arc<dyn Clock>, lost: &[LostJob]) -> Self {
        let job = |lost: &LostJob| Job {
            id: lost.id.clone(),
            start: lost.start(),
            status: Status::Lost,
            created: lost.created,
            completed: None,
            outcome: None,
            heard: Heard::No,
            handle: None,
        };
        let state = State { jobs: lost.iter().map(job).collect(), ..State::default() };
        Self { clock, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Lets `work` run in the background.
    pub(crate) fn start(
        self: &Arc<Self>,
        start: Start,
        work: impl Future<Output = ToolOutcome> + Send + 'static,
    ) -> Result<Value, Failed> {
        let mut state = self.state();
        if state.jobs.iter().filter(|job| job.status == Status::Running).count() >= BACKGROUND_JOBS {
            return Err(Failed::Error(format!(
                "{BACKGROUND_JOBS} jobs run already; wait for one with custom_tool__wait_for_background_tool or cancel one"
            )));
        }
        while state.jobs.len() >= REMEMBERED_JOBS {
            let Some(oldest) = state.jobs.iter().position(|job| job.status != Status::Running) else { break };
            state.jobs.remove(oldest);
        }
        let id = format!("{ID}{:012x}", start.number & 0xffff_ffff_ffff);
        if state.jobs.iter().any(|job| job.id == id) {
            return Err(Failed::Error("the job could not get a number; call again".to_owned()));
        }
        // The task must not keep the jobs alive: their end is its end.
        let (jobs, own) = (Arc::downgrade(self), id.clone());
        let task = tokio::spawn(async move {
            let outcome = AssertUnwindSafe(work)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| ToolOutcome::Error { text: "the tool broke".to_owned() });
            if let Some(jobs) = jobs.upgrade() {
                jobs.finish(&own, outcome);
            }
        });
        let job = Job {
            id,
            start,
            status: Status::Running,
            created: self.clock.now(),
            completed: None,
            outcome: None,
            heard: Heard::No,
            handle: Some(task.abort_handle()),
        };
        let record = job.record();
        state.jobs.push_back(job);
        Ok(record)
    }

    fn finish(&self, id: &str, outcome: ToolOutcome) {
        let now = self.clock.now();
        if let Some(job) = self.state().jobs.iter_mut().find(|job| job.id == id)
            && job.status == Status::Running
        {
            job.status = match outcome {
                ToolOutcome::Ok { .. } => Status::Completed,
                ToolOutcome::Error { .. }
                | ToolOutcome::Denied { .. }
                | ToolOutcome::Unknown
                | ToolOutcome::NotRun { .. }
                | ToolOutcome::CutOff => Status::Failed,
            };
            job.outcome = Some(outcome);
            job.completed = Some(now);
            job.handle = None;
        }
        self.changed.notify_waiters();
    }

    /// Jobs that have ended since the last time, for the agent.
    ///
    /// The result of the call `now` is no news of the job that it started: whoever starts a job and then
    /// waits for it is to find it.
    pub(crate) fn finished(&self, now: ToolUse) -> Vec<Notice> {
        let mut state = self.state();
        let unheard = state.jobs.iter_mut().filter(|job| job.is_news() && job.start.source != now);
        unheard
            .map(|job| {
                job.heard = Heard::Yes;
                Notice { job: job.id.clone(), tool: job.start.tool.clone(), status: job.status }
            })
            .collect()
    }

    /// Says whether a wait may go on. One that may not ends, and so do those that begin until the next word.
    pub(crate) fn set_waiting(&self, waiting: Waiting) {
        self.state().waiting = waiting;
        self.changed.notify_waiters();
    }

    pub(crate) fn status(&self, id: &str) -> Result<Value, Failed> {
        self.with(id, |job| job.record())
    }

    pub(crate) fn result(&self, id: &str) -> Result<Value, Failed> {
        self.with(id, Job::result)
    }

    pub(crate) fn cancel(&self, id: &str) -> Result<Value, Failed> {
        let now = self.clock.now();
        let record = self.with(id, |job| {
            if let Some(handle) = job.handle.take() {
                handle.abort();
                job.status = Status::Cancelled;
                job.completed = Some(now);
                job.heard = Heard::Yes;
            }
            job.record()
        });
        self.changed.notify_waiters();
        record
    }

    pub(crate) fn list(&self, which: Which) -> Value {
        let state = self.state();
        let shown = state.jobs.iter().filter(|job| which == Which::All || job.status == Status::Running);
        let jobs: Vec<Value> = shown.map(Job::record).collect();
        json!({"success": true, "count": jobs.len(), "jobs": jobs})
    }

    /// The next job that has ended unheard, at once or when it does.
    pub(crate) async fn wait(&self, time: Duration) -> Value {
        let until = self.clock.monotonic().saturating_add(time);
        loop {
            // Before the look: what happens between the look and the wait is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if let Some(job) = state.jobs.iter_mut().find(|job| job.is_news()) {
                    return job.result();
                }
                if state.jobs.iter().all(|job| job.status != Status::Running) {
                    return json!({"success": false, "ready": false, "error": "no background job runs"});
                }
                if state.waiting == Waiting::Pointless {
                    return json!({
                        "success": true,
                        "ready": false,
                        "interrupted": true,
                        "interrupt_reason": "there is news for you, which follows; the jobs go on",
                    });
                }
            }
            tokio::select! {
                () = &mut changed => {}
                () = self.clock.sleep_until(until) => {
                    return json!({"success": true, "ready": false, "timed_out": true});
                }
            }
        }
    }

    fn with<T>(&self, id: &str, look: impl FnOnce(&mut Job) -> T) -> Result<T, Failed> {
        let mut state = self.state();
        match state.jobs.iter_mut().find(|job| job.id == id) {
            Some(job) => Ok(look(job)),
            None => Err(Failed::Error(format!(
                "there is no job `{id}`; custom_tool__list_background_tools with include_all shows them"
            ))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        for job in &self.state().jobs {
            if let Some(handle) = &job.handle {
                handle.abort();
            }
        }
    }
}

/// Which jobs a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that run.
    Running,
    /// All that are remembered.
    All,
}

impl Job {
    fn is_news(&self) -> bool {
        self.status != Status::Running && self.heard == Heard::No
    }

    fn record(&self) -> Value {
        json!({
            "success": true,
            "job_id": self.id,
            "tool_name": self.start.tool,
            "tool_type": match self.start.kind {
                Kind::BuiltIn | Kind::Server => "mcp",
                Kind::Custom => "custom",
            },
            "status": self.status.word(),
            "created_at": self.created.unix_seconds(),
            "started_at": self.created.unix_seconds(),
            "completed_at": self.completed.map(Timestamp::unix_seconds),
            "source_call_id": self.start.source.to_string(),
        })
    }

    /// The record with what came of it; whoever asks has heard of its end.
    fn result(&mut self) -> Value {
        if self.status != Status::Running {
            self.heard = Heard::Yes;
        }
        let mut record = self.record();
        let (ready, success, result, error) = match &self.outcome {
            Some(ToolOutcome::Ok { text, files: _ }) => (true, Some(true), Some(text.as_str()), None),
            Some(ToolOutcome::Error { text } | ToolOutcome::Denied { text }) => {
                (true, Some(false), None, Some(text.as_str()))
            }
            Some(ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff) => {
                (true, Some(false), None, Some("nobody knows what came of it"))
            }
            None => match self.status {
                Status::Cancelled => (true, Some(false), None, Some("it was cancelled")),
                Status::Lost => (true, Some(false), None, Some(LOST)),
                Status::Running | Status::Completed | Status::Failed => (false, None, None, None),
            },
        };
        if let Some(record) = record.as_object_mut() {
            record.insert("ready".to_owned(), json!(ready));
            record.insert("result".to_owned(), json!(result));
            record.insert("tool_success".to_owned(), json!(success));
            record.insert("tool_error".to_owned(), json!(error));
        }
        record
    }
}
