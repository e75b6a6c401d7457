//! Every word that a model reads.
//!
//! What it holds: the system text, the messages of a conversation, the verdicts on submissions, and the schemas of
//! the workflow tools. The texts are files in `templates/`; this code puts values into them.
//!
//! What it does not hold: decisions about what is said when (that is `massgen-core`), and any input or output.
//!
//! Who calls it: `massgen-engine`, once per model call.
//!
//! Invariants:
//! * A prompt is a pure function of the conversation's turns and the materials they refer to: the same turns give the
//!   same bytes, so prefixes stay cached and a resumed run sends what the killed one would have sent.
//! * A longer conversation begins with the messages of the shorter one.
//! * What other agents, people's notes and tools wrote enters only as a tagged, capped fragment ([`fragment`]).
//! * No time, counter or random value stands in the system text, the tools or an earlier message.

mod conversation;
pub mod fragment;
pub mod history;
pub mod memory;
mod template;
mod tools;

pub use conversation::{Finale, Materials, Viewer};
pub use template::{PromptError, Prompts, SystemText};
