//! The table of backend types: every one that MassGen 0.1.97 knows, and which of them run here.
//!
//! The table is one file, `data/backends.yaml`, that is compiled in and read at first use. A user's own file
//! ([`Backends::extended`]) changes and adds to it.

mod list;
mod read;

use std::fmt;
use std::sync::OnceLock;

use massgen_protocol::ModelFacts;
use massgen_protocol::spec::{KeyHeader, Protocol};

use crate::check::nearest;
use crate::endpoint::Endpoint;
use crate::finding::Findings;
use crate::source::Source;

pub use list::{json, table};

/// The type for any service that speaks Chat Completions. It is no provider of its own.
pub const GENERAL: &str = "chatcompletion";

/// Stands in an address of the table for a region.
pub(crate) const REGION: &str = "REGION";

/// The table that is compiled in.
const TABLE: &str = include_str!("../data/backends.yaml");

/// The backend types, with the hosts of providers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backends {
    types: Vec<BackendType>,
    hosts: Vec<Host>,
}

/// One backend type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendType {
    /// Name in `type:`.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Whose models it reaches, for people.
    pub provider: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// The header that carries the key.
    pub key_header: KeyHeader,
    /// Address when the configuration gives none. `REGION` in it stands for a region.
    pub base_url: Option<String>,
    /// Environment variables that may hold the region, in order.
    pub region_variables: Vec<String>,
    /// Environment variable that may hold the address.
    pub base_url_variable: Option<String>,
    /// Environment variables that may hold the key, in order.
    pub key_variables: Vec<String>,
    /// What else lets one in, as words: `login`.
    pub other_auth: Option<String>,
    /// Model when the configuration gives none; `None` when it must.
    pub default_model: Option<String>,
    /// Beginnings of the names of models that are this type's when only a model is named, in lower case.
    pub families: Vec<String>,
    /// How its agents reach files.
    pub files: FileAccess,
    /// What its models can do.
    pub capabilities: Vec<Capability>,
    /// Whether it runs here.
    pub support: Support,
    /// Well-known models, the user's own first. Any other name may be used too.
    pub models: Vec<Model>,
    /// Whether the user's file says that the key goes to the type's own address.
    keys_are_named: KeysAre,
}

/// Where the variables of a type's key come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeysAre {
    /// They are those of the host.
    OfTheHost,
    /// A user's file names them.
    Named,
}

/// A well-known model of a backend type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name, as in `model:`.
    pub name: String,
    /// What the table and the user's file say about it. Most models stand here without facts: the catalogue of
    /// `massgen-model` has them.
    pub facts: ModelFacts,
    /// Capabilities of the type that this model does not have.
    pub lacks: Vec<Capability>,
}

/// A host of a provider, with all its subdomains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name, in lower case.
    pub domain: String,
    /// Environment variables that may hold the key for it, in order.
    pub key_variables: Vec<String>,
}

/// Whether a backend type runs, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// It reaches a provider.
    Provider,
    /// It reaches a server of the user's own; a key is sent when its variable is set.
    OwnServer,
    /// It is the model in this process.
    Simulated,
    /// It is known, but what it speaks is not there yet.
    NotYet {
        /// What it speaks, as words.
        speaks: String,
    },
    /// Not even the Python program can run it.
    Never,
}

impl Support {
    /// Whether agents of such a type run here.
    pub fn runs(&self) -> bool {
        match self {
            Self::Provider | Self::OwnServer | Self::Simulated => true,
            Self::NotYet { .. } | Self::Never => false,
        }
    }

    /// The name in the JSON of the list.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::OwnServer => "own_server",
            Self::Simulated => "simulated",
            Self::NotYet { .. } => "not_yet",
            Self::Never => "never",
        }
    }
}

/// How agents of a backend type reach files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// They do not.
    None,
    /// On their own.
    Native,
    /// Through an MCP server.
    Mcp,
}

impl FileAccess {
    /// The name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Native => "native",
            Self::Mcp => "mcp",
        }
    }
}

/// What models of a backend type can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// The provider searches the web.
    WebSearch,
    /// The provider searches X.
    XSearch,
    /// The provider runs code.
    CodeExecution,
    /// It runs commands on its own.
    Bash,
    /// Tools of MCP servers.
    Mcp,
    /// The effort of thinking can be set.
    Reasoning,
    /// It reads and writes files on its own.
    FilesystemNative,
    /// The provider looks for fitting tools.
    ToolSearch,
    /// The provider's code calls tools.
    ProgrammaticToolCalling,
    /// It makes images.
    ImageGeneration,
    /// It sees images.
    ImageUnderstanding,
    /// It makes sounds.
    AudioGeneration,
    /// It hears sounds.
    AudioUnderstanding,
    /// It makes videos.
    VideoGeneration,
    /// It sees videos.
    VideoUnderstanding,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::WebSearch,
        Self::XSearch,
        Self::CodeExecution,
        Self::Bash,
        Self::Mcp,
        Self::Reasoning,
        Self::FilesystemNative,
        Self::ToolSearch,
        Self::ProgrammaticToolCalling,
        Self::ImageGeneration,
        Self::ImageUnderstanding,
        Self::AudioGeneration,
        Self::AudioUnderstanding,
        Self::VideoGeneration,
        Self::VideoUnderstanding,
    ];

    /// The name that the Python program has for it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSearch => "web_search",
            Self::XSearch => "x_search",
            Self::CodeExecution => "code_execution",
            Self::Bash => "bash",
            Self::Mcp => "mcp",
            Self::Reasoning => "reasoning",
            Self::FilesystemNative => "filesystem_native",
            Self::ToolSearch => "tool_search",
            Self::ProgrammaticToolCalling => "programmatic_tool_calling",
            Self::ImageGeneration => "image_generation",
            Self::ImageUnderstanding => "image_understanding",
            Self::AudioGeneration => "audio_generation",
            Self::AudioUnderstanding => "audio_understanding",
            Self::VideoGeneration => "video_generation",
            Self::VideoUnderstanding => "video_understanding",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl BackendType {
    /// The well-known model of this name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Whether `model` of this type can do `what`. A model that is not well known can do what the type can.
    pub fn can(&self, model: &str, what: Capability) -> bool {
        self.capabilities.contains(&what)
            && self.model(model).is_none_or(|model| !model.lacks.contains(&what))
    }

    /// What lets one in, for people: the names of variables, `or login`; `none` where nothing is wanted.
    pub fn auth(&self) -> String {
        let keys = self.key_variables.iter().map(String::as_str);
        let ways: Vec<_> = keys.chain(self.other_auth.as_deref()).collect();
        match (ways.is_empty(), &self.support) {
            (true, _) => "none".to_owned(),
            (false, Support::OwnServer) => format!("none or {}", ways.join(" or ")),
            (false, Support::Provider | Support::Simulated | Support::NotYet { .. } | Support::Never) => {
                ways.join(" or ")
            }
        }
    }

    /// Whether `base_url` is the type's own address in some region: an address that has no list of models.
    pub fn is_in_a_region(&self, base_url: &str) -> bool {
        let own = self.base_url.as_deref().and_then(|url| url.split_once(REGION));
        let region = own.and_then(|(before, after)| {
            base_url.strip_prefix(before)?.trim_end_matches('/').strip_suffix(after)
        });
        region.is_some_and(|region| !region.is_empty() && !region.contains(['.', '/']))
    }

    /// Whether the keys of this type go to the host of `endpoint`: a user's file says so, or it is the provider's in any
    /// region.
    pub(crate) fn keys_go_to(&self, endpoint: &Endpoint) -> bool {
        let own = self.base_url.as_deref().and_then(|url| Endpoint::parse(url).ok());
        if let Some((before, after)) = self.base_url.as_deref().and_then(|url| url.split_once(REGION)) {
            // A host of the provider in any region.
            let after = after.split('/').next().unwrap_or_default();
            let before = before.rsplit('/').next().unwrap_or_default();
            let region = endpoint.host.strip_prefix(before).and_then(|host| host.strip_suffix(after));
            return region.is_some_and(|region| !region.is_empty() && !region.contains('.'));
        }
        self.keys_are_named == KeysAre::Named && own.is_some_and(|own| own.host == endpoint.host)
    }
}

impl Backends {
    /// The table that is compiled in.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: OnceLock<Backends> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            let mut table = Self::default();
            let findings = read::built_in(&Source::new("backends.yaml", TABLE), &mut table);
            debug_assert!(
                findings.is_empty(),
                "{}",
                crate::render(&findings, crate::Style::Plain { width: 100 })
            );
            table
        })
    }

    /// This table with the changes and additions of a user's file.
    ///
    /// # Errors
    /// All that is wrong with the file.
    pub fn extended(&self, file: &Source) -> Result<Self, Findings> {
        let mut table = self.clone();
        let findings = read::extension(file, &mut table);
        if findings.has_errors() { Err(findings) } else { Ok(table) }
    }

    /// Whether `url` can be the address of a service.
    ///
    /// # Errors
    /// What is wrong with it, to be read behind `it`.
    pub fn check_address(url: &str) -> Result<(), &'static str> {
        Endpoint::parse(url).map(|_| ())
    }

    /// The types, in alphabetical order.
    pub fn types(&self) -> &[BackendType] {
        &self.types
    }

    /// The hosts of providers.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The type called `name`: in any case, with spaces or hyphens for underscores, or by its name for people.
    pub fn get(&self, name: &str) -> Option<&BackendType> {
        let plain = |name: &str| name.trim().to_lowercase().replace([' ', '-'], "_");
        let name = plain(name);
        self.types.iter().find(|backend| backend.name == name || plain(&backend.display_name) == name)
    }

    /// The names of all types that run here, as a list for people.
    pub fn running_types(&self) -> String {
        let running = self.types.iter().filter(|backend| backend.support.runs());
        running.map(|backend| format!("`{}`", backend.name)).collect::<Vec<_>>().join(", ")
    }

    /// The type that `name` was most likely meant to be.
    pub(crate) fn nearest_type(&self, name: &str) -> Option<&str> {
        nearest(name, self.types.iter().map(|backend| backend.name.as_str()))
    }

    /// The variables of the key for the provider whose host stands in `base_url`; empty for a host that no provider
    /// of the table has. Hosts are compared as a whole or by subdomain, never by a part of their text; of several
    /// that fit, the narrowest counts.
    pub fn host_key_variables(&self, base_url: &str) -> &[String] {
        let Ok(endpoint) = Endpoint::parse(base_url) else {
            return &[];
        };
        self.hosts
            .iter()
            .filter(|host| endpoint.is_in(&host.domain))
            .max_by_key(|host| host.domain.len())
            .map_or(&[], |host| &host.key_variables)
    }

    /// The variables whose key may go to `base_url` for the type `kind`, where nobody names one: the type's own for the
    /// address of the built-in table, for a server of one's own and where the user's file names them, otherwise those
    /// of the provider that the host belongs to.
    pub fn key_variables<'a>(&'a self, kind: &'a BackendType, base_url: &str) -> &'a [String] {
        let is_built_in =
            Self::built_in().get(&kind.name).and_then(|own| own.base_url.as_deref()) == Some(base_url);
        match Endpoint::parse(base_url) {
            Ok(_) if is_built_in || kind.support == Support::OwnServer => &kind.key_variables,
            Ok(endpoint) if kind.keys_go_to(&endpoint) => &kind.key_variables,
            Ok(endpoint) if endpoint.is_loopback() => &[],
            Ok(_) => self.host_key_variables(base_url),
            Err(_) => &[],
        }
    }

    /// The backend type of a well-known family of models, by the model's name.
    pub fn type_of_model(&self, model: &str) -> Option<&BackendType> {
        let model = model.trim().to_lowercase();
        self.types.iter().find(|backend| backend.families.iter().any(|family| model.starts_with(family)))
    }

    /// What the table and the user's file say about `model` of the type `kind`; nothing about models that they do
    /// not name.
    pub fn facts(&self, kind: &str, model: &str) -> ModelFacts {
        let known = self.types.iter().find(|backend| backend.name == kind);
        known.and_then(|known| known.model(model)).map(|model| model.facts).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "backends_tests.rs"]
mod tests;
