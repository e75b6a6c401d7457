//! Hosts that a command may reach, and whether a target is one of them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use massgen_protocol::AddressKind;
use serde::{Deserialize, Serialize};

/// Ports that a host is reached at when its entry names none.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// Longest name of a host, in bytes: RFC 1035, 2.3.4.
const NAME_BYTES: usize = 253;

/// A host that a command may reach: `example.org`, `*.example.org` for all names below it, or an address as it is
/// written. Ports are 80 and 443; `example.org:8443` means that port alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedHost {
    who: Who,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// This host.
    This(Host),
    /// All names below this one.
    Below(String),
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no host that can be allowed: {why}")]
pub struct NoHost {
    text: String,
    why: &'static str,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// In small letters, without a dot at its end.
    Name(String),
    Address(IpAddr),
}

/// Where a command wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl FromStr for AllowedHost {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        let no = |why| NoHost { text: text.to_owned(), why };
        if text == "*" {
            return Err(no("to reach every host, allow the full network"));
        }
        if text.contains('/') {
            return Err(no("a host stands alone, without `https://` and without a path"));
        }
        let (host, port) = split(text).map_err(no)?;
        let who = match host.strip_prefix("*.") {
            Some(parent) => match Host::from_text(parent).map_err(no)? {
                Host::Name(parent) => Who::Below(parent),
                Host::Address(_) => return Err(no("an address has no names below it")),
            },
            None => Who::This(Host::from_text(host).map_err(no)?),
        };
        Ok(Self { who, port })
    }
}

impl TryFrom<String> for AllowedHost {
    type Error = NoHost;

    fn try_from(text: String) -> Result<Self, NoHost> {
        text.parse()
    }
}

impl From<AllowedHost> for String {
    fn from(host: AllowedHost) -> Self {
        host.to_string()
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.who, self.port) {
            (Who::Below(parent), _) => write!(f, "*.{parent}")?,
            (Who::This(Host::Address(IpAddr::V6(address))), Some(_)) => write!(f, "[{address}]")?,
            (Who::This(host), _) => write!(f, "{host}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl AllowedHost {
    fn allows(&self, target: &Target) -> bool {
        let is_port = self.port.map_or(USUAL_PORTS.contains(&target.port), |port| port == target.port);
        let is_host = match (&self.who, &target.host) {
            (Who::This(this), host) => this == host,
            (Who::Below(parent), Host::Name(name)) => name
                .strip_suffix(parent.as_str())
                .is_some_and(|front| front.len() > 1 && front.ends_with('.')),
            (Who::Below(_), Host::Address(_)) => false,
        };
        is_port && is_host
    }
}

/// Whether `target` is one of `hosts`.
pub(crate) fn is_allowed(hosts: &[AllowedHost], target: &Target) -> bool {
    hosts.iter().any(|host| host.allows(target))
}

/// Whether a connection to `address`, which the name of an allowed target led to, may be made: a name must not lead into
/// this machine or the network around it, unless the address is listed itself.
pub(crate) fn may_lead_to(hosts: &[AllowedHost], address: IpAddr, port: u16) -> bool {
    let address = address.to_canonical();
    AddressKind::of(address) == AddressKind::Public
        || is_allowed(hosts, &Target { host: Host::Address(address), port })
}

impl Host {
    /// Reads a host as it stands in a request or a list.
    pub(crate) fn from_text(text: &str) -> Result<Self, &'static str> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err("a name has 1 to 253 letters");
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !name.split('.').all(is_label) {
            return Err(
                "a name is made of letters, digits and hyphens between dots (others in their `xn--` form)",
            );
        }
        // Some resolvers take `2130706433`, `127.1` and `0x7f.1` for addresses.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
            return Err("an address is written as four numbers, or in the colon form in brackets");
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Target {
    /// Reads `host:port`; the port may be missing if `usual` stands for it.
    pub(crate) fn from_text(text: &str, usual: Option<u16>) -> Result<Self, &'static str> {
        let (host, port) = split(text)?;
        let port = port.or(usual).ok_or("the port is missing")?;
        Ok(Self { host: Host::from_text(host)?, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host @ (Host::Address(_) | Host::Name(_)) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Parts a host from its port. An address in the colon form has a port only after brackets.
fn split(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else {
        return Ok((text, None));
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if is_number && port > 0 => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err("a port is a number from 1 to 65535"),
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
