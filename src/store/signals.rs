//! What those who wait are told: a request was queued, a request has changed, a notice is to be sent.
//!
//! A transaction collects what it has to say; it is said once it is committed, in this process and, on
//! PostgreSQL, in all others. SQLite's other processes look again now and then.

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};

/// Changes that a slow listener may be behind; further behind, it looks for itself.
const REMEMBERED_CHANGES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    RequestAdded,
    RequestChanged(i64),
    NoticeAdded,
}

impl Word {
    /// As one process sends it to another.
    pub fn to_text(self) -> String {
        match self {
            Word::RequestAdded => "request-added".into(),
            Word::RequestChanged(id) => format!("request-changed {id}"),
            Word::NoticeAdded => "notice-added".into(),
        }
    }

    /// None for what a later release may say.
    pub fn from_text(text: &str) -> Option<Word> {
        match text.split_once(' ') {
            None if text == "request-added" => Some(Word::RequestAdded),
            None if text == "notice-added" => Some(Word::NoticeAdded),
            Some(("request-changed", id)) => Some(Word::RequestChanged(id.parse().ok()?)),
            _ => None,
        }
    }
}

/// Who waits in this process.
#[derive(Clone)]
pub(super) struct Signals {
    pub request_added: Arc<Notify>,
    pub notice_added: Arc<Notify>,
    pub request_changed: broadcast::Sender<i64>,
}

impl Signals {
    pub fn new() -> Signals {
        Signals {
            request_added: Arc::default(),
            notice_added: Arc::default(),
            request_changed: broadcast::channel(REMEMBERED_CHANGES).0,
        }
    }

    pub fn say(&self, word: Word) {
        match word {
            Word::RequestAdded => self.request_added.notify_one(),
            Word::NoticeAdded => self.notice_added.notify_one(),
            // No listener is no error.
            Word::RequestChanged(id) => _ = self.request_changed.send(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Word;

    #[test]
    fn words_are_heard_as_they_are_said() {
        for word in [
            Word::RequestAdded,
            Word::RequestChanged(17),
            Word::NoticeAdded,
        ] {
            assert_eq!(Word::from_text(&word.to_text()), Some(word));
        }
        assert_eq!(Word::from_text("rules-changed DEMO"), None);
    }
}
