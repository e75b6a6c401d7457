//! A model server for the program to talk to.

use std::net::SocketAddr;
use std::sync::Arc;

use massgen_testkit::model_server::{ModelServer, ReceivedRequest, RequestRecord, Schedule, ScriptedReply};
use massgen_testkit::network::{Encrypted, TunnelProxy};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::program::World;

/// A server and the threads that it runs on.
pub(crate) struct Server {
    server: ModelServer,
    runtime: Runtime,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(ModelServer::start(script, Schedule::default())).unwrap();
        Self { server, runtime }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.base_url()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The same server behind a certificate for `names`.
    pub(crate) fn encrypted(&self, names: &[&str]) -> Encrypted {
        self.runtime.block_on(Encrypted::start(names, self.address())).unwrap()
    }

    /// A proxy all of whose tunnels lead to `target`.
    pub(crate) fn tunnel_proxy(&self, target: SocketAddr) -> TunnelProxy {
        self.runtime.block_on(TunnelProxy::start(target)).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Arc<RequestRecord>> {
        self.server.requests()
    }

    /// Waits until `count` requests have come.
    pub(crate) fn received(&self, count: usize) {
        self.runtime.block_on(self.server.received(count));
    }

    /// A configuration of `agents` agents that ask this server.
    pub(crate) fn config(&self, agents: usize) -> Value {
        let agents = (b'a'..).take(agents).map(|letter| {
            let backend = json!({ "type": "chatcompletion", "model": "m", "base_url": self.base_url() });
            json!({ "id": format!("agent_{}", char::from(letter)), "backend": backend })
        });
        json!({ "agents": agents.collect::<Vec<_>>() })
    }

    /// A world whose configuration are `agents` agents that ask this server.
    pub(crate) fn world(&self, agents: usize) -> World {
        let world = World::new();
        world.write(".massgen/config.yaml", &self.config(agents).to_string());
        world
    }
}

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    First,
    Judge,
    Present,
}

pub(crate) fn asked(request: &ReceivedRequest) -> Asked {
    let last = request.last_text();
    if last.contains("Coordination is over") {
        Asked::Present
    } else if last.contains("<answer") {
        Asked::Judge
    } else {
        Asked::First
    }
}

pub(crate) fn answer(text: &str) -> ScriptedReply {
    ScriptedReply::call("new_answer", &json!({ "content": text }))
}

pub(crate) fn vote(target: &str) -> ScriptedReply {
    ScriptedReply::call("vote", &json!({ "agent_id": target, "reason": "it is best" }))
}

/// Each agent answers, all vote for the first, and that one presents.
pub(crate) fn team(request: &ReceivedRequest) -> ScriptedReply {
    match asked(request) {
        Asked::Present => answer("the final words"),
        Asked::Judge => vote("agent1"),
        Asked::First => {
            let me = request.last_text().split("You are ").nth(1).unwrap_or_default();
            answer(&format!("the answer of {me}"))
        }
    }
}
