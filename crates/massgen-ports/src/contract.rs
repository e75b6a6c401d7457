//! The contracts of the ports as checks. Every adapter runs them in its own tests.

use std::sync::Arc;

use futures::StreamExt;
use massgen_protocol::{Envelope, Event, ModelRequest, RunMillis, Seq, Timestamp, event::ENVELOPE_VERSION};

use crate::journal::{Journal, JournalError};
use crate::model::{Model, ModelEvent};

/// A call ends with exactly one [`ModelEvent::Finished`] or [`ModelEvent::Failed`], and nothing comes after it.
///
/// # Errors
/// Says how the model breaks this.
pub async fn model_ends_once(model: &dyn Model, request: ModelRequest) -> Result<(), String> {
    let events: Vec<ModelEvent> = model.call(request).collect().await;
    let ends = |event: &ModelEvent| match event {
        ModelEvent::Finished(_) | ModelEvent::Failed(_) => true,
        ModelEvent::Delta { .. } | ModelEvent::Retrying { .. } | ModelEvent::Service { .. } => false,
    };
    match events.iter().filter(|event| ends(event)).count() {
        1 if events.last().is_some_and(ends) => Ok(()),
        1 => Err("something follows the end of the call".to_owned()),
        ends => Err(format!("the call has {ends} ends")),
    }
}

/// Appends in order are stored, and a gap is refused.
///
/// # Errors
/// Says how the journal breaks this.
pub async fn journal_is_dense(journal: &dyn Journal) -> Result<(), String> {
    let envelope = |seq| {
        Arc::new(Envelope {
            v: ENVELOPE_VERSION,
            seq: Seq(seq),
            at: Timestamp::default(),
            run_time: RunMillis::default(),
            event: Event::RunResumed,
        })
    };
    journal.append(vec![envelope(1), envelope(2)]).await.map_err(|error| error.to_string())?;
    journal.append(vec![envelope(3)]).await.map_err(|error| error.to_string())?;
    match journal.append(vec![envelope(5)]).await {
        Err(JournalError::OutOfOrder { last: Seq(3), found: Seq(5) }) => Ok(()),
        other => Err(format!("a gap gave {other:?}")),
    }
}
