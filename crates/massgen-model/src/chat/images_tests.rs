use massgen_protocol::limits;
use massgen_protocol::message::Reply;
use serde_json::json;

use super::*;
use crate::chat::decoder::Decoder;
use crate::provider::codec::Framing;
use crate::provider::draft::Draft;
use crate::provider::testing::{Bench, decode_stream};

fn image(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}, "index": 0})
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn stream(deltas: &[Value]) -> String {
    let finish = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
    let events = deltas.iter().cloned().chain([finish]).map(|event| format!("data: {event}\n\n"));
    events.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

fn read(pieces: Vec<&[u8]>) -> Reply {
    decode_stream(Box::new(Decoder::default()), Framing::Events, pieces).unwrap()
}

fn files(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    reply.files().map(|file| (file.media_type.to_owned(), file.bytes().unwrap())).collect()
}

fn png(content: &str) -> (String, Vec<u8>) {
    ("image/png".to_owned(), content.as_bytes().to_vec())
}

#[test]
fn pictures_beside_the_text_are_files_wherever_the_stream_is_cut() {
    let stream = stream(&[
        delta(json!({"role": "assistant", "content": "é: "})),
        delta(json!({"content": "", "images": [image("data:image/png;base64,b25l")]})),
        delta(json!({"content": "two", "images": [image("data:image/png;base64,dHdv")]})),
    ]);
    let whole = read(vec![stream.as_bytes()]);
    assert_eq!((files(&whole), whole.text()), (vec![png("one"), png("two")], "é: two".to_owned()));
    assert_eq!(whole.items[1].provider, Some(image("data:image/png;base64,b25l")), "as it came");
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(read(vec![left, right]), whole, "cut at {cut}");
    }
}

#[test]
fn a_picture_comes_in_pieces_among_the_parts_of_the_content_or_in_a_whole_message() {
    let pieces = stream(&[
        delta(json!({"images": [image("data:image/png;base64,b2")]})),
        delta(json!({"images": [image("5l")]})),
    ]);
    assert_eq!(files(&read(vec![pieces.as_bytes()])), [png("one")]);
    let parts = stream(&[delta(json!({"content": [{"type": "text", "text": "here"},
        {"type": "image_url", "image_url": "data:image/png;base64,b25l"}]}))]);
    assert_eq!(files(&read(vec![parts.as_bytes()])), [png("one")]);
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let message =
        json!({"role": "assistant", "content": null, "images": [image("data:image/png;base64,b25l")]});
    let document = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
    bench.decoder.document(&document.to_string(), &mut bench.draft).unwrap();
    assert_eq!(files(&bench.reply().unwrap()), [png("one")]);
}

#[test]
fn a_picture_that_is_sent_twice_is_there_once() {
    let twice = delta(json!({"images": [image("data:image/png;base64,b25l")]}));
    assert_eq!(files(&read(vec![stream(&[twice.clone(), twice]).as_bytes()])), [png("one")]);
}

#[test]
fn a_picture_elsewhere_is_told_by_its_address_and_what_is_none_is_left_out() {
    let odd = stream(&[
        delta(json!({"content": "see", "images": [image("https://example.org/a.png")]})),
        delta(json!({"images": [image("data:image/png;base64,?"), {"image_url": 7}, 7, null, {}]})),
        delta(json!({"images": "none"})),
        delta(json!({"images": null})),
        delta(json!({"images": [image("pieces of nothing"), image("")]})),
    ]);
    let reply = read(vec![odd.as_bytes()]);
    assert_eq!((files(&reply).len(), reply.text()), (0, "see\nhttps://example.org/a.png\n".to_owned()));
}

#[test]
fn more_pictures_than_a_reply_holds_are_too_long_a_reply() {
    let mut draft = Draft::default();
    let mut images = Images::default();
    for _ in 0..=limits::REPLY_BYTES / IMAGE_OVERHEAD {
        images.take(image("data:"), &mut draft);
    }
    assert!(draft.is_too_long());
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let giant = format!("data:image/png;base64,{}", "A".repeat(limits::REPLY_BYTES));
    bench.event(&delta(json!({"images": [image(&giant)]})).to_string()).unwrap();
    assert!(bench.draft.is_too_long());
    bench.event("[DONE]").unwrap();
    assert_eq!(bench.reply().unwrap().items, [], "it is not even taken apart");
}
