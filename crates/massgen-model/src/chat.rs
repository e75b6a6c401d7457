//! The OpenAI Chat Completions protocol, streamed.

mod azure;
mod calls;
mod chunk;
mod codec;
mod decoder;
mod images;
mod sources;

pub(crate) use self::codec::ChatCodec;
