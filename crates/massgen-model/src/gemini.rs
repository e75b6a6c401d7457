//! The Gemini API: `streamGenerateContent`.

mod codec;
mod decoder;
mod fragment;
mod settings;

pub(crate) use self::codec::GeminiCodec;
