//! Turns at a study: imports of one study overtake each other, as each plans with what is stored when it meets the
//! study and can't commit when that has changed since. The one that is overtaken reserves its studies for its next
//! try, so that a large import ends beside any number of small ones.

use super::gate::lock;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No import waits longer for another's turn: two that each wait for what the other has reserved go on then.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often one that waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Of one process. Between processes only chance decides who is overtaken.
#[derive(Debug, Default)]
pub struct Turns {
    state: Mutex<State>,
    freed: std::sync::Condvar,
}

/// Studies by their keys, imports by their requests.
#[derive(Debug, Default)]
struct State {
    met: HashMap<i64, HashSet<String>>,
    reserved: HashMap<String, i64>,
}

/// An import's part in them, from its first try to its end.
pub struct Turn<'a> {
    turns: &'a Turns,
    request: i64,
}

impl Turns {
    pub fn of(&self, request: i64) -> Turn<'_> {
        Turn {
            turns: self,
            request,
        }
    }

    /// Waits until nobody else has the study reserved. `check` says whether to go on waiting.
    ///
    /// # Errors
    /// That of `check`.
    pub fn meet<E>(
        &self,
        request: i64,
        study: &str,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<(), E> {
        let since = Instant::now();
        let mut state = lock(&self.state);
        let is_anothers = |state: &State| state.reserved.get(study).is_some_and(|r| *r != request);
        while is_anothers(&state) && since.elapsed() < LONGEST_WAIT {
            check()?;
            let waited = self.freed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
            .met
            .entry(request)
            .or_default()
            .insert(study.to_owned());
        Ok(())
    }
}

impl Turn<'_> {
    /// Reserves the studies that the import has met, those that nobody else has reserved.
    pub fn overtaken(&self) {
        let mut state = lock(&self.turns.state);
        for study in state.met.remove(&self.request).unwrap_or_default() {
            state.reserved.entry(study).or_insert(self.request);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        state.met.remove(&self.request);
        state.reserved.retain(|_, request| *request != self.request);
        self.turns.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_overtaken_comes_next() {
        let turns = Turns::default();
        let stopped = || Err("stopped");
        let (one, other) = (turns.of(1), turns.of(2));
        turns.meet(1, "study", stopped).expect("free");
        turns.meet(2, "study", stopped).expect("free");
        one.overtaken();
        other.overtaken();
        turns.meet(1, "study", stopped).expect("its own");
        assert_eq!(turns.meet(2, "study", stopped), Err("stopped"));
        drop(one);
        turns.meet(2, "study", stopped).expect("free again");
    }
}
