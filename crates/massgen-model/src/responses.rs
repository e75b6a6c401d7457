//! The OpenAI Responses protocol, streamed, without state at the provider: every request carries the whole
//! conversation, with the output items of earlier replies as they came.

mod codec;
mod decoder;
mod event;
mod output;
mod settings;
mod stored_files;

pub(crate) use self::codec::ResponsesCodec;

#[cfg(test)]
mod hostile_tests;
