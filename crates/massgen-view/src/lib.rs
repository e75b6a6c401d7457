//! Events to view state, and view state to text, markdown and tables.
//!
//! What it holds: [`RunView`], the state of a run as a person sees it, folded from [`massgen_protocol::Envelope`]s and
//! [`massgen_protocol::Delta`]s; and pure functions that write it as text: [`agent_line`], [`status_line`],
//! [`event_line`], [`final_answer`], [`summary`], [`transcript()`], [`markdown()`].
//!
//! What it does not hold: a terminal, a file, a clock, a session. Whoever draws brings the width and the time.
//!
//! Who uses it: every frontend, and the program that draws the picture of the README.
//!
//! Invariants:
//! - The same events give the same view, from whatever number a frontend subscribes again; deltas leave nothing
//!   behind once their call has ended.
//! - Text of models, providers, files and configurations is hostile: what comes out of a renderer holds no control
//!   character except line feeds, no direction override, and no escape sequence but the colours that [`Style`] asks
//!   for.
//! - Simulated agents are called simulated, and an unknown price is never shown as zero.

pub mod agent;
pub mod amount;
pub mod clean;
pub mod event_line;
mod grid;
pub mod limits;
pub mod lines;
pub mod markdown;
pub mod style;
pub mod summary;
mod tool_end;
pub mod transcript;
pub mod view;
pub mod wording;

pub use agent::{AgentView, Line, VoteView};
pub use event_line::{Weight, event_line, weight};
pub use lines::{agent_line, more_line, most_active, status_line};
pub use markdown::markdown;
pub use style::{Color, Ends, Glyphs, Style, columns};
pub use summary::{Place, final_answer, summary};
pub use transcript::transcript;
pub use view::{FinalAnswer, Notice, Phase, Reserved, RunView, Spent, Winner};
