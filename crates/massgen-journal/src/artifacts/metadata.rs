//! `execution_metadata.yaml`: how the run was started.

use serde_json::{Map, Value, json};

use super::redact;
use super::stamps::utc_iso;
use super::state::RunState;
use super::yaml;

/// The whole file. Secrets that were written into the configuration or the arguments are left out.
pub(super) fn document(state: &RunState) -> String {
    let meta = &state.meta;
    let mut map = Map::new();
    map.insert("query".into(), state.question().into());
    map.insert("timestamp".into(), state.local.iso(state.started).into());
    map.insert("timestamp_utc".into(), utc_iso(state.started).into());
    if let Some(path) = &meta.config_path {
        map.insert("config_path".into(), path.as_str().into());
    }
    map.insert("config".into(), meta.config.as_ref().map_or_else(|| effective(state), redact::value));
    map.insert("cli_args".into(), redact::value(&meta.arguments));
    if let Some(git) = &meta.git {
        map.insert("git".into(), json!({"commit": git.commit, "branch": git.branch}));
    }
    if let Some(given) = &state.spec.instructions {
        map.insert("instructions".into(), json!({"path": given.path, "blake3": given.hash}));
    }
    // There is no Python here; readers of the file expect the key.
    map.insert("python_version".into(), Value::Null);
    map.insert("massgen_version".into(), meta.version.as_str().into());
    map.insert("working_directory".into(), meta.working_directory.as_str().into());
    yaml::document(&map.into())
}

/// The agents as they run, for a run without a configuration file: listings read ids and models from here.
fn effective(state: &RunState) -> Value {
    let agents: Vec<_> = state
        .spec
        .agents
        .iter()
        .map(|agent| {
            json!({"id": agent.id, "backend": {"type": agent.backend.kind, "model": agent.backend.model}})
        })
        .collect();
    json!({"agents": agents})
}
