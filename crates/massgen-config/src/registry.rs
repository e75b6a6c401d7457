//! The registry of keys: every key of a configuration, written once.
//!
//! The check of a written configuration, the reference page, the JSON schema and the tests all read this one list.

mod agents;
mod applies;
mod backend;
mod coordination;
mod features;
mod orchestrator;
mod timeouts;
mod tools;
mod top;
mod ui;
mod workspace;

pub(crate) use features::SUBAGENTS;

use std::collections::HashMap;
use std::sync::OnceLock;

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it stands: names joined by dots, `[]` for each element of a list, as in `agents[].backend.model`.
    pub path: &'static str,
    /// What may stand there. `null` always may, and means the default.
    pub shape: Shape,
    /// The default as YAML; empty when there is none.
    pub default: &'static str,
    /// An example value as YAML.
    pub example: &'static str,
    /// What it does, one line.
    pub doc: &'static str,
    /// Whether it does it already.
    pub effect: Effect,
    /// The version from which it is honoured; for a key that is not, the version that understands it.
    pub since: &'static str,
}

/// What may stand under a key.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A truth value.
    Bool,
    /// A whole number in a range, ends included.
    Int(i64, i64),
    /// A number in a range, ends included.
    Number(f64, f64),
    /// A text; `${NAME}` in it is replaced from the environment.
    Text,
    /// `${NAME}` of the variable that holds a secret.
    Secret,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list of such values.
    List(&'static Self),
    /// A map whose keys are in the registry.
    Section,
    /// A list of such maps; their keys are in the registry under `path[]`.
    Sections,
    /// The same, or a map from name to such a map.
    NamedSections,
    /// A map from header to text; `${NAME}` in a text stays, and is replaced when a request is made.
    Headers,
    /// A map with free keys.
    Open,
    /// Anything.
    Any,
    /// The same; `${NAME}` in its texts stays, and is looked up when they are used. `${cwd}` is replaced.
    Later(&'static Self),
    /// One of several shapes.
    Either(&'static [Self]),
}

/// Whether a key does what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Active,
    /// It is understood and checked, but the named feature is not there yet.
    Accepted {
        /// The feature, as a person would call it.
        feature: &'static str,
    },
    /// It has no effect, and nothing is missing because of that.
    Needless {
        /// Why not, as a clause.
        because: &'static str,
    },
    /// It is for people only, and nothing is said about it.
    Note,
    /// It has no effect; something else does what was meant.
    Deprecated {
        /// What to write instead, as a phrase.
        use_instead: &'static str,
    },
    /// It is an error.
    Refused {
        /// What to write instead, as a phrase.
        use_instead: &'static str,
    },
}

impl Effect {
    /// The name of the state, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Accepted { .. } => "accepted",
            Self::Needless { .. } => "needless",
            Self::Note => "note",
            Self::Deprecated { .. } => "deprecated",
            Self::Refused { .. } => "refused",
        }
    }
}

/// A part of the registry, as one table of the reference page.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// All parts, in the order of the reference page.
pub const SECTIONS: &[Section] = &[
    Section { title: "Top level", keys: top::KEYS },
    Section { title: "Agents", keys: agents::KEYS },
    Section { title: "Backend: model and parameters", keys: backend::KEYS },
    Section { title: "Backend: features of single providers", keys: backend::PROVIDER_KEYS },
    Section { title: "Backend: workspace and commands", keys: workspace::KEYS },
    Section { title: "Backend: tools", keys: tools::KEYS },
    Section { title: "Orchestrator", keys: orchestrator::KEYS },
    Section { title: "Coordination", keys: coordination::KEYS },
    Section { title: "Coordination: planning, sub-agents and evaluation", keys: coordination::FEATURE_KEYS },
    Section { title: "Orchestrator: details of single features", keys: features::KEYS },
    Section { title: "Timeouts", keys: timeouts::KEYS },
    Section { title: "User interface", keys: ui::KEYS },
    Section { title: "Memory", keys: ui::MEMORY_KEYS },
];

/// The version that first understood a key, unless the key says another.
pub(crate) const FIRST_VERSION: &str = "0.1.0";

/// Declares keys: the doc line, `"path": shape, "default", "example", effect;`, and for a key that is younger than
/// [`FIRST_VERSION`] `effect, "version";`.
macro_rules! table {
    (@since) => { $crate::registry::FIRST_VERSION };
    (@since $since:literal) => { $since };
    ($($(#[doc = $doc:literal])+ $path:literal: $shape:expr, $default:literal, $example:literal, $effect:expr
        $(, $since:literal)?;)*) => {
        &[$($crate::registry::Key {
            path: $path,
            shape: $shape,
            default: $default,
            example: $example,
            doc: concat!($($doc),+),
            effect: $effect,
            since: $crate::registry::table!(@since $($since)?),
        }),*]
    };
}
pub(crate) use table;

/// Features that keys wait for.
pub(crate) mod feature {
    use super::Effect;

    /// The effect of a key that waits for `feature`.
    const fn later(feature: &'static str) -> Effect {
        Effect::Accepted { feature }
    }

    pub(crate) const BROADCAST: Effect = later("questions between agents and to people");
    pub(crate) const CHECKLIST: Effect = later("checklist-gated voting");
    pub(crate) const CHECKPOINTS: Effect = later("checkpoints");
    pub(crate) const CLI_AGENTS: Effect = later("agent programs as backends");
    pub(crate) const DEBUG: Effect = later("debugging aids");
    pub(crate) const DECOMPOSITION: Effect = later("decomposition of the task");
    pub(crate) const EVALUATION: Effect = later("round evaluators");
    pub(crate) const FAST: Effect = later("fast iteration");
    pub(crate) const FRAMEWORKS: Effect = later("agents of other frameworks");
    pub(crate) const LASTING_CONTAINERS: Effect = later("containers that stay between questions");
    pub(crate) const LEARNING: Effect = later("notes on what was learnt in a round");
    pub(crate) const MEDIA: Effect = later("images, audio and video");
    pub(crate) const MEMORY: Effect = later("memory other than files");
    pub(crate) const NLIP: Effect = later("the NLIP message protocol");
    pub(crate) const PERSONAS: Effect = later("personas");
    pub(crate) const PLANNING: Effect = later("planning");
    pub(crate) const PROVIDER_API: Effect = later("the provider's own protocol");
    pub(crate) const PROVIDER_TOOLS: Effect = later("tools of the provider, such as web search");
    pub(crate) const RESTARTS: Effect = later("evaluation and restart of a finished run");
    pub(crate) const RETRIES: Effect = later("retry settings per backend");
    pub(crate) const REVIEW: Effect = later("review of changes");
    pub(crate) const SESSIONS: Effect = later("sessions of several turns");
    pub(crate) const SHIPPED_TOOLS: Effect = later("the custom tools of the Python program");
    pub(crate) const SUBAGENTS: Effect = later("sub-agents");
    pub(crate) const TERMINAL: Effect = later("the full-screen terminal interface");
}

/// Largest whole number of a setting that is held in 32 bits.
pub(crate) const MAX_U32: i64 = 4_294_967_295;

/// A whole number from 1.
pub(crate) const POSITIVE: Shape = Shape::Int(1, MAX_U32);

/// A whole number from 0.
pub(crate) const COUNT: Shape = Shape::Int(0, MAX_U32);

/// A year in seconds, the longest time of a setting.
const YEAR: f64 = 31_536_000.0;

/// Seconds, from a millisecond to a year.
pub(crate) const SECONDS: Shape = Shape::Number(0.001, YEAR);

/// Seconds, from nothing to a year.
pub(crate) const SECONDS_OR_NONE: Shape = Shape::Number(0.0, YEAR);

/// A share of a whole.
pub(crate) const SHARE: Shape = Shape::Number(0.0, 1.0);

/// A list of texts.
pub(crate) const TEXTS: Shape = Shape::List(&Shape::Text);

impl Key {
    /// The path of the map it stands in; empty for the top level.
    pub fn parent(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }

    /// Its own name, the last part of the path.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// All keys.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The keys that may stand in the map at `parent`.
pub fn children(parent: &str) -> &'static [&'static Key] {
    static INDEX: OnceLock<HashMap<&'static str, Vec<&'static Key>>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index: HashMap<&str, Vec<&Key>> = HashMap::new();
        for key in keys() {
            index.entry(key.parent()).or_default().push(key);
        }
        index
    });
    index.get(parent).map_or(&[], Vec::as_slice)
}

/// The path of the map that an element of the list under `key` is. Backends have the same keys wherever they stand.
pub(crate) fn element(key: &Key) -> String {
    if key.path == "agents[].fallback" { "agents[].backend".to_owned() } else { format!("{}[]", key.path) }
}

/// Whether the key `name` of a backend says something about the agent's workspace or tools, and not about its model.
pub(crate) fn is_of_the_agent(name: &str) -> bool {
    let of = |keys: &[Key]| {
        keys.iter().any(|key| {
            key.parent() == "agents[].backend" && key.name() == name && key.effect == Effect::Active
        })
    };
    of(workspace::KEYS) || of(tools::KEYS)
}

/// The key at `path`.
pub fn key(path: &str) -> Option<&'static Key> {
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    children(parent).iter().copied().find(|key| key.path == path)
}

impl Shape {
    /// Whether a map whose keys are in the registry may stand here.
    pub(crate) fn allows_section(&self) -> bool {
        match self {
            Self::Section => true,
            Self::Either(shapes) => shapes.iter().any(Self::allows_section),
            Self::Bool
            | Self::Int(..)
            | Self::Number(..)
            | Self::Text
            | Self::Secret
            | Self::Choice(_)
            | Self::List(_)
            | Self::Sections
            | Self::NamedSections
            | Self::Headers
            | Self::Open
            | Self::Later(_)
            | Self::Any => false,
        }
    }

    /// What is wanted, as words: `a whole number from 1 to 5`.
    pub fn wanted(&self) -> String {
        match self {
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Int(min, max) if *max >= MAX_U32 => format!("a whole number from {min}"),
            Self::Int(min, max) => format!("a whole number from {min} to {max}"),
            Self::Number(min, max) if *max >= YEAR => format!("a number of seconds from {min} to a year"),
            Self::Number(min, max) => format!("a number from {min} to {max}"),
            Self::Text => "a text".to_owned(),
            Self::Secret => "a reference such as `${MY_API_KEY}`".to_owned(),
            Self::Choice(choices) => match choices {
                [only] => format!("`{only}`"),
                [first @ .., last] => {
                    let first: Vec<_> = first.iter().map(|choice| format!("`{choice}`")).collect();
                    format!("{} or `{last}`", first.join(", "))
                }
                [] => "nothing".to_owned(),
            },
            Self::List(Self::Text) => "a list of texts".to_owned(),
            Self::List(item) => format!("a list, each element {}", item.wanted()),
            Self::Section | Self::Open => "a map".to_owned(),
            Self::Headers => "a map from header to text".to_owned(),
            Self::Sections => "a list of maps".to_owned(),
            Self::NamedSections => "a list of maps or a map from name to map".to_owned(),
            Self::Any => "anything".to_owned(),
            Self::Later(shape) => shape.wanted(),
            Self::Either(shapes) => shapes.iter().map(Self::wanted).collect::<Vec<_>>().join(", or "),
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
