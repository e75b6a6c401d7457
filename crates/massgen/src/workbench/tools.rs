//! The tools of all agents of a run, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_engine::SystemClock;
use massgen_mcp::{AgentServers, BASE_VARIABLES, Filter, Pool, Setup, Web};
use massgen_ports::{Clock, ToolHost};
use massgen_protocol::spec::{AgentSpec, RunSpec};
use massgen_protocol::tooling::{Approval, CommandPlace, Hooks, Planning, SandboxSpec};
use massgen_protocol::workspace::{Isolation, WorkspaceSpec};
use massgen_protocol::{AgentId, limits};
use massgen_sandbox::{Limits, Mechanism, Network, Policy};
use massgen_tools::commands::{
    Checks, CommandSource, CommandTools, Reach, Rights, Runner, SandboxRunner, SandboxSettings,
};
use massgen_tools::custom::{BySandbox, CallerContext, CustomSetup, CustomTools, find_python};
use massgen_tools::hooks::{HookPrograms, HookedHost, Notify};
use massgen_tools::policy::{Approver, FileApprover, Record};
use massgen_tools::{AgentTools, Desk, FileSource, PlanSource, Selection, Source, ToolBox, ToolBoxParts};
use massgen_workspace::access::{Contexts, Managed};

use super::confinement::{Confinement, at_home, is_unconfined, network, nothing_but};
use super::containers::ContainerRunner;
use super::custom::{CustomToolSource, Written};
use super::desks::{Desks, SeatParts};
use super::ledger::Ledger;
use super::projects::Projects;
use super::servers::{Confined, InSandbox, NamedFiles, ServerSource};
use crate::environment::Environment;
use crate::failure::Failure;

/// The folder of a project, and of the home folder, that holds what is massgen's own.
const OWN: &str = ".massgen";

/// The folder below the home folder that holds settings and keys.
const OWN_SETTINGS: &str = ".config/massgen";

/// The tools of a run.
pub(crate) struct Tools {
    pub(crate) host: Arc<dyn ToolHost>,
    pub(crate) desks: Desks,
    pub(crate) pool: Arc<Pool>,
    pub(crate) containers: Vec<Arc<ContainerRunner>>,
    /// For people: what is not as the configuration wants it.
    pub(crate) notices: Vec<String>,
}

/// What tools are made from.
pub(crate) struct Parts<'a> {
    pub(crate) spec: &'a RunSpec,
    /// The folder of the whole session's logs, which agents neither read nor change.
    pub(crate) logs: &'a Path,
    /// A folder for what programs of agents keep, one below it for each.
    pub(crate) scratch: &'a Path,
    /// What agents work on in place of the user's project.
    pub(crate) projects: &'a Projects,
    /// Looks up what stands for `${NAME}`.
    pub(crate) lookup: Arc<massgen_mcp::Lookup>,
    pub(crate) web: Web,
    /// Hears of what goes wrong during the run.
    pub(crate) notify: Notify,
    pub(crate) environment: &'a Environment,
}

/// Puts the tools of all agents together, starts their servers, and reads the functions that the user wrote.
///
/// # Errors
/// When something that the configuration asks for cannot be had: nothing is left out in silence.
pub(crate) async fn equip(parts: &Parts<'_>) -> Result<Tools, Failure> {
    let confinement = Confinement::find(parts.spec, parts.environment).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let mut benches = Vec::new();
    for agent in &parts.spec.agents {
        benches.push(Bench::of(agent, parts, confinement.as_ref())?);
    }
    let mut notices = Vec::new();
    let mut sources: Vec<Arc<dyn Source>> = vec![
        Arc::new(FileSource::new(desks_of(&benches, |bench| Some(bench.agent.tooling.files)))),
        Arc::new(PlanSource::new(
            desks_of(&benches, |bench| (bench.agent.tooling.planning == Planning::On).then_some(()))
                .into_iter()
                .map(|(agent, (desk, ()))| (agent, desk))
                .collect(),
        )),
    ];
    let (commands, containers) = commands(&benches, parts, confinement.as_ref())?;
    sources.push(Arc::new(CommandSource::new(commands)));
    let (pool, custom) = tokio::join!(
        servers(&benches, parts, confinement.as_ref()),
        custom(&benches, parts, confinement.as_ref())
    );
    let (pool, missing) = pool?;
    let pool = Arc::new(pool);
    notices.extend(missing.iter().map(ToString::to_string));
    sources.push(Arc::new(ServerSource(Arc::clone(&pool))));
    let (custom, missing) = custom?;
    notices.extend(missing);
    sources.push(Arc::new(CustomToolSource(custom)));
    let agents = benches.iter().map(|bench| {
        let permissions = bench.agent.tooling.permissions.clone();
        let approver = permissions.as_ref().and_then(|permissions| match &permissions.approval {
            Approval::Policy => None,
            Approval::Files { folder } => {
                Some(Arc::new(FileApprover::new(folder.into(), Arc::clone(&clock))) as Arc<dyn Approver>)
            }
        });
        let selection = Selection::of(&bench.agent.tooling);
        (bench.agent.id.clone(), AgentTools { desk: bench.desk.clone(), selection, permissions, approver })
    });
    let ledger = Ledger::new(parts.spec, parts.logs, Arc::clone(&clock), Arc::clone(&parts.notify));
    let random = std::hash::RandomState::new();
    let counter = std::sync::atomic::AtomicU64::new(0);
    let toolbox = ToolBox::new(ToolBoxParts {
        agents: agents.collect(),
        sources,
        clock: Arc::clone(&clock),
        ids: Arc::new(move || random.hash_one(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed))),
        decisions: Arc::new(move |record: Record| ledger.write(&record)),
    })
    .map_err(Failure::configuration)?;
    let host = hooked(Arc::new(toolbox), parts, confinement.as_ref(), clock);
    let desks = Desks::new(benches.iter().filter_map(|bench| {
        Some(SeatParts {
            agent: bench.agent.id.clone(),
            desk: Arc::clone(bench.desk.as_ref()?),
            base: bench.base.clone()?,
            presenting: bench.presenting.clone(),
        })
    }));
    Ok(Tools { host, desks, pool, containers, notices })
}

/// What one agent works at.
struct Bench<'a> {
    agent: &'a AgentSpec,
    desk: Option<Arc<Desk>>,
    /// What it reaches before it is shown anything of its peers.
    base: Option<Managed>,
    /// What it reaches when it presents, where that is more.
    presenting: Option<Managed>,
    scratch: PathBuf,
    mechanism: Option<Mechanism>,
}

impl<'a> Bench<'a> {
    fn of(
        agent: &'a AgentSpec,
        parts: &Parts<'_>,
        confinement: Option<&Confinement>,
    ) -> Result<Self, Failure> {
        let workspace = agent.workspace.as_deref();
        let reach = |contexts| move |workspace: &WorkspaceSpec| managed(agent, workspace, contexts, parts);
        let base = workspace.map(reach(Contexts::ReadOnly)).transpose()?;
        let direct = workspace.filter(|workspace| workspace.isolation == Isolation::Direct);
        let presenting = direct.map(reach(Contexts::AsWritten)).transpose()?;
        let desk = agent.workspace.as_ref().zip(base.clone());
        let desk = desk.map(|(workspace, base)| Arc::new(Desk::new(base, workspace.deletion)));
        let scratch = parts.scratch.join(agent.id.as_str());
        let needs_sandbox = confinement.is_some() && needs_sandbox(agent);
        let mechanism = match confinement.filter(|_| needs_sandbox) {
            Some(confinement) => {
                fs_err::create_dir_all(&scratch).map_err(Failure::configuration)?;
                Some(confinement.mechanism(agent)?)
            }
            None => None,
        };
        Ok(Self { agent, desk, base, presenting, scratch, mechanism })
    }

    fn workspace(&self) -> Option<&'a WorkspaceSpec> {
        self.agent.workspace.as_deref()
    }

    /// The folder that its programs start in.
    fn folder(&self) -> PathBuf {
        self.workspace().map_or_else(|| self.scratch.clone(), |workspace| PathBuf::from(&workspace.folder))
    }

    /// What programs of the user reach for it: what the agent reaches, and a folder of their own.
    fn policy(&self, network: Network) -> Result<Policy, Failure> {
        let mut policy = nothing_but(network);
        if let Some(desk) = &self.desk {
            let reach = Reach::of(&desk.managed()).without_hidden().map_err(Failure::configuration)?;
            policy.readable.extend(reach.readable);
            policy.writable.extend(reach.writable);
            policy.protected.extend(reach.protected);
        }
        policy.writable.push(fs_err::canonicalize(&self.scratch).map_err(Failure::configuration)?);
        Ok(policy)
    }
}

/// Whether `agent` starts programs that are confined.
fn needs_sandbox(agent: &AgentSpec) -> bool {
    let tooling = &agent.tooling;
    let commands = tooling.commands.as_ref().is_some_and(|commands| match commands.place {
        CommandPlace::Sandbox(_) | CommandPlace::Unconfined => true,
        CommandPlace::Container(_) => false,
    });
    commands || !tooling.servers.is_empty() || !tooling.custom.is_empty()
}

/// What an agent reaches: its folder and its context paths, never our own state.
fn managed(
    agent: &AgentSpec,
    workspace: &WorkspaceSpec,
    contexts: Contexts,
    parts: &Parts<'_>,
) -> Result<Managed, Failure> {
    let mut managed = Managed::of(workspace, contexts).map_err(Failure::configuration)?;
    managed = managed.with_hidden(parts.logs);
    // Our own files are there: settings, keys, and the folders that other agents work in.
    let contexts = workspace.contexts.iter().map(|context| Path::new(&context.path));
    let projects = contexts.flat_map(|path| path.ancestors()).chain([&*parts.environment.working_directory]);
    for own in projects.map(|project| project.join(OWN)).collect::<BTreeSet<_>>() {
        managed = managed.with_hidden(&own);
    }
    if let Some(home) = &parts.environment.home {
        managed = managed.with_hidden(&home.join(OWN)).with_hidden(&home.join(OWN_SETTINGS)).with_home(home);
    }
    for skill in &parts.spec.skills {
        if let Some(folder) = Path::new(&skill.path).parent() {
            managed = managed.with_readable(folder).map_err(Failure::configuration)?;
        }
    }
    // Git in a worktree reads the history of the repository.
    for history in parts.projects.histories(&agent.id) {
        managed = managed.with_readable(&history).map_err(Failure::configuration)?;
    }
    Ok(managed)
}

/// The desks of the agents that `of` says something of, with that.
fn desks_of<T>(
    benches: &[Bench<'_>],
    of: impl Fn(&Bench<'_>) -> Option<T>,
) -> BTreeMap<AgentId, (Arc<Desk>, T)> {
    let desk = |bench: &Bench<'_>| Some((bench.agent.id.clone(), (bench.desk.clone()?, of(bench)?)));
    benches.iter().filter_map(desk).collect()
}

type CommandParts = (BTreeMap<AgentId, CommandTools>, Vec<Arc<ContainerRunner>>);

fn commands(
    benches: &[Bench<'_>],
    parts: &Parts<'_>,
    confinement: Option<&Confinement>,
) -> Result<CommandParts, Failure> {
    let mut tools = BTreeMap::new();
    let mut containers = Vec::new();
    for bench in benches {
        let Some((spec, desk)) = bench.agent.tooling.commands.as_ref().zip(bench.desk.clone()) else {
            continue;
        };
        let (runner, rights): (Arc<dyn Runner>, Rights) = match &spec.place {
            CommandPlace::Container(container) => {
                let runner = ContainerRunner::new(bench.agent, container, parts.environment)?;
                let runner = Arc::new(runner);
                containers.push(Arc::clone(&runner));
                (runner, if container.root { Rights::Administrator } else { Rights::User })
            }
            CommandPlace::Sandbox(sandbox) => (sandboxed(bench, sandbox, confinement)?, Rights::User),
            CommandPlace::Unconfined => {
                let everything = SandboxSpec {
                    read: massgen_protocol::tooling::ReadMode::Open,
                    readable: Vec::new(),
                    unreadable: Vec::new(),
                    sockets: Vec::new(),
                    network: massgen_protocol::tooling::CommandNetwork::Full,
                };
                (sandboxed(bench, &everything, confinement)?, Rights::User)
            }
        };
        let checks = Checks::new(spec, rights).map_err(Failure::configuration)?;
        tools.insert(bench.agent.id.clone(), CommandTools { desk, checks, runner, time: spec.time });
    }
    Ok((tools, containers))
}

fn sandboxed(
    bench: &Bench<'_>,
    spec: &SandboxSpec,
    confinement: Option<&Confinement>,
) -> Result<Arc<dyn Runner>, Failure> {
    let (Some(confinement), Some(mechanism)) = (confinement, bench.mechanism) else {
        return Err(Failure::configuration(format!("agent `{}` has no sandbox", bench.agent.id)));
    };
    let network = network(&spec.network)?;
    if mechanism == Mechanism::Landlock && matches!(network, Network::Allowlist { .. }) {
        let message = format!(
            "agent `{}`: commands can be held to a list of hosts by bubblewrap only, and it does not work here",
            bench.agent.id
        );
        return Err(
            Failure::configuration(message).hint("install bubblewrap (`bwrap`), or allow no network, or all")
        );
    }
    let settings = SandboxSettings {
        mechanism,
        spec: spec.clone(),
        limits: Limits::STANDARD,
        scratch: bench.scratch.clone(),
        home: confinement.home.clone(),
        search_path: confinement.search_path.clone(),
    };
    Ok(Arc::new(SandboxRunner::new(Arc::clone(&confinement.sandbox), settings)))
}

async fn servers(
    benches: &[Bench<'_>],
    parts: &Parts<'_>,
    confinement: Option<&Confinement>,
) -> Result<(Pool, Vec<massgen_mcp::Notice>), Failure> {
    let mut agents = Vec::new();
    let mut confined = BTreeMap::new();
    for bench in benches.iter().filter(|bench| !bench.agent.tooling.servers.is_empty()) {
        let id = &bench.agent.id;
        let tooling = &bench.agent.tooling;
        if let Some(mechanism) = bench.mechanism {
            // Servers of the user fetch packages and reach services: that is what they are for.
            let policy = bench.policy(Network::Full)?;
            let named = NamedFiles {
                working_directory: parts.environment.working_directory.clone(),
                home: parts.environment.home.clone(),
            };
            confined.insert(id.clone(), Confined { mechanism, policy, home: bench.scratch.clone(), named });
        }
        agents.push(AgentServers {
            agent: id.clone(),
            servers: tooling.servers.clone(),
            filter: Filter { allowed: tooling.allowed.clone(), excluded: tooling.excluded.clone() },
            folder: bench.folder(),
            logs: parts.logs.join("servers").join(id.as_str()),
        });
    }
    if agents.is_empty() {
        return Ok((Pool::default(), Vec::new()));
    }
    let launcher: Arc<dyn massgen_mcp::Launcher> = match confinement {
        Some(confinement) => Arc::new(InSandbox {
            sandbox: Arc::clone(&confinement.sandbox),
            agents: confined,
            started: std::sync::Mutex::default(),
        }),
        // All are services.
        None => Arc::new(massgen_mcp::Unconfined),
    };
    let variables =
        BASE_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), parts.environment.get(name)?)));
    let setup = Setup {
        web: parts.web.clone(),
        environment: variables.collect(),
        seed: std::hash::RandomState::new().hash_one(0),
        ..Setup::new(launcher, Arc::clone(&parts.lookup))
    };
    Ok(Pool::connect(agents, setup).await)
}

type Customs = (BTreeMap<AgentId, Arc<Written>>, Vec<String>);

async fn custom(
    benches: &[Bench<'_>],
    parts: &Parts<'_>,
    confinement: Option<&Confinement>,
) -> Result<Customs, Failure> {
    let mut all = BTreeMap::new();
    let mut notices = Vec::new();
    for bench in benches.iter().filter(|bench| !bench.agent.tooling.custom.is_empty()) {
        let (Some(confinement), Some(mechanism)) = (confinement, bench.mechanism) else { continue };
        let network = match &bench.agent.tooling.commands {
            Some(spec) => match &spec.place {
                CommandPlace::Sandbox(sandbox) => network(&sandbox.network)?,
                CommandPlace::Container(_) | CommandPlace::Unconfined => Network::Full,
            },
            // A tool that the user wrote may be there to reach a service.
            None => Network::Full,
        };
        let launcher = BySandbox {
            sandbox: confinement.sandbox.as_ref().clone(),
            mechanism,
            policy: bench.policy(network)?,
            environment: if is_unconfined(bench.agent) { BTreeMap::new() } else { at_home(&bench.scratch) },
        };
        let setup = CustomSetup {
            launcher: Arc::new(launcher),
            python: find_python(&confinement.search_path, is_program),
            home: confinement.home.clone(),
            folder: fs_err::canonicalize(bench.folder()).map_err(Failure::configuration)?,
            time: limits::CUSTOM_CALL_TIME,
        };
        let (tools, missing) = CustomTools::start(&bench.agent.tooling.custom, setup).await;
        notices.extend(missing.into_iter().map(|notice| format!("agent `{}`: {notice}", bench.agent.id)));
        let context = context(bench, parts.spec);
        all.insert(bench.agent.id.clone(), Arc::new(Written { tools, context }));
    }
    Ok((all, notices))
}

/// What functions are told of the agent that calls them.
fn context(bench: &Bench<'_>, spec: &RunSpec) -> CallerContext {
    let agent = bench.agent;
    let roots = bench.base.as_ref().map(|managed| managed.roots().iter());
    CallerContext {
        agent_system_message: agent.system_message.clone(),
        agent_id: Some(agent.id.to_string()),
        backend_name: Some(agent.backend.kind.clone()),
        backend_type: Some(agent.backend.kind.clone()),
        model: Some(agent.backend.model.clone()),
        agent_cwd: bench.workspace().map(|workspace| workspace.folder.clone()),
        allowed_paths: roots.map(|roots| roots.map(|root| root.path.display().to_string()).collect()),
        task_context: Some(spec.question.clone()),
        ..CallerContext::default()
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs_err::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// `host` with the hooks of all agents around it.
fn hooked(
    host: Arc<ToolBox>,
    parts: &Parts<'_>,
    confinement: Option<&Confinement>,
    clock: Arc<dyn Clock>,
) -> Arc<dyn ToolHost> {
    let hooks: BTreeMap<AgentId, Hooks> =
        parts.spec.agents.iter().map(|agent| (agent.id.clone(), agent.tooling.hooks.clone())).collect();
    let is_empty = |hooks: &Hooks| hooks.before.is_empty() && hooks.after.is_empty();
    let (Some(confinement), false) = (confinement, hooks.values().all(is_empty)) else {
        return host;
    };
    let launcher = BySandbox {
        sandbox: confinement.sandbox.as_ref().clone(),
        mechanism: Mechanism::Unconfined,
        policy: nothing_but(Network::Full),
        environment: home(confinement),
    };
    let python = find_python(&confinement.search_path, is_program);
    let programs = HookPrograms::new(Arc::new(launcher), python, parts.environment.working_directory.clone());
    let session = parts.logs.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let notify = Arc::clone(&parts.notify);
    Arc::new(HookedHost::new(host, hooks, Arc::new(programs), session, clock, notify))
}

/// The variables of a hook: it runs as the user does.
fn home(confinement: &Confinement) -> BTreeMap<OsString, OsString> {
    confinement.home.iter().map(|home| ("HOME".into(), home.clone().into())).collect()
}
