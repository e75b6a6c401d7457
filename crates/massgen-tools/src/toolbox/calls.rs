//! The way of one call.

use std::path::Path;
use std::sync::Arc;

use massgen_ports::{CallWatch, ToolRun};
use massgen_protocol::{ToolCall, ToolOutcome, ToolUse};
use serde_json::{Map, Value};

use super::background::{self, Control};
use super::{Bench, Known, What};
use crate::arguments::{Check, parse};
use crate::desk::Desk;
use crate::hooks::{Injection, Verdict};
use crate::jobs::{Jobs, Start};
use crate::naming::server_and_tool;
use crate::policy::{Asked, Decision, Effect, Of, Record, Request, risk_of};
use crate::source::{Failed, Invocation, Kind, Output, Source};

/// What stands for a rule when a tool refuses by itself, such as a path that the agent does not have.
const ITSELF: &str = "tool";

/// What stands for a rule when a hook refuses.
const HOOK: &str = "hook";

/// What a model asked for: the tool by the name under which it is listed, and its arguments.
struct Wanted {
    tool_use: ToolUse,
    name: String,
    arguments: Map<String, Value>,
    /// Why a hook wants a person to be asked.
    wish: Option<String>,
    /// Hears of it.
    watch: Arc<dyn CallWatch>,
}

/// What a call brings about besides its result.
#[derive(Default)]
struct Beside {
    /// What was decided on it.
    trail: Vec<Record>,
    /// What hooks add to its result.
    added: Vec<String>,
}

/// Makes a call of the agent at `bench`.
pub(super) async fn run(
    bench: &Arc<Bench>,
    jobs: &Arc<Jobs>,
    call: &ToolCall,
    tool_use: ToolUse,
    watch: Arc<dyn CallWatch>,
) -> ToolRun {
    let mut beside = Beside::default();
    let wanted = bench.present_name(&call.name).and_then(|name| {
        let arguments = parse(&name, &call.arguments)?;
        Ok(Wanted { tool_use, name, arguments, wish: None, watch })
    });
    let wanted = match wanted {
        Ok(wanted) => bench.asked_hooks(wanted, &mut beside).await,
        Err(failed) => Err(failed),
    };
    let outcome = match wanted {
        Ok(wanted) => made(bench, jobs, wanted, &mut beside).await,
        Err(failed) => bench.outcome(&call.name, Err(failed)).await,
    };
    let decisions = beside.trail.into_iter().filter(|record| bench.matters(record));
    ToolRun { outcome, decisions: decisions.map(|record| record.told()).collect() }
}

/// Makes a call that hooks have nothing against.
async fn made(bench: &Arc<Bench>, jobs: &Arc<Jobs>, mut wanted: Wanted, beside: &mut Beside) -> ToolOutcome {
    let name = wanted.name.clone();
    let tool_use = wanted.tool_use;
    let Some(known) = bench.known.get(&name) else {
        return bench.outcome(&name, Err(bench.unknown(&name))).await;
    };
    let (outcome, news) = match &known.what {
        What::Job(control) => {
            let arguments = wanted.arguments.clone();
            let result = controlled(bench, jobs, *control, wanted, beside).await;
            // Who asks for jobs is told of them by the result itself.
            (bench.ended(&name, arguments, result, &mut beside.added).await, String::new())
        }
        What::Of(_) if place(&mut wanted.arguments, &known.check) == Place::Background => {
            let started = start(bench, jobs, wanted, &mut beside.trail).await;
            let result = started.map(|record| background::moved(&name, &record).into());
            // Hooks hear of it when it ends.
            (bench.outcome(&name, result).await, String::new())
        }
        What::Of(source) => {
            let outcome = match bench.allowed(&**source, known, wanted, &mut beside.trail).await {
                Ok(invocation) => {
                    let arguments = invocation.arguments.clone();
                    let result = source.run(invocation).await;
                    if let Err(Failed::Denied(reason)) = &result {
                        let record = bench.refused(&**source, &name, &arguments, reason);
                        // That rules would have allowed it says nothing any more.
                        beside.trail.retain(|allowed| allowed.target != record.target);
                        beside.trail.push(record);
                    }
                    bench.ended(&name, arguments, result, &mut beside.added).await
                }
                Err(failed) => bench.outcome(&name, Err(failed)).await,
            };
            let news =
                jobs.finished(tool_use).iter().map(|job| format!("[{}]", job.text())).collect::<Vec<_>>();
            (outcome, news.join("\n"))
        }
    };
    outcome.with_appended(&beside.added.join("\n\n")).with_appended(&news)
}

/// Handles background jobs.
async fn controlled(
    bench: &Arc<Bench>,
    jobs: &Arc<Jobs>,
    control: Control,
    wanted: Wanted,
    beside: &mut Beside,
) -> Result<Output, Failed> {
    let Wanted { tool_use, name, arguments, wish, watch } = wanted;
    let Some(known) = bench.known.get(&name) else { return Err(bench.unknown(&name)) };
    let arguments = known.check.without_nulls(control.usual(arguments));
    known.check.check(&name, &arguments)?;
    if wish.is_some() && control != Control::Start {
        let request = Request::new(Effect::Tool, server_and_tool(&name));
        let of = Of { name: &name, wish: wish.as_deref(), watch: &watch };
        bench.decided(of, &[request], &mut beside.trail).await?;
    }
    match control.on(jobs, arguments).await? {
        background::Did::Told(text) => Ok(text.into()),
        background::Did::Wants(tool, arguments) => {
            let name = bench.present_name(&tool)?;
            // What hooks guard is the tool that runs, whichever way it is started.
            let inner = Wanted { tool_use, name, arguments, wish, watch };
            let inner = bench.asked_hooks(inner, beside).await?;
            start(bench, jobs, inner, &mut beside.trail).await.map(|record| record.to_string().into())
        }
    }
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
        let mut added = Vec::new();
        let outcome = bench.ended(&name, arguments, result, &mut added).await;
        outcome.with_appended(&added.join("\n\n"))
    })
}

/// Where a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The agent waits for it.
    Foreground,
    /// It goes on while the agent does something else.
    Background,
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

impl Bench {
    /// The call as hooks have made it, unless one refuses it.
    async fn asked_hooks(&self, wanted: Wanted, beside: &mut Beside) -> Result<Wanted, Failed> {
        let Some(hooks) = &self.hooks else { return Ok(wanted) };
        let Wanted { tool_use, name, arguments, wish, watch } = wanted;
        let asked = arguments.clone();
        let (input, injections, own_wish) = match hooks.before(&self.id, &name, arguments).await {
            Verdict::Denied { reason } => {
                let request = self.most_harmful(&name, &asked);
                beside.trail.push(self.denied(&name, request, HOOK, &reason));
                return Err(Failed::Denied(reason));
            }
            Verdict::Ask { reason, input, injections } => (input, injections, Some(reason)),
            Verdict::Allowed { input, injections } => (input, injections, None),
        };
        // Both ways of adding come to the same here: the next thing that the model reads.
        beside.added.extend(injections.into_iter().map(|Injection { content, strategy: _ }| content));
        Ok(Wanted { tool_use, name, arguments: input, wish: wish.or(own_wish), watch })
    }

    /// What a call came to that was made; `added` gets what hooks say to it.
    async fn ended(
        self: &Arc<Self>,
        name: &str,
        arguments: Map<String, Value>,
        result: Result<Output, Failed>,
        added: &mut Vec<String>,
    ) -> ToolOutcome {
        let outcome = self.outcome(name, result).await;
        if let Some(hooks) = &self.hooks {
            added.extend(hooks.after(&self.id, name, arguments, &outcome).await);
        }
        outcome
    }

    /// A call whose arguments fit and which the policy allows.
    async fn allowed(
        &self,
        source: &dyn Source,
        known: &Known,
        wanted: Wanted,
        trail: &mut Vec<Record>,
    ) -> Result<Invocation, Failed> {
        let Wanted { tool_use, name, arguments, wish, watch } = wanted;
        let arguments = match source.kind() {
            Kind::BuiltIn | Kind::Custom => known.check.without_nulls(arguments),
            // What `null` means to a server is its own affair.
            Kind::Server => arguments,
        };
        known.check.check(&name, &arguments)?;
        let mut requests = source.requests(&self.id, &name, &arguments);
        if requests.is_empty() && wish.is_some() {
            requests.push(Request::new(Effect::Tool, server_and_tool(&name)));
        }
        let of = Of { name: &name, wish: wish.as_deref(), watch: &watch };
        self.decided(of, &requests, trail).await?;
        Ok(Invocation { agent: self.id.clone(), tool_use, name, arguments, watch })
    }

    async fn decided(
        &self,
        call: Of<'_>,
        requests: &[Request],
        trail: &mut Vec<Record>,
    ) -> Result<(), Failed> {
        let (records, decision) = self.gate.decide(call, requests, &*self.ids).await;
        for record in &records {
            (self.decisions)(record.clone());
        }
        trail.extend(records);
        decision.map_err(Failed::Denied)
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
        self.denied(name, request, ITSELF, reason)
    }

    /// What of a call can do most harm, as rules would judge it.
    fn most_harmful(&self, name: &str, arguments: &Map<String, Value>) -> Request {
        let requests = match self.known.get(name).map(|known| &known.what) {
            Some(What::Of(source)) => source.requests(&self.id, name, arguments),
            Some(What::Job(_)) | None => Vec::new(),
        };
        let most = requests.into_iter().max_by_key(risk_of);
        most.unwrap_or_else(|| Request::new(Effect::Tool, server_and_tool(name)))
    }

    /// Writes down that `request` was refused, and not by a rule.
    fn denied(&self, name: &str, request: Request, by: &str, reason: &str) -> Record {
        let record = Record {
            agent: self.id.clone(),
            tool: name.to_owned(),
            action: request.effect.action().to_owned(),
            target: request.target,
            decision: Decision::Deny,
            rule: by.to_owned(),
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
}
