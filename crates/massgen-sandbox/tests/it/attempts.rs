//! What a command tries and must not get, under each mechanism. Without a sandbox the same attempts succeed, which shows
//! that they are attempts at all.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use massgen_sandbox::{Call, HowItEnded, Mechanism};

use crate::support::{Place, mechanisms, output};

/// Something that a command must not get.
struct Attempt {
    what: &'static str,
    /// A line for a shell that exits with 0 if the attempt succeeds, as far as the command can tell.
    ///
    /// `$OUT` is a folder outside, `$USER_HOME` the home folder of the user, `$PEERS` the folder of peers' snapshots,
    /// `$VICTIM` a process of the host with `TOKEN=hidden` in its environment, `$TCP` and `$UDP` ports of the host.
    line: &'static str,
    free: Free,
}

/// What the attempt does without a sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Free {
    /// It succeeds.
    Succeeds,
    /// It is not tried: it would change the machine, or the user may not do it anyway.
    Untried,
}

const fn attempt(what: &'static str, line: &'static str) -> Attempt {
    Attempt { what, line, free: Free::Succeeds }
}

const fn harmful(what: &'static str, line: &'static str) -> Attempt {
    Attempt { what, line, free: Free::Untried }
}

const ATTEMPTS: &[Attempt] = &[
    attempt("read a file outside", "cat $OUT/secret"),
    attempt("list a folder outside", "ls $OUT/project"),
    attempt("write a file outside", "echo x > $OUT/new"),
    attempt("change a file outside", "echo x >> $OUT/secret"),
    attempt("cut a file outside short", "truncate -s 0 $OUT/secret"),
    attempt("delete a file outside", "rm $OUT/other"),
    attempt("write to a peer's snapshot", "echo x > $PEERS/answer.txt"),
    attempt("write to the .git of the project", "echo x > $OUT/project/.git/config"),
    attempt("write to the journal of the run", "echo x >> $OUT/journal.db"),
    attempt("read a key in the home folder", "cat $USER_HOME/.ssh/id"),
    attempt("read credentials beside a tool", "cat $USER_HOME/.cargo/credentials.toml"),
    attempt("read a key in the environment", "env | grep -q SECRET_OF_THE_USER"),
    attempt("read by ..", "cat ../outside/secret"),
    attempt("read by a link made before", "cat link/secret"),
    attempt("write by a link made before", "echo x > link/new"),
    attempt("read by a link made under way", "ln -s $OUT now && cat now/secret"),
    attempt("write by a folder swapped for a link", "mkdir d && rmdir d && ln -s $OUT d && echo x > d/new"),
    attempt("make a hard link to a file outside", "ln $OUT/secret hard && cat hard"),
    attempt("move a file outside in", "mv $OUT/other here"),
    attempt("read by the root of a host process", "cat /proc/$VICTIM/root$OUT/secret"),
    attempt("read by the folder of a host process", "cat /proc/$VICTIM/cwd/secret"),
    attempt("read the environment of a host process", "grep -a TOKEN=hidden /proc/$VICTIM/environ"),
    attempt("kill a host process", "kill -9 $VICTIM"),
    attempt("kill a group of host processes", "kill -9 -$VICTIM"),
    attempt("connect to a port of the host", "$PYTHON tcp $TCP"),
    attempt("send a datagram to the host", "$PYTHON udp $UDP"),
    attempt("connect to a socket file of the host", "$PYTHON unix $OUT/socket"),
    attempt("trace a host process", "$PYTHON trace $VICTIM"),
    harmful("read the passwords of the system", "cat /etc/shadow"),
    harmful("write to the system", "echo x > /usr/massgen-test-of-the-sandbox"),
    harmful("make a namespace", "unshare -Ur true"),
    harmful("mount a file system", "mount -t tmpfs none ."),
    harmful("make a device", "mknod device b 8 0"),
    harmful("read the memory of the kernel", "head -c 1 /proc/kcore"),
    harmful("change the name of the machine", "$PYTHON name"),
];

/// What the shell cannot do by itself, as a program in the workspace.
const PYTHON: &str = r"
import ctypes, socket, sys
what, *rest = sys.argv[1:]
if what == 'tcp':
    socket.create_connection(('127.0.0.1', int(rest[0])), 2)
elif what == 'udp':
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(rest[0])))
elif what == 'unix':
    socket.socket(socket.AF_UNIX).connect(rest[0])
elif what == 'trace':
    ATTACH = 16
    sys.exit(0 if ctypes.CDLL(None).ptrace(ATTACH, int(rest[0]), 0, 0) == 0 else 1)
elif what == 'name':
    socket.sethostname('massgen-test')
";

/// A process of the host that commands would like to reach.
struct Victim(Child);

impl Victim {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new("sleep");
        command.arg("300").env("TOKEN", "hidden").current_dir(folder).stdin(Stdio::null()).process_group(0);
        Self(command.spawn().expect("started"))
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().expect("asked").is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries `attempt` and looks from outside whether anything came of it.
async fn succeeds(mechanism: Mechanism, attempt: &Attempt) -> (bool, String) {
    let place = Place::new().await;
    let (out, home) = (&place.outside, &place.home);
    fs_err::create_dir_all(out.join("project/.git")).expect("made");
    for file in ["other", "journal.db"] {
        fs_err::write(out.join(file), file).expect("written");
    }
    fs_err::create_dir_all(home.join(".ssh")).expect("made");
    fs_err::write(home.join(".ssh/id"), "key").expect("written");
    fs_err::write(home.join(".cargo/credentials.toml"), "token").expect("written");
    fs_err::os::unix::fs::symlink(out, place.workspace.join("link")).expect("linked");
    fs_err::write(place.workspace.join("try.py"), PYTHON).expect("written");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
    udp.set_nonblocking(true).expect("set");
    let _unix = UnixListener::bind(out.join("socket")).expect("bound");
    let mut victim = Victim::start(out);
    let before = [contents(out), contents(&place.peers)];
    let mut call: Call = place.call(mechanism, attempt.line);
    let variables = [
        ("OUT", out.display().to_string()),
        ("USER_HOME", home.display().to_string()),
        ("PEERS", place.peers.display().to_string()),
        ("PYTHON", "python3 try.py".to_owned()),
        ("VICTIM", victim.0.id().to_string()),
        ("TCP", tcp.local_addr().expect("its address").port().to_string()),
        ("UDP", udp.local_addr().expect("its address").port().to_string()),
    ];
    call.environment.extend(variables.map(|(name, value)| (name.into(), value.into())));
    let ended = place.run(call).await;
    let is_said = ended.how == HowItEnded::Exited(0) && !attempt.line.contains("udp");
    let is_seen = !victim.is_alive()
        || before != [contents(out), contents(&place.peers)]
        || udp.recv(&mut [0; 8]).is_ok();
    (is_said || is_seen, output(&ended))
}

/// Names and contents of the files in `folder`, at any depth.
fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).expect("listed") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("its kind");
        if kind.is_dir() {
            found.extend(contents(&entry.path()));
        } else if kind.is_file() {
            found.push((entry.path(), fs_err::read(entry.path()).expect("read")));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn no_attempt_to_get_out_succeeds() {
    let place = Place::new().await;
    let mut succeeded = Vec::new();
    for attempt in ATTEMPTS {
        for mechanism in mechanisms(&place.sandbox) {
            let (is_out, said) = succeeds(mechanism, attempt).await;
            let mark = if is_out { "SUCCEEDS" } else { "fails" };
            println!("{:<42} {mechanism:<10} {mark}", attempt.what);
            if is_out {
                succeeded.push(format!("{mechanism}: {}: {said}", attempt.what));
            }
        }
    }
    assert!(succeeded.is_empty(), "{}", succeeded.join("\n"));
}

#[tokio::test]
async fn without_a_sandbox_the_attempts_succeed() {
    let mut failed = Vec::new();
    for attempt in ATTEMPTS.iter().filter(|attempt| attempt.free == Free::Succeeds) {
        // Keys stay out of the environment even so.
        if attempt.line.contains("SECRET_OF_THE_USER") {
            continue;
        }
        let (is_out, said) = succeeds(Mechanism::Unconfined, attempt).await;
        if !is_out {
            failed.push(format!("{}: {said}", attempt.what));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
