//! What goes wrong is tried again as the policy says, and told once when it is given up.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_model::{FirstSilence, RetryPolicy};
use massgen_ports::contract::model_ends_once;
use massgen_ports::{Model, ModelEvent};
use massgen_protocol::limits::REPLY_BYTES;
use massgen_protocol::message::{FailureKind, Message};
use massgen_protocol::{AttachedFile, Attachment, AttachmentContent, AttachmentKind};
use massgen_testkit::model_server::chunks::{self, Frame};
use massgen_testkit::model_server::{Fault, ModelServer, Outcome, ReceivedRequest, Schedule, ScriptedReply};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{agent, hasty, model, question, request, see, serve};

/// The first request of a call gets `reply`, later ones succeed.
fn first(reply: ScriptedReply) -> impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static {
    move |request| {
        if request.repeat == 0 { reply.clone() } else { ScriptedReply::text("second time") }
    }
}

fn always(reply: ScriptedReply) -> impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static {
    move |_| reply.clone()
}

#[tokio::test]
async fn failures_that_pass_are_tried_again() {
    let text = || ScriptedReply::text("one two three four five six");
    for (fault, kind) in [
        (ScriptedReply::refusal(429, "rate_limit_exceeded", "slow down"), FailureKind::RateLimited),
        (ScriptedReply::refusal(500, "oops", "broken"), FailureKind::Server),
        (ScriptedReply::refusal(529, "overloaded_error", "busy"), FailureKind::Server),
        (ScriptedReply::refusal(408, "timeout", "late"), FailureKind::Timeout),
        (text().with_fault(Fault::Cut(2)), FailureKind::Network),
        (text().with_fault(Fault::Cut(0)), FailureKind::Network),
        (text().with_fault(Fault::Malformed(2)), FailureKind::Malformed),
        (raw(&[chunks::delta("m", &json!({"content": "x"}))]), FailureKind::Network),
        (raw(&[chunks::event(r#"{"error":{"code":502,"message":"upstream"}}"#)]), FailureKind::Server),
        (raw(&[chunks::DONE.to_owned()]), FailureKind::Malformed),
    ] {
        let (server, model) = serve(first(fault.clone())).await;
        let seen = see(&model, question()).await;
        assert_eq!(seen.retry_kinds(), [kind], "{fault:?}");
        assert_eq!(seen.streamed[0], "second time", "{fault:?}");
        assert_eq!(seen.reply().text(), "second time");
        let requests = server.requests();
        assert_eq!(requests[0].body, requests[1].body, "the same bytes are sent again");
        assert!(requests.iter().all(|request| request.call.as_deref() == Some("agent1-call-1")));
    }
}

#[tokio::test]
async fn failures_that_stay_are_told_at_once() {
    for (status, code, kind) in [
        (400, "invalid_request_error", FailureKind::Rejected),
        (400, "context_length_exceeded", FailureKind::ContextOverflow),
        (401, "invalid_api_key", FailureKind::Unauthorized),
        (402, "billing_error", FailureKind::QuotaExhausted),
        (403, "permission_error", FailureKind::Unauthorized),
        (404, "model_not_found", FailureKind::Rejected),
        (413, "request_too_large", FailureKind::ContextOverflow),
        (422, "invalid_request_error", FailureKind::Rejected),
        (429, "insufficient_quota", FailureKind::QuotaExhausted),
    ] {
        let (server, model) = serve(always(ScriptedReply::refusal(status, code, "no way"))).await;
        let seen = see(&model, question()).await;
        assert!(seen.retries.is_empty(), "{status} {code}");
        let failure = seen.end.unwrap_err();
        assert_eq!((failure.kind, failure.attempts), (kind, 1), "{status} {code}");
        assert!(failure.message.contains("127.0.0.1") && failure.message.contains(": no way"), "{failure}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_for_its_files_is_no_full_window() {
    let file = |bytes: usize| {
        let content = AttachmentContent::Blob { hash: "ab".repeat(32), bytes: bytes as u64 };
        let (name, media_type) = ("a.png".to_owned(), "image/png".to_owned());
        let attachment = Attachment { name, media_type, kind: AttachmentKind::Image, content };
        Arc::new(AttachedFile { attachment, bytes: vec![7; bytes].into() })
    };
    for (bytes, kind) in [(100_000, FailureKind::Rejected), (30, FailureKind::ContextOverflow)] {
        let (_server, model) =
            serve(always(ScriptedReply::refusal(413, "request_too_large", "no way"))).await;
        let message = Message::User { text: "long ".repeat(1000), files: vec![file(bytes)] };
        let failure = see(&model, request(vec![message])).await.end.unwrap_err();
        assert_eq!((failure.kind, failure.attempts), (kind, 1), "{bytes}");
        assert_eq!(failure.message.contains("make them smaller"), bytes > 1000, "{failure}");
    }
}

#[tokio::test]
async fn a_call_is_given_up_after_its_attempts() {
    let (server, model) = serve(always(ScriptedReply::refusal(503, "busy", "come back"))).await;
    let seen = see(&model, question()).await;
    assert_eq!(seen.retries.iter().map(|retry| retry.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let failure = seen.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts, server.requests().len()), (FailureKind::Server, 5, 5));
}

#[tokio::test]
async fn the_wait_that_a_server_asks_for_is_kept_and_too_long_a_one_ends_the_call() {
    let limited = |wait: &str| {
        ScriptedReply::refusal(429, "rate_limit_exceeded", "slow").with_header("retry-after", wait)
    };
    let soon = ScriptedReply::refusal(429, "rate_limit_exceeded", "slow").with_header("retry-after-ms", "37");
    let (_server, model) = serve(first(soon)).await;
    let seen = see(&model, question()).await;
    assert_eq!(seen.retries[0].3, Duration::from_millis(37));
    seen.reply();

    let (_server, model) = serve(first(limited("121"))).await;
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::RateLimited, 1));
    assert!(failure.message.contains("wait 121 s"), "{failure}");
}

#[tokio::test]
async fn what_the_server_says_of_a_repetition_is_done() {
    let said =
        |status, word| ScriptedReply::refusal(status, "some_error", "no").with_header("x-should-retry", word);
    let (server, model) = serve(first(said(400, "true"))).await;
    see(&model, question()).await.reply();
    assert_eq!(server.requests().len(), 2);
    let (server, model) = serve(first(said(503, "false"))).await;
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, server.requests().len()), (FailureKind::Server, 1));
}

#[tokio::test]
async fn a_wait_past_the_deadline_ends_the_call_at_once() {
    let (server, _) = serve(first(
        ScriptedReply::refusal(429, "rate_limit_exceeded", "slow").with_header("retry-after", "60"),
    ))
    .await;
    let policy = RetryPolicy { deadline: Duration::from_secs(59), ..hasty() };
    let seen = see(&model(&server, policy), question()).await;
    let failure = seen.end.unwrap_err();
    assert!(failure.message.ends_with("no time is left to try again"), "{failure}");
    assert_eq!((seen.retries.len(), server.requests().len()), (0, 1));
}

/// Requests that `model` sends, each as the seconds since the call began, on a clock that stands still but for the
/// waits between them; and how the call ends.
async fn seconds_of_requests(model: &dyn Model) -> (Vec<u64>, Option<ModelEvent>) {
    // A clock that is paused runs ahead to the next timer when nothing else is to do, so also while an answer is on its
    // way. It does not while a thread is at work that may block.
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || wait.recv());
    let begin = Instant::now();
    let mut call = model.call(question());
    let mut seconds = vec![0];
    let mut end = None;
    while let Some(event) = call.next().await {
        match event {
            ModelEvent::Retrying { delay, .. } => {
                tokio::time::advance(delay).await;
                seconds.push(begin.elapsed().as_secs());
            }
            ModelEvent::Delta { .. } | ModelEvent::Service { .. } => {}
            ModelEvent::Finished(_) | ModelEvent::Failed(_) => end = Some(event),
        }
    }
    drop(done);
    assert!(matches!(busy.await, Ok(Err(_))), "the clock was held until here");
    (seconds, end)
}

#[tokio::test(start_paused = true)]
async fn repeats_stop_at_the_deadline_and_what_is_asked_for_beyond_it_is_not_waited_for() {
    let asks = |seconds: &str| {
        ScriptedReply::refusal(429, "rate_limit_exceeded", "slow").with_header("retry-after", seconds)
    };
    let policy = RetryPolicy { attempts: 100, deadline: Duration::from_secs(35), ..RetryPolicy::default() };
    for (reply, sent) in [
        // After the fourth request the next one would begin at 40 s.
        (asks("10"), vec![0, 10, 20, 30]),
        (asks("34"), vec![0, 34]),
        (asks("35"), vec![0]),
    ] {
        let (server, _) = serve(always(reply)).await;
        let begin = Instant::now();
        let (seconds, end) = seconds_of_requests(&model(&server, policy)).await;
        assert_eq!(seconds, sent);
        assert_eq!(server.requests().len(), sent.len());
        assert_eq!(begin.elapsed().as_secs(), sent[sent.len() - 1], "it fails at once");
        let Some(ModelEvent::Failed(failure)) = end else { panic!("{end:?}") };
        assert!(failure.message.ends_with("no time is left to try again"), "{failure}");
    }
}

#[tokio::test]
async fn nothing_is_sent_past_the_deadline_however_late_the_caller_asks_on() {
    let (server, _) = serve(always(ScriptedReply::refusal(503, "busy", "come back"))).await;
    let policy = RetryPolicy { deadline: Duration::from_mins(1), ..hasty() };
    let mut call = model(&server, policy).call(question());
    assert!(matches!(call.next().await, Some(ModelEvent::Retrying { .. })));
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    tokio::time::resume();
    let Some(ModelEvent::Failed(failure)) = call.next().await else { panic!("it goes on") };
    assert!(failure.message.contains("took longer than 60 s"), "{failure}");
    assert_eq!((failure.attempts, server.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_reply_that_is_too_long_is_not_asked_for_again() {
    let piece = chunks::delta("m", &json!({"content": "x".repeat(1024 * 1024)}));
    let pieces = REPLY_BYTES / (1024 * 1024) + 1;
    let (server, model) = serve(always(raw(&vec![piece; pieces]))).await;
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Malformed, 1));
    assert!(failure.message.contains("a reply of more than 16777216 bytes"), "{failure}");
    assert_eq!(server.requests().len(), 1, "it is not paid twice");
}

#[tokio::test]
async fn silence_is_a_timeout_and_tried_again() {
    for (fault, told) in [
        (ScriptedReply::Hang, "silent for 80 ms"),
        (ScriptedReply::text("one two three").with_fault(Fault::Silence(1)), "silent for 80 ms"),
    ] {
        let server = ModelServer::start(first(fault), Schedule::default()).await.unwrap();
        let policy = RetryPolicy { idle_timeout: Duration::from_millis(80), ..hasty() };
        let seen = see(&model(&server, policy), question()).await;
        assert_eq!(seen.retry_kinds()[0], FailureKind::Timeout);
        assert!(seen.retries[0].2.contains(told), "{:?}", seen.retries);
        assert_eq!(seen.reply().text(), "second time");
    }
}

#[tokio::test]
async fn a_server_of_ones_own_may_be_silent_before_its_first_piece_and_not_after_it() {
    let policy = RetryPolicy {
        idle_timeout: Duration::from_secs(2),
        deadline: Duration::from_secs(30),
        first_silence: FirstSilence::UntilDeadline,
        attempts: 1,
        ..hasty()
    };
    let head = ScriptedReply::Raw {
        content_type: "text/event-stream".to_owned(),
        frames: vec![Frame::data(": wait\n\n"), Frame::Silence],
    };
    let begun = ScriptedReply::text("one two three").with_fault(Fault::Silence(1));
    for (reply, told) in [(ScriptedReply::Hang, " 30 s"), (head, " 30 s"), (begun, "silent for 2 s")] {
        let server = ModelServer::start(always(reply.clone()), Schedule::default()).await.unwrap();
        let model = model(&server, policy);
        let has_begun = matches!(reply, ScriptedReply::Speak(_));
        let mut call = model.call(question());
        if has_begun {
            assert!(matches!(call.next().await, Some(ModelEvent::Delta { .. })));
        }
        let end = tokio::spawn(async move { call.collect::<Vec<_>>().await.pop() });
        server.received(1).await;
        // From here on nothing happens but that time passes.
        tokio::time::pause();
        let end = end.await.unwrap();
        tokio::time::resume();
        let Some(ModelEvent::Failed(failure)) = end else { panic!("{reply:?}: {end:?}") };
        assert!(failure.message.contains(told), "{failure}");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_however_busy_the_server_keeps_it() {
    let drip = |_: &ReceivedRequest| ScriptedReply::text("x".repeat(10_000));
    let schedule = Schedule { chunks: 10_000, interval: Duration::from_millis(10), ..Schedule::default() };
    let server = ModelServer::start(drip, schedule).await.unwrap();
    let policy = RetryPolicy { deadline: Duration::from_millis(120), ..hasty() };
    let seen = see(&model(&server, policy), question()).await;
    let failure = seen.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Timeout, 1));
    assert!(failure.message.contains("took longer than 120 ms"), "{failure}");
    server.ended(1).await;
    assert_eq!(server.requests()[0].outcome(), Outcome::Abandoned, "the connection is closed");
}

#[tokio::test]
async fn a_reply_that_is_complete_survives_a_bad_end_of_its_connection() {
    let complete =
        format!("{}{}", chunks::delta("m", &json!({"content": "whole"})), chunks::finish("m", "stop"));
    let frames = vec![Frame::data(complete), Frame::Cut];
    let reply = ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames };
    let (server, model) = serve(always(reply)).await;
    let reply = see(&model, question()).await.reply();
    assert_eq!(reply.text(), "whole");
    assert_eq!(server.requests().len(), 1, "it is not paid twice");
}

#[tokio::test]
async fn a_page_instead_of_a_reply_points_to_the_base_url() {
    let page =
        ScriptedReply::Raw { content_type: "text/html".to_owned(), frames: vec![Frame::data("<html>")] };
    let (_server, model) = serve(always(page)).await;
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Rejected, 1));
    assert!(failure.message.contains("text/html") && failure.message.contains("base URL"), "{failure}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_network_failure() {
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let agent = agent(&format!("http://{address}/v1"), &[]);
    let keys = massgen_model::Keys::default();
    let model =
        massgen_model::connect_with(&agent, &keys, &massgen_model::HttpClient::new(), hasty()).unwrap();
    let failure = see(&model, question()).await.end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Network, 5));
    assert!(failure.message.starts_with(&format!("no connection to `{address}`: ")), "{failure}");
}

#[tokio::test]
async fn every_call_ends_once() {
    for reply in [
        ScriptedReply::text("fine"),
        ScriptedReply::text(""),
        ScriptedReply::text("one two three").with_fault(Fault::Cut(1)),
        ScriptedReply::refusal(500, "x", "x"),
        ScriptedReply::refusal(401, "x", "x"),
        raw(&[]),
    ] {
        let (_server, model) = serve(always(reply)).await;
        model_ends_once(&model, question()).await.unwrap();
    }
}

fn raw(events: &[String]) -> ScriptedReply {
    let frames = events.iter().cloned().map(Frame::data).collect();
    ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames }
}
