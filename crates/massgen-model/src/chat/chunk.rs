//! One chunk of a reply as it is on the wire. What is not read is skipped without a copy.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A `chat.completion.chunk`, or a whole `chat.completion`.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    /// Groq's place for the usage.
    #[serde(default, borrow)]
    pub(super) x_groq: Option<&'a RawValue>,
    /// Cost in US dollars, from the providers that put it here.
    #[serde(default, borrow)]
    pub(super) cost: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
    /// Addresses of sources, from services that search. Some send all of them with every chunk.
    #[serde(default, borrow)]
    pub(super) citations: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default, borrow)]
    pub(super) delta: Option<Delta<'a>>,
    /// The whole message, in replies that are not streamed.
    #[serde(default, borrow)]
    pub(super) message: Option<Delta<'a>>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    /// Moonshot's place for the usage.
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(default, borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    /// Pictures, as OpenRouter and others send them.
    #[serde(default, borrow)]
    pub(super) images: Option<&'a RawValue>,
    /// Sources, as OpenRouter and OpenAI tell them.
    #[serde(default, borrow)]
    pub(super) annotations: Option<&'a RawValue>,
    /// Read one by one, so that no more of them are than a reply holds.
    #[serde(default, borrow)]
    pub(super) tool_calls: Option<Vec<&'a RawValue>>,
}

/// A piece of content: a string, or the typed parts that some servers send instead.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) reasoning: String,
    /// There was a part with a list of thoughts.
    pub(super) has_thinking: bool,
    /// Parts with a picture.
    pub(super) images: Vec<Value>,
    /// Parts that name sources, as Mistral sends them.
    pub(super) references: Vec<Value>,
}

impl Piece {
    /// Reads a `content` field. What is neither text, reasoning, picture nor reference has no place in a reply here.
    pub(super) fn read(raw: &RawValue) -> Result<Self, serde_json::Error> {
        if raw.get().starts_with('"') {
            return Ok(Self { text: serde_json::from_str(raw.get())?, ..Self::default() });
        }
        let mut piece = Self::default();
        match serde_json::from_str(raw.get())? {
            Value::Array(parts) => parts.into_iter().for_each(|part| piece.part(part)),
            part @ Value::Object(_) => piece.part(part),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(piece)
    }

    fn part(&mut self, part: Value) {
        if part.get("image_url").is_some() {
            self.images.push(part);
            return;
        }
        if part.get("type").and_then(Value::as_str) == Some("reference") {
            self.references.push(part);
            return;
        }
        let text = |key: &str| part.get(key).and_then(Value::as_str).unwrap_or_default();
        match part.get("thinking") {
            Some(Value::String(thinking)) => self.reasoning.push_str(thinking),
            Some(Value::Array(parts)) => {
                self.has_thinking = true;
                for text in parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)) {
                    self.reasoning.push_str(text);
                }
            }
            _ => {
                self.text.push_str(text("text"));
                self.text.push_str(text("refusal"));
            }
        }
    }
}

/// The text of a string field; empty for anything else.
pub(super) fn string(raw: Option<&RawValue>) -> Result<String, serde_json::Error> {
    match raw {
        Some(raw) if raw.get().starts_with('"') => serde_json::from_str(raw.get()),
        Some(_) | None => Ok(String::new()),
    }
}
