//! Addresses of services, and the headers that go to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    let kind = match address.to_canonical() {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    };
    match kind {
        Kind::Public => Ok(()),
        Kind::ThisMachine if rules.localhost => Ok(()),
        Kind::Private if rules.private => Ok(()),
        Kind::ThisMachine => Err(this_machine(&address.to_string())),
        Kind::Private => Err(Refused::new(format!(
            "`{address}` is in a local network; `security.allow_private_ips: true` allows it"
        ))),
        Kind::Nobody => Err(Refused::new(format!("`{address}` is no address of a service"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    ThisMachine,
    Private,
    Nobody,
}

fn kind_of_v4(address: Ipv4Addr) -> Kind {
    let [first, second, third, _] = address.octets();
    if address.is_loopback() || first == 0 {
        Kind::ThisMachine
    } else if address.is_private()
        || address.is_link_local()
        // Shared between the customers of a provider.
        || (first == 100 && (64..128).contains(&second))
        // For measurements between networks.
        || (first == 198 && (18..20).contains(&second))
    {
        Kind::Private
    } else if address.is_multicast()
        || address.is_documentation()
        // For assignments of protocols, and what nobody has.
        || (first == 192 && second == 0 && third == 0)
        || first >= 240
    {
        Kind::Nobody
    } else {
        Kind::Public
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    let [first, second, third, ..] = address.segments();
    // Addresses that carry an older one: through a translator, or in a tunnel.
    let [.., a, b, c, d] = address.octets();
    if (first, second) == (0x64, 0xff9b)
        || (address.octets().starts_with(&[0; 12]) && first == 0 && [a, b] != [0; 2])
    {
        return kind_of_v4(Ipv4Addr::new(a, b, c, d));
    }
    if first == 0x2002 {
        let ([a, b], [c, d]) = (second.to_be_bytes(), third.to_be_bytes());
        return kind_of_v4(Ipv4Addr::new(a, b, c, d));
    }
    if address.is_loopback() || address.is_unspecified() {
        Kind::ThisMachine
    } else if address.is_unique_local() || address.is_unicast_link_local() || first & 0xffc0 == 0xfec0 {
        Kind::Private
    } else if address.is_multicast() || (first, second) == (0x2001, 0xdb8) || first & 0xe000 != 0x2000 {
        Kind::Nobody
    } else {
        Kind::Public
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
