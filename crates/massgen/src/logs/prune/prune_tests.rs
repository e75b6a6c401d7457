//! Names and limits.

use super::*;

#[test]
fn only_names_of_runs_are_those() {
    assert!(is_name_of_run("log_20260102_030405_000006"));
    for other in
        ["log_", "log_20260102_030405", "log_2026010x_030405_000006", "log_20260102_030405_000006_7", "x"]
    {
        assert!(!is_name_of_run(other), "{other}");
    }
}

#[test]
fn a_limit_that_is_not_set_limits_nothing() {
    assert_eq!(limits_of(Retention::default()), None);
    let limits = limits_of(Retention { keep_runs: Some(3), keep_days: None }).unwrap();
    assert_eq!((limits.keep, limits.since), (Some(3), None));
    let limits = limits_of(Retention { keep_runs: None, keep_days: Some(1) }).unwrap();
    assert!(limits.since.is_some_and(|since| is_name_of_run(&since) && since < self::since(Duration::ZERO)));
}
