//! The policy of one agent at work: rules, what was remembered, and questions.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use massgen_protocol::AgentId;
use massgen_protocol::tooling::Permissions;
use serde_json::{Map, Value, json};

use super::approvals::{Approver, Question, Reply, Scope};
use super::rules::{Judgement, Rules, Verdict};
use super::{Asked, Decision, Record, Request};
use crate::error::Error;

/// Where, in the file of remembered replies, the rules stand that allow.
const REMEMBERED: (&str, &str) = ("permissions", "allow");

/// Judges the calls of one agent.
pub struct Gate {
    agent: AgentId,
    rules: Mutex<Rules>,
    approver: Option<Arc<dyn Approver>>,
    /// What was allowed for this run: the action and the target.
    granted: Mutex<BTreeSet<(&'static str, String)>>,
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
            for rule in remembered_rules(&read(path)?) {
                rules.allow(&rule)?;
            }
        }
        Ok(Self {
            agent,
            rules: Mutex::new(rules),
            approver,
            granted: Mutex::default(),
            remembered,
            unasked: Mutex::new(0),
            most_unasked: permissions.and_then(|permissions| permissions.unasked_in_a_row),
        })
    }

    /// The rules as they are now.
    pub(crate) fn rules(&self) -> Rules {
        lock(&self.rules).clone()
    }

    /// Decides on a call of `tool` that wants `requests`, all or nothing. Every decision is in the list; the second
    /// part says why the call may not be made, for the model. `id` makes the number of a question.
    pub async fn decide(
        &self,
        tool: &str,
        requests: &[Request],
        id: &(dyn Fn() -> u64 + Send + Sync),
    ) -> (Vec<Record>, Result<(), String>) {
        let mut records = Vec::new();
        let must_ask = self.is_long_unasked(requests);
        for request in requests {
            let mut judgement = lock(&self.rules).judge(request);
            if judgement.verdict == Verdict::Allow && must_ask {
                judgement.verdict = Verdict::Ask;
                "max_consecutive_auto".clone_into(&mut judgement.rule);
                "many calls were made without a person".clone_into(&mut judgement.reason);
            }
            let asked = match (&self.approver, judgement.verdict) {
                (Some(_), Verdict::Ask) => Asked::Person,
                (_, Verdict::Allow | Verdict::Ask | Verdict::Deny) => Asked::Nobody,
            };
            let judgement = self.settled(tool, request, judgement, id).await;
            let decision = match judgement.verdict {
                Verdict::Allow => Decision::Allow,
                Verdict::Ask | Verdict::Deny => Decision::Deny,
            };
            records.push(Record {
                agent: self.agent.clone(),
                tool: tool.to_owned(),
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
                    tool,
                    said(request),
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
        tool: &str,
        request: &Request,
        judgement: Judgement,
        id: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Judgement {
        match judgement.verdict {
            Verdict::Allow | Verdict::Deny => return judgement,
            Verdict::Ask => {}
        }
        let action = request.effect.action();
        if lock(&self.granted).contains(&(action, request.target.clone())) {
            let reason = "a person allowed it for this run".to_owned();
            return Judgement { verdict: Verdict::Allow, reason, ..judgement };
        }
        let Some(approver) = &self.approver else { return lock(&self.rules).alone(judgement) };
        let question = Question {
            id: id(),
            agent: self.agent.clone(),
            tool: tool.to_owned(),
            action: action.to_owned(),
            target: request.target.clone(),
            reason: judgement.reason.clone(),
            risk: judgement.risk,
        };
        match approver.ask(question).await {
            Reply::Refused { feedback } => {
                Judgement { verdict: Verdict::Deny, reason: feedback, ..judgement }
            }
            Reply::Approved { scope } => {
                *lock(&self.unasked) = 0;
                let reason = match scope {
                    Scope::Once => "a person allowed it".to_owned(),
                    Scope::Session => {
                        lock(&self.granted).insert((action, request.target.clone()));
                        "a person allowed it for this run".to_owned()
                    }
                    Scope::Always => match self.remember(request) {
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

    fn remember(&self, request: &Request) -> Result<(), Error> {
        let action = request.effect.action();
        lock(&self.granted).insert((action, request.target.clone()));
        let rule = format!("{action}({})", globset::escape(&request.target));
        let mut rules = lock(&self.rules);
        rules.allow(&rule)?;
        let Some(path) = &self.remembered else { return Ok(()) };
        let mut settings = read(path)?;
        let mut known = remembered_rules(&settings);
        if !known.contains(&rule) {
            known.push(rule);
        }
        let permissions = settings.entry(REMEMBERED.0).or_insert_with(|| json!({}));
        let Some(permissions) = permissions.as_object_mut() else {
            return Err(broken(path, "`permissions` is no object"));
        };
        permissions.insert(REMEMBERED.1.to_owned(), json!(known));
        write(path, &Value::Object(settings))
    }
}

fn said(request: &Request) -> &'static str {
    match request.effect {
        super::Effect::Command => "run",
        super::Effect::Read | super::Effect::Address => "read",
        super::Effect::Write => "write",
        super::Effect::Delete => "delete",
        super::Effect::Tool => "use",
    }
}

fn remembered_rules(settings: &Map<String, Value>) -> Vec<String> {
    let rules = settings.get(REMEMBERED.0).and_then(|permissions| permissions.get(REMEMBERED.1));
    let rules = rules.and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn read(path: &std::path::Path) -> Result<Map<String, Value>, Error> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(broken(path, &error.to_string())),
    };
    serde_json::from_str(&text).map_err(|error| broken(path, &error.to_string()))
}

fn write(path: &std::path::Path, settings: &Value) -> Result<(), Error> {
    let system = |error: std::io::Error| broken(path, &error.to_string());
    let text = serde_json::to_string_pretty(settings).map_err(|error| broken(path, &error.to_string()))?;
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(system)?;
    }
    let unfinished = path.with_extension("unfinished");
    fs_err::write(&unfinished, text).map_err(system)?;
    fs_err::rename(&unfinished, path).map_err(system)
}

fn broken(path: &std::path::Path, reason: &str) -> Error {
    Error::Remembered { path: path.display().to_string(), reason: reason.to_owned() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
