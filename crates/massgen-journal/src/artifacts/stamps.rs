//! Moments as the artifact files spell them. The offset of local time is the one of the run's start, so a file written
//! again on another day or in another zone is the same file.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use massgen_protocol::Timestamp;

/// Local time of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalTime {
    offset: Offset,
}

impl LocalTime {
    /// Local time `utc_offset_seconds` east of UTC; an offset that no place on earth has is taken as UTC.
    pub(crate) fn new(utc_offset_seconds: i32) -> Self {
        Self { offset: Offset::from_seconds(utc_offset_seconds).unwrap_or(Offset::UTC) }
    }

    /// `2026-02-14T09:30:15.482913`: the form without offset that older readers expect.
    pub(crate) fn iso(self, at: Timestamp) -> String {
        self.civil(at).strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    /// `20260214_093015_482913`: names of folders.
    pub(crate) fn stamp(self, at: Timestamp) -> String {
        self.civil(at).strftime("%Y%m%d_%H%M%S_%6f").to_string()
    }

    /// `20260214_093015`: ids of sessions.
    pub(crate) fn second_stamp(self, at: Timestamp) -> String {
        self.civil(at).strftime("%Y%m%d_%H%M%S").to_string()
    }

    /// `09:30:15`.
    pub(crate) fn clock(self, at: Timestamp) -> String {
        self.civil(at).strftime("%H:%M:%S").to_string()
    }

    /// `2026-02-14 09:30:15`.
    pub(crate) fn date_and_clock(self, at: Timestamp) -> String {
        self.civil(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn civil(self, at: Timestamp) -> DateTime {
        self.offset.to_datetime(moment(at))
    }
}

/// `2026-02-14T08:30:15.482913+00:00`.
pub(crate) fn utc_iso(at: Timestamp) -> String {
    Offset::UTC.to_datetime(moment(at)).strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// `at` for the calendar; a moment outside years -9999 to 9999 becomes the nearest one inside.
fn moment(at: Timestamp) -> jiff::Timestamp {
    let nearest = if at.micros() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_six_digits_of_fraction_and_local_time_carries_the_offset() {
        let at = Timestamp::from_micros(1_771_061_415_000_042);
        let local = LocalTime::new(3600);
        assert_eq!(local.iso(at), "2026-02-14T10:30:15.000042");
        assert_eq!(local.stamp(at), "20260214_103015_000042");
        assert_eq!(local.clock(at), "10:30:15");
        assert_eq!(local.date_and_clock(at), "2026-02-14 10:30:15");
        assert_eq!(utc_iso(at), "2026-02-14T09:30:15.000042+00:00");
        assert_eq!(LocalTime::new(i32::MAX).clock(at), "09:30:15");
        assert_eq!(utc_iso(Timestamp::from_micros(0)), "1970-01-01T00:00:00.000000+00:00");
    }

    #[test]
    fn a_moment_outside_the_calendar_is_still_written() {
        assert!(utc_iso(Timestamp::from_micros(i64::MAX)).starts_with("9999-"));
        assert!(utc_iso(Timestamp::from_micros(i64::MIN)).starts_with("-9999-"));
    }
}
