//! Mechanisms of the sandbox that tests are tried with. A machine may lack one; where it must not, its absence fails.

/// The variable that names the mechanisms that must work, `bubblewrap,landlock`. `cargo xtask ci` sets it.
pub const MECHANISMS: &str = "MASSGEN_TEST_MECHANISMS";

/// Says that `test` was not tried with `mechanism`, and why, so that nobody takes it for tried.
///
/// # Panics
/// When [`MECHANISMS`] names the mechanism.
pub fn not_tried(test: &str, mechanism: &str, reason: &str) {
    use std::io::Write;
    let wanted = std::env::var(MECHANISMS).unwrap_or_default();
    assert!(
        !must_work(&wanted, mechanism),
        "`{MECHANISMS}` says that {mechanism} works here, and it does not: {reason}"
    );
    // Past the capture of the test, which hides what passes. Nobody is left to be told that there is no standard error.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test} with {mechanism}: {reason}");
}

/// Whether `wanted`, a list with commas, names `mechanism`.
fn must_work(wanted: &str, mechanism: &str) -> bool {
    wanted.split(',').any(|name| name.trim().eq_ignore_ascii_case(mechanism))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_must_work_where_it_is_named_however_it_is_written() {
        assert!(must_work("bubblewrap, landlock", "Landlock") && must_work("bubblewrap", "bubblewrap"));
        assert!(!must_work("bubblewrap", "Landlock") && !must_work("", "bubblewrap"));
    }
}
