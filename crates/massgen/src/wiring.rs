//! From a specification to the ports of a session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_engine::{Ports, Redactor, SystemClock};
use massgen_model::cassette::{
    Cassette, CassetteWriter, Header, Pace, Recorder, Redaction, Replay, Replayer,
};
use massgen_model::simulated::SimulatedTeam;
use massgen_model::{HttpClient, KeySource, Ladder, connect_backend};
use massgen_ports::{Journal, Model, ToolHost};
use massgen_protocol::spec::{BackendSpec, RunSpec, Wire};
use massgen_protocol::{AgentId, AgentNo, Envelope, Event};

use crate::environment::SEARCHED;
use crate::failure::Failure;
use crate::uploads::Files;
use crate::workbench::Workbench;

/// Where replies come from and go to, besides the providers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape {
    pub(crate) record: Option<PathBuf>,
    pub(crate) replay: Option<PathBuf>,
}

/// What agents reach the world through, and the recording that is made of it.
#[derive(Default)]
pub(crate) struct Wired {
    models: BTreeMap<AgentId, Arc<dyn Model>>,
    tools: Option<Arc<dyn ToolHost>>,
    pub(crate) recording: Option<Arc<CassetteWriter>>,
}

impl Wired {
    /// The ports of a session with this journal, and with these files that go with its task.
    pub(crate) fn ports(
        &self,
        journal: Arc<dyn Journal>,
        workbench: &Workbench,
        redactor: Redactor,
        files: Files,
    ) -> Ports {
        Ports {
            journal,
            clock: Arc::new(SystemClock::start()),
            models: self.models.clone(),
            tools: workbench.host(self.tools.clone()),
            workspaces: workbench.workspaces(),
            files,
            redactor,
        }
    }
}

/// Connects every agent to its model. `past` are the events of earlier processes of the run.
pub(crate) fn wire(
    spec: &RunSpec,
    past: &[Envelope],
    keys: &dyn KeySource,
    http: &HttpClient,
    redactor: &Redactor,
    tape: &Tape,
) -> Result<Wired, Failure> {
    let team = SimulatedTeam::new(spec).map_err(Failure::configuration)?;
    let redaction = {
        let redactor = redactor.clone();
        Redaction::new(move |text| redactor.text(text).into_owned())
    };
    let mut models = match &tape.replay {
        Some(path) => replayed(spec, past, path, &redaction)?,
        None => connected(spec, keys, http, &team)?,
    };
    let recording = match &tape.record {
        Some(path) => {
            let writer =
                CassetteWriter::open(path, &Header::of(spec), redaction).map_err(Failure::configuration)?;
            let writer = Arc::new(writer);
            for model in models.values_mut() {
                *model = Arc::new(Recorder::new(Arc::clone(model), Arc::clone(&writer)));
            }
            Some(writer)
        }
        None => None,
    };
    Ok(Wired { models, tools: Some(Arc::new(team.tools())), recording })
}

fn connected(
    spec: &RunSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
    team: &SimulatedTeam,
) -> Result<BTreeMap<AgentId, Arc<dyn Model>>, Failure> {
    let mut models: BTreeMap<AgentId, Arc<dyn Model>> = BTreeMap::new();
    for agent in &spec.agents {
        let model: Arc<dyn Model> = match &agent.backend.wire {
            Wire::Simulated(_) => match team.model(&agent.id) {
                Some(model) => Arc::new(model),
                None => {
                    return Err(Failure::configuration(format!(
                        "agent `{}` has no simulated model",
                        agent.id
                    )));
                }
            },
            Wire::Service(_) => reached(&agent.id, &agent.backend, keys, http)?,
        };
        let others = agent.fallback.iter().map(|backend| reached(&agent.id, backend, keys, http));
        let others: Vec<_> = others.collect::<Result<_, _>>()?;
        let model = if others.is_empty() { model } else { Arc::new(Ladder::new(model, others)) };
        models.insert(agent.id.clone(), model);
    }
    Ok(models)
}

/// The model of a service.
fn reached(
    agent: &AgentId,
    backend: &BackendSpec,
    keys: &dyn KeySource,
    http: &HttpClient,
) -> Result<Arc<dyn Model>, Failure> {
    connect_backend(backend, keys, http).map_err(|error| {
        let failure = Failure::configuration(format!("agent `{agent}`: {error}"));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure.hint(format!("keys are looked for in {SEARCHED}")),
        }
    })
}

fn replayed(
    spec: &RunSpec,
    past: &[Envelope],
    path: &Path,
    redaction: &Redaction,
) -> Result<BTreeMap<AgentId, Arc<dyn Model>>, Failure> {
    if !path.exists() {
        let message = format!("there is no recording `{}`", path.display());
        return Err(Failure::configuration(message).hint("make one with `--record FILE`"));
    }
    let cassette = Cassette::load(path).map_err(Failure::configuration)?;
    cassette.check_run(spec, redaction).map_err(Failure::configuration)?;
    let replay = Arc::new(Replay::new(cassette, Pace::AsFastAsPossible, redaction.clone()));
    let mut models: BTreeMap<AgentId, Arc<dyn Model>> = BTreeMap::new();
    for (agent, no) in spec.agents.iter().zip(spec.agent_nos()) {
        replay.skip(&agent.id, finished_calls(past, no));
        models.insert(agent.id.clone(), Arc::new(Replayer::new(Arc::clone(&replay))));
    }
    Ok(models)
}

fn finished_calls(past: &[Envelope], agent: AgentNo) -> u32 {
    let finished = past.iter().filter_map(|envelope| match &envelope.event {
        Event::ModelCallFinished { call, .. } if call.agent == agent => Some(call.number),
        _ => None,
    });
    finished.max().unwrap_or(0)
}
