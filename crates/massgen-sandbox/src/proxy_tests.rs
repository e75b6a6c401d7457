use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;

async fn asked(proxy: &Proxy, request: &[u8]) -> String {
    let mut client = UnixStream::connect(proxy.socket()).await.expect("connected");
    client.write_all(request).await.expect("written");
    let mut answer = Vec::new();
    // A connection that is cut may end with an error instead of an end.
    let _ = client.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A server that keeps what it got until the client's end, or the first blank line, and answers.
async fn server() -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
    let port = listener.local_addr().expect("its address").port();
    let serving = tokio::spawn(async move {
        let mut got = Vec::new();
        loop {
            let (mut client, _) = listener.accept().await.expect("accepted");
            let mut text = Vec::new();
            while !text.ends_with(b"end") {
                if read_more(&mut client, &mut text).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            got.push(String::from_utf8_lossy(&text).into_owned());
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await;
            if text.ends_with(b"last end") {
                return got;
            }
        }
    });
    (port, serving)
}

fn proxy(hosts: &[String]) -> Proxy {
    let hosts: Vec<AllowedHost> = hosts.iter().map(|host| host.parse().expect("a host")).collect();
    Proxy::start(&hosts).expect("started")
}

#[tokio::test]
async fn a_listed_address_is_reached_in_both_ways_and_others_are_not() {
    let (port, serving) = server().await;
    let (other, _other) = server().await;
    let proxy = proxy(&[format!("127.0.0.1:{port}")]);
    let refused = asked(&proxy, format!("GET http://127.0.0.1:{other}/ HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("not among the hosts"), "{refused}");
    let refused = asked(&proxy, format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let post = format!("POST http://127.0.0.1:{port}/a HTTP/1.1\r\nContent-Length: 3\r\n\r\nend");
    assert!(asked(&proxy, post.as_bytes()).await.ends_with("hello"));
    let tunnel = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nraw words, last end");
    assert!(asked(&proxy, tunnel.as_bytes()).await.ends_with("hello"));
    let got = serving.await.expect("served");
    let head = format!(
        "POST /a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\ncontent-length: 3\r\n\r\nend"
    );
    assert_eq!(got, [head, "raw words, last end".to_owned()]);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_though_it_is_listed() {
    let (port, _serving) = server().await;
    let proxy = proxy(&[format!("localhost:{port}")]);
    for request in ["CONNECT localhost:{} HTTP/1.1\r\n\r\n", "GET http://localhost:{}/ HTTP/1.1\r\n\r\n"] {
        let refused = asked(&proxy, request.replace("{}", &port.to_string()).as_bytes()).await;
        assert!(refused.contains("leads into this machine"), "{refused}");
    }
}

#[tokio::test]
async fn a_tunnel_inside_a_tunnel_and_a_second_request_reach_nobody() {
    let (port, serving) = server().await;
    let proxy = proxy(&[format!("127.0.0.1:{port}")]);
    let nested =
        format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nconnect evil.net:443 HTTP/1.1\r\n\r\n end");
    assert!(!asked(&proxy, nested.as_bytes()).await.contains("hello"));
    let second = format!(
        "GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\nGET http://evil.net/ HTTP/1.1\r\nHost: evil.net\r\n\r\n end"
    );
    asked(&proxy, second.as_bytes()).await;
    asked(&proxy, format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nlast end").as_bytes()).await;
    let got = serving.await.expect("served");
    assert!(got.iter().all(|text| !text.contains("evil.net")), "{got:?}");
    assert!(got.contains(&"last end".to_owned()), "{got:?}");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let proxy = proxy(&["127.0.0.1".to_owned()]);
    let endless = [b"GET http://127.0.0.1/ HTTP/1.1\r\nA: ".as_slice(), &vec![b'x'; HEAD_BYTES]].concat();
    assert!(asked(&proxy, &endless).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_others_to_end() {
    let proxy = proxy(&["127.0.0.1".to_owned()]);
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(UnixStream::connect(proxy.socket()).await.expect("connected"));
    }
    let late = asked(&proxy, b"nonsense\r\n\r\n");
    tokio::pin!(late);
    // The others end only when they are dropped.
    tokio::select! {
        biased;
        answer = &mut late => panic!("answered out of turn: {answer}"),
        () = async { for _ in 0..1000 { tokio::task::yield_now().await; } } => {}
    }
    drop(idle);
    assert!(late.await.starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_tunnel_must_begin_with_something_for_its_own_server() {
    let begins =
        |bytes: &[u8], target: &str| begins_with(bytes, &Target::from_text(target, None).expect("a target"));
    let hello = |names: &[&str]| hello::tests::hello(names, 4000);
    assert_eq!(begins(&hello(&["Example.org"]), "example.org:443"), Beginning::Fitting);
    assert_eq!(begins(&hello(&["example.org"])[..20], "example.org:443"), Beginning::Open);
    assert_eq!(begins(&hello(&[]), "10.0.0.1:443"), Beginning::Fitting);
    assert_eq!(begins(b"GET / HTTP/1.1", "example.org:80"), Beginning::Request);
    assert_eq!(begins(b"SSH-2.0", "example.org:22"), Beginning::Fitting);
    assert_eq!(begins(b"CONN", "example.org:8080"), Beginning::Open);
    for (bytes, target) in [
        (hello(&["evil.net"]), "example.org:443"),
        (hello(&[]), "example.org:443"),
        (hello(&["evil.net"]), "10.0.0.1:443"),
        (hello(&["evil.net"]), "example.org:8443"),
        (b"CONNECT evil.net:443 HTTP/1.1".to_vec(), "example.org:443"),
        (b"connect evil.net:443 HTTP/1.1".to_vec(), "example.org:8080"),
    ] {
        assert!(matches!(begins(&bytes, target), Beginning::Refused(_)), "{target}");
    }
}
