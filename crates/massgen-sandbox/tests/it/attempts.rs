//! What a command tries and must not get, under each mechanism. Without a sandbox the same attempts succeed, which shows
//! that they are attempts at all. `attempts_table.rs` has the list.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use massgen_sandbox::{Call, Error, HowItEnded, Mechanism, Network};

use crate::attempts_table::{ATTEMPTS, Attempt, Free, PYTHON, Setting, guide_table};
use crate::support::{Place, living_in, mechanisms, output};

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The command got what it must not get.
    GetsThrough,
    Fails,
    /// The call was not begun.
    Refused,
}

/// A process of the host that commands would like to reach.
struct Victim(Child);

impl Victim {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new("sleep");
        command.arg("301").env("TOKEN", "hidden").current_dir(folder).stdin(Stdio::null()).process_group(0);
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

/// Memory of the host that processes find by a key. Made by another program: this one has no safe call for it.
struct SharedMemory(String);

impl SharedMemory {
    fn make(attempt: &Attempt) -> Option<Self> {
        const FREE: &str = "import ctypes; c = ctypes.CDLL(None); print(next(k for k in range(0x6d610000, 0x6d620000) if c.shmget(k, 4096, 0o3600) >= 0))";
        attempt.line.contains(" shared ").then(|| Self(python(FREE)))
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let key = &self.0;
        python(&format!("import ctypes; c = ctypes.CDLL(None); c.shmctl(c.shmget({key}, 0, 0), 0, None)"));
    }
}

fn python(program: &str) -> String {
    let said = Command::new("python3").args(["-c", program]).output().expect("started");
    assert!(said.status.success(), "{said:?}");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// Tries `attempt` and looks from outside what came of it.
async fn tried(mechanism: Mechanism, attempt: &Attempt) -> (Outcome, String) {
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
    fs_err::os::unix::fs::symlink(out.join("new"), place.workspace.join("file-link")).expect("linked");
    let git = place.workspace.join("own/.git");
    fs_err::create_dir_all(&git).expect("made");
    fs_err::write(place.workspace.join("try.py"), PYTHON).expect("written");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
    udp.set_nonblocking(true).expect("set");
    let _unix = UnixListener::bind(out.join("socket")).expect("bound");
    let name = format!("massgen-test-{}", out.display());
    let _abstract = abstract_listener(&name);
    let shared = SharedMemory::make(attempt);
    let mut victim = Victim::start(out);
    let mut call: Call = place.call(mechanism, attempt.line);
    match attempt.setting {
        Setting::Usual => {}
        Setting::FullNetwork => call.policy.network = Network::Full,
        Setting::Protected => call.policy.protected.push(git.clone()),
    }
    let seen = || [contents(out), contents(&place.peers), contents(&git)];
    let before = seen();
    let variables = [
        ("OUT", out.display().to_string()),
        ("USER_HOME", home.display().to_string()),
        ("PEERS", place.peers.display().to_string()),
        ("PYTHON", "python3 try.py".to_owned()),
        ("VICTIM", victim.0.id().to_string()),
        ("MASSGEN", std::process::id().to_string()),
        ("TCP", tcp.local_addr().expect("its address").port().to_string()),
        ("UDP", udp.local_addr().expect("its address").port().to_string()),
        ("ABSTRACT", name.clone()),
        ("SHARED", shared.as_ref().map_or(String::new(), |memory| memory.0.clone())),
    ];
    call.environment.extend(variables.map(|(name, value)| (name.into(), value.into())));
    let ended = match place.sandbox.run(call).await {
        Ok(ended) => ended,
        Err(error @ Error::CannotProtect { .. }) => return (Outcome::Refused, error.to_string()),
        Err(error) => panic!("{mechanism}: {}: {error}", attempt.what),
    };
    let is_told = ended.how == HowItEnded::Exited(0) && !attempt.line.contains(" udp ");
    let is_seen = !victim.is_alive()
        || before != seen()
        || udp.recv(&mut [0; 8]).is_ok()
        || living_in(&place.workspace) != Vec::<String>::new();
    let got = match attempt.free {
        // The command ends well; whether it got anything is seen from outside alone.
        Free::Fails => is_seen,
        Free::Succeeds | Free::Untried => is_told || is_seen,
    };
    (if got { Outcome::GetsThrough } else { Outcome::Fails }, output(&ended))
}

fn abstract_listener(name: &str) -> UnixListener {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).expect("an address");
    UnixListener::bind_addr(&address).expect("bound")
}

/// Names, contents and modes of the files in `folder`, at any depth.
fn contents(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    // An attempt may have moved it away.
    for entry in fs_err::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("an entry");
        let told = entry.metadata().expect("told");
        if told.is_dir() {
            found.extend(contents(&entry.path()));
        }
        let text = if told.is_file() { fs_err::read(entry.path()).expect("read") } else { Vec::new() };
        found.push((entry.path(), told.mode(), text));
    }
    found.sort();
    found
}

#[tokio::test]
async fn no_attempt_to_get_out_succeeds_beyond_what_the_guide_tells() {
    let place = Place::new().await;
    let mut wrong = Vec::new();
    for attempt in ATTEMPTS {
        for mechanism in mechanisms(&place.sandbox) {
            let network = match attempt.setting {
                Setting::Usual | Setting::Protected => Network::None,
                Setting::FullNetwork => Network::Full,
            };
            let gaps = place.sandbox.available().gaps(mechanism, &network);
            let expected = if attempt.gap.is_some_and(|gap| gaps.contains(&gap)) {
                Outcome::GetsThrough
            } else if (attempt.setting, mechanism) == (Setting::Protected, Mechanism::Landlock) {
                Outcome::Refused
            } else {
                Outcome::Fails
            };
            let (outcome, said) = tried(mechanism, attempt).await;
            println!("{:<48} {mechanism:<10} {outcome:?}", attempt.what);
            if outcome != expected {
                wrong.push(format!("{mechanism}: {}: {outcome:?}: {said}", attempt.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_a_sandbox_the_attempts_succeed() {
    let mut wrong = Vec::new();
    for attempt in ATTEMPTS {
        let expected = match attempt.free {
            Free::Succeeds => Outcome::GetsThrough,
            Free::Fails => Outcome::Fails,
            Free::Untried => continue,
        };
        let (outcome, said) = tried(Mechanism::Unconfined, attempt).await;
        if outcome != expected {
            wrong.push(format!("{}: {outcome:?}: {said}", attempt.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_the_guide_is_that_of_the_attempts() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/sandbox.md");
    let text = fs_err::read_to_string(guide).expect("the guide");
    let table = guide_table();
    assert!(text.contains(&table), "this table must stand in docs/guide/sandbox.md:\n{table}");
}
