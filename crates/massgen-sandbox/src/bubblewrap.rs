//! The arguments of `bwrap` for a policy.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::machine::Machine;
use crate::policy::{Network, Policy, pinned};

/// Where the helper lies for the command. Nothing of the machine is there.
pub(crate) const HELPER: &str = "/run/massgen/helper";

/// Where the socket of the proxy lies for the command, if it has one.
pub(crate) const PROXY: &str = "/run/massgen/proxy";

/// What a call has besides its policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The helper's program.
    pub(crate) helper: &'a Path,
    /// The folder that the command starts in.
    pub(crate) folder: &'a Path,
    /// The socket of the proxy.
    pub(crate) proxy: Option<&'a Path>,
}

/// Arguments that make the namespaces of `policy` and start the helper in them. What the helper is to do follows.
pub(crate) fn arguments(policy: &Policy, machine: &Machine, around: &Around<'_>) -> Vec<OsString> {
    let mut line = Line::default();
    line.say(["--die-with-parent", "--new-session", "--unshare-user", "--unshare-pid", "--unshare-ipc"]);
    line.say(["--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]);
    match &policy.network {
        Network::None | Network::Allowlist { .. } => line.say(["--unshare-net"]),
        Network::Full => {}
    }
    line.say(["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
    for mount in mounts(policy, machine) {
        match mount {
            Mount::Link { at, says } => line.two("--symlink", says, at),
            Mount::Readable(path) => line.two("--ro-bind", path, path),
            Mount::Writable(path) => line.two("--bind", path, path),
            Mount::Masked(path) if path.is_dir() => {
                line.say(["--tmpfs"]);
                line.0.push(path.into());
            }
            // A device on a mount without devices: it does not even open.
            Mount::Masked(path) => line.two("--ro-bind", Path::new("/dev/null"), path),
        }
    }
    for path in policy.masked.iter().filter(|path| path.is_dir()) {
        line.say(["--remount-ro"]);
        line.0.push(path.into());
    }
    line.two("--ro-bind", around.helper, Path::new(HELPER));
    if let Some(socket) = around.proxy {
        line.two("--ro-bind", socket, Path::new(PROXY));
    }
    // The root of the namespace is memory that the command could fill.
    line.say(["--remount-ro", "/", "--chdir"]);
    line.0.push(around.folder.into());
    line.say(["--", HELPER]);
    line.0
}

/// One thing that the namespace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mount<'a> {
    Link { at: &'a Path, says: &'a Path },
    Readable(&'a Path),
    Writable(&'a Path),
    Masked(&'a Path),
}

impl Mount<'_> {
    fn path(&self) -> &Path {
        match self {
            Self::Link { at, .. } => at,
            Self::Readable(path) | Self::Writable(path) | Self::Masked(path) => path,
        }
    }
}

/// What the namespace holds, outer folders before those in them. Where the same path is both, it can be changed, unless
/// it is protected.
fn mounts<'a>(policy: &'a Policy, machine: &'a Machine) -> Vec<Mount<'a>> {
    let links = machine.links.iter().map(|(at, says)| Mount::Link { at, says });
    let readable = machine.readable.iter().chain(&policy.readable).map(|path| Mount::Readable(path));
    let writable = policy.writable.iter().map(|path| Mount::Writable(path));
    let protected = policy.protected.iter().map(|path| Mount::Readable(path));
    let masked = policy.masked.iter().map(|path| Mount::Masked(path));
    let mut mounts: Vec<_> = links.chain(readable).chain(writable).chain(protected).chain(masked).collect();
    // The sort is stable: of one path the last mount wins.
    mounts.sort_by(|left, right| left.path().cmp(right.path()));
    // What is mounted already need not be mounted again in the same way: `/usr/bin` in `/usr`.
    let mut kept: Vec<Mount<'_>> = Vec::new();
    for mount in mounts {
        let around = kept.iter().rev().find(|other| mount.path().starts_with(other.path()));
        let is_there = match (around, &mount) {
            (Some(Mount::Readable(_)), Mount::Readable(_))
            | (Some(Mount::Writable(_)), Mount::Writable(_))
            // A link inside a mounted folder is there with it.
            | (Some(Mount::Readable(_) | Mount::Writable(_)), Mount::Link { .. }) => true,
            (Some(Mount::Link { .. } | Mount::Masked(_)) | None, _)
            | (Some(_), Mount::Masked(_))
            | (Some(Mount::Writable(_)), Mount::Readable(_))
            | (Some(Mount::Readable(_)), Mount::Writable(_)) => false,
        };
        if !is_there {
            kept.push(mount);
        }
    }
    let pinned = pinned(policy.protected.iter().chain(&policy.masked), |path| {
        let around = kept.iter().rev().find(|mount| path.starts_with(mount.path()));
        matches!(around, Some(Mount::Writable(tree)) if *tree != path)
    });
    kept.extend(pinned.into_iter().map(Mount::Writable));
    kept.sort_by(|left, right| left.path().cmp(right.path()));
    kept
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn say<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.into_iter().map(OsString::from));
    }

    fn two(&mut self, option: &str, first: &Path, second: &Path) {
        self.0.extend([OsStr::new(option), first.as_os_str(), second.as_os_str()].map(OsStr::to_os_string));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::policy::Limits;

    fn paths(list: &[&str]) -> Vec<PathBuf> {
        list.iter().map(PathBuf::from).collect()
    }

    fn machine() -> Machine {
        Machine {
            readable: paths(&["/etc/hosts", "/home/u/.cargo/bin", "/usr", "/usr/local/bin"]),
            links: vec![("/bin".into(), "usr/bin".into())],
            environment: BTreeMap::new(),
        }
    }

    #[test]
    fn everything_is_said_to_bwrap_in_an_order_that_holds() {
        let policy = Policy {
            readable: paths(&["/work/peers"]),
            writable: paths(&["/work/a", "/tmp/home"]),
            protected: paths(&["/work/a/.git"]),
            masked: Vec::new(),
            network: Network::None,
            limits: Limits::STANDARD,
        };
        let around = Around { helper: Path::new("/opt/massgen"), folder: Path::new("/work/a"), proxy: None };
        let line = arguments(&policy, &machine(), &around);
        let line: Vec<_> = line.iter().map(|word| word.to_string_lossy()).collect();
        insta::assert_snapshot!(line.join(" ").replace(" --", "\n--"));
    }

    #[test]
    fn what_is_around_something_protected_is_mounted_too_with_the_rights_that_it_has() {
        let policy = Policy {
            readable: paths(&["/p/r"]),
            writable: paths(&["/p"]),
            protected: paths(&["/p/a/b/kept", "/p/c"]),
            masked: paths(&["/p/c/d/closed", "/p/r/d/closed"]),
            network: Network::None,
            limits: Limits::STANDARD,
        };
        let none = Machine { readable: Vec::new(), links: Vec::new(), environment: BTreeMap::new() };
        let path = |text| Path::new(text);
        assert_eq!(
            mounts(&policy, &none),
            [
                Mount::Writable(path("/p")),
                Mount::Writable(path("/p/a")),
                Mount::Writable(path("/p/a/b")),
                Mount::Readable(path("/p/a/b/kept")),
                Mount::Readable(path("/p/c")),
                Mount::Masked(path("/p/c/d/closed")),
                Mount::Readable(path("/p/r")),
                Mount::Masked(path("/p/r/d/closed")),
            ]
        );
    }

    #[test]
    fn the_network_stays_only_where_it_is_given() {
        let has_own = |network| {
            let policy = Policy::bare(network);
            let around =
                Around { helper: Path::new("/m"), folder: Path::new("/"), proxy: Some(Path::new("/s")) };
            arguments(&policy, &machine(), &around).contains(&"--unshare-net".into())
        };
        assert!(has_own(Network::None) && has_own(Network::Allowlist { hosts: Vec::new() }));
        assert!(!has_own(Network::Full));
    }

    #[test]
    fn a_writable_tree_in_a_readable_one_and_the_other_way_round_are_both_mounted() {
        let policy = Policy {
            readable: paths(&["/p", "/p/w/r", "/w"]),
            writable: paths(&["/p/w", "/w"]),
            protected: Vec::new(),
            masked: Vec::new(),
            network: Network::Full,
            limits: Limits::STANDARD,
        };
        let none = Machine { readable: Vec::new(), links: Vec::new(), environment: BTreeMap::new() };
        let path = |text| Path::new(text);
        assert_eq!(
            mounts(&policy, &none),
            [
                Mount::Readable(path("/p")),
                Mount::Writable(path("/p/w")),
                Mount::Readable(path("/p/w/r")),
                Mount::Readable(path("/w")),
                Mount::Writable(path("/w")),
            ]
        );
    }
}
