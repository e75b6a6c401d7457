//! What there is to make agents of: keys by name, and model servers on this machine.

use massgen_config::backends::{BackendType, Backends, GENERAL, Support};
use massgen_config::generate::{PlannedAgent, letter_id, needs_address};
use massgen_protocol::spec::Protocol;
use serde::Serialize;

use crate::discovery;
use crate::environment::Environment;

/// Types whose key is looked for first, in this order. Those that do not run here are passed over.
const PREFERRED: [&str; 4] = ["claude", "openai", "gemini", "grok"];

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// Variables of keys, in the order of the table of types; each once.
    pub(crate) keys: Vec<Key>,
    /// Servers that answered.
    pub(crate) servers: Vec<Server>,
}

/// The variable of a key. Never the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) variable: String,
    /// Where it is set; `None` when it is not.
    pub(crate) origin: Option<String>,
    /// The types that run here and take it.
    pub(crate) backends: Vec<String>,
    /// The types that take it and do not run in this version.
    pub(crate) later: Vec<String>,
    /// Whether everything that takes it also runs without one.
    pub(crate) is_optional: bool,
}

/// A model server on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// The type to reach it by.
    pub(crate) backend: String,
    /// Its address.
    pub(crate) base_url: String,
    /// The first model that it offers.
    pub(crate) model: String,
}

impl Offers {
    /// What there is in `environment` and behind the ports of `servers`.
    pub(crate) fn find(backends: &Backends, environment: &Environment, servers: &[(&str, u16)]) -> Self {
        let origin = |name: &str| environment.origin(name).map(str::to_owned);
        let servers = servers.iter().filter_map(|(name, port)| {
            let model = discovery::first_model(*port)?;
            Some(Server::new(backends, name, *port, model))
        });
        Self { keys: keys(backends, &origin), servers: servers.collect() }
    }

    /// Whether one of the variables of `kind` is set.
    pub(crate) fn has_key(&self, kind: &BackendType) -> bool {
        let is_set =
            |name: &String| self.keys.iter().any(|key| key.variable == *name && key.origin.is_some());
        kind.key_variables.iter().any(is_set)
    }

    /// The agent that would be made of this without being asked; `None` when nothing is usable as it is.
    pub(crate) fn choice(&self, backends: &Backends) -> Option<PlannedAgent> {
        let preferred = PREFERRED.iter().filter_map(|name| backends.get(name));
        let others = backends.types().iter().filter(|kind| kind.name != GENERAL);
        let usable = |kind: &&BackendType| {
            kind.support == Support::Provider
                && kind.default_model.is_some()
                && !needs_address(kind)
                && self.has_key(kind)
        };
        if let Some(kind) = preferred.chain(others).find(usable) {
            let model = kind.default_model.clone();
            return Some(PlannedAgent { model, ..PlannedAgent::new(letter_id(0), kind.name.as_str()) });
        }
        self.servers.first().map(|server| server.agent(backends))
    }

    /// Types whose key is set but which cannot be chosen unasked, because no model is known for them.
    pub(crate) fn undecided<'a>(&self, backends: &'a Backends) -> Vec<&'a BackendType> {
        let wants_more = |kind: &&BackendType| {
            kind.support == Support::Provider
                && kind.name != GENERAL
                && (kind.default_model.is_none() || needs_address(kind))
                && self.has_key(kind)
        };
        backends.types().iter().filter(wants_more).collect()
    }
}

impl Server {
    fn new(backends: &Backends, name: &str, port: u16, model: String) -> Self {
        let plain = |text: &str| text.to_lowercase().replace(' ', "");
        let own = backends
            .types()
            .iter()
            .find(|kind| kind.support == Support::OwnServer && plain(&kind.display_name) == plain(name));
        // Ollama's own protocol begins at the root; what others serve stands below `/v1`.
        let path = match own.map_or(Protocol::ChatCompletions, |kind| kind.protocol) {
            Protocol::Ollama => "",
            Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages | Protocol::Gemini => "/v1",
        };
        Self {
            name: name.to_owned(),
            backend: own.map_or(GENERAL, |kind| kind.name.as_str()).to_owned(),
            base_url: format!("http://127.0.0.1:{port}{path}"),
            model,
        }
    }

    /// An agent of it.
    pub(crate) fn agent(&self, backends: &Backends) -> PlannedAgent {
        // A type's own address needs no mention, in either of the names of this machine.
        let own = backends.get(&self.backend).and_then(|kind| kind.base_url.as_deref());
        let is_own = own.is_some_and(|own| own.replace("localhost", "127.0.0.1") == self.base_url);
        PlannedAgent {
            model: Some(self.model.clone()),
            base_url: (!is_own).then(|| self.base_url.clone()),
            ..PlannedAgent::new(letter_id(0), self.backend.as_str())
        }
    }
}

/// The variables of all types that want a key, with where each is set.
fn keys(backends: &Backends, origin: &dyn Fn(&str) -> Option<String>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for kind in backends.types().iter().filter(|kind| kind.name != GENERAL && kind.support != Support::Never)
    {
        for variable in &kind.key_variables {
            let position = keys.iter().position(|key| key.variable == *variable).unwrap_or_else(|| {
                keys.push(Key {
                    variable: variable.clone(),
                    origin: origin(variable),
                    backends: Vec::new(),
                    later: Vec::new(),
                    is_optional: true,
                });
                keys.len() - 1
            });
            if let Some(key) = keys.get_mut(position) {
                key.is_optional &= kind.support == Support::OwnServer;
                let types = if kind.support.runs() { &mut key.backends } else { &mut key.later };
                types.push(kind.name.clone());
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Offers {
        Offers::find(Backends::built_in(), &Environment::of(variables), &[])
    }

    fn choice(variables: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        found(variables).choice(Backends::built_in()).map(|agent| (agent.backend, agent.model))
    }

    fn server(name: &str, port: u16) -> Server {
        Server::new(Backends::built_in(), name, port, "some-model".to_owned())
    }

    #[test]
    fn a_preferred_provider_is_chosen_before_others() {
        let expected = Some(("openai".to_owned(), Some("gpt-5.4".to_owned())));
        assert_eq!(choice(&[("CEREBRAS_API_KEY", "k"), ("OPENAI_API_KEY", "k")]), expected);
        let expected = Some(("groq".to_owned(), Some("llama-3.3-70b-versatile".to_owned())));
        assert_eq!(choice(&[("GROQ_API_KEY", "k"), ("POE_API_KEY", "k")]), expected);
    }

    #[test]
    fn a_type_that_does_not_run_or_has_no_model_is_not_chosen() {
        assert_eq!(choice(&[("OPENROUTER_API_KEY", "k")]), None);
        let offers = found(&[("OPENROUTER_API_KEY", "k"), ("POE_API_KEY", " ")]);
        let names: Vec<_> =
            offers.undecided(Backends::built_in()).iter().map(|kind| kind.name.as_str()).collect();
        assert_eq!(names, ["openrouter"]);
    }

    #[test]
    fn a_server_on_this_machine_is_chosen_when_there_is_no_key() {
        let mut offers = found(&[]);
        offers.servers = vec![server("Ollama", 11434)];
        let agent = offers.choice(Backends::built_in()).unwrap();
        assert_eq!((agent.backend.as_str(), agent.base_url), ("ollama", None));
        let elsewhere = server("Ollama", 9).agent(Backends::built_in());
        assert_eq!(elsewhere.base_url.as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(agent.model.as_deref(), Some("some-model"));
    }

    #[test]
    fn the_usual_address_of_a_type_is_not_repeated() {
        let agent = server("LM Studio", 1234).agent(Backends::built_in());
        assert_eq!((agent.backend.as_str(), agent.base_url), ("lmstudio", None));
        let agent = server("LM Studio", 4321).agent(Backends::built_in());
        assert_eq!(agent.base_url.as_deref(), Some("http://127.0.0.1:4321/v1"));
    }

    #[test]
    fn a_variable_stands_once_with_all_its_types() {
        let offers = found(&[("ANTHROPIC_API_KEY", "k")]);
        let of =
            |name: &str| -> Vec<&Key> { offers.keys.iter().filter(|key| key.variable == name).collect() };
        let [openai] = of("OPENAI_API_KEY")[..] else { panic!("{:?}", offers.keys) };
        assert_eq!(
            (openai.backends.join(" "), openai.later.join(" ")),
            ("openai".to_owned(), "codex".to_owned())
        );
        assert_eq!(openai.origin, None);
        let [anthropic] = of("ANTHROPIC_API_KEY")[..] else { panic!("{:?}", offers.keys) };
        assert_eq!(anthropic.origin.as_deref(), Some("the environment"));
        assert_eq!(anthropic.backends, ["claude"]);
    }
}
