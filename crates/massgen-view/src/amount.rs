//! Amounts as people read them: times, tokens, money.

use massgen_protocol::{RunMillis, Usd};

use crate::view::Spent;

/// `07:03`, and `1:07:03` from an hour on.
pub fn clock(time: RunMillis) -> String {
    let seconds = time.0 / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// `950`, `12.3k`, `4.5M`: three digits that matter.
pub fn tokens(count: u64) -> String {
    let scaled = |unit: u64, letter: char| {
        let tenths = count / (unit / 10);
        if tenths >= 1000 {
            format!("{}{letter}", tenths / 10)
        } else {
            format!("{}.{}{letter}", tenths / 10, tenths % 10)
        }
    };
    match count {
        0..=999 => count.to_string(),
        1_000..=999_999 => scaled(1_000, 'k'),
        _ => scaled(1_000_000, 'M'),
    }
}

/// The amount in full, or what is known of it, with `cap` behind: `$0.012 of $1.00`, and for calls without a known
/// price `$0.012 of $1.00, and price unknown for 2 calls`.
pub fn cost(spent: &Spent, cap: &str) -> String {
    let unknown = counted(usize::try_from(spent.unpriced_calls).unwrap_or(usize::MAX), "call");
    match (spent.unpriced_calls, spent.known_cost) {
        (0, known) => format!("{known}{cap}"),
        (_, Usd::ZERO) if cap.is_empty() => "price unknown".to_owned(),
        (_, known) => format!("{known}{cap}, and price unknown for {unknown}"),
    }
}

/// The amount for a narrow column: `$0.012`, `$?`, `$0.012+?`.
pub fn short_cost(spent: &Spent) -> String {
    match (spent.unpriced_calls, spent.known_cost) {
        (0, known) => known.to_string(),
        (_, Usd::ZERO) => "$?".to_owned(),
        (_, known) => format!("{known}+?"),
    }
}

/// `1 answer`, `3 answers`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_short() {
        let shown: Vec<_> =
            [0, 999, 1_000, 12_345, 123_456, 999_999, 1_000_000, 45_600_000].map(tokens).into();
        assert_eq!(shown, ["0", "999", "1.0k", "12.3k", "123k", "999k", "1.0M", "45.6M"]);
        let shown: Vec<_> = [0, 61_500, 3_599_999, 3_600_000].map(|ms| clock(RunMillis(ms))).into();
        assert_eq!(shown, ["00:00", "01:01", "59:59", "1:00:00"]);
    }

    #[test]
    fn an_unknown_price_is_never_shown_as_nothing() {
        let spent = |nanos, unpriced_calls| Spent {
            known_cost: Usd::from_nanos(nanos),
            unpriced_calls,
            ..Spent::default()
        };
        assert_eq!(cost(&spent(0, 0), ""), "$0.00");
        assert_eq!(cost(&spent(0, 1), ""), "price unknown");
        assert_eq!(cost(&spent(0, 1), " of $1.00"), "$0.00 of $1.00, and price unknown for 1 call");
        assert_eq!(cost(&spent(12_000_000, 2), ""), "$0.012, and price unknown for 2 calls");
        assert_eq!(short_cost(&spent(0, 1)), "$?");
        assert_eq!(spent(5, 1).cost(), None);
    }
}
