//! A chat-completions server with a script and a schedule.
