//! The OpenAI Chat Completions protocol, streamed.

mod calls;
mod chunk;
mod codec;
mod decoder;
mod images;
mod sources;

pub(crate) use self::codec::ChatCodec;
