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
use massgen_protocol::tooling::{Approval, CommandPlace, Hooks, Permissions, Planning, Refuses, SandboxSpec};
use massgen_protocol::workspace::{Access, Isolation, WorkspaceSpec};
use massgen_protocol::{AgentId, Envelope, limits};
use massgen_sandbox::{Limits, Mechanism, Network, Policy};
use massgen_tools::commands::{
    Checks, CommandSource, CommandTools, Reach, Rights, Runner, SandboxRunner, SandboxSettings,
};
use massgen_tools::custom::{BySandbox, CallerContext, CustomSetup, CustomTools, find_python};
use massgen_tools::hooks::{HookPrograms, Notify, SessionHooks};
use massgen_tools::policy::{Approver, FileApprover, Record};
use massgen_tools::{
    AgentTools, Desk, FileSource, LostJob, PlanSource, Selection, Source, ToolBox, ToolBoxParts, lost_jobs,
};
use massgen_view::clean::clean_line;
use massgen_workspace::access::{Contexts, Managed};

use super::confinement::{Confinement, at_home, is_unconfined, network, starts_programs};
use super::containers::ContainerRunner;
use super::credentials;
use super::custom::{CustomToolSource, Written};
use super::desks::{Desks, SeatParts};
use super::guards::Guards;
use super::ledger::Ledger;
use super::projects::Projects;
use super::servers::{Confined, InSandbox, NamedFiles, ServerSource};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::remarks::Remarks;

/// The folder of a project, and of the home folder, that holds what is massgen's own.
pub(super) const OWN: &str = ".massgen";

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
    /// The file with the configuration, if the run is of one.
    pub(crate) configuration: Option<&'a Path>,
    /// The events of the run so far: none, unless it goes on.
    pub(crate) past: &'a [Envelope],
}

/// Puts the tools of all agents together, starts their servers, and reads the functions that the user wrote.
///
/// # Errors
/// When something that the configuration asks for cannot be had: nothing is left out in silence.
pub(crate) async fn equip(parts: &Parts<'_>) -> Result<Tools, Failure> {
    let confinement = Confinement::find(parts.spec, parts.environment).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    make_places_of_replies(parts.spec)?;
    let search_path = confinement.as_ref().map(|confinement| confinement.search_path.clone());
    let (folder, search_path) = (&parts.environment.working_directory, search_path.unwrap_or_default());
    let guards = Guards::of(parts.spec, parts.configuration, folder, &search_path);
    let mut benches = Vec::new();
    for agent in &parts.spec.agents {
        benches.push(Bench::of(agent, parts, confinement.as_ref(), &guards)?);
    }
    let gone = parts.spec.skills.iter().filter(|skill| !Path::new(&skill.path).exists());
    let mut notices: Vec<String> = gone
        .map(|skill| format!("the skill `{}` is no longer there: `{}`", clean_line(&skill.name), skill.path))
        .collect();
    notices.extend(benches.iter().filter_map(loose_rules));
    let home = parts.environment.home.as_deref();
    notices.extend(benches.iter().filter_map(|bench| readable_history(bench, parts.projects, home)));
    notices.extend(credentials::told(parts.spec, home));
    if parts.spec.agents.iter().any(may_change_a_project) {
        notices.extend(guards.unknown());
    }
    let mut sources: Vec<Arc<dyn Source>> = vec![
        Arc::new(FileSource::new(desks_of(&benches, |bench| Some(bench.agent.tooling.files)))),
        Arc::new(PlanSource::new(
            desks_of(&benches, |bench| (bench.agent.tooling.planning == Planning::On).then_some(()))
                .into_iter()
                .map(|(agent, (desk, ()))| (agent, desk))
                .collect(),
        )),
    ];
    let (commands, containers) = commands(&benches, parts, confinement.as_ref()).await?;
    sources.push(Arc::new(CommandSource::new(commands)));
    let (pool, custom) = tokio::join!(
        servers(&benches, &sources, parts, confinement.as_ref()),
        custom(&benches, parts, confinement.as_ref())
    );
    let (pool, missing) = pool?;
    let pool = Arc::new(pool);
    notices.extend(missing.iter().map(ToString::to_string));
    sources.push(Arc::new(ServerSource(Arc::clone(&pool))));
    let (custom, missing) = custom?;
    notices.extend(missing);
    sources.push(Arc::new(CustomToolSource(custom)));
    let mut by_number = lost_jobs(parts.past);
    let ids = parts.spec.agent_nos().into_iter().zip(&parts.spec.agents);
    let mut lost: BTreeMap<AgentId, Vec<LostJob>> =
        ids.filter_map(|(no, agent)| Some((agent.id.clone(), by_number.remove(&no)?))).collect();
    let agents = benches.iter().map(|bench| {
        let permissions = bench.agent.tooling.permissions.clone();
        let approver = permissions.as_ref().and_then(|permissions| match &permissions.approval {
            Approval::Policy => None,
            Approval::Files { folder } => {
                Some(Arc::new(FileApprover::new(folder.into(), Arc::clone(&clock))) as Arc<dyn Approver>)
            }
        });
        let selection = Selection::of(&bench.agent.tooling);
        let lost = lost.remove(&bench.agent.id).unwrap_or_default();
        let tools = AgentTools { desk: bench.desk.clone(), selection, permissions, approver, lost };
        (bench.agent.id.clone(), tools)
    });
    let ledger = Ledger::new(parts.spec, parts.logs, Arc::clone(&clock), Arc::clone(&parts.notify));
    for agent in parts.spec.agents.iter().filter(|agent| starts_programs(agent) && is_unconfined(agent)) {
        ledger.write_unconfined(&agent.id);
    }
    let random = std::hash::RandomState::new();
    let counter = std::sync::atomic::AtomicU64::new(0);
    let toolbox = ToolBox::new(ToolBoxParts {
        agents: agents.collect(),
        sources,
        clock: Arc::clone(&clock),
        ids: Arc::new(move || random.hash_one(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed))),
        decisions: Arc::new(move |record: Record| ledger.write(&record)),
        hooks: hooks(parts, confinement.as_ref(), clock),
    })
    .map_err(Failure::configuration)?;
    let host = Arc::new(toolbox);
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

/// Whether `agent` changes files of the user, or copies of them.
fn may_change_a_project(agent: &AgentSpec) -> bool {
    let contexts = agent.workspace.iter().flat_map(|workspace| &workspace.contexts);
    contexts.into_iter().any(|context| context.access == Access::Write)
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
        guards: &Guards,
    ) -> Result<Self, Failure> {
        let workspace = agent.workspace.as_deref();
        let reach = |contexts| {
            move |workspace: &WorkspaceSpec| {
                guards.protect(managed(agent, workspace, contexts, parts)?, agent)
            }
        };
        let base = workspace.map(reach(Contexts::ReadOnly)).transpose()?;
        let direct = workspace.filter(|workspace| workspace.isolation == Isolation::Direct);
        let presenting = direct.map(reach(Contexts::AsWritten)).transpose()?;
        let desk = agent.workspace.as_ref().zip(base.clone());
        let desk = desk.map(|(workspace, base)| Arc::new(Desk::new(base, workspace.deletion)));
        let scratch = parts.scratch.join(agent.id.as_str());
        let mechanism = match confinement.filter(|_| starts_programs(agent)) {
            Some(confinement) => {
                fs_err::create_dir_all(&scratch).map_err(Failure::configuration)?;
                Some(confinement.mechanism(agent)?)
            }
            None => None,
        };
        if let Some((mechanism, managed)) = mechanism.zip(presenting.as_ref().or(base.as_ref())) {
            guards.check_commands(managed, agent, mechanism)?;
        }
        Ok(Self { agent, desk, base, presenting, scratch, mechanism })
    }

    fn workspace(&self) -> Option<&'a WorkspaceSpec> {
        self.agent.workspace.as_deref()
    }

    /// The folder that its programs start in.
    fn folder(&self) -> PathBuf {
        self.workspace().map_or_else(|| self.scratch.clone(), |workspace| PathBuf::from(&workspace.folder))
    }

    /// What its programs never see: our own state, wherever the user's files lie around it.
    fn hidden(&self, parts: &Parts<'_>) -> Vec<PathBuf> {
        let mut hidden = own_state(parts);
        hidden.extend(self.base.iter().flat_map(|managed| managed.hidden().to_vec()));
        hidden.into_iter().filter_map(|path| fs_err::canonicalize(path).ok()).collect()
    }

    /// What programs of the user reach for it: what the agent reaches, and a folder of their own.
    fn policy(&self, network: Network) -> Result<Policy, Failure> {
        let mut policy = Policy::bare(network);
        if let Some(desk) = &self.desk {
            let reach = Reach::of(&desk.managed()).ruled(self.mechanism.unwrap_or(Mechanism::Unconfined));
            let reach = reach.without_hidden().map_err(Failure::configuration)?;
            policy.readable.extend(reach.readable);
            policy.writable.extend(reach.writable);
            policy.protected.extend(reach.protected);
            policy.masked.extend(reach.masked);
        }
        policy.writable.push(fs_err::canonicalize(&self.scratch).map_err(Failure::configuration)?);
        Ok(policy)
    }
}

/// Where our own state is, apart from that in projects that agents see.
fn own_state(parts: &Parts<'_>) -> Vec<PathBuf> {
    let home = parts.environment.home.iter().flat_map(|home| [home.join(OWN), home.join(OWN_SETTINGS)]);
    [parts.logs.to_owned(), parts.environment.working_directory.join(OWN)].into_iter().chain(home).collect()
}

/// What an agent reaches: its folder and its context paths, never our own state.
fn managed(
    agent: &AgentSpec,
    workspace: &WorkspaceSpec,
    contexts: Contexts,
    parts: &Parts<'_>,
) -> Result<Managed, Failure> {
    let mut managed = Managed::of(workspace, contexts).map_err(Failure::configuration)?;
    // Our own files are there: settings, keys, and the folders that other agents work in.
    let contexts = workspace.contexts.iter().map(|context| Path::new(&context.path));
    let projects = contexts.flat_map(|path| path.ancestors()).map(|project| project.join(OWN));
    for own in projects.chain(own_state(parts)).collect::<BTreeSet<_>>() {
        managed = managed.with_hidden(&own);
    }
    let home = parts.environment.home.as_deref();
    for keys in credentials::within(workspace, home) {
        managed = managed.with_hidden(&keys);
    }
    if let Some(home) = home {
        managed = managed.with_home(home);
    }
    // Who could write there would reply to its own questions, or take replies for given.
    for permissions in parts.spec.agents.iter().filter_map(|agent| agent.tooling.permissions.as_ref()) {
        for place in permissions.places() {
            managed = managed.with_hidden(Path::new(place));
        }
    }
    if let Some(permissions) = &agent.tooling.permissions {
        managed = managed.with_rules(permissions.path_rules());
    }
    for skill in &parts.spec.skills {
        // One that is gone is told of, and cannot be read.
        if let Some(folder) = Path::new(&skill.path).parent().filter(|folder| folder.is_dir()) {
            managed = managed.with_readable(folder).map_err(Failure::configuration)?;
        }
    }
    // Git in a worktree reads the history of the repository.
    for history in parts.projects.histories(&agent.id) {
        managed = managed.with_readable(&history).map_err(Failure::configuration)?;
    }
    Ok(managed)
}

/// Makes the folders of questions, and the files of remembered replies where an agent could make them itself: what is not
/// there cannot be kept from commands.
fn make_places_of_replies(spec: &RunSpec) -> Result<(), Failure> {
    let failed = |path: &str, error: std::io::Error| {
        Failure::configuration(format!("`{path}`, which `permissions` names, cannot be made: {error}"))
    };
    let is_open = |file: &str| {
        let workspaces = spec.agents.iter().filter_map(|agent| agent.workspace.as_deref());
        let direct = workspaces.filter(|workspace| workspace.isolation == Isolation::Direct);
        let mut contexts = direct.flat_map(|workspace| &workspace.contexts);
        contexts.any(|context| context.access == Access::Write && Path::new(file).starts_with(&context.path))
    };
    for permissions in spec.agents.iter().filter_map(|agent| agent.tooling.permissions.as_ref()) {
        if let Approval::Files { folder } = &permissions.approval {
            fs_err::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        }
        let remembered = permissions.remembered.as_deref().filter(|file| is_open(file));
        if let Some(file) = remembered.filter(|file| !Path::new(file).exists()) {
            let folder = Path::new(file).parent().unwrap_or(Path::new("/"));
            fs_err::create_dir_all(folder).map_err(|error| failed(file, error))?;
            massgen_workspace::write_whole(Path::new(file), b"{}\n").map_err(|error| failed(file, error))?;
        }
    }
    Ok(())
}

/// What of the rules of an agent its programs are not held to on this machine.
fn loose_rules(bench: &Bench<'_>) -> Option<String> {
    let agent = bench.agent;
    let permissions = agent.tooling.permissions.as_ref()?;
    if permissions.path_rules().is_empty() {
        return None;
    }
    let in_container = agent
        .tooling
        .commands
        .as_ref()
        .is_some_and(|commands| matches!(commands.place, CommandPlace::Container(_)));
    let why = match bench.mechanism {
        Some(Mechanism::Unconfined) => "they have no sandbox",
        Some(Mechanism::Landlock) => "without bubblewrap that holds only where they cannot write",
        Some(Mechanism::Bubblewrap) | None if in_container => {
            "a container shows all that the agent was given"
        }
        Some(Mechanism::Bubblewrap) | None => return None,
    };
    let rules = "rules for paths (`read_file(…)`, `write_file(…)`)";
    Some(format!("agent `{}`: its programs are not held to {rules}: {why}", agent.id))
}

/// What an agent does not see, by rules or because it holds keys, and git tells its programs all the same.
fn readable_history(bench: &Bench<'_>, projects: &Projects, home: Option<&Path>) -> Option<String> {
    let agent = bench.agent;
    let rules = agent.tooling.permissions.as_ref().map(Permissions::path_rules).unwrap_or_default();
    let contexts = bench.workspace().into_iter().flat_map(|workspace| &workspace.contexts);
    let mut repositories = contexts.map(|context| Path::new(&context.path).join(".git"));
    let has_history = projects.have_history(&agent.id) || repositories.any(|path| path.exists());
    let is_refused = rules.iter().any(|rule| rule.refuses == Refuses::Reading);
    let has_keys =
        bench.workspace().is_some_and(|workspace| !credentials::within(workspace, home).is_empty());
    let hidden = match (is_refused, has_keys) {
        (true, false) => "whatever rules for paths refuse",
        (false, true) => "keys as well",
        (true, true) => "keys as well, and whatever rules for paths refuse",
        (false, false) => return None,
    };
    let runs_programs = agent.tooling.commands.is_some() || starts_programs(agent);
    (has_history && runs_programs).then(|| {
        format!("agent `{}`: what git has in its history, its programs can read there, {hidden}", agent.id)
    })
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

async fn commands(
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
                let runner = ContainerRunner::new(bench.agent, container, parts.environment).await?;
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

/// `others` are where the agents' other tools come from.
async fn servers(
    benches: &[Bench<'_>],
    others: &[Arc<dyn Source>],
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
            let (hidden, folder, home) = (bench.hidden(parts), bench.folder(), bench.scratch.clone());
            confined.insert(id.clone(), Confined { mechanism, policy, hidden, folder, home });
        }
        let selection = Selection::of(tooling);
        let taken = others.iter().flat_map(|source| source.schemas(id)).map(|schema| schema.name);
        agents.push(AgentServers {
            agent: id.clone(),
            servers: tooling.servers.clone(),
            filter: Filter { allowed: tooling.allowed.clone(), excluded: tooling.excluded.clone() },
            taken: taken.filter(|name| selection.has(name)).collect(),
            folder: bench.folder(),
            logs: parts.logs.join("servers").join(id.as_str()),
        });
    }
    if agents.is_empty() {
        return Ok((Pool::default(), Vec::new()));
    }
    let in_sandbox = confinement.map(|confinement| {
        Arc::new(InSandbox {
            sandbox: Arc::clone(&confinement.sandbox),
            agents: confined,
            named: NamedFiles {
                working_directory: parts.environment.working_directory.clone(),
                home: parts.environment.home.clone(),
            },
            started: std::sync::Mutex::default(),
        })
    });
    let launcher: Arc<dyn massgen_mcp::Launcher> = match &in_sandbox {
        Some(in_sandbox) => Arc::<InSandbox>::clone(in_sandbox),
        // All are services.
        None => Arc::new(massgen_mcp::Unconfined),
    };
    let variables =
        BASE_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), parts.environment.get(name)?)));
    let setup = Setup {
        web: parts.web.clone(),
        environment: variables.collect(),
        seed: std::hash::RandomState::new().hash_one(0),
        // No display draws yet.
        tell: Arc::new(|line| Remarks::direct().tell(line)),
        ..Setup::new(launcher, Arc::clone(&parts.lookup))
    };
    let (pool, mut notices) = Pool::connect(agents, setup).await;
    if let Some(in_sandbox) = in_sandbox {
        in_sandbox.tell_unseen(&mut notices).map_err(Failure::configuration)?;
    }
    Ok((pool, notices))
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
            python: find_python(&confinement.search_path),
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
    }
}

/// The hooks of all agents, if there are any.
fn hooks(
    parts: &Parts<'_>,
    confinement: Option<&Confinement>,
    clock: Arc<dyn Clock>,
) -> Option<Arc<SessionHooks>> {
    let hooks: BTreeMap<AgentId, Hooks> =
        parts.spec.agents.iter().map(|agent| (agent.id.clone(), agent.tooling.hooks.clone())).collect();
    let is_empty = |hooks: &Hooks| hooks.before.is_empty() && hooks.after.is_empty();
    let confinement = confinement.filter(|_| !hooks.values().all(is_empty))?;
    let launcher = BySandbox {
        sandbox: confinement.sandbox.as_ref().clone(),
        mechanism: Mechanism::Unconfined,
        policy: Policy::bare(Network::Full),
        environment: home(confinement),
    };
    let python = find_python(&confinement.search_path);
    let programs = HookPrograms::new(Arc::new(launcher), python, parts.environment.working_directory.clone());
    let session = parts.logs.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let notify = Arc::clone(&parts.notify);
    Some(Arc::new(SessionHooks::new(hooks, Arc::new(programs), session, clock, notify)))
}

/// The variables of a hook: it runs as the user does.
fn home(confinement: &Confinement) -> BTreeMap<OsString, OsString> {
    confinement.home.iter().map(|home| ("HOME".into(), home.clone().into())).collect()
}
