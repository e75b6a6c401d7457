//! Numbers of the command line. What is no number, or out of range, is told with what is allowed; ranges that a key of
//! the configuration has are that key's.

use std::time::Duration;

use massgen_config::registry::{self, Shape};

/// Reads the value of `--orchestrator-timeout`.
///
/// # Errors
/// What is allowed.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let (least, most) = bounds("timeout_settings.orchestrator_timeout_seconds");
    let seconds = text.parse::<u32>().ok().filter(|seconds| (least..=most).contains(&f64::from(*seconds)));
    seconds.map(u64::from).ok_or_else(|| format!("it takes whole seconds, from {} to {most}", least.ceil()))
}

/// Reads the value of `--max-cost`.
///
/// # Errors
/// What is allowed.
pub(super) fn dollars(text: &str) -> Result<f64, String> {
    let (least, most) = bounds("orchestrator.budget.max_cost");
    let dollars = text.parse::<f64>().ok().filter(|dollars| (least..=most).contains(dollars));
    dollars.ok_or_else(|| format!("it takes US dollars, from {least} to {most}, such as 0.5"))
}

/// Reads the value of `--max-tokens`.
///
/// # Errors
/// What is allowed.
pub(super) fn tokens(text: &str) -> Result<u64, String> {
    let tokens = text.parse::<i64>().ok().and_then(|tokens| u64::try_from(tokens).ok());
    tokens
        .filter(|tokens| *tokens > 0)
        .ok_or_else(|| "it takes a whole number above 0, such as 200000".to_owned())
}

/// Reads a whole number; its range is told with what it counts.
///
/// # Errors
/// What is allowed.
pub(super) fn whole(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "it takes a whole number, such as 3".to_owned())
}

/// Reads the value of `--older-than`: a whole number with `h`, `d` or `w` behind it.
///
/// # Errors
/// What is allowed.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let hours = |unit: char| match unit {
        'h' => Some(1),
        'd' => Some(24),
        'w' => Some(7 * 24),
        _ => None,
    };
    let read = || {
        let mut digits = text.chars();
        let hours = hours(digits.next_back()?)?;
        let number: u32 = digits.as_str().parse().ok()?;
        Some(Duration::from_secs(u64::from(number) * hours * 3600))
    };
    read().ok_or_else(|| "it takes a number of hours, days or weeks, such as 12h, 30d or 2w".to_owned())
}

/// The range of the key at `path`, which has a number for a value.
fn bounds(path: &str) -> (f64, f64) {
    match registry::key(path).map(|key| &key.shape) {
        Some(Shape::Number(least, most)) => (*least, *most),
        // A test holds the paths against the registry.
        Some(_) | None => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!([age("12h"), age("30d"), age("2w"), age("0d")], [12, 720, 336, 0].map(hours));
        for wrong in ["", "d", "30", "-1d", "1.5d", "30 d", "30m", "4294967296d", "3µ"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_are_those_of_the_configuration() {
        assert_eq!(bounds("timeout_settings.orchestrator_timeout_seconds"), (0.001, 31_536_000.0));
        assert_eq!(bounds("orchestrator.budget.max_cost"), (0.000_001, 1_000_000.0));
        assert_eq!((seconds("1"), seconds("31536000")), (Ok(1), Ok(31_536_000)));
        assert!(["0", "0.3", "31536001", "-5", "", "soon", "1e3"].iter().all(|text| seconds(text).is_err()));
        assert_eq!((dollars("0.000001"), dollars("1e6")), (Ok(0.000_001), Ok(1_000_000.0)));
        assert!(["0", "-1", "nan", "inf", "1000001", "$5"].iter().all(|text| dollars(text).is_err()));
        assert_eq!((tokens("1"), tokens("9223372036854775807")), (Ok(1), Ok(i64::MAX.unsigned_abs())));
        assert!(["0", "-1", "1.5", "9223372036854775808", "many"].iter().all(|text| tokens(text).is_err()));
        assert_eq!((whole("-3"), whole("two").is_err()), (Ok(-3), true));
    }
}
