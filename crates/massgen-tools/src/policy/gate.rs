//! The policy of one agent at work: rules, what was remembered, and questions.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use massgen_ports::CallWatch;
use massgen_protocol::AgentId;
use massgen_protocol::message::Asking;
use massgen_protocol::tooling::Permissions;
use tokio::sync::Notify;

use super::approvals::{Approver, Question, Reply, Scope};
use super::remembered;
use super::risk;
use super::rules::{Judgement, Rules, Verdict};
use super::{Asked, Decision, Record, Request};
use crate::error::Error;

/// What stands for a rule when a hook wants a person to be asked.
const HOOK: &str = "hook";

/// The call that something is decided on.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Its tool.
    pub name: &'a str,
    /// Why a hook wants a person to be asked. It is asked about what can do most harm, and refused where nobody can be asked.
    pub wish: Option<&'a str>,
    /// Hears of questions.
    pub watch: &'a Arc<dyn CallWatch>,
}

/// Judges the calls of one agent.
pub struct Gate {
    agent: AgentId,
    rules: Mutex<Rules>,
    approver: Option<Arc<dyn Approver>>,
    /// What was allowed for this run: the action and the target.
    granted: Mutex<BTreeSet<(&'static str, String)>>,
    granted_more: Notify,
    remembered: Option<PathBuf>,
    /// Calls in a row without a person, and how many there may be.
    unasked: Mutex<u32>,
    most_unasked: Option<NonZeroU32>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("agent", &self.agent).field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Gate {
    /// For `agent`. Without an `approver`, `unattended` replies to every question.
    ///
    /// # Errors
    /// When a rule is not understood, or what was remembered cannot be read.
    pub fn new(
        agent: AgentId,
        permissions: Option<&Permissions>,
        approver: Option<Arc<dyn Approver>>,
    ) -> Result<Self, Error> {
        let mut rules = Rules::new(permissions)?;
        let remembered =
            permissions.and_then(|permissions| permissions.remembered.as_ref()).map(PathBuf::from);
        if let Some(path) = &remembered {
            for rule in remembered::rules(path)? {
                rules.allow(&rule)?;
            }
        }
        Ok(Self {
            agent,
            rules: Mutex::new(rules),
            approver,
            granted: Mutex::default(),
            granted_more: Notify::new(),
            remembered,
            unasked: Mutex::new(0),
            most_unasked: permissions.and_then(|permissions| permissions.unasked_in_a_row),
        })
    }

    /// The rules as they are now.
    pub(crate) fn rules(&self) -> Rules {
        lock(&self.rules).clone()
    }

    /// Decides on a call that wants `requests`, all or nothing. Every decision is in the list; the second part says why the
    /// call may not be made, for the model. `id` makes the number of a question.
    pub async fn decide(
        &self,
        call: Of<'_>,
        requests: &[Request],
        id: &(dyn Fn() -> u64 + Send + Sync),
    ) -> (Vec<Record>, Result<(), String>) {
        let mut records = Vec::new();
        let must_ask = self.is_long_unasked(requests);
        let wished = call.wish.and_then(|wish| {
            let (at, _) = requests.iter().enumerate().max_by_key(|(_, request)| risk::of(request))?;
            Some((at, wish))
        });
        for (at, request) in requests.iter().enumerate() {
            let mut judgement = lock(&self.rules).judge(request);
            let wish = wished.filter(|(about, _)| *about == at).map(|(_, wish)| wish);
            if let Some(wish) = wish.filter(|_| judgement.verdict != Verdict::Deny) {
                judgement.verdict = Verdict::Ask;
                HOOK.clone_into(&mut judgement.rule);
                wish.clone_into(&mut judgement.reason);
            } else if judgement.verdict == Verdict::Allow && must_ask {
                judgement.verdict = Verdict::Ask;
                "max_consecutive_auto".clone_into(&mut judgement.rule);
                "many calls were made without a person".clone_into(&mut judgement.reason);
            }
            let asked = match (&self.approver, judgement.verdict) {
                (Some(_), Verdict::Ask) => Asked::Person,
                (_, Verdict::Allow | Verdict::Ask | Verdict::Deny) => Asked::Nobody,
            };
            let judgement = self.settled(call, request, judgement, id).await;
            let decision = match judgement.verdict {
                Verdict::Allow => Decision::Allow,
                Verdict::Ask | Verdict::Deny => Decision::Deny,
            };
            records.push(Record {
                agent: self.agent.clone(),
                tool: call.name.to_owned(),
                action: request.effect.action().to_owned(),
                target: request.target.clone(),
                decision,
                rule: judgement.rule.clone(),
                reason: judgement.reason.clone(),
                asked,
            });
            if decision == Decision::Deny {
                let text = format!(
                    "`{}` is not allowed to {} `{}`: {} (rule: {}). Do it another way, or go on without it.",
                    call.name,
                    request.effect.verb(),
                    request.target,
                    judgement.reason,
                    judgement.rule,
                );
                return (records, Err(text));
            }
        }
        (records, Ok(()))
    }

    /// The judgement after asking, where it asks.
    async fn settled(
        &self,
        call: Of<'_>,
        request: &Request,
        judgement: Judgement,
        id: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Judgement {
        match judgement.verdict {
            Verdict::Allow | Verdict::Deny => return judgement,
            Verdict::Ask => {}
        }
        let granted = |judgement| {
            let reason = "a person allowed it for this run".to_owned();
            Judgement { verdict: Verdict::Allow, reason, ..judgement }
        };
        if self.is_granted(request) {
            return granted(judgement);
        }
        let Some(approver) = &self.approver else {
            // `unattended` replies to rules. A hook is the user's own, and asks for a person.
            if judgement.rule == HOOK {
                let reason = format!("{}; nobody can be asked in this run", judgement.reason);
                return Judgement { verdict: Verdict::Deny, reason, ..judgement };
            }
            return lock(&self.rules).alone(judgement);
        };
        let question = Question {
            id: id(),
            agent: self.agent.clone(),
            tool: call.name.to_owned(),
            effect: request.effect,
            target: request.target.clone(),
            reason: judgement.reason.clone(),
            risk: judgement.risk,
        };
        // Two calls may want the same thing at the same time: a reply for the whole run is one for both.
        let reply = tokio::select! {
            biased;
            reply = approver.ask(question, Arc::clone(call.watch)) => Some(reply),
            () = self.until_granted(request) => None,
        };
        call.watch.asks(Asking::Over).await;
        let Some(reply) = reply else { return granted(judgement) };
        match reply {
            Reply::Refused { feedback } => {
                Judgement { verdict: Verdict::Deny, reason: feedback, ..judgement }
            }
            Reply::Approved { scope } => {
                *lock(&self.unasked) = 0;
                let reason = match scope {
                    Scope::Once => "a person allowed it".to_owned(),
                    Scope::Session => {
                        self.grant(request);
                        "a person allowed it for this run".to_owned()
                    }
                    Scope::Always => match self.remember(request).await {
                        Ok(()) => "a person allowed it for good".to_owned(),
                        Err(error) => {
                            format!("a person allowed it for good, but it is not remembered: {error}")
                        }
                    },
                };
                Judgement { verdict: Verdict::Allow, reason, ..judgement }
            }
        }
    }

    fn is_long_unasked(&self, requests: &[Request]) -> bool {
        let Some(most) = self.most_unasked else { return false };
        if requests.is_empty() {
            return false;
        }
        let mut unasked = lock(&self.unasked);
        *unasked = unasked.saturating_add(1);
        *unasked > most.get()
    }

    /// Writes the reply down for later runs, and goes by it in this one whether that works or not.
    async fn remember(&self, request: &Request) -> Result<(), Error> {
        self.grant(request);
        let rule = format!("{}({})", request.effect.action(), globset::escape(&request.target));
        lock(&self.rules).allow(&rule)?;
        let Some(path) = self.remembered.clone() else { return Ok(()) };
        let told = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || remembered::add(&path, &rule)).await;
        written.unwrap_or_else(|error| Err(Error::Remembered { path: told, reason: error.to_string() }))
    }

    fn grant(&self, request: &Request) {
        lock(&self.granted).insert((request.effect.action(), request.target.clone()));
        self.granted_more.notify_waiters();
    }

    fn is_granted(&self, request: &Request) -> bool {
        lock(&self.granted).contains(&(request.effect.action(), request.target.clone()))
    }

    /// Ends when `request` is granted by the reply to another question.
    async fn until_granted(&self, request: &Request) {
        loop {
            let more = self.granted_more.notified();
            tokio::pin!(more);
            // Before the look: what is granted between the look and the wait is not missed.
            more.as_mut().enable();
            if self.is_granted(request) {
                return;
            }
            more.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
