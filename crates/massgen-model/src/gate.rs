//! The gates in front of the services: one for each model of each service, shared by all agents of the process, with a
//! circuit breaker ([`crate::breaker`]) and the rates ([`crate::rate`]).
//!
//! What holds an agent back is its own configuration; what it is measured by is what all agents have sent. Two agents
//! that ask the same model at the same address stand at the same gate.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use massgen_protocol::ServiceReport;
use massgen_protocol::message::FailureKind;
use massgen_protocol::pacing::{BreakerSettings, Pacing, RateLimit};
use reqwest::Url;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::breaker::{Admission, Breaker, Change, Role, Verdict};
use crate::rate::{Reservation, Wait, Windows};
use crate::retry::Failure;

/// All gates of a process. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Gates {
    gates: Arc<Mutex<HashMap<Place, Arc<Gate>>>>,
}

/// What a gate stands in front of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    /// The address that requests go to, without user, password and query.
    address: String,
    model: String,
}

/// A gate. Its clock starts with it.
struct Gate {
    origin: Instant,
    breaker: Mutex<Breaker>,
    /// Told when the breaker may admit what it did not.
    breaker_changed: Notify,
    windows: Mutex<Windows>,
    /// Told when tokens were put right.
    settled: Notify,
    /// Who waits for a turn under the rates waits here, in the order of coming; the first one watches the windows.
    turn: tokio::sync::Mutex<()>,
}

/// One agent's way through a gate, with what its configuration asks for.
#[derive(Clone)]
pub(crate) struct Passage {
    gate: Arc<Gate>,
    service: Arc<str>,
    breaker: Option<Arc<BreakerSettings>>,
    rate: Option<RateLimit>,
}

/// A request on its way. Dropped without [`Pass::settle`], it counts as one whose answer nobody waited for.
pub(crate) struct Pass {
    passage: Passage,
    role: Option<Role>,
    reservation: Option<Reservation>,
}

/// Why a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Calls have stopped for so long; zero while another one tries the service.
    For(Duration),
    /// Calls go on, one after the other, and others are before it.
    Queue,
}

impl Gates {
    /// The way to `model` at `url`.
    pub(crate) fn passage(&self, url: &Url, model: &str, service: String, pacing: &Pacing) -> Passage {
        let address = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let place = Place { address, model: model.to_owned() };
        let gate = Arc::clone(lock(&self.gates).entry(place).or_insert_with(Gate::open));
        Passage {
            gate,
            service: service.into(),
            breaker: pacing.breaker.clone().map(Arc::new),
            rate: pacing.rate.filter(RateLimit::is_limited),
        }
    }
}

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gates").field("gates", &lock(&self.gates).len()).finish()
    }
}

impl Gate {
    fn open() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            breaker: Mutex::default(),
            breaker_changed: Notify::new(),
            windows: Mutex::default(),
            settled: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl Passage {
    /// The model and the host, for people.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// When calls stop, if the configuration says so.
    pub(crate) fn breaker(&self) -> Option<&BreakerSettings> {
        self.breaker.as_deref()
    }

    /// What keeps a request back now.
    pub(crate) fn stop(&self) -> Option<Stop> {
        self.breaker.as_ref()?;
        match lock(&self.gate.breaker).outlook(self.gate.now())? {
            Admission::Wait(wait) => Some(Stop::For(wait)),
            Admission::AwaitProbe => Some(Stop::For(Duration::ZERO)),
            Admission::InTurn(_) => Some(Stop::Queue),
            Admission::Go(_) => None,
        }
    }

    /// Waits until nothing keeps a request back. `false` when that takes until `deadline`.
    pub(crate) async fn reopened(&self, deadline: Instant) -> bool {
        let reopened = async {
            loop {
                let mut changed = std::pin::pin!(self.gate.breaker_changed.notified());
                // Before the look: what changes between the look and the wait must not be missed.
                changed.as_mut().enable();
                let outlook = lock(&self.gate.breaker).outlook(self.gate.now());
                match outlook {
                    None | Some(Admission::Go(_)) => return,
                    Some(Admission::AwaitProbe) => changed.await,
                    Some(Admission::Wait(wait) | Admission::InTurn(wait)) => tokio::select! {
                        () = changed => {}
                        () = sleep(wait) => {}
                    },
                }
            }
        };
        timeout_at(deadline, reopened).await.is_ok()
    }

    /// What a request of about `tokens` would wait for now under the rates; `None` when it could go at once.
    pub(crate) fn limited(&self, tokens: u64) -> Option<Wait> {
        let rate = self.rate.as_ref()?;
        lock(&self.gate.windows).outlook(self.gate.now(), tokens, rate)
    }

    /// Waits for the turn of a request of about `tokens` under the rates.
    ///
    /// `patience` bounds the wait of the first in the queue, each time it looks. Who stands behind waits for all before
    /// it, and no clock ends that: with many agents and few requests a minute it may be long, and it is no fault. The
    /// time limits of the run end it, because who drops the wait leaves the queue.
    ///
    /// # Errors
    /// It would be longer than `patience` when the request is the first in the queue.
    pub(crate) async fn turn(&self, tokens: u64, patience: Duration) -> Result<Option<Reservation>, Wait> {
        let Some(rate) = &self.rate else { return Ok(None) };
        let _turn = self.gate.turn.lock().await;
        loop {
            let settled = self.gate.settled.notified();
            let admitted = lock(&self.gate.windows).admit(self.gate.now(), tokens, rate);
            match admitted {
                Ok(reservation) => return Ok(Some(reservation)),
                Err(wait) if wait.wait > patience => return Err(wait),
                Err(wait) => tokio::select! {
                    () = settled => {}
                    () = sleep(wait.wait) => {}
                },
            }
        }
    }

    /// Calls have stopped for `wait` more, longer than a call can wait; zero when it has waited in vain.
    pub(crate) fn stopped(&self, wait: Duration) -> Failure {
        let more =
            if wait.is_zero() { String::new() } else { format!(" for {} s more", wait.as_secs().max(1)) };
        let service = &self.service;
        let message =
            format!("calls to {service} have stopped{more} after failures, and this call cannot wait");
        Failure::new(FailureKind::Server, message).for_good()
    }

    /// A rate of the configuration lets no request out before a long time.
    pub(crate) fn used_up(&self, wait: &Wait) -> Failure {
        let minutes = wait.wait.as_secs().div_ceil(60);
        let (limit, service) = (wait.limit, &self.service);
        let message = format!(
            "the configured rate is used up: {limit} for {service}; the next one in {minutes} minutes"
        );
        Failure::new(FailureKind::QuotaExhausted, message).for_good()
    }

    /// Lets a request with `reservation` out, or takes the reservation back because calls have stopped.
    pub(crate) fn enter(&self, reservation: Option<Reservation>) -> Option<Pass> {
        let role = match &self.breaker {
            None => None,
            Some(_) => match lock(&self.gate.breaker).admit(self.gate.now()) {
                Admission::Go(role) => Some(role),
                Admission::Wait(_) | Admission::AwaitProbe | Admission::InTurn(_) => {
                    if let Some(reservation) = reservation {
                        lock(&self.gate.windows).withdraw(reservation);
                        self.gate.settled.notify_one();
                    }
                    return None;
                }
            },
        };
        Some(Pass { passage: self.clone(), role, reservation })
    }
}

impl Pass {
    /// The request is over: what it tells about the service, and how many tokens it used, if that is known.
    pub(crate) fn settle(mut self, verdict: Verdict, tokens: Option<u64>) -> Option<ServiceReport> {
        if let (Some(reservation), Some(tokens)) = (self.reservation.take(), tokens) {
            lock(&self.passage.gate.windows).settle(reservation, tokens);
            self.passage.gate.settled.notify_one();
        }
        self.report(verdict).map(|change| match change {
            Change::Stopped { cause, pause } => ServiceReport::Stopped { cause, pause },
            Change::Restored => ServiceReport::Restored,
        })
    }

    fn report(&mut self, verdict: Verdict) -> Option<Change> {
        let (role, settings) = (self.role.take()?, self.passage.breaker.as_ref()?);
        let gate = &self.passage.gate;
        let change = lock(&gate.breaker).report(gate.now(), role, verdict, settings);
        gate.breaker_changed.notify_waiters();
        change
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.report(Verdict::Abandoned);
    }
}

/// What a thread that panicked has left behind is whole: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
