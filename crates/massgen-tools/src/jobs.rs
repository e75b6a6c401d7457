//! Calls that go on in the background of an agent.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use massgen_ports::Clock;
use massgen_protocol::limits::{BACKGROUND_JOBS, REMEMBERED_JOBS};
use massgen_protocol::{Timestamp, ToolOutcome, ToolUse};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::source::{Failed, Kind};

/// A job that has ended and that its agent has not heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id, `bgtool_` and 12 hexadecimal digits.
    pub job: String,
    /// What ran.
    pub tool: String,
    /// How it ended.
    pub status: Status,
}

impl Notice {
    /// For the model.
    pub fn text(&self) -> String {
        format!(
            "background job {} ({}) is {}; get its result with custom_tool__get_background_tool_result",
            self.job,
            self.tool,
            self.status.word()
        )
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It has a result.
    Completed,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "error",
            Self::Cancelled => "cancelled",
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
    interrupt: Option<Interrupt>,
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

/// Why a wait ends before a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interrupt {
    reason: String,
    content: String,
}

impl Jobs {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), changed: Notify::new() }
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
        let id = format!("bgtool_{:012x}", start.number & 0xffff_ffff_ffff);
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
    /// The result of the call `now`, if there is one, is no news of the job that it started: whoever starts a job and then
    /// waits for it is to find it.
    pub(crate) fn finished(&self, now: Option<ToolUse>) -> Vec<Notice> {
        let mut state = self.state();
        let unheard = state.jobs.iter_mut().filter(|job| job.is_news() && Some(job.start.source) != now);
        unheard
            .map(|job| {
                job.heard = Heard::Yes;
                Notice { job: job.id.clone(), tool: job.start.tool.clone(), status: job.status }
            })
            .collect()
    }

    /// Ends the wait that is under way, or the next one.
    pub(crate) fn interrupt(&self, reason: String, content: String) {
        self.state().interrupt = Some(Interrupt { reason, content });
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
                if let Some(interrupt) = state.interrupt.take() {
                    return json!({
                        "success": true,
                        "ready": false,
                        "interrupted": true,
                        "interrupt_reason": interrupt.reason,
                        "injected_content": interrupt.content,
                    });
                }
                if state.jobs.iter().all(|job| job.status != Status::Running) {
                    return json!({"success": false, "ready": false, "error": "no background job runs"});
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
            None if self.status == Status::Cancelled => (true, Some(false), None, Some("it was cancelled")),
            None => (false, None, None, None),
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
