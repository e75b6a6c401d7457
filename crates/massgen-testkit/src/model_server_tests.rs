use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn ask(server: &ModelServer, body: &str) -> String {
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{CALL_HEADER}: c1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A cut connection is an error here, and what came before is the answer.
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_reply_is_streamed_or_whole_as_the_request_says_and_logged() {
    let script = |request: &ReceivedRequest| {
        assert_eq!(request.json()["model"], "m");
        ScriptedReply::text(format!("you are number {}", request.repeat))
    };
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let streamed = ask(&server, r#"{"model":"m","stream":true}"#).await;
    assert!(streamed.contains("text/event-stream") && streamed.contains("data: [DONE]"), "{streamed}");
    let whole = ask(&server, r#"{"model":"m"}"#).await;
    assert!(whole.contains(r#""content":"you are number 1""#), "{whole}");
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!((request.outcome(), request.call.as_deref()), (Outcome::Complete, Some("c1")));
    }
}

#[tokio::test]
async fn a_fault_shows_in_the_log_and_a_dropped_server_ends_its_streams() {
    let script = |request: &ReceivedRequest| {
        let reply = ScriptedReply::text("one two three four");
        reply.with_fault(if request.number == 0 { Fault::Cut(2) } else { Fault::Silence(1) })
    };
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let cut = ask(&server, r#"{"stream":true}"#).await;
    assert!(cut.contains("one") && !cut.contains("four") && !cut.contains("DONE"), "{cut}");
    assert_eq!(server.requests()[0].outcome(), Outcome::Cut);

    let asking = ask(&server, r#"{"stream":true}"#);
    let dropping = async {
        server.received(2).await;
        let record = Arc::clone(&server.requests()[1]);
        server.stop.send_replace(true);
        record
    };
    let (_, record) = tokio::join!(asking, dropping);
    server.ended(2).await;
    assert_eq!(record.outcome(), Outcome::Abandoned);
}

#[tokio::test]
async fn hashes_tell_how_much_of_a_prompt_is_new() {
    let options = Options { keep: Keep::Hashes, ..Options::default() };
    let script = |_: &ReceivedRequest| ScriptedReply::text("x");
    let server = ModelServer::start_with(script, Schedule::default(), options).await.unwrap();
    ask(&server, &"a".repeat(2500)).await;
    ask(&server, &format!("{}b", "a".repeat(2500))).await;
    let requests = server.requests();
    assert_eq!(requests[0].prefixes.len(), 3);
    assert_eq!(requests[0].prefixes[..2], requests[1].prefixes[..2]);
    assert_ne!(requests[0].prefixes[2], requests[1].prefixes[2]);
    assert_eq!((requests[1].bytes, &requests[1].body), (2501, &None));
}
