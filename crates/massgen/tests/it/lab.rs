//! Agents with real tools: the program runs in automation mode, its agents follow scripts, and what their calls came to
//! is read from the journal.

use std::path::{Path, PathBuf};

use massgen_protocol::message::ToolFile;
use massgen_protocol::{Envelope, Event, ToolOutcome, ToolUse};
use massgen_sandbox::{Machine, Mechanism, Sandbox};
use massgen_testkit::mechanisms::not_tried;
use serde_json::{Value, json};

use crate::program::{MASSGEN, Running, Told, World};

/// The configuration of a run, named on the command line: what a project brings along needs trust.
pub(crate) const CONFIG: &str = "team.yaml";

/// Where programs are: nothing of the machine's user is among it.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A call of a tool in a script.
pub(crate) type Call<'a> = (&'a str, Value);

/// A world with agents that have tools.
pub(crate) struct Lab {
    pub(crate) world: World,
    /// Where the program looks for others.
    search: String,
}

/// What a call came to.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) tool_use: ToolUse,
    pub(crate) tool: String,
    /// `ok`, `error`, `denied`, or another word.
    pub(crate) how: &'static str,
    pub(crate) text: String,
    pub(crate) files: Vec<ToolFile>,
}

impl Made {
    /// The result as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Whether it ended like this, with these words in it.
    #[track_caller]
    pub(crate) fn is(&self, how: &str, part: &str) {
        assert!(self.how == how && self.text.contains(part), "not {how} with `{part}`: {self:#?}");
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { world: World::new(), search: PATH.to_owned() }
    }

    /// One in which commands are confined by `mechanism`, which works here.
    pub(crate) fn confined(mechanism: Mechanism) -> Self {
        let world = World::new();
        Self { search: search_path(&world, mechanism), world }
    }

    /// One agent with `backend` that makes `calls`, each in a reply of its own, and answers.
    pub(crate) fn alone(backend: &Value, calls: &[Call<'_>]) -> Self {
        let lab = Self::new();
        lab.set(backend, calls);
        lab
    }

    /// The same, for a world whose files are there already.
    pub(crate) fn set(&self, backend: &Value, calls: &[Call<'_>]) {
        self.set_replies(backend, &calls.iter().map(std::slice::from_ref).collect::<Vec<_>>());
    }

    /// One agent with `backend` that makes these calls, and answers.
    pub(crate) fn set_replies(&self, backend: &Value, replies: &[&[Call<'_>]]) {
        let call = |(tool, arguments): &Call<'_>| json!({ "call": { "tool": tool, "arguments": arguments } });
        let replies = replies.iter().map(|calls| calls.iter().map(call).collect::<Vec<_>>());
        let end = [vec![json!({ "answer": "done" })], vec![json!({ "vote": "agent_a" })]];
        let script =
            json!({ "agents": { "default": { "replies": replies.chain(end).collect::<Vec<_>>() } } });
        self.world.write("script.yaml", &script.to_string());
        let mut config = json!({ "agents": [{ "id": "agent_a", "backend": simulated() }] });
        merge(&mut config["agents"][0]["backend"], backend);
        self.configure(&config);
    }

    pub(crate) fn configure(&self, config: &Value) {
        self.world.write(CONFIG, &config.to_string());
    }

    pub(crate) fn run(&self) -> Told {
        self.run_with(&[])
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)]) -> Told {
        let variables: Vec<_> = [("PATH", self.search.as_str())].iter().chain(variables).copied().collect();
        let told = self.world.run_with(&variables, &["--config", CONFIG, "--automation", "Do it."]);
        assert_eq!(told.code, Some(0), "{told}\n{}", self.course());
        told
    }

    /// Goes on with the only run, to its end.
    pub(crate) fn resume(&self) -> Told {
        let told = self.world.run_with(&[("PATH", &self.search)], &["--automation", "--resume", "latest"]);
        assert_eq!(told.code, Some(0), "{told}\n{}", self.course());
        told
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(&[], arguments)
    }

    pub(crate) fn start_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Running {
        let variables: Vec<_> = [("PATH", self.search.as_str())].iter().chain(variables).copied().collect();
        let mut command = self.world.command(MASSGEN, &variables);
        command.args(["--config", CONFIG]).args(arguments);
        Running::start(command)
    }

    pub(crate) fn events(&self) -> Vec<Envelope> {
        massgen_journal::read(&self.world.log_dir()).unwrap()
    }

    /// What all calls came to, in the order in which they ended.
    pub(crate) fn made(&self) -> Vec<Made> {
        Self::made_of(&self.events())
    }

    /// The same for the only run whose logs are in `base`.
    pub(crate) fn made_in(base: &Path) -> Vec<Made> {
        let mut runs = fs_err::read_dir(base).unwrap().map(|entry| entry.unwrap().path());
        Self::made_of(&massgen_journal::read(&runs.next().unwrap()).unwrap())
    }

    fn made_of(events: &[Envelope]) -> Vec<Made> {
        let name = |wanted: ToolUse| {
            events.iter().find_map(|envelope| match &envelope.event {
                Event::ToolCallStarted { tool_use, tool_call } if *tool_use == wanted => {
                    Some(tool_call.name.clone())
                }
                _ => None,
            })
        };
        let ended = events.iter().filter_map(|envelope| match &envelope.event {
            Event::ToolCallFinished { tool_use, outcome, .. } => Some((*tool_use, outcome.clone())),
            _ => None,
        });
        let made = ended.map(|(tool_use, outcome)| {
            let (how, text, files) = match outcome {
                ToolOutcome::Ok { text, files } => ("ok", text, files),
                ToolOutcome::Error { text } => ("error", text, Vec::new()),
                ToolOutcome::Denied { text } => ("denied", text, Vec::new()),
                ToolOutcome::Unknown => ("unknown", String::new(), Vec::new()),
                ToolOutcome::NotRun { .. } => ("not run", String::new(), Vec::new()),
                ToolOutcome::CutOff => ("cut off", String::new(), Vec::new()),
            };
            Made { tool_use, tool: name(tool_use).unwrap_or_default(), how, text, files }
        });
        made.collect()
    }

    /// What happened, for whoever has to find out why a run is not as it should be.
    fn course(&self) -> String {
        let Some(folder) = self.world.log_dirs().pop() else { return "no run".to_owned() };
        let events = massgen_journal::read(&folder).unwrap_or_default();
        let line = |envelope: &Envelope| {
            let mut line = serde_json::to_string(&envelope.event).unwrap();
            line.truncate(line.floor_char_boundary(600));
            line
        };
        events.iter().skip(1).map(line).collect::<Vec<_>>().join("\n")
    }

    /// What people were told of as working less well.
    pub(crate) fn degraded(&self) -> Vec<String> {
        let told = self.events().into_iter().filter_map(|envelope| match envelope.event {
            Event::Degraded { message, .. } => Some(message),
            _ => None,
        });
        told.collect()
    }

    /// The files that the final answer of the only agent left.
    pub(crate) fn left(&self) -> PathBuf {
        self.world.attempt().join("final/agent_a/workspace")
    }

    /// A file that the final answer left.
    pub(crate) fn left_file(&self, path: &str) -> String {
        fs_err::read_to_string(self.left().join(path)).unwrap()
    }
}

/// The backend of an agent that follows the script of its world.
pub(crate) fn simulated() -> Value {
    json!({ "type": "simulated", "script": "script.yaml", "latency_ms": 0, "tokens_per_second": 0 })
}

/// Adds the entries of `more` to `map`.
pub(crate) fn merge(map: &mut Value, more: &Value) {
    let map = map.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())));
}

/// A command.
pub(crate) fn command(line: &str) -> Call<'static> {
    ("mcp__command_line__execute_command", json!({ "command": line }))
}

/// Whether commands can be confined here. Where they cannot, a test that needs it says so and ends.
pub(crate) fn can_confine(test: &str) -> bool {
    !mechanisms(test).is_empty()
}

/// The mechanisms that confine commands here. A test says which it was not tried with.
pub(crate) fn mechanisms(test: &str) -> Vec<Mechanism> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let machine = Machine::look([("PATH".into(), PATH.into())]).unwrap();
    working(&runtime.block_on(Sandbox::find(PathBuf::from(MASSGEN), machine)), test)
}

/// Those of them that `sandbox` has.
pub(crate) fn working(sandbox: &Sandbox, test: &str) -> Vec<Mechanism> {
    let available = sandbox.available();
    let reasons = [
        (Mechanism::Bubblewrap, available.bubblewrap.as_ref().err()),
        (Mechanism::Landlock, available.landlock.as_ref().err()),
    ];
    let mut working = Vec::new();
    for (mechanism, reason) in reasons {
        match reason {
            None => working.push(mechanism),
            Some(no) => not_tried(test, &mechanism.to_string(), &no.reason),
        }
    }
    working
}

/// The search path with which the program takes `mechanism`.
pub(crate) fn search_path(world: &World, mechanism: Mechanism) -> String {
    match mechanism {
        Mechanism::Bubblewrap | Mechanism::Unconfined => PATH.to_owned(),
        Mechanism::Landlock => {
            let programs = world.home().parent().unwrap().join("programs");
            program(&programs, "bwrap", "#!/bin/sh\nexit 1\n");
            format!("{}:{PATH}", programs.display())
        }
    }
}

/// Writes a program.
pub(crate) fn program(folder: &Path, name: &str, text: &str) {
    fs_err::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs_err::write(&path, text).unwrap();
    fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}
