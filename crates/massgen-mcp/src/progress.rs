//! How far calls are, as servers tell it: who hears of which call.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{ProgressNotificationParam, ProgressToken};

use crate::notice::quoted;
use crate::variables::Mask;

/// Hears how far a call is, one line each time, without control codes and values of variables. It must not wait.
pub type Hear = Arc<dyn Fn(&str) + Send + Sync>;

/// The calls of one connection that somebody hears of.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<HashMap<ProgressToken, (Hear, Mask)>>>);

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("calls", &self.calls().len()).finish()
    }
}

impl Listeners {
    /// Lets `hear` know of the call `token` until what is returned is dropped.
    pub(crate) fn add(&self, token: ProgressToken, hear: Hear, mask: Mask) -> Listening<'_> {
        self.calls().insert(token.clone(), (hear, mask));
        Listening { listeners: self, token }
    }

    /// A server tells how far a call is. Of a call that is over, or never was, nobody hears.
    pub(crate) fn tell(&self, told: &ProgressNotificationParam) {
        let call = self.calls().get(&told.progress_token).cloned();
        if let Some((hear, mask)) = call {
            hear(&mask.apply(&line(told.progress, told.total, told.message.as_deref())));
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<ProgressToken, (Hear, Mask)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody hears of a call.
pub(crate) struct Listening<'a> {
    listeners: &'a Listeners,
    token: ProgressToken,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.listeners.calls().remove(&self.token);
    }
}

/// `3 of 10: copies files`.
fn line(progress: f64, total: Option<f64>, message: Option<&str>) -> String {
    let far = match total {
        Some(total) => format!("{progress} of {total}"),
        None => progress.to_string(),
    };
    match message.map(quoted).filter(|message| !message.is_empty()) {
        Some(message) => format!("{far}: {message}"),
        None => far,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_call_is_reads_as_one_line() {
        assert_eq!(line(3.0, Some(10.0), Some("copies\n\u{1b}[31mfiles")), "3 of 10: copies files");
        assert_eq!(line(0.5, None, None), "0.5");
        assert_eq!(line(1.0, Some(2.0), Some(" ")), "1 of 2");
    }
}
