//! A place to try the sandbox in: a workspace, and things that must stay out of reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use massgen_sandbox::{Call, Ended, Limits, Machine, Mechanism, Network, Policy, Sandbox};
use massgen_testkit::mechanisms::not_tried;

/// A workspace for commands, beside a home folder with secrets and a project.
pub(crate) struct Place {
    pub(crate) sandbox: Sandbox,
    pub(crate) workspace: PathBuf,
    pub(crate) peers: PathBuf,
    pub(crate) outside: PathBuf,
    /// The user's home folder, with a tool in it.
    pub(crate) home: PathBuf,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        let made = |name: &str| {
            let path = root.join(name);
            fs_err::create_dir_all(&path).expect("made");
            path
        };
        let (workspace, peers, outside) = (made("workspace"), made("peers"), made("outside"));
        fs_err::write(peers.join("answer.txt"), "of a peer").expect("written");
        fs_err::write(outside.join("secret"), "the secret").expect("written");
        let home = made("home");
        fs_err::create_dir_all(home.join(".cargo/bin")).expect("made");
        Self { sandbox: found(&home).await, workspace, peers, outside, home, _folder: folder }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            readable: vec![self.peers.clone()],
            writable: vec![self.workspace.clone()],
            protected: Vec::new(),
            masked: Vec::new(),
            network: Network::None,
            limits: Limits::STANDARD,
        }
    }

    pub(crate) fn call(&self, mechanism: Mechanism, line: &str) -> Call {
        let home = self.workspace.join(".home");
        fs_err::create_dir_all(&home).expect("made");
        let environment = [("HOME", home.clone()), ("TMPDIR", home)];
        let command = vec!["/bin/sh".into(), "-c".into(), line.into()];
        Call {
            environment: BTreeMap::from(environment.map(|(name, value)| (name.into(), value.into()))),
            time: Some(Duration::from_mins(1)),
            ..Call::new(mechanism, self.policy(), command, self.workspace.clone())
        }
    }

    pub(crate) async fn run(&self, call: Call) -> Ended {
        self.sandbox.run(call).await.expect("it runs")
    }
}

/// The sandbox of this machine, with the helper of this crate, for a user whose home folder is `home`. The tools of the
/// real user are found by their variables.
async fn found(home: &Path) -> Sandbox {
    let real = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let place = |variable: &str, name: &str| {
        (variable.into(), std::env::var_os(variable).unwrap_or_else(|| real.join(name).into()))
    };
    let own = [("HOME".into(), home.into()), ("SECRET_OF_THE_USER".into(), "x".into())];
    let tools = [place("RUSTUP_HOME", ".rustup"), place("PYENV_ROOT", ".pyenv")];
    let variables = std::env::vars_os().filter(|(name, _)| name != "HOME").chain(own).chain(tools);
    let machine = Machine::look(variables).expect("the machine is looked at");
    Sandbox::find(helper(), machine).await
}

pub(crate) fn helper() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_massgen-sandbox-helper")).to_path_buf()
}

/// The mechanisms of this machine.
pub(crate) fn mechanisms(sandbox: &Sandbox) -> Vec<Mechanism> {
    let available = sandbox.available();
    let mut found = Vec::new();
    match &available.bubblewrap {
        Ok(_) => found.push(Mechanism::Bubblewrap),
        Err(unavailable) => not_tried("the sandbox", "bubblewrap", &unavailable.reason),
    }
    match &available.landlock {
        Ok(()) => found.push(Mechanism::Landlock),
        Err(unavailable) => not_tried("the sandbox", "Landlock", &unavailable.reason),
    }
    found
}

pub(crate) fn output(ended: &Ended) -> String {
    let gap = |bytes| format!("[{bytes}]");
    format!("{:?}\n{}{}", ended.how, ended.stdout.text(gap), ended.stderr.text(gap))
}

/// The processes whose folder is `workspace` or lies in it, by name.
pub(crate) fn living_in(workspace: &Path) -> Vec<String> {
    let processes = fs_err::read_dir("/proc").expect("listed").filter_map(Result::ok);
    let here = processes.filter(|entry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder.starts_with(workspace))
    });
    here.filter_map(|entry| fs_err::read_to_string(entry.path().join("comm")).ok()).collect()
}
