//! Whose a worktree is, written where git itself keeps it: as the reason why the worktree is locked.

use std::fmt;

/// The process that a worktree belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// When it was started, as the system counts it; numbers of processes come again, pairs of both do not.
    pub started: Option<u64>,
    /// The run that it works for: anything without line breaks, such as its log folder.
    pub run: String,
}

/// Whether the owner of a worktree is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is.
    Alive,
    /// It is not: nobody else may have its number and its time.
    Dead,
    /// This system does not say.
    Unknown,
}

/// What our locks begin with.
const MARK: &str = "massgen ";

impl Owner {
    /// This process, working for `run`.
    pub fn this_process(run: &str) -> Self {
        let pid = std::process::id();
        let run = run.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { pid, started: started(pid), run }
    }

    /// Reads what [`fmt::Display`] wrote. Anything else is not ours.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let rest = text.trim_end_matches('\n').strip_prefix(MARK)?;
        let (pid, rest) = rest.strip_prefix("pid=")?.split_once(' ')?;
        let (started, run) = rest.strip_prefix("started=")?.split_once(' ')?;
        let started = if started == "-" { None } else { Some(started.parse().ok()?) };
        Some(Self { pid: pid.parse().ok()?, started, run: run.strip_prefix("run=")?.to_owned() })
    }

    /// Whether it is at work.
    pub fn life(&self) -> Life {
        if !cfg!(target_os = "linux") {
            return Life::Unknown;
        }
        match (self.started, started(self.pid)) {
            (Some(then), Some(now)) if then == now => Life::Alive,
            (Some(_), Some(_) | None) => Life::Dead,
            (None, _) => Life::Unknown,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}pid={} started=", self.pid)?;
        match self.started {
            Some(started) => write!(f, "{started}")?,
            None => f.write_str("-")?,
        }
        write!(f, " run={}", self.run)
    }
}

/// When a process was started, in ticks since the system was: field 22 of `/proc/<pid>/stat`.
fn started(pid: u32) -> Option<u64> {
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Life, Owner};

    #[test]
    fn owner_is_read_back_and_anything_else_is_not_ours() {
        let owner = Owner { pid: 7, started: Some(99), run: "/logs/a b=c".to_owned() };
        assert_eq!(Owner::read(&format!("{owner}\n")), Some(owner));
        for text in ["", "on a usb stick", "massgen", "massgen pid=x started=1 run=a", "massgen pid=1 run=a"]
        {
            assert_eq!(Owner::read(text), None, "{text}");
        }
    }

    #[test]
    fn number_of_a_process_alone_does_not_make_it_alive() {
        let this = Owner::this_process("run");
        assert_eq!(this.life(), Life::Alive);
        let earlier = Owner { started: this.started.map(|started| started + 1), ..this.clone() };
        assert_eq!(earlier.life(), Life::Dead);
        assert_eq!(Owner { pid: u32::MAX, ..this }.life(), Life::Dead);
    }
}
