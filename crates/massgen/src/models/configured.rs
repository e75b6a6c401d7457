//! The services that the configuration names, with addresses, keys and headers of their own.

use massgen_config::backends::Backends;
use massgen_config::{LoadRequest, Settings, Validation, load};
use massgen_model::Keys;
use massgen_model::listing::Inquiry;
use massgen_protocol::spec::{AgentSpec, BackendSpec};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::reach::{Reach, Replies};
use crate::remarks::Remarks;
use crate::setup::find_source;

/// What the configuration says of services.
pub(super) struct Configured {
    /// Each service once, with its type.
    services: Vec<(String, Inquiry)>,
    /// All keys: of the environment, of the configuration, and those that its commands print.
    pub(super) keys: Keys,
}

impl Configured {
    /// Reads the configuration that a run would find by itself. What of it cannot be used is told, and left out. Of
    /// agents without a type that `is_wanted` no command is run.
    pub(super) async fn find(
        environment: &Environment,
        known: &Backends,
        reach: &mut Reach,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Self {
        let (agents, mut keys) = match written(environment, known) {
            Ok(written) => (written.agents, written.keys),
            Err(failure) => {
                warn(&failure, "going on without the configuration");
                (Vec::new(), Vec::new())
            }
        };
        let mut services: Vec<(String, Inquiry)> = Vec::new();
        for mut agent in agents {
            agent.fallback.retain(|backend| is_wanted(&backend.kind));
            if !is_wanted(&agent.backend.kind) {
                let Some(first) = agent.fallback.pop() else { continue };
                agent.backend = first;
            }
            match reach.secrets(std::slice::from_ref(&agent), Replies::Asked, environment).await {
                Ok(secrets) => keys.extend(secrets.keys),
                Err(failure) => {
                    warn(&failure, "going on without this agent");
                    continue;
                }
            }
            for (kind, inquiry) in agent.backends().filter_map(inquiry) {
                let is_same =
                    |(other, known): &(String, Inquiry)| *other == kind && known.base_url == inquiry.base_url;
                if !services.iter().any(is_same) {
                    services.push((kind, inquiry));
                }
            }
        }
        Self { services, keys: environment.keys(keys) }
    }

    /// The services of the type `kind`, in the order of the configuration.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Inquiry> {
        self.services.iter().filter(move |(other, _)| other == kind).map(|(_, inquiry)| inquiry)
    }
}

/// What stands in the configuration.
#[derive(Default)]
struct Written {
    agents: Vec<AgentSpec>,
    /// Keys by the names that stand for them.
    keys: Vec<(String, String)>,
}

fn written(environment: &Environment, known: &Backends) -> Result<Written, Failure> {
    let Some(source) = find_source(None, environment)? else { return Ok(Written::default()) };
    let loaded = load(LoadRequest {
        source: Some(&source),
        settings: &Settings::default(),
        lookup: &|name| environment.get(name),
        working_directory: &environment.working_directory,
        instance: None,
        validation: Validation::Normal,
        backends: known,
    });
    let loaded = loaded.map_err(|_| {
        Failure::configuration(format!("the configuration `{}` cannot be used", source.name()))
            .hint("`massgen --validate` with its name says what is wrong")
    })?;
    let keys =
        loaded.literal_keys.iter().map(|key| (key.variable.clone(), key.expose().to_owned())).collect();
    Ok(Written { agents: loaded.draft.agents, keys })
}

fn inquiry(backend: &BackendSpec) -> Option<(String, Inquiry)> {
    let service = backend.service()?;
    let inquiry = Inquiry {
        protocol: service.protocol,
        base_url: service.base_url.clone(),
        key_variables: service.key_variables.clone(),
        key_header: service.key_header,
        headers: service.headers.clone(),
    };
    Some((backend.kind.clone(), inquiry))
}

fn warn(failure: &Failure, and: &str) {
    let told = match failure {
        Failure::Plain { message, hint, .. } => {
            let hint = hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            format!("warning: {message}; {and}{hint}")
        }
        Failure::Configuration(_) => format!("{failure}warning: {and}"),
    };
    Remarks::direct().tell(&told);
}
