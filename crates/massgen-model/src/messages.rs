//! The Anthropic Messages protocol, streamed.

mod blocks;
mod codec;
mod decoder;
mod dialect;
mod event;
mod settings;
mod stored_files;

pub(crate) use self::codec::MessagesCodec;

#[cfg(test)]
mod stream_tests;
