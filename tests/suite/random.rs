//! Moments and choices that a test draws: the same for the same seed, which it prints.

/// Sets the seed.
const SEED: &str = "SLUICE_TEST_SEED";

/// Knuth's 64-bit generator: no more than moments to kill at hang on it.
pub struct Random {
    pub seed: u64,
    state: u64,
}

impl Random {
    pub fn new() -> Random {
        let given = std::env::var(SEED).ok();
        let seed = given.map_or_else(
            || u64::from(std::process::id()),
            |seed| seed.parse().unwrap(),
        );
        println!("{SEED}={seed}");
        Random { seed, state: seed }
    }

    /// From 0 to 1.
    pub fn next(&mut self) -> f64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 to one below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.next() * count as f64) as usize).min(count - 1)
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
