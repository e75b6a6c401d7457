//! Servers that are reached over HTTP, on this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use massgen_mcp::{Setup, Unconfined, Variable};
use massgen_protocol::tooling::{ServerSecurity, ServerSpec, ServerTransport};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::peer::{Run, error, ok, program, tool};

/// A request as the service got it.
#[derive(Debug, Clone)]
struct Request {
    verb: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Request {
    fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    fn session(&self) -> &str {
        self.headers.get("mcp-session-id").map_or("", String::as_str)
    }
}

/// What the service does with a request.
enum Response {
    Json(Value),
    /// The message as an event of a stream.
    Events(Value),
    /// A status, further headers, and a body that is no JSON.
    Status(u16, &'static str, String),
    /// It hangs up.
    Close,
    /// It says nothing.
    Silence,
}

type OnCall = dyn Fn(&Request, usize) -> Response + Send + Sync;

/// A service. Calls are numbered from 1; everything else is answered in the usual way.
struct Service {
    address: SocketAddr,
    heard: mpsc::Receiver<Request>,
    accepting: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Service {
    async fn new(on_call: impl Fn(&Request, usize) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (told, heard) = mpsc::channel(1000);
        let on_call: Arc<OnCall> = Arc::new(on_call);
        let calls = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone(), Arc::clone(&on_call), Arc::clone(&calls)));
            }
        });
        Self { address, heard, accepting }
    }

    fn spec(&self) -> ServerSpec {
        service(&format!("http://{}/mcp", self.address))
    }

    /// The next request with this method.
    async fn next(&mut self, method: &str) -> Request {
        loop {
            let request = self.heard.recv().await.expect("a request comes");
            if request.method() == method {
                return request;
            }
        }
    }

    /// Everything that was asked until now.
    fn requests(&mut self) -> Vec<Request> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

async fn serve(
    stream: TcpStream,
    told: mpsc::Sender<Request>,
    on_call: Arc<OnCall>,
    calls: Arc<AtomicUsize>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read(&mut stream).await?;
        // A test that does not listen has dropped the other end.
        let _ = told.try_send(request.clone());
        let id = request.body["id"].clone();
        let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
        let response = match (request.verb.as_str(), request.method()) {
            ("POST", "server/discover") => {
                Response::Status(400, "content-type: text/plain\r\n", "no session".to_owned())
            }
            ("POST", "initialize") => Response::Json(result(json!({"protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}))),
            ("POST", "tools/list") => Response::Json(result(json!({"tools": [tool("echo")]}))),
            ("POST", "tools/call") => on_call(&request, calls.fetch_add(1, Ordering::SeqCst) + 1),
            ("POST", _) => Response::Status(202, "", String::new()),
            _ => Response::Status(405, "", String::new()),
        };
        let number = calls.load(Ordering::SeqCst);
        let whole = |status: u16, headers: &str, body: &str| {
            format!(
                "HTTP/1.1 {status} X\r\nmcp-session-id: session{number}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                body.len()
            )
        };
        let written = match response {
            Response::Json(body) => whole(200, "content-type: application/json\r\n", &body.to_string()),
            Response::Events(body) => whole(
                200,
                "content-type: text/event-stream\r\n",
                &format!("event: message\ndata: {body}\n\n"),
            ),
            Response::Status(status, headers, body) => whole(status, headers, &body),
            Response::Close => return None,
            Response::Silence => std::future::pending().await,
        };
        stream.write_all(written.as_bytes()).await.ok()?;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let verb = first.split(' ').next().expect("a verb").to_owned();
    Some(Request { verb, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn service(url: &str) -> ServerSpec {
    ServerSpec {
        transport: ServerTransport::Http { url: url.to_owned(), headers: BTreeMap::new(), silence: None },
        security: ServerSecurity { allow_localhost: true, ..ServerSecurity::default() },
        ..program("web")
    }
}

async fn run(spec: ServerSpec) -> Run {
    let lookup = |name: &str| (name == "TOKEN").then(|| Variable::secret("canary-token"));
    Run::with(vec![spec], Setup::new(Arc::new(Unconfined), Arc::new(lookup))).await
}

fn answer(request: &Request, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": request.body["id"], "result": {"content": [{"type": "text", "text": text}]}})
}

const ECHO: &str = "mcp__web__echo";

#[tokio::test]
async fn every_request_carries_the_headers_and_the_session_and_the_end_is_told() {
    let mut service = Service::new(|request, _| Response::Json(answer(request, "hello"))).await;
    let mut spec = service.spec();
    if let ServerTransport::Http { headers, .. } = &mut spec.transport {
        headers.insert("Authorization".to_owned(), "Bearer ${TOKEN}".to_owned());
    }
    let run = run(spec).await;
    assert_eq!((run.told().as_str(), run.names()), ("", vec![ECHO]));
    assert_eq!(run.call(ECHO).await, ok("hello"));
    run.pool.close().await;
    let requests = service.requests();
    for request in &requests {
        assert_eq!(request.headers["authorization"], "Bearer canary-token", "{request:?}");
    }
    let call = requests.iter().find(|request| request.method() == "tools/call").expect("called");
    assert_eq!(call.session(), "session0");
    assert_eq!(call.headers["mcp-protocol-version"], "2025-06-18");
    assert!(requests.iter().any(|request| request.verb == "DELETE"));
}

#[tokio::test]
async fn answers_may_come_as_events() {
    let service = Service::new(|request, _| Response::Events(answer(request, "streamed"))).await;
    assert_eq!(run(service.spec()).await.call(ECHO).await, ok("streamed"));
}

#[tokio::test]
async fn a_session_that_the_service_has_forgotten_is_made_anew() {
    let mut service = Service::new(|request, number| match (number, request.session()) {
        (_, "session0") => Response::Status(404, "", String::new()),
        _ => Response::Json(answer(request, "again")),
    })
    .await;
    let run = run(service.spec()).await;
    assert_eq!(run.call(ECHO).await, ok("again"));
    assert_eq!(service.requests().iter().filter(|request| request.method() == "initialize").count(), 2);
}

#[tokio::test]
async fn a_service_that_is_busy_is_asked_again_and_one_that_hangs_up_is_not() {
    let mut service = Service::new(|request, number| match number {
        1 => Response::Status(429, "retry-after: 0\r\n", String::new()),
        2 => Response::Json(answer(request, "now")),
        _ => Response::Close,
    })
    .await;
    let run = run(service.spec()).await;
    assert_eq!(run.call(ECHO).await, ok("now"));
    // Its session is as good as before.
    assert_eq!(service.requests().iter().filter(|request| request.method() == "initialize").count(), 1);
    let told = error(run.call(ECHO).await);
    assert!(told.contains("may have run or not"), "{told}");
    assert_eq!(service.requests().iter().filter(|request| request.method() == "tools/call").count(), 1);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_at_the_service() {
    let mut service = Service::new(|_, _| Response::Silence).await;
    let run = run(service.spec()).await;
    let call = tokio::spawn(run.begin(ECHO, json!({})));
    let id = service.next("tools/call").await.body["id"].clone();
    call.abort();
    assert_eq!(service.next("notifications/cancelled").await.body["params"]["requestId"], id);
}

#[tokio::test]
async fn a_service_that_falls_silent_is_not_waited_for() {
    let service = Service::new(|_, _| Response::Silence).await;
    let mut spec = service.spec();
    if let ServerTransport::Http { silence, .. } = &mut spec.transport {
        *silence = Some(std::time::Duration::from_millis(200));
    }
    let told = error(run(spec).await.call(ECHO).await);
    assert!(told.contains("may have run or not"), "{told}");
}

#[tokio::test]
async fn pages_for_people_and_endless_answers_are_errors() {
    let service = Service::new(|request, number| match number {
        1 => Response::Status(200, "content-type: text/html\r\n", "<html>Hello</html>".to_owned()),
        2 => Response::Json(answer(request, &"x".repeat(40 * 1024 * 1024))),
        3 => Response::Events(answer(request, &"x".repeat(40 * 1024 * 1024))),
        _ => Response::Json(answer(request, "fine")),
    })
    .await;
    let mut spec = service.spec();
    spec.call_time = Some(std::time::Duration::from_mins(1));
    let run = run(spec).await;
    for kind in ["page", "answer"] {
        let told = error(run.call(ECHO).await);
        assert!(told.contains("may have run or not") && told.len() < 1000, "{kind}: {told}");
    }
    error(run.call(ECHO).await);
}

#[tokio::test]
async fn a_service_that_wants_a_key_is_told_without_further_attempts() {
    let service = Service::new(|_, _| Response::Close).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let refusing = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            if read(&mut stream).await.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            let refusal = "HTTP/1.1 401 X\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";
            stream.write_all(refusal.as_bytes()).await.expect("written");
        }
    });
    let run = run(self::service(&format!("http://{address}/mcp"))).await;
    insta::assert_snapshot!(run.told(), @"MCP server `web` of agent1: it wants a key, or does not accept the one it got; check the key in its `headers`");
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    refusing.abort();
    drop(service);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_without_its_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let run = run(service(&format!("http://{address}/mcp?key=${{TOKEN}}"))).await;
    insta::assert_snapshot!(run.told(), @"MCP server `web` of agent1: it cannot be reached: Connection refused (os error 111); tried 3 times; check its address and the network");
}

#[tokio::test]
async fn this_machine_is_not_asked_unless_that_is_allowed() {
    let mut service = Service::new(|request, _| Response::Json(answer(request, "hello"))).await;
    let spec = ServerSpec { security: ServerSecurity::default(), ..service.spec() };
    let run = run(spec).await;
    assert!(service.requests().is_empty());
    insta::assert_snapshot!(run.told(), @"MCP server `web` of agent1: `127.0.0.1` is this machine; `security.allow_localhost: true` allows it; change its entry below `mcp_servers`");
}

#[tokio::test]
async fn a_redirect_to_another_place_is_not_followed() {
    let mut other = Service::new(|request, _| Response::Json(answer(request, "evil"))).await;
    let target: &'static str =
        Box::leak(format!("location: http://{}/mcp\r\n", other.address).into_boxed_str());
    let service = Service::new(move |_, _| Response::Status(307, target, String::new())).await;
    let run = run(service.spec()).await;
    error(run.call(ECHO).await);
    assert!(other.requests().is_empty());
}
