//! From events of a stream to a reply.

use massgen_protocol::message::{FinishReason, ReplyItem};
use massgen_protocol::{CallId, DeltaKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::event::{Event, IncompleteDetails, Response, count, object, text};
use super::output::{Address, Kind, Output, Source};
use crate::provider::codec::{Decode, Fault};
use crate::provider::draft::Draft;
use crate::provider::usage::Reported;

/// Puts a reply together. An item is what `response.output_item.done` says; pieces before that are for the display,
/// and for servers that never say it.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    output: Output,
}

impl Decode for Decoder {
    fn event(&mut self, data: &str, draft: &mut Draft) -> Result<(), Fault> {
        // Some compatible servers send it; the terminal event is what counts.
        if data == "[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(data)?;
        let kind = text(event.kind)?;
        match kind.as_ref() {
            "response.output_text.delta" => self.grow(Source::Text, &event, draft),
            "response.refusal.delta" => self.grow(Source::Refusal, &event, draft),
            "response.reasoning_summary_text.delta" => self.grow(Source::Summary, &event, draft),
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.grow(Source::Reasoning, &event, draft)
            }
            "response.function_call_arguments.delta" => self.grow(Source::Arguments, &event, draft),
            "response.output_text.done" => self.whole_part(Source::Text, event.text, &event, draft),
            "response.refusal.done" => self.whole_part(Source::Refusal, event.refusal, &event, draft),
            "response.reasoning_summary_text.done" => {
                self.whole_part(Source::Summary, event.text, &event, draft)
            }
            "response.reasoning_text.done" | "response.reasoning.done" => {
                self.whole_part(Source::Reasoning, event.text, &event, draft)
            }
            "response.function_call_arguments.done" => {
                self.whole_part(Source::Arguments, event.arguments, &event, draft)
            }
            "response.output_item.added" => self.item(Step::Added, &event, draft),
            "response.output_item.done" => self.item(Step::Done, &event, draft),
            "response.completed" => self.terminal(event.response, "completed", draft),
            "response.incomplete" => self.terminal(event.response, "incomplete", draft),
            "response.failed" => self.terminal(event.response, "failed", draft),
            "response.cancelled" => self.terminal(event.response, "cancelled", draft),
            "error" => Err(Fault::Said(serde_json::from_str(data)?)),
            "" => self.untyped(data, draft).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn document(&mut self, body: &str, draft: &mut Draft) -> Result<(), Fault> {
        match self.untyped(body, draft)? {
            Untyped::Reply => Ok(()),
            Untyped::Nothing => Err(Fault::malformed("a document that is no response")),
        }
    }

    fn items(self: Box<Self>, call: CallId) -> Result<Vec<ReplyItem>, String> {
        self.output.into_items(call)
    }
}

/// What an event says of an item.
#[derive(Clone, Copy)]
enum Step {
    Added,
    Done,
}

/// What an object without a type was.
enum Untyped {
    /// A whole response.
    Reply,
    /// Nothing that matters.
    Nothing,
}

impl Decoder {
    fn grow(&mut self, source: Source, event: &Event<'_>, draft: &mut Draft) -> Result<(), Fault> {
        let delta = text(event.delta)?;
        self.extend(source, &delta, event, draft)
    }

    /// Takes a part that came whole, unless its pieces came before.
    fn whole_part(
        &mut self,
        source: Source,
        whole: Option<&RawValue>,
        event: &Event<'_>,
        draft: &mut Draft,
    ) -> Result<(), Fault> {
        let address = address(event)?;
        if self.output.has_part(source, part(source, event), &address) {
            return Ok(());
        }
        let whole = text(whole)?;
        self.extend(source, &whole, event, draft)
    }

    fn extend(
        &mut self,
        source: Source,
        delta: &str,
        event: &Event<'_>,
        draft: &mut Draft,
    ) -> Result<(), Fault> {
        if delta.is_empty() {
            return Ok(());
        }
        let shown = self.output.extend(source, part(source, event), &address(event)?, delta, draft);
        draft.piece(source.shown_as(), &shown);
        Ok(())
    }

    fn item(&mut self, step: Step, event: &Event<'_>, draft: &mut Draft) -> Result<(), Fault> {
        let Some(item) = event.item else {
            return Ok(());
        };
        let index = count(event.output_index);
        match step {
            Step::Added => self.output.added(index, item, draft)?,
            Step::Done => self.output.done(index, item, draft)?,
        }
        Ok(())
    }

    /// Takes an object without a type: a whole response, or an error.
    fn untyped(&mut self, data: &str, draft: &mut Draft) -> Result<Untyped, Fault> {
        let response: Response<'_> = serde_json::from_str(data)?;
        if response.status.is_none() && response.output.is_none() {
            return if says_error(response.error) {
                Err(Fault::Said(serde_json::from_str(data)?))
            } else {
                Ok(Untyped::Nothing)
            };
        }
        if let status @ ("queued" | "in_progress") = text(response.status)?.as_ref() {
            return Err(Fault::malformed(format!("a response that is still {status}")));
        }
        self.finish(&response, "completed", draft)?;
        Ok(Untyped::Reply)
    }

    fn terminal(&mut self, raw: Option<&RawValue>, status: &str, draft: &mut Draft) -> Result<(), Fault> {
        let response: Response<'_> = object(raw)?.unwrap_or_default();
        self.finish(&response, status, draft)
    }

    /// Takes the end of a response. `unsaid` is its status when it names none.
    fn finish(&mut self, response: &Response<'_>, unsaid: &str, draft: &mut Draft) -> Result<(), Fault> {
        let said = text(response.status)?;
        let status = if said.is_empty() { unsaid } else { said.as_ref() };
        let broken = match (status, unsaid) {
            // The event counts more than a status that was not brought up to date.
            ("failed" | "cancelled", _) => Some(status),
            (_, "failed" | "cancelled") => Some(unsaid),
            _ => None,
        };
        if broken.is_some() || says_error(response.error) {
            let error = response.error.map(|error| serde_json::from_str(error.get())).transpose()?;
            return Err(Fault::Said(match (error, broken) {
                (Some(error), _) if !matches!(error, Value::Null) => error,
                (_, Some(status)) => json!({"message": format!("the response is {status}")}),
                (_, None) => Value::Null,
            }));
        }
        draft.begin();
        if let Some(output) = response.output.filter(|output| output.get().starts_with('[')) {
            self.output.settle(&serde_json::from_str::<Vec<&RawValue>>(output.get())?, draft)?;
        }
        if let Some(usage) = object::<Value>(response.usage)? {
            draft.reported.update(Reported::read(&usage));
        }
        draft.finish = if status == "incomplete" || unsaid == "incomplete" {
            let details: Option<IncompleteDetails<'_>> = object(response.incomplete_details)?;
            Some(incomplete_reason(&text(details.and_then(|details| details.reason))?))
        } else {
            self.output.is_refusal().then_some(FinishReason::Refusal)
        };
        draft.end();
        Ok(())
    }
}

fn address<'a>(event: &Event<'a>) -> Result<Address<'a>, serde_json::Error> {
    Ok(Address { index: count(event.output_index), id: text(event.item_id)? })
}

/// The part of its item that an event continues.
fn part(source: Source, event: &Event<'_>) -> u64 {
    let index = match source {
        Source::Summary => event.summary_index,
        Source::Text | Source::Refusal | Source::Reasoning => event.content_index,
        Source::Arguments => None,
    };
    count(index).unwrap_or(0)
}

fn says_error(error: Option<&RawValue>) -> bool {
    error.is_some_and(|error| !matches!(error.get(), "null" | "\"\"" | "false"))
}

fn incomplete_reason(reason: &str) -> FinishReason {
    match reason {
        "max_output_tokens" | "max_tokens" | "length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        "" => FinishReason::Incomplete,
        other => FinishReason::Other(other.to_owned()),
    }
}

impl Source {
    /// What a piece from here is to the display.
    fn shown_as(self) -> DeltaKind {
        match self.kind() {
            Kind::Reasoning => DeltaKind::Reasoning,
            Kind::Call => DeltaKind::ToolArguments,
            Kind::Message | Kind::Opaque => DeltaKind::Text,
        }
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
