//! Commands under way: their streams, and how they are ended.

use std::time::Duration;

use massgen_sandbox::{HowItEnded, Mechanism, OutputStream, Stdin};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::support::{Place, living_in, mechanisms};

fn all(place: &Place) -> Vec<Mechanism> {
    [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat()
}

async fn line(stream: &mut BufReader<OutputStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("read");
    line
}

#[tokio::test]
async fn a_caller_talks_with_a_command_until_the_input_ends() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let talk = "while read -r word; do echo \"heard $word\"; echo \"noted $word\" >&2; done; exit 3";
        let mut call = place.call(mechanism, talk);
        call.stdin = Stdin::Open;
        let mut running = place.sandbox.start(call).expect("started");
        let mut input = running.stdin().expect("its input");
        let mut output = BufReader::new(running.stdout().expect("its output"));
        let mut problems = BufReader::new(running.stderr().expect("its errors"));
        for word in ["one", "two"] {
            input.write_all(format!("{word}\n").as_bytes()).await.expect("written");
            assert_eq!(line(&mut output).await, format!("heard {word}\n"), "{mechanism}");
            assert_eq!(line(&mut problems).await, format!("noted {word}\n"), "{mechanism}");
        }
        assert!(running.stdin().is_none() && running.stdout().is_none() && running.stderr().is_none());
        drop(input);
        for _ in 0..2 {
            assert_eq!(running.wait().await.expect("ended"), HowItEnded::Exited(3), "{mechanism}");
        }
        assert_eq!(running.kill().await.expect("ended"), HowItEnded::Exited(3), "{mechanism}");
    }
}

#[tokio::test]
async fn what_was_written_before_the_end_can_be_read_after_it() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let mut running = place.sandbox.start(place.call(mechanism, "echo last words")).expect("started");
        let mut output = running.stdout().expect("its output");
        running.wait().await.expect("ended");
        let mut text = String::new();
        output.read_to_string(&mut text).await.expect("read");
        assert_eq!(text, "last words\n", "{mechanism}");
    }
}

#[tokio::test]
async fn killed_means_that_nothing_of_it_is_left() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let mut call = place.call(mechanism, "trap '' TERM; (setsid sleep 300 &); echo ready; sleep 300");
        call.time = None;
        let mut running = place.sandbox.start(call).expect("started");
        let mut output = BufReader::new(running.stdout().expect("its output"));
        assert_eq!(line(&mut output).await, "ready\n", "{mechanism}");
        let given_up = tokio::time::timeout(Duration::from_millis(1), running.wait()).await;
        assert!(given_up.is_err(), "{mechanism}");
        assert_eq!(running.kill().await.expect("ended"), HowItEnded::Killed, "{mechanism}");
        assert_eq!(living_in(&place.workspace), Vec::<String>::new(), "{mechanism}");
    }
}

#[tokio::test]
async fn a_dropped_command_is_ended_though_its_streams_are_held() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let mut call = place.call(mechanism, "(setsid sleep 300 &); echo ready; cat");
        (call.stdin, call.time) = (Stdin::Open, None);
        let mut running = place.sandbox.start(call).expect("started");
        let _input = running.stdin().expect("its input");
        let mut output = BufReader::new(running.stdout().expect("its output"));
        assert_eq!(line(&mut output).await, "ready\n", "{mechanism}");
        drop(running);
        // The end of the stream is the end of all who could write to it.
        assert_eq!(line(&mut output).await, "", "{mechanism}");
    }
}

#[tokio::test]
async fn time_runs_out_though_nobody_waits() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let mut call = place.call(mechanism, "echo ready; sleep 300");
        call.time = Some(Duration::from_millis(600));
        let mut running = place.sandbox.start(call).expect("started");
        let mut text = String::new();
        running.stdout().expect("its output").read_to_string(&mut text).await.expect("read");
        assert_eq!(running.wait().await.expect("ended"), HowItEnded::OutOfTime, "{mechanism}");
    }
}

#[tokio::test]
async fn given_bytes_are_the_whole_input_and_need_not_be_read() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let mut call = place.call(mechanism, "wc -c");
        call.stdin = Stdin::Bytes(vec![b'x'; 1_000_000]);
        let ended = place.run(call).await;
        assert_eq!(ended.stdout.text(|_| String::new()).trim(), "1000000", "{mechanism}");
        for stdin in [Stdin::Bytes(vec![b'x'; 1_000_000]), Stdin::Empty, Stdin::Open] {
            let mut call = place.call(mechanism, "exit 4");
            call.stdin = stdin;
            assert_eq!(place.run(call).await.how, HowItEnded::Exited(4), "{mechanism}");
        }
        for stdin in [Stdin::Empty, Stdin::Open] {
            let mut call = place.call(mechanism, "wc -c");
            call.stdin = stdin;
            assert_eq!(place.run(call).await.stdout.text(|_| String::new()).trim(), "0", "{mechanism}");
        }
    }
}
