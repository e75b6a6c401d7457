//! Tool servers in whole runs: programs in the sandbox, and services.

use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Call, Lab, can_confine, mechanisms, merge};
use crate::program::Told;
use crate::server::Server;

/// A server. `die` ends its process, `garble` writes what no client reads.
pub(crate) const SERVER: &str = r#"
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

fn lab(lab: Lab) -> Lab {
    lab.world.write("tools/server.py", SERVER);
    lab
}

fn run(lab: &Lab, backend: &Value, calls: &[Call<'_>]) -> Told {
    lab.set(backend, calls);
    lab.run()
}

#[test]
fn a_server_is_called_under_its_names_and_comes_back_when_it_dies() {
    for mechanism in mechanisms("a_server_is_called") {
        let lab = lab(Lab::confined(mechanism));
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
        made[4].is("error", "it sent something that is no message of the protocol");
        made[5].is("ok", "echo: still");
        assert!(!made.iter().any(|made| made.text.contains('\u{1b}')), "{made:?}");
    }
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
    let lab = lab(Lab::new());
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
    for mechanism in mechanisms("a_server_reaches") {
        let lab = lab(Lab::confined(mechanism));
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
}

#[test]
fn a_server_that_is_an_installed_package_finds_what_is_installed_beside_it() {
    for mechanism in mechanisms("a_server_that_is_an_installed_package") {
        let lab = Lab::confined(mechanism);
        let beside = "import os, sys\nhere = os.path.dirname(os.path.abspath(__file__))\n\
                      sys.path.insert(0, os.path.join(here, '../../../needed'))\nimport needed\n";
        let entry = "elsewhere/app/node_modules/@lab/server/dist/index.py";
        lab.world.write(entry, &format!("{beside}{SERVER}"));
        lab.world.write("elsewhere/app/node_modules/needed/needed.py", "");
        lab.world.write("elsewhere/app/secret.txt", "secret");
        let server = json!({ "name": "lab", "type": "stdio", "command": "python3", "args": [entry] });
        let secret = lab.world.work().join("elsewhere/app/secret.txt").display().to_string();
        let read = ("mcp__lab__read", json!({ "path": secret }));
        run(
            &lab,
            &json!({ "cwd": "workspace", "mcp_servers": [server] }),
            &[("mcp__lab__echo", json!({ "words": "found" })), read],
        );
        let made = lab.made();
        made[0].is("ok", "echo: found");
        made[1].is("error", "refused: ");
    }
}

#[test]
fn a_server_starts_in_its_folder_sees_it_and_finds_its_files_from_there() {
    for mechanism in mechanisms("a_server_starts_in_its_folder") {
        let lab = Lab::confined(mechanism);
        lab.world.write("own/server.py", SERVER);
        lab.world.write("own/notes.txt", "notes");
        lab.world.write("own/.massgen/.env", "KEY=secret");
        lab.world.write("own/deep/x.txt", "deep");
        let server = json!({ "name": "lab", "type": "stdio", "command": "python3", "args": ["server.py"],
            "cwd": "own" });
        let call = |name: &str, path: &str| (format!("mcp__lab__{name}"), json!({ "path": path }));
        let calls = [
            call("read", "notes.txt"),
            call("read", "deep/x.txt"),
            call("read", ".massgen/.env"),
            call("write", "notes.txt"),
        ];
        let calls: Vec<Call<'_>> = calls.iter().map(|(name, given)| (name.as_str(), given.clone())).collect();
        run(&lab, &json!({ "cwd": "workspace", "mcp_servers": [server] }), &calls);
        let made = lab.made();
        made[0].is("ok", "read: notes");
        made[1].is("ok", "read: deep");
        made[2].is("error", "refused: ");
        made[3].is("error", "refused: ");
        assert_eq!(lab.world.read("own/notes.txt"), "notes");
    }
}

#[test]
fn a_folder_that_a_server_is_told_of_and_cannot_see_is_told_with_what_to_do() {
    if !can_confine("a_folder_that_a_server_is_told_of") {
        return;
    }
    let lab = lab(Lab::new());
    lab.world.write("seen/a.txt", "a");
    lab.world.write("unseen/b.txt", "b");
    lab.world.write("tools/ends.py", "raise SystemExit(\"there is no folder for me\")");
    let at = |path: &str| lab.world.work().join(path).display().to_string();
    let named = |name: &str, file: &str| {
        json!({ "name": name, "type": "stdio", "command": "python3",
            "args": [file, at("seen"), format!("--folder={}", at("unseen"))] })
    };
    let backend = json!({ "cwd": "workspace", "context_paths": [{ "path": "seen", "permission": "read" }],
        "mcp_servers": [named("lab", "tools/server.py"), named("ends", "tools/ends.py")] });
    run(&lab, &backend, &[("mcp__lab__echo", json!({ "words": "here" }))]);
    lab.made()[0].is("ok", "echo: here");
    let told = lab.degraded().join("\n").replace(&lab.world.work().display().to_string(), "[work]");
    let told: Vec<_> = told.lines().filter(|line| line.contains("context_paths")).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_tool_of_a_server_that_has_the_name_of_one_of_ours_is_left_out_and_told_once() {
    if !can_confine("a_tool_of_a_server_that_has_the_name") {
        return;
    }
    let lab = Lab::new();
    let script = SERVER.replace("NAMES = [", "NAMES = [\"write_file\", \"edit_file\", ");
    lab.world.write("tools/server.py", &script);
    let server =
        json!({ "name": "filesystem", "type": "stdio", "command": "python3", "args": ["tools/server.py"] });
    let write = ("mcp__filesystem__write_file", json!({ "path": "a.txt", "content": "ours" }));
    run(
        &lab,
        &json!({ "cwd": "workspace", "mcp_servers": [server] }),
        &[write, ("mcp__filesystem__echo", json!({ "words": "theirs" }))],
    );
    let made = lab.made();
    made[0].is("ok", "a.txt");
    made[1].is("ok", "echo: theirs");
    assert_eq!(lab.left_file("a.txt"), "ours");
    let told: Vec<_> = lab.degraded().into_iter().filter(|told| told.contains("left out")).collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Stands for a key of the user.
const TOKEN: &str = "lab-0123456789-canary";

#[test]
fn variables_come_from_the_environment_and_their_values_are_kept_nowhere() {
    if !can_confine("variables_come") {
        return;
    }
    let lab = lab(Lab::new());
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
    let lab = lab(Lab::new());
    let mut backend = backend(&json!({}));
    let gone = json!({ "name": "gone", "type": "stdio", "command": "python3", "args": ["tools/gone.py"] });
    backend["mcp_servers"].as_array_mut().unwrap().push(gone);
    let ends = json!({ "name": "ends", "type": "stdio", "command": "python3", "args": ["tools/ends.py"] });
    backend["mcp_servers"].as_array_mut().unwrap().push(ends);
    lab.world.write("tools/ends.py", "raise SystemExit(\"no such city\")");
    let told = run(
        &lab,
        &backend,
        &[("mcp__lab__echo", json!({ "words": "here" })), ("mcp__gone__echo", json!({}))],
    );
    let made = lab.made();
    made[0].is("ok", "echo: here");
    made[1].is("denied", "there is no tool `mcp__gone__echo`");
    let gone = format!("there is no file `{}`", lab.world.work().join("tools/gone.py").display());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("");
    assert!(words(&told.stderr).contains(&words(&gone)), "{told}");
    let checked = lab.world.run(&["--validate", crate::lab::CONFIG]).exits(0);
    assert!(words(&checked.stdout).contains(&words(&gone)), "{checked}");

    let told: Vec<_> = lab.degraded().into_iter().filter(|told| told.contains("MCP server")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`ends`") && told[0].contains("no such city"), "{told:?}");
    assert!(told[0].contains("tried 3 times") && told[0].contains("mcp_ends_stderr.log`"), "{told:?}");
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
pub(crate) struct Service(std::process::Child, pub(crate) u16);

impl Service {
    pub(crate) fn start(lab: &Lab) -> Self {
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

#[test]
fn what_servers_keep_goes_with_a_run_whose_agents_have_no_workspace() {
    if !can_confine("what_servers_keep") {
        return;
    }
    let lab = lab(Lab::new());
    let mut backend = backend(&json!({}));
    backend.as_object_mut().unwrap().remove("cwd");
    let keep = ("mcp__lab__write", json!({ "path": "kept.txt" }));
    lab.set(&backend, std::slice::from_ref(&keep));
    let base = lab.world.home().join("elsewhere/logs");
    let named = [("MASSGEN_LOG_BASE_DIR", base.to_str().unwrap())];
    let kept = || -> Vec<_> {
        let all = crate::program::files(&lab.world.home().join("elsewhere"));
        all.into_keys().filter(|path| path.ends_with("kept.txt")).collect()
    };
    // Over, it has left nothing, and nothing beside the logs.
    lab.run_with(&named);
    Lab::made_in(&base).last().unwrap().is("ok", "wrote");
    assert!(kept().is_empty(), "{:?}", kept());
    assert_eq!(fs_err::read_dir(base.parent().unwrap()).unwrap().count(), 1);

    // Killed, it has, until it is removed.
    let call = |(tool, arguments): &Call<'_>| json!([{ "call": { "tool": tool, "arguments": arguments } }]);
    let script = json!({ "agents": { "default": { "replies": [call(&keep), [{ "hang": true }]] } } });
    lab.world.write("script.yaml", &script.to_string());
    let mut running = lab.start_with(&named, &["--stream-events", "Do it."]);
    running.hear("wrote");
    running.signal("-KILL");
    running.wait();
    let left = kept();
    assert!(left.len() == 1 && left[0].starts_with("logs"), "{left:?}");
    lab.world.run_with(&named, &["logs", "prune", "--keep", "0"]).exits(0);
    let all = crate::program::files(&lab.world.home().join("elsewhere"));
    assert!(all.is_empty(), "{:?}", all.keys());
}
