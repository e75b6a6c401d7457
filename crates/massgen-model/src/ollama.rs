//! The own interface of Ollama: `/api/chat`. It takes what the compatible one does not: the window (`num_ctx`), how long
//! the model stays loaded (`keep_alive`), and no silent shortening of a long conversation.

mod codec;
mod decoder;
mod line;

pub(crate) use self::codec::OllamaCodec;
