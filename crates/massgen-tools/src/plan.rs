//! The plan of an agent's tasks, kept in its workspace as `tasks/plan.json`.

mod source;
mod tasks;

pub use source::PlanSource;
