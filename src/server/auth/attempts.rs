//! Passwords tried for each name, so that nobody tries them by the thousand.
//!
//! Each of the first few is verified at once; after that a try has to be so long after the one before, twice as long
//! each time, up to a minute. A right one ends the count. An open session, and a password that was verified a
//! short while ago, are not asked to wait: who tries passwords does not shut out those who work. Names that
//! nobody has are counted too, as the answer would tell them apart.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ApiError;

/// So many may be wrong before it costs time.
const FREE: u32 = 8;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// After so long without a try, a name starts anew.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

/// Far more than there are names in use; a bound for those that are made up.
const NAMES: usize = 16_384;

#[derive(Default)]
pub struct Attempts {
    hasher: RandomState,
    tried: Mutex<HashMap<u64, Tried>>,
}

#[derive(Clone, Copy)]
struct Tried {
    times: u32,
    last: Instant,
}

impl Tried {
    /// How long after the last try the next one may be.
    fn wait(self) -> Duration {
        match self.times.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(more) => (FIRST_WAIT * 2_u32.saturating_pow(more.min(6))).min(LONGEST_WAIT),
        }
    }
}

impl Attempts {
    /// Counts a try before it is verified, so that many at once gain nothing.
    pub fn begin(&self, name: &str, now: Instant) -> Result<(), ApiError> {
        let key = self.hasher.hash_one(name);
        let mut tried = self.lock();
        if !tried.contains_key(&key) && tried.len() >= NAMES {
            make_room(&mut tried, now);
        }
        if !tried.contains_key(&key) && tried.len() >= NAMES {
            return Err(too_many(LONGEST_WAIT));
        }
        let so_far = tried.entry(key).or_insert(Tried {
            times: 0,
            last: now,
        });
        let since = now.saturating_duration_since(so_far.last);
        if since >= FORGOTTEN {
            so_far.times = 0;
        }
        match so_far.wait().checked_sub(since) {
            Some(left) if !left.is_zero() => Err(too_many(left)),
            _ => {
                so_far.times += 1;
                so_far.last = now;
                Ok(())
            }
        }
    }

    /// After a right password.
    pub fn forget(&self, name: &str) {
        self.lock().remove(&self.hasher.hash_one(name));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Tried>> {
        // The map is whole after any panic: each change of it is one call.
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names that have to wait stay, whatever is made up beside them.
fn make_room(tried: &mut HashMap<u64, Tried>, now: Instant) {
    let is_recent = |t: &Tried| now.saturating_duration_since(t.last) < FORGOTTEN;
    tried.retain(|_, t| is_recent(t) && t.times >= FREE);
}

fn too_many(wait: Duration) -> ApiError {
    let seconds = wait.as_secs() + 1;
    ApiError::TooMany {
        message: format!("Too many wrong passwords for this name; try again in {seconds} s.")
            .into(),
        seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(attempts: &Attempts, name: &str, now: Instant) -> bool {
        attempts.begin(name, now).is_ok()
    }

    #[test]
    fn the_first_few_are_free_and_then_each_waits_longer() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        assert!((0..FREE).all(|_| may(&attempts, "ada", start)));
        let mut now = start;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = Duration::from_secs(wait);
            assert!(!may(
                &attempts,
                "ada",
                now + wait - Duration::from_millis(1)
            ));
            now += wait;
            assert!(may(&attempts, "ada", now), "after {wait:?}");
        }
        assert!(may(&attempts, "grace", now), "others go by their own count");
        assert!(may(&attempts, "ada", now + FORGOTTEN));
        assert!(
            may(&attempts, "ada", now + FORGOTTEN),
            "the count started anew"
        );
    }

    #[test]
    fn a_right_password_ends_the_count() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        assert!((0..FREE).all(|_| may(&attempts, "ada", now)));
        attempts.forget("ada");
        assert!((0..FREE).all(|_| may(&attempts, "ada", now)));
        assert!(!may(&attempts, "ada", now));
    }

    #[test]
    fn made_up_names_take_bounded_room_and_free_nobody() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        assert!((0..FREE).all(|_| may(&attempts, "ada", now)));
        for number in 0..2 * NAMES {
            let _ = attempts.begin(&format!("made up {number}"), now);
        }
        assert!(attempts.lock().len() <= NAMES);
        assert!(!may(&attempts, "ada", now));
    }
}
