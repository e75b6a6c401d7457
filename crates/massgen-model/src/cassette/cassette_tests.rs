//! Recording and replaying together.

use std::path::{Path, PathBuf};

use futures::FutureExt;
use massgen_ports::contract;
use massgen_protocol::message::Message;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::cassette::test_run::{AGENTS, Fixed, end, header, id, reply, request, take};
use crate::cassette::{CassetteWriter, Recorder};

/// A cassette file in a folder of its own.
struct Tape {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Tape {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.cassette");
        Self { _folder: folder, path }
    }

    /// Records `model`.
    fn recorder(&self, model: impl Model + 'static) -> Recorder {
        Recorder::new(Arc::new(model), Arc::new(self.writer(Redaction::none())))
    }

    fn writer(&self, redaction: Redaction) -> CassetteWriter {
        CassetteWriter::open(&self.path, &header(), redaction).unwrap()
    }

    fn replay(&self) -> Arc<Replay> {
        self.replay_at(Pace::AsFastAsPossible)
    }

    fn replay_at(&self, pace: Pace) -> Arc<Replay> {
        Arc::new(Replay::new(load(&self.path), pace, Redaction::none()))
    }
}

fn load(path: &Path) -> Cassette {
    Cassette::load(path).unwrap()
}

/// A model whose replies tell which call they are for.
fn echo() -> Fixed<impl Fn(&ModelRequest) -> ModelEvent + Send + Sync> {
    Fixed(|request: &ModelRequest| finished(&request.context.call.to_string()))
}

fn finished(text: &str) -> ModelEvent {
    ModelEvent::Finished(Box::new(reply(text)))
}

fn plain(agent: &str, number: u32) -> ModelRequest {
    request(agent, number, &["question".to_owned()])
}

fn failure(event: &ModelEvent) -> &ModelFailure {
    match event {
        ModelEvent::Failed(failure) => failure,
        other => panic!("no failure but {other:?}"),
    }
}

/// A little session: three agents with `calls` calls each. Every request shows all ends that the session has seen
/// so far, so another order gives other requests. Gives the ends in the order in which they were seen.
async fn session(model: Arc<dyn Model>, calls: u32) -> Vec<(String, u32, ModelEvent)> {
    let (to_session, mut ends) = mpsc::channel(8);
    let start = |agent: &'static str, number: u32, log: Vec<String>| {
        let (model, to_session) = (Arc::clone(&model), to_session.clone());
        async move {
            let mut call = model.call(request(agent, number, &log));
            let end = end(&mut call).await;
            to_session.send((agent, number, end)).await.unwrap();
        }
    };
    let mut turns = JoinSet::new();
    let mut seen = Vec::new();
    let mut log = Vec::new();
    for agent in AGENTS {
        turns.spawn(start(agent, 1, log.clone()));
    }
    let expected = AGENTS.len() * usize::try_from(calls).unwrap();
    while seen.len() < expected {
        let (agent, number, end) = ends.recv().await.unwrap();
        log.push(format!("{agent} {number} {end:?}"));
        seen.push((agent.to_owned(), number, end));
        if number < calls {
            turns.spawn(start(agent, number + 1, log.clone()));
        }
    }
    turns.join_all().await;
    seen
}

/// Agents at different speeds, with a failure here and there.
struct Uneven;

impl Model for Uneven {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let call = request.context.call;
        let fast = u64::from(call.number) * 7 + u64::try_from(call.agent.index()).unwrap() * 13;
        let pause = Duration::from_millis(fast % 17 + 1);
        let inner = Fixed(|request: &ModelRequest| {
            if request.context.call.number == 3 {
                ModelEvent::Failed(ModelFailure {
                    kind: FailureKind::Server,
                    message: "down".into(),
                    attempts: 4,
                })
            } else {
                finished(&format!("{} after {} messages", request.context.call, request.messages.len()))
            }
        });
        stream::once(tokio::time::sleep(pause)).flat_map(move |()| inner.call(request.clone())).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_gives_the_same_ends_in_the_same_order() {
    let tape = Tape::new();
    let recorded = session(Arc::new(tape.recorder(Uneven)), 5).await;
    let order: Vec<_> = recorded.iter().map(|(agent, ..)| agent.as_str()).collect();
    assert_ne!(order, ["a", "b", "c"].repeat(5), "the agents must not simply take turns");
    for pace in [Pace::AsFastAsPossible, Pace::Recorded] {
        let replay = tape.replay_at(pace);
        assert_eq!(session(Arc::new(Replayer::new(Arc::clone(&replay))), 5).await, recorded, "{pace:?}");
        assert_eq!(replay.left_at(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_holds_on_several_threads() {
    let tape = Tape::new();
    let recorded = session(Arc::new(tape.recorder(Uneven)), 5).await;
    for _ in 0..20 {
        assert_eq!(session(Arc::new(Replayer::new(tape.replay())), 5).await, recorded);
    }
}

#[tokio::test(start_paused = true)]
async fn recorders_and_replayers_end_each_call_once() {
    let tape = Tape::new();
    contract::model_ends_once(&tape.recorder(echo()), plain("a", 1)).await.unwrap();
    let model = Replayer::new(tape.replay());
    contract::model_ends_once(&model, plain("a", 1)).await.unwrap();
    contract::model_ends_once(&model, plain("a", 2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_recorder_passes_everything_on_and_writes_when_the_end_is_taken() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    let expected: Vec<_> = echo().call(plain("a", 1)).collect().await;
    assert_eq!(recorder.call(plain("a", 1)).collect::<Vec<_>>().await, expected);
    assert_eq!(load(&tape.path).calls(), 1);

    let mut b = recorder.call(plain("b", 1));
    end(&mut b).await;
    assert_eq!(load(&tape.path).calls(), 1, "nobody has taken the end of b yet");
    assert_eq!(b.next().await, None);
    let mut c = recorder.call(plain("c", 1));
    end(&mut c).await;
    drop(c);
    let order: Vec<_> = load(&tape.path).lines.iter().map(|line| line.agent.to_string()).collect();
    assert_eq!(order, ["a", "b", "c"]);

    drop(recorder.call(plain("a", 2)));
    assert_eq!(load(&tape.path).calls(), 3, "a call that was never polled sent nothing");
}

#[tokio::test(start_paused = true)]
async fn a_recorder_gives_out_no_end_while_another_one_is_not_taken() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    let mut b = recorder.call(plain("b", 1));
    let mut c = recorder.call(plain("c", 1));
    let mut a = recorder.call(plain("a", 1));
    end(&mut c).await;
    let minute = Duration::from_mins(1);
    assert!(tokio::time::timeout(minute, end(&mut a)).await.is_err());
    assert!(tokio::time::timeout(minute, end(&mut b)).await.is_err());
    drop(a);
    assert_eq!(load(&tape.path).calls(), 0);
    drop(c);
    assert_eq!(end(&mut b).now_or_never(), Some(finished("agent2-call-1")));
    drop(b);
    let lines = load(&tape.path).lines;
    let ends: Vec<_> = lines.iter().map(|line| (line.agent.as_str(), line.end == RecordedEnd::Cut)).collect();
    assert_eq!(ends, [("c", false), ("a", true), ("b", false)], "what c said may be why a was cut off");
    let duration = lines.last().map(|line| line.duration_ms);
    assert_eq!(duration, Some(30), "the wait for the session is not the model's");
}

#[tokio::test(start_paused = true)]
async fn a_finished_recording_holds_the_end_that_was_still_with_the_session() {
    let tape = Tape::new();
    let writer = Arc::new(tape.writer(Redaction::none()));
    let recorder = Recorder::new(Arc::new(echo()), Arc::clone(&writer));
    assert_eq!(writer.finish().await, None);
    let mut call = recorder.call(plain("a", 1));
    end(&mut call).await;
    assert_eq!(writer.finish().now_or_never(), None, "the end is not taken");
    tokio::spawn(async move { call.next().await });
    assert_eq!(writer.finish().await, None);
    assert_eq!(load(&tape.path).calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_calls_that_were_made_before_it_came() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    let mut b = recorder.call(plain("b", 1));
    b.next().await;
    take(&recorder, plain("a", 1)).await;
    // A tool of a runs here and ends before the reply of b comes.
    let mut second = recorder.call(plain("a", 2));
    second.next().await;
    end(&mut b).await;
    // This one is made because of that reply.
    let mut third = recorder.call(plain("c", 1));
    third.next().await;
    drop(b);
    end(&mut second).await;
    drop(second);
    end(&mut third).await;
    drop(third);

    let model = Replayer::new(tape.replay());
    let mut b = model.call(plain("b", 1));
    b.next().await;
    take(&model, plain("a", 1)).await;
    assert_eq!(end(&mut b).now_or_never(), None, "the tool of a is at work");
    let mut second = model.call(plain("a", 2));
    assert_eq!(end(&mut second).now_or_never(), None);
    assert_eq!(end(&mut b).now_or_never(), Some(finished("agent2-call-1")));
    drop(b);
    let mut third = model.call(plain("c", 1));
    assert_eq!(end(&mut third).now_or_never(), None);
    assert_eq!(end(&mut second).now_or_never(), Some(finished("agent1-call-2")));
    drop(second);
    assert_eq!(end(&mut third).now_or_never(), Some(finished("agent3-call-1")));
}

#[tokio::test(start_paused = true)]
async fn requests_in_another_order_are_answered_in_the_recorded_one() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for agent in ["b", "a", "c"] {
        take(&recorder, plain(agent, 1)).await;
    }
    let model = Replayer::new(tape.replay());
    let [mut a, mut b, mut c] = AGENTS.map(|agent| model.call(plain(agent, 1)));
    assert_eq!(end(&mut c).now_or_never(), None);
    assert_eq!(end(&mut a).now_or_never(), None);
    assert_eq!(end(&mut b).now_or_never(), Some(finished("agent2-call-1")));
    assert_eq!(end(&mut a).now_or_never(), None, "the end of b is given out and not yet taken");
    drop(b);
    assert_eq!(end(&mut c).now_or_never(), None);
    assert_eq!(end(&mut a).now_or_never(), Some(finished("agent1-call-1")));
    assert_eq!(a.next().now_or_never(), Some(None));
    assert_eq!(end(&mut c).now_or_never(), Some(finished("agent3-call-1")));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_differs_fails_and_so_do_all_that_wait_or_come_later() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for agent in AGENTS {
        take(&recorder, plain(agent, 1)).await;
    }
    let replay = tape.replay();
    let model = Replayer::new(Arc::clone(&replay));
    let mut waiting = model.call(plain("c", 1));
    assert_eq!(end(&mut waiting).now_or_never(), None);

    let other = take(&model, request("a", 1, &["another question".to_owned()])).await;
    let expected = "the run left the recording at call 1 of `a`: its request is not the recorded one; the \
                    configuration, the prompts or what the tools gave back differ";
    assert_eq!(
        failure(&other),
        &ModelFailure { kind: FailureKind::NotRecorded, message: expected.into(), attempts: 0 }
    );
    assert_eq!(failure(&end(&mut waiting).await).message, expected);
    let later = take(&model, plain("b", 1)).await;
    assert_eq!(failure(&later).message, expected);
    assert_eq!(replay.left_at().as_deref(), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn everything_that_a_provider_sees_is_compared_and_nothing_else() {
    let tape = Tape::new();
    let mut base = plain("a", 1);
    base.messages.push(Message::Assistant { reply: Arc::new(reply("earlier")) });
    take(&tape.recorder(echo()), base.clone()).await;
    let is_recorded = async |request: ModelRequest| {
        let end = take(&Replayer::new(tape.replay()), request).await;
        end == finished("agent1-call-1")
    };
    assert!(is_recorded(base.clone()).await);

    let mut same = base.clone();
    same.context.candidates.push(massgen_protocol::AgentNo::from_index(1));
    let slower = Reply { duration: Duration::from_secs(9), ..reply("earlier") };
    same.messages[1] = Message::Assistant { reply: Arc::new(slower) };
    assert!(is_recorded(same).await);

    let mut changes: Vec<ModelRequest> = vec![base.clone(); 4];
    changes[0].system = "other".into();
    changes[1].max_output_tokens = Some(1);
    changes[2].messages[1] = Message::Assistant { reply: Arc::new(reply("other")) };
    changes[3].messages.pop();
    for changed in changes {
        assert!(!is_recorded(changed.clone()).await, "{changed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_recorded_fails_after_all_that_were() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for agent in ["a", "b"] {
        take(&recorder, plain(agent, 1)).await;
    }
    let model = Replayer::new(tape.replay());
    let mut missing = model.call(plain("c", 1));
    assert_eq!(end(&mut missing).now_or_never(), None);
    for agent in ["a", "b"] {
        assert!(matches!(take(&model, plain(agent, 1)).await, ModelEvent::Finished(_)));
    }
    let expected =
        "the run left the recording at call 1 of `c`: the recording holds only 0 calls of this agent";
    assert_eq!(failure(&end(&mut missing).await).message, expected);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_recording_is_replayed_up_to_there() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for number in 1..=3 {
        take(&recorder, plain("a", number)).await;
    }
    drop(recorder);
    let whole = fs_err::read(&tape.path).unwrap();
    fs_err::write(&tape.path, &whole[..whole.len() - 20]).unwrap();
    let model = Replayer::new(tape.replay());
    for number in 1..=2 {
        assert_eq!(take(&model, plain("a", number)).await, finished(&format!("agent1-call-{number}")));
    }
    let end = take(&model, plain("a", 3)).await;
    let expected = "holds only 2 calls of this agent, and its end was cut off";
    assert!(failure(&end).message.ends_with(expected), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_call_that_is_never_made_does_not_block_for_ever() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for agent in ["a", "b"] {
        take(&recorder, plain(agent, 1)).await;
    }
    let end = take(&Replayer::new(tape.replay()), plain("b", 1)).await;
    let expected = "the run left the recording at call 1 of `a`: the call was recorded and is not made now";
    assert_eq!(failure(&end).message, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_stream_is_dropped_early_holds_nobody_up() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for agent in AGENTS {
        take(&recorder, plain(agent, 1)).await;
    }
    let model = Replayer::new(tape.replay());
    let mut b = model.call(plain("b", 1));
    let mut c = model.call(plain("c", 1));
    assert_eq!(end(&mut b).now_or_never(), None);
    drop(b);
    assert_eq!(end(&mut c).now_or_never(), None);
    take(&model, plain("a", 1)).await;
    assert_eq!(end(&mut c).now_or_never(), Some(finished("agent3-call-1")));
}

/// Records: `a` is cut off, then `b` replies.
async fn with_cut() -> Tape {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    let mut cut = recorder.call(plain("a", 1));
    cut.next().await;
    drop(cut);
    take(&recorder, plain("b", 1)).await;
    tape
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_off_stays_open_until_it_is_cut_off_again() {
    let tape = with_cut().await;
    let model = Replayer::new(tape.replay());
    let mut a = model.call(plain("a", 1));
    let mut b = model.call(plain("b", 1));
    let minute = Duration::from_mins(1);
    assert!(tokio::time::timeout(minute, end(&mut a)).await.is_err());
    assert!(tokio::time::timeout(minute, end(&mut b)).await.is_err());
    drop(a);
    assert_eq!(end(&mut b).now_or_never(), Some(finished("agent2-call-1")));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_off_and_is_not_now_leaves_the_recording() {
    let tape = with_cut().await;
    let model = Replayer::new(tape.replay());
    let (mut a, mut b) = (model.call(plain("a", 1)), model.call(plain("b", 1)));
    let (a, b) = tokio::join!(end(&mut a), end(&mut b));
    let expected = "the run left the recording at call 1 of `a`: it was cut off there when the recording was made, and \
                    is not now";
    assert_eq!(failure(&a).message, expected);
    assert_eq!(failure(&b).message, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_made_again_after_a_kill_is_recorded_and_replayed_as_it_was_the_last_time() {
    let tape = Tape::new();
    let killed = tape.recorder(echo());
    take(&killed, plain("a", 1)).await;
    let mut open = killed.call(plain("b", 1));
    open.next().await;
    drop(open);
    drop(killed);
    let resumed = tape.recorder(Fixed(|_: &ModelRequest| finished("resumed")));
    take(&resumed, plain("b", 1)).await;
    drop(resumed);

    let model = Replayer::new(tape.replay());
    let mut b = model.call(plain("b", 1));
    assert_eq!(end(&mut b).now_or_never(), None);
    assert_eq!(take(&model, plain("a", 1)).await, finished("agent1-call-1"));
    assert_eq!(end(&mut b).await, finished("resumed"));
}

#[tokio::test(start_paused = true)]
async fn a_resumed_replay_goes_on_behind_the_calls_that_an_earlier_process_has() {
    let tape = Tape::new();
    let recorder = tape.recorder(echo());
    for (agent, number) in [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2)] {
        take(&recorder, plain(agent, number)).await;
    }
    let replay = tape.replay();
    replay.skip(&id("c"), 1);
    let model = Replayer::new(replay);
    let mut b = model.call(plain("b", 2));
    assert_eq!(end(&mut b).now_or_never(), None);
    assert_eq!(take(&model, plain("a", 2)).now_or_never(), Some(finished("agent1-call-2")));
    assert_eq!(end(&mut b).now_or_never(), Some(finished("agent2-call-2")));
}

#[tokio::test(start_paused = true)]
async fn the_recorded_pace_keeps_the_times_of_the_first_piece_and_of_the_end() {
    let tape = Tape::new();
    take(&tape.recorder(echo()), plain("a", 1)).await;
    let start = Instant::now();
    let mut call = Replayer::new(tape.replay_at(Pace::Recorded)).call(plain("a", 1));
    assert!(matches!(call.next().await, Some(ModelEvent::Delta { kind: DeltaKind::Reasoning, .. })));
    assert_eq!(start.elapsed(), Duration::from_millis(10));
    end(&mut call).await;
    assert_eq!(start.elapsed(), Duration::from_millis(30));

    let start = Instant::now();
    take(&Replayer::new(tape.replay()), plain("a", 1)).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_streamed_item_by_item() {
    let tape = Tape::new();
    take(&tape.recorder(echo()), plain("a", 1)).await;
    let events: Vec<_> = Replayer::new(tape.replay()).call(plain("a", 1)).collect().await;
    let delta = |kind, text: &str| ModelEvent::Delta { kind, text: text.into() };
    assert_eq!(
        events,
        [
            delta(DeltaKind::Reasoning, "I think agent1-call-1"),
            delta(DeltaKind::Text, "agent1-call-1"),
            delta(DeltaKind::ToolArguments, r#"{"q":"agent1-call-1"}"#),
            finished("agent1-call-1"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_redacted_everywhere_and_the_run_can_still_be_replayed() {
    const KEY: &str = "sk-canary-1234";
    let redaction = Redaction::new(|text| text.replace(KEY, "[redacted]"));
    let tape = Tape::new();
    let question = format!("why {KEY}?");
    let header = crate::cassette::Header { question: question.clone(), ..header() };
    let writer = Arc::new(CassetteWriter::open(&tape.path, &header, redaction.clone()).unwrap());
    let leaky = Fixed(|request: &ModelRequest| {
        if request.context.call.number == 1 {
            return finished(KEY);
        }
        let message = format!("bad key {KEY}");
        ModelEvent::Failed(ModelFailure { kind: FailureKind::Unauthorized, message, attempts: 1 })
    });
    let recorder = Recorder::new(Arc::new(leaky), writer);
    let second = |first: ModelEvent| {
        let ModelEvent::Finished(reply) = first else { panic!("no reply") };
        let mut request = request("a", 2, std::slice::from_ref(&question));
        request.messages.push(Message::Assistant { reply: reply.into() });
        request
    };
    let first = take(&recorder, request("a", 1, std::slice::from_ref(&question))).await;
    take(&recorder, second(first)).await;
    let text = fs_err::read_to_string(&tape.path).unwrap();
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(load(&tape.path).calls(), 2);
    // Reasoning, text, provider's item (name and value), arguments, finish reason; the failure; the question.
    assert_eq!(text.matches("[redacted]").count(), 8, "{text}");

    let model = Replayer::new(Arc::new(Replay::new(load(&tape.path), Pace::AsFastAsPossible, redaction)));
    let first = take(&model, request("a", 1, std::slice::from_ref(&question))).await;
    assert_eq!(first, finished("[redacted]"));
    let end = take(&model, second(first)).await;
    assert_eq!(failure(&end).message, "bad key [redacted]");
}
