//! Every limit of this crate that is not a setting. Sizes are bytes unless the name says otherwise.

use std::time::Duration;

/// Longest message that is read of a server that is a program.
pub const MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// Longest message of a server over HTTP. It is the library's own limit for answers that are no stream, which cannot be set.
pub const EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Most values of one message that is read. Each takes many times its place in the message while it is held.
pub const MESSAGE_VALUES: usize = 1_000_000;

/// Lines in a row that are no message, which a server may write where messages belong. Some print a greeting or a log.
pub const STRAY_LINES: usize = 64;

/// Most pages of a list of tools that are asked for.
pub const TOOL_PAGES: usize = 64;

/// Most tools of one server; further ones are left out.
pub const TOOLS_PER_SERVER: usize = 256;

/// Longest description of a tool that a model reads; the rest is cut.
pub const DESCRIPTION_BYTES: usize = 8 * 1024;

/// Longest schema of a tool; a tool with a longer one is left out.
pub const SCHEMA_BYTES: usize = 64 * 1024;

/// Most bytes of all descriptions and schemas of one server together; tools after that are left out. They are part of every
/// prompt.
pub const TOOL_TEXT_BYTES: usize = 512 * 1024;

/// Longest name of a tool as models see it: the services of `OpenAI` allow 64 characters, others more.
pub const TOOL_NAME_BYTES: usize = 64;

/// Most files of one result that are kept.
pub const FILES_PER_RESULT: usize = 32;

/// Longest text of a server in a sentence for people.
pub const QUOTED_BYTES: usize = 300;

/// Longest log of what one server writes to its standard error; what comes after is read and dropped.
pub const STDERR_BYTES: u64 = 8 * 1024 * 1024;

/// Longest line of a server's standard error; a longer one becomes several.
pub const STDERR_LINE_BYTES: usize = 16 * 1024;

/// Longest value of a variable that is put in place of `${NAME}`.
pub const VARIABLE_BYTES: usize = 32 * 1024;

/// Time for one attempt to connect a server and to learn its tools.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);

/// How long an attempt to connect a server may take before people are told what is waited for.
pub const SILENT_CONNECT: Duration = Duration::from_secs(2);

/// Attempts to connect a server.
pub const CONNECT_ATTEMPTS: u32 = 3;

/// The pause before the second attempt; each further one is twice as long.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How often a call is tried that surely did not run.
pub const CALL_ATTEMPTS: u32 = 3;

/// Time for one call, when neither the server nor the caller says.
pub const CALL_TIME: Duration = Duration::from_secs(400);

/// Tools whose calls may take any time: they wait for agents.
pub const TOOLS_WITHOUT_TIME: [&str; 3] = ["spawn_subagents", "get_subagent_status", "cancel_subagents"];

/// Time that a program has to take one message. One that does not read is given up.
pub const WRITE_TIME: Duration = Duration::from_mins(1);

/// How long an HTTP connection may be silent, when the configuration does not say.
pub const SILENCE: Duration = Duration::from_mins(5);

/// Time to open an HTTP connection.
pub const HTTP_CONNECT_TIME: Duration = Duration::from_secs(10);

/// Time that a server has to end by itself after its input has ended.
pub const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Failures in a row after which a server is left alone.
pub const BREAKER_FAILURES: u32 = 3;

/// How long a server is left alone the first time; twice as long each further time.
pub const BREAKER_PAUSE: Duration = Duration::from_secs(30);

/// How long a server is left alone at most.
pub const BREAKER_LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// Longest wait that an HTTP server may ask for (`Retry-After`) before a call is tried again.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
