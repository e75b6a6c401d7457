//! Programs of agents on a machine where nothing confines them: refused, unless the configuration says `unsandboxed`.

use serde_json::{Value, json};

use crate::lab::{CONFIG, Call, Lab, PATH, command, merge, program, simulated};
use crate::program::{MASSGEN, Running, Told};
use crate::servers::{SERVER, Service};

/// Starts a program to which the kernel says that it has no Landlock.
const WITHOUT_LANDLOCK: &str = r#"
import ctypes, os, struct, sys

LANDLOCK_CREATE_RULESET, ENOSYS = 444, 38
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET), (0x06, 0, 0, 0x50000 | ENOSYS), (0x06, 0, 0, 0x7FFF0000)]

class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = Filter(len(steps), ctypes.cast(code, ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Runs the program where neither mechanism works.
fn run(lab: &Lab) -> Told {
    let programs = lab.world.home().parent().unwrap().join("programs");
    program(&programs, "bwrap", "#!/bin/sh\nexit 1\n");
    let starter = programs.join("starter.py");
    fs_err::write(&starter, WITHOUT_LANDLOCK).unwrap();
    let path = format!("{}:{PATH}", programs.display());
    let mut command = lab.world.command("/usr/bin/python3", &[("PATH", &path)]);
    command.arg(starter).args([MASSGEN, "--config", CONFIG, "--automation", "Do it."]);
    Running::start(command).wait()
}

/// An agent with `backend` that makes `calls`.
fn lab(backend: &Value, calls: &[Call<'_>]) -> Lab {
    let lab = Lab::new();
    lab.world.write("tools/server.py", SERVER);
    lab.world.write(
        "tools/own.py",
        "def where() -> str:\n    import os\n    return os.readlink('/proc/self/ns/pid')\n",
    );
    lab.world.write("secret.txt", "of the user");
    lab.set(backend, calls);
    lab
}

/// Whose programs the trail says were not confined.
fn told_in_the_trail(lab: &Lab) -> Vec<Value> {
    let text = fs_err::read_to_string(lab.world.log_dir().join("ledger.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("unsandboxed").cloned()).collect()
}

fn server() -> Value {
    json!([{ "name": "lab", "type": "stdio", "command": "python3", "args": ["tools/server.py"] }])
}

#[test]
fn programs_are_refused_where_nothing_confines_them_and_the_hint_works() {
    let tools = json!([{ "function": "where", "path": "tools/own.py" }]);
    for (who, backend, calls) in [
        ("commands", json!({ "enable_mcp_command_line": true }), vec![command("cat ../../../secret.txt")]),
        (
            "tool servers and custom tools",
            json!({ "mcp_servers": server() }),
            vec![("mcp__lab__echo", json!({ "words": "of the user" }))],
        ),
        (
            "tool servers and custom tools",
            json!({ "custom_tools": tools, "cwd": "work" }),
            vec![("custom_tool__where", json!({}))],
        ),
    ] {
        let mut backend = backend;
        let refused = lab(&backend, &calls);
        let told = run(&refused).exits(1);
        let hint = "`unsandboxed: true` in the agent's `backend`";
        assert!(
            told.stderr.contains("nothing on this machine confines them") && told.stderr.contains(hint),
            "{told}"
        );

        merge(&mut backend, &json!({ "unsandboxed": true }));
        let allowed = lab(&backend, &calls);
        let told = run(&allowed).exits(0);
        let words = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("{who} of this agent run with all your rights")), "{told}");
        let made = allowed.made();
        assert_eq!((made.len(), made[0].how), (1, "ok"), "{made:?}");
        assert_eq!(told_in_the_trail(&allowed), [json!("agent_a")]);
        if who == "commands" {
            assert_eq!(made[0].json()["stdout"], "of the user");
        }
    }
}

#[test]
fn an_agent_that_only_asks_services_needs_no_sandbox() {
    let of_service = Lab::new();
    let service = Service::start(&of_service);
    let url = format!("http://127.0.0.1:{}/mcp", service.1);
    let near = json!([{ "name": "near", "type": "streamable-http", "url": url, "security": { "allow_localhost": true } }]);
    let agent = |id: &str, more: Value| {
        let mut backend = simulated();
        merge(&mut backend, &more);
        json!({ "id": id, "backend": backend })
    };
    // The other agent starts a program, so that a sandbox is looked for at all.
    of_service.set(&json!({}), &[("mcp__near__greet", json!({}))]);
    of_service.world.write("tools/server.py", SERVER);
    of_service.configure(&json!({ "agents": [
        agent("agent_a", json!({ "mcp_servers": near })),
        agent("agent_b", json!({ "mcp_servers": server(), "unsandboxed": true })),
    ] }));
    run(&of_service).exits(0);
    let made = of_service.made();
    assert!(made.iter().any(|made| made.how == "ok" && made.text.contains("greetings")), "{made:?}");
    assert_eq!(told_in_the_trail(&of_service), [json!("agent_b")]);
}
