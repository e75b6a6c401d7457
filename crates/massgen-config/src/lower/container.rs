//! The container of an agent's commands (`command_line_docker_*`).

use std::collections::BTreeMap;

use massgen_protocol::tooling::{
    ContainerCredentials, ContainerEngine, ContainerNetwork, ContainerPackages, ContainerSpec, Mount,
};
use massgen_protocol::workspace::Access;

use super::Lower;
use super::commands::CONTAINER;
use super::tooling::texts;
use crate::check::{join, shortened};
use crate::finding::Finding;
use crate::needed::{Needed, NeededKind};
use crate::node::{Node, Value};

/// The image when none is named.
const IMAGE: &str = "ghcr.io/massgen/mcp-runtime:latest";

/// The same for commands that run as root.
const IMAGE_WITH_SUDO: &str = "ghcr.io/massgen/mcp-runtime-sudo:latest";

impl Lower<'_> {
    /// The container of the commands of an agent whose `backend` is `node`, at `path`.
    pub(super) fn container(&mut self, node: &Node, path: &str, needed: &mut Vec<Needed>) -> ContainerSpec {
        let key = |name: &str| node.get(&format!("{CONTAINER}{name}"));
        let root = key("enable_sudo").and_then(Node::bool) == Some(true);
        let image = key("image").and_then(Node::text).map(str::trim).filter(|image| !image.is_empty());
        let image = match image {
            None | Some(IMAGE) if root => IMAGE_WITH_SUDO,
            None => IMAGE,
            Some(image) => image,
        };
        let packages_node = key("packages").and_then(|node| node.get("preinstall"));
        let of = |name: &str| texts(packages_node.and_then(|node| node.get(name)));
        let packages = ContainerPackages { python: of("python"), npm: of("npm"), system: of("system") };
        if !packages.system.is_empty() && !root {
            self.report(
                Finding::new(
                    self.doubt(),
                    format!("{path}.{CONTAINER}packages.preinstall.system"),
                    "packages of the system cannot be installed without root",
                )
                .hint(format!("write `{CONTAINER}enable_sudo: true` beside it"))
                .at(&packages_node.and_then(|node| node.get("system")).unwrap_or(node).origin),
            );
        }
        ContainerSpec {
            engine: match key("engine").and_then(Node::text) {
                Some("podman") => ContainerEngine::Podman,
                _ => ContainerEngine::Docker,
            },
            image: image.to_owned(),
            network: match key("network_mode").and_then(Node::text) {
                Some("bridge") => ContainerNetwork::Bridge,
                Some("host") => ContainerNetwork::Host,
                _ => ContainerNetwork::None,
            },
            root,
            memory: self.memory(key("memory_limit"), &format!("{path}.{CONTAINER}memory_limit")),
            processors: key("cpu_limit").and_then(Node::number),
            credentials: self.credentials(
                key("credentials"),
                &format!("{path}.{CONTAINER}credentials"),
                needed,
            ),
            packages,
        }
    }

    fn memory(&mut self, node: Option<&Node>, path: &str) -> Option<String> {
        let node = node?;
        let text = node.text().map(str::trim).filter(|text| !self.waits(text))?;
        let digits = text.trim_end_matches(|c: char| matches!(c.to_ascii_lowercase(), 'b' | 'k' | 'm' | 'g'));
        let is_size = text.len() - digits.len() <= 1 && digits.parse::<u64>().is_ok_and(|size| size > 0);
        if !is_size {
            let message = format!("`{}` is no size of memory", shortened(text));
            self.report(Finding::error(path, message).hint("for example `512m` or `2g`").at(&node.origin));
            return None;
        }
        Some(text.to_owned())
    }

    fn credentials(
        &mut self,
        node: Option<&Node>,
        path: &str,
        needed: &mut Vec<Needed>,
    ) -> ContainerCredentials {
        let Some(node) = node else { return ContainerCredentials::default() };
        let env_file = node.get("env_file").and_then(|file| {
            let text = file.text().filter(|text| !text.trim().is_empty() && !self.waits(text))?;
            let absolute = self.by.absolute(text);
            needed.push(Needed {
                path: absolute.clone().into(),
                at: join(path, "env_file"),
                origin: file.origin.clone(),
                kind: NeededKind::Variables,
            });
            Some(absolute)
        });
        ContainerCredentials {
            env_file,
            env_vars: texts(node.get("env_vars")),
            env_vars_from_file: texts(node.get("env_vars_from_file")),
            pass_all_env: node.get("pass_all_env").and_then(Node::bool) == Some(true),
            well_known: texts(node.get("mount")),
            mounts: self.mounts(node.get("additional_mounts"), &join(path, "additional_mounts")),
        }
    }

    /// Mounts by the path on this machine: `{bind: …, mode: ro}`, or the path in the container alone, read-only.
    fn mounts(&mut self, node: Option<&Node>, path: &str) -> BTreeMap<String, Mount> {
        let mut mounts = BTreeMap::new();
        for entry in node.and_then(Node::entries).unwrap_or_default() {
            let at = match &entry.node.value {
                Value::Map(_) => entry.node.get("bind").and_then(Node::text),
                Value::Text(at) => Some(at.as_str()),
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::List(_) => None,
            };
            let access = match entry.node.get("mode").map(Node::text) {
                None | Some(Some("ro")) => Some(Access::Read),
                Some(Some("rw")) => Some(Access::Write),
                Some(_) => None,
            };
            let (Some(at), Some(access)) = (at.filter(|at| at.starts_with('/')), access) else {
                let message = format!("`{}` is not said to be mounted anywhere", shortened(&entry.key));
                self.report(
                    Finding::error(join(path, &entry.key), message)
                        .hint("for example `/data: {bind: /data, mode: ro}`; `mode` is `ro` or `rw`")
                        .at(&entry.key_origin),
                );
                continue;
            };
            mounts.insert(self.by.absolute(&entry.key), Mount { at: at.to_owned(), access });
        }
        mounts
    }
}
