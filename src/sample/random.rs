//! Numbers and UIDs that follow from a seed, the same on every machine; no use for anything secret.

use sha2::{Digest, Sha256};

/// SplitMix64: small, and good enough for values nobody relies on.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each `purpose`, so that one more draw in one place changes nothing elsewhere.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let digest = digest(seed, purpose);
        Random(digest as u64)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `low..high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }
}

/// A UID derived from a UUID-like number (PS3.5 B.2): `2.25.` and an integer below 2^128.
pub(super) fn uid(seed: u64, purpose: &str) -> String {
    format!("2.25.{}", digest(seed, purpose) | (1 << 120))
}

fn digest(seed: u64, purpose: &str) -> u128 {
    let hash = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(purpose)
        .finalize();
    let mut number = 0;
    for byte in hash.iter().take(16) {
        number = number << 8 | u128::from(*byte);
    }
    number
}
