//! From the text of a configuration to what runs.
//!
//! What it holds: the registry of keys ([`registry`]), the written level ([`node`]: every value with its place or
//! flag), the check, the table of backend types ([`backends`]), and [`load`], which makes a [`RunDraft`] out of a text
//! and flags. The reference page and the JSON schema come out of the registry too ([`docs`]).
//!
//! What it does not hold: files, the environment, a terminal. Texts and look-ups come in as values; findings go out
//! as values and as a text ([`render`]).
//!
//! Who calls it: the binary, and `xtask` for the generated pages.
//!
//! Invariants: no input makes it panic or hang; all findings come at once, each error with its place and a hint; a
//! key of a provider never gets into a specification, a message or a debug output; a key with an effect changes what
//! runs, and one without is told.

pub mod backends;
mod capabilities;
mod check;
mod context_paths;
pub mod docs;
mod effective;
mod endpoint;
mod expand;
mod finding;
pub mod generate;
mod hint;
mod json;
mod judge;
mod literal;
mod load;
mod lower;
mod needed;
pub mod node;
mod parameters;
pub mod paths;
pub mod references;
pub mod registry;
mod render;
mod rules;
mod secrets;
mod settings;
mod skill;
mod source;
pub mod trust;
mod uploads;
mod words;

pub use check::Lookup;
pub use context_paths::{ContextPath, Permission};
pub use effective::{Defaults, Effective, EffectiveRequest, EffectiveValue, ValueOrigin, effective};
pub use finding::{ConfigError, FINDINGS, Finding, Findings, Severity};
pub use hint::nearest;
pub use judge::{Here, check_file_name, validate, validate_here};
pub use literal::{LiteralKey, LiteralSecret};
pub use load::{LoadRequest, Loaded, RunDraft, Validation, load, simulated_team};
pub use lower::{DisplayType, Retention, SkillOffer, SkillSettings, UiSettings, is_about_logs, retention};
pub use needed::There;
pub use render::{Style, render};
pub use secrets::variable_names_a_secret;
pub use settings::{Coordination, DEMO_SEED, Modes, Personas, Settings, SingleAgent};
pub use skill::{SkillHead, skill_head};
pub use source::{Source, Span};
pub use uploads::{Refusal, Upload, UploadPlace, Uploads};
