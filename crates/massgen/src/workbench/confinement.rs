//! The sandbox of this process: found once, when something is to run in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_protocol::spec::{AgentSpec, RunSpec};
use massgen_protocol::tooling::{CommandNetwork, CommandPlace, Programs, ServerTransport};
use massgen_sandbox::{Machine, Mechanism, Network, Sandbox};

use crate::environment::Environment;
use crate::failure::Failure;

/// What confines programs that agents start.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    pub(crate) sandbox: Arc<Sandbox>,
    /// The strongest mechanism that works here.
    best: Option<Mechanism>,
    pub(crate) search_path: OsString,
    pub(crate) home: Option<PathBuf>,
}

impl Confinement {
    /// Tries what this machine has, if an agent of `spec` starts programs at all.
    ///
    /// # Errors
    /// When the sandbox cannot be tried.
    pub(crate) async fn find(spec: &RunSpec, environment: &Environment) -> Result<Option<Self>, Failure> {
        let has_hooks = |agent: &AgentSpec| {
            !agent.tooling.hooks.before.is_empty() || !agent.tooling.hooks.after.is_empty()
        };
        if !spec.agents.iter().any(|agent| starts_programs(agent) || has_hooks(agent)) {
            return Ok(None);
        }
        let failed = |error| Failure::configuration(format!("the sandbox cannot be tried: {error}"));
        let helper = std::env::current_exe().map_err(failed)?;
        let machine = Machine::look(std::env::vars_os()).map_err(failed)?;
        let search_path = machine.search_path().cloned().unwrap_or_default();
        let sandbox = Sandbox::find(helper, machine).await;
        let best = sandbox.available().best();
        Ok(Some(Self { sandbox: Arc::new(sandbox), best, search_path, home: environment.home.clone() }))
    }

    /// What confines the programs of `agent`.
    ///
    /// # Errors
    /// When nothing does that works here, and the configuration does not do without.
    pub(crate) fn mechanism(&self, agent: &AgentSpec) -> Result<Mechanism, Failure> {
        if is_unconfined(agent) {
            return Ok(Mechanism::Unconfined);
        }
        self.best.ok_or_else(|| {
            let available = self.sandbox.available();
            let reasons = [available.bubblewrap.as_ref().err(), available.landlock.as_ref().err()];
            let reasons: Vec<&str> = reasons.into_iter().flatten().map(|no| no.reason.as_str()).collect();
            let message = format!(
                "agent `{}` runs programs, and nothing on this machine confines them: {}",
                agent.id,
                reasons.join("; ")
            );
            Failure::configuration(message).hint(
                "install bubblewrap (`bwrap`), or write `unsandboxed: true` in the agent's `backend` to run them with all \
                 your rights; `massgen doctor` tells more",
            )
        })
    }
}

/// Whether the configuration says that programs of `agent` are not confined.
pub(crate) fn is_unconfined(agent: &AgentSpec) -> bool {
    match agent.tooling.programs {
        Programs::Confined => false,
        Programs::Unconfined => true,
    }
}

/// Whether `agent` starts programs that the sandbox is for: commands on this machine, tool servers, tools of the user.
/// Services are no programs, and hooks are confined by nothing.
pub(crate) fn starts_programs(agent: &AgentSpec) -> bool {
    let tooling = &agent.tooling;
    let commands = tooling.commands.as_ref().is_some_and(|commands| match commands.place {
        CommandPlace::Sandbox(_) | CommandPlace::Unconfined => true,
        CommandPlace::Container(_) => false,
    });
    let servers = tooling.servers.iter().any(|server| match server.transport {
        ServerTransport::Stdio { .. } => true,
        ServerTransport::Http { .. } => false,
    });
    commands || servers || !tooling.custom.is_empty()
}

/// What commands reach of the network.
///
/// # Errors
/// When a host of the list is none.
pub(crate) fn network(network: &CommandNetwork) -> Result<Network, Failure> {
    Ok(match network {
        CommandNetwork::None => Network::None,
        CommandNetwork::Full => Network::Full,
        CommandNetwork::Allowlist { hosts } => {
            let hosts = hosts.iter().map(|host| {
                host.parse().map_err(|error| Failure::configuration(format!("the host `{host}`: {error}")))
            });
            Network::Allowlist { hosts: hosts.collect::<Result<_, _>>()? }
        }
    })
}

/// The variables of a program whose home is `home`.
pub(crate) fn at_home(home: &Path) -> BTreeMap<OsString, OsString> {
    ["HOME", "TMPDIR"].into_iter().map(|name| (name.into(), home.into())).collect()
}
