//! The template files and how values get into them.

use massgen_protocol::spec::VotingSensitivity;
use massgen_protocol::{Instructions, Memory, OutputSchema, Skill};
use minijinja::{Environment, Value, context};
use serde::Serialize;

use crate::fragment;

/// Every template: name and text.
const TEMPLATES: [(&str, &str); 17] = [
    ("system", include_str!("../templates/system.md")),
    ("policy/lenient", include_str!("../templates/policy/lenient.md")),
    ("policy/balanced", include_str!("../templates/policy/balanced.md")),
    ("policy/strict", include_str!("../templates/policy/strict.md")),
    ("opening", include_str!("../templates/opening.md")),
    ("update", include_str!("../templates/update.md")),
    ("recap", include_str!("../templates/recap.md")),
    ("directive", include_str!("../templates/directive.md")),
    ("verdict", include_str!("../templates/verdict.md")),
    ("refusal", include_str!("../templates/refusal.md")),
    ("tool_outcome", include_str!("../templates/tool_outcome.md")),
    ("workspace", include_str!("../templates/workspace.md")),
    ("memory", include_str!("../templates/memory.md")),
    ("tool_files", include_str!("../templates/tool_files.md")),
    ("new_answer", include_str!("../templates/new_answer.md")),
    ("vote", include_str!("../templates/vote.md")),
    ("no_final_answer", include_str!("../templates/no_final_answer.md")),
];

/// Why a prompt could not be made. Only a broken template can cause this.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A template is broken.
    #[error("the prompt template `{name}` is broken")]
    Template {
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: minijinja::Error,
    },
}

/// The templates, ready for use.
#[derive(Debug, Clone)]
pub struct Prompts {
    templates: Environment<'static>,
}

/// What the system text of an agent depends on. It does not depend on which agent reads it, so that agents with the
/// same settings share a provider's prompt cache.
#[derive(Debug, Clone, Copy)]
pub struct SystemText<'a> {
    /// How many agents take part.
    pub agents: usize,
    /// The user's own text for this agent.
    pub system_message: Option<&'a str>,
    /// How readily it votes.
    pub sensitivity: VotingSensitivity,
    /// Number of work tools that it has.
    pub work_tools: usize,
    /// What the project tells every agent.
    pub instructions: Option<&'a Instructions>,
    /// What it can read when it needs it.
    pub skills: &'a [Skill],
    /// Notes from earlier questions; `None` when it keeps none.
    pub memories: Option<&'a [Memory]>,
    /// The form of its answers.
    pub output: Option<&'a OutputSchema>,
}

impl Prompts {
    /// Reads the templates.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn new() -> Result<Self, PromptError> {
        let mut templates = Environment::new();
        templates.set_trim_blocks(true);
        templates.set_lstrip_blocks(true);
        templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, text) in TEMPLATES {
            let broken = |source| PromptError::Template { name: name.to_owned(), source };
            templates.add_template(name, text).map_err(broken)?;
        }
        Ok(Self { templates })
    }

    /// The system text.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn system(&self, text: &SystemText<'_>) -> Result<String, PromptError> {
        let policy = match text.sensitivity {
            VotingSensitivity::Lenient => "policy/lenient",
            VotingSensitivity::Balanced => "policy/balanced",
            VotingSensitivity::Strict => "policy/strict",
        };
        let policy = self.render(policy, context! {})?;
        let skill = |skill: &Skill| fragment::skill(&skill.name, &skill.description, &skill.path);
        let skills: Vec<String> = text.skills.iter().map(skill).collect();
        self.render(
            "system",
            context! {
                system_message => text.system_message,
                agents => text.agents,
                alone => text.agents == 1,
                work_tools => text.work_tools > 0,
                instructions => text.instructions.map(|told| fragment::instructions(&told.path, &told.text)),
                skills => skills.join("\n"),
                memory => text.memories.map(|memories| self.memory(memories, text.agents)).transpose()?,
                schema => text.output.map(|output| output.to_value().to_string()),
                policy,
            },
        )
    }

    /// Renders `name`; white space around the text is dropped.
    pub(crate) fn render(&self, name: &str, values: Value) -> Result<String, PromptError> {
        let broken = |source| PromptError::Template { name: name.to_owned(), source };
        let template = self.templates.get_template(name).map_err(broken)?;
        let mut text = template.render(values).map_err(broken)?;
        text.truncate(text.trim_end().len());
        // Long prompts are not copied for this: hardly ever is there a blank at the beginning.
        let blanks = text.len() - text.trim_start().len();
        text.drain(..blanks);
        Ok(text)
    }

    /// Renders `name` with the fields of a tagged enum as its values.
    pub(crate) fn render_tagged(
        &self,
        name: &str,
        value: &impl Serialize,
        more: Value,
    ) -> Result<String, PromptError> {
        let fields = Value::from_serialize(value);
        self.render(name, context! { ..more, ..fields })
    }
}
