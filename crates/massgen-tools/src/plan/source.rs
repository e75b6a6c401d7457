//! The planning tools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use massgen_protocol::limits::TOOL_FILE_BYTES;
use massgen_protocol::{AgentId, ToolSchema};
use massgen_workspace::access::{Found, Last};
use serde_json::{Map, Value, json};

use super::tasks::{Plan, Problem, Written, WrittenTask};
use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::naming::wire_name;
use crate::policy::Request;
use crate::source::{Capability, Failed, Invocation, Kind, Output, Source};

/// The server that plans.
const SERVER: &str = "planning";

/// Where the plan is, in the workspace.
const FILE: &str = "tasks/plan.json";

struct PlanTool {
    name: &'static str,
    description: &'static str,
    parameters: fn() -> Value,
    run: fn(&mut Plan, Arguments<'_>) -> Result<Value, Failed>,
}

/// The planning tools of all agents that have them.
#[derive(Debug)]
pub struct PlanSource {
    agents: BTreeMap<AgentId, Arc<Planner>>,
}

/// The plan of one agent; one call at a time changes it.
#[derive(Debug)]
struct Planner {
    desk: Arc<Desk>,
    turn: Mutex<()>,
}

impl PlanSource {
    /// For these agents, each with its desk.
    pub fn new(agents: BTreeMap<AgentId, Arc<Desk>>) -> Self {
        let planner = |desk| Arc::new(Planner { desk, turn: Mutex::new(()) });
        Self { agents: agents.into_iter().map(|(agent, desk)| (agent, planner(desk))).collect() }
    }
}

impl Source for PlanSource {
    fn kind(&self) -> Kind {
        Kind::BuiltIn
    }

    fn schemas(&self, agent: &AgentId) -> Vec<ToolSchema> {
        if !self.agents.contains_key(agent) {
            return Vec::new();
        }
        let schema = |tool: &PlanTool| ToolSchema {
            name: wire_name(SERVER, tool.name),
            description: tool.description.to_owned(),
            parameters: (tool.parameters)(),
        };
        TOOLS.iter().map(schema).collect()
    }

    fn capabilities(&self, agent: &AgentId, name: &str) -> Option<Vec<Capability>> {
        // A plan is the agent's own notes: nothing of the user's changes.
        (self.agents.contains_key(agent) && tool(name).is_some()).then(Vec::new)
    }

    fn requests(&self, _agent: &AgentId, _name: &str, _arguments: &Map<String, Value>) -> Vec<Request> {
        Vec::new()
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'static, Result<Output, Failed>> {
        let found = self.agents.get(&invocation.agent).cloned().zip(tool(&invocation.name));
        Box::pin(async move {
            let Some((planner, tool)) = found else {
                return Err(Failed::Denied(format!("there is no tool `{}`", invocation.name)));
            };
            let work = move || planner.run(tool, Arguments(&invocation.arguments));
            match tokio::task::spawn_blocking(work).await {
                Ok(result) => result.map(Output::from),
                Err(stopped) => Err(Failed::Error(format!("the tool broke: {stopped}"))),
            }
        })
    }
}

impl Planner {
    fn run(&self, tool: &PlanTool, arguments: Arguments<'_>) -> Result<String, Failed> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.load()?;
        let mut plan = before.clone();
        let mut told = (tool.run)(&mut plan, arguments)?;
        if plan != before {
            self.store(&plan)?;
        }
        if let Some(told) = told.as_object_mut() {
            told.insert("success".to_owned(), json!(true));
            told.insert("operation".to_owned(), json!(tool.name));
        }
        Ok(told.to_string())
    }

    fn load(&self) -> Result<Plan, Failed> {
        let bytes = match self.desk.find(FILE, Last::Followed)? {
            Found::Missing(_) => return Ok(Plan::default()),
            Found::There(place) => place.read(TOOL_FILE_BYTES)?,
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            Failed::Error(format!("`{FILE}` is no plan ({error}); mend it, or delete it and make a new plan"))
        })
    }

    fn store(&self, plan: &Plan) -> Result<(), Failed> {
        let text = serde_json::to_vec_pretty(plan).map_err(|error| Failed::Error(error.to_string()))?;
        let place = match self.desk.find(FILE, Last::Followed)? {
            Found::There(place) => place,
            Found::Missing(gap) => gap.into_place()?,
        };
        place.replace(&text)?;
        self.desk.note(place.path());
        Ok(())
    }
}

fn tool(name: &str) -> Option<&'static PlanTool> {
    TOOLS.iter().find(|tool| wire_name(SERVER, tool.name) == name)
}

fn task_properties() -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let properties = json!({
        "description": text(),
        "depends_on": {"type": "array", "items": {"type": ["string", "integer"]}},
        "priority": {"type": "string", "enum": ["low", "medium", "high"]},
        "verification": text(),
        "verification_method": text(),
        "execution": {"type": "object"},
    });
    match properties {
        Value::Object(properties) => properties,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn one_task() -> Value {
    json!({"type": "object", "properties": {"task_id": {"type": "string"}}, "required": ["task_id"]})
}

fn nothing() -> Value {
    json!({"type": "object", "properties": {}})
}

static TOOLS: &[PlanTool] = &[
    PlanTool {
        name: "create_task_plan",
        description: "Make a plan of your tasks. `depends_on` names tasks by id or by place, from 0; `verification` \
                      says how to see that a task is done.",
        parameters: || {
            let mut properties = task_properties();
            properties.insert("id".to_owned(), json!({"type": "string"}));
            properties.insert("verification_group".to_owned(), json!({"type": "string"}));
            properties.insert("metadata".to_owned(), json!({"type": "object"}));
            let task = json!({"type": "object", "properties": properties, "required": ["description"]});
            json!({
                "type": "object",
                "properties": {"tasks": {"type": "array", "minItems": 1, "items": {"anyOf": [task, {"type": "string"}]}}},
                "required": ["tasks"],
            })
        },
        run: |plan, arguments| {
            let tasks = arguments.0.get("tasks").cloned().unwrap_or_default();
            let tasks: Vec<Written> = serde_json::from_value(tasks)
                .map_err(|error| Failed::Error(format!("the tasks are not understood: {error}")))?;
            plan.create(tasks)?;
            Ok(json!({"tasks": plan.tasks, "summary": plan.summary()}))
        },
    },
    PlanTool {
        name: "add_task",
        description: "Add a task to the plan, behind `after_task_id` or at the end.",
        parameters: || {
            let mut properties = task_properties();
            properties.insert("after_task_id".to_owned(), json!({"type": "string"}));
            json!({"type": "object", "properties": properties, "required": ["description"]})
        },
        run: |plan, arguments| {
            let mut parts = arguments.0.clone();
            parts.remove("after_task_id");
            let task: WrittenTask = serde_json::from_value(Value::Object(parts))
                .map_err(|error| Failed::Error(format!("the task is not understood: {error}")))?;
            let id = plan.add(task, arguments.optional("after_task_id"))?;
            Ok(json!({"task": plan.tasks.iter().find(|task| task.id == id), "summary": plan.summary()}))
        },
    },
    PlanTool {
        name: "update_task_status",
        description: "Say how far a task is. Returns tasks that can be begun because of it.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "task_id": {"type": "string"},
                    "status": {
                        "type": "string",
                        "enum": ["pending", "in_progress", "completed", "verified", "blocked"],
                    },
                    "completion_notes": {"type": "string"},
                },
                "required": ["task_id", "status"],
            })
        },
        run: |plan, arguments| {
            let status = serde_json::from_value(arguments.0.get("status").cloned().unwrap_or_default())
                .map_err(|error| Failed::Error(error.to_string()))?;
            let id = arguments.text("task_id")?;
            let ready = json!(plan.update(id, status, arguments.optional("completion_notes"))?);
            let task = json!(plan.tasks.iter().find(|task| task.id == id));
            Ok(json!({"task": task, "newly_ready_tasks": ready, "summary": plan.summary()}))
        },
    },
    PlanTool {
        name: "edit_task",
        description: "Change what a task says.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {"task_id": {"type": "string"}, "description": {"type": "string"}},
                "required": ["task_id", "description"],
            })
        },
        run: |plan, arguments| {
            let id = arguments.text("task_id")?;
            plan.edit(id, arguments.text("description")?)?;
            Ok(json!({"task": plan.tasks.iter().find(|task| task.id == id)}))
        },
    },
    PlanTool {
        name: "delete_task",
        description: "Take a task out of the plan.",
        parameters: one_task,
        run: |plan, arguments| {
            let id = arguments.text("task_id")?;
            plan.delete(id)?;
            Ok(json!({"deleted_task_id": id, "summary": plan.summary()}))
        },
    },
    PlanTool {
        name: "get_task_plan",
        description: "Show the plan.",
        parameters: nothing,
        run: |plan, _| Ok(json!({"tasks": plan.tasks, "summary": plan.summary()})),
    },
    PlanTool {
        name: "get_ready_tasks",
        description: "Show the tasks that can be begun.",
        parameters: nothing,
        run: |plan, _| Ok(json!({"ready_tasks": plan.ready()})),
    },
    PlanTool {
        name: "get_blocked_tasks",
        description: "Show the tasks that wait for others, or are marked as blocked.",
        parameters: nothing,
        run: |plan, _| Ok(json!({"blocked_tasks": plan.blocked()})),
    },
    PlanTool {
        name: "clear_task_plan",
        description: "Remove the whole plan.",
        parameters: nothing,
        run: |plan, _| {
            plan.tasks.clear();
            Ok(json!({"tasks": []}))
        },
    },
];

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Error(problem.to_string())
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
