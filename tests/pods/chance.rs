//! A source of chance that can be repeated: a run says its seed, and `MYSQL_PROXY_PODS_SEED` gives it again.
//!
//! Knows numbers. Must not know what they choose.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

pub struct Chance(u64);

impl Chance {
    pub fn new() -> Self {
        let given = std::env::var("MYSQL_PROXY_PODS_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 1);
        println!("    seed {seed}");
        Self(seed | 1)
    }

    /// A number below `limit` (xorshift).
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32 % limit
    }
}
