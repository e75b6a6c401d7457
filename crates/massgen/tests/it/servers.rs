//! Tool servers in whole runs: programs in the sandbox, and services.

use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Call, Lab, can_confine, merge};
use crate::program::Told;
use crate::server::Server;

/// A server. `die` ends its process, `garble` writes what no client reads.
const SERVER: &str = r#"
import base64, json, os, sys

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
NAMES = ["echo", "fail", "picture", "die", "garble", "variable", "read", "write"]

def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()

def text(words, is_error=False):
    return {"content": [{"type": "text", "text": words}], "isError": is_error}

def call(name, given):
    if name == "echo":
        return text("echo: " + given.get("words", ""))
    if name == "fail":
        return text("it failed as asked", True)
    if name == "picture":
        return {"content": [{"type": "text", "text": "a dot"}, {"type": "image", "data": PIXEL, "mimeType": "image/png"}]}
    if name == "die":
        os._exit(3)
    if name == "garble":
        sys.stdout.write("\x1b[31mthis is no JSON\x00\n{\"jsonrpc\": \n" + "x" * 100000 + "\n[[[[\n")
        return text("garbled")
    if name == "variable":
        return text("variable: " + os.environ.get(given["name"], "none"))
    try:
        if name == "read":
            return text("read: " + open(given["path"]).read())
        open(given["path"], "w").write("x")
        return text("wrote")
    except Exception as error:
        return text("refused: " + type(error).__name__, True)

for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    method, given = asked.get("method"), asked.get("params", {})
    if method == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "lab", "version": "1"}}
    elif method == "tools/list":
        schema = {"type": "object", "properties": {}, "additionalProperties": True}
        result = {"tools": [{"name": name, "description": "Does " + name, "inputSchema": schema} for name in NAMES]}
    elif method == "tools/call":
        result = call(given["name"], given.get("arguments") or {})
    else:
        say({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no such method"}})
        continue
    say({"jsonrpc": "2.0", "id": asked["id"], "result": result})
"#;

/// An agent with that server, called `lab`, and `more` in its backend.
fn backend(more: &Value) -> Value {
    let server = json!({ "name": "lab", "type": "stdio", "command": "python3", "args": ["tools/server.py"] });
    let mut backend = json!({ "cwd": "workspace", "mcp_servers": [server] });
    merge(&mut backend, more);
    backend
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.world.write("tools/server.py", SERVER);
    lab
}

fn run(lab: &Lab, backend: &Value, calls: &[Call<'_>]) -> Told {
    lab.set(backend, calls);
    lab.run()
}

#[test]
fn a_server_is_called_under_its_names_and_comes_back_when_it_dies() {
    if !can_confine("a_server_is_called") {
        return;
    }
    let lab = lab();
    let tool = |name: &str| format!("mcp__lab__{name}");
    run(
        &lab,
        &backend(&json!({})),
        &[
            (&tool("echo"), json!({ "words": "hello" })),
            (&tool("fail"), json!({})),
            (&tool("die"), json!({})),
            (&tool("echo"), json!({ "words": "again" })),
            (&tool("garble"), json!({})),
            (&tool("echo"), json!({ "words": "still" })),
        ],
    );
    let made = lab.made();
    made[0].is("ok", "echo: hello");
    made[1].is("error", "it failed as asked");
    assert_eq!(made[2].how, "error", "{:?}", made[2]);
    made[3].is("ok", "echo: again");
    made[5].is("ok", "echo: still");
    assert!(!made.iter().any(|made| made.text.contains('\u{1b}')), "{made:?}");
}

#[test]
fn a_picture_of_a_server_is_in_the_next_request() {
    if !can_confine("a_picture_of_a_server") {
        return;
    }
    let server = Server::start(|request| {
        use crate::server::{Asked, answer, asked, vote};
        match asked(request) {
            Asked::Present => answer("the final words"),
            Asked::Judge => vote("agent1"),
            Asked::First if request.json().to_string().contains("a dot is seen") => vote("agent1"),
            Asked::First if request.json().to_string().contains("a dot") => answer("a dot is seen"),
            Asked::First => {
                massgen_testkit::model_server::ScriptedReply::call("mcp__lab__picture", &json!({}))
            }
        }
    });
    let lab = lab();
    let mut config = server.config(1);
    merge(&mut config["agents"][0]["backend"], &backend(&json!({ "model": "gpt-4o" })));
    lab.configure(&config);
    lab.run();
    let made = &lab.made()[0];
    made.is("ok", "a dot");
    assert_eq!((made.files.len(), made.files[0].media_type.as_str()), (1, "image/png"));
    let second = server.requests()[1].json().to_string();
    assert!(second.contains("data:image/png;base64,iVBORw0KGgo"), "{second}");
}

#[test]
fn a_server_reaches_what_its_agent_reaches_and_the_files_that_its_command_names() {
    if !can_confine("a_server_reaches") {
        return;
    }
    let lab = lab();
    let at = |path: &str| lab.world.work().join(path).display().to_string();
    lab.world.write("seen/notes.txt", "notes");
    lab.world.write("secret/key.txt", "secret");
    let call = |name: &str, path: &str| (format!("mcp__lab__{name}"), json!({ "path": path }));
    let (seen, secret) = (at("seen/notes.txt"), at("secret/key.txt"));
    let (logs, outside) = (at(".massgen/massgen_logs/x"), at("secret/new.txt"));
    let calls = [
        call("read", &seen),
        call("write", &seen),
        call("read", &secret),
        call("write", &outside),
        call("write", &logs),
        call("write", "made.txt"),
        call("write", &at("tools/server.py")),
    ];
    let calls: Vec<Call<'_>> = calls.iter().map(|(name, given)| (name.as_str(), given.clone())).collect();
    let context = json!({ "context_paths": [{ "path": "seen", "permission": "read" }] });
    run(&lab, &backend(&context), &calls);
    let made = lab.made();
    made[0].is("ok", "read: notes");
    for refused in [1, 2, 3, 4, 6] {
        made[refused].is("error", "refused: ");
    }
    made[5].is("ok", "wrote");
    assert_eq!(lab.left_file("made.txt"), "x");
    assert!(!Path::new(&outside).exists() && !Path::new(&logs).exists());
}

/// Stands for a key of the user.
const TOKEN: &str = "lab-0123456789-canary";

#[test]
fn variables_come_from_the_environment_and_their_values_are_kept_nowhere() {
    if !can_confine("variables_come") {
        return;
    }
    let lab = lab();
    let mut backend = backend(&json!({}));
    merge(&mut backend["mcp_servers"][0], &json!({ "env": { "GIVEN_TOKEN": "${LAB_TOKEN}" } }));
    let variable = |name: &str| ("mcp__lab__variable", json!({ "name": name }));
    lab.set(&backend, &[variable("GIVEN_TOKEN"), variable("LAB_TOKEN"), variable("OTHER_SECRET")]);
    let told = lab.run_with(&[("LAB_TOKEN", TOKEN), ("OTHER_SECRET", "other")]);
    let made = lab.made();
    // It was there, and is masked.
    made[0].is("ok", "variable: ");
    assert!(!made[0].text.contains("none"), "{:?}", made[0]);
    made[1].is("ok", "variable: none");
    made[2].is("ok", "variable: none");
    assert!(!told.to_string().contains(TOKEN), "{told}");
    for (path, bytes) in crate::program::files(&lab.world.work()) {
        let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn a_server_that_is_missing_is_told_and_the_run_goes_on() {
    if !can_confine("a_server_that_is_missing") {
        return;
    }
    let lab = lab();
    let mut backend = backend(&json!({}));
    let gone = json!({ "name": "gone", "type": "stdio", "command": "python3", "args": ["tools/gone.py"] });
    backend["mcp_servers"].as_array_mut().unwrap().push(gone);
    run(&lab, &backend, &[("mcp__lab__echo", json!({ "words": "here" })), ("mcp__gone__echo", json!({}))]);
    let made = lab.made();
    made[0].is("ok", "echo: here");
    made[1].is("denied", "there is no tool `mcp__gone__echo`");
    let told: Vec<_> = lab.degraded().into_iter().filter(|told| told.contains("`gone`")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("gone.py"), "what Python says of it is told: {told:?}");
}

/// The same over HTTP: one reply for each request.
const SERVICE: &str = r#"
import http.server, json

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words): pass
    def say(self, code, message=None):
        body = b"" if message is None else json.dumps(message).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.say(405)
    def do_DELETE(self): self.say(405)
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in asked:
            return self.say(202)
        method = asked.get("method")
        if method == "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
        elif method == "tools/list":
            result = {"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": "greetings"}]}
        else:
            return self.say(200, {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no"}})
        self.say(200, {"jsonrpc": "2.0", "id": asked["id"], "result": result})

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// A process that ends with the test.
struct Service(std::process::Child, u16);

impl Service {
    fn start(lab: &Lab) -> Self {
        use std::io::{BufRead, BufReader};
        let script = lab.world.write("service.py", SERVICE);
        let mut command = lab.world.command("/usr/bin/python3", &[]);
        let mut child = command.arg(script).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().parse().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_on_this_machine_is_reached_where_that_is_allowed_and_only_there() {
    let lab = Lab::new();
    let service = Service::start(&lab);
    let url = format!("http://127.0.0.1:{}/mcp", service.1);
    let server = |name: &str, security: Value| json!({ "name": name, "type": "streamable-http", "url": url, "security": security });
    let servers = [server("near", json!({ "allow_localhost": true })), server("shut", json!({}))];
    run(
        &lab,
        &json!({ "mcp_servers": servers }),
        &[("mcp__near__greet", json!({})), ("mcp__shut__greet", json!({}))],
    );
    let made = lab.made();
    made[0].is("ok", "greetings");
    made[1].is("denied", "there is no tool");
    assert!(lab.degraded().iter().any(|told| told.contains("`shut`")), "{:?}", lab.degraded());
}
