//! Keyed pseudonyms: stable within a project, unlinkable across projects.

/// One project's pseudonym service. The key is never shown to a module.
pub struct Pseudonyms;

impl Pseudonyms {
    pub fn new(_key: &[u8]) -> Self {
        unimplemented!()
    }
    pub fn uid(&self, _original: &str) -> String {
        unimplemented!()
    }
    pub fn label(&self, _domain: &str, _original: &str, _digits: u32) -> String {
        unimplemented!()
    }
    pub fn days(&self, _subject: &str, _max: u32) -> i32 {
        unimplemented!()
    }
    pub fn shift_date(&self, _date: &str, _days: i32) -> Option<String> {
        unimplemented!()
    }
}
