//! The models of one agent as one model: its own, and those that take its place.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::ModelRequest;
use massgen_protocol::message::{FailureKind, ModelFailure};

/// Asks the model that a request is for: [`CallContext::fallback`](massgen_protocol::CallContext::fallback) says which,
/// and the engine decides when the next one's turn is.
pub struct Ladder {
    own: Arc<dyn Model>,
    others: Vec<Arc<dyn Model>>,
}

impl fmt::Debug for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ladder").field("others", &self.others.len()).finish_non_exhaustive()
    }
}

impl Ladder {
    /// `own` as long as it lasts, then `others` in their order.
    pub fn new(own: Arc<dyn Model>, others: Vec<Arc<dyn Model>>) -> Self {
        Self { own, others }
    }

    fn model(&self, fallback: u32) -> Option<&Arc<dyn Model>> {
        match fallback.checked_sub(1) {
            None => Some(&self.own),
            Some(index) => self.others.get(usize::try_from(index).ok()?),
        }
    }
}

impl Model for Ladder {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let entry = request.context.fallback;
        if let Some(model) = self.model(entry) {
            return model.call(request);
        }
        let message = format!("the agent has no entry {entry} in its `fallback`");
        let failure = ModelFailure { kind: FailureKind::Rejected, message, attempts: 0 };
        stream::iter([ModelEvent::Failed(failure)]).boxed()
    }
}

#[cfg(test)]
mod tests {
    use massgen_protocol::message::{CallContext, Purpose};
    use massgen_protocol::{AgentId, AgentNo, CallId};

    use super::*;

    /// Fails with its name.
    struct Named(&'static str);

    impl Model for Named {
        fn call(&self, request: ModelRequest) -> ModelStream {
            let message = format!("{} heard {}", self.0, request.system);
            let failure = ModelFailure { kind: FailureKind::Server, message, attempts: 1 };
            stream::iter([ModelEvent::Failed(failure)]).boxed()
        }
    }

    async fn asked(ladder: &Ladder, fallback: u32) -> String {
        let request = ModelRequest {
            context: CallContext {
                agent: AgentId::new("a").unwrap(),
                call: CallId { agent: AgentNo::from_index(0), number: 1 },
                purpose: Purpose::Coordinate,
                candidates: Vec::new(),
                may_answer: true,
                fallback,
            },
            system: "hello".into(),
            tools: Arc::from([]),
            messages: Vec::new(),
            max_output_tokens: None,
            output: None,
        };
        match ladder.call(request).next().await {
            Some(ModelEvent::Failed(failure)) => failure.message,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn each_request_goes_to_the_model_that_it_is_for() {
        let ladder =
            Ladder::new(Arc::new(Named("own")), vec![Arc::new(Named("first")), Arc::new(Named("second"))]);
        assert_eq!(asked(&ladder, 0).await, "own heard hello");
        assert_eq!(asked(&ladder, 2).await, "second heard hello");
        assert_eq!(asked(&ladder, 1).await, "first heard hello");
        assert_eq!(asked(&ladder, 3).await, "the agent has no entry 3 in its `fallback`");
    }
}
