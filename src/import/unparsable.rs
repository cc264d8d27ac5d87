//! Whether an upload may hold what is no DICOM object: `Ignore-Unparsable`.
//!
//! As in XNAT, one such file fails a call to `DICOM-zip`, and nothing of it is stored. For `SI`, whose archives hold
//! other files too, only objects that are damaged, and members that can't be had, count.

use super::Job;
use super::outcome::{FileState, Outcome};

impl Job<'_> {
    /// Why nothing of an upload may be stored; none if it may, or if this is no upload.
    pub(super) fn unparsable(&self, files: &[FileState]) -> Option<String> {
        let parameter = |name: &str| self.request.parameters.get(name).map(String::as_str);
        let ignores =
            parameter("Ignore-Unparsable").is_some_and(|s| s.eq_ignore_ascii_case("true"));
        let may_hold_others = match parameter("import-handler") {
            Some("DICOM-zip") => false,
            Some("SI") => true,
            _ => return None,
        };
        let is_bad = |file: &&FileState| match file.outcome() {
            Outcome::Unreadable | Outcome::CutShort => true,
            Outcome::NotDicom => !may_hold_others,
            _ => false,
        };
        let bad: Vec<&FileState> = files.iter().filter(is_bad).collect();
        let first = bad.first().filter(|_| !ignores)?;
        let others = match bad.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "Nothing was stored: unable to read DICOM object {}{others}. With Ignore-Unparsable=true what can be \
             read is imported.",
            first.found.display()
        ))
    }
}
