//! What a mechanism does not keep from a command on this machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mechanism::Mechanism;
use crate::policy::Network;

/// Something that a mechanism leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// Modes, owners and times of the user's files anywhere can be changed, and names and sizes seen. Landlock has no rule
    /// for that.
    Attributes,
    /// Names and command lines of other processes can be read. Landlock has no rule for that.
    CommandLines,
    /// Requests (`ioctl`) to devices that a command may open are not held back.
    Devices,
    /// The user's other processes can be sent signals.
    Signals,
    /// With the full network, sockets of the user's other processes that have a name and no file can be connected to.
    AbstractSockets,
    /// With the full network, sockets of other processes that are files can be connected to, wherever they are.
    SocketFiles,
}

impl Gap {
    /// All of them, the widest first.
    pub const ALL: [Self; 6] = [
        Self::Signals,
        Self::SocketFiles,
        Self::AbstractSockets,
        Self::Attributes,
        Self::CommandLines,
        Self::Devices,
    ];

    /// The version of Linux that closes it; `None` if none does.
    pub fn closed_by(self) -> Option<&'static str> {
        match self {
            Self::Attributes | Self::CommandLines => None,
            Self::Devices => Some("6.10"),
            Self::Signals | Self::AbstractSockets => Some("6.12"),
            Self::SocketFiles => Some("7.1"),
        }
    }

    /// Whether it matters to commands under `mechanism` with `network`, if the kernel leaves it open.
    fn concerns(self, mechanism: Mechanism, network: &Network) -> bool {
        let is_full = match network {
            // No command has sockets then, or none that leads out of its namespace.
            Network::None | Network::Allowlist { .. } => false,
            Network::Full => true,
        };
        match mechanism {
            Mechanism::Unconfined => true,
            Mechanism::Bubblewrap => self == Self::AbstractSockets && is_full,
            Mechanism::Landlock => match self {
                Self::AbstractSockets | Self::SocketFiles => is_full,
                Self::Attributes | Self::CommandLines | Self::Devices | Self::Signals => true,
            },
        }
    }
}

/// Those of `open`, which the kernel leaves open, that commands under `mechanism` with `network` can use.
pub(crate) fn of(open: &[Gap], mechanism: Mechanism, network: &Network) -> Vec<Gap> {
    open.iter().copied().filter(|gap| gap.concerns(mechanism, network)).collect()
}

impl fmt::Display for Gap {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attributes => "commands can change modes and times of your files",
            Self::CommandLines => "commands can read command lines of other programs",
            Self::Devices => "commands can send any request to open devices",
            Self::Signals => "commands can stop your other programs",
            Self::AbstractSockets => "with the full network, commands reach local services by name",
            Self::SocketFiles => "with the full network, commands reach local services by file",
        })?;
        self.closed_by().map_or(Ok(()), |version| write!(f, " (until Linux {version})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_for_people() {
        insta::assert_snapshot!(Gap::ALL.map(|gap| gap.to_string()).join("\n"));
    }

    #[test]
    fn namespaces_leave_less_open_than_rules_and_sockets_matter_with_the_network_only() {
        let gaps = |mechanism, network| of(&Gap::ALL, mechanism, &network);
        assert_eq!(gaps(Mechanism::Bubblewrap, Network::None), []);
        assert_eq!(gaps(Mechanism::Bubblewrap, Network::Full), [Gap::AbstractSockets]);
        let closed = [Gap::Signals, Gap::Attributes, Gap::CommandLines, Gap::Devices];
        assert_eq!(gaps(Mechanism::Landlock, Network::None), closed);
        assert_eq!(gaps(Mechanism::Landlock, Network::Full), Gap::ALL);
        assert_eq!(gaps(Mechanism::Unconfined, Network::None), Gap::ALL);
    }
}
