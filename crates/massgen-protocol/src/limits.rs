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

/// Longest result of a tool that the user wrote, with its pictures and sounds; a longer one is an error.
pub const CUSTOM_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// Longest schema of a tool that the user wrote; one with a longer schema is not offered.
pub const CUSTOM_SCHEMA_BYTES: usize = 64 * 1024;

/// Longest description of a tool that the user wrote; the rest is cut.
pub const CUSTOM_DESCRIPTION_BYTES: usize = 4 * 1024;

/// Calls of one agent's own tools that are under way together at most.
pub const CUSTOM_CALLS: usize = 64;

/// How long one call of a tool that the user wrote may take.
pub const CUSTOM_CALL_TIME: Duration = Duration::from_mins(10);

/// How long a function may take to say what it is: its file is read for that, with all that it imports.
pub const CUSTOM_DESCRIBE_TIME: Duration = Duration::from_mins(1);

/// Most that a hook may write as its decision; a hook that writes more has failed.
pub const HOOK_OUTPUT_BYTES: usize = 1024 * 1024;

/// Longest reason of a hook, and longest text that one hook adds; the rest is cut.
pub const HOOK_TEXT_BYTES: usize = 16 * 1024;

/// Longest project instructions (`AGENTS.md`) that agents get; the rest is left out, with a note that says so.
pub const INSTRUCTIONS_BYTES: usize = 32 * 1024;

/// Most skills of one run, and most entries of one folder of skills that are looked at.
pub const SKILLS: usize = 256;

/// Longest `SKILL.md` that is read for its name and its description.
pub const SKILL_FILE_BYTES: usize = 256 * 1024;

/// Longest name of a skill.
pub const SKILL_NAME_BYTES: usize = 64;

/// Longest description of a skill that the list of skills shows; the rest is cut.
pub const SKILL_DESCRIPTION_BYTES: usize = 1024;

/// Longest memory file that a session keeps, and that grows when the notes of several agents are put together.
pub const MEMORY_FILE_BYTES: usize = 256 * 1024;

/// Most memory files that a session keeps.
pub const MEMORY_FILES: usize = 128;

/// Most bytes of all memory files that a session keeps.
pub const MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// Longest memory file that a prompt shows; the middle of a longer one is left out, with a note that says so.
pub const MEMORY_IN_PROMPT_BYTES: usize = 8 * 1024;

/// Most bytes of memory files that a prompt shows; further files are only named.
pub const MEMORIES_IN_PROMPT_BYTES: usize = 32 * 1024;

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

/// Longest file that a snapshot of a workspace keeps; a longer one is left out, and told.
pub const SNAPSHOT_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Most bytes of all files of a snapshot together; the largest files are left out, and told.
pub const SNAPSHOT_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Most files, links and empty folders of a snapshot; what comes after them in order of path is left out, and told.
pub const SNAPSHOT_ENTRIES: usize = 100_000;

/// Most bytes of all paths and link targets of a snapshot together, and most bytes of all paths that are looked at for it,
/// whatever becomes of them. They are held in memory.
pub const SNAPSHOT_NAME_BYTES: usize = 32 * 1024 * 1024;

/// Longest path below a workspace that a snapshot keeps. The system takes 4096 bytes, with the folder before it.
pub const SNAPSHOT_PATH_BYTES: usize = 3000;

/// Most bytes of files that a `.gitignore` names, or that can be made again, that a snapshot keeps. Above it the largest
/// of them are left out, and told.
pub const SNAPSHOT_IGNORED_BYTES: u64 = 16 * 1024 * 1024;

/// Most files that a `.gitignore` names, or that can be made again, that a snapshot keeps.
pub const SNAPSHOT_IGNORED_FILES: u64 = 2_000;

/// Longest `.gitignore` that is obeyed.
pub const IGNORE_FILE_BYTES: u64 = 64 * 1024;

/// Most `.gitignore` files of one workspace that are obeyed; those that come after them in order of path are not.
pub const IGNORE_FILES: usize = 256;

/// Most bytes of all `.gitignore` files of one workspace that are obeyed. An agent writes them, and a thousand rules can be
/// written that take a second to read and more to apply.
pub const IGNORE_BYTES: u64 = 256 * 1024;

/// Paths that a snapshot names as left out; the others are counted.
pub const LEFT_OUT_NAMED: usize = 8;

/// Longest file in which names of agents and old paths are rewritten before a peer sees it.
pub const SCRUBBED_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// Longest manifest of a snapshot that is written and read: there is room for all that [`SNAPSHOT_ENTRIES`] and
/// [`SNAPSHOT_NAME_BYTES`] let in or leave out.
pub const MANIFEST_BYTES: u64 = 128 * 1024 * 1024;

/// Longest file whose changes are shown and chosen line by line; a longer one is applied as a whole.
pub const COMPARED_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Most bytes of all versions of files that are compared line by line for one review; further files are shown without
/// their lines, and applied as a whole.
pub const COMPARED_BYTES: u64 = 64 * 1024 * 1024;

/// Most bytes of the difference of two files that a tool shows; the lines after them are counted.
pub const SHOWN_DIFFERENCE_BYTES: usize = 1024 * 1024;

/// Most lines, of the old and the new version together and without what is alike at both ends, that are compared; more
/// are shown as replaced.
pub const COMPARED_LINES: usize = 40_000;

/// Most pairs of a deleted and an added file that are compared to find renamed ones; with more, only files that kept
/// their content are recognised.
pub const RENAME_PAIRS: usize = 10_000;

/// Longest file that is compared with others to find out whether it was renamed.
pub const RENAME_FILE_BYTES: u64 = 1024 * 1024;

/// Most files of a writable context path. A copy of more would be made for every agent.
pub const ISOLATED_FILES: usize = 200_000;

/// Most bytes of a writable context path, for the same reason.
pub const ISOLATED_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// Most bytes of uncommitted work that are committed in an agent's worktree, so that it sees its own changes only. They go
/// into the object store of the user's repository.
pub const BASELINE_BYTES: u64 = 64 * 1024 * 1024;

/// Levels that repositories within repositories may nest.
pub const NESTED_REPOSITORIES: usize = 8;

/// Longest output of one call of git.
pub const GIT_OUTPUT_BYTES: usize = 64 * 1024 * 1024;

/// Longest time that one call of git takes.
pub const GIT_TIME: Duration = Duration::from_mins(5);

/// What a model sees of a tool result that is longer than [`TOOL_RESULT_IN_PROMPT_BYTES`]: its two ends, about 2,000
/// tokens. All of it lies in a file.
pub const TOOL_PREVIEW_BYTES: usize = 8 * 1024;

/// Longest tool result that is kept in a file; the rest is cut, and the model is told. The file tools read no more than
/// [`TOOL_FILE_BYTES`].
pub const TOOL_RESULT_BYTES: usize = 8 * 1024 * 1024;

/// Longest target and reason of a decision on a tool call in the journal; the ledger holds all of it.
pub const TOOL_DECISION_BYTES: usize = 1024;

/// Decisions on one tool call that the journal holds; the ledger holds all of them.
pub const TOOL_DECISIONS: usize = 32;

/// Largest file that the file tools read, search or change.
pub const TOOL_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Most files and folders that one call of a file tool looks at.
pub const TOOL_ENTRIES: usize = 20_000;

/// Most lines that one search reports.
pub const SEARCH_MATCHES: usize = 500;

/// Most bytes of files that one search for lines reads.
pub const SEARCH_BYTES: u64 = 256 * 1024 * 1024;

/// Most bytes of lines that one search reports.
pub const SEARCH_RESULT_BYTES: usize = 256 * 1024;

/// Longest line that a search reports; the rest is cut.
pub const SEARCH_LINE_BYTES: usize = 400;

/// Most bytes of each output stream of a command that a tool result holds: half from its beginning, half from its end.
pub const COMMAND_OUTPUT_BYTES: usize = 1024 * 1024;

/// Longest time that a call may give to a command or to waiting for a job.
pub const CALL_TIME: Duration = Duration::from_mins(10);

/// Most jobs of one agent that run in the background together.
pub const BACKGROUND_JOBS: usize = 10;

/// Most jobs of one agent that are remembered; the oldest finished ones are forgotten first.
pub const REMEMBERED_JOBS: usize = 200;

/// Most tasks in the plan of one agent.
pub const PLAN_TASKS: usize = 500;

/// How long somebody has for a reply to a question about a tool call.
pub const APPROVAL_TIME: Duration = Duration::from_mins(5);

/// How often the folder of replies to questions about tool calls is looked at.
pub const APPROVAL_INTERVAL: Duration = Duration::from_millis(400);
