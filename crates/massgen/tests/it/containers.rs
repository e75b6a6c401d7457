//! Commands of agents in containers: what the engine is told, in whole runs.

use massgen_protocol::Event;
use serde_json::{Value, json};

use crate::lab::{CONFIG, Call, Lab, PATH, command, merge, program};

/// An engine that runs commands on this machine. It keeps what containers there are in a folder, and writes down how it is
/// called, each word in brackets, and which of our variables it was given.
const ENGINE: &str = r#"#!/bin/sh
fake=$HOME/engine
mkdir -p "$fake/all"
said=$(for word; do printf '[%s]' "$word" | tr '\n' ' '; done)
# In one piece: several of us may write.
echo "${0##*/} $said" >> "$fake/calls"
verb=$1; shift
case $verb in
create)
  while [ $# -gt 0 ]; do case $1 in --name) name=$2;; esac; shift; done
  [ ! -e "$fake/all/$name" ] || { echo "the name is in use" >&2; exit 125; }
  : > "$fake/all/$name"; echo 0123abc;;
start) [ -e "$fake/all/$1" ] || { echo "no such container" >&2; exit 1; };;
rm) for word; do name=$word; done; rm -f "$fake/all/$name";;
ps) ;;
exec)
  while :; do
    case $1 in
      --interactive) shift;;
      --workdir) cd "$2" || exit 126; shift 2;;
      --env) case $2 in *=*) export "$2";; esac; shift 2;;
      --user) shift 2;;
      *) break;;
    esac
  done
  [ -e "$fake/all/$1" ] || { echo "no such container" >&2; exit 1; }
  shift
  exec "$@";;
*) echo "unknown: $verb" >&2; exit 1;;
esac
"#;

/// Stands for a key of the user.
const TOKEN: &str = "lab-0123456789-canary";

/// A run of an agent whose commands run in containers of `engine`, with `more` in its backend: what it came to, and how
/// the engine was called.
fn run(engine: &str, more: &Value, calls: &[Call<'_>]) -> (Lab, Vec<String>) {
    let lab = Lab::new();
    lab.set(&backend(engine, more), calls);
    let calls = run_in(&lab, engine);
    (lab, calls)
}

fn backend(engine: &str, more: &Value) -> Value {
    let mut backend = json!({ "cwd": "workspace", "enable_mcp_command_line": true,
        "command_line_execution_mode": "docker", "command_line_docker_engine": engine,
        "command_line_docker_image": "some/image:1",
        "context_paths": [{ "path": "seen", "permission": "read" }] });
    merge(&mut backend, more);
    backend
}

/// The same for a lab that is configured.
fn run_in(lab: &Lab, engine: &str) -> Vec<String> {
    let programs = lab.world.home().parent().unwrap().join("programs");
    program(&programs, engine, ENGINE);
    lab.world.write("seen/notes.txt", "notes");
    let path = format!("{}:{PATH}", programs.display());
    lab.run_with(&[("PATH", &path), ("LAB_TOKEN", TOKEN), ("OTHER_SECRET", "other")]);
    let calls = fs_err::read_to_string(lab.world.home().join("engine/calls")).unwrap();
    calls.lines().map(str::to_owned).collect()
}

/// What a container sees that was made like this, as `access path`, with names that change between runs replaced.
fn mounts(lab: &Lab, create: &str) -> Vec<String> {
    let work = lab.world.work().display().to_string();
    let words = create.split("[--mount][").skip(1).filter_map(|rest| rest.split(']').next());
    let mount = |word: &str| {
        let (word, access) = match word.strip_suffix(",readonly") {
            Some(word) => (word, "read"),
            None => (word, "write"),
        };
        let (source, target) =
            word.strip_prefix("type=bind,source=").and_then(|word| word.split_once(",target=")).unwrap();
        assert_eq!(source, target);
        let names = source.replace(&work, "[work]");
        let names = names.split('/').map(|name| {
            let is_random = |part: &str| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            match name.rsplit_once('_') {
                Some((front, end)) if is_random(end) => format!("{front}_#"),
                _ if is_random(name) => "#".to_owned(),
                _ => name.to_owned(),
            }
        });
        format!("{access} {}", names.collect::<Vec<_>>().join("/"))
    };
    words.map(mount).collect()
}

/// The name that a container was made with.
fn name(create: &str) -> &str {
    create.split("[--name][").nth(1).unwrap().split(']').next().unwrap()
}

/// The lines that begin like this.
fn lines<'a>(calls: &'a [String], front: &str) -> Vec<&'a str> {
    calls.iter().map(String::as_str).filter(|call| call.starts_with(front)).collect()
}

#[test]
fn commands_run_in_a_container_that_gets_what_it_is_to_get_and_is_removed_at_the_end() {
    for engine in ["docker", "podman"] {
        let more = json!({ "command_line_docker_memory_limit": "2g", "command_line_docker_cpu_limit": 1.5,
            "command_line_docker_credentials": { "env_vars": ["LAB_TOKEN"] } });
        let (tool, mut job) = command("sleep 30");
        job["background"] = json!(true);
        let (lab, calls) = run(
            engine,
            &more,
            &[
                command("echo in the container > made.txt; test -n \"$LAB_TOKEN\" && exit 4"),
                command("cat made.txt"),
                (tool, job),
            ],
        );
        let made = lab.made();
        assert_eq!(made[0].json()["exit_code"], 4, "{:?}", made[0]);
        assert_eq!(made[1].json()["stdout"], "in the container\n");
        assert_eq!(lab.left_file("made.txt"), "in the container\n");

        let create = lines(&calls, &format!("{engine} [create]"));
        assert_eq!(create.len(), 1, "{calls:#?}");
        let seen = lab.world.work().join("seen").display().to_string();
        for part in [
            "[--network][none]",
            "[--memory][2g]",
            "[--memory-swap][2g]",
            "[--cpus][1.5]",
            "[--pids-limit][512]",
            "[--cap-drop][ALL]",
            "[--security-opt][no-new-privileges]",
            &format!("[--mount][type=bind,source={seen},target={seen},readonly]"),
            "[--entrypoint][/bin/sh][some/image:1][-c]",
        ] {
            assert!(create[0].contains(part), "no {part} in {}", create[0]);
        }
        // One folder can be written to: the agent's own. There is nothing of the user's home folder, of our own state, or of
        // the engine itself.
        insta::allow_duplicates! { insta::assert_snapshot!(mounts(&lab, create[0]).join("\n")) }

        // Names of variables, never values, and none that was not asked for.
        let exec = lines(&calls, &format!("{engine} [exec][--interactive]"));
        // The job may not have come that far.
        assert!(exec.len() >= 2, "{calls:#?}");
        assert!(exec.iter().all(|call| call.contains("[--env][LAB_TOKEN]")), "{exec:#?}");
        let all = calls.join("\n");
        assert!(!all.contains(TOKEN) && !all.contains("OTHER_SECRET"), "{all}");

        // It is gone, also while a job was still at work in it.
        let name = name(create[0]);
        assert!(
            lines(&calls, &format!("{engine} [rm]"))
                .contains(&format!("{engine} [rm][--force][--volumes][{name}]").as_str()),
            "{calls:#?}"
        );
        let left: Vec<_> = fs_err::read_dir(lab.world.home().join("engine/all")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_container_shows_nothing_of_massgen_in_a_project_that_it_shows() {
    let lab = Lab::new();
    lab.world.write("src/main.txt", "the program");
    lab.world.write(".massgen/.env", "KEY=secret");
    lab.world.write(".massgen/workspaces/workspace_of_another/treasure.txt", "gold");
    let whole = json!({ "context_paths": [{ "path": ".", "permission": "read" }] });
    lab.set(&backend("docker", &whole), &[command("true")]);
    let calls = run_in(&lab, "docker");
    let create = lines(&calls, "docker [create]");
    insta::assert_snapshot!(mounts(&lab, create[0]).join("\n"));
}

#[test]
fn a_container_is_made_anew_when_its_agent_is_shown_files_of_peers() {
    let lab = Lab::new();
    let mut both = backend("docker", &json!({}));
    merge(&mut both, &crate::lab::simulated());
    let agent = |id: &str| json!({ "id": id, "backend": both });
    lab.configure(&json!({ "agents": [agent("agent_a"), agent("agent_b")] }));
    let call = |(tool, arguments): Call<'_>| json!([{ "call": { "tool": tool, "arguments": arguments } }]);
    let (tool, mut job) = command("sleep 30");
    job["background"] = json!(true);
    let script = json!({ "agents": {
        "agent_a": { "replies": [[{ "answer": "a" }], [{ "vote": "agent_a" }]] },
        "agent_b": { "replies": [
            call((tool, job)), call(command("true")), [{ "answer": "b" }],
            call(command("true")), call(command("true")), [{ "vote": "agent_a" }],
        ] },
    } });
    lab.world.write("script.yaml", &script.to_string());
    let calls = run_in(&lab, "docker");
    assert!(lab.made().iter().all(|made| made.how == "ok"), "{:?}", lab.made());

    let create = lines(&calls, "docker [create]");
    assert_eq!(create.len(), 2, "{calls:#?}");
    assert_ne!(name(create[0]), name(create[1]));
    let (before, after) = (mounts(&lab, create[0]), mounts(&lab, create[1]));
    let more: Vec<_> = after.iter().filter(|mount| !before.contains(mount)).collect();
    assert!(before.iter().all(|mount| after.contains(mount)), "{before:?} {after:?}");
    assert!(!more.is_empty() && more.iter().all(|mount| mount.starts_with("read ")), "{more:?}");
    assert!(more.iter().all(|mount| mount.contains("/views/")), "{more:?}");
    // A job is still at work in the first, which goes with the run.
    let place = |part: &str| calls.iter().position(|call| call.contains(part)).unwrap();
    let removed = format!("[rm][--force][--volumes][{}]", name(create[0]));
    let last = calls.iter().rposition(|call| call.contains("[exec][--interactive]")).unwrap();
    assert!(place(&removed) > last, "{calls:#?}");
    let left: Vec<_> = fs_err::read_dir(lab.world.home().join("engine/all")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_container_stays_when_files_come_and_go_that_rules_name() {
    let rules = json!({ "permissions": { "role": "implementer",
        "rules": { "deny": ["read_file(secret.txt)", "write_file(build/**)"] } } });
    let lines_of_shell =
        ["echo x > secret.txt", "mkdir build && echo x > build/a", "rm secret.txt", "rm -r build", "true"];
    let (lab, calls) = run("docker", &rules, &lines_of_shell.map(command));
    assert!(lab.made().iter().all(|made| made.how == "ok"), "{:?}", lab.made());
    assert_eq!(lines(&calls, "docker [create]").len(), 1, "{calls:#?}");
}

#[test]
fn who_presents_writes_to_the_project_from_a_container_too_where_nothing_is_kept_apart() {
    let lab = Lab::new();
    let write = json!({ "context_paths": [{ "path": "seen", "permission": "write" }] });
    lab.set(&backend("docker", &write), &[command("true")]);
    let mut script: Value = serde_json::from_str(&lab.world.read("script.yaml")).unwrap();
    let (tool, arguments) = command("true");
    script["agents"]["default"]["present"] =
        json!([[{ "call": { "tool": tool, "arguments": arguments } }], [{ "answer": "changed" }]]);
    lab.world.write("script.yaml", &script.to_string());
    let mut config: Value = serde_json::from_str(&lab.world.read(CONFIG)).unwrap();
    merge(&mut config, &json!({ "orchestrator": { "coordination": { "write_mode": "legacy" } } }));
    lab.configure(&config);
    let calls = run_in(&lab, "docker");
    let create = lines(&calls, "docker [create]");
    let seen =
        |create: &str| mounts(&lab, create).into_iter().find(|mount| mount.ends_with("/seen")).unwrap();
    let seen: Vec<_> = create.iter().map(|create| seen(create)).collect();
    assert_eq!(seen, ["read [work]/seen", "write [work]/seen"], "{calls:#?}");
    // The first was at rest, and is gone before the second is made.
    let place = |part: &str| calls.iter().position(|call| call.contains(part)).unwrap();
    assert!(place("[rm]") < place(&format!("[--name][{}]", name(create[1]))), "{calls:#?}");
}

#[test]
fn a_container_with_root_and_a_network_is_told_as_such() {
    let more =
        json!({ "command_line_docker_network_mode": "bridge", "command_line_docker_enable_sudo": true });
    let (_lab, calls) = run("docker", &more, &[command("true")]);
    let create = lines(&calls, "docker [create]");
    assert!(create[0].contains("[--network][bridge]"), "{create:?}");
    assert!(!create[0].contains("--cap-drop") && !create[0].contains("[--user]"), "{create:?}");
}

#[test]
fn an_engine_that_is_missing_or_broken_is_told() {
    let lab = Lab::new();
    let backend = json!({ "enable_mcp_command_line": true, "command_line_execution_mode": "docker",
        "command_line_docker_engine": "podman" });
    lab.set(&backend, &[command("true")]);
    let arguments = ["--config", crate::lab::CONFIG, "--automation", "Do it."];
    let empty = lab.world.home().parent().unwrap().join("programs");
    program(&empty, "other", "#!/bin/sh\n");
    let missing = lab.world.run_with(&[("PATH", empty.to_str().unwrap())], &arguments).exits(1);
    assert!(missing.stderr.contains("`podman` is not installed"), "{missing}");
    assert!(missing.stderr.contains("hint: install it"), "{missing}");

    let lab = Lab::new();
    let programs = lab.world.home().parent().unwrap().join("programs");
    program(&programs, "podman", "#!/bin/sh\necho 'cannot connect to the service' >&2\nexit 125\n");
    lab.set(&backend, &[command("true")]);
    let path = format!("{}:{PATH}", programs.display());
    let broken = lab.world.run_with(&[("PATH", &path)], &arguments).exits(1);
    let said = "its commands are to run in a container, and none can be had: podman could not list containers: \
                cannot connect to the service";
    assert!(broken.stderr.contains(said), "{broken}");
    assert!(broken.stderr.contains("look whether the service of `podman` runs"), "{broken}");
    let runs = lab.world.log_dirs();
    let mut events = runs.iter().flat_map(|run| massgen_journal::read(run).unwrap_or_default());
    assert!(!events.any(|envelope| matches!(envelope.event, Event::ModelCallStarted { .. })), "{broken}");
}
