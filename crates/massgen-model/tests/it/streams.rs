//! Long streams and many streams.

use std::time::Duration;

use futures::StreamExt;
use massgen_model::{HttpClient, Keys, connect};
use massgen_ports::ModelEvent;
use massgen_testkit::model_server::chunks::{self, Frame};
use massgen_testkit::model_server::{Keep, ModelServer, Options, Outcome, Schedule, ScriptedReply};
use serde_json::json;

use crate::support::{agent, question, see, serve};

#[tokio::test]
async fn events_arrive_whole_however_the_bytes_are_cut() {
    let stream: String = [
        chunks::delta("m", &json!({"content": "naïve – "})),
        ": comment\r\n\r\n".to_owned(),
        chunks::delta("m", &json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"é\":"}}]})),
        chunks::delta("m", &json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}]})),
        chunks::delta("m", &json!({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]})),
        chunks::delta("m", &json!({"content": "日本"})),
        chunks::finish("m", "tool_calls"),
        chunks::DONE.to_owned(),
    ]
    .concat();
    for size in [1, 2, 3, 5, 7, 11, 64] {
        let frames: Vec<Frame> =
            stream.as_bytes().chunks(size).map(|piece| Frame::data(piece.to_vec())).collect();
        let reply = ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames };
        let (_server, model) = serve(move |_| reply.clone()).await;
        let reply = see(&model, question()).await.reply();
        assert_eq!(reply.text(), "naïve – 日本", "pieces of {size}");
        let calls: Vec<_> = reply.tool_calls().map(|call| call.arguments.as_str()).collect();
        assert_eq!(calls, ["{\"é\":1}", "{}"], "pieces of {size}");
    }
}

#[tokio::test]
async fn twenty_thousand_chunks_give_their_text_once() {
    const CHUNKS: usize = 20_000;
    let text = (0..CHUNKS).map(|number| format!("{number:06} ")).collect::<Vec<_>>().concat();
    let script = {
        let text = text.clone();
        move |_: &_| ScriptedReply::text(text.clone())
    };
    let schedule = Schedule { chunks: CHUNKS, ..Schedule::default() };
    let server = ModelServer::start(script, schedule).await.unwrap();
    let model = connect(&agent(&server.base_url(), &[]), &Keys::default(), &HttpClient::new()).unwrap();
    let mut events = model.call(question());
    let (mut streamed, mut largest, mut reply) = (0, 0, None);
    while let Some(event) = events.next().await {
        match event {
            ModelEvent::Delta { text, .. } => {
                streamed += text.len();
                largest = largest.max(text.len());
            }
            ModelEvent::Finished(finished) => reply = Some(finished),
            other @ (ModelEvent::Retrying { .. } | ModelEvent::Service { .. } | ModelEvent::Failed(_)) => {
                panic!("{other:?}")
            }
        }
    }
    assert_eq!(reply.unwrap().text(), text);
    assert_eq!(streamed, text.len(), "no piece comes twice");
    assert!(largest < text.len() / 4, "a piece holds what is new, not what has been");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_streams_run_at_once() {
    const STREAMS: usize = 300;
    let schedule =
        Schedule { first_token: Duration::from_millis(100), chunks: 5, interval: Duration::from_millis(20) };
    let options = Options { keep: Keep::Hashes, ..Options::default() };
    let text = "some words that fill five chunks";
    let server =
        ModelServer::start_with(move |_| ScriptedReply::text(text), schedule, options).await.unwrap();
    let http = HttpClient::new();
    let calls: Vec<_> = (0..STREAMS)
        .map(|_| {
            let model = connect(&agent(&server.base_url(), &[]), &Keys::default(), &http).unwrap();
            tokio::spawn(async move { see(&*model, question()).await })
        })
        .collect();
    for call in calls {
        let seen = call.await.unwrap();
        assert!(seen.retries.is_empty(), "{:?}", seen.retries);
        assert_eq!(seen.reply().text(), text);
    }
    let requests = server.requests();
    let last_arrival = requests.iter().map(|request| request.arrived).max().unwrap();
    let first_end = requests.iter().filter_map(|request| request.finished()).min().unwrap();
    assert_eq!(requests.len(), STREAMS);
    assert!(requests.iter().all(|request| request.outcome() == Outcome::Complete));
    assert!(last_arrival < first_end + Duration::from_secs(5), "{last_arrival:?} {first_end:?}");
}

#[tokio::test]
async fn dropping_the_events_closes_the_connection() {
    let schedule = Schedule { chunks: 1000, interval: Duration::from_millis(50), ..Schedule::default() };
    let server = ModelServer::start(|_| ScriptedReply::text("x".repeat(1000)), schedule).await.unwrap();
    let model = connect(&agent(&server.base_url(), &[]), &Keys::default(), &HttpClient::new()).unwrap();
    let mut events = model.call(question());
    assert!(server.requests().is_empty(), "nothing is sent before the first poll");
    assert!(matches!(events.next().await, Some(ModelEvent::Delta { .. })));
    drop(events);
    server.ended(1).await;
    assert_eq!(server.requests()[0].outcome(), Outcome::Abandoned);
}
