//! One agent, one server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_model::{HttpClient, Keys, ProviderModel, RetryPolicy, connect_with};
use massgen_ports::{Model, ModelEvent};
use massgen_protocol::ids::{AgentId, AgentNo};
use massgen_protocol::message::{CallContext, FailureKind, Message, ModelFailure, Purpose, Reply};
use massgen_protocol::spec::{AgentSpec, BackendSpec, Protocol, Service, VotingSensitivity, Wire};
use massgen_protocol::{CallId, DeltaKind, ModelRequest, ToolSchema};
use massgen_testkit::model_server::{ModelServer, ReceivedRequest, Schedule, ScriptedReply};

pub(crate) fn agent(base_url: &str, key_variables: &[&str]) -> AgentSpec {
    AgentSpec {
        id: AgentId::new("agent_a").unwrap(),
        backend: BackendSpec {
            kind: "chatcompletion".to_owned(),
            wire: Wire::Service(Service::chat_completions(
                base_url,
                key_variables.iter().map(|&name| name.to_owned()).collect(),
            )),
            model: "the-model".to_owned(),
            max_output_tokens: None,
            context_window: None,
            price: None,
            parameters: BTreeMap::new(),
            output_schema: None,
        },
        system_message: None,
        voting_sensitivity: VotingSensitivity::Lenient,
        fallback: Vec::new(),
        attachments: Vec::new(),
        workspace: None,
        tooling: Box::default(),
    }
}

pub(crate) fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        context: CallContext {
            agent: AgentId::new("agent_a").unwrap(),
            call: CallId { agent: AgentNo::from_index(0), number: 1 },
            purpose: Purpose::Coordinate,
            candidates: Vec::new(),
            may_answer: true,
            fallback: 0,
        },
        system: "be good".into(),
        tools: Arc::from([ToolSchema {
            name: "read".to_owned(),
            description: "Reads.".to_owned(),
            parameters: serde_json::json!({"type": "object"}),
        }]),
        messages,
        max_output_tokens: None,
        output: None,
    }
}

pub(crate) fn question() -> ModelRequest {
    request(vec![Message::user("why?")])
}

/// Waits that do not hold a test up, and time enough for a slow machine where none should pass.
pub(crate) fn hasty() -> RetryPolicy {
    RetryPolicy {
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(2),
        ..RetryPolicy::default()
    }
}

/// A server that answers as `script` says, and the model that speaks `protocol` with it.
pub(crate) async fn serve_in(
    protocol: Protocol,
    script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
) -> (ModelServer, ProviderModel) {
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let service = Service { protocol, ..Service::chat_completions(server.base_url(), Vec::new()) };
    let mut agent = agent("", &[]);
    agent.backend.wire = Wire::Service(service);
    let model = connect_with(&agent, &Keys::default(), &HttpClient::new(), hasty()).unwrap();
    (server, model)
}

pub(crate) async fn serve(
    script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
) -> (ModelServer, ProviderModel) {
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let model = model(&server, hasty());
    (server, model)
}

pub(crate) fn model(server: &ModelServer, policy: RetryPolicy) -> ProviderModel {
    connect_with(&agent(&server.base_url(), &[]), &Keys::default(), &HttpClient::new(), policy).unwrap()
}

/// A call as it went.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Text, reasoning and arguments since the last retry.
    pub(crate) streamed: [String; 3],
    pub(crate) retries: Vec<(u32, FailureKind, String, Duration)>,
    pub(crate) end: Result<Reply, ModelFailure>,
}

impl Seen {
    pub(crate) fn reply(self) -> Reply {
        self.end.unwrap()
    }

    pub(crate) fn retry_kinds(&self) -> Vec<FailureKind> {
        self.retries.iter().map(|retry| retry.1).collect()
    }
}

pub(crate) async fn see(model: &dyn Model, request: ModelRequest) -> Seen {
    let mut seen = Seen {
        streamed: Default::default(),
        retries: Vec::new(),
        end: Err(ModelFailure { kind: FailureKind::NotRecorded, message: "no end".to_owned(), attempts: 0 }),
    };
    let mut events = model.call(request);
    while let Some(event) = events.next().await {
        match event {
            ModelEvent::Delta { kind, text } => seen.streamed[place(kind)].push_str(&text),
            ModelEvent::Retrying { attempt, kind, message, delay } => {
                seen.streamed = Default::default();
                seen.retries.push((attempt, kind, message, delay));
            }
            ModelEvent::Service { .. } => {}
            ModelEvent::Finished(reply) => seen.end = Ok(*reply),
            ModelEvent::Failed(failure) => seen.end = Err(failure),
        }
    }
    seen
}

fn place(kind: DeltaKind) -> usize {
    match kind {
        DeltaKind::Text => 0,
        DeltaKind::Reasoning => 1,
        DeltaKind::ToolArguments => 2,
        DeltaKind::ToolProgress => panic!("a model runs no tools"),
    }
}
