//! A source of chance that can be repeated: with `make test` always the same, with `make chaos-pods` another one each time, which says
//! its seed; `MYSQL_PROXY_PODS_SEED` gives one again.
//!
//! Knows numbers. Must not know what they choose.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// For everybody's test runs, which are not to fail by chance.
const KEPT: u64 = 20_261_130;

pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    pub fn new() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let given = variable("MYSQL_PROXY_PODS_SEED").map(|seed| seed.parse().unwrap());
        let another = || variable("MYSQL_PROXY_PODS_KILLS").map(|_| RandomState::new().build_hasher().finish() >> 1);
        let seed = given.or_else(another).unwrap_or(KEPT);
        println!("    seed {seed}");
        Self { seed, state: seed | 1 }
    }

    /// What repeats it: variables to set.
    pub fn to_repeat(&self) -> String {
        let kills = std::env::var("MYSQL_PROXY_PODS_KILLS").unwrap_or_default();
        format!("MYSQL_PROXY_PODS_SEED={} MYSQL_PROXY_PODS_KILLS={kills}", self.seed)
    }

    /// A number below `limit` (xorshift).
    pub fn below(&mut self, limit: u32) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) as u32 % limit
    }
}
