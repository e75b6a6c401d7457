//! All tools of all agents of a session, and the way of a call: hooks are asked, its arguments are checked, the policy
//! judges it, it runs, its result is cleaned and bounded, hooks are told.

mod background;
mod calls;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_ports::{CallWatch, Clock, ToolHost, ToolRun, Waiting};
use massgen_protocol::limits::CALL_TIME;
use massgen_protocol::tooling::Permissions;
use massgen_protocol::{AgentId, ToolCall, ToolOutcome, ToolSchema, ToolUse};

use self::background::Control;
use crate::arguments::Check;
use crate::clean::clean;
use crate::desk::Desk;
use crate::error::Error;
use crate::hooks::SessionHooks;
use crate::jobs::{Jobs, LostJob};
use crate::naming::{Selection, bare};
use crate::policy::{Approver, Gate, Record};
use crate::preview::shortened;
use crate::source::{Failed, Output, Source};

/// What one agent brings to the box.
pub struct AgentTools {
    /// Its files; `None` for an agent without a workspace, whose long results are cut.
    pub desk: Option<Arc<Desk>>,
    /// Which of its tools it has.
    pub selection: Selection,
    /// Its rules.
    pub permissions: Option<Permissions>,
    /// Who replies when rules ask; `None` leaves it to `unattended`.
    pub approver: Option<Arc<dyn Approver>>,
    /// Its background jobs that were lost with an earlier process of the run: it is told of them.
    pub lost: Vec<LostJob>,
}

impl std::fmt::Debug for AgentTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentTools")
            .field("desk", &self.desk)
            .field("selection", &self.selection)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

/// What a box is made of.
pub struct ToolBoxParts {
    /// The agents that have tools.
    pub agents: BTreeMap<AgentId, AgentTools>,
    /// Where tools come from; their order is that of the schemas.
    pub sources: Vec<Arc<dyn Source>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers, for names of jobs, questions and files.
    pub ids: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Takes every decision of the policy. It must not wait.
    pub decisions: Arc<dyn Fn(Record) + Send + Sync>,
    /// The hooks of the user; `None` where there are none.
    pub hooks: Option<Arc<SessionHooks>>,
}

impl std::fmt::Debug for ToolBoxParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolBoxParts").field("agents", &self.agents).finish_non_exhaustive()
    }
}

/// The tools of all agents of a session.
pub struct ToolBox {
    agents: BTreeMap<AgentId, Agent>,
}

impl std::fmt::Debug for ToolBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolBox").field("agents", &self.agents.keys()).finish_non_exhaustive()
    }
}

struct Agent {
    bench: Arc<Bench>,
    jobs: Arc<Jobs>,
}

/// Everything that a call of one agent needs, apart from its jobs: a job holds it, and must not hold itself.
struct Bench {
    id: AgentId,
    desk: Option<Arc<Desk>>,
    gate: Gate,
    schemas: Vec<ToolSchema>,
    known: BTreeMap<String, Known>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Fn() -> u64 + Send + Sync>,
    decisions: Arc<dyn Fn(Record) + Send + Sync>,
    hooks: Option<Arc<SessionHooks>>,
}

/// A tool of one agent.
struct Known {
    check: Check,
    what: What,
}

enum What {
    /// It belongs to a source.
    Of(Arc<dyn Source>),
    /// It handles background jobs.
    Job(Control),
}

impl ToolBox {
    /// Puts the tools together.
    ///
    /// # Errors
    /// When a schema or a rule is wrong, or two sources have a tool of the same name.
    pub fn new(parts: ToolBoxParts) -> Result<Self, Error> {
        let ToolBoxParts { agents, sources, clock, ids, decisions, hooks } = parts;
        let mut made = BTreeMap::new();
        for (id, tools) in agents {
            let mut schemas = Vec::new();
            let mut known = BTreeMap::new();
            for source in &sources {
                for schema in
                    source.schemas(&id).into_iter().filter(|schema| tools.selection.has(&schema.name))
                {
                    let check = Check::new(&schema.name, &schema.parameters)?;
                    let tool = Known { check, what: What::Of(source.clone()) };
                    if known.insert(schema.name.clone(), tool).is_some() {
                        return Err(Error::SameName(schema.name));
                    }
                    schemas.push(schema);
                }
            }
            // Without a tool there is nothing to run in the background.
            let controls = if schemas.is_empty() { Vec::new() } else { background::controls() };
            for (control, schema) in
                controls.into_iter().filter(|(_, schema)| tools.selection.has(&schema.name))
            {
                let check = Check::new(&schema.name, &schema.parameters)?;
                if known.insert(schema.name.clone(), Known { check, what: What::Job(control) }).is_some() {
                    return Err(Error::SameName(schema.name));
                }
                schemas.push(schema);
            }
            let gate = Gate::new(id.clone(), tools.permissions.as_ref(), tools.approver)?;
            if let Some(desk) = &tools.desk {
                desk.obey(gate.rules());
            }
            let bench = Bench {
                id: id.clone(),
                desk: tools.desk,
                gate,
                schemas,
                known,
                clock: clock.clone(),
                ids: ids.clone(),
                decisions: decisions.clone(),
                hooks: hooks.clone(),
            };
            made.insert(
                id,
                Agent { bench: Arc::new(bench), jobs: Arc::new(Jobs::new(clock.clone(), &tools.lost)) },
            );
        }
        Ok(Self { agents: made })
    }
}

impl ToolHost for ToolBox {
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema> {
        self.agents.get(agent).map(|agent| agent.bench.schemas.clone()).unwrap_or_default()
    }

    fn run(
        &self,
        agent: &AgentId,
        tool_use: ToolUse,
        call: ToolCall,
        watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        let Some(agent) = self.agents.get(agent) else {
            let text = format!("there is no tool `{}`", call.name);
            return Box::pin(async move { ToolOutcome::Denied { text }.into() });
        };
        let (bench, jobs) = (agent.bench.clone(), agent.jobs.clone());
        Box::pin(async move { calls::run(&bench, &jobs, &call, tool_use, watch).await })
    }

    fn set_waiting(&self, agent: &AgentId, waiting: Waiting) {
        if let Some(agent) = self.agents.get(agent) {
            agent.jobs.set_waiting(waiting);
        }
    }
}

impl Bench {
    /// The name under which the tool is listed: older spellings, and the short name where it is the only one.
    fn present_name(&self, name: &str) -> Result<String, Failed> {
        if self.known.contains_key(name) {
            return Ok(name.to_owned());
        }
        // A tool of a server may be called as one of ours was once.
        for wanted in [name, crate::files::present_name(name)] {
            let mut fitting = self.known.keys().filter(|known| *known == wanted || bare(known) == wanted);
            match (fitting.next(), fitting.next()) {
                (Some(only), None) => return Ok(only.clone()),
                (Some(_), Some(_)) => break,
                (None, _) => {}
            }
        }
        Err(self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failed {
        let names: Vec<&str> = self.known.keys().map(|name| bare(name)).collect();
        Failed::Denied(format!("there is no tool `{name}`; there are: {}", names.join(", ")))
    }

    /// What the model is told: clean, and no longer than a prompt shows.
    async fn outcome(self: &Arc<Self>, name: &str, result: Result<Output, Failed>) -> ToolOutcome {
        let (bench, name) = (self.clone(), name.to_owned());
        let work = move || {
            let short = |text: String| {
                let (now, id) = (bench.clock.now(), (bench.ids)());
                let page = |text: &str| match bench.known.get(&name).map(|known| &known.what) {
                    Some(What::Of(source)) => source.page(text),
                    Some(What::Job(_)) | None => None,
                };
                shortened(bench.desk.as_deref(), &name, clean(&text), page, (now, id))
            };
            let failed = |failed: Failed| match failed {
                Failed::Denied(text) | Failed::Error(text) => ToolOutcome::Error { text },
            };
            match result {
                Ok(Output { text, files }) => {
                    short(text).map_or_else(failed, |text| ToolOutcome::Ok { text, files })
                }
                Err(Failed::Error(text)) => {
                    short(text).map_or_else(failed, |text| ToolOutcome::Error { text })
                }
                Err(Failed::Denied(text)) => {
                    short(text).map_or_else(failed, |text| ToolOutcome::Denied { text })
                }
            }
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| ToolOutcome::Error { text: format!("the result was lost: {error}") })
    }
}

/// The longest wait that a call may ask for.
const WAIT: std::time::Duration = CALL_TIME;

#[cfg(test)]
#[path = "toolbox/toolbox_tests.rs"]
mod tests;
