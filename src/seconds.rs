//! Durations, as an operator reads them.

use std::fmt;
use std::time::Duration;

/// A duration as text: `10s`, `0.25s`.
///
/// The `Debug` of [`Duration`] writes the same, with other units if it is short. It supports any precision and width,
/// which costs 2 KiB in every program.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        let (mut fraction, mut digits) = (self.0.subsec_nanos(), 9);
        if fraction > 0 {
            while fraction % 10 == 0 {
                fraction /= 10;
                digits -= 1;
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_as_exactly_as_they_are_known() {
        for (duration, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_secs(60), "60s"),
            (Duration::from_millis(1_250), "1.25s"),
            (Duration::from_millis(100), "0.1s"),
            (Duration::from_nanos(7), "0.000000007s"),
            (Duration::from_nanos(1_000_000_010), "1.00000001s"),
        ] {
            assert_eq!(Seconds(duration).to_string(), text);
        }
    }
}
