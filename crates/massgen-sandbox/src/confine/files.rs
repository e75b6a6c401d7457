//! Files out of reach, by Landlock.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};

use crate::gap::Gap;
use crate::orders::RawPath;

/// What must be there: before it, a file that may only be read could be cut short.
const LEAST: ABI = ABI::V3;

/// What is used where it is there.
const MOST: ABI = ABI::V9;

/// Devices that take and give nothing that matters. `/dev/tty` is the terminal of the command, if it has one.
const DEVICES: &[&str] = &["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// What a process reads of itself and of the machine. Of strangers the kernel shows it no more than that they exist.
const INFORMATION: &[&str] = &["/proc"];

/// Closes all files but those below `readable` and `writable`, and signals to processes that are not confined with
/// this one. It holds for all that this process becomes and starts.
pub(super) fn close(readable: &[RawPath], writable: &[RawPath]) -> Result<(), String> {
    let restricted = restrict(readable, writable).map_err(|error| error.to_string())?;
    match restricted {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("the kernel does not enforce the rules".to_owned()),
    }
}

/// Closes sockets of strangers that have a name and no file: they belong to a network, and a command may have that of
/// the machine. Older kernels leave them open, which the probe tells ([`Gap::AbstractSockets`]).
pub(super) fn close_abstract_sockets() -> Result<(), String> {
    let close = || Ruleset::default().scope(Scope::AbstractUnixSocket)?.create()?.restrict_self();
    close().map(|_| ()).map_err(|error: landlock::RulesetError| error.to_string())
}

/// Whether the kernel of this machine can close `gap`.
pub(crate) fn is_closed(gap: Gap) -> bool {
    let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    match gap {
        Gap::Attributes | Gap::CommandLines => false,
        Gap::Devices => strict().handle_access(AccessFs::IoctlDev).is_ok(),
        Gap::Signals => strict().scope(Scope::Signal).is_ok(),
        Gap::AbstractSockets => strict().scope(Scope::AbstractUnixSocket).is_ok(),
        Gap::SocketFiles => strict().handle_access(AccessFs::ResolveUnix).is_ok(),
    }
}

fn restrict(readable: &[RawPath], writable: &[RawPath]) -> Result<RulesetStatus, landlock::RulesetError> {
    let paths = |list: &[RawPath]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
    let all = AccessFs::from_all(MOST);
    let change: BitFlags<AccessFs> = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let exchange = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(paths(readable), AccessFs::from_read(MOST)))?
        .add_rules(path_beneath_rules(INFORMATION, look))?
        .add_rules(path_beneath_rules(DEVICES, exchange))?
        .add_rules(path_beneath_rules(paths(writable), change))?
        .restrict_self()?;
    Ok(status.ruleset)
}
