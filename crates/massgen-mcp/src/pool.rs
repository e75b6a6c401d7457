//! All servers of all agents of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::stream::{self, StreamExt as _};
use massgen_protocol::AgentId;
use massgen_protocol::tooling::{ServerSpec, ServerTransport};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::launch::Launcher;
use crate::limits::CALL_TIME;
use crate::link::Link;
use crate::notice::{Notice, NoticeKind, quoted};
use crate::offer::{Filter, ServerTool, Told, offer};
use crate::progress::Hear;
use crate::result::Called;
use crate::security::{check_server_name, judge_environment};
use crate::variables::Lookup;
use crate::web::Web;

/// Servers that are connected at the same time: a large team would start hundreds of programs at once.
const AT_A_TIME: usize = 32;

/// The servers of one agent.
#[derive(Debug, Clone)]
pub struct AgentServers {
    /// The agent.
    pub agent: AgentId,
    /// Its servers, in the order of the configuration.
    pub servers: Vec<ServerSpec>,
    /// Which of their tools it may call.
    pub filter: Filter,
    /// Names that its other tools have. A tool of a server with one of them is left out.
    pub taken: BTreeSet<String>,
    /// The folder that programs are started in unless the configuration names one, absolute.
    pub folder: PathBuf,
    /// The folder for `mcp_<server>_stderr.log`; made when the first program is started.
    pub logs: PathBuf,
}

/// What all connections of a run share.
pub struct Setup {
    /// Starts programs.
    pub launcher: Arc<dyn Launcher>,
    /// Looks up what stands for `${NAME}`.
    pub lookup: Arc<Lookup>,
    /// Reaches services.
    pub web: Web,
    /// Variables of ours; programs get those of [`crate::BASE_VARIABLES`].
    pub environment: BTreeMap<String, String>,
    /// Time for one call, unless its server has one of its own.
    pub call_time: Duration,
    /// What the lengths of pauses depend on.
    pub seed: u64,
    /// Tells people, one line each time, which server is waited for. It must not wait.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Setup {
    /// The usual times, and nothing of the environment; nobody is told what is waited for.
    pub fn new(launcher: Arc<dyn Launcher>, lookup: Arc<Lookup>) -> Self {
        Self {
            launcher,
            lookup,
            web: Web::new(),
            environment: BTreeMap::new(),
            call_time: CALL_TIME,
            seed: 0,
            tell: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("launcher", &self.launcher).finish_non_exhaustive()
    }
}

/// The servers of all agents, connected for the run. Dropping it ends all of their programs.
#[derive(Debug, Default)]
pub struct Pool {
    agents: BTreeMap<AgentId, Connected>,
}

#[derive(Debug, Default)]
struct Connected {
    tools: Vec<ServerTool>,
    /// For every tool, by the name that the model uses: its server, and its name there.
    routes: BTreeMap<String, (Arc<Link>, String)>,
    links: Vec<Arc<Link>>,
}

impl Pool {
    /// Connects all servers of all agents at the same time. One that cannot be had is missing, with a notice; the others
    /// are there.
    pub async fn connect(agents: Vec<AgentServers>, setup: Setup) -> (Self, Vec<Notice>) {
        let setup = Arc::new(setup);
        let mut waiting = Vec::new();
        for (place, agent) in agents.iter().enumerate() {
            for (number, spec) in agent.servers.iter().enumerate() {
                let name_taken = agent.servers.iter().take(number).any(|other| other.name == spec.name);
                waiting.push(connect_one(place, agent, spec, name_taken, Arc::clone(&setup)));
            }
        }
        let came: Vec<_> = stream::iter(waiting).buffered(AT_A_TIME).collect().await;
        let mut pool = Self::default();
        let mut notices = Vec::new();
        let mut came = came.into_iter().peekable();
        for (place, agent) in agents.iter().enumerate() {
            let mut taken = agent.taken.clone();
            let connected = pool.agents.entry(agent.agent.clone()).or_default();
            while let Some(one) = came.next_if(|one| one.place == place) {
                notices.extend(connected.add(agent, one, &mut taken));
            }
        }
        (pool, notices)
    }

    /// The tools that `agent` may call, in the order of its servers. The same for the whole run.
    pub fn tools(&self, agent: &AgentId) -> &[ServerTool] {
        self.agents.get(agent).map_or(&[], |connected| &connected.tools)
    }

    /// Calls the tool that models know as `name`; `None` if `agent` has none. `hear` hears how far it is, where its server
    /// tells that.
    ///
    /// Dropping the future tells the server that nobody waits any more.
    pub fn call(
        &self,
        agent: &AgentId,
        name: &str,
        arguments: Map<String, Value>,
        hear: Hear,
    ) -> Option<BoxFuture<'static, Called>> {
        let (link, tool) = self.agents.get(agent)?.routes.get(name)?;
        let (link, tool) = (Arc::clone(link), tool.clone());
        Some(Box::pin(async move { link.call(&tool, arguments, &hear).await }))
    }

    /// Ends all connections in order, which takes a few seconds at most. Calls that are under way fail.
    pub async fn close(&self) {
        let links = self.agents.values().flat_map(|connected| &connected.links);
        join_all(links.map(|link| link.close())).await;
    }
}

/// What came of connecting one server.
struct Came<'a> {
    /// The place of its agent in the list.
    place: usize,
    spec: &'a ServerSpec,
    link: Arc<Link>,
    /// Its tools, or why there are none and how often that was tried.
    told: Result<Vec<Told>, (Error, u32)>,
}

async fn connect_one<'a>(
    place: usize,
    agent: &AgentServers,
    spec: &'a ServerSpec,
    name_taken: bool,
    setup: Arc<Setup>,
) -> Came<'a> {
    let places = (agent.folder.clone(), agent.logs.clone());
    let link = Arc::new(Link::new(agent.agent.clone(), spec.clone(), places, setup));
    let told = match check_server_name(&spec.name) {
        Err(refused) => Err((refused.into(), 1)),
        Ok(()) if name_taken => Err((Error::NameTaken, 1)),
        Ok(()) => link.connect().await,
    };
    Came { place, spec, link, told }
}

impl Connected {
    fn add(&mut self, agent: &AgentServers, came: Came<'_>, taken: &mut BTreeSet<String>) -> Vec<Notice> {
        let notice = |kind, what: String, hint: Option<&str>| Notice {
            agent: agent.agent.clone(),
            server: quoted(&came.spec.name),
            kind,
            what,
            hint: hint.map(str::to_owned),
        };
        let told = match came.told {
            Ok(told) => told,
            Err((error, tries)) => {
                let tried = if tries > 1 { format!("; tried {tries} times") } else { String::new() };
                let hint = error.hint(&came.link.log());
                return vec![notice(NoticeKind::Missing, format!("{error}{tried}"), Some(&hint))];
            }
        };
        let mut notices = Vec::new();
        if let ServerTransport::Stdio { environment, .. } = &came.spec.transport
            && let Ok(judged) = judge_environment(environment, &came.spec.security)
            && !judged.held_back.is_empty()
        {
            let names: Vec<String> =
                judged.held_back.iter().map(|name| format!("`{}`", quoted(name))).collect();
            let what = format!("it does not get the variables {}", names.join(", "));
            notices.push(notice(NoticeKind::VariablesHeldBack, what, Some("`security.env` decides that")));
        }
        if told.is_empty() {
            notices.push(notice(NoticeKind::ToolsDiffer, "it has no tools".to_owned(), None));
        }
        let offer = offer(came.spec, &agent.filter, told, taken);
        notices.extend(offer.notes.into_iter().map(|note| notice(NoticeKind::ToolsDiffer, note, None)));
        for tool in &offer.tools {
            self.routes.insert(tool.schema.name.clone(), (Arc::clone(&came.link), tool.name.clone()));
        }
        self.tools.extend(offer.tools);
        self.links.push(came.link);
        notices
    }
}
