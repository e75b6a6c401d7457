//! What every reply has besides its parts, while it comes in: pieces for the display, size, usage, the end.

use std::time::Duration;

use massgen_protocol::message::{FinishReason, ItemContent, Reply};
use massgen_protocol::money::UsageSource;
use massgen_protocol::{CallId, DeltaKind, TokenUsage, limits};

use super::codec::Decode;
use super::usage::{Reported, estimated_tokens};

/// A reply that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// Why the model stopped, once it has said so; only the usage may follow.
    pub(crate) finish: Option<FinishReason>,
    /// A reason to stop that counts only once the stream has come to a proper end: of protocols without an end mark,
    /// which may go on after one.
    pub(crate) finish_at_end: Option<FinishReason>,
    /// Tokens and cost as reported so far.
    pub(crate) reported: Reported,
    /// Whether the service said that nothing follows.
    is_over: bool,
    /// Whether the reply has begun, be it empty.
    has_begun: bool,
    /// Pieces that nobody has taken yet.
    pieces: Vec<(DeltaKind, String)>,
    /// What counts towards [`limits::REPLY_BYTES`].
    size: usize,
}

/// Why what came is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incomplete {
    /// The stream ended too early.
    Cut,
    /// The parts make no sense.
    Malformed(String),
}

/// When a reply came and what its request weighed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) call: CallId,
    pub(crate) request_bytes: usize,
    pub(crate) first_token_after: Duration,
    pub(crate) duration: Duration,
}

impl Draft {
    /// The reply begins, whatever its first part will be.
    pub(crate) fn begin(&mut self) {
        self.has_begun = true;
    }

    /// A piece that is shown at once; it counts towards the size.
    pub(crate) fn piece(&mut self, kind: DeltaKind, text: &str) {
        if text.is_empty() {
            return;
        }
        self.weigh(text.len());
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == kind => piece.push_str(text),
            _ => self.pieces.push((kind, text.to_owned())),
        }
    }

    /// `bytes` more that the reply holds but nobody is shown.
    pub(crate) fn weigh(&mut self, bytes: usize) {
        self.has_begun = true;
        self.size = self.size.saturating_add(bytes);
    }

    /// The service said that nothing follows.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether the model has stopped; only the usage may follow.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Whether any part of the reply has come.
    pub(crate) fn has_content(&self) -> bool {
        self.size > 0
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.size > limits::REPLY_BYTES
    }

    /// The pieces that came since the last time.
    pub(crate) fn take_pieces(&mut self) -> Vec<(DeltaKind, String)> {
        std::mem::take(&mut self.pieces)
    }

    /// The reply with the parts that `decoder` holds. Who does not say why it stopped stopped for its tool calls, if it
    /// made any. Tokens that nobody reported are estimated.
    pub(crate) fn complete(self, decoder: Box<dyn Decode>, measured: Measured) -> Result<Reply, Incomplete> {
        let finish = self.finish.or(self.finish_at_end);
        if finish.is_none() && !self.is_over {
            return Err(Incomplete::Cut);
        }
        if !self.has_begun {
            return Err(Incomplete::Malformed("a stream without a reply".to_owned()));
        }
        let items = decoder.items(measured.call).map_err(Incomplete::Malformed)?;
        let calls = items.iter().any(|item| matches!(item.content, ItemContent::ToolCall(_)));
        let unsaid = if calls { FinishReason::ToolCalls } else { FinishReason::Stop };
        let mut reply = Reply {
            items,
            finish: finish.unwrap_or(unsaid),
            usage: TokenUsage::default(),
            reported_cost: self.reported.cost,
            first_token_after: measured.first_token_after,
            duration: measured.duration,
            origin: None,
        };
        let estimated = TokenUsage {
            input: estimated_tokens(measured.request_bytes),
            output: estimated_tokens(reply.bytes()),
            reasoning: estimated_tokens(reply.reasoning().len()),
            source: UsageSource::Estimated,
            ..TokenUsage::default()
        };
        reply.usage = match self.reported.tokens {
            None => estimated,
            // No request is empty. Ollama leaves the count out when the whole prompt was cached.
            Some(counted) if counted.input == 0 => {
                TokenUsage { input: estimated.input, source: UsageSource::Estimated, ..counted }
            }
            // A service that counts at the beginning may be cut before it counts at the end.
            Some(counted) if counted.output == 0 && estimated.output > 0 => TokenUsage {
                output: estimated.output,
                reasoning: estimated.reasoning,
                source: UsageSource::Estimated,
                ..counted
            },
            Some(counted) => counted,
        };
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_kind_are_joined_until_somebody_takes_them() {
        let mut draft = Draft::default();
        for (kind, text) in [
            (DeltaKind::Text, "a"),
            (DeltaKind::Text, "b"),
            (DeltaKind::Reasoning, ""),
            (DeltaKind::ToolArguments, "{"),
        ] {
            draft.piece(kind, text);
        }
        let expected = vec![(DeltaKind::Text, "ab".to_owned()), (DeltaKind::ToolArguments, "{".to_owned())];
        assert_eq!(draft.take_pieces(), expected);
        assert!(draft.take_pieces().is_empty());
    }

    #[test]
    fn what_nobody_sees_counts_towards_the_size() {
        let mut draft = Draft::default();
        draft.piece(DeltaKind::Text, "a");
        draft.weigh(limits::REPLY_BYTES - 1);
        assert!(!draft.is_too_long());
        draft.weigh(1);
        assert!(draft.is_too_long());
    }
}
