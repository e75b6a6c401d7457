//! The vocabulary that every part of massgen shares.
//!
//! What it holds: identifiers, money and token counts, named limits, the run specification, model messages and
//! replies, commands that go into a session, events that come out of it, and the JSON envelope around them.
//!
//! What it does not hold: behaviour. No clock, no file, no async runtime, no policy. Functions here only build,
//! parse, print or add up values.
//!
//! Who uses it: every other crate. It depends on none of them.
//!
//! Invariants: every serialised type is written by name (`serde`), so a journal of an older version can be read;
//! [`Event`] is the only vocabulary of durable facts and [`Delta`] the only one of ephemeral ones.

pub mod address;
pub mod attachment;
pub mod command;
pub mod event;
pub mod facts;
pub mod file;
pub mod guidance;
pub mod ids;
pub mod limits;
pub mod memory;
pub mod message;
pub mod money;
pub mod output_schema;
pub mod pacing;
pub mod paths;
pub mod places;
mod plain_path;
pub mod size;
pub mod spec;
pub mod time;
pub mod tooling;
pub mod turn;
pub mod workspace;

pub use address::AddressKind;
pub use attachment::{AttachedFile, Attachment, AttachmentContent, AttachmentKind};
pub use command::{Command, Note, NoteId, Notice};
pub use event::{Delta, DeltaKind, Envelope, Event};
pub use facts::ModelFacts;
pub use file::{MadeFiles, NamedFile, ReplyFile};
pub use guidance::{Instructions, Skill};
pub use ids::{AgentId, AgentNo, AnswerLabel, CallId, RevisionSet, Seq, ToolUse};
pub use memory::{Memory, MemoryFiles, MemoryPath};
pub use message::{
    CallContext, FinishReason, Message, ModelFailure, ModelRequest, Purpose, Reply, ReplyItem, ToolCall,
    ToolOutcome, ToolSchema,
};
pub use money::{Price, TokenUsage, UsageSource, Usd};
pub use output_schema::OutputSchema;
pub use pacing::ServiceReport;
pub use plain_path::plain;
pub use spec::{AgentSpec, PastTurn, RunSpec};
pub use time::{RunMillis, Timestamp};
pub use tooling::Tooling;
pub use turn::Turn;
pub use workspace::{Snapshot, SnapshotId, SnapshotOutcome, WorkspaceSpec};
