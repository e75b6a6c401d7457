use massgen_protocol::message::Reply;
use massgen_protocol::money::UsageSource;
use massgen_protocol::{TokenUsage, limits};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::provider::codec::Framing;
use crate::provider::draft::Incomplete;
use crate::provider::testing::{Bench, NoReply, decode, decode_stream};

fn read<'a>(events: impl IntoIterator<Item = &'a Value>) -> Result<Reply, NoReply> {
    decode(Box::new(Decoder::default()), events.into_iter().map(Value::to_string))
}

fn parts(parts: Value) -> Value {
    let mut event = json!({"candidates": [{"content": {"role": "model"}, "index": 0}], "modelVersion": "m"});
    event["candidates"][0]["content"]["parts"] = parts;
    event
}

fn stop(reason: &str) -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": reason}],
           "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 6}})
}

fn said(text: &str) -> ItemContent {
    ItemContent::Text { text: text.to_owned() }
}

fn thought(text: &str) -> ItemContent {
    ItemContent::Reasoning { text: text.to_owned() }
}

fn called(id: &str, name: &str, arguments: &str) -> ItemContent {
    ItemContent::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    })
}

/// A reply as Gemini 3 makes it: thoughts, work of the provider, text, parallel calls, signatures here and there.
fn rich() -> Vec<Value> {
    let search = json!({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["é"]}, "id": "s1"},
                        "thoughtSignature": "c2VhcmNo"});
    let found = json!({"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {}, "id": "s1"}});
    let call = json!({"functionCall": {"name": "default_api:vote", "args": {"z": 1, "a": "日本"}, "id": "c1"},
                      "thoughtSignature": "Y2FsbA=="});
    vec![
        parts(json!([{"text": "I ", "thought": true}])),
        parts(json!([{"text": "think", "thought": true}, search, found])),
        parts(json!([{"executableCode": {"language": "PYTHON", "code": "1+1"}}])),
        parts(json!([{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}])),
        parts(json!([{"text": "naïve"}])),
        parts(json!([{"text": " – answer", "thought": false}, {"text": "\n"}])),
        parts(json!([{"text": "", "thoughtSignature": "ZW1wdHk="}])),
        parts(json!([call, {"functionCall": {"name": "read", "id": "c2"}}])),
        stop("STOP"),
    ]
}

#[test]
fn every_part_is_kept_as_it_came_and_in_its_place() {
    let events = rich();
    let reply = read(&events).unwrap();
    let contents: Vec<_> = reply.items.iter().map(|item| item.content.clone()).collect();
    let expected = [
        thought("I think"),
        ItemContent::Opaque,
        ItemContent::Opaque,
        ItemContent::Opaque,
        ItemContent::Opaque,
        said("naïve – answer\n"),
        said(""),
        called("c1", "vote", "{\"z\":1,\"a\":\"日本\"}"),
        called("c2", "read", "{}"),
    ];
    assert_eq!(contents, expected);
    let provider = |position: usize| reply.items[position].provider.clone();
    assert_eq!((provider(0), provider(5)), (None, None), "plain text needs no second copy");
    let sent = |event: usize, part: usize| events[event]["candidates"][0]["content"]["parts"][part].clone();
    for (item, (event, part)) in
        [(1, (1, 1)), (2, (1, 2)), (3, (2, 0)), (4, (3, 0)), (6, (6, 0)), (8, (7, 1))]
    {
        assert_eq!(provider(item), Some(sent(event, part)), "item {item}");
    }
    let mut call = sent(7, 0);
    call["functionCall"]["name"] = "vote".into();
    assert_eq!(provider(7), Some(call), "the answer to a call must name the function that was called");
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert_eq!(reply.usage, TokenUsage { input: 10, output: 10, reasoning: 6, ..TokenUsage::default() });
}

#[test]
fn a_stream_gives_the_same_reply_wherever_it_is_cut() {
    let stream = rich().iter().map(|event| format!("data: {event}\r\n\r\n")).collect::<Vec<_>>().concat();
    let read =
        |pieces: Vec<&[u8]>| decode_stream(Box::new(Decoder::default()), Framing::Events, pieces).unwrap();
    let whole = read(vec![stream.as_bytes()]);
    assert_eq!(whole.items.len(), 9);
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(read(vec![left, right]), whole, "cut at {cut}");
    }
    assert_eq!(read(stream.as_bytes().chunks(1).collect()), whole);
}

#[test]
fn signed_texts_are_never_joined_with_others() {
    let reply = read(&[
        parts(
            json!([{"text": "a"}, {"text": "b", "thoughtSignature": "Yg=="}, {"text": "c"}, {"text": "d"}]),
        ),
        parts(json!([{"text": "e", "thoughtSignature": "ZQ=="}, {"text": "f", "thoughtSignature": "Zg=="}])),
        parts(json!([{"thoughtSignature": "Zw=="}, {"text": " "}, {"text": "\t", "thought": true}])),
        stop("STOP"),
    ])
    .unwrap();
    let items: Vec<_> =
        reply.items.iter().map(|item| (item.content.clone(), item.provider.clone())).collect();
    let signed = |text: &str, signature: &str| {
        (said(text), Some(json!({"text": text, "thoughtSignature": signature})))
    };
    let expected = [
        (said("a"), None),
        signed("b", "Yg=="),
        (said("cd"), None),
        signed("e", "ZQ=="),
        signed("f", "Zg=="),
        signed("", "Zw=="),
        (said(" "), Some(json!({"text": " "}))),
        (thought("\t"), Some(json!({"text": "\t", "thought": true}))),
    ];
    assert_eq!(items, expected);
    assert_eq!(reply.text(), "abcdef ");
}

#[test]
fn pieces_are_shown_as_they_come() {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    for (event, kind, text) in [
        (json!([{"text": "hm", "thought": true}]), DeltaKind::Reasoning, "hm"),
        (json!([{"text": "a"}, {"text": "b", "thoughtSignature": "Yg=="}]), DeltaKind::Text, "ab"),
        (
            json!([{"functionCall": {"name": "f", "args": {"x": [1]}}}]),
            DeltaKind::ToolArguments,
            "{\"x\":[1]}",
        ),
    ] {
        bench.event(&parts(event).to_string()).unwrap();
        assert_eq!(bench.pieces(), [(kind, text.to_owned())]);
    }
}

#[test]
fn calls_without_arguments_have_empty_ones() {
    for call in [
        json!({"name": "f", "id": "a"}),
        json!({"name": "f", "id": "a", "args": null}),
        json!({"name": "f", "id": "a", "args": {}}),
    ] {
        let reply = read(&[parts(json!([{ "functionCall": call }])), stop("STOP")]).unwrap();
        assert_eq!(reply.items[0].content, called("a", "f", "{}"), "{call}");
        assert_eq!(reply.items[0].provider, Some(json!({ "functionCall": call })), "it goes back as it came");
    }
}

#[test]
fn calls_with_one_id_are_one_call_if_they_say_the_same_and_two_if_not() {
    let call =
        |name: &str, value: u8| json!({"functionCall": {"name": name, "args": {"x": value}, "id": "a"}});
    let events = [
        parts(json!([call("f", 1), call("f", 1)])),
        parts(json!([call("f", 2), call("g", 1)])),
        stop("STOP"),
    ];
    let reply = read(&events).unwrap();
    let contents: Vec<_> = reply.items.iter().map(|item| item.content.clone()).collect();
    let ids = ["a", "agent1-call-1-tool-1", "agent1-call-1-tool-2"];
    let expected = [
        called(ids[0], "f", "{\"x\":1}"),
        called(ids[1], "f", "{\"x\":2}"),
        called(ids[2], "g", "{\"x\":1}"),
    ];
    assert_eq!(contents, expected);
    let sent = |item: &ReplyItem| item.provider.as_ref().unwrap()["functionCall"]["id"].clone();
    assert_eq!(reply.items.iter().map(sent).collect::<Vec<_>>(), ids, "results go by the ids that go back");
}

#[test]
fn calls_without_an_id_of_their_own_get_one() {
    let call = |id: &str, value: u8| json!({"functionCall": {"name": "f", "args": {"x": value}, "id": id}});
    let reply = read(&[
        parts(
            json!([{"functionCall": {"name": "f", "args": null}}, call("a", 1), call("a", 2), call("a", 1)]),
        ),
        parts(json!([{"functionCall": {"name": "f"}}])),
        stop("STOP"),
    ])
    .unwrap();
    let calls: Vec<_> = reply.tool_calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    let expected = [
        ("agent1-call-1-tool-0", "{}"),
        ("a", "{\"x\":1}"),
        ("agent1-call-1-tool-2", "{\"x\":2}"),
        ("agent1-call-1-tool-3", "{}"),
    ];
    assert_eq!(calls, expected, "the same call twice is one");
    assert_eq!(
        read(&[parts(json!([{"functionCall": {"args": {}}}])), stop("STOP")]),
        Err(NoReply::Incomplete(Incomplete::Malformed("a tool call without a name".to_owned())))
    );
}

#[test]
fn every_reason_to_stop_has_a_meaning() {
    let with_call = |reason: &str| {
        read(&[parts(json!([{"functionCall": {"name": "f"}}])), stop(reason)]).map(|reply| reply.finish)
    };
    assert_eq!(with_call("STOP"), Ok(FinishReason::ToolCalls));
    assert_eq!(with_call("FUNCTION_CALL"), Ok(FinishReason::ToolCalls));
    assert_eq!(with_call("MAX_TOKENS"), Ok(FinishReason::Length));
    let finish = |reason: &str| read(&[stop(reason)]).map(|reply| reply.finish);
    assert_eq!(finish("STOP"), Ok(FinishReason::Stop));
    for filter in
        ["SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "RECITATION", "LANGUAGE", "IMAGE_SAFETY"]
    {
        assert_eq!(finish(filter), Ok(FinishReason::ContentFilter), "{filter}");
    }
    for unsaid in ["OTHER", "IMAGE_OTHER"] {
        assert_eq!(finish(unsaid), Ok(FinishReason::Incomplete), "{unsaid}");
    }
    for other in ["UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "NEW"] {
        assert_eq!(finish(other), Ok(FinishReason::Other(other.to_owned())));
    }
    let malformed =
        json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "print(vote"}]});
    let told = "the model stopped with `MALFORMED_FUNCTION_CALL`: print(vote".to_owned();
    assert_eq!(read(&[malformed]), Err(NoReply::Fault(Fault::Malformed(told))));
}

#[test]
fn a_blocked_prompt_is_an_empty_reply_of_the_filter() {
    let reply = read(&[
        json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}),
    ])
    .unwrap();
    assert_eq!((reply.items.len(), reply.finish), (0, FinishReason::ContentFilter));
    assert_eq!((reply.usage.input, reply.usage.source), (9, UsageSource::Api));
    let fine = json!({"promptFeedback": {"safetyRatings": []}});
    assert_eq!(read(&[fine]), Err(NoReply::Incomplete(Incomplete::Cut)));
}

#[test]
fn a_stream_that_ends_without_a_reason_is_cut_short() {
    let cut = Err(NoReply::Incomplete(Incomplete::Cut));
    assert_eq!(read(&[parts(json!([{"text": "half an ans"}]))]), cut);
    assert_eq!(read(&[]), cut);
    let unspecified = stop("FINISH_REASON_UNSPECIFIED");
    assert_eq!(read(&[unspecified]), cut);
    assert_eq!(
        decode(
            Box::new(Decoder::default()),
            [parts(json!([{"text": "x"}])).to_string(), "[DONE]".to_owned()]
        ),
        cut
    );
}

#[test]
fn a_round_of_the_providers_tools_may_give_a_reason_before_the_reply_goes_on() {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    bench.event(&stop("STOP").to_string()).unwrap();
    assert!(
        !bench.draft.is_finished() && !bench.draft.is_over(),
        "only the end of the stream ends the reply"
    );
    bench.event(&parts(json!([{"text": "more"}])).to_string()).unwrap();
    bench.event(&stop("MAX_TOKENS").to_string()).unwrap();
    let reply = bench.reply().unwrap();
    assert_eq!((reply.text(), reply.finish), ("more".to_owned(), FinishReason::Length));
}

#[test]
fn the_last_usage_counts_and_a_missing_one_is_estimated() {
    let early = json!({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1}});
    let late = json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 7}});
    assert_eq!(read(&[early, late]).unwrap().usage.output, 7);
    let text =
        json!({"candidates": [{"content": {"parts": [{"text": "12345678"}]}, "finishReason": "STOP"}]});
    let usage = read(&[text]).unwrap().usage;
    assert_eq!((usage.input, usage.output, usage.source), (101, 2, UsageSource::Estimated));
}

#[test]
fn an_error_in_the_stream_is_one() {
    let error = json!({"code": 503, "message": "overloaded", "status": "UNAVAILABLE"});
    let events = [parts(json!([{"text": "x"}])), json!({"error": error})];
    assert_eq!(read(&events), Err(NoReply::Fault(Fault::Said(error))));
}

#[test]
fn what_nobody_knows_is_kept_or_skipped() {
    let reply = read(&[
        json!({"responseId": "r", "modelStatus": {"x": 1}}),
        json!({"candidates": [{"index": 1, "content": {"parts": [{"text": "the other"}]}, "finishReason": "STOP"},
                              {"content": {"parts": [7, null, "x", {"holo": {"a": [1]}}]}, "avgLogprobs": -1, "finishReason": null}]}),
        json!({"candidates": null}),
        json!({"candidates": [{"content": null, "groundingMetadata": {"webSearchQueries": ["q"]}}]}),
        stop("STOP"),
    ])
    .unwrap();
    let expected = ReplyItem { content: ItemContent::Opaque, provider: Some(json!({"holo": {"a": [1]}})) };
    assert_eq!(reply.items, [expected]);
}

#[test]
fn a_document_is_one_reply_or_a_list_of_its_fragments() {
    let read = |body: Value| {
        let mut bench = Bench::new(Box::new(Decoder::default()));
        bench.decoder.document(&body.to_string(), &mut bench.draft).unwrap();
        bench.reply().unwrap().text()
    };
    let whole = json!({"candidates": [{"content": {"parts": [{"text": "whole"}]}, "finishReason": "STOP"}]});
    assert_eq!(read(whole.clone()), "whole");
    assert_eq!(read(json!([parts(json!([{"text": "the "}])), whole])), "the whole");
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let refused = bench.decoder.document(r#"[{"error": {"code": 429}}]"#, &mut bench.draft);
    assert_eq!(refused, Err(Fault::Said(json!({"code": 429}))));
}

#[test]
fn parts_without_a_byte_of_text_have_a_weight() {
    let mut bench = Bench::new(Box::new(Decoder::default()));
    let many = parts(Value::Array(vec![json!({"text": "", "thoughtSignature": ""}); 1000])).to_string();
    bench.draft.weigh(limits::REPLY_BYTES - 1_000_000);
    let mut events = 0;
    while !bench.draft.is_too_long() {
        bench.event(&many).unwrap();
        events += 1;
        assert!(events < 20, "the reply grows without a bound");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(data in ".{0,200}", cut in 0_usize..2000, junk in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut bench = Bench::new(Box::new(Decoder::default()));
        let _ = bench.event(&data);
        let _ = bench.decoder.document(&data, &mut bench.draft);
        let _ = bench.reply();
        // A good stream with some bytes replaced.
        let mut stream: Vec<u8> = rich().iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect();
        let at = cut.min(stream.len());
        let end = (at + junk.len()).min(stream.len());
        stream.splice(at..end, junk);
        let _ = decode_stream(Box::new(Decoder::default()), Framing::Events, [stream.as_slice()]);
    }

    #[test]
    fn text_survives_however_it_is_split_into_pieces(pieces in prop::collection::vec((any::<bool>(), ".{0,6}"), 0..40)) {
        let mut events: Vec<Value> =
            pieces.iter().map(|(thought, text)| parts(json!([{"text": text, "thought": thought}]))).collect();
        events.push(stop("STOP"));
        let reply = read(&events).unwrap();
        let whole = |kind: bool| pieces.iter().filter(|(thought, _)| *thought == kind).map(|(_, text)| text.as_str()).collect::<String>();
        prop_assert_eq!(reply.text(), whole(false));
        prop_assert_eq!(reply.reasoning(), whole(true));
    }
}

/// A picture as Gemini makes one: with a draft that it thought of, and a signature.
fn painted() -> Vec<Value> {
    let draft = json!({"inlineData": {"mimeType": "image/png", "data": "ZHJhZnQ="}, "thought": true});
    let picture =
        json!({"inlineData": {"mimeType": "image/png", "data": "cGljdHVyZQ=="}, "thoughtSignature": "c2ln"});
    let sound = json!({"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "c291bmQ="}});
    vec![
        parts(json!([{"text": "I paint", "thought": true}, draft])),
        parts(json!([{"text": "Here"}, picture])),
        parts(json!([{"text": " it is"}, sound])),
        stop("STOP"),
    ]
}

#[test]
fn pictures_and_sounds_are_files_and_their_parts_stay_as_they_came() {
    let events = painted();
    let reply = read(&events).unwrap();
    let files: Vec<_> =
        reply.files().map(|file| (file.media_type.to_owned(), file.bytes().unwrap())).collect();
    let expected =
        [("image/png".to_owned(), b"picture".to_vec()), ("audio/l16".to_owned(), b"sound".to_vec())];
    assert_eq!(files, expected, "what was thought of is none");
    assert_eq!(reply.items[1].content, ItemContent::Opaque);
    for (item, (event, part)) in [(1, (0, 1)), (3, (1, 1)), (5, (2, 1))] {
        let sent = &events[event]["candidates"][0]["content"]["parts"][part];
        assert_eq!(reply.items[item].provider.as_ref(), Some(sent), "item {item}");
    }
    assert_eq!((reply.items.len(), reply.text()), (6, "Here it is".to_owned()));
}

#[test]
fn a_stream_with_pictures_gives_the_same_reply_wherever_it_is_cut() {
    let stream = painted().iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>().concat();
    let read =
        |pieces: Vec<&[u8]>| decode_stream(Box::new(Decoder::default()), Framing::Events, pieces).unwrap();
    let whole = read(vec![stream.as_bytes()]);
    assert_eq!(whole.files().count(), 2);
    for cut in 0..=stream.len() {
        let (left, right) = stream.as_bytes().split_at(cut);
        assert_eq!(read(vec![left, right]), whole, "cut at {cut}");
    }
}

#[test]
fn data_that_is_no_base64_goes_back_but_is_no_file() {
    for data in [json!("?"), json!(1), Value::Null, json!({})] {
        let part = json!({"inlineData": {"mimeType": "image/png", "data": data}});
        let reply = read(&[parts(json!([part])), stop("STOP")]).unwrap();
        assert_eq!(reply.items, [ReplyItem { content: ItemContent::Opaque, provider: Some(part) }]);
    }
}

#[test]
fn more_pictures_than_a_reply_holds_are_too_long_a_reply() {
    let half = parts(
        json!([{"inlineData": {"mimeType": "image/png", "data": "A".repeat(limits::REPLY_BYTES / 2)}}]),
    );
    let mut bench = Bench::new(Box::new(Decoder::default()));
    bench.event(&half.to_string()).unwrap();
    assert!(!bench.draft.is_too_long());
    bench.event(&half.to_string()).unwrap();
    assert!(bench.draft.is_too_long());
}
