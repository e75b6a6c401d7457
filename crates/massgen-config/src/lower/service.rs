//! The service of a backend: where it is, which key goes there in which header, and which tools its provider runs.

use std::collections::BTreeMap;

use massgen_protocol::spec::{Protocol, ProviderTool, Service};

use super::Lower;
use super::backend::Draft;
use crate::backends::{Capability, REGION, Support};
use crate::capabilities::wanted;
use crate::check::{Purpose, shortened};
use crate::endpoint::{Endpoint, Transport};
use crate::expand::only_reference;
use crate::finding::{Finding, Severity};
use crate::literal::LiteralKey;
use crate::node::Node;

/// The first generation of Gemini that takes tools of the provider beside those of an agent.
const GEMINI_COMBINES: u32 = 3;

/// An address and who gave it.
pub(super) struct Found {
    pub(super) endpoint: Endpoint,
    whence: Whence,
}

/// Who gave an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whence {
    /// The configuration.
    Written,
    /// The table of backend types, or the environment variable that it names.
    Known,
}

impl Lower<'_> {
    /// The address of the service. Where a configuration is only judged, what the environment would say is not known.
    pub(super) fn endpoint(&mut self, draft: &Draft<'_>) -> Option<Found> {
        let kind = draft.kind;
        let written = ["azure_endpoint", "base_url"].into_iter().find_map(|key| {
            let applies = key == "base_url" || kind.name == super::azure::TYPE;
            Some((key, draft.node.get(key).filter(|_| applies)?))
        });
        if let Some((key, node)) = written {
            return match Endpoint::parse(node.text().filter(|text| !self.waits(text))?) {
                Ok(endpoint) => {
                    Some(Found { endpoint: endpoint.before_path_of(kind.protocol), whence: Whence::Written })
                }
                Err(why) => {
                    self.report(
                        Finding::error(draft.at(key), format!("`{key}` is no address: it {why}"))
                            .hint(format!("for example `{key}: http://localhost:8080/v1`"))
                            .at(&node.origin),
                    );
                    None
                }
            };
        }
        let whence = Whence::Known;
        if let Some(url) = &kind.base_url {
            let url =
                if url.contains(REGION) { url.replace(REGION, &self.region(draft)?) } else { url.clone() };
            let endpoint = Endpoint::parse(&url).ok()?.before_path_of(kind.protocol);
            return Some(Found { endpoint, whence });
        }
        if let Some(variable) = &kind.base_url_variable {
            if matches!(self.by.purpose, Purpose::Judge { .. }) {
                return None;
            }
            if let Some(text) = (self.by.lookup)(variable).filter(|text| !text.trim().is_empty()) {
                return match Endpoint::parse(&text) {
                    Ok(endpoint) => Some(Found { endpoint: endpoint.before_path_of(kind.protocol), whence }),
                    Err(why) => {
                        let message = format!("the variable `{variable}` holds no address: it {why}");
                        let hint = "for example `https://my-resource.openai.azure.com`";
                        self.report(
                            Finding::error(draft.at("base_url"), message).hint(hint).at(&draft.node.origin),
                        );
                        None
                    }
                };
            }
        }
        let message = format!("the type `{}` needs a `base_url`", kind.name);
        let finding = Finding::error(draft.at("base_url"), message).at(&draft.node.origin);
        self.report(match &kind.base_url_variable {
            Some(variable) => finding.hint(format!("write it, or set the variable `{variable}`")),
            None => finding.hint(draft.advice(
                "add `--base-url` with the address, up to and without `/chat/completions`",
                "write the address of the service, up to and without `/chat/completions`",
            )),
        });
        None
    }

    /// The region of a provider whose address has one.
    fn region(&mut self, draft: &Draft<'_>) -> Option<String> {
        let is_name = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let variables = &draft.kind.region_variables;
        let (region, origin) = match draft.node.get("region") {
            Some(node) => (node.text().filter(|text| !self.waits(text))?.to_owned(), &node.origin),
            None if matches!(self.by.purpose, Purpose::Judge { .. }) => return None,
            None => {
                let set = |name: &String| (self.by.lookup)(name).filter(|value| !value.trim().is_empty());
                let Some(region) = variables.iter().find_map(set) else {
                    let message = format!("the type `{}` needs a `region`", draft.kind.name);
                    let hint =
                        format!("for example `region: us-east-1`, or set `{}`", variables.join("` or `"));
                    self.report(
                        Finding::error(draft.at("region"), message).hint(hint).at(&draft.node.origin),
                    );
                    return None;
                };
                (region, &draft.node.origin)
            }
        };
        let region = region.trim().to_owned();
        if !is_name(&region) {
            let message = format!("`{}` is no region", shortened(&region));
            let hint = "for example `region: us-east-1`";
            self.report(Finding::error(draft.at("region"), message).hint(hint).at(origin));
            return None;
        }
        Some(region)
    }

    /// The service at the address `found`. Its tools and its further headers are told apart.
    pub(super) fn service(
        &mut self,
        draft: &Draft<'_>,
        found: Found,
        model: &str,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Option<Service> {
        let key_variables = self.key_variables(draft, &found, literal_keys);
        let url = found.endpoint.url;
        let (base_url, key_header) = if draft.kind.name == super::azure::TYPE {
            self.azure(draft, &url, model)?
        } else {
            (url, draft.kind.key_header)
        };
        let protocol = draft.kind.protocol;
        Some(Service { protocol, key_header, ..Service::chat_completions(base_url, key_variables) })
    }

    /// The tools that the provider is asked to run. What the type cannot do at all is told elsewhere.
    pub(super) fn provider_tools(
        &mut self,
        draft: &Draft<'_>,
        model: &str,
        endpoint: Option<&Endpoint>,
    ) -> Vec<ProviderTool> {
        let kind = draft.kind;
        let mut keys: BTreeMap<ProviderTool, &'static str> = BTreeMap::new();
        for (key, capability) in wanted(draft.node).filter(|(_, capability)| kind.can(model, *capability)) {
            if let Some(tool) = provider_tool(capability) {
                keys.entry(tool).or_insert(key);
            }
        }
        let is_openrouter = endpoint.is_some_and(|endpoint| endpoint.is_in("openrouter.ai"));
        let refusal = match kind.protocol {
            Protocol::Responses => None,
            Protocol::Messages => {
                keys.remove(&ProviderTool::XSearch);
                None
            }
            // The type can do it, and dozens of published configurations ask these models for it: they still run, and
            // whoever starts one reads that the agents do without.
            Protocol::Gemini => gemini_generation(model).filter(|number| *number < GEMINI_COMBINES).map(|_| {
                let model = shortened(model);
                let message = format!("`{model}` cannot use this together with the tools of an agent");
                let hint = format!("the agents answer from what they know; take a model of Gemini {GEMINI_COMBINES} or later");
                (self.limit(Severity::Warning), message, hint)
            }),
            Protocol::ChatCompletions | Protocol::Ollama if is_openrouter => {
                // The search is a plugin there, and so a parameter.
                keys.clear();
                None
            }
            // Elsewhere nothing would come of it: neither protocol has tools that a provider runs.
            Protocol::ChatCompletions | Protocol::Ollama => endpoint.map(|endpoint| {
                let message = format!("`{}` does not offer this to the type `{}`", endpoint.host, kind.name);
                (Severity::Error, message, "remove it, or leave out `base_url`".to_owned())
            }),
        };
        if let (Some((severity, message, hint)), Some(first)) = (refusal, keys.values().next()) {
            let listed: Vec<_> = keys.values().map(|key| format!("`{key}`")).collect();
            let message = format!("without effect: {}: {message}", listed.join(", "));
            let origin = draft.node.entry(first).map_or(&draft.node.origin, |entry| &entry.key_origin);
            self.report(Finding::new(severity, draft.at(first), message).hint(hint).at(origin));
            return Vec::new();
        }
        keys.into_keys().collect()
    }

    /// The names of the variables that may hold the key. A key goes to the host of the provider that gave it, to a
    /// server of the user's own whose variable is set, or where the configuration sends it by name; nowhere else.
    fn key_variables(
        &mut self,
        draft: &Draft<'_>,
        found: &Found,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Vec<String> {
        let endpoint = &found.endpoint;
        let variables = match draft.node.get("api_key") {
            Some(node) => self.written_key(draft, node, literal_keys),
            None if draft.node.get("api_key_command").is_some() => {
                vec![draft.slot.key_variable()]
            }
            None if draft.kind.support == Support::OwnServer => {
                let set = |name: &&String| (self.by.lookup)(name).is_some_and(|value| !value.is_empty());
                draft.kind.key_variables.iter().filter(set).cloned().collect()
            }
            None if draft.kind.keys_go_to(endpoint) => draft.kind.key_variables.clone(),
            // What a person's environment or the table names is the provider.
            None if found.whence != Whence::Written && !draft.kind.key_variables.is_empty() => {
                draft.kind.key_variables.clone()
            }
            None if endpoint.is_loopback() => Vec::new(),
            None => {
                let known = self.by.backends.host_key_variables(&endpoint.url);
                if known.is_empty() {
                    self.tell_no_key(draft, endpoint);
                }
                known.to_vec()
            }
        };
        if endpoint.transport == Transport::Open && !endpoint.is_loopback() && !variables.is_empty() {
            let origin = &draft.node.get("base_url").unwrap_or(draft.node).origin;
            self.report(
                Finding::warning(
                    draft.at("base_url"),
                    format!("the key travels readable to `{}`", endpoint.host),
                )
                .hint("use `https://`")
                .at(origin),
            );
        }
        variables
    }

    fn tell_no_key(&mut self, draft: &Draft<'_>, endpoint: &Endpoint) {
        // A readable address is almost always a server of one's own, which wants no key.
        let severity = match endpoint.transport {
            Transport::Secure => Severity::Warning,
            Transport::Open => Severity::Notice,
        };
        let variable = draft.kind.key_variables.first().map_or("MY_API_KEY", String::as_str);
        let origin = &draft.node.get("base_url").unwrap_or(draft.node).origin;
        self.report(
            Finding::new(
                severity,
                draft.at("base_url"),
                format!("no key is sent to `{}`: its provider is not known", endpoint.host),
            )
            .hint(format!("if it wants one, name its variable: `api_key: ${{{variable}}}`"))
            .at(origin),
        );
    }

    pub(super) fn written_key(
        &mut self,
        draft: &Draft<'_>,
        node: &Node,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Vec<String> {
        let path = draft.at("api_key");
        let Some(text) = node.text() else {
            return Vec::new();
        };
        if let Some(variable) = only_reference(text) {
            return vec![variable.to_owned()];
        }
        if text.contains("${") {
            self.report(
                Finding::error(path, "`api_key` mixes a variable with other text")
                    .hint("put the whole key into one variable and write `api_key: ${MY_API_KEY}`")
                    .at(&node.origin),
            );
            return Vec::new();
        }
        let (Some(id), false) = (draft.slot.agent, text.trim().is_empty()) else {
            return Vec::new();
        };
        self.report(
            Finding::warning(path, "a key is written into the configuration itself")
                .hint("put it into an environment variable and write `api_key: ${MY_API_KEY}`")
                .at(&node.origin),
        );
        let key = LiteralKey::new(id.clone(), draft.slot.key_variable(), text.trim());
        let variable = key.variable.clone();
        literal_keys.push(key);
        vec![variable]
    }
}

/// The tool that a capability of a type is.
fn provider_tool(capability: Capability) -> Option<ProviderTool> {
    match capability {
        Capability::WebSearch => Some(ProviderTool::WebSearch),
        Capability::XSearch => Some(ProviderTool::XSearch),
        Capability::CodeExecution => Some(ProviderTool::CodeExecution),
        Capability::Bash
        | Capability::Mcp
        | Capability::Reasoning
        | Capability::FilesystemNative
        | Capability::ToolSearch
        | Capability::ProgrammaticToolCalling
        | Capability::ImageGeneration
        | Capability::ImageUnderstanding
        | Capability::AudioGeneration
        | Capability::AudioUnderstanding
        | Capability::VideoGeneration
        | Capability::VideoUnderstanding => None,
    }
}

/// The generation that the name of a model tells; names such as `gemini-flash-latest` tell none.
fn gemini_generation(model: &str) -> Option<u32> {
    let name = model.strip_prefix("models/").unwrap_or(model).strip_prefix("gemini-")?;
    name.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
