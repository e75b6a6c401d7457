use massgen_protocol::ids::AgentNo;
use serde_json::value::to_raw_value;

use super::*;

/// Events of one server, one after another.
#[derive(Default)]
struct Server {
    output: Output,
    draft: Draft,
}

impl Server {
    fn added(mut self, index: Option<u64>, item: &Value) -> Self {
        self.output.added(index, &to_raw_value(item).unwrap(), &mut self.draft).unwrap();
        self
    }

    fn text(mut self, index: Option<u64>, id: &str, text: &str) -> Self {
        let address = Address { index, id: id.into() };
        self.output.extend(Source::Text, 0, &address, text, &mut self.draft);
        self
    }

    fn done(mut self, index: Option<u64>, item: &Value) -> Self {
        self.output.done(index, &to_raw_value(item).unwrap(), &mut self.draft).unwrap();
        self
    }

    fn settled(mut self, output: &[Value]) -> Vec<String> {
        let raw: Vec<_> = output.iter().map(|item| to_raw_value(item).unwrap()).collect();
        let raw: Vec<&RawValue> = raw.iter().map(AsRef::as_ref).collect();
        self.output.settle(&raw, &mut self.draft).unwrap();
        let call = CallId { agent: AgentNo::from_index(0), number: 1 };
        let text = |item: ReplyItem| match item.content {
            ItemContent::Text { text } | ItemContent::Reasoning { text } => text,
            ItemContent::ToolCall(call) => call.id,
            ItemContent::File { media_type, .. } => media_type,
            ItemContent::Opaque => "opaque".to_owned(),
        };
        self.output.into_items(call).unwrap().into_iter().map(text).collect()
    }
}

fn message(id: &str, text: &str) -> Value {
    let content = if text.is_empty() { json!([]) } else { json!([{"type": "output_text", "text": text}]) };
    json!({"type": "message", "id": id, "content": content})
}

fn thought(id: &str, text: &str) -> Value {
    json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": text}]})
}

#[test]
fn ids_that_change_with_every_event_are_one_item_by_place() {
    let made = Server::default()
        .added(Some(0), &message("a", ""))
        .text(Some(0), "b", "he")
        .text(Some(0), "c", "llo")
        .done(Some(0), &message("d", "hello"))
        .done(Some(1), &message("e", "more"))
        .settled(&[message("f", "hello"), message("g", "more")]);
    assert_eq!(made, ["hello", "more"]);
}

#[test]
fn one_place_for_all_items_is_told_apart_by_id() {
    let made = Server::default()
        .added(Some(0), &message("a", ""))
        .text(Some(0), "a", "one")
        .done(Some(0), &message("a", "one"))
        .added(Some(0), &message("b", ""))
        .text(Some(0), "b", "two")
        .done(Some(0), &message("b", "two"))
        .done(Some(0), &message("c", "three"))
        .settled(&[message("a", "one"), message("b", "two"), message("c", "three")]);
    assert_eq!(made, ["one", "two", "three"]);
}

#[test]
fn without_place_and_id_pieces_belong_to_the_item_under_way() {
    let made = Server::default()
        .text(None, "", "on")
        .text(None, "", "e")
        .done(None, &message("", "one"))
        .text(None, "", "two")
        .done(None, &message("", "two"))
        .settled(&[]);
    assert_eq!(made, ["one", "two"]);
}

#[test]
fn an_item_told_twice_is_taken_once() {
    let made = Server::default()
        .added(Some(0), &message("a", ""))
        .added(Some(0), &message("a", ""))
        .done(Some(0), &message("a", "one"))
        .done(Some(0), &message("a", "one, again"))
        .text(Some(0), "a", "late")
        .settled(&[message("a", "one")]);
    assert_eq!(made, ["one"]);
}

#[test]
fn the_end_puts_what_was_missing_into_its_place() {
    let made = Server::default()
        .done(Some(0), &message("a", "answer"))
        .settled(&[thought("t", "thought"), message("a", "answer")]);
    assert_eq!(made, ["thought", "answer"]);
    let late = Server::default()
        .done(Some(1), &message("b", "second"))
        .done(Some(0), &message("a", "first"))
        .settled(&[]);
    assert_eq!(late, ["first", "second"]);
}

#[test]
fn values_are_counted_outside_of_strings() {
    assert_eq!(values(r#"{"a":"x,[{\",","b":[1,2]}"#), 5);
    assert_eq!(values("7"), 1);
}
