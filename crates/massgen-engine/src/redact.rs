//! Keeps known secrets out of everything that is stored or shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use massgen_core::Input;
use massgen_protocol::limits::{TOOL_DECISION_BYTES, TOOL_DECISIONS};
use massgen_protocol::message::{
    Asking, ItemContent, ModelFailure, Reply, ReplyItem, ToolCall, ToolDecision, ToolOutcome, ToolQuestion,
};
use massgen_protocol::{Command, Notice};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::plain::plain;

/// What stands in place of a secret.
const MARK: &str = "[REDACTED]";

/// Shorter values are no secrets but words; replacing them would garble texts.
const SHORTEST_SECRET_BYTES: usize = 8;

/// Replaces known secrets in texts. A text is read once, however many secrets there are.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Arc<Secrets>,
}

/// Secrets, found by how they begin.
#[derive(Default)]
struct Secrets {
    /// How the first eight bytes are hashed: their hashes tell nothing about them.
    hasher: RandomState,
    /// By the hash of the first eight bytes, the longest first.
    by_start: HashMap<u64, Vec<SecretString>>,
    /// How they begin: at any other byte there is nothing to look up.
    first_bytes: FirstBytes,
    /// How many there are.
    count: usize,
}

/// A set of bytes.
#[derive(Default)]
struct FirstBytes([u128; 2]);

impl FirstBytes {
    fn add(&mut self, byte: u8) {
        let [low, high] = &mut self.0;
        let half = if byte < 128 { low } else { high };
        *half |= 1 << (byte % 128);
    }

    fn has(&self, byte: u8) -> bool {
        let [low, high] = self.0;
        let half = if byte < 128 { low } else { high };
        half & (1 << (byte % 128)) != 0
    }
}

impl Secrets {
    fn add(&mut self, secret: SecretString) {
        let bytes = secret.expose_secret().as_bytes();
        let (Some(&first), Some(start)) = (bytes.first(), bytes.first_chunk::<SHORTEST_SECRET_BYTES>())
        else {
            return;
        };
        self.first_bytes.add(first);
        let same_start = self.by_start.entry(self.hasher.hash_one(start)).or_default();
        if same_start.iter().any(|known| known.expose_secret() == secret.expose_secret()) {
            return;
        }
        same_start.push(secret);
        same_start.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        self.count += 1;
    }

    /// The length of the longest secret that `text` begins with.
    fn at_start_of(&self, text: &[u8]) -> Option<usize> {
        let start = text.first_chunk::<SHORTEST_SECRET_BYTES>()?;
        if !self.first_bytes.has(*text.first()?) {
            return None;
        }
        let same_start = self.by_start.get(&self.hasher.hash_one(start))?;
        let found = same_start.iter().find(|secret| text.starts_with(secret.expose_secret().as_bytes()))?;
        Some(found.expose_secret().len())
    }

    /// Where secrets are in `text`, in order; those that overlap are one.
    fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        if self.count == 0 {
            return places;
        }
        for at in 0..text.len() {
            let Some(length) = text.get(at..).and_then(|rest| self.at_start_of(rest)) else { continue };
            match places.last_mut() {
                Some(before) if at < before.end => before.end = before.end.max(at + length),
                Some(_) | None => places.push(at..at + length),
            }
        }
        places
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.count)
    }
}

impl Redactor {
    /// A redactor for `secrets`, as they are and as JSON writes them inside a text (the arguments of a tool call are
    /// such a text); values under eight bytes are left out.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut known = Secrets::default();
        for secret in secrets {
            if secret.expose_secret().len() < SHORTEST_SECRET_BYTES {
                continue;
            }
            let escaped = escaped(secret.expose_secret()).map(SecretString::from);
            known.add(secret);
            if let Some(escaped) = escaped {
                known.add(escaped);
            }
        }
        Self { secrets: Arc::new(known) }
    }

    /// `text` without secrets. A secret that contains another one, or overlaps it, goes as a whole.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let places = self.secrets.places(text.as_bytes());
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut kept_from = 0;
        for place in places {
            // Secrets are whole characters, so their ends are ends of characters.
            clean.push_str(text.get(kept_from..place.start).unwrap_or_default());
            clean.push_str(MARK);
            kept_from = place.end;
        }
        clean.push_str(text.get(kept_from..).unwrap_or_default());
        Cow::Owned(clean)
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
        if self.secrets.count == 0 {
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

    /// What the surroundings of a session report, which may hold words of programs and services; notes of people, and what
    /// was cleaned where it came from, are left as they are.
    pub(crate) fn input(&self, input: Input) -> Input {
        match input {
            Input::Command(Command::Report(Notice { message, agent })) => {
                Input::Command(Command::Report(Notice { message: self.told(message), agent }))
            }
            Input::FilesNotRestored { call, message } => {
                Input::FilesNotRestored { call, message: self.told(message) }
            }
            Input::Command(Command::Interrupt | Command::AnswerNow | Command::Steer(_))
            | Input::ModelReplied { .. }
            | Input::ModelFailed { .. }
            | Input::ModelRetrying { .. }
            | Input::ServiceReported { .. }
            | Input::ToolFinished { .. }
            | Input::ToolAsks { .. }
            | Input::SnapshotFinished { .. }
            | Input::TimerFired(_)
            | Input::Resumed => input,
        }
    }

    pub(crate) fn failure(&self, failure: ModelFailure) -> ModelFailure {
        ModelFailure { message: self.owned(failure.message), ..failure }
    }

    pub(crate) fn outcome(&self, outcome: ToolOutcome) -> ToolOutcome {
        match outcome {
            ToolOutcome::Ok { text, files } => ToolOutcome::Ok { text: self.told(text), files },
            ToolOutcome::Error { text } => ToolOutcome::Error { text: self.told(text) },
            ToolOutcome::Denied { text } => ToolOutcome::Denied { text: self.told(text) },
            ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => outcome,
        }
    }

    /// A question, with texts as long as the journal holds.
    pub(crate) fn asking(&self, asking: Asking) -> Asking {
        match asking {
            Asking::Asked { question } => Asking::Asked {
                question: ToolQuestion {
                    wants: self.bounded(question.wants),
                    reason: self.bounded(question.reason),
                    ..question
                },
            },
            Asking::Misunderstood { reply_in, problem } => {
                Asking::Misunderstood { reply_in, problem: self.bounded(problem) }
            }
            Asking::Over => Asking::Over,
        }
    }

    fn bounded(&self, text: String) -> String {
        let mut text = self.told(text);
        text.truncate(text.floor_char_boundary(TOOL_DECISION_BYTES));
        text
    }

    /// As many decisions as the journal holds, each as long as it holds.
    pub(crate) fn decisions(&self, decisions: Vec<ToolDecision>) -> Vec<ToolDecision> {
        let told = |text: String| self.bounded(text);
        let decision = |decision: ToolDecision| ToolDecision {
            action: decision.action,
            target: told(decision.target),
            verdict: decision.verdict,
            rule: told(decision.rule),
            reason: told(decision.reason),
        };
        decisions.into_iter().take(TOOL_DECISIONS).map(decision).collect()
    }

    /// What a tool tells: without control codes first, so that a secret cannot hide between them.
    pub(crate) fn told(&self, text: String) -> String {
        match plain(&text) {
            Cow::Borrowed(_) => self.owned(text),
            Cow::Owned(plain) => self.owned(plain),
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
    fn decisions_hold_no_secret_and_are_bounded() {
        let redactor = Redactor::new([SecretString::from("a-secret-value")]);
        let long = format!("curl a-secret-value {}", "ä".repeat(TOOL_DECISION_BYTES));
        let decision = ToolDecision {
            action: "command".to_owned(),
            target: long,
            verdict: massgen_protocol::message::ToolVerdict::Denied,
            rule: "command(curl a-secret-value)".to_owned(),
            reason: "a-secret-value".to_owned(),
        };
        let told = redactor.decisions(vec![decision; 2 * TOOL_DECISIONS]);
        assert_eq!(told.len(), TOOL_DECISIONS);
        assert!(told[0].target.len() <= TOOL_DECISION_BYTES && !format!("{told:?}").contains("a-secret"));
    }

    #[test]
    fn secrets_do_not_hide_behind_control_codes_in_what_tools_tell() {
        let redactor = Redactor::new(["sk-canary-1234".into()]);
        let outcome = redactor.outcome(ToolOutcome::ok("sk-can\u{1b}[1mary-1234"));
        assert_eq!(outcome, ToolOutcome::ok("[REDACTED]"));
    }

    #[test]
    fn secrets_that_overlap_go_as_a_whole() {
        let redactor = Redactor::new(["aaaabbbbbbbb".into(), "bbbbbbbbcccc".into(), "dddddddd".into()]);
        assert_eq!(redactor.text("x aaaabbbbbbbbcccc y"), "x [REDACTED] y");
        assert_eq!(redactor.text("dddddddddddd dddddddd"), "[REDACTED] [REDACTED]");
        assert_eq!(redactor.text("ddddddddaaaabbbbbbbb"), "[REDACTED][REDACTED]");
        assert_eq!(redactor.text("aaaabbbb ddddddd"), "aaaabbbb ddddddd");
    }

    #[test]
    fn secrets_of_any_characters_are_found_between_any_characters() {
        let redactor = Redactor::new(["ключ-канарейка".into(), "🔑🔑🔑".into(), "ключ-канарей".into()]);
        let text = "ключ ключ-канарейка ✓🔑🔑🔑✓ ключ-канарейник";
        assert_eq!(redactor.text(text), "ключ [REDACTED] ✓[REDACTED]✓ [REDACTED]ник");
        assert!(matches!(redactor.text("ключ"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_one_of_many_secrets_is_found_alone_and_among_others() {
        let secret = |number: u32| format!("sk-{number:06}-canary");
        let redactor = Redactor::new((0..40_000).map(|number| secret(number).into()));
        assert_eq!(format!("{redactor:?}"), "Redactor(40000 secrets)");
        let all: Vec<String> = (0..40_000).map(secret).collect();
        let clean = redactor.text(&all.join(" ")).into_owned();
        assert!(clean.split(' ').all(|word| word == MARK) && clean.split(' ').count() == 40_000);
        assert_eq!(redactor.text("sk-040000-canary"), "sk-040000-canary");
    }

    #[test]
    fn secrets_leave_json_texts_in_which_they_are_escaped() {
        let secret = "sk \"canary\" \\ 12";
        let redactor = Redactor::new([secret.into()]);
        let arguments = serde_json::json!({ "content": format!("it is {secret}.") }).to_string();
        assert_eq!(redactor.text(&arguments), r#"{"content":"it is [REDACTED]."}"#);
    }
}
