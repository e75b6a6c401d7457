//! Files that are read at an address.

use std::time::Duration;

use massgen_model::HttpClient;
use massgen_model::download::{DownloadError, Downloaded, PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a server says to a path.
type Answer = fn(&str) -> Option<String>;

/// A server on this machine; where there is no answer it stays silent. Returned is its address.
async fn serve(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        return;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                assert!(!request.to_lowercase().contains("authorization"), "{request}");
                match answer(request.split(' ').nth(1).unwrap()) {
                    Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    None => std::future::pending().await,
                }
            });
        }
    });
    format!("http://{address}")
}

fn answers(path: &str) -> Option<String> {
    let head = |status: &str, headers: &str, body: &str| {
        Some(format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n{body}"))
    };
    match path {
        "/file" => head("200 OK", "content-type: image/png\r\ncontent-length: 4\r\n", "1234"),
        "/untold" => head("200 OK", "", "123456789"),
        "/huge" => head("200 OK", "content-length: 99999999999\r\n", ""),
        "/cut" => head("200 OK", "content-length: 8\r\n", "1"),
        "/moved" => head("302 Found", "location: file\r\ncontent-length: 0\r\n", ""),
        "/round" => head("307 Temporary Redirect", "location: /round\r\ncontent-length: 0\r\n", ""),
        "/secure" => head("301 Moved", "location: https://127.0.0.1/file\r\ncontent-length: 0\r\n", ""),
        "/gone" => head("404 Not Found", "content-length: 4\r\n", "gone"),
        _ => None,
    }
}

async fn download(path: &str, most_bytes: u64) -> Result<Downloaded, DownloadError> {
    let server = serve(answers).await;
    HttpClient::new().download(&format!("{server}{path}"), most_bytes, PATIENCE).await
}

#[tokio::test]
async fn a_file_comes_with_its_type_also_from_where_the_server_points() {
    let file = Downloaded { bytes: b"1234".to_vec(), media_type: Some("image/png".to_owned()) };
    assert_eq!(download("/file", 4).await, Ok(file.clone()));
    assert_eq!(download("/moved", 4).await, Ok(file));
    let untold = download("/untold", 9).await.unwrap();
    assert_eq!((untold.bytes.as_slice(), untold.media_type), (b"123456789".as_slice(), None));
}

#[tokio::test]
async fn no_more_is_read_than_is_allowed() {
    for (path, most) in [("/file", 3), ("/untold", 8), ("/huge", 64 * 1024 * 1024)] {
        assert_eq!(download(path, most).await, Err(DownloadError::TooLarge(most)), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    assert_eq!(download("/gone", 9).await, Err(DownloadError::Refused(404)));
    let unreachable = download("/cut", 9).await.unwrap_err();
    assert!(matches!(unreachable, DownloadError::Unreachable(_)), "{unreachable}");
    let round = download("/round", 9).await.unwrap_err();
    assert_eq!(round.to_string(), "cannot be read: its address is redirected too often");
    let secure = download("/secure", 9).await.unwrap_err();
    assert_eq!(secure, DownloadError::Redirected("to an address of another kind"));
}

#[tokio::test]
async fn only_addresses_of_the_web_are_read() {
    for address in ["file:///etc/passwd", "ftp://example.org/a", "chart.png", "", "data:text/plain,x"] {
        let refused = HttpClient::new().download(address, 9, PATIENCE).await;
        assert_eq!(refused, Err(DownloadError::NotAnAddress), "{address}");
    }
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for_longer_than_allowed() {
    let server = serve(answers).await;
    let patience = Duration::from_millis(20);
    let late = HttpClient::new().download(&format!("{server}/silent"), 9, patience).await;
    assert_eq!(late, Err(DownloadError::Late(patience)));
}
