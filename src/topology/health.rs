//! When a member counts as up: hysteresis over its checks.
//!
//! PURE. Knows how many checks must fail or succeed in a row. Must not know what a check is.

use super::state::{BlindReason, DownReason, Health};

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The member lives but does not let the monitor look.
    Blind(BlindReason),
    /// It does not answer.
    Down(DownReason),
}

/// Follows the checks of one member.
///
/// The first check decides at once, either way: a starting proxy neither keeps a good member waiting nor sends clients
/// to a dead one. After that it takes `fall` failures in a row to go down and `rise` successes to come back.
#[derive(Debug)]
pub struct Hysteresis {
    fall: u32,
    rise: u32,
    /// Checks in a row that speak against the present state.
    against: u32,
    health: Health,
}

impl Hysteresis {
    /// Of a member that was not checked yet. Zero counts as one.
    #[must_use]
    pub fn new(fall: u32, rise: u32) -> Self {
        Self { fall: fall.max(1), rise: rise.max(1), against: 0, health: Health::Unknown }
    }

    /// Whether the member is coming back: some good checks, but not enough yet.
    #[must_use]
    pub fn is_rising(&self) -> bool {
        self.against > 0 && self.health != Health::Up
    }

    /// Whether the member is going down: some failures, but not enough yet.
    #[must_use]
    pub fn is_falling(&self) -> bool {
        self.against > 0 && self.health == Health::Up
    }

    /// One check's outcome.
    pub fn observe(&mut self, outcome: Result<(), Failure>) -> &Health {
        match (outcome, &self.health) {
            (Ok(()), Health::Up) => self.against = 0,
            (Ok(()), Health::Unknown) => self.turn(Health::Up),
            (Ok(()), Health::Down(_) | Health::Blind(_)) => {
                self.against += 1;
                if self.against >= self.rise {
                    self.turn(Health::Up);
                }
            }
            (Err(failure), Health::Up) => {
                self.against += 1;
                if self.against >= self.fall {
                    self.turn(failure.into());
                }
            }
            (Err(failure), Health::Unknown | Health::Down(_) | Health::Blind(_)) => self.turn(failure.into()),
        }
        &self.health
    }

    fn turn(&mut self, health: Health) {
        self.against = 0;
        self.health = health;
    }
}

impl From<Failure> for Health {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Blind(reason) => Self::Blind(reason),
            Failure::Down(reason) => Self::Down(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` a good check, `-` no connection, `!` access denied; the result after each: `U`p, `D`own, `B`lind.
    fn run(fall: u32, rise: u32, checks: &str) -> String {
        let mut hysteresis = Hysteresis::new(fall, rise);
        let after = |check| {
            let health = hysteresis.observe(match check {
                '+' => Ok(()),
                '!' => Err(Failure::Blind(BlindReason::AccessDenied(String::new()))),
                _ => Err(Failure::Down(DownReason::Connect(String::new()))),
            });
            match health {
                Health::Unknown => '?',
                Health::Up => 'U',
                Health::Blind(_) => 'B',
                Health::Down(_) => 'D',
            }
        };
        checks.chars().map(after).collect()
    }

    #[test]
    fn it_is_undecided_between_two_states() {
        let mut hysteresis = Hysteresis::new(2, 2);
        let mut seen = Vec::new();
        for outcome in [Ok(()), Err(()), Err(()), Ok(()), Ok(())] {
            hysteresis.observe(outcome.map_err(|()| Failure::Down(DownReason::Connect(String::new()))));
            seen.push((hysteresis.is_falling(), hysteresis.is_rising()));
        }
        assert_eq!(seen, [(false, false), (true, false), (false, false), (false, true), (false, false)]);
    }

    #[test]
    fn checks_and_states() {
        for (fall, rise, checks, states) in [
            (3, 2, "+", "U"),
            (3, 2, "-", "D"),
            (3, 2, "!", "B"),
            (3, 2, "+---", "UUUD"),
            (3, 2, "+--+--+", "UUUUUUU"),
            (3, 2, "-+-++", "DDDDU"),
            (3, 2, "+--!", "UUUB"),
            (3, 2, "-!", "DB"),
            (3, 2, "!++", "BBU"),
            (1, 1, "+-+", "UDU"),
            (0, 0, "+-+", "UDU"),
        ] {
            assert_eq!(run(fall, rise, checks), states, "{fall} {rise} {checks}");
        }
    }
}
