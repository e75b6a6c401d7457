//! What an address of the network belongs to: the one answer for all who connect somewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// The internet.
    Public,
    /// This machine.
    ThisMachine,
    /// A network around this machine, or one between a provider and its customers.
    Private,
    /// No service: multicast, examples, tests, tunnels that nobody runs any more, and what is not given out.
    Nobody,
}

impl AddressKind {
    /// What `address` belongs to, from the registries of special addresses of RFC 6890 and what followed it. An address
    /// that carries an older one is judged by that.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [first, second, third, _] = address.octets();
        if address.is_loopback() || first == 0 {
            Self::ThisMachine
        } else if address.is_private()
            || address.is_link_local()
            // Shared between the customers of a provider.
            || (first == 100 && (64..128).contains(&second))
            // For measurements between networks.
            || (first == 198 && (18..20).contains(&second))
        {
            Self::Private
        } else if address.is_multicast()
            || address.is_documentation()
            // For assignments of protocols, relays of old tunnels, and what nobody has.
            || (first, second, third) == (192, 0, 0)
            || (first, second, third) == (192, 88, 99)
            || first >= 240
        {
            Self::Nobody
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let segments = address.segments();
        let [first, second, third, ..] = segments;
        let [.., a, b, c, d] = address.octets();
        let last = Ipv4Addr::new(a, b, c, d);
        if address.is_loopback() || address.is_unspecified() {
            return Self::ThisMachine;
        }
        // A translator to the older internet, which networks have that know the newer one only.
        if segments.starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) {
            return Self::of_v4(last);
        }
        if segments.starts_with(&[0; 6]) {
            return Self::of_v4(last).unless_public();
        }
        if first == 0x2002 {
            let ([a, b], [c, d]) = (second.to_be_bytes(), third.to_be_bytes());
            return Self::of_v4(Ipv4Addr::new(a, b, c, d)).unless_public();
        }
        let is_private = address.is_unique_local()
            || address.is_unicast_link_local()
            || first & 0xffc0 == 0xfec0
            // A translator of the network itself.
            || segments.starts_with(&[0x64, 0xff9b, 1]);
        // Global addresses are in `2000::/3`. Some in it are for protocols, documents and tests.
        let is_special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8))
            || (first == 0x3fff && second < 0x1000);
        if is_private {
            Self::Private
        } else if first & 0xe000 == 0x2000 && !is_special {
            Self::Public
        } else {
            Self::Nobody
        }
    }

    /// For forms of writing an older address that lead nowhere in the internet.
    fn unless_public(self) -> Self {
        match self {
            Self::Public => Self::Nobody,
            Self::ThisMachine | Self::Private | Self::Nobody => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_belong_to_what_the_registries_say_however_they_are_written() {
        for (kind, addresses) in [
            (
                AddressKind::Public,
                "93.184.216.34 1.1.1.1 172.32.0.1 100.128.0.1 192.0.1.1 2606:4700::1111 2001:4860::8888 ::ffff:1.1.1.1 \
                 64:ff9b::101:101",
            ),
            (
                AddressKind::ThisMachine,
                "127.0.0.1 127.9.9.9 0.0.0.0 0.1.2.3 :: ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
            ),
            (
                AddressKind::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 198.18.0.1 198.19.255.255 \
                 fc00::1 fd12::1 fe80::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 2002:a00:1::",
            ),
            (
                AddressKind::Nobody,
                "192.0.0.8 192.0.2.1 192.88.99.1 224.0.0.1 240.0.0.1 255.255.255.255 ::1.1.1.1 100::1 2001::1 \
                 2001:db8::1 2002:101:101:: 3fff::1 4000::1 ff02::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(AddressKind::of(address.parse().expect("an address")), kind, "{address}");
            }
        }
    }
}
