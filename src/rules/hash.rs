//! One hash over everything that something is made of.

use sha2::{Digest, Sha256};

/// SHA-256 over parts, each with its length, so that no two lists of parts look alike.
pub struct ContentHash(Sha256);

impl ContentHash {
    /// `domain` says what is hashed.
    pub fn new(domain: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.part(domain.as_bytes());
        hash
    }

    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}
