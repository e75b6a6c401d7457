//! Files that go to models with the task, as a configuration names them: what is to be read, and from where.

use std::path::PathBuf;

use massgen_protocol::{AgentId, AttachmentKind};

use crate::finding::{Finding, Findings};
use crate::node::Origin;
use crate::secrets::Secrets;
use crate::source::Source;

/// One entry of `upload_files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The agent that gets the file.
    pub agent: AgentId,
    /// The name of the file, without folders.
    pub name: String,
    /// What it is to a model.
    pub kind: AttachmentKind,
    /// Its media type; `None` when only the server that has it can tell.
    pub media_type: Option<String>,
    /// Where it is.
    pub place: UploadPlace,
    /// Largest size that is sent, in bytes.
    pub most_bytes: u64,
    /// The path of the entry, for findings.
    pub(crate) path: String,
    /// Where the entry stands.
    pub(crate) origin: Origin,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadPlace {
    /// On this machine, absolute when the working directory is.
    File(PathBuf),
    /// At an address (`http` or `https`, without a query and a fragment) that every model of the agent reads itself.
    Address(String),
    /// At an address that is read before the run begins.
    Download(String),
}

/// The entries of all agents, in order.
#[derive(Debug, Clone, Default)]
pub struct Uploads {
    pub(crate) entries: Vec<Upload>,
    pub(crate) source: Option<Source>,
}

impl Uploads {
    /// The entries.
    pub fn entries(&self) -> &[Upload] {
        &self.entries
    }

    /// Why files cannot be sent, as errors: entries with what is wrong, and what to do about it.
    pub fn refused<'a>(&self, refusals: impl IntoIterator<Item = (&'a Upload, Refusal)>) -> Findings {
        let finding = |(upload, refusal): (&Upload, Refusal)| {
            Finding::error(&upload.path, refusal.message).hint(refusal.hint).at(&upload.origin)
        };
        let findings = refusals.into_iter().map(finding).collect();
        Findings::new(findings, self.source.as_ref(), &Secrets::default())
    }
}

/// Why a file cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
