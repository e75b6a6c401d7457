//! The backend types of this machine: the table, the user's own file, and what is known about models.

use std::borrow::Cow;

use massgen_config::backends::Backends;
use massgen_model::catalog;
use massgen_protocol::spec::{RunSpec, Wire};
use massgen_protocol::{ModelFacts, Price, limits};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::setup::read_source;

/// Where a user adds models, prices and addresses.
const USER_FILE: &str = "~/.config/massgen/models.yaml";

/// The table of backend types, with what the user's file changes in it.
pub(crate) fn known(environment: &Environment) -> Result<Cow<'static, Backends>, Failure> {
    let built_in = Backends::built_in();
    let path = environment.absolute(USER_FILE.as_ref());
    let exists = environment.home.is_some()
        && path.try_exists().map_err(|error| {
            Failure::configuration(format!("cannot look for `{USER_FILE}`: {error}"))
                .hint("make the folder readable for you")
        })?;
    if !exists {
        return Ok(Cow::Borrowed(built_in));
    }
    let file = read_source(USER_FILE.to_owned(), &path)
        .map_err(|failure| failure.hint("mend this file of models, or move it away"))?;
    let extended = built_in.extended(&file);
    extended.map(Cow::Owned).map_err(|findings| Failure::Configuration(Box::new(findings)))
}

/// What is known about a model: what the table and the user's file say, and the catalogue about the rest.
pub(crate) fn facts(backends: &Backends, kind: &str, model: &str, base_url: &str) -> ModelFacts {
    backends.facts(kind, model).or(catalog::lookup(kind, model, base_url))
}

/// Puts context windows and prices into the specification, where they are known. A bound that a budget wants is
/// lowered to what the model can write, because providers refuse a call that asks for more.
pub(crate) fn add_facts(spec: &mut RunSpec, backends: &Backends) {
    let budgeted = spec.budget.is_limited();
    for agent in &mut spec.agents {
        let backend = &mut agent.backend;
        let facts = match &backend.wire {
            Wire::Simulated(_) => {
                backend.price = Some(Price::FREE);
                continue;
            }
            Wire::ChatCompletions { base_url, .. } => {
                facts(backends, &backend.kind, &backend.model, base_url)
            }
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
    use massgen_config::Source;

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
