//! The provider side against a server that speaks its protocol, well and badly.

#[cfg(test)]
mod code_files;
#[cfg(test)]
mod download;
mod faults;
mod gemini;
mod keys;
#[cfg(test)]
mod messages;
mod ollama;
#[cfg(test)]
mod pacing;
mod replies;
#[cfg(test)]
mod responses;
mod streams;
#[cfg(test)]
mod support;
