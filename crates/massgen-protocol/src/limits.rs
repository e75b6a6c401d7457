//! Every limit of massgen that is not a setting, in one place. Sizes are bytes unless the name says otherwise.

use std::time::Duration;

/// Longest agent id; it is a directory name and stands in every label.
pub const AGENT_ID_BYTES: usize = 64;

/// Most agents of one run. Memory and prompts grow with the square of it.
pub const AGENTS: usize = 512;

/// Longest question.
pub const QUESTION_BYTES: usize = 1024 * 1024;

/// Most earlier exchanges of a session that a run remembers; older ones are left out.
pub const HISTORY_TURNS: usize = 64;

/// Longest question or answer of an earlier exchange; the middle of a longer one is left out, with a note that says so.
pub const HISTORY_TEXT_BYTES: usize = 48 * 1024;

/// Most bytes of all earlier exchanges together, so that they leave room in a usual context window; older exchanges
/// are left out.
pub const HISTORY_BYTES: usize = 192 * 1024;

/// Sessions that the index in the home directory lists. The oldest leave it, first those at which no process is at work;
/// their turns stay.
pub const SESSIONS: usize = 2_000;

/// Longest index of sessions that is read, and written.
pub const SESSION_INDEX_BYTES: u64 = 16 * 1024 * 1024;

/// Most turns of one session.
pub const SESSION_TURNS: u32 = 10_000;

/// Longest id of a session; it is a directory name.
pub const SESSION_ID_BYTES: usize = 96;

/// Most files that go to one agent with the task.
pub const ATTACHMENTS: usize = 64;

/// Longest text among the files that go with a task: it is put into the prompt whole, as the question is.
pub const ATTACHED_TEXT_BYTES: u64 = 1024 * 1024;

/// Most bytes of the files that go to one agent with the task: each of its calls sends them all again. As base64 they
/// are 45 MB long; OpenAI takes 50 MB, and `most_bytes_together` of the attachments names services that take less.
pub const ATTACHED_BYTES_PER_AGENT: u64 = 32 * 1024 * 1024;

/// Most bytes of all files of one run together; they are held in memory.
pub const ATTACHED_BYTES: u64 = 512 * 1024 * 1024;

/// Longest peer answer that a prompt shows; the middle of a longer one is left out, with a note that says so.
pub const ANSWER_IN_PROMPT_BYTES: usize = 48 * 1024;

/// Longest steering message; a longer one is refused where it enters.
pub const NOTE_BYTES: usize = 64 * 1024;

/// Most steering messages of one run that are not yet delivered.
pub const PENDING_NOTES: usize = 256;

/// Longest tool result that a prompt shows; the middle of a longer one is left out, with a note that says so.
pub const TOOL_RESULT_IN_PROMPT_BYTES: usize = 64 * 1024;

/// Longest reply of a model that is taken: text, reasoning and tool arguments together.
pub const REPLY_BYTES: usize = 16 * 1024 * 1024;

/// What a file that a model made counts for in a prompt, in bytes of text: about 1,600 tokens, which is what the services
/// that say it charge for a picture at most, whatever its file weighs.
pub const FILE_IN_PROMPT_BYTES: usize = 6_400;

/// Most files that are written beside one answer; the journal keeps further ones.
pub const FILES_PER_ANSWER: usize = 64;

/// Most files that are fetched for one reply from where the service keeps what its tools made; further ones stay there.
pub const FETCHED_FILES: usize = 16;

/// Most bytes of the files that are fetched for one reply. As base64, which they are in a reply, they are as long as
/// the longest reply.
pub const FETCHED_BYTES: u64 = 12 * 1024 * 1024;

/// Longest time that the files of one reply are waited for, within the time that the call has left. The reply is complete
/// and paid by then but not stored yet: a run that is killed meanwhile loses it, so this is short.
pub const FETCH_TIME: Duration = Duration::from_secs(10);

/// Most tool calls of one reply; further ones are answered with an error.
pub const TOOL_CALLS_PER_REPLY: usize = 64;

/// Longest reason of a vote that is kept; the rest is cut.
pub const VOTE_REASON_BYTES: usize = 8 * 1024;

/// Output tokens that a call may use when a budget is set and the configuration names no `max_tokens`. It is sent
/// to the provider, so that the reserved worst case is the real one.
pub const BUDGETED_OUTPUT_TOKENS: u32 = 16_384;

/// Context window that is assumed for a model whose window nobody knows, in tokens.
pub const UNKNOWN_CONTEXT_WINDOW_TOKENS: u64 = 128_000;

/// Share of a known context window that a conversation may fill before it is made shorter, in per mille. What is left
/// is room for a reply.
pub const COMPACTION_SHARE_PER_MILLE: u64 = 800;

/// Turns with tool results at the end of a conversation that keep them when older results are left out.
pub const RESULT_TURNS_KEPT: usize = 2;

/// How often in a row an agent begins afresh because its conversation fills the context window and nothing else helps.
/// An answer or a vote that counts ends the row. Each time costs calls: without an end, a model that always fills its
/// window would cost without end.
pub const FRESH_STARTS: u32 = 2;

/// How often one execution goes on after the provider paused it.
pub const PAUSES_PER_EXECUTION: u32 = 16;

/// Event bodies longer than this are stored as blobs, by content hash.
pub const INLINE_BODY_BYTES: usize = 16 * 1024;

/// Inputs that wait for the state machine; senders wait when it is full.
pub const INPUT_QUEUE: usize = 4096;

/// Inputs that one commit takes at most.
pub const INPUTS_PER_COMMIT: usize = 1024;

/// Deltas that a slow display may lag behind before it loses some.
pub const DELTA_QUEUE: usize = 1024;

/// Least time for the last call after a hard round limit, however short the configured grace is: without it, a grace of
/// zero would end agents that were never asked.
pub const LAST_CALL_MIN: Duration = Duration::from_secs(30);

/// How often the steering inbox is read.
pub const INBOX_INTERVAL: Duration = Duration::from_millis(500);

/// Share of the orchestrator's time that is kept for the presentation, in per mille.
pub const PRESENTATION_RESERVE_PER_MILLE: u32 = 100;

/// Most that is kept for the presentation.
pub const PRESENTATION_RESERVE_MAX: Duration = Duration::from_mins(3);

/// Batches that wait for the journal's writer; callers wait when it is full.
pub const JOURNAL_QUEUE: usize = 1024;

/// Levels that the JSON of one event may nest; an event that is deeper is not stored.
pub const JOURNAL_BODY_DEPTH: usize = 256;

/// How long a replay waits for the session to make, or to cut off, the call that comes next in the recording. It
/// must be longer than any tool runs.
pub const REPLAY_STALL: Duration = Duration::from_mins(10);
