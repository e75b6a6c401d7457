//! Whose a worktree is, written where git itself keeps it: as the reason why the worktree is locked.

use std::fmt;
use std::io;

use massgen_sandbox::Life;

/// Whom a worktree belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The process that works in it.
    pub process: massgen_sandbox::Owner,
    /// The run that it works for: anything without line breaks, such as its log folder.
    pub run: String,
}

/// What our locks begin with.
const MARK: &str = "massgen process=";

impl Owner {
    /// This process, working for `run`.
    ///
    /// # Errors
    /// When the system does not say what tells this process from others.
    pub fn this_process(run: &str) -> io::Result<Self> {
        let run = run.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Ok(Self { process: massgen_sandbox::Owner::this()?, run })
    }

    /// Reads what [`fmt::Display`] wrote. Anything else is not ours.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let rest = text.trim_end_matches('\n').strip_prefix(MARK)?;
        let (process, run) = rest.split_once(" run=")?;
        Some(Self { process: process.parse().ok()?, run: run.to_owned() })
    }

    /// Whether it is at work.
    pub fn life(&self) -> Life {
        // Who does not know itself cannot tell who else there is.
        massgen_sandbox::Owner::this().map_or(Life::Unknown, |me| self.process.life(&me))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{} run={}", self.process, self.run)
    }
}

#[cfg(test)]
mod tests {
    use massgen_sandbox::Life;

    use super::Owner;

    #[test]
    fn owner_is_read_back_and_anything_else_is_not_ours() {
        let process = "m:b:p:7:99".parse().unwrap();
        let owner = Owner { process, run: "/logs/a b=c run=d".to_owned() };
        assert_eq!(Owner::read(&format!("{owner}\n")), Some(owner));
        for text in ["", "on a usb stick", "massgen", "massgen process=x run=a", "massgen process=m:b:p:7:99"]
        {
            assert_eq!(Owner::read(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_alive_and_one_that_this_machine_does_not_see_may_be() {
        let this = Owner::this_process("run\n").unwrap();
        assert_eq!((this.life(), this.run.as_str()), (Life::Alive, "run "));
        let elsewhere = "another:boot:processes:7:99".parse().unwrap();
        assert_eq!(Owner { process: elsewhere, ..this }.life(), Life::Unknown);
    }
}
