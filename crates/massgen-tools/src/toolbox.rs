//! All tools of all agents of a session, and the way of a call: its arguments are checked, the policy judges it, it
//! runs, its result is cleaned and bounded.

mod background;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_ports::{Clock, ToolHost, ToolRun};
use massgen_protocol::limits::CALL_TIME;
use massgen_protocol::tooling::Permissions;
use massgen_protocol::{AgentId, ToolCall, ToolOutcome, ToolSchema, ToolUse};
use serde_json::{Map, Value};

use self::background::Control;
use crate::arguments::{Check, parse};
use crate::clean::clean;
use crate::desk::Desk;
use crate::error::Error;
use crate::jobs::{Jobs, Notice, Start};
use crate::naming::{Selection, bare, server_and_tool};
use crate::policy::{Approver, Asked, Decision, Effect, Gate, Record, Request};
use crate::preview::shortened;
use crate::source::{Failed, Invocation, Output, Source};

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
}

/// A tool of one agent.
struct Known {
    check: Check,
    what: What,
}

impl Known {
    fn is_work(&self) -> bool {
        match self.what {
            What::Of(_) => true,
            What::Job(_) => false,
        }
    }
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
        let ToolBoxParts { agents, sources, clock, ids, decisions } = parts;
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
            };
            made.insert(id, Agent { bench: Arc::new(bench), jobs: Arc::new(Jobs::new(clock.clone())) });
        }
        Ok(Self { agents: made })
    }

    /// Background jobs of `agent` that have ended and that it has not heard of. Each is told once.
    pub fn finished_jobs(&self, agent: &AgentId) -> Vec<Notice> {
        self.agents.get(agent).map(|agent| agent.jobs.finished(None)).unwrap_or_default()
    }

    /// Ends the wait of `agent` for a background job, if it waits or when it does next: something else has come, which
    /// `content` tells.
    pub fn interrupt(&self, agent: &AgentId, reason: String, content: String) {
        if let Some(agent) = self.agents.get(agent) {
            agent.jobs.interrupt(reason, content);
        }
    }
}

impl ToolHost for ToolBox {
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema> {
        self.agents.get(agent).map(|agent| agent.bench.schemas.clone()).unwrap_or_default()
    }

    fn run(&self, agent: &AgentId, tool_use: ToolUse, call: ToolCall) -> BoxFuture<'static, ToolRun> {
        let Some(agent) = self.agents.get(agent) else {
            let text = format!("there is no tool `{}`", call.name);
            return Box::pin(async move { ToolOutcome::Denied { text }.into() });
        };
        let (bench, jobs) = (agent.bench.clone(), agent.jobs.clone());
        Box::pin(async move {
            let mut trail = Vec::new();
            let asked = asked(&bench, &call);
            // Who asks for jobs is told of them by the result itself.
            let is_work = asked.as_ref().is_ok_and(|asked| {
                asked.place == Place::Foreground && bench.known.get(&asked.name).is_some_and(Known::is_work)
            });
            let result = match asked {
                Ok(asked) => run(&bench, &jobs, tool_use, asked, &mut trail).await,
                Err(failed) => Err(failed),
            };
            let outcome = bench.outcome(&call.name, result).await;
            let outcome = if is_work { announced(outcome, &jobs.finished(Some(tool_use))) } else { outcome };
            let decisions = trail.into_iter().filter(|record| bench.matters(record));
            ToolRun { outcome, decisions: decisions.map(|record| record.told()).collect() }
        })
    }
}

/// `outcome` with the background jobs that have ended meanwhile.
fn announced(outcome: ToolOutcome, jobs: &[Notice]) -> ToolOutcome {
    if jobs.is_empty() {
        return outcome;
    }
    let told: Vec<String> = jobs.iter().map(|job| format!("[{}]", job.text())).collect();
    let with = |text: String| format!("{text}\n\n{}", told.join("\n"));
    match outcome {
        ToolOutcome::Ok { text, files } => ToolOutcome::Ok { text: with(text), files },
        ToolOutcome::Error { text } => ToolOutcome::Error { text: with(text) },
        ToolOutcome::Denied { text } => ToolOutcome::Denied { text: with(text) },
        ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => outcome,
    }
}

/// Where a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The agent waits for it.
    Foreground,
    /// It goes on while the agent does something else.
    Background,
}

/// What a model asked for: the tool by its present name, its arguments, and where it is to run.
struct AskedFor {
    name: String,
    arguments: Map<String, Value>,
    place: Place,
}

fn asked(bench: &Bench, call: &ToolCall) -> Result<AskedFor, Failed> {
    let name = bench.present_name(&call.name)?;
    let mut arguments = parse(&name, &call.arguments)?;
    let place = match bench.known.get(&name) {
        Some(Known { check, what: What::Of(_) }) => place(&mut arguments, check),
        Some(Known { what: What::Job(_), .. }) | None => Place::Foreground,
    };
    Ok(AskedFor { name, arguments, place })
}

/// Takes the words that ask for the background out of `arguments`, where they are none of the tool's own.
fn place(arguments: &mut Map<String, Value>, check: &Check) -> Place {
    let mut place = Place::Foreground;
    for name in ["background", "run_in_background"] {
        if !check.has(name)
            && let Some(Value::Bool(asked)) = arguments.get(name)
        {
            if *asked {
                place = Place::Background;
            }
            arguments.remove(name);
        }
    }
    if !check.has("mode") && arguments.get("mode").and_then(Value::as_str) == Some("background") {
        place = Place::Background;
        arguments.remove("mode");
    }
    place
}

async fn run(
    bench: &Arc<Bench>,
    jobs: &Arc<Jobs>,
    tool_use: ToolUse,
    asked: AskedFor,
    trail: &mut Vec<Record>,
) -> Result<Output, Failed> {
    let AskedFor { name, arguments, place } = asked;
    let Some(known) = bench.known.get(&name) else { return Err(bench.unknown(&name)) };
    match &known.what {
        What::Job(control) => {
            let arguments = control.usual(arguments);
            known.check.check(&name, &arguments)?;
            match control.on(jobs, arguments).await? {
                background::Did::Told(text) => Ok(text.into()),
                background::Did::Wants(tool, arguments) => {
                    let tool = bench.present_name(&tool)?;
                    start(bench, jobs, Wanted { tool_use, name: tool, arguments }, trail)
                        .await
                        .map(|record| record.to_string().into())
                }
            }
        }
        What::Of(_) if place == Place::Background => {
            let wanted = Wanted { tool_use, name: name.clone(), arguments };
            let record = start(bench, jobs, wanted, trail).await?;
            Ok(background::moved(&name, &record).into())
        }
        What::Of(source) => {
            let source = source.clone();
            let wanted = Wanted { tool_use, name, arguments };
            let invocation = bench.allowed(&*source, known, wanted, trail).await?;
            let (name, arguments) = (invocation.name.clone(), invocation.arguments.clone());
            let result = source.run(invocation).await;
            if let Err(Failed::Denied(reason)) = &result {
                let record = bench.refused(&*source, &name, &arguments, reason);
                // That rules would have allowed it says nothing any more.
                trail.retain(|allowed| allowed.target != record.target);
                trail.push(record);
            }
            result
        }
    }
}

/// A call of a tool.
struct Wanted {
    tool_use: ToolUse,
    name: String,
    arguments: Map<String, Value>,
}

/// Starts a tool in the background. Wrong arguments and refusals are told at once.
async fn start(
    bench: &Arc<Bench>,
    jobs: &Arc<Jobs>,
    wanted: Wanted,
    trail: &mut Vec<Record>,
) -> Result<Value, Failed> {
    let (name, tool_use) = (wanted.name.clone(), wanted.tool_use);
    let Some(known) = bench.known.get(&name) else { return Err(bench.unknown(&name)) };
    let What::Of(source) = &known.what else {
        return Err(Failed::Error(format!("`{name}` does not run in the background; call it as it is")));
    };
    let source = source.clone();
    let invocation = bench.allowed(&*source, known, wanted, trail).await?;
    let start = Start { number: (bench.ids)(), tool: name.clone(), kind: source.kind(), source: tool_use };
    let bench = bench.clone();
    jobs.start(start, async move {
        let arguments = invocation.arguments.clone();
        let result = source.run(invocation).await;
        if let Err(Failed::Denied(reason)) = &result {
            // Its call ended long ago, so only the ledger tells of it.
            bench.refused(&*source, &name, &arguments, reason);
        }
        bench.outcome(&name, result).await
    })
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

    /// A call whose arguments fit and which the policy allows.
    async fn allowed(
        &self,
        source: &dyn Source,
        known: &Known,
        wanted: Wanted,
        trail: &mut Vec<Record>,
    ) -> Result<Invocation, Failed> {
        let Wanted { tool_use, name, arguments } = wanted;
        known.check.check(&name, &arguments)?;
        let requests = source.requests(&self.id, &name, &arguments);
        let (records, decision) = self.gate.decide(&name, &requests, &*self.ids).await;
        for record in &records {
            (self.decisions)(record.clone());
        }
        trail.extend(records);
        decision.map_err(Failed::Denied)?;
        Ok(Invocation { agent: self.id.clone(), tool_use, name, arguments })
    }

    /// A refusal by the tool itself, which knows best what its arguments lead to.
    fn refused(
        &self,
        source: &dyn Source,
        name: &str,
        arguments: &Map<String, Value>,
        reason: &str,
    ) -> Record {
        let requests = source.requests(&self.id, name, arguments);
        let first = requests.into_iter().next();
        let request = first.unwrap_or_else(|| Request::new(Effect::Tool, server_and_tool(name)));
        let record = Record {
            agent: self.id.clone(),
            tool: name.to_owned(),
            action: request.effect.action().to_owned(),
            target: request.target,
            decision: Decision::Deny,
            rule: ITSELF.to_owned(),
            reason: reason.to_owned(),
            asked: Asked::Nobody,
        };
        (self.decisions)(record.clone());
        record
    }

    /// Whether a decision belongs into the history of the run: what was refused, what a person was asked about, and paths
    /// outside the workspace.
    fn matters(&self, record: &Record) -> bool {
        let is_path = [Effect::Read, Effect::Write].iter().any(|effect| record.action == effect.action());
        let is_outside = || {
            let inside = |desk: &Arc<Desk>| Path::new(&record.target).starts_with(desk.managed().workspace());
            self.desk.as_ref().is_none_or(|desk| !inside(desk))
        };
        record.decision == Decision::Deny || record.asked == Asked::Person || (is_path && is_outside())
    }

    /// What the model is told: clean, and no longer than a prompt shows.
    async fn outcome(self: &Arc<Self>, name: &str, result: Result<Output, Failed>) -> ToolOutcome {
        let (bench, name) = (self.clone(), name.to_owned());
        let work = move || {
            let short = |text: String| {
                let (now, id) = (bench.clock.now(), (bench.ids)());
                shortened(bench.desk.as_deref(), &name, clean(&text), now, id)
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

/// What stands for a rule when a tool refuses by itself, such as a path that the agent does not have.
const ITSELF: &str = "tool";

/// The longest wait that a call may ask for.
const WAIT: std::time::Duration = CALL_TIME;

#[cfg(test)]
#[path = "toolbox/toolbox_tests.rs"]
mod tests;
