//! How this process reaches services. Made once, so that all questions of a session share the connections, what is known
//! of the services behind them, and the keys that commands have printed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use massgen_config::variable_names_a_secret;
use massgen_mcp::{Lookup, Variable, Web};
use massgen_model::{HttpClient, KeySource, Keys, variables_in};
use massgen_protocol::spec::{AgentSpec, BackendSpec, KeyCommand};
use massgen_protocol::tooling::{CommandPlace, ServerTransport};
use secrecy::{ExposeSecret, SecretString};

use crate::environment::{Environment, read_bytes};
use crate::failure::Failure;
use crate::key_command;
use crate::workbench::containers;

/// A file of authorities to trust beside those of the system.
const BUNDLE: &str = "MASSGEN_CA_BUNDLE";

/// The variable for authorities that TLS libraries share. On Linux the system's own authorities are looked up by it; the
/// authorities of other systems know nothing of it, so they get its file added.
const SHARED_BUNDLE: Option<&str> = if cfg!(target_os = "linux") { None } else { Some("SSL_CERT_FILE") };

/// Largest file of authorities that is read.
const BUNDLE_BYTES: u64 = 16 * 1024 * 1024;

/// What reaches services.
#[derive(Default)]
pub(crate) struct Reach {
    http: HttpClient,
    /// The additional authorities, in PEM form.
    bundle: Option<Vec<u8>>,
    /// The keys that commands have printed.
    printed: BTreeMap<KeyCommand, SecretString>,
}

/// The secrets of one run.
#[derive(Default)]
pub(crate) struct Secrets {
    /// Keys by the names that stand for them.
    pub(crate) keys: Vec<(String, String)>,
    /// Values of variables that hold secrets and go to services, servers of tools and containers.
    pub(crate) given: Vec<String>,
}

/// Where replies come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replies {
    /// Services write them.
    Asked,
    /// They stand in a recording: nobody needs a key.
    Recorded,
}

impl Reach {
    /// What `environment` allows.
    ///
    /// # Errors
    /// The additional authorities cannot be used.
    pub(crate) fn of(environment: &Environment) -> Result<Self, Failure> {
        let mut named = [Some(BUNDLE), SHARED_BUNDLE].into_iter().flatten();
        // A project's `.env` must not decide who is trusted.
        let found = named.find_map(|name| Some((name, environment.of_person(name)?)));
        let Some((name, path)) = found else { return Ok(Self::default()) };
        let unusable = |problem: &dyn std::fmt::Display| {
            Failure::configuration(format!("the authorities in `{path}` cannot be used: {problem}"))
                .hint(format!("`{name}` names a file of certificates in PEM form"))
        };
        let bundle = read_bytes(&environment.absolute(Path::new(&path)), BUNDLE_BYTES)
            .map_err(|problem| unusable(&problem))?;
        let http = HttpClient::trusting(&bundle).map_err(|error| unusable(&error))?;
        Ok(Self { http, bundle: Some(bundle), ..Self::default() })
    }

    /// The connections.
    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// What reaches servers of tools.
    ///
    /// # Errors
    /// The additional authorities cannot be used.
    pub(crate) fn web(&self) -> Result<Web, Failure> {
        match &self.bundle {
            Some(bundle) => Web::trusting(bundle).map_err(Failure::configuration),
            None => Ok(Web::new()),
        }
    }

    /// The secrets of `agents`: those that their key commands print, each run once for this process, and
    /// those in their headers and in what their tool servers and containers get.
    ///
    /// # Errors
    /// A command gives no key.
    pub(crate) async fn secrets(
        &mut self,
        agents: &[AgentSpec],
        replies: Replies,
        environment: &Environment,
    ) -> Result<Secrets, Failure> {
        let mut secrets = Secrets::default();
        for agent in agents {
            for service in agent.backends().filter_map(BackendSpec::service) {
                if let (Replies::Asked, Some(command), Some(variable)) =
                    (replies, &service.key_command, service.key_variables.first())
                {
                    let key = self.printed(agent, command, environment).await?;
                    secrets.keys.push((variable.clone(), key.expose_secret().to_owned()));
                }
                for (name, value) in &service.headers {
                    if variable_names_a_secret(name) {
                        secrets.given.extend(values_in(value, environment));
                    }
                }
            }
            for server in &agent.tooling.servers {
                let named = match &server.transport {
                    ServerTransport::Stdio { environment, .. } => environment,
                    ServerTransport::Http { headers, .. } => headers,
                };
                for (_, value) in named.iter().filter(|(name, _)| variable_names_a_secret(name)) {
                    secrets.given.extend(values_in(value, environment));
                }
            }
            if let Some(CommandPlace::Container(container)) =
                agent.tooling.commands.as_ref().map(|commands| &commands.place)
            {
                // What it cannot get is told when the container is made.
                let given = containers::given(container, environment).unwrap_or_default();
                let secret = given.iter().filter(|(name, _)| variable_names_a_secret(name));
                secrets.given.extend(secret.map(|(_, value)| value.expose_secret().to_owned()));
            }
        }
        Ok(secrets)
    }

    async fn printed(
        &mut self,
        agent: &AgentSpec,
        command: &KeyCommand,
        environment: &Environment,
    ) -> Result<SecretString, Failure> {
        if let Some(key) = self.printed.get(command) {
            return Ok(key.clone());
        }
        let redactor = environment.redactor([]);
        let limit = key_command::LIMIT;
        let key =
            key_command::run(command, &environment.working_directory, limit).await.map_err(|problem| {
                let problem = redactor.text(&problem).into_owned();
                Failure::configuration(format!("agent `{}`: the command for its key {problem}", agent.id))
                    .hint(format!("try it yourself: {}", redactor.text(&key_command::shown(command))))
            })?;
        self.printed.insert(command.clone(), key.clone());
        Ok(key)
    }
}

/// Looks up what stands for `${NAME}`: keys, and variables of the environment.
pub(crate) fn lookup(keys: &Keys, environment: &Environment) -> Arc<Lookup> {
    let (keys, environment) = (keys.clone(), environment.clone());
    Arc::new(move |name: &str| match environment.get(name) {
        Some(value) => Some(Variable::of_environment(name, value)),
        None => keys.key(name).map(|key| Variable::secret(key.expose_secret())),
    })
}

/// The values of the variables that `text` names.
fn values_in(text: &str, environment: &Environment) -> Vec<String> {
    variables_in(text).into_iter().filter_map(|name| environment.get(name)).collect()
}

impl Secrets {
    /// All of them, for a redactor.
    pub(crate) fn values(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|(_, key)| key.clone()).chain(self.given.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specified(config: &serde_json::Value, folder: &Path) -> Vec<AgentSpec> {
        let loaded = massgen_config::load(massgen_config::LoadRequest {
            source: Some(&massgen_config::Source::new("config.json", config.to_string())),
            settings: &massgen_config::Settings::default(),
            lookup: &|_| None,
            working_directory: folder,
            instance: None,
            validation: massgen_config::Validation::Normal,
            backends: massgen_config::backends::Backends::built_in(),
        });
        loaded.unwrap().draft.agents
    }

    #[tokio::test]
    async fn a_command_runs_once_for_all_agents_and_questions() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::of(&[("MY_TOKEN", "t-0123456789"), ("HOST", "h")]);
        environment.working_directory = folder.path().to_owned();
        let backend = serde_json::json!({
            "type": "chatcompletion",
            "model": "m",
            "base_url": "https://llm.example.org/v1",
            "api_key_command": ["sh", "-c", "echo run >> count; echo sk-1"],
            "extra_headers": { "X-Auth-Token": "v1 ${MY_TOKEN}", "X-Host": "${HOST}" },
        });
        let agents = ["a", "b"].map(|id| serde_json::json!({ "id": id, "backend": backend }));
        let agents = specified(&serde_json::json!({ "agents": agents }), folder.path());
        let mut reach = Reach::of(&environment).unwrap();
        for _ in 0..2 {
            let secrets = reach.secrets(&agents, Replies::Asked, &environment).await.unwrap();
            let keys = ["MASSGEN_AGENT_1_KEY", "MASSGEN_AGENT_2_KEY"]
                .map(|name| (name.to_owned(), "sk-1".to_owned()));
            assert_eq!(secrets.keys, keys);
            let values: Vec<String> = secrets.values().collect();
            assert_eq!(
                values,
                ["sk-1", "sk-1", "t-0123456789", "t-0123456789"],
                "a header that holds a secret"
            );
        }
        let replayed = reach.secrets(&agents, Replies::Recorded, &environment).await.unwrap();
        assert_eq!(
            (replayed.keys.len(), replayed.given.len()),
            (0, 2),
            "servers and containers are there all the same"
        );
        assert_eq!(fs_err::read_to_string(folder.path().join("count")).unwrap(), "run\n");
    }

    #[tokio::test]
    async fn what_a_container_gets_is_secret_if_it_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("of_container"), "DB_PASSWORD=in-a-file-1234\nMODE=production\n")
            .unwrap();
        let mut environment = Environment::of(&[("GITHUB_TOKEN", "ghp-0123456789")]);
        environment.working_directory = folder.path().to_owned();
        let backend = serde_json::json!({
            "type": "simulated",
            "cwd": "work",
            "enable_mcp_command_line": true,
            "command_line_execution_mode": "docker",
            "command_line_docker_credentials": { "env_file": "of_container", "env_vars": ["GITHUB_TOKEN"] },
        });
        let config = serde_json::json!({ "agent": { "id": "a", "backend": backend } });
        let agents = specified(&config, folder.path());
        let secrets = Reach::default().secrets(&agents, Replies::Recorded, &environment).await.unwrap();
        assert_eq!(secrets.values().collect::<Vec<_>>(), ["in-a-file-1234", "ghp-0123456789"]);

        let Some(CommandPlace::Container(container)) =
            agents[0].tooling.commands.as_ref().map(|of| &of.place)
        else {
            panic!("no container")
        };
        let lacking = containers::given(container, &Environment::of(&[])).unwrap_err();
        let key = "`command_line_docker_credentials.env_vars`";
        assert_eq!(lacking, format!("the variable `GITHUB_TOKEN`, which {key} names, is not set"));
    }
}
