//! One connection to a server, from the start of its program to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, OnceLock};

use massgen_protocol::AgentId;
use massgen_protocol::tooling::{ServerSpec, ServerTransport};
use reqwest::StatusCode;
use rmcp::model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerResult};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, Peer, RoleClient, RunningService,
    ServiceError,
};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use rmcp::transport::{DynamicTransportError, Transport};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::complaints::{self, LastWords};
use crate::error::Error;
use crate::handler::{Handler, OLDER_VERSION, newer_versions};
use crate::launch::Launch;
use crate::limits::{CLOSE_TIME, CONNECT_TIME, SILENCE, TOOL_PAGES, TOOLS_PER_SERVER};
use crate::notice::quoted;
use crate::offer::{Hints, Told};
use crate::pipe::{Broken, Pipe};
use crate::pool::Setup;
use crate::progress::Listeners;
use crate::security::{
    AddressRules, check_command, check_folder, check_headers, check_url, is_named, judge_environment,
};
use crate::variables::{Mask, Substitution};
use crate::web::{Address, root_cause};

/// Variables that every program gets, where they are set.
pub const BASE_VARIABLES: [&str; 6] = ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By asking which versions there are, and by a handshake if that is not understood.
    Ask,
    /// By a handshake: some older servers end when they are asked anything before it.
    Handshake,
}

impl Way {
    /// The way of an attempt, from 1, when none has led to the server yet.
    pub(crate) fn of_attempt(attempt: u32) -> Self {
        if attempt % 2 == 1 { Self::Ask } else { Self::Handshake }
    }

    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Ask => ClientLifecycleMode::Auto {
                preferred_versions: newer_versions(),
                legacy_version: Some(OLDER_VERSION),
            },
            Self::Handshake => ClientLifecycleMode::Initialize,
        }
    }
}

/// What is connected, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) agent: &'a AgentId,
    pub(crate) spec: &'a ServerSpec,
    /// The folder that programs are started in unless the configuration names one.
    pub(crate) folder: &'a Path,
    /// Where its standard error is kept.
    pub(crate) logs: &'a Path,
}

/// A connection that was made. Dropping it ends the program.
pub(crate) struct Connection {
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) mask: Mask,
    /// Who hears how far its calls are.
    pub(crate) listeners: Listeners,
    service: Mutex<Option<RunningService<RoleClient, Handler>>>,
    broken: Option<Arc<OnceLock<Broken>>>,
    last_words: LastWords,
    process: StdMutex<Option<Box<dyn Send>>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("broken", &self.broken).finish_non_exhaustive()
    }
}

/// A program or an address, ready to be connected.
enum Ready {
    Program { launch: Launch, program: String },
    Service { url: reqwest::Url, headers: BTreeMap<String, String> },
}

impl Connection {
    /// Makes a connection, once.
    pub(crate) async fn open(whose: Whose<'_>, setup: &Setup, way: Way) -> Result<Self, Error> {
        let last_words = LastWords::default();
        let opened = timeout(CONNECT_TIME, Self::open_in_time(whose, setup, way, last_words.clone())).await;
        opened.unwrap_or_else(|_| {
            Err(Error::TooSlow { seconds: CONNECT_TIME.as_secs(), last_words: last_words.get() })
        })
    }

    async fn open_in_time(
        whose: Whose<'_>,
        setup: &Setup,
        way: Way,
        last_words: LastWords,
    ) -> Result<Self, Error> {
        let (ready, mask) = prepare(whose, setup)?;
        let listeners = Listeners::default();
        let handler = Handler { server: whose.spec.name.clone(), listeners: listeners.clone() };
        match ready {
            Ready::Program { launch, program } => {
                let log = complaints::open(&complaints::path(whose.logs, &whose.spec.name))?;
                let launched = setup.launcher.launch(launch).await;
                let launched = launched
                    .map_err(|error| Error::NotStarted { program, problem: quoted(&error.to_string()) })?;
                if let Some(stderr) = launched.stderr {
                    tokio::spawn(complaints::keep(stderr, log, mask.clone(), last_words.clone()));
                }
                let pipe = Pipe::new(launched.stdout, launched.stdin);
                let broken = pipe.broken();
                let process = launched.process;
                let served = serve(handler, pipe, way).await;
                let service = served.map_err(|error| match broken.get() {
                    Some(Broken::Ended) => Error::Ended { last_words: last_words.get() },
                    Some(broken @ (Broken::TooLong | Broken::Garbage)) => {
                        Error::NoProtocol { problem: broken.told() }
                    }
                    None => not_served(&error, &mask),
                })?;
                Ok(Self {
                    peer: service.peer().clone(),
                    mask,
                    listeners,
                    service: Mutex::new(Some(service)),
                    broken: Some(broken),
                    last_words,
                    process: StdMutex::new(Some(process)),
                })
            }
            Ready::Service { url, headers } => {
                let silence = match &whose.spec.transport {
                    ServerTransport::Http { silence, .. } => silence.unwrap_or(SILENCE),
                    ServerTransport::Stdio { .. } => SILENCE,
                };
                let security = &whose.spec.security;
                let is_named = is_named(&url, security);
                let rules = (security.resolve_dns && !is_named).then(|| AddressRules::of(security));
                let address = Address { url: &url, headers: &headers, silence, rules };
                let transport = setup.web.transport(&address)?;
                let served = serve(handler, transport, way).await;
                let service = served.map_err(|error| not_served(&error, &mask))?;
                Ok(Self {
                    peer: service.peer().clone(),
                    mask,
                    listeners,
                    service: Mutex::new(Some(service)),
                    broken: None,
                    last_words,
                    process: StdMutex::new(None),
                })
            }
        }
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// What ended it, as the second half of a sentence.
    pub(crate) fn what_ended_it(&self) -> String {
        let what = self.broken.as_ref().and_then(|broken| broken.get());
        let what = what.map_or_else(|| "the connection was lost".to_owned(), |broken| broken.told());
        match self.last_words.get() {
            Some(words) => format!("{what}; its last words: `{words}`"),
            None => what,
        }
    }

    /// All tools that the server tells, page after page.
    pub(crate) async fn tools(&self) -> Result<Vec<Told>, Error> {
        let no_tools = |problem: &str| Error::NoTools { problem: self.mask.apply(&quoted(problem)) };
        let deadline = Instant::now() + CONNECT_TIME;
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..TOOL_PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor.take());
            let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
            let page = timeout_at(deadline, self.peer.send_request(request)).await;
            let page = page.map_err(|_| no_tools("it took too long"))?;
            let page = page.map_err(|error| match error {
                ServiceError::McpError(error) => no_tools(&error.message),
                ServiceError::TransportSend(error) => no_tools(&sending_failed(&error).told()),
                ServiceError::TransportClosed => no_tools(&self.what_ended_it()),
                other => no_tools(&other.to_string()),
            })?;
            let page = value(page).map_err(|_| no_tools("its list cannot be read"))?;
            let Some(listed) = page.get("tools").and_then(Value::as_array) else {
                return Err(no_tools("its answer holds no list of tools"));
            };
            // One more than are kept shows that there are too many.
            let room = (TOOLS_PER_SERVER + 1).saturating_sub(tools.len());
            tools.extend(listed.iter().filter_map(told).take(room));
            cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || tools.len() > TOOLS_PER_SERVER {
                break;
            }
        }
        Ok(tools)
    }

    /// Ends it in order: the session of a service, or the input of a program, which then has a moment.
    pub(crate) async fn close(&self) {
        if let Some(mut service) = self.service.lock().await.take() {
            // Whatever does not end in time is ended below.
            let _ = service.close_with_timeout(CLOSE_TIME * 2).await;
        }
        drop(self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

async fn serve<T>(
    handler: Handler,
    transport: T,
    way: Way,
) -> Result<RunningService<RoleClient, Handler>, ClientInitializeError>
where
    T: Transport<RoleClient> + 'static,
{
    handler.serve_with_lifecycle(transport, way.lifecycle()).await
}

/// Checks what is written, and puts values of variables in.
fn prepare(whose: Whose<'_>, setup: &Setup) -> Result<(Ready, Mask), Error> {
    let security = &whose.spec.security;
    let mut substitution = Substitution::new(&*setup.lookup);
    let ready = match &whose.spec.transport {
        ServerTransport::Stdio { command, environment, folder } => {
            check_command(command, security)?;
            let folder = match folder {
                Some(folder) => {
                    check_folder(folder)?;
                    folder.into()
                }
                None => whose.folder.to_owned(),
            };
            let written = judge_environment(environment, security)?.given;
            let is_base = |name: &String| BASE_VARIABLES.contains(&name.as_str());
            let mut variables: BTreeMap<String, String> = setup.environment.clone();
            variables.retain(|name, _| is_base(name));
            variables.extend(substitution.apply_all(&written)?);
            let command: Vec<String> =
                command.iter().map(|part| substitution.apply(part)).collect::<Result<_, _>>()?;
            let program = command.first().cloned().unwrap_or_default();
            let launch = Launch {
                agent: whose.agent.clone(),
                server: whose.spec.name.clone(),
                command,
                environment: variables,
                folder,
            };
            Ready::Program { launch, program: quoted(&program) }
        }
        ServerTransport::Http { url, headers, .. } => {
            let url = check_url(&substitution.apply(url)?, security)?;
            let headers = substitution.apply_all(headers)?;
            check_headers(&headers)?;
            Ready::Service { url, headers }
        }
    };
    Ok((ready, substitution.into_mask()))
}

/// Why a server was not connected.
fn not_served(error: &ClientInitializeError, mask: &Mask) -> Error {
    let no_protocol = |problem: &str| Error::NoProtocol { problem: mask.apply(&quoted(problem)) };
    match error {
        ClientInitializeError::TransportError { error, .. } => match sending_failed(error) {
            Failed::Refused => Error::NotAuthorized,
            Failed::NotSent(problem) | Failed::Unknown(problem) | Failed::Busy { problem, .. } => {
                Error::NotReached { problem: mask.apply(&quoted(&problem)) }
            }
        },
        ClientInitializeError::ConnectionClosed(_) => {
            Error::NotReached { problem: "the connection was closed".to_owned() }
        }
        ClientInitializeError::JsonRpcError(error) => {
            no_protocol(&format!("it refused with `{}`", error.message))
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => not_served(fallback, mask),
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            no_protocol("it knows none of our versions")
        }
        // Their texts would repeat the whole message.
        _ => no_protocol("its answer was not the expected one"),
    }
}

/// Why something could not be sent, or was not answered in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It surely did not reach the server, or the server did not know the session.
    NotSent(String),
    /// The server has too much to do, and did not begin.
    Busy { problem: String, retry_after: Option<String> },
    /// The server does not know us.
    Refused,
    /// It may have reached the server.
    Unknown(String),
}

impl Failed {
    pub(crate) fn told(&self) -> String {
        match self {
            Self::NotSent(problem) | Self::Unknown(problem) | Self::Busy { problem, .. } => problem.clone(),
            Self::Refused => "it wants a key, or does not accept the one it got".to_owned(),
        }
    }
}

/// What the failure of a transport means.
pub(crate) fn sending_failed(error: &DynamicTransportError) -> Failed {
    type Http = StreamableHttpError<reqwest::Error>;
    let Some(error) = error.error.downcast_ref::<Http>() else {
        // Of a pipe: a line that was not written to its end is never read as a message.
        return Failed::NotSent(error.error.to_string());
    };
    let by_status = |status: Option<StatusCode>, problem: String| match status {
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Failed::Refused,
        _ => Failed::Unknown(problem),
    };
    match error {
        Http::Client(error) if error.is_connect() => Failed::NotSent(root_cause(error)),
        Http::Client(error) => by_status(error.status(), root_cause(error)),
        Http::HttpStatus(status) if matches!(status.status, 429 | 503) => Failed::Busy {
            problem: format!("HTTP {}", status.status),
            retry_after: status.retry_after.clone(),
        },
        Http::HttpStatus(status) => Failed::Unknown(format!("HTTP {}", status.status)),
        Http::AuthRequired(_) | Http::InsufficientScope(_) => Failed::Refused,
        Http::SessionExpired => Failed::NotSent("it has forgotten the session".to_owned()),
        Http::UnexpectedServerResponse(text)
            if text.starts_with("HTTP 401") || text.starts_with("HTTP 403") =>
        {
            Failed::Refused
        }
        Http::UnexpectedServerResponse(text) => Failed::Unknown(quoted(text)),
        other => Failed::Unknown(root_cause(other)),
    }
}

/// A result without its type: what the library could not read as one kind may still be usable.
pub(crate) fn value(result: ServerResult) -> serde_json::Result<Value> {
    match result {
        ServerResult::CustomResult(custom) => Ok(custom.0),
        known => serde_json::to_value(known),
    }
}

/// A tool of a list; `None` if it has no name.
fn told(tool: &Value) -> Option<Told> {
    let text = |name: &str| tool.get(name).and_then(Value::as_str);
    let hint =
        |name: &str| tool.get("annotations").and_then(|hints| hints.get(name)).and_then(Value::as_bool);
    Some(Told {
        name: text("name")?.to_owned(),
        description: text("description").or_else(|| text("title")).unwrap_or_default().to_owned(),
        schema: tool.get("inputSchema").filter(|schema| !schema.is_null()).cloned(),
        hints: Hints {
            read_only: hint("readOnlyHint"),
            destructive: hint("destructiveHint"),
            open_world: hint("openWorldHint"),
        },
    })
}
