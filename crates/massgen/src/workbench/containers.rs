//! Commands of an agent in a container of its own. It is made with the first command.

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
    Access, AgentContainer, Container, ContainerCall, ContainerMount, Credential, Engine, EngineKind, Owner,
    Packages, Sudo, caches, is_of_the_engine,
};
use massgen_sandbox::{HowItEnded, Keep};
use massgen_tools::commands::{Command, Finish, Ran, Reach, Runner};
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::dotenv::Dotenv;
use crate::environment::{ENV_FILE_BYTES, Environment, read_text};
use crate::failure::Failure;

/// Runs the commands of one agent in its container.
pub(crate) struct ContainerRunner {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    /// What the container is made from, but for what the agent reaches.
    plan: Container,
    container: Mutex<Option<Arc<AgentContainer>>>,
}

impl ContainerRunner {
    /// For `agent`, as `spec` wants it.
    ///
    /// # Errors
    /// When the engine is not installed, or what the container is to get is not there.
    pub(crate) fn new(
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
        let found =
            std::env::split_paths(&search).map(|folder| folder.join(program)).find(|path| path.is_file());
        let found = found.ok_or_else(|| {
            of_agent(format!("`{program}` is not installed, and its commands are to run in a container"))
                .hint("install it, or leave `command_line_execution_mode` out: commands then run in the sandbox")
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
            secrets: secrets(spec, environment).map_err(of_agent)?,
            sudo: if spec.root { Sudo::Yes } else { Sudo::No },
            user: owner_of(agent).map_err(of_agent)?,
            packages: Packages {
                python: spec.packages.python.clone(),
                npm: spec.packages.npm.clone(),
                system: spec.packages.system.clone(),
            },
        };
        let engine = Engine::new(kind, found, std::env::vars_os());
        Ok(Self { shared: Arc::new(Shared { engine, plan, container: Mutex::new(None) }) })
    }

    /// Removes the container, if one was made, with all that still runs in it.
    pub(crate) async fn remove(&self) -> Result<(), String> {
        let container = self.shared.container.lock().await.take();
        match container {
            Some(container) => container.remove().await.map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}

impl Runner for ContainerRunner {
    fn run(&self, command: Command) -> BoxFuture<'static, Result<Ran, String>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.run(command).await.map_err(|error| error.to_string()) })
    }
}

impl Shared {
    async fn run(&self, command: Command) -> Result<Ran, massgen_sandbox::Error> {
        let container = self.container(&command.reach).await?;
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
        let ended = container.run(call).await?;
        let gap = |bytes| format!("\n[… {bytes} bytes left out …]\n");
        Ok(Ran {
            finish: match ended.how {
                HowItEnded::Exited(code) => Finish::Exited(code),
                HowItEnded::OutOfTime | HowItEnded::Killed => Finish::OutOfTime,
            },
            stdout: ended.stdout.text(gap),
            stderr: ended.stderr.text(gap),
            took: ended.duration,
            refused: Vec::new(),
        })
    }

    /// The container, made if there is none yet; leftovers of runs that are gone are removed then.
    async fn container(&self, reach: &Reach) -> Result<Arc<AgentContainer>, massgen_sandbox::Error> {
        let mut held = self.container.lock().await;
        if let Some(container) = held.as_ref() {
            return Ok(Arc::clone(container));
        }
        let me = Owner::this().map_err(massgen_sandbox::Error::Lost)?;
        self.engine.remove_leftovers(&me).await?;
        let mut plan = self.plan.clone();
        let shown =
            |path: &PathBuf, access| ContainerMount { host: path.clone(), inside: path.clone(), access };
        plan.mounts.extend(reach.writable.iter().map(|path| shown(path, Access::Write)));
        plan.mounts.extend(reach.readable.iter().map(|path| shown(path, Access::Read)));
        plan.mounts.extend(reach.protected.iter().map(|path| shown(path, Access::Read)));
        let container = Arc::new(self.engine.make(plan, &me).await?);
        *held = Some(Arc::clone(&container));
        Ok(container)
    }
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

/// The variables that the container gets: those of the file, of the whole environment, and those that are named.
fn secrets(
    spec: &ContainerSpec,
    environment: &Environment,
) -> Result<BTreeMap<String, SecretString>, String> {
    let wanted = &spec.credentials;
    let mut secrets = BTreeMap::new();
    if let Some(file) = &wanted.env_file {
        let text = read_text(Path::new(file), ENV_FILE_BYTES)?;
        let read = Dotenv::parse(&text);
        let is_wanted =
            |name: &String| wanted.env_vars_from_file.is_empty() || wanted.env_vars_from_file.contains(name);
        secrets.extend(read.variables.into_iter().filter(|(name, _)| is_wanted(name)));
    }
    if wanted.pass_all_env {
        secrets.extend(environment.all().filter(|(name, _)| !is_of_the_engine(name)));
    }
    for name in &wanted.env_vars {
        let value = environment
            .get(name)
            .ok_or_else(|| format!("the variable `{name}` of `docker_credentials.env_vars` is not set"))?;
        secrets.insert(name.clone(), value);
    }
    Ok(secrets.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect())
}
