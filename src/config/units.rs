//! Durations and sizes as people write them: `"500ms"`, `"64MiB"`.

use std::fmt;
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const SIZE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> ByteSize {
        ByteSize(bytes)
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// `1048576`, `1024KiB`, `1MiB`, `1GiB`.
    pub(super) fn parse(text: &str) -> Option<ByteSize> {
        let (number, unit) = split_number(text)?;
        let scale = if unit.is_empty() { 1 } else { scale_of(unit, &SIZE_UNITS)? };
        number.checked_mul(scale).map(ByteSize)
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS.iter().find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale)) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "{}", self.0),
        }
    }
}

/// `500ms`, `1s`, `2m`, `1h`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_number(text)?;
    number.checked_mul(scale_of(unit, &DURATION_UNITS)?).map(Duration::from_millis)
}

/// A duration in the largest unit that divides it; below a millisecond nothing is shown.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |scale: u64| (millis > 0 || scale == 1_000) && millis.is_multiple_of(scale);
    let (unit, scale) = DURATION_UNITS.into_iter().rev().find(|(_, scale)| fits(*scale)).unwrap_or(("ms", 1));
    format!("{}{unit}", millis / scale)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

fn scale_of(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, parse_duration, show_duration};
    use std::time::Duration;

    #[test]
    fn durations() {
        for (text, millis) in
            [("1s", 1_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0), ("1 s", 1_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "1", "s", "-1s", "1.5s", "1S", "1d", "99999999999999999999s", "18446744073709551615h", "µs"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for (millis, text) in [(0, "0s"), (500, "500ms"), (1_500, "1500ms"), (120_000, "2m"), (7_200_000, "2h")] {
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("1", 1), ("1KiB", 1024), ("64MiB", 64 << 20), ("1GiB", 1 << 30)] {
            let size = ByteSize::parse(text);
            assert_eq!(size, Some(ByteSize::from_bytes(bytes)), "{text}");
            assert_eq!(size.map(|size| size.to_string()).as_deref(), Some(text));
        }
        for text in ["", "1KB", "MiB", "-1", "1.5GiB", "99999999999GiB"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }
}
