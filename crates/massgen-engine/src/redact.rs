//! Keeps known secrets out of everything that is stored or shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use massgen_protocol::message::{ItemContent, ModelFailure, Reply, ReplyItem, ToolCall, ToolOutcome};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// What stands in place of a secret.
const MARK: &str = "[REDACTED]";

/// Shorter values are no secrets but words; replacing them would garble texts.
const SHORTEST_SECRET_BYTES: usize = 8;

/// Replaces known secrets in texts.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Arc<[SecretString]>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    /// A redactor for `secrets`, as they are and as JSON writes them inside a text (the arguments of a tool call are
    /// such a text); values under eight bytes are left out.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut secrets: Vec<SecretString> = secrets
            .into_iter()
            .filter(|secret| secret.expose_secret().len() >= SHORTEST_SECRET_BYTES)
            .flat_map(|secret| {
                let escaped = escaped(secret.expose_secret()).map(SecretString::from);
                [Some(secret), escaped].into_iter().flatten()
            })
            .collect();
        // A secret that contains another one is replaced first, as a whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self { secrets: secrets.into() }
    }

    /// `text` without secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.secrets.iter() {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), MARK));
            }
        }
        clean
    }

    /// `value` without secrets in its strings and keys.
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.owned(text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.json(item)).collect()),
            Value::Object(map) => Value::Object(
                map.into_iter().map(|(key, value)| (self.owned(key), self.json(value))).collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    pub(crate) fn reply(&self, mut reply: Reply) -> Reply {
        if self.secrets.is_empty() {
            return reply;
        }
        for item in &mut reply.items {
            self.item(item);
        }
        reply
    }

    fn item(&self, item: &mut ReplyItem) {
        item.content = match std::mem::replace(&mut item.content, ItemContent::Opaque) {
            ItemContent::Text { text } => ItemContent::Text { text: self.owned(text) },
            ItemContent::Reasoning { text } => ItemContent::Reasoning { text: self.owned(text) },
            ItemContent::ToolCall(call) => ItemContent::ToolCall(ToolCall {
                id: self.owned(call.id),
                name: self.owned(call.name),
                arguments: self.owned(call.arguments),
            }),
            ItemContent::File { media_type, at } => {
                ItemContent::File { media_type: self.owned(media_type), at }
            }
            ItemContent::Opaque => ItemContent::Opaque,
        };
        item.provider = item.provider.take().map(|provider| self.json(provider));
    }

    pub(crate) fn failure(&self, failure: ModelFailure) -> ModelFailure {
        ModelFailure { message: self.owned(failure.message), ..failure }
    }

    pub(crate) fn outcome(&self, outcome: ToolOutcome) -> ToolOutcome {
        match outcome {
            ToolOutcome::Ok { text } => ToolOutcome::Ok { text: self.owned(text) },
            ToolOutcome::Error { text } => ToolOutcome::Error { text: self.owned(text) },
            ToolOutcome::Denied { text } => ToolOutcome::Denied { text: self.owned(text) },
            ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => outcome,
        }
    }

    pub(crate) fn owned(&self, text: String) -> String {
        match self.text(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => clean,
        }
    }
}

/// `secret` as it stands inside a JSON text; `None` when that is no different.
fn escaped(secret: &str) -> Option<String> {
    let quoted = Value::from(secret).to_string();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (inner != secret).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_texts_and_json_and_never_show_in_debug() {
        let redactor = Redactor::new(["sk-canary-1234".into(), "sk-canary-1234-long".into(), "short".into()]);
        assert_eq!(
            redactor.text("a sk-canary-1234-long b sk-canary-1234 short"),
            "a [REDACTED] b [REDACTED] short"
        );
        let json = serde_json::json!({"sk-canary-1234": ["x sk-canary-1234"]});
        assert_eq!(redactor.json(json), serde_json::json!({"[REDACTED]": ["x [REDACTED]"]}));
        assert!(!format!("{redactor:?}").contains("canary"));
    }

    #[test]
    fn secrets_leave_json_texts_in_which_they_are_escaped() {
        let secret = "sk \"canary\" \\ 12";
        let redactor = Redactor::new([secret.into()]);
        let arguments = serde_json::json!({ "content": format!("it is {secret}.") }).to_string();
        assert_eq!(redactor.text(&arguments), r#"{"content":"it is [REDACTED]."}"#);
    }
}
