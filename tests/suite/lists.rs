//! Lists of requests: filters and pages.

use serde_json::{Value, json};

use crate::dicom;
use crate::site::Site;

/// Five requests: ada's 1 (P, Completed), 2 (AUTO, Completed), 3 (P, Failed); otto's 4 and 5 (P).
fn five() -> Site {
    let site = Site::new();
    for (number, folder) in ["P/one", "AUTO/two", "P/four", "P/five"].iter().enumerate() {
        dicom::study(&site.inbox(folder), number as u32, 1, 1);
    }
    std::fs::write(site.inbox("P/100%_d\u{f6}ne").join("x.txt"), "no picture").unwrap();
    let labels = [("SUBJECT_ID", "Subj_A"), ("EXPT_LABEL", "First")];
    site.import("P", "P/one", &labels);
    site.import("AUTO", "AUTO/two", &[("EXPT_LABEL", "Second")]);
    site.import("P", "P/100%_d\u{f6}ne", &[("EXPT_LABEL", "Third")]);
    for folder in ["P/four", "P/five"] {
        let answer = site.call_import("otto", "P", folder, &[]);
        site.ended(answer.text().trim_end());
    }
    site
}

fn ids(list: &Value) -> Vec<i64> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row["id"].as_i64().unwrap()).collect()
}

#[test]
fn filters_and_pages_of_a_list() {
    let site = five();
    let list = |query: &[(&str, &str)]| {
        let answer = site.call("root", "GET", "/xapi/dicom/list/all", query);
        assert_eq!(answer.status, 200, "{query:?}: {}", answer.text());
        (
            ids(&answer.json()),
            answer.header("x-total-count").to_owned(),
        )
    };
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [i64], &'a str);
    let cases: &[Case<'_>] = &[
        (&[], &[1, 2, 3, 4, 5], "5"),
        (&[("format", "json"), ("q", "")], &[1, 2, 3, 4, 5], "5"),
        (&[("order", "desc"), ("limit", "2")], &[5, 4], "5"),
        (&[("limit", "2"), ("offset", "3")], &[4, 5], "5"),
        (&[("limit", "2"), ("offset", "9")], &[], "5"),
        (&[("offset", "4")], &[5], "5"),
        (&[("status", "failed")], &[3], "1"),
        (&[("status", "Queued,Failed")], &[3], "1"),
        (&[("status", "Queued")], &[], "0"),
        (&[("project", "AUTO")], &[2], "1"),
        (&[("username", "otto"), ("order", "desc")], &[5, 4], "2"),
        (&[("username", "nobody")], &[], "0"),
        (
            &[("since", "2000-01-01"), ("before", "2001-01-01T00:00:00Z")],
            &[],
            "0",
        ),
        (&[("since", "2000-01-01")], &[1, 2, 3, 4, 5], "5"),
        (&[("q", "FIRST")], &[1], "1"),
        (&[("q", "subj_a")], &[1], "1"),
        (&[("q", "p/f")], &[4, 5], "2"),
        (&[("q", "100%_")], &[3], "1"),
        (&[("q", "D\u{f6}NE")], &[3], "1"),
        (&[("q", "third")], &[3], "1"),
        (&[("q", "hird")], &[], "0"),
        (&[("q", "no valid dicom")], &[3], "1"),
        (&[("q", "inbox-handler\"")], &[], "0"),
        (
            &[("project", "P"), ("status", "Completed"), ("limit", "1")],
            &[1],
            "3",
        ),
    ];
    for (query, expected, total) in cases {
        let (ids, counted) = list(query);
        assert_eq!(
            (ids.as_slice(), counted.as_str()),
            (*expected, *total),
            "{query:?}"
        );
    }
    let created = site.get("root", "/xapi/dicom/3").json()["created"].to_string();
    assert_eq!(list(&[("since", &created)]).0, [3, 4, 5]);
    assert_eq!(list(&[("before", &created)]).0, [1, 2]);
    // Each with its own sessions.
    let all = site.get("root", "/xapi/dicom/list/all").json();
    for row in all.as_array().unwrap() {
        let one = site
            .get("root", &format!("/xapi/dicom/{}", row["id"]))
            .json();
        assert_eq!(row, &one);
    }
    let active = site.get("root", "/xapi/dicom/list/active?status=Completed");
    assert_eq!(
        (active.json(), active.header("x-total-count")),
        (json!([]), "0")
    );
}

#[test]
fn a_list_is_of_ones_own_requests_whatever_is_asked() {
    let site = five();
    for query in ["", "?username=ada", "?q=p/", "?q=%25"] {
        let answer = site.get("ada", &format!("/xapi/dicom/list/all{query}"));
        assert!(!ids(&answer.json()).iter().any(|id| *id > 3), "{query}");
    }
    let others = site.get("ada", "/xapi/dicom/list/all?username=otto");
    assert_eq!(others.status, 403);
    assert_eq!(
        site.get("ada", "/xapi/dicom/list/all?limit=1")
            .header("x-total-count"),
        "3"
    );
}

#[test]
fn a_bad_value_is_refused_and_the_allowed_ones_are_named() {
    let site = Site::new();
    for (query, named) in [
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("limit=x", "1 to 1000"),
        ("offset=-1", "from 0"),
        ("order=up", "asc"),
        (
            "status=Running",
            "Queued, Accepted, Trawling, Importing, Processed, Completed, Failed",
        ),
        ("status=Failed,,x", "Queued"),
        ("since=yesterday", "2026-01-31"),
        ("before=2026-13-01", "2026-01-31"),
    ] {
        for list in ["all", "active"] {
            let answer = site.get("root", &format!("/xapi/dicom/list/{list}?{query}"));
            assert_eq!(answer.status, 400, "{query}");
            assert!(answer.text().contains(named), "{query}: {}", answer.text());
        }
    }
}
