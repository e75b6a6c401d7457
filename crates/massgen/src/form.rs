//! Whether the final answer has the form that was asked for (`output_schema`).

use std::sync::Arc;

use jsonschema::Validator;
use massgen_protocol::spec::RunSpec;
use massgen_protocol::{AgentNo, Envelope, Event, OutputSchema};
use massgen_view::clean::clean_text;
use serde_json::Value;

use crate::failure::Failure;

/// Refuses schemas that no answer can be checked against, before anything is paid.
///
/// # Errors
/// Which schema it is, and what is wrong with it.
pub(crate) fn require_usable(spec: &RunSpec) -> Result<(), Failure> {
    for agent in &spec.agents {
        let Some(schema) = &agent.backend.output_schema else { continue };
        validator(schema).map_err(|problem| {
            Failure::configuration(format!("`output_schema` of `{}` cannot be used: {problem}", agent.id))
                .hint(
                    "write a JSON Schema that stands for itself: what it refers to stands below its `$defs`",
                )
        })?;
    }
    Ok(())
}

/// Follows a run to its final answer.
#[derive(Debug, Default)]
pub(crate) struct FormCheck {
    spec: Option<Arc<RunSpec>>,
    remark: Option<String>,
}

impl FormCheck {
    /// Takes the next event. One that comes twice changes nothing.
    pub(crate) fn fold(&mut self, envelope: &Envelope) {
        if let Event::RunStarted { spec, .. } = &envelope.event {
            self.spec = Some(Arc::clone(spec));
        }
        if let Event::FinalAnswerReady { agent, content, .. } = &envelope.event {
            self.remark = self.spec.as_ref().and_then(|spec| remark(spec, *agent, content));
        }
    }

    /// What a person is told: nothing about an answer that fits, or that may be as it likes.
    pub(crate) fn remark(self) -> Option<String> {
        self.remark
    }
}

fn remark(spec: &RunSpec, agent: AgentNo, answer: &str) -> Option<String> {
    let agent = spec.agent(agent)?;
    let problem = mismatch(agent.backend.output_schema.as_ref()?, answer)?;
    let problem = clean_text(&problem).replace('\n', " ");
    Some(format!(
        "warning: the final answer does not follow the `output_schema` of `{}`: {problem}\n\
         hint: it is kept as it is; ask again, or take a model that can be held to a schema",
        agent.id
    ))
}

/// What keeps `answer` from following `schema`.
fn mismatch(schema: &OutputSchema, answer: &str) -> Option<String> {
    let value: Value = match serde_json::from_str(answer) {
        Ok(value) => value,
        Err(error) => return Some(format!("it is not JSON ({error})")),
    };
    let validator = match validator(schema) {
        Ok(validator) => validator,
        Err(problem) => return Some(format!("the schema cannot be used: {problem}")),
    };
    let mut errors = validator.iter_errors(&value);
    let first = errors.next()?;
    let place = match first.instance_path().as_str() {
        "" => String::new(),
        path => format!("`{path}`: "),
    };
    // Without the values: they are as long as the answer likes.
    let more = match errors.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{place}{}{more}", first.masked_with("the value")))
}

fn validator(schema: &OutputSchema) -> Result<Validator, String> {
    jsonschema::options().offline().build(&schema.to_value()).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
