//! Every limit of what is shown, in one place.

/// Most characters of a line that the view keeps: messages, reasons, the last line of a reply.
pub const LINE_CHARS: usize = 400;

/// Bytes of an unfinished line of a streaming reply that are kept; older ones are dropped.
pub const STREAM_LINE_BYTES: usize = 1024;

/// Zero-width characters in a row that are shown; more would pile up over other lines.
pub const MARKS_PER_CHAR: u8 = 8;

/// Agents that a table of the summary lists.
pub const SUMMARY_AGENTS: usize = 20;

/// Votes, failures and notices that the summary lists, each.
pub const SUMMARY_ROWS: usize = 10;

/// Agents that the first line of a run names.
pub const NAMED_AGENTS: usize = 5;

/// Widest column of agent ids, in terminal columns.
pub const ID_COLUMNS: usize = 16;

/// Narrowest text block; a narrower terminal wraps it itself.
pub const TEXT_COLUMNS: usize = 16;

/// Narrowest column of a markdown table; a table that would need narrower ones is shown row by row.
pub const TABLE_COLUMNS: usize = 8;

/// Nested lists and quotes that are indented; deeper ones stay at this depth.
pub const MARKDOWN_DEPTH: usize = 6;
