//! Commands of an agent in a container of its own. It is made with the first command, and made anew when the agent
//! reaches something else: what a container sees is settled when it is made.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::limits::COMMAND_OUTPUT_BYTES;
use massgen_protocol::spec::AgentSpec;
use massgen_protocol::tooling::{ContainerEngine, ContainerNetwork, ContainerSpec};
use massgen_protocol::workspace;
use massgen_sandbox::container::{
    Access, AgentContainer, Container, ContainerCall, ContainerMount, Credential, Engine, EngineKind,
    Packages, Sudo, caches, is_of_the_engine,
};
use massgen_sandbox::{Keep, Mechanism, Owner, pinned};
use massgen_tools::commands::{Command, Ran, Reach, Runner};
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::dotenv::Dotenv;
use crate::environment::{ENV_FILE_BYTES, Environment, read_text};
use crate::failure::Failure;

/// The key of a configuration that says what of the user's a container gets.
const CREDENTIALS: &str = "command_line_docker_credentials";

/// What can be done without containers.
const WITHOUT: &str = "leave `command_line_execution_mode` out: commands then run in the sandbox";

/// Runs the commands of one agent in its container.
pub(crate) struct ContainerRunner {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    /// What the container is made from, but for what the agent reaches.
    plan: Container,
    containers: Mutex<Containers>,
}

/// The containers of one agent.
#[derive(Default)]
struct Containers {
    current: Option<Current>,
    /// Those in which commands were still at work when another one took their place.
    earlier: Vec<Arc<AgentContainer>>,
    /// How many were made.
    made: u32,
}

/// The container that commands begin in.
struct Current {
    /// What it sees of what the agent reached when it was made.
    shown: Vec<ContainerMount>,
    container: Arc<AgentContainer>,
}

impl ContainerRunner {
    /// For `agent`, as `spec` wants it. The engine is asked for leftovers of runs that are gone, which are removed: one
    /// that does not answer is found before anything is paid for.
    ///
    /// # Errors
    /// When the engine is not installed or does not answer, or what the container is to get is not there.
    pub(crate) async fn new(
        agent: &AgentSpec,
        spec: &ContainerSpec,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let of_agent = |problem: String| Failure::configuration(format!("agent `{}`: {problem}", agent.id));
        let (kind, program) = match spec.engine {
            ContainerEngine::Docker => (EngineKind::Docker, "docker"),
            ContainerEngine::Podman => (EngineKind::Podman, "podman"),
        };
        let search = std::env::var_os("PATH").unwrap_or_default();
        let found = massgen_sandbox::program(&search, program).ok_or_else(|| {
            of_agent(format!("`{program}` is not installed, and its commands are to run in a container"))
                .hint(format!("install it, or {WITHOUT}"))
        })?;
        let instance =
            agent.workspace.as_ref().map(|workspace| instance(&workspace.peers)).unwrap_or_default();
        let folder = agent.workspace.as_ref().map(|workspace| Path::new(&workspace.folder).join(".cache"));
        let plan = Container {
            agent: agent.id.to_string(),
            instance,
            image: spec.image.clone(),
            network: match spec.network {
                ContainerNetwork::None => massgen_sandbox::container::ContainerNetwork::None,
                ContainerNetwork::Bridge => massgen_sandbox::container::ContainerNetwork::Bridge,
                ContainerNetwork::Host => massgen_sandbox::container::ContainerNetwork::Host,
            },
            memory: spec.memory.clone(),
            processors: spec.processors,
            mounts: mounts(spec, environment).map_err(of_agent)?,
            environment: folder.as_deref().and_then(caches).unwrap_or_default(),
            secrets: given(spec, environment).map_err(of_agent)?,
            sudo: if spec.root { Sudo::Yes } else { Sudo::No },
            user: owner_of(agent).map_err(of_agent)?,
            packages: Packages {
                python: spec.packages.python.clone(),
                npm: spec.packages.npm.clone(),
                system: spec.packages.system.clone(),
            },
        };
        let engine = Engine::new(kind, found, std::env::vars_os());
        let me = Owner::this().map_err(Failure::configuration)?;
        engine.remove_leftovers(&me).await.map_err(|error| {
            of_agent(format!("its commands are to run in a container, and none can be had: {error}"))
                .hint(format!("look whether the service of `{program}` runs, or {WITHOUT}"))
        })?;
        Ok(Self { shared: Arc::new(Shared { engine, plan, containers: Mutex::default() }) })
    }

    /// Removes what was made of containers, with all that still runs in them.
    ///
    /// # Errors
    /// Why one of them stays; the others are removed all the same.
    pub(crate) async fn remove(&self) -> Result<(), String> {
        let Containers { current, earlier, .. } = std::mem::take(&mut *self.shared.containers.lock().await);
        let mut removed = Ok(());
        for container in current.map(|current| current.container).into_iter().chain(earlier) {
            removed = container.remove().await.map_err(|error| error.to_string()).and(removed);
        }
        removed
    }
}

impl Runner for ContainerRunner {
    fn run(&self, command: Command) -> BoxFuture<'static, Result<Ran, String>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.run(command).await })
    }
}

impl Shared {
    async fn run(&self, command: Command) -> Result<Ran, String> {
        let container = self.container(command.reach).await?;
        let half = COMMAND_OUTPUT_BYTES / 2;
        let keep = Keep { head: half, tail: half, file: None, file_bytes: 0 };
        let call = ContainerCall {
            command: ["/bin/sh", "-c"].map(OsString::from).into_iter().chain([command.line.into()]).collect(),
            folder: command.folder,
            environment: BTreeMap::new(),
            stdin: Vec::new(),
            time: Some(command.time),
            stdout: keep.clone(),
            stderr: keep,
        };
        container.run(call).await.map(Ran::from).map_err(|error| error.to_string())
    }

    /// The container for who reaches `reach`, made if there is none that sees the same.
    async fn container(&self, reach: Reach) -> Result<Arc<AgentContainer>, String> {
        let told = |error: massgen_sandbox::Error| error.to_string();
        let shown = shown(reach)?;
        let mut containers = self.containers.lock().await;
        if let Some(current) = containers.current.take_if(|current| current.shown != shown) {
            containers.earlier.push(current.container);
        }
        // Nobody gets hold of them any more, so those that only we hold are at rest.
        let (rest, busy) = std::mem::take(&mut containers.earlier)
            .into_iter()
            .partition(|container| Arc::strong_count(container) == 1);
        containers.earlier = busy;
        let rest: Vec<_> = rest;
        for container in rest {
            container.remove().await.map_err(told)?;
        }
        if let Some(current) = &containers.current {
            return Ok(Arc::clone(&current.container));
        }
        let me = Owner::this().map_err(massgen_sandbox::Error::Lost).map_err(told)?;
        let mut plan = self.plan.clone();
        plan.mounts.extend(shown.iter().cloned());
        containers.made += 1;
        if containers.made > 1 {
            // The one before may still have the name.
            plan.instance = format!("{}-{}", plan.instance, containers.made);
        }
        let container = Arc::new(self.engine.make(plan, &me).await.map_err(told)?);
        containers.current = Some(Current { shown, container: Arc::clone(&container) });
        Ok(container)
    }
}

/// What a container of who reaches `reach` sees, at the same places. What is hidden is not in it; of one path the
/// narrower access counts where it is protected, and the wider one elsewhere. It is not held to rules.
fn shown(reach: Reach) -> Result<Vec<ContainerMount>, String> {
    let reach = reach.ruled(Mechanism::Unconfined).without_hidden()?;
    let with = |paths: Vec<PathBuf>, access| paths.into_iter().map(move |path| (path, access));
    let all = with(reach.readable, Access::Read)
        .chain(with(reach.writable, Access::Write))
        .chain(with(reach.protected.clone(), Access::Read));
    let mut all: BTreeMap<PathBuf, Access> = all.collect();
    let pinned = pinned(&reach.protected, |path| {
        let mut around = path.ancestors().map(|folder| all.get(folder));
        around.next() == Some(None) && around.flatten().next() == Some(&Access::Write)
    });
    all.extend(pinned.into_iter().map(|path| (path.to_owned(), Access::Write)));
    let mount = |(path, access): (PathBuf, _)| ContainerMount { host: path.clone(), inside: path, access };
    Ok(all.into_iter().map(mount).collect())
}

/// What tells runs apart: the folder of a run among those for peers.
fn instance(peers: &str) -> String {
    let run = Path::new(peers).parent().and_then(Path::file_name);
    run.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The user and group that own the agent's folder, so that what commands make there is theirs.
fn owner_of(agent: &AgentSpec) -> Result<String, String> {
    use std::os::unix::fs::MetadataExt;
    let Some(workspace) = &agent.workspace else { return Ok("0:0".to_owned()) };
    let found = fs_err::metadata(&workspace.folder).map_err(|error| error.to_string())?;
    Ok(format!("{}:{}", found.uid(), found.gid()))
}

fn mounts(spec: &ContainerSpec, environment: &Environment) -> Result<Vec<ContainerMount>, String> {
    let mut mounts = Vec::new();
    for word in &spec.credentials.well_known {
        let credential: Credential = word.parse().map_err(|error| format!("{error}"))?;
        let home = environment.home.as_ref().ok_or("there is no home folder to mount something of")?;
        let mount = credential.mount(home);
        if !mount.host.exists() {
            return Err(format!("`{}` is to be mounted and is not there", mount.host.display()));
        }
        mounts.push(mount);
    }
    for (host, mount) in &spec.credentials.mounts {
        let access = match mount.access {
            workspace::Access::Read => Access::Read,
            workspace::Access::Write => Access::Write,
        };
        mounts.push(ContainerMount { host: host.into(), inside: (&mount.at).into(), access });
    }
    Ok(mounts)
}

/// The variables that a container gets: those of the file, of the whole environment, and those that are named.
///
/// # Errors
/// Which of them cannot be had.
pub(crate) fn given(
    spec: &ContainerSpec,
    environment: &Environment,
) -> Result<BTreeMap<String, SecretString>, String> {
    let wanted = &spec.credentials;
    let mut given = BTreeMap::new();
    if let Some(file) = &wanted.env_file {
        let text = read_text(Path::new(file), ENV_FILE_BYTES).map_err(|problem| {
            format!("`{file}`, which `{CREDENTIALS}.env_file` names, cannot be used: {problem}")
        })?;
        let read = Dotenv::parse(&text);
        let is_wanted =
            |name: &String| wanted.env_vars_from_file.is_empty() || wanted.env_vars_from_file.contains(name);
        given.extend(read.variables.into_iter().filter(|(name, _)| is_wanted(name)));
    }
    if wanted.pass_all_env {
        given.extend(environment.all().filter(|(name, _)| !is_of_the_engine(name)));
    }
    for name in &wanted.env_vars {
        let value = environment.get(name).ok_or_else(|| {
            format!("the variable `{name}`, which `{CREDENTIALS}.env_vars` names, is not set")
        })?;
        given.insert(name.clone(), value);
    }
    Ok(given.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_something_protected_is_a_mount_that_cannot_be_moved_away() {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
        let reach = Reach {
            readable: paths(&["/p/seen"]),
            writable: paths(&["/p", "/ws"]),
            protected: paths(&["/p/a/b/kept", "/p/seen/c/kept", "/p/top"]),
            ..Reach::default()
        };
        let mounts = shown(reach).expect("nothing is hidden").into_iter();
        let mounts: Vec<_> = mounts.map(|mount| (mount.inside.display().to_string(), mount.access)).collect();
        assert_eq!(
            mounts.iter().map(|(path, access)| (path.as_str(), *access)).collect::<Vec<_>>(),
            [
                ("/p", Access::Write),
                ("/p/a", Access::Write),
                ("/p/a/b", Access::Write),
                ("/p/a/b/kept", Access::Read),
                ("/p/seen", Access::Read),
                ("/p/seen/c/kept", Access::Read),
                ("/p/top", Access::Read),
                ("/ws", Access::Write),
            ]
        );
    }
}
