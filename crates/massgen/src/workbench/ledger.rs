//! The trail of what was allowed and refused, `ledger.jsonl` in the logs.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::os::unix::fs::OpenOptionsExt;
use massgen_ports::Clock;
use massgen_protocol::AgentId;
use massgen_protocol::spec::RunSpec;
use massgen_protocol::tooling::Audit;
use massgen_tools::hooks::Notify;
use massgen_tools::policy::{Decision, Record};
use serde_json::{Value, json};

/// The name of the file.
const FILE: &str = "ledger.jsonl";

/// Writes down every decision on calls of agents with rules, and every refusal.
pub(crate) struct Ledger {
    path: PathBuf,
    file: Mutex<Option<fs_err::File>>,
    audited: BTreeSet<AgentId>,
    clock: Arc<dyn Clock>,
    notify: Notify,
}

impl Ledger {
    /// The ledger in the folder `logs`. It is made with its first line.
    pub(crate) fn new(spec: &RunSpec, logs: &Path, clock: Arc<dyn Clock>, notify: Notify) -> Self {
        let is_audited = |agent: &&massgen_protocol::AgentSpec| {
            agent.tooling.permissions.as_ref().is_some_and(|permissions| permissions.audit == Audit::On)
        };
        let audited = spec.agents.iter().filter(is_audited).map(|agent| agent.id.clone()).collect();
        Self { path: logs.join(FILE), file: Mutex::new(None), audited, clock, notify }
    }

    /// Adds a line. That the disk is full does not stop a run: the decision itself is in the result of the call.
    pub(crate) fn write(&self, record: &Record) {
        let is_wanted = match record.decision {
            Decision::Allow => self.audited.contains(&record.agent),
            Decision::Deny => true,
        };
        if !is_wanted {
            return;
        }
        self.add(&record.agent, "decision", &json!(record));
    }

    /// Adds that the programs of `agent` are not confined: whoever reads the trail must know that decisions are all that
    /// there was.
    pub(crate) fn write_unconfined(&self, agent: &AgentId) {
        self.add(agent, "unsandboxed", &json!(agent));
    }

    fn add(&self, agent: &AgentId, what: &str, value: &Value) {
        let line = json!({ "timestamp": self.clock.now().unix_seconds(), what: value });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = fs_err::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path).ok();
        }
        let written = file.as_mut().map(|file| file.write_all(format!("{line}\n").as_bytes()));
        if !matches!(written, Some(Ok(()))) {
            let path = self.path.display();
            (self.notify)(agent, format!("an entry (`{what}`) was not written to `{path}`"));
        }
    }
}
