//! Addresses of services, and the headers that go to them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use massgen_protocol::AddressKind;
use massgen_protocol::tooling::ServerSecurity;
use reqwest::Url;

use super::{Refused, at_most, no_control};

const URL_CHARACTERS: usize = 2048;
const HEADER_NAME_CHARACTERS: usize = 100;
const HEADER_VALUE_CHARACTERS: usize = 1000;

/// Ports of services that do not speak HTTP.
const OTHER_PORTS: [u16; 12] = [22, 23, 25, 53, 135, 139, 445, 1433, 1521, 3306, 3389, 5432];
/// A further one: it fits no line above.
const REDIS_PORT: u16 = 6379;

/// Headers that the protocol sets.
const OWN_HEADERS: [&str; 9] = [
    "accept",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
];

/// Which addresses may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRules {
    /// This machine too.
    pub localhost: bool,
    /// The local network too.
    pub private: bool,
}

impl AddressRules {
    /// What the configuration of a server says.
    pub fn of(security: &ServerSecurity) -> Self {
        Self { localhost: security.allow_localhost, private: security.allow_private_ips }
    }
}

/// Judges the address of a service, after variables were put in. Names are not looked up.
///
/// # Errors
/// It is not allowed; the reason, which holds no part of the address but its host.
pub fn check_url(written: &str, security: &ServerSecurity) -> Result<Url, Refused> {
    at_most("its address", written, URL_CHARACTERS)?;
    no_control("its address", written)?;
    let url =
        Url::parse(written).map_err(|error| Refused::new(format!("its address is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::new("its address begins with neither `http://` nor `https://`"));
    }
    if let Some(port) = url.port()
        && (OTHER_PORTS.contains(&port) || port == REDIS_PORT)
    {
        return Err(Refused::new(format!("its port {port} belongs to a service of another kind")));
    }
    let Some(host) = host(&url) else { return Err(Refused::new("its address names no host")) };
    if is_named(&url, security) {
        return Ok(url);
    }
    let rules = AddressRules::of(security);
    if let Ok(address) = host.parse::<IpAddr>() {
        check_address(address, rules)?;
    } else if !rules.localhost && (host == "localhost" || host.ends_with(".localhost")) {
        return Err(this_machine(&host));
    }
    Ok(url)
}

/// The host of an address, without what may stand around it.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase())
}

/// Whether the configuration allows the host of `url` by its name, whatever its addresses are.
pub fn is_named(url: &Url, security: &ServerSecurity) -> bool {
    let named =
        |host: &String| security.allowed_hostnames.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
    host(url).as_ref().is_some_and(named)
}

fn this_machine(host: &str) -> Refused {
    Refused::new(format!("`{host}` is this machine; `security.allow_localhost: true` allows it"))
}

/// Judges an address that a service has.
///
/// # Errors
/// It is not allowed; the reason.
pub fn check_address(address: IpAddr, rules: AddressRules) -> Result<(), Refused> {
    match AddressKind::of(address) {
        AddressKind::Public => Ok(()),
        AddressKind::ThisMachine if rules.localhost => Ok(()),
        AddressKind::Private if rules.private => Ok(()),
        AddressKind::ThisMachine => Err(this_machine(&address.to_string())),
        AddressKind::Private => Err(Refused::new(format!(
            "`{address}` is in a local network; `security.allow_private_ips: true` allows it"
        ))),
        AddressKind::Nobody => Err(Refused::new(format!("`{address}` is no address of a service"))),
    }
}

/// Judges headers, after variables were put in.
///
/// # Errors
/// One of them cannot be sent; its name and the reason, never its value.
pub fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), Refused> {
    for (name, value) in headers {
        at_most("the name of one of its headers", name, HEADER_NAME_CHARACTERS)?;
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(Refused::new("one of its headers has a name that cannot be sent"));
        }
        let what = format!("its header `{name}`");
        if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(Refused::new(format!("{what} is set by the protocol itself")));
        }
        at_most(&what, value, HEADER_VALUE_CHARACTERS)?;
        no_control(&what, value)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
