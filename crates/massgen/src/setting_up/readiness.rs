//! Whether a configuration can run here and now.

use massgen_config::backends::Backends;
use massgen_config::{Findings, LoadRequest, Settings, Source, Validation, load};
use massgen_protocol::spec::AgentSpec;

use crate::environment::Environment;

/// What keeps a configuration from running.
#[derive(Debug)]
pub(crate) enum Readiness {
    /// Nothing.
    Ready {
        /// How many agents it has.
        agents: usize,
        /// Warnings and notices.
        findings: Findings,
    },
    /// Keys are missing: for each, the variables that may hold it, as `A` or `A or B`.
    Keyless {
        /// How many agents it has.
        agents: usize,
        /// The variables.
        variables: Vec<String>,
        /// Warnings and notices.
        findings: Findings,
    },
    /// It is wrong.
    Broken {
        /// What is wrong.
        findings: Findings,
    },
}

/// What keeps the configuration in `source` from running.
pub(crate) fn readiness(source: &Source, environment: &Environment, backends: &Backends) -> Readiness {
    let loaded = load(LoadRequest {
        source: Some(source),
        settings: &Settings::default(),
        lookup: &|name| environment.get(name),
        working_directory: &environment.working_directory,
        instance: None,
        validation: Validation::Normal,
        backends,
    });
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(findings) => return Readiness::Broken { findings },
    };
    let is_set = |name: &String| {
        environment.has(name) || loaded.literal_keys.iter().any(|literal| literal.variable == *name)
    };
    let mut variables: Vec<String> = Vec::new();
    for backend in loaded.draft.agents.iter().flat_map(AgentSpec::backends) {
        let Some(service) = backend.service() else { continue };
        if service.key_command.is_some() {
            continue;
        }
        let key_variables = &service.key_variables;
        let names = key_variables.join(" or ");
        if !key_variables.is_empty() && !key_variables.iter().any(is_set) && !variables.contains(&names) {
            variables.push(names);
        }
    }
    let (agents, findings) = (loaded.draft.agents.len(), loaded.findings);
    if variables.is_empty() {
        Readiness::Ready { agents, findings }
    } else {
        Readiness::Keyless { agents, variables, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, variables: &[(&str, &str)]) -> String {
        let source = Source::new("c.yaml", text);
        match readiness(&source, &Environment::of(variables), Backends::built_in()) {
            Readiness::Ready { agents, .. } => format!("ready: {agents}"),
            Readiness::Keyless { variables, .. } => format!("keyless: {}", variables.join(", ")),
            Readiness::Broken { findings } => format!("broken: {findings}"),
        }
    }

    #[test]
    fn a_configuration_is_ready_when_every_agent_has_a_key() {
        let text = "agents:\n\
                    - {id: a, backend: {type: openai}}\n\
                    - {id: b, backend: {type: moonshot}}\n\
                    - {id: c, backend: {type: openai}}\n\
                    - {id: d, backend: {type: simulated}}\n";
        assert_eq!(told(text, &[]), "keyless: OPENAI_API_KEY, MOONSHOT_API_KEY or KIMI_API_KEY");
        assert_eq!(told(text, &[("KIMI_API_KEY", "k")]), "keyless: OPENAI_API_KEY");
        assert_eq!(told(text, &[("KIMI_API_KEY", "k"), ("OPENAI_API_KEY", "k")]), "ready: 4");
        assert_eq!(told("agent: {id: a, backend: {type: openai, api_key: sk-1}}", &[]), "ready: 1");
    }

    #[test]
    fn a_wrong_configuration_is_broken() {
        assert_eq!(told("agents: []", &[]), "broken: 1 error in c.yaml");
    }
}
