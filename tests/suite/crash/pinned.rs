//! An import that a crash cuts off goes on under the rules that it began with, whatever is active by then: others
//! would make another of the files that it has stored already.

use serde_json::json;

use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

fn policy(site: &Site, mark: &str) {
    let code =
        format!(r#"fn anonymize(ds, ctx) {{ ds.set("StudyDescription", "{mark}"); keep() }}"#);
    site.rhai(mark, "anonymize", &[], &["StudyDescription"], &code);
    site.policy("P", &json!({ "anonymize": [{ "module": mark }] }));
}

#[test]
fn rules_that_come_alive_meanwhile_are_for_the_next_import() {
    for point in ["import.pinned", "commit.begun", "commit.finished"] {
        let mut site = Site::prepared();
        policy(&site, "before");
        dicom::study(&site.inbox("P/s"), 1, 1, 4);
        site.serve_doomed(&[("FAILPOINTS", &format!("{point}=return"))]);
        let address = site.queue("P", "P/s", &[]);
        wait_for("the crash", || site.is_dead().then_some(()));
        site.end();

        policy(&site, "after");
        site.serve(&[]);
        let done = site.ended(&address);
        assert_eq!(done.outcomes(), "4 stored", "died at {point}");
        let next = site.import("P", "P/s", &[]);
        assert_ne!(next.status["ruleSet"], done.status["ruleSet"], "{point}");
        site.stop();
    }
}
