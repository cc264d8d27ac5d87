//! What a process knows of a project's rules between two looks at the folder.

use crate::rules::{RuleSet, RuleSetError};
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Known {
    pub active: Option<Arc<RuleSet>>,
    pub error: Option<RuleSetError>,
    /// The hash of what this process last read from the folder.
    pub seen: Option<String>,
    /// It read something else before, or nothing, and has not made this active yet.
    pub is_news: bool,
    /// The folder holds an earlier version, and is not followed.
    pub is_held: bool,
}

impl Known {
    pub fn is(&mut self, rule_set: &Arc<RuleSet>) {
        self.active = Some(rule_set.clone());
        self.settle(rule_set.hash());
    }

    /// The folder holds this, and nothing is to be done about it.
    pub fn settle(&mut self, draft: &str) {
        self.seen = Some(draft.to_owned());
        (self.error, self.is_news, self.is_held) = (None, false, false);
    }

    /// Whether the folder has changed to this since this process last looked. What it sees first is news, too: it
    /// may have been edited while no server ran.
    pub fn see(&mut self, draft: &str) -> bool {
        if self.seen.as_deref() != Some(draft) {
            self.is_news = true;
            self.seen = Some(draft.to_owned());
        }
        self.is_news
    }

    /// Whether it was so already.
    pub fn hold(&mut self) -> bool {
        self.error = None;
        std::mem::replace(&mut self.is_held, true)
    }
}
