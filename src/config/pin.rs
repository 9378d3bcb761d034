//! A certificate's SHA-256 fingerprint, as people copy it.

use std::fmt;

/// The fingerprint of a member's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// Reads 64 hexadecimal digits, with or without colons between the bytes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
        }
        Some(Pin(bytes))
    }
}

/// As `openssl x509 -noout -fingerprint -sha256` writes it.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown() {
        let pin = Pin(std::array::from_fn(|at| at as u8 * 7));
        let shown = pin.to_string();
        assert_eq!(Pin::parse(&shown), Some(pin));
        assert_eq!(Pin::parse(&shown.replace(':', "").to_lowercase()), Some(pin));
        assert_eq!((Pin::parse(&shown[..93]), Pin::parse("x")), (None, None));
    }
}
