//! Signals that whoever started massgen ignores: a script that starts it with `&` ignores the interrupt, `nohup` the hangup.
//! Programs inherit that, and a shell cannot set a trap for such a signal. Commands are to start as in a terminal.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// What the runtime of Rust ignores by itself. It takes that back for programs that it starts.
const BROKEN_PIPE: u32 = 13;

/// The signals that programs know by name. Of those behind them the C library ignores two for itself.
const NAMED: std::ops::RangeInclusive<u32> = 1..=31;

/// Makes the signals that this process ignores count again, for it and for what it starts: it catches them, and the system
/// gives a new program the usual effect of whatever was caught.
pub(crate) fn count_again() -> io::Result<()> {
    let ignored = ignored(&fs_err::read_to_string("/proc/self/status")?);
    if ignored.is_empty() {
        return Ok(());
    }
    // Only a runtime can catch signals; what it catches stays caught when it is gone.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    for number in ignored {
        drop(signal(SignalKind::from_raw(number))?);
    }
    Ok(())
}

/// The signals that a process ignores, as its `/proc/<pid>/status` tells.
fn ignored(status: &str) -> Vec<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    let is_ignored = |number: &u32| mask & (1 << (number - 1)) != 0 && *number != BROKEN_PIPE;
    NAMED.filter(is_ignored).map(u32::cast_signed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask_of_the_system() {
        let status =
            |mask: &str| format!("Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\nSigCgt:\t0\n");
        assert_eq!(ignored(&status("0000000000001000")), Vec::<i32>::new());
        assert_eq!(ignored(&status("0000000000001007")), [1, 2, 3]);
        assert_eq!(ignored(&status("8000000180000002")), [2]);
        assert_eq!(ignored("Name:\tx\n"), Vec::<i32>::new());
    }
}
