use rmcp::model::ServerJsonRpcMessage;
use tokio::io::{DuplexStream, duplex};

use super::*;

fn pipe() -> (Pipe, DuplexStream) {
    let (ours, theirs) = duplex(64 * 1024);
    (Pipe::new(Box::new(ours), Box::new(tokio::io::sink())), theirs)
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

async fn first_after(written: String) -> Result<ServerJsonRpcMessage, Broken> {
    let (mut pipe, mut server) = pipe();
    let writes = tokio::spawn(async move {
        let _ = server.write_all(written.as_bytes()).await;
    });
    let read = pipe.next().await;
    drop(pipe);
    writes.await.expect("written");
    read
}

#[tokio::test]
async fn messages_are_read_whatever_stands_around_them() {
    for line in [format!("{PING}\n"), format!("\u{feff}{PING}\r\n"), format!("\n\nStarted!\n{{}}\n{PING}\n")]
    {
        first_after(line).await.expect("a message");
    }
}

#[tokio::test]
async fn a_message_that_comes_in_pieces_survives_interruptions() {
    let (mut pipe, mut server) = pipe();
    let (first, rest) = PING.split_at(10);
    server.write_all(first.as_bytes()).await.expect("written");
    tokio::select! {
        biased;
        _ = pipe.next() => panic!("no line was whole"),
        () = std::future::ready(()) => {}
    }
    server.write_all(format!("{rest}\n").as_bytes()).await.expect("written");
    pipe.next().await.expect("a message");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_is_given_up() {
    let (ours, _theirs) = duplex(16);
    let mut pipe = Pipe::new(Box::new(tokio::io::empty()), Box::new(ours));
    let message = || -> TxJsonRpcMessage<RoleClient> {
        let written = serde_json::json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        serde_json::from_value(written).expect("a message")
    };
    let told = |sent: io::Result<()>| sent.expect_err("nobody reads").kind();
    let sent = timeout(WRITE_TIME * 2, pipe.send(message())).await.expect("it ends");
    assert_eq!(told(sent), io::ErrorKind::TimedOut);
    // Half a message was written: another one must not follow it.
    assert_eq!(told(pipe.send(message()).await), io::ErrorKind::NotConnected);
}

#[tokio::test]
async fn a_greeting_is_passed_over_but_not_a_flood() {
    let lines = |count: usize| format!("{}{PING}\n", "hello\n".repeat(count));
    first_after(lines(STRAY_LINES)).await.expect("a message");
    assert_eq!(first_after(lines(STRAY_LINES + 1)).await.unwrap_err(), Broken::Garbage);
}

#[tokio::test]
async fn what_was_meant_as_a_message_and_is_none_ends_the_connection() {
    for line in [r#"{"jsonrpc":"2.0","id":3,"result":{"con"#, r#"{"jsonrpc":"2.0"}"#] {
        assert_eq!(first_after(format!("{line}\n{PING}\n")).await.unwrap_err(), Broken::Garbage, "{line}");
    }
}

#[tokio::test]
async fn notifications_that_nobody_knows_are_passed_over() {
    let unknown = r#"{"jsonrpc":"2.0","method":"$/unknown","params":[1]}"#;
    let mut read = first_after(format!("{unknown}\n{PING}\n")).await.expect("a message");
    if matches!(read, ServerJsonRpcMessage::Notification(_)) {
        // Taken as one of a kind of its own, which nobody handles.
        read = first_after(format!("{PING}\n")).await.expect("a message");
    }
    assert!(matches!(read, ServerJsonRpcMessage::Request(_)));
}

#[tokio::test]
async fn a_line_without_end_ends_the_connection() {
    let (mut pipe, mut server) = pipe();
    let writes = tokio::spawn(async move {
        let piece = vec![b'x'; 1024 * 1024];
        while server.write_all(&piece).await.is_ok() {}
    });
    assert!(pipe.receive().await.is_none());
    assert_eq!(pipe.broken().get(), Some(&Broken::TooLong));
    assert!(pipe.line.len() <= MESSAGE_BYTES);
    drop(pipe);
    writes.await.expect("it saw the end");
}

#[tokio::test]
async fn a_message_of_too_many_values_ends_the_connection_before_it_is_read() {
    let of = |part: &str, count: usize| {
        let parts = vec![part; count].join(",");
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":[{parts}]}}\n")
    };
    first_after(of("1", MESSAGE_VALUES - 100)).await.expect("a message");
    assert_eq!(first_after(of("[]", MESSAGE_VALUES / 2)).await.unwrap_err(), Broken::TooLong);
    // Commas in a text are no values.
    first_after(of(&format!("\"\\\"{}\"", ",".repeat(MESSAGE_VALUES)), 1)).await.expect("a message");
}

#[tokio::test]
async fn the_end_of_the_output_is_the_end() {
    let (mut pipe, server) = pipe();
    drop(server);
    assert!(pipe.receive().await.is_none());
    assert_eq!(pipe.broken().get(), Some(&Broken::Ended));
}
