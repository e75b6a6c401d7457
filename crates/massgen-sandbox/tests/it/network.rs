//! Commands that may reach some hosts and no others.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use massgen_sandbox::{AllowedHost, Error, HowItEnded, Mechanism, Network};

use crate::support::{Place, mechanisms, output};

/// A server of HTTP that says `hello` to whoever comes. Returns its port.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("accepted");
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    port
}

fn hosts(list: &[String]) -> Vec<AllowedHost> {
    list.iter().map(|host| host.parse().expect("a host")).collect()
}

/// What `line` does under bubblewrap when it may reach `allowed`. `None` where bubblewrap is not there.
async fn tried(place: &Place, line: &str, allowed: &[String]) -> Option<(HowItEnded, String)> {
    let mechanism =
        mechanisms(&place.sandbox).into_iter().find(|mechanism| *mechanism == Mechanism::Bubblewrap)?;
    let mut call = place.call(mechanism, line);
    call.policy.network = Network::Allowlist { hosts: hosts(allowed) };
    let ended = place.run(call).await;
    Some((ended.how, output(&ended)))
}

#[tokio::test]
async fn a_listed_server_is_reached_by_programs_that_know_proxies() {
    let place = Place::new().await;
    let port = server();
    let listed = [format!("127.0.0.1:{port}")];
    for line in [
        format!("curl -sS http://127.0.0.1:{port}/"),
        format!("curl -sS --proxytunnel http://127.0.0.1:{port}/"),
        format!(
            "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/').read())\""
        ),
    ] {
        let Some((how, said)) = tried(&place, &line, &listed).await else { return };
        assert!(how == HowItEnded::Exited(0) && said.contains("hello"), "{line}: {said}");
    }
}

#[tokio::test]
async fn everything_else_is_out_of_reach() {
    let place = Place::new().await;
    let (port, other) = (server(), server());
    let listed = [format!("127.0.0.1:{port}"), format!("localhost:{other}")];
    for line in [
        // Past the proxy there is nothing, whether it is listed or not.
        format!("curl -sS --noproxy '*' http://127.0.0.1:{port}/"),
        format!("curl -fsS http://127.0.0.1:{other}/"),
        format!("curl -sS --proxytunnel http://127.0.0.1:{other}/"),
        // A name that leads to this machine.
        format!("curl -fsS http://localhost:{other}/"),
        format!("curl -sS --proxytunnel http://localhost:{other}/"),
        // A listed server, and another one in the header.
        format!("curl -fsS -H 'Host: evil.net' http://127.0.0.1:{port}/"),
        // By the socket of the proxy itself.
        format!("curl -fsS --unix-socket /run/massgen/proxy http://127.0.0.1:{other}/"),
        // Once more through the proxy.
        "curl -sS --proxytunnel http://127.0.0.1:3128/".to_owned(),
    ] {
        let Some((how, said)) = tried(&place, &line, &listed).await else { return };
        assert!(how != HowItEnded::Exited(0) && !said.contains("hello"), "{line}: {said}");
    }
}

/// A server of TLS with a certificate of its own. Returns its port.
struct Secure(std::process::Child, u16);

impl Secure {
    fn start(folder: &std::path::Path) -> Self {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 2 \
                    -keyout key.pem -out cert.pem 2>/dev/null";
        let openssl = |line: &str| {
            let mut command = std::process::Command::new("/bin/sh");
            command.args(["-c", line]).current_dir(folder).stdin(std::process::Stdio::null());
            command
        };
        assert!(openssl(make).status().expect("started").success());
        let serve =
            format!("exec openssl s_server -accept 127.0.0.1:{port} -key key.pem -cert cert.pem -www -quiet");
        let server = openssl(&serve).spawn().expect("started");
        let is_up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let came = (0..1000).any(|_| {
            is_up() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(came, "no server");
        Self(server, port)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn hosts_that_were_asked_for_in_vain_are_told() {
    let place = Place::new().await;
    let port = server();
    let line = "curl -s https://example.org/; curl -s http://a.example.org/; curl -s https://example.org/x; \
                curl -s http://127.0.0.1:$PORT/";
    for mechanism in mechanisms(&place.sandbox) {
        if mechanism != Mechanism::Bubblewrap {
            continue;
        }
        let mut call = place.call(mechanism, &line.replace("$PORT", &port.to_string()));
        call.policy.network = Network::Allowlist { hosts: hosts(&[format!("127.0.0.1:{port}")]) };
        let ended = place.run(call).await;
        assert_eq!(ended.refused, ["example.org:443", "a.example.org:80"], "{}", output(&ended));
    }
}

#[tokio::test]
async fn a_tunnel_carries_tls_for_its_own_server_only() {
    let place = Place::new().await;
    let secure = Secure::start(&place.outside);
    let at = format!("127.0.0.1:{}", secure.1);
    let client = |name: &str| {
        format!(
            "echo | openssl s_client -proxy 127.0.0.1:3128 -connect {at} {name} 2>&1 | grep -q 'BEGIN CERT'"
        )
    };
    for (line, expected) in [
        (format!("curl -ksS https://{at}/ | grep -q Cipher"), true),
        (client("-noservername"), true),
        (client("-servername evil.net"), false),
    ] {
        let Some((how, said)) = tried(&place, &line, std::slice::from_ref(&at)).await else { return };
        assert_eq!(how == HowItEnded::Exited(0), expected, "{line}: {said}");
    }
}

#[tokio::test]
async fn the_command_keeps_its_exit_code_input_and_end() {
    let place = Place::new().await;
    let Some((how, said)) = tried(&place, "echo out; kill -TERM $$", &[]).await else { return };
    assert!(how == HowItEnded::Exited(143) && said.contains("out"), "{said}");
    let Some((how, said)) = tried(&place, "(setsid sleep 300 &); exit 7", &[]).await else { return };
    assert_eq!(how, HowItEnded::Exited(7), "{said}");
    assert_eq!(crate::support::living_in(&place.workspace), Vec::<String>::new());
    let python = "import ctypes; exit(0 if ctypes.CDLL(None).ptrace(0x4206, int('$PPID'), 0, 0) == 0 else 9)";
    let Some((how, said)) = tried(&place, &format!("python3 -c \"{python}\""), &[]).await else { return };
    assert_eq!(how, HowItEnded::Exited(9), "{said}");
    let filtered = "grep -q '^Seccomp:.*2' /proc/$PPID/status";
    let Some((how, said)) = tried(&place, filtered, &[]).await else { return };
    assert_eq!(how, HowItEnded::Exited(0), "{said}");
    if place.sandbox.available().landlock.is_ok() {
        let write = "python3 -c \"open('/proc/$PPID/mem', 'r+b')\"";
        let Some((how, said)) = tried(&place, write, &[]).await else { return };
        assert!(how != HowItEnded::Exited(0) && said.contains("PermissionError"), "{said}");
    }
    // Whoever ends the way out ends it for itself.
    let Some((how, said)) = tried(&place, "kill -9 $PPID; sleep 300", &[]).await else { return };
    assert_eq!(how, HowItEnded::Exited(137), "{said}");
}

#[tokio::test]
async fn what_cannot_hold_a_list_refuses_it() {
    let place = Place::new().await;
    for mechanism in [Mechanism::Landlock, Mechanism::Unconfined] {
        let mut call = place.call(mechanism, "true");
        call.policy.network = Network::Allowlist { hosts: hosts(&["example.org".to_owned()]) };
        let refused = place.sandbox.run(call).await.expect_err("refused");
        assert!(matches!(refused, Error::NoAllowList(_)), "{refused}");
        assert!(refused.hint().is_some_and(|hint| hint.contains("bubblewrap")));
    }
}
