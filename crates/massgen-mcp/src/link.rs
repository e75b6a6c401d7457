//! What one agent has of one server for the whole run: its connection, which comes back when it is lost, and its calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use massgen_protocol::AgentId;
use massgen_protocol::tooling::ServerSpec;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest, RequestId,
    ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient, ServiceError};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::breaker::{Breaker, Change};
use crate::complaints;
use crate::connection::{Connection, Failed, Way, Whose, sending_failed, value};
use crate::error::Error;
use crate::limits::{
    CALL_ATTEMPTS, CONNECT_ATTEMPTS, CONNECT_TIME, RETRY_AFTER_MAX, SILENT_CONNECT, TOOLS_WITHOUT_TIME,
};
use crate::notice::quoted;
use crate::offer::Told;
use crate::pause::Pauses;
use crate::pool::Setup;
use crate::progress::Hear;
use crate::result::{Called, called};
use crate::security::check_arguments;

/// One agent's server.
pub(crate) struct Link {
    agent: AgentId,
    spec: ServerSpec,
    folder: PathBuf,
    logs: PathBuf,
    setup: Arc<Setup>,
    pauses: Pauses,
    began: Instant,
    state: Mutex<State>,
    breaker: StdMutex<Breaker>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// The way that led to the server before.
    way: Option<Way>,
    /// Attempts that failed since there was a connection.
    failed: u32,
    is_closed: bool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} of {})", self.spec.name, self.agent)
    }
}

/// What came of one attempt to make a call.
enum Attempt {
    /// The server answered.
    Answered(Called),
    /// The call surely did not run.
    NotRun { problem: String, again: Again, connection: Worth },
    /// Nobody knows whether it ran.
    Unknown(String),
    /// It was under way when its time was over.
    TooSlow(Duration),
}

/// Whether a connection is of any use after a failure.
#[derive(PartialEq, Eq)]
enum Worth {
    Keeping,
    Nothing,
}

impl Attempt {
    /// There is no connection any more.
    fn lost(problem: String) -> Self {
        Self::NotRun { problem, again: Again::Soon, connection: Worth::Nothing }
    }
}

/// Whether a call that did not run may be tried again.
enum Again {
    No,
    /// After the usual pause.
    Soon,
    /// After this one.
    After(Duration),
}

impl Link {
    pub(crate) fn new(
        agent: AgentId,
        spec: ServerSpec,
        places: (PathBuf, PathBuf),
        setup: Arc<Setup>,
    ) -> Self {
        let pauses = Pauses::new(setup.seed, agent.as_str(), &spec.name);
        let (folder, logs) = places;
        Self {
            agent,
            spec,
            folder,
            logs,
            setup,
            pauses,
            began: Instant::now(),
            state: Mutex::default(),
            breaker: StdMutex::default(),
        }
    }

    /// Connects the server and asks for its tools, as often as it may help. With the error comes how often that was.
    pub(crate) async fn connect(&self) -> Result<Vec<Told>, (Error, u32)> {
        let mut attempt = 1;
        loop {
            let once = self.connect_once();
            tokio::pin!(once);
            let connected = if let Ok(connected) = timeout(SILENT_CONNECT, &mut once).await {
                connected
            } else {
                let seconds = CONNECT_TIME.as_secs();
                self.tell(&format!("is waited for (try {attempt} of {CONNECT_ATTEMPTS}, up to {seconds} s)"));
                once.await
            };
            match connected {
                Ok(tools) => return Ok(tools),
                Err(error) if error.may_pass() && attempt < CONNECT_ATTEMPTS => {
                    tracing::debug!(link = ?self, attempt, %error, "a tool server was not connected");
                    sleep(self.pauses.after(attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err((error, attempt)),
            }
        }
    }

    /// Where its standard error is kept.
    pub(crate) fn log(&self) -> PathBuf {
        complaints::path(&self.logs, &self.spec.name)
    }

    fn tell(&self, what: &str) {
        (self.setup.tell)(&format!("MCP server `{}` of {} {what}", quoted(&self.spec.name), self.agent));
    }

    async fn connect_once(&self) -> Result<Vec<Told>, Error> {
        let connection = self.connection().await?;
        let tools = connection.tools().await;
        if tools.is_err() {
            self.give_up(&connection).await;
        }
        tools
    }

    /// The connection, made if there is none.
    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let mut state = self.state.lock().await;
        if state.is_closed {
            return Err(Error::NotReached { problem: "the run is over".to_owned() });
        }
        if let Some(connection) = state.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        // The program that was lost is ended before another is started.
        state.connection = None;
        let way = state.way.unwrap_or_else(|| Way::of_attempt(state.failed + 1));
        let whose = Whose { agent: &self.agent, spec: &self.spec, folder: &self.folder, logs: &self.logs };
        match Connection::open(whose, &self.setup, way).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                state.connection = Some(Arc::clone(&connection));
                state.way = Some(way);
                state.failed = 0;
                Ok(connection)
            }
            Err(error) => {
                state.failed += 1;
                Err(error)
            }
        }
    }

    /// Ends a connection that is of no use any more; the next call makes another.
    async fn give_up(&self, connection: &Arc<Connection>) {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            state.connection = None;
        }
    }

    /// Ends the connection for good.
    pub(crate) async fn close(&self) {
        let connection = {
            let mut state = self.state.lock().await;
            state.is_closed = true;
            state.connection.take()
        };
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    /// Calls `tool`, as the server names it. Dropping the future tells the server that nobody waits any more.
    pub(crate) async fn call(&self, tool: &str, arguments: Map<String, Value>, hear: &Hear) -> Called {
        if let Err(refused) = check_arguments(tool, &arguments) {
            return Called::denied(format!("the call was not made: {refused}; use smaller arguments"));
        }
        let server = &self.spec.name;
        if let Err(wait) = self.breaker().admit(self.began.elapsed()) {
            let seconds = wait.as_secs().max(1);
            return Called::denied(format!(
                "the call was not made: the tool server `{server}` has failed repeatedly and is left alone for \
                 another {seconds} s; do something else meanwhile, or go on without it"
            ));
        }
        let mut attempt = 1;
        let (text, connection) = loop {
            let (came, connection) = self.attempt(tool, &arguments, hear).await;
            match came {
                Attempt::Answered(called) => {
                    self.breaker().worked();
                    return called;
                }
                Attempt::NotRun { problem, again, connection: _ } => {
                    let pause = match again {
                        Again::No => None,
                        Again::Soon => Some(self.pauses.after(attempt)),
                        Again::After(pause) => Some(pause),
                    };
                    if let Some(pause) = pause.filter(|_| attempt < CALL_ATTEMPTS) {
                        tracing::debug!(link = ?self, attempt, problem, "a tool was not called; once more");
                        sleep(pause).await;
                        attempt += 1;
                        continue;
                    }
                    let text = format!("the tool was not run: the tool server `{server}` failed: {problem}");
                    break (text, connection);
                }
                Attempt::Unknown(problem) => {
                    let text = format!(
                        "the tool server `{server}` failed during the call: {problem}. The tool may have run or not: \
                         look before you call it again"
                    );
                    break (text, connection);
                }
                Attempt::TooSlow(time) => {
                    let text = format!(
                        "the tool was stopped after {} s without a result. It may have done some of its work: look \
                         before you call it again",
                        time.as_secs()
                    );
                    break (text, connection);
                }
            }
        };
        let change = self.breaker().failed(self.began.elapsed());
        if let (Change::Stopped, Some(connection)) = (change, connection) {
            // A server that hangs is of no use after the pause either.
            self.give_up(&connection).await;
        }
        Called::error(text)
    }

    async fn attempt(
        &self,
        tool: &str,
        arguments: &Map<String, Value>,
        hear: &Hear,
    ) -> (Attempt, Option<Arc<Connection>>) {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => {
                let again = if error.may_pass() { Again::Soon } else { Again::No };
                let problem = error.to_string();
                return (Attempt::NotRun { problem, again, connection: Worth::Nothing }, None);
            }
        };
        let came = self.call_on(&connection, tool, arguments, hear).await;
        if matches!(came, Attempt::NotRun { connection: Worth::Nothing, .. } | Attempt::Unknown(_)) {
            self.give_up(&connection).await;
        }
        (came, Some(connection))
    }

    async fn call_on(
        &self,
        connection: &Connection,
        tool: &str,
        arguments: &Map<String, Value>,
        hear: &Hear,
    ) -> Attempt {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.clone());
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options();
        let Ok(handle) = connection.peer.send_cancellable_request(request, options).await else {
            return Attempt::lost(connection.what_ended_it());
        };
        let token = handle.progress_token.clone();
        let _listening = connection.listeners.add(token, Arc::clone(hear), connection.mask.clone());
        let mut waiting = Waiting { peer: &connection.peer, request: Some(handle.id.clone()) };
        let answer = match self.time_for(tool) {
            None => handle.await_response().await,
            Some(time) => match timeout(time, handle.await_response()).await {
                Ok(answer) => answer,
                // The server is told when `waiting` goes.
                Err(_) => return Attempt::TooSlow(time),
            },
        };
        waiting.request = None;
        let told = |text: &str| connection.mask.apply(&quoted(text));
        match answer {
            Ok(ServerResult::InputRequiredResult(_)) => Attempt::Answered(Called::error(
                "the tool asks for input of a person, and nobody is there to give it",
            )),
            Ok(ServerResult::CreateTaskResult(_)) => Attempt::Answered(Called::error(
                "the tool wants to go on in the background, which is not possible here",
            )),
            Ok(result) => Attempt::Answered(match value(result) {
                Ok(result) => called(result, &connection.mask),
                Err(_) => Called::error("the server answered with something that is no result"),
            }),
            Err(ServiceError::McpError(error)) => {
                let (code, message) = (error.code.0, connection.mask.apply(&error.message));
                Attempt::Answered(Called::error(format!("the server refused the call ({code}): {message}")))
            }
            Err(ServiceError::TransportClosed) => Attempt::Unknown(connection.what_ended_it()),
            Err(ServiceError::Cancelled { reason }) => {
                let reason = reason.map(|reason| format!(": {}", told(&reason))).unwrap_or_default();
                Attempt::Answered(Called::error(format!("the server cancelled the call{reason}")))
            }
            Err(ServiceError::TransportSend(error)) => match sending_failed(&error) {
                Failed::NotSent(problem) => Attempt::lost(told(&problem)),
                Failed::Busy { problem, retry_after } => {
                    let asked = retry_after.and_then(|seconds| seconds.trim().parse().ok());
                    let again = match asked.map(Duration::from_secs) {
                        None => Again::Soon,
                        Some(asked) if asked <= RETRY_AFTER_MAX => Again::After(asked),
                        Some(_) => Again::No,
                    };
                    Attempt::NotRun { problem, again, connection: Worth::Keeping }
                }
                failed @ Failed::Refused => {
                    Attempt::NotRun { problem: failed.told(), again: Again::No, connection: Worth::Keeping }
                }
                Failed::Unknown(problem) => Attempt::Unknown(told(&problem)),
            },
            Err(other) => Attempt::Unknown(told(&other.to_string())),
        }
    }

    fn time_for(&self, tool: &str) -> Option<Duration> {
        let standard = || self.spec.call_time.unwrap_or(self.setup.call_time);
        (!TOOLS_WITHOUT_TIME.contains(&tool)).then(standard)
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is waited for. When nobody waits any more, its server is told.
struct Waiting<'a> {
    peer: &'a Peer<RoleClient>,
    request: Option<RequestId>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let (Some(request), Ok(runtime)) = (self.request.take(), Handle::try_current()) else { return };
        let peer = self.peer.clone();
        let params = CancelledNotificationParam::new(Some(request), Some("nobody waits any more".to_owned()));
        runtime.spawn(async move {
            // A server that cannot be told has ended, or ends with its connection.
            let _ = peer.notify_cancelled(params).await;
        });
    }
}
