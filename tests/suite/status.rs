//! Where a request stands, and who may know.

use serde_json::json;

use crate::dicom;
use crate::site::Site;

#[test]
fn a_request_has_xnats_fields_and_our_counts() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let done = site.import("P", "P/s", &labels);
    let status = &done.status;
    assert_eq!(status["id"], 1);
    assert_eq!(status["status"], "Completed");
    assert_eq!(status["username"], "ada");
    assert_eq!(status["enabled"], true);
    assert_eq!(status["cleanupAfterImport"], false);
    let path = site.path("inbox/P/s");
    assert_eq!(status["sessionPath"].as_str(), path.to_str());
    let expected = json!({
        "import-handler": "inbox", "PROJECT_ID": "P", "path": path.to_str(),
        "SUBJECT_ID": "S1", "EXPT_LABEL": "E1",
    });
    assert_eq!(status["parameters"], expected);
    let time = |name: &str| status[name].as_i64().unwrap();
    let order = ["created", "started", "finished", "timestamp"].map(time);
    assert!(
        order.is_sorted() && order[0] > 1_600_000_000_000,
        "{order:?}"
    );
    assert_eq!(status["ruleSet"].as_str().unwrap().len(), 64);
    let report = done.report.as_ref().unwrap();
    assert_eq!(report["ruleSet"], status["ruleSet"]);
    assert_eq!(done.resolution(), done.session()["uri"].as_str().unwrap());
    let again = site.get("ada", "/xapi/dicom/1?format=json").json();
    assert_eq!(&again, status);
}

#[test]
fn users_see_their_own_requests_and_an_administrator_all() {
    let site = Site::new();
    dicom::study(&site.inbox("P/a"), 1, 1, 1);
    dicom::study(&site.inbox("P/b"), 2, 1, 1);
    site.import("P", "P/a", &[]);
    let otto = site.call_import("otto", "P", "P/b", &[]);
    assert_eq!(otto.text(), "/xapi/dicom/2\r\n");
    site.ended("/xapi/dicom/2");

    let ids = |user: &str| -> Vec<i64> {
        let all = site.get(user, "/xapi/dicom/list/all").json();
        let all = all.as_array().unwrap().iter();
        all.map(|request| request["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids("ada"), [1]);
    assert_eq!(ids("otto"), [2]);
    assert_eq!(ids("eve"), [0_i64; 0]);
    assert_eq!(ids("root"), [1, 2]);
    for path in ["/xapi/dicom/1", "/xapi/dicom/1/report"] {
        assert_eq!(site.get("ada", path).status, 200);
        assert_eq!(site.get("root", path).status, 200);
        assert_eq!(site.get("", path).status, 401);
        let foreign = site.get("otto", path);
        assert_eq!((foreign.status, foreign.text()), (404, ""), "{path}");
    }
    let missing = site.get("root", "/xapi/dicom/77");
    assert_eq!((missing.status, missing.text()), (404, ""));
    for user in ["ada", "otto", "root"] {
        assert_eq!(site.get(user, "/xapi/dicom/list/active").json(), json!([]));
    }
}

#[test]
fn the_command_line_tells_the_same_as_the_server() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let done = site.import("P", "P/s", &[]);
    let listed = site.command(&["request", "list"], "");
    assert_eq!(listed, "1\tCompleted\tada\tP\t2 found\t2 stored\n");
    assert_eq!(site.command(&["request", "list", "--active"], ""), "");
    let report = site.command(&["request", "report", "1"], "");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(Some(report), done.report);
}
