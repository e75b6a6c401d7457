//! Which process something belongs to that outlives processes, such as a container, and whether that is gone.

use std::fmt;
use std::io;
use std::str::FromStr;

/// The process that made something: enough to say later, on the same machine, that it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The machine; empty where it has no id.
    machine: String,
    /// Its start.
    boot: String,
    /// The namespace in which the process has its number.
    processes: String,
    pid: i32,
    /// When the process began, in ticks after the start of the machine: numbers are given out again.
    began: u64,
}

/// Whether an owner is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is.
    Alive,
    /// It certainly is not: nobody else may have its number and its time.
    Dead,
    /// Nobody here can tell: it belongs to another machine, or to processes that are not seen from here.
    Unknown,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// When the system does not say what tells it from others.
    pub fn this() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let began = began(pid).ok_or_else(|| io::Error::other("the start of this process is not known"))?;
        let Place { machine, boot, processes } = Place::this()?;
        Ok(Self { machine, boot, processes, pid, began })
    }

    /// Its number, among the processes that it was one of.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it is at work, as far as `me`, this process, can tell.
    pub fn life(&self, me: &Self) -> Life {
        self.seen_by(me, began)
    }

    /// The same, when `began` says when the process of a number began, if there is one.
    fn seen_by(&self, me: &Self, began: impl Fn(i32) -> Option<u64>) -> Life {
        if self.machine != me.machine {
            Life::Unknown
        } else if self.boot != me.boot {
            // Without an id it may be any machine.
            if self.machine.is_empty() { Life::Unknown } else { Life::Dead }
        } else if self.processes != me.processes {
            Life::Unknown
        } else if began(self.pid) == Some(self.began) {
            Life::Alive
        } else {
            Life::Dead
        }
    }
}

/// Where a number means one process.
struct Place {
    machine: String,
    boot: String,
    processes: String,
}

impl Place {
    #[cfg(target_os = "linux")]
    fn this() -> io::Result<Self> {
        let machine = match fs_err::read_to_string("/etc/machine-id") {
            Ok(id) => id.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let processes = fs_err::read_link("/proc/self/ns/pid")?.display().to_string().replace(':', "");
        Ok(Self { machine, boot, processes })
    }

    #[cfg(not(target_os = "linux"))]
    fn this() -> io::Result<Self> {
        let machine = nix::unistd::gethostname()?.to_string_lossy().replace(':', "");
        Ok(Self { machine, boot: String::new(), processes: String::new() })
    }
}

/// When the process `pid` began, in ticks after the start of the machine.
#[cfg(target_os = "linux")]
fn began(pid: i32) -> Option<u64> {
    let stat = fs_err::read(format!("/proc/{pid}/stat")).ok()?;
    crate::processes::parse(&stat).map(|process| process.began)
}

/// 0 for a process that is there: nothing more is known of it.
#[cfg(not(target_os = "linux"))]
fn began(pid: i32) -> Option<u64> {
    use nix::errno::Errno;
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) {
        Ok(()) | Err(Errno::EPERM) => Some(0),
        Err(_) => None,
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}:{}", self.machine, self.boot, self.processes, self.pid, self.began)
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.trim().split(':');
        let mut part = || parts.next().ok_or(());
        let (machine, boot, processes, pid, began) = (part()?, part()?, part()?, part()?, part()?);
        if parts.next().is_some() {
            return Err(());
        }
        Ok(Self {
            machine: machine.to_owned(),
            boot: boot.to_owned(),
            processes: processes.to_owned(),
            pid: pid.parse().map_err(|_| ())?,
            began: began.parse().map_err(|_| ())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(text: &str) -> Owner {
        text.parse().expect("an owner")
    }

    #[test]
    fn an_owner_is_read_as_it_is_written() {
        let me = Owner::this().expect("this process");
        assert_eq!(owner(&me.to_string()), me);
        assert_eq!(me.life(&me), Life::Alive);
        for text in ["", "a:b:c", "m:b:p:x:1", "m:b:p:1:1:1"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_certainly_gone_is_gone() {
        let me = owner("m:b2:p:10:100");
        let lives = |pid| (pid == 7).then_some(70);
        for gone in ["m:b2:p:7:69", "m:b2:p:8:80", "m:b1:p:7:70", "m:b1:q:7:70"] {
            assert_eq!(owner(gone).seen_by(&me, lives), Life::Dead, "{gone}");
        }
        assert_eq!(owner("m:b2:p:7:70").seen_by(&me, lives), Life::Alive);
        // Of other processes; of another machine; of nobody knows which.
        for unknown in ["m:b2:q:8:80", "n:b1:p:8:80", "n:b2:p:8:80", ":b1:p:8:80"] {
            assert_eq!(owner(unknown).seen_by(&me, lives), Life::Unknown, "{unknown}");
        }
        let nameless = owner(":b2:p:10:100");
        assert_eq!(owner(":b2:p:8:80").seen_by(&nameless, lives), Life::Dead);
        assert_eq!(owner(":b1:p:8:80").seen_by(&nameless, lives), Life::Unknown);
    }
}
