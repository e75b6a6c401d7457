use proptest::prelude::*;

use super::*;

fn said(head: &str) -> String {
    match read(head.as_bytes()) {
        Ok(Request::Tunnel(target)) => format!("tunnel {target}"),
        Ok(Request::Plain(plain)) => format!("to {}, {} bytes\n{}", plain.target, plain.body, plain.head),
        Err(refusal) => format!("{}: {}", refusal.status, refusal.why),
    }
}

#[test]
fn a_plain_request_is_passed_on_as_one_to_its_own_server() {
    let head = "POST http://Example.org/a?b=c HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n\
                Connection: keep-alive, X-Mine, Content-Length\r\nProxy-Authorization: Basic eA==\r\n\
                Upgrade: websocket\r\nX-Mine: 1\r\nAccept:  */* \r\n\r\n";
    insta::assert_snapshot!(said(head).replace('\r', ""));
    assert!(
        said("GET http://example.org HTTP/1.0\r\n\r\n").contains("GET / HTTP/1.1\r\nHost: example.org\r\n")
    );
    assert!(said("GET http://example.org?x HTTP/1.1\r\n\r\n").contains("GET /?x HTTP/1.1\r\n"));
    assert!(said("GET http://[::1]:8080/ HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n").contains("Host: [::1]:8080"));
}

#[test]
fn a_tunnel_is_asked_for_by_host_and_port() {
    assert_eq!(
        said("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"),
        "tunnel example.org:443"
    );
    assert_eq!(
        said("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        "tunnel example.org:443"
    );
    assert_eq!(said("CONNECT [::1]:443 HTTP/1.1\r\n\r\n"), "tunnel [::1]:443");
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let heads = [
        "CONNECT example.org HTTP/1.1\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nHost: evil.net:443\r\n\r\n",
        "CONNECT http://example.org/ HTTP/1.1\r\n\r\n",
        "CONNECT user@example.org:443 HTTP/1.1\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nHost: evil.net\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nHost: example.org:8080\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nHost: evil.net\r\n\r\n",
        "GET http://user@example.org/ HTTP/1.1\r\n\r\n",
        "GET http://example.org\\@evil.net/ HTTP/1.1\r\n\r\n",
        "GET http://example.org#@evil.net/ HTTP/1.1\r\n\r\n",
        "GET https://example.org/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "GET  http://example.org/ HTTP/1.1\r\n\r\n",
        "GET http://example.org/ HTTP/2.0\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nA: b\nHost: evil.net\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nA: b\r\n Host: evil.net\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nHost : evil.net\r\n\r\n",
        "POST http://example.org/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://example.org/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST http://example.org/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST http://example.org/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\nA: \u{0}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ];
    let said: Vec<_> =
        heads.iter().map(|head| format!("{}\n  {}", head.trim_end().escape_debug(), said(head))).collect();
    assert!(said.iter().all(|said| said.contains("\n  4")), "{}", said.join("\n"));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn in_a_tunnel_only_its_own_server_is_asked() {
    let target = Target::from_text("example.org:80", None).expect("a target");
    let inside = |head: &str| read_inside(head.as_bytes(), &target);
    assert!(inside("GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n").is_ok());
    for head in [
        "GET /a HTTP/1.1\r\nHost: evil.net\r\n\r\n",
        "GET http://evil.net/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "CONNECT evil.net:443 HTTP/1.1\r\n\r\n",
    ] {
        assert!(inside(head).is_err(), "{head}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_request_that_is_passed_on_names_its_server_once(
        host in "[a-z]{1,3}", header in "[ -~\r\n]{0,40}", body in "[ -~\r\n]{0,20}",
    ) {
        let head = format!("GET http://{host}/ HTTP/1.1\r\n{header}\r\n{body}\r\n\r\n");
        if let Ok(Request::Plain(plain)) = read(head.as_bytes()) {
            let hosts: Vec<_> = plain.head.split("\r\n").filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
            prop_assert_eq!(hosts, [format!("Host: {host}")]);
            prop_assert!(plain.head.ends_with("\r\n\r\n") && plain.head.matches("\r\n\r\n").count() == 1);
        }
    }
}
