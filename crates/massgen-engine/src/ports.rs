//! How a session reaches the world.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use massgen_ports::{Clock, Journal, Model, ToolHost, Workspaces};
use massgen_protocol::{AgentId, AttachedFile};

use crate::redact::Redactor;

/// How a session reaches the world.
#[derive(Clone)]
pub struct Ports {
    /// Where events become durable.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The model of every agent.
    pub models: BTreeMap<AgentId, Arc<dyn Model>>,
    /// Work tools.
    pub tools: Arc<dyn ToolHost>,
    /// Their workspaces.
    pub workspaces: Arc<dyn Workspaces>,
    /// Files that agents get with the task: those that the specification names, in its order.
    pub files: BTreeMap<AgentId, Vec<Arc<AttachedFile>>>,
    /// Secrets that must not be stored or shown.
    pub redactor: Redactor,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("models", &self.models.keys()).finish_non_exhaustive()
    }
}
