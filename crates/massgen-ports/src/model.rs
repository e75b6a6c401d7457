//! A model that replies to requests.

use std::time::Duration;

use futures::stream::BoxStream;
use massgen_protocol::{DeltaKind, ModelFailure, ModelRequest, Reply, ServiceReport, message::FailureKind};

/// What comes out of one model call, in order: any number of deltas, retries and reports, then exactly one end.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// A piece of the reply.
    Delta {
        /// What it is a piece of.
        kind: DeltaKind,
        /// The piece.
        text: String,
    },
    /// A request failed and will be sent again; pieces seen so far are void.
    Retrying {
        /// Which request failed, from 1.
        attempt: u32,
        /// The class of the failure.
        kind: FailureKind,
        /// What the provider or the network said, one line, without secrets.
        message: String,
        /// Wait before the next request.
        delay: Duration,
    },
    /// The call is held back before its next request, or what is known of its service changed.
    Service {
        /// The model and the host, for people.
        service: String,
        /// What.
        report: ServiceReport,
    },
    /// The complete reply. Nothing follows.
    Finished(Box<Reply>),
    /// No reply, after all retries. Nothing follows.
    Failed(ModelFailure),
}

/// The events of one model call.
pub type ModelStream = BoxStream<'static, ModelEvent>;

/// A model behind one agent, with retries and deadlines of its own.
pub trait Model: Send + Sync {
    /// Sends `request` when the stream is first polled. Dropping the stream cuts the call off.
    fn call(&self, request: ModelRequest) -> ModelStream;
}
