//! Names, sizes and limits.

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
fn bytes_are_told_in_the_largest_unit() {
    let told = [0, 1023, 1024, 1536, 5 << 20, (7 << 30) + (1 << 29)].map(size);
    assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "7.5 GiB"]);
}

#[test]
fn a_limit_that_is_not_set_limits_nothing() {
    assert_eq!(limits_of(Retention::default()), None);
    let limits = limits_of(Retention { keep_runs: Some(3), keep_days: None }).unwrap();
    assert_eq!((limits.keep, limits.since), (Some(3), None));
    let limits = limits_of(Retention { keep_runs: None, keep_days: Some(1) }).unwrap();
    assert!(limits.since.is_some_and(|since| is_name_of_run(&since) && since < self::since(Duration::ZERO)));
}
