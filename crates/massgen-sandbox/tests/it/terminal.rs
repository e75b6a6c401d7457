//! Commands with a terminal of their own.

use std::time::Duration;

use massgen_sandbox::{Call, HowItEnded, Mechanism, OutputStream, Stdin, Terminal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::support::{Place, living_in, mechanisms, output};

fn all(place: &Place) -> Vec<Mechanism> {
    [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat()
}

fn in_terminal(place: &Place, mechanism: Mechanism, line: &str) -> Call {
    Call { terminal: Some(Terminal { columns: 91, rows: 37 }), ..place.call(mechanism, line) }
}

async fn until(word: &str, stream: &mut BufReader<OutputStream>) {
    let (mut line, mut seen) = (String::new(), String::new());
    while !line.contains(word) {
        line.clear();
        let read = stream.read_line(&mut line).await.expect("read");
        seen.push_str(&line);
        assert!(read > 0, "no `{word}` in {seen:?}");
    }
}

#[tokio::test]
async fn a_command_sees_a_terminal_of_the_given_size() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let line = "test -t 0 && test -t 1 && test -t 2 && stty size && echo to >/dev/tty && echo err >&2; echo $TERM";
        let ended = place.run(in_terminal(&place, mechanism, line)).await;
        assert_eq!(ended.how, HowItEnded::Exited(0), "{mechanism}: {}", output(&ended));
        assert_eq!(ended.stdout.head, b"37 91\r\nto\r\nerr\r\nxterm-256color\r\n", "{mechanism}");
        assert_eq!(ended.stderr.total(), 0, "{mechanism}");
        let without =
            place.run(place.call(mechanism, "test -t 0 || test -t 1 || : 2>/dev/null >/dev/tty")).await;
        assert_ne!(without.how, HowItEnded::Exited(0), "{mechanism}: {}", output(&without));
    }
}

#[tokio::test]
async fn an_interrupt_from_the_terminal_reaches_the_command() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let line = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done";
        let mut call = in_terminal(&place, mechanism, line);
        call.stdin = Stdin::Open;
        let mut running = place.sandbox.start(call).expect("started");
        let mut input = running.stdin().expect("its input");
        let mut screen = BufReader::new(running.stdout().expect("its output"));
        assert!(running.stderr().is_none(), "{mechanism}");
        until("ready", &mut screen).await;
        input.write_all(&[3]).await.expect("typed");
        until("caught", &mut screen).await;
        assert_eq!(running.wait().await.expect("ended"), HowItEnded::Exited(5), "{mechanism}");
    }
}

#[tokio::test]
async fn an_interrupt_reaches_the_command_although_whoever_started_massgen_ignores_it() {
    // A script that starts it with `&` does so. This process cannot change what it ignores itself.
    let ignoring = "trap '' INT; exec \"$0\" \"$@\"";
    let test = "terminal::an_interrupt_from_the_terminal_reaches_the_command";
    let mut again = tokio::process::Command::new("/bin/sh");
    again.args(["-c", ignoring]).arg(std::env::current_exe().expect("this program")).args(["--exact", test]);
    let ended = again.output().await.expect("started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"));
}

#[tokio::test]
async fn what_a_command_writes_last_arrives() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        for _ in 0..5 {
            let ended = place.run(in_terminal(&place, mechanism, "seq 300; printf last")).await;
            let text = ended.stdout.text(|_| String::new());
            assert!(text.starts_with("1\r\n2\r\n") && text.ends_with("300\r\nlast"), "{mechanism}: {text:?}");
        }
    }
}

#[tokio::test]
async fn what_is_typed_arrives_and_the_end_of_input_is_typed_too() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        for (stdin, count) in [
            (Stdin::Empty, "0"),
            (Stdin::Bytes(b"four".to_vec()), "4"),
            (Stdin::Bytes(b"five\n".to_vec()), "5"),
        ] {
            let mut call = in_terminal(&place, mechanism, "stty -echo; wc -c");
            call.stdin = stdin;
            let ended = place.run(call).await;
            assert_eq!(ended.how, HowItEnded::Exited(0), "{mechanism}: {}", output(&ended));
            assert!(
                ended.stdout.text(|_| String::new()).ends_with(&format!("{count}\r\n")),
                "{}",
                output(&ended)
            );
        }
    }
}

#[tokio::test]
async fn the_end_of_time_ends_all_that_has_the_terminal() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        let mut call = in_terminal(
            &place,
            mechanism,
            "trap '' INT TERM HUP; (setsid sleep 300 &); echo ready; sleep 300",
        );
        call.time = Some(Duration::from_millis(600));
        let ended = place.run(call).await;
        assert_eq!(ended.how, HowItEnded::OutOfTime, "{mechanism}: {}", output(&ended));
        assert!(ended.stdout.head.starts_with(b"ready\r\n"), "{mechanism}: {}", output(&ended));
        assert_eq!(living_in(&place.workspace), Vec::<String>::new(), "{mechanism}");
    }
}

#[tokio::test]
async fn a_screen_that_nobody_reads_does_not_keep_the_end_away() {
    let place = Place::new().await;
    for mechanism in all(&place) {
        for call in [in_terminal(&place, mechanism, "yes"), place.call(mechanism, "yes >&2")] {
            let mut running = place.sandbox.start(call).expect("started");
            let mut screens = [running.stdout(), running.stderr()];
            let mut first = [0; 1];
            let screen = if screens[1].is_some() { &mut screens[1] } else { &mut screens[0] };
            screen.as_mut().expect("a screen").read_exact(&mut first).await.expect("read");
            assert_eq!(running.kill().await.expect("ended"), HowItEnded::Killed, "{mechanism}");
            assert_eq!(living_in(&place.workspace), Vec::<String>::new(), "{mechanism}");
        }
    }
}
