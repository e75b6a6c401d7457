//! A plan as data, and what is done with it. Nothing here looks at the world.

use std::collections::{BTreeMap, BTreeSet};

use massgen_protocol::limits::PLAN_TASKS;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// In the order in which they are meant to be done.
    pub(super) tasks: Vec<Task>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) description: String,
    #[serde(default)]
    pub(super) status: Status,
    #[serde(default)]
    pub(super) priority: Priority,
    /// Tasks that come before it.
    #[serde(default, alias = "depends_on")]
    pub(super) dependencies: Vec<String>,
    /// How its success is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verification_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verification_group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) execution: Option<Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) completion_notes: Option<String>,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    #[default]
    Pending,
    InProgress,
    Completed,
    Verified,
    Blocked,
}

impl Status {
    fn is_done(self) -> bool {
        match self {
            Self::Completed | Self::Verified => true,
            Self::Pending | Self::InProgress | Self::Blocked => false,
        }
    }
}

/// How urgent a task is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Priority {
    Low,
    #[default]
    Medium,
    High,
}

/// A task as a model writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    /// All of it.
    Whole(Box<WrittenTask>),
    /// Only what is to be done.
    Short(String),
}

/// The parts of a written task.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct WrittenTask {
    #[serde(default, alias = "task_id")]
    id: Option<String>,
    description: String,
    #[serde(default)]
    depends_on: Vec<Before>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    verification: Option<String>,
    #[serde(default)]
    verification_method: Option<String>,
    #[serde(default)]
    verification_group: Option<String>,
    #[serde(default)]
    execution: Option<Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// A task that comes before another: by its id, or by its place in the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Before {
    Place(usize),
    Id(String),
}

/// Why a plan stays as it is. The text is for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("a plan exists already; change it with add_task, edit_task and delete_task, or clear it first")]
    Exists,
    #[error("a plan needs tasks")]
    Empty,
    #[error("a plan holds {PLAN_TASKS} tasks at most; put small ones together")]
    TooMany,
    #[error("there is no task `{id}`; there are: {known}")]
    NoTask { id: String, known: String },
    #[error("two tasks have the id `{0}`")]
    Twice(String),
    #[error("the tasks wait for each other in a circle: {0}")]
    Circle(String),
    #[error("task `{task}` depends on `{before}`, which is not in the plan")]
    NoDependency { task: String, before: String },
    #[error("tasks have no description: give each one a `description`")]
    NoDescription,
    #[error("task `{task}` waits for {open}; finish those first, or mark it blocked")]
    Waits { task: String, open: String },
    #[error("task `{task}` is needed by {needed}; delete those first or edit the plan")]
    Needed { task: String, needed: String },
}

impl Plan {
    /// A new plan, where none was.
    pub(super) fn create(&mut self, written: Vec<Written>) -> Result<(), Problem> {
        if !self.tasks.is_empty() {
            return Err(Problem::Exists);
        }
        if written.is_empty() {
            return Err(Problem::Empty);
        }
        let written: Vec<WrittenTask> = written.into_iter().map(WrittenTask::from).collect();
        let mut ids: Vec<String> = Vec::new();
        for (index, task) in written.iter().enumerate() {
            let id = task.id.clone().filter(|id| !id.is_empty());
            ids.push(id.unwrap_or_else(|| format!("task_{}", index + 1)));
        }
        let mut plan = Self::default();
        for (task, id) in written.into_iter().zip(ids.clone()) {
            plan.tasks.push(task.into_task(id, &ids));
        }
        plan.check()?;
        *self = plan;
        Ok(())
    }

    /// One more task, behind `after` or at the end. Returns its id.
    pub(super) fn add(&mut self, written: WrittenTask, after: Option<&str>) -> Result<String, Problem> {
        let at = match after {
            Some(id) => self.place(id)? + 1,
            None => self.tasks.len(),
        };
        let given = written.id.clone().filter(|id| !id.is_empty());
        let id = given.unwrap_or_else(|| self.new_id());
        let ids: Vec<String> = self.tasks.iter().map(|task| task.id.clone()).collect();
        let mut plan = self.clone();
        plan.tasks.insert(at, written.into_task(id.clone(), &ids));
        plan.check()?;
        *self = plan;
        Ok(id)
    }

    /// Sets how far a task is. Returns the tasks that can be begun because of it.
    pub(super) fn update(
        &mut self,
        id: &str,
        status: Status,
        notes: Option<&str>,
    ) -> Result<Vec<&Task>, Problem> {
        let place = self.place(id)?;
        if status == Status::InProgress || status.is_done() {
            let open: Vec<String> = self
                .tasks
                .get(place)
                .into_iter()
                .flat_map(|task| &task.dependencies)
                .filter(|before| self.tasks.iter().any(|task| task.id == **before && !task.status.is_done()))
                .map(|id| format!("`{id}`"))
                .collect();
            if !open.is_empty() {
                return Err(Problem::Waits { task: id.to_owned(), open: open.join(", ") });
            }
        }
        let before: BTreeSet<String> = self.ready().iter().map(|task| task.id.clone()).collect();
        if let Some(task) = self.tasks.get_mut(place) {
            task.status = status;
            if let Some(notes) = notes {
                task.completion_notes = Some(notes.to_owned());
            }
        }
        Ok(self.ready().into_iter().filter(|task| !before.contains(&task.id) && task.id != id).collect())
    }

    /// Changes what a task says.
    pub(super) fn edit(&mut self, id: &str, description: &str) -> Result<(), Problem> {
        if description.trim().is_empty() {
            return Err(Problem::NoDescription);
        }
        let place = self.place(id)?;
        if let Some(task) = self.tasks.get_mut(place) {
            description.clone_into(&mut task.description);
        }
        Ok(())
    }

    /// Takes a task out.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), Problem> {
        let place = self.place(id)?;
        let needed: Vec<String> = self
            .tasks
            .iter()
            .filter(|task| task.dependencies.iter().any(|before| before == id))
            .map(|task| format!("`{}`", task.id))
            .collect();
        if !needed.is_empty() {
            return Err(Problem::Needed { task: id.to_owned(), needed: needed.join(", ") });
        }
        self.tasks.remove(place);
        Ok(())
    }

    /// Tasks that can be begun: pending, and all before them done.
    pub(super) fn ready(&self) -> Vec<&Task> {
        self.tasks.iter().filter(|task| task.status == Status::Pending && self.is_free(task)).collect()
    }

    /// Tasks that cannot be begun: those that say so, and pending ones that wait for others.
    pub(super) fn blocked(&self) -> Vec<&Task> {
        let is_blocked = |task: &&Task| match task.status {
            Status::Blocked => true,
            Status::Pending => !self.is_free(task),
            Status::InProgress | Status::Completed | Status::Verified => false,
        };
        self.tasks.iter().filter(is_blocked).collect()
    }

    /// How many tasks are how far.
    pub(super) fn summary(&self) -> Value {
        let count = |status| self.tasks.iter().filter(|task| task.status == status).count();
        serde_json::json!({
            "total_tasks": self.tasks.len(),
            "pending": count(Status::Pending),
            "in_progress": count(Status::InProgress),
            "completed": count(Status::Completed),
            "verified": count(Status::Verified),
            "blocked": count(Status::Blocked),
            "ready": self.ready().len(),
        })
    }

    fn is_free(&self, task: &Task) -> bool {
        task.dependencies
            .iter()
            .all(|id| self.tasks.iter().any(|other| other.id == *id && other.status.is_done()))
    }

    fn place(&self, id: &str) -> Result<usize, Problem> {
        self.tasks.iter().position(|task| task.id == id).ok_or_else(|| {
            let known: Vec<String> = self.tasks.iter().map(|task| format!("`{}`", task.id)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Problem::NoTask { id: id.to_owned(), known }
        })
    }

    fn new_id(&self) -> String {
        let free = (self.tasks.len() + 1..).map(|number| format!("task_{number}"));
        let mut free = free.filter(|id| self.tasks.iter().all(|task| task.id != *id));
        free.next().unwrap_or_default()
    }

    fn check(&self) -> Result<(), Problem> {
        if self.tasks.len() > PLAN_TASKS {
            return Err(Problem::TooMany);
        }
        let mut ids = BTreeSet::new();
        for task in &self.tasks {
            if task.description.trim().is_empty() {
                return Err(Problem::NoDescription);
            }
            if !ids.insert(task.id.as_str()) {
                return Err(Problem::Twice(task.id.clone()));
            }
        }
        for task in &self.tasks {
            if let Some(before) = task.dependencies.iter().find(|before| !ids.contains(before.as_str())) {
                return Err(Problem::NoDependency { task: task.id.clone(), before: before.clone() });
            }
        }
        self.check_circles()
    }

    /// Takes away, again and again, tasks that wait for nothing; what is left waits in a circle.
    fn check_circles(&self) -> Result<(), Problem> {
        let mut left: BTreeMap<&str, BTreeSet<&str>> = self
            .tasks
            .iter()
            .map(|task| (task.id.as_str(), task.dependencies.iter().map(String::as_str).collect()))
            .collect();
        loop {
            let free: Vec<&str> =
                left.iter().filter(|(_, before)| before.is_empty()).map(|(id, _)| *id).collect();
            if free.is_empty() {
                break;
            }
            for id in free {
                left.remove(id);
                for before in left.values_mut() {
                    before.remove(id);
                }
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(Problem::Circle(left.keys().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")))
    }
}

impl From<Written> for WrittenTask {
    fn from(written: Written) -> Self {
        match written {
            Written::Whole(task) => *task,
            Written::Short(description) => Self { description, ..Self::default() },
        }
    }
}

impl WrittenTask {
    fn into_task(self, id: String, ids: &[String]) -> Task {
        let dependencies = self.depends_on.into_iter().map(|before| match before {
            // A place that is not there is told by what was written.
            Before::Place(place) => ids.get(place).cloned().unwrap_or_else(|| place.to_string()),
            Before::Id(id) => id,
        });
        Task {
            id,
            description: self.description,
            status: Status::Pending,
            priority: self.priority,
            dependencies: dependencies.collect(),
            verification: self.verification,
            verification_method: self.verification_method,
            verification_group: self.verification_group,
            execution: self.execution,
            metadata: self.metadata,
            completion_notes: None,
        }
    }
}

#[cfg(test)]
#[path = "tasks_tests.rs"]
mod tests;
