//! The backend types of this machine: the table, the user's own file, and what is known about models.

use std::borrow::Cow;

use massgen_config::Source;
use massgen_config::backends::Backends;
use massgen_model::catalog;
use massgen_protocol::spec::{AgentSpec, RunSpec, Wire};
use massgen_protocol::{ModelFacts, Price, limits};

use crate::environment::{Environment, is_there, read_text};
use crate::failure::Failure;
use crate::remarks::Remarks;

/// Where a user adds models, prices and addresses.
pub(crate) const USER_FILE: &str = "~/.config/massgen/models.yaml";

/// Longest file of models that is read.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The table of backend types, with what the user's file changes in it.
pub(crate) fn known(environment: &Environment) -> Result<Cow<'static, Backends>, Failure> {
    let built_in = Backends::built_in();
    let path = environment.absolute(USER_FILE.as_ref());
    if environment.home.is_none() || is_there(&path) == Ok(false) {
        return Ok(Cow::Borrowed(built_in));
    }
    let text = read_text(&path, FILE_BYTES).map_err(|problem| {
        Failure::configuration(format!("cannot read the models in `{USER_FILE}`: {problem}"))
            .hint("make it a file that you can read, or move it away")
    })?;
    let file = Source::new(USER_FILE, text);
    let extended = built_in.extended(&file);
    extended.map(Cow::Owned).map_err(|findings| Failure::Configuration(Box::new(findings)))
}

/// The same for what tells or mends: where the user's file is wrong, that is told on stderr, and the built-in table
/// counts.
pub(crate) fn for_telling(environment: &Environment) -> Cow<'static, Backends> {
    let (backends, damage) = found(environment);
    if let Some(damage) = damage {
        let told = match &damage {
            Failure::Plain { message, hint, .. } => {
                let hint = hint.iter().map(|hint| format!("\nhint: {hint}"));
                format!("warning: {message}; going on without it{}", hint.collect::<String>())
            }
            Failure::Configuration(_) => format!(
                "{damage}warning: going on without {USER_FILE}; a run stops at this\n\
                 hint: mend it, or move it away"
            ),
        };
        Remarks::direct().tell(&told);
    }
    backends
}

/// The table that can be used, and what is wrong with the user's file.
pub(crate) fn found(environment: &Environment) -> (Cow<'static, Backends>, Option<Failure>) {
    match known(environment) {
        Ok(backends) => (backends, None),
        Err(failure) => (Cow::Borrowed(Backends::built_in()), Some(failure)),
    }
}

/// What is known about a model: what the table and the user's file say, and the catalogue about the rest.
pub(crate) fn facts(backends: &Backends, kind: &str, model: &str, base_url: &str) -> ModelFacts {
    backends.facts(kind, model).or(catalog::lookup(kind, model, base_url))
}

/// Puts context windows and prices into the specification, where they are known. A bound that a budget wants is
/// lowered to what the model can write, because providers refuse a call that asks for more.
pub(crate) fn add_facts(spec: &mut RunSpec, backends: &Backends) {
    let budgeted = spec.budget.is_limited();
    for backend in spec.agents.iter_mut().flat_map(AgentSpec::backends_mut) {
        let facts = match &backend.wire {
            Wire::Simulated(_) => {
                backend.price = Some(Price::FREE);
                continue;
            }
            Wire::Service(service) => facts(backends, &backend.kind, &backend.model, &service.base_url),
        };
        backend.context_window = facts.context_window;
        backend.price = facts.price;
        if budgeted && backend.max_output_tokens.is_none() {
            let shorter = |tokens: &u32| *tokens < limits::BUDGETED_OUTPUT_TOKENS;
            backend.max_output_tokens = facts.max_output_tokens.filter(shorter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_wins_over_the_catalogue_and_leaves_the_rest_to_it() {
        let url = "https://api.openai.com/v1";
        let listed = facts(Backends::built_in(), "openai", "gpt-5.2", url);
        assert!(listed.price.is_some() && listed.context_window.is_some());
        let text = "backends: {openai: {models: {gpt-5.2: {price: {input: 1, output: 2}}}}}";
        let own = Backends::built_in().extended(&Source::new("models.yaml", text)).unwrap();
        let known = facts(&own, "openai", "gpt-5.2", url);
        assert_eq!(
            known.price.map(|price| (price.input, price.output)),
            Some((1_000_000_000, 2_000_000_000))
        );
        assert_eq!(known.context_window, listed.context_window);
    }

    #[test]
    fn what_nobody_knows_stays_unknown() {
        let known = facts(Backends::built_in(), "openai", "no-such-model", "https://api.openai.com/v1");
        assert_eq!(known, ModelFacts::default());
    }

    #[test]
    fn the_table_says_nothing_that_the_catalogue_says_otherwise() {
        for backend in Backends::built_in().types() {
            let url = backend.base_url.as_deref().unwrap_or_default();
            for model in &backend.models {
                let listed = catalog::lookup(&backend.name, &model.name, url);
                let clash = |own: bool, listed: bool| own && listed;
                let window = clash(model.facts.context_window.is_some(), listed.context_window.is_some());
                let output =
                    clash(model.facts.max_output_tokens.is_some(), listed.max_output_tokens.is_some());
                let price = clash(model.facts.price.is_some(), listed.price.is_some());
                assert!(!window && !output && !price, "{} {}", backend.name, model.name);
            }
        }
    }
}
