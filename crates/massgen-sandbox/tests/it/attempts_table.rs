//! The attempts, and the table of them in the user's guide.

use massgen_sandbox::Gap;

/// Something that a command must not get.
pub(crate) struct Attempt {
    pub(crate) what: &'static str,
    /// A line for a shell that exits with 0 if the attempt succeeds, as far as the command can tell.
    ///
    /// `$OUT` is a folder outside, `$USER_HOME` the home folder of the user, `$PEERS` the folder of peers' snapshots,
    /// `$VICTIM` a process of the host with `TOKEN=hidden` in its environment, `$MASSGEN` the process that started the
    /// command, `$TCP` and `$UDP` ports of the host, `$ABSTRACT` a socket without a file, `$SHARED` the key of memory.
    pub(crate) line: &'static str,
    pub(crate) free: Free,
    pub(crate) setting: Setting,
    /// What lets it through, where that is open.
    pub(crate) gap: Option<Gap>,
}

/// What the attempt does without a sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Free {
    /// It succeeds.
    Succeeds,
    /// It fails too: what keeps it from success holds for every call.
    Fails,
    /// It is not tried: it would change the machine, or the user may not do it anyway.
    Untried,
}

/// What a command has besides its workspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Usual,
    FullNetwork,
    /// `own/.git` in the workspace is protected.
    Protected,
}

const fn attempt(what: &'static str, line: &'static str) -> Attempt {
    Attempt { what, line, free: Free::Succeeds, setting: Setting::Usual, gap: None }
}

const fn harmful(what: &'static str, line: &'static str) -> Attempt {
    Attempt { free: Free::Untried, ..attempt(what, line) }
}

const fn never(what: &'static str, line: &'static str) -> Attempt {
    Attempt { free: Free::Fails, ..attempt(what, line) }
}

const fn gap(what: &'static str, line: &'static str, gap: Gap) -> Attempt {
    Attempt { gap: Some(gap), ..attempt(what, line) }
}

const fn online(what: &'static str, line: &'static str, gap: Gap) -> Attempt {
    Attempt { gap: Some(gap), setting: Setting::FullNetwork, ..attempt(what, line) }
}

/// The folder is a link to the outside every other moment, until the attempt has succeeded or is given up.
const SWAP: &str = "mkdir d.real; (while [ ! -e over ]; do ln -sfn $OUT d; ln -sfn d.real d; done) & \
     i=0; while [ $i -lt 3000 ] && [ ! -e $OUT/new ]; do echo x > d/new; i=$((i+1)); done; \
     echo > over; wait; [ -e $OUT/new ]";

pub(crate) const ATTEMPTS: &[Attempt] = &[
    // Files.
    attempt("read a file outside", "cat $OUT/secret"),
    attempt("list a folder outside", "ls $OUT/project"),
    attempt("write a file outside", "echo x > $OUT/new"),
    attempt("change a file outside", "echo x >> $OUT/secret"),
    attempt("cut a file outside short", "truncate -s 0 $OUT/secret"),
    attempt("delete a file outside", "rm $OUT/other"),
    attempt("rename a file outside", "mv $OUT/other $OUT/renamed"),
    attempt("move a file outside in", "mv $OUT/other here"),
    attempt("move a file out", "echo x > mine && mv mine $OUT/mine"),
    attempt("make a folder outside", "mkdir $OUT/folder"),
    gap("change the mode of a file outside", "chmod 777 $OUT/secret", Gap::Attributes),
    gap("see that a file outside is there", "test -s $OUT/secret", Gap::Attributes),
    attempt("write to a peer's snapshot", "echo x > $PEERS/answer.txt"),
    attempt("write to the `.git` of the project", "echo x > $OUT/project/.git/config"),
    Attempt {
        setting: Setting::Protected,
        ..attempt("write to a protected `.git` in the workspace", "echo x > own/.git/config")
    },
    Attempt {
        setting: Setting::Protected,
        ..attempt("move a protected `.git` in the workspace away", "mv own/.git own/away")
    },
    attempt("write to the journal of the run", "echo x >> $OUT/journal.db"),
    // Secrets.
    attempt("read a key in `~/.ssh`", "cat $USER_HOME/.ssh/id"),
    attempt("read credentials beside a tool", "cat $USER_HOME/.cargo/credentials.toml"),
    never(
        "read a key in the environment",
        "env | grep SECRET_OF_THE_USER > own/.git/found || rm own/.git/found",
    ),
    // Ways around.
    attempt("read by `..`", "cat ../outside/secret"),
    attempt("write by `..`", "echo x > own/../../outside/new"),
    attempt("read by a link made before", "cat link/secret"),
    attempt("write by a link made before", "echo x > link/new"),
    attempt("write by a link to a file made before", "echo x > file-link"),
    attempt("read by a link made under way", "ln -s $OUT now && cat now/secret"),
    attempt("write by a link made under way", "ln -s $OUT/new now && echo x > now"),
    attempt("write by a folder swapped for a link", "mkdir d && rmdir d && ln -s $OUT d && echo x > d/new"),
    attempt("write by a folder that is swapped all the time", SWAP),
    attempt("read by a hard link to a file outside", "ln $OUT/secret hard && cat hard"),
    attempt("write by a hard link to a file outside", "ln $OUT/secret hard && echo x > hard"),
    attempt("make a hard link outside", "echo x > mine && ln mine $OUT/mine"),
    // `/proc` and other processes.
    attempt("read by the root of a host process", "cat /proc/$VICTIM/root$OUT/secret"),
    attempt("write by the root of a host process", "echo x > /proc/$VICTIM/root$OUT/new"),
    attempt("read by the folder of a host process", "cat /proc/$VICTIM/cwd/secret"),
    attempt("read by the open files of a host process", "ls /proc/$VICTIM/fd/0"),
    attempt("read the environment of a host process", "grep -a TOKEN=hidden /proc/$VICTIM/environ"),
    attempt("read the environment of massgen", "grep -qa PATH= /proc/$MASSGEN/environ"),
    harmful("read the memory of massgen", "$PYTHON memory $MASSGEN"),
    gap("read the command line of a host process", "grep -qa 301 /proc/$VICTIM/cmdline", Gap::CommandLines),
    gap("kill a host process", "kill -9 $VICTIM", Gap::Signals),
    gap("kill a group of host processes", "kill -9 -$VICTIM", Gap::Signals),
    gap("kill a host process by a handle", "$PYTHON handle $VICTIM", Gap::Signals),
    attempt("end a host process by a limit", "$PYTHON limit $VICTIM"),
    harmful("trace a host process", "$PYTHON trace $VICTIM"),
    attempt("reach shared memory of the host", "$PYTHON shared $SHARED"),
    never(
        "leave a child that outlives the call",
        "(setsid sh -c 'trap \"\" TERM HUP; echo > here; exec sleep 300' >/dev/null 2>&1 </dev/null &); while [ ! -e here ]; do sleep 0.01; done",
    ),
    // Network.
    attempt("connect to a port of the host", "$PYTHON tcp $TCP"),
    attempt("send a datagram to the host", "$PYTHON udp $UDP"),
    attempt("connect to a socket file of the host", "$PYTHON unix $OUT/socket"),
    attempt("connect to a socket of the host by its name", "$PYTHON abstract $ABSTRACT"),
    online("the same by file, with the full network", "$PYTHON unix $OUT/socket", Gap::SocketFiles),
    online("the same by name, with the full network", "$PYTHON abstract $ABSTRACT", Gap::AbstractSockets),
    // The machine.
    harmful("read the passwords of the system", "cat /etc/shadow"),
    harmful("write to the system", "echo x > /usr/massgen-test-of-the-sandbox"),
    harmful("make a namespace", "unshare -Ur true"),
    harmful("mount a file system", "mount -t tmpfs none ."),
    harmful("make a device", "mknod device b 8 0"),
    harmful("read the memory of the kernel", "head -c 1 /proc/kcore"),
    harmful("change the name of the machine", "$PYTHON name"),
    harmful("type into a terminal", "$PYTHON type"),
];

/// What the shell cannot do by itself, as a program in the workspace.
pub(crate) const PYTHON: &str = r"
import ctypes, os, resource, signal, socket, sys
what, *rest = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
if what == 'tcp':
    socket.create_connection(('127.0.0.1', int(rest[0])), 2)
elif what == 'udp':
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(rest[0])))
elif what == 'unix':
    socket.socket(socket.AF_UNIX).connect(rest[0])
elif what == 'abstract':
    socket.socket(socket.AF_UNIX).connect('\0' + rest[0])
elif what == 'handle':
    signal.pidfd_send_signal(os.pidfd_open(int(rest[0])), signal.SIGKILL)
elif what == 'limit':
    resource.prlimit(int(rest[0]), resource.RLIMIT_CPU, (1000, 1000))
elif what == 'memory':
    open(f'/proc/{rest[0]}/mem', 'rb')
elif what == 'trace':
    SEIZE = 0x4206
    sys.exit(0 if libc.ptrace(SEIZE, int(rest[0]), 0, 0) == 0 else 1)
elif what == 'shared':
    sys.exit(0 if libc.shmget(int(rest[0]), 0, 0) >= 0 else 1)
elif what == 'type':
    import fcntl, termios
    fcntl.ioctl(os.open('/dev/tty', os.O_RDWR), termios.TIOCSTI, b'x')
elif what == 'name':
    socket.sethostname('massgen-test')
";

/// The table as it stands in the guide.
pub(crate) fn guide_table() -> String {
    let mut rows =
        vec!["| A command tries to | bubblewrap | Landlock |".to_owned(), "|---|---|---|".to_owned()];
    for attempt in ATTEMPTS {
        let open = |gap: Gap| match gap.closed_by() {
            Some(version) => format!("fails from Linux {version} on"),
            None => "**gets through**".to_owned(),
        };
        let (bubblewrap, landlock) = match (attempt.setting, attempt.gap) {
            (Setting::Protected, _) => ("fails".to_owned(), "refused".to_owned()),
            (Setting::FullNetwork, Some(gap @ Gap::AbstractSockets)) => (open(gap), open(gap)),
            (Setting::Usual | Setting::FullNetwork, Some(gap)) => ("fails".to_owned(), open(gap)),
            (Setting::Usual | Setting::FullNetwork, None) => ("fails".to_owned(), "fails".to_owned()),
        };
        rows.push(format!("| {} | {bubblewrap} | {landlock} |", attempt.what));
    }
    rows.join("\n")
}
