//! Every listing in every form that a caller may ask for: JSON, CSV, XML's table of results, a page; columns, order
//! and pages.

use std::collections::BTreeSet;

use crate::dicom;
use crate::site::Site;

/// A site with two archived sessions of project AUTO, CT of two series each, and one that waits in P.
fn site() -> Site {
    let site = Site::new();
    for (number, label) in [(1, "E1"), (2, "E2")] {
        dicom::study(&site.inbox(&format!("AUTO/{label}")), number, 2, 1);
        let subject = if number == 1 { "S1" } else { "S2" };
        let labels = [("SUBJECT_ID", subject), ("EXPT_LABEL", label)];
        let done = site.import("AUTO", &format!("AUTO/{label}"), &labels);
        assert_eq!(done.session()["status"], "ARCHIVED");
    }
    dicom::study(&site.inbox("P/s"), 3, 1, 1);
    site.import("P", "P/s", &[("SUBJECT_ID", "S3"), ("EXPT_LABEL", "E3")]);
    site
}

/// Addresses of all listings, each with a column and how many rows it has.
const LISTINGS: [(&str, &str, usize); 13] = [
    ("/data/projects", "ID", 2),
    ("/data/archive/projects", "ID", 2),
    ("/data/subjects", "label", 2),
    ("/data/projects/AUTO/subjects", "label", 2),
    ("/data/experiments", "label", 2),
    ("/data/projects/AUTO/experiments", "label", 2),
    ("/data/projects/AUTO/subjects/S1/experiments", "label", 1),
    (
        "/data/projects/AUTO/subjects/S1/experiments/E1/scans",
        "ID",
        2,
    ),
    (
        "/data/archive/projects/AUTO/subjects/S1/experiments/E1/scans/1/resources",
        "label",
        1,
    ),
    (
        "/data/projects/AUTO/experiments/E1/resources?all=true",
        "label",
        2,
    ),
    (
        "/data/projects/AUTO/subjects/S1/experiments/E1/scans/ALL/files",
        "Name",
        2,
    ),
    ("/data/prearchive/projects", "name", 1),
    ("/data/prearchive/projects/P", "name", 1),
];

#[test]
fn every_listing_says_the_same_in_every_form() {
    let site = site();
    for (address, column, number) in LISTINGS {
        let with = |more: &str| match address.contains('?') {
            true => format!("{address}&{more}"),
            false => format!("{address}?{more}"),
        };
        let rows = site.get("ada", &with("format=json")).rows();
        assert_eq!(rows.len(), number, "{address}: {rows:?}");
        let values: BTreeSet<&str> = rows
            .iter()
            .map(|row| row[column].as_str().unwrap())
            .collect();

        let csv = site.get("ada", &with("format=csv"));
        assert_eq!(
            (csv.status, csv.kind.as_str()),
            (200, "text/csv; charset=utf-8"),
            "{address}"
        );
        let mut lines = csv.text().lines();
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert!(head.contains(&column), "{address}: {head:?}");
        assert_eq!(lines.count(), rows.len(), "{address}");

        let xml = site.get("ada", &with("format=xml"));
        assert_eq!(
            (xml.status, xml.kind.as_str()),
            (200, "text/xml; charset=utf-8"),
            "{address}"
        );
        assert_eq!(xml.text().matches("<row>").count(), rows.len(), "{address}");
        assert!(
            xml.text()
                .contains(&format!("totalRecords=\"{}\"", rows.len())),
            "{address}"
        );
        let html = site.get("ada", &with("format=html"));
        assert_eq!(html.kind, "text/html; charset=utf-8", "{address}");
        for value in values {
            assert!(
                xml.text().contains(&format!("<cell>{value}</cell>")),
                "{address}: {value}"
            );
            assert!(
                html.text().contains(&format!("<td>{value}</td>")),
                "{address}: {value}"
            );
        }
        for wrong in ["format=pdf", "limit=x", "sortBy=nothing", "sortOrder=up"] {
            assert_eq!(
                site.get("ada", &with(wrong)).status,
                400,
                "{address} {wrong}"
            );
        }
    }
}

#[test]
fn rows_come_in_the_order_and_the_pages_that_are_asked_for() {
    let site = site();
    let labels = |more: &str| {
        let answer = site.get("ada", &format!("/data/projects/AUTO/experiments?{more}"));
        let total = answer.header("x-total-count").to_owned();
        let rows = answer.rows();
        let labels = rows
            .iter()
            .map(|row| row["label"].as_str().unwrap().to_owned());
        (labels.collect::<Vec<_>>(), total)
    };
    assert_eq!(
        labels("sortBy=label&sortOrder=desc"),
        (vec!["E2".into(), "E1".into()], String::new())
    );
    assert_eq!(
        labels("sortBy=label&limit=1"),
        (vec!["E1".into()], "2".into())
    );
    assert_eq!(
        labels("sortBy=label&limit=1&offset=1"),
        (vec!["E2".into()], "2".into())
    );
    assert_eq!(labels("limit=5&offset=9"), (vec![], "2".into()));
}

#[test]
fn columns_are_chosen_where_xnat_lets_them_and_the_header_chooses_a_form() {
    let site = site();
    let path = "/data/projects/AUTO/experiments?columns=label,xnat:subjectAssessorData/subject_id,none&format=csv";
    let csv = site.get("ada", path);
    assert_eq!(
        csv.text().lines().next(),
        Some("ID,xsiType,label,subject_ID,URI")
    );
    // pyxnat asks the files' listing for columns that it does not have.
    let files =
        "/data/projects/AUTO/experiments/E1/scans/ALL/files?columns=path,xsiType&format=csv";
    let head = site
        .get("ada", files)
        .text()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    assert!(head.starts_with("Name,Size,URI,"), "{head}");
    let kind = |path: &str| {
        let answer = site.open("ada", path, &[("Accept", "text/csv")]);
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(kind("/data/projects"), "text/csv; charset=utf-8");
    assert_eq!(kind("/data/projects?format=json"), "application/json");
}

#[test]
fn objects_are_items_with_children_and_documents() {
    let site = site();
    let experiment = site
        .get(
            "ada",
            "/data/projects/AUTO/subjects/S1/experiments/E1?format=json",
        )
        .json();
    let item = &experiment["items"][0];
    assert_eq!(item["children"][0]["field"], "scans/scan");
    let scans = item["children"][0]["items"].as_array().unwrap();
    assert_eq!(scans.len(), 2);
    assert_eq!(scans[0]["data_fields"]["ID"], "1");
    assert_eq!(
        scans[0]["children"][0]["items"][0]["data_fields"]["label"],
        "DICOM"
    );
    let subject = site
        .get("ada", "/data/projects/AUTO/subjects/S1?format=json")
        .json();
    let below = &subject["items"][0]["children"][0];
    assert_eq!(
        (&below["field"], &below["items"][0]["data_fields"]["label"]),
        (&"experiments/experiment".into(), &"E1".into())
    );
    for (address, root) in [
        ("/data/projects/AUTO", "<xnat:Project ID=\"AUTO\""),
        ("/data/projects/AUTO/subjects/S1", "<xnat:Subject ID=\""),
        (
            "/data/projects/AUTO/subjects/S1/experiments/E1",
            "<xnat:CTSession ID=\"",
        ),
        (
            "/data/projects/AUTO/subjects/S1/experiments/E1/scans/1",
            "<xnat:CTScan ID=\"1\"",
        ),
    ] {
        let xml = site.get("ada", &format!("{address}?format=xml"));
        assert_eq!(xml.kind, "text/xml; charset=utf-8", "{address}");
        assert!(xml.text().contains(root), "{address}: {}", xml.text());
        assert_eq!(
            site.get("ada", &format!("{address}?format=csv")).status,
            400,
            "{address}"
        );
    }
    let waiting = site.get("ada", "/data/prearchive/projects/P").rows();
    let uri = waiting[0]["url"].as_str().unwrap();
    let xml = site.get("ada", &format!("/data{uri}?format=xml"));
    assert!(
        xml.text()
            .contains("<xnat:CTSession project=\"P\" label=\"E3\""),
        "{}",
        xml.text()
    );
}

#[test]
fn what_a_session_holds_is_reached_by_every_way_to_it() {
    let site = site();
    let id = site
        .get("ada", "/data/projects/AUTO/experiments/E1?format=json")
        .json();
    let id = id["items"][0]["data_fields"]["ID"]
        .as_str()
        .unwrap()
        .to_owned();
    for parent in [
        format!("/data/experiments/{id}"),
        "/data/projects/AUTO/experiments/E1".into(),
        "/data/projects/AUTO/subjects/S1/experiments/E1".into(),
        "/data/archive/projects/AUTO/subjects/S1/experiments/E1".into(),
        format!("/data/archive/experiments/{id}"),
        format!("/REST/experiments/{id}"),
    ] {
        assert_eq!(
            site.get("ada", &format!("{parent}/scans")).rows().len(),
            2,
            "{parent}"
        );
        assert_eq!(
            site.get("ada", &format!("{parent}/resources")).rows().len(),
            0,
            "{parent}"
        );
        let resources = site
            .get("ada", &format!("{parent}/scans/2/resources"))
            .rows();
        let number = resources[0]["xnat_abstractresource_id"].as_str().unwrap();
        for below in [
            "scans/2/files",
            "scans/2/resources/DICOM/files",
            &format!("resources/{number}/files"),
        ] {
            let files = site.get("ada", &format!("{parent}/{below}")).rows();
            assert_eq!(files.len(), 1, "{parent}/{below}");
            let name = files[0]["Name"].as_str().unwrap();
            let file = site.get("ada", &format!("{parent}/{below}/{name}"));
            assert_eq!(
                (file.status, file.kind.as_str()),
                (200, "application/dicom"),
                "{parent}/{below}"
            );
        }
        for zip in [
            "?format=zip",
            "/scans/2?format=zip",
            "/scans/2/files?format=zip",
            "/files?format=zip",
        ] {
            assert_eq!(
                site.get("ada", &format!("{parent}{zip}")).kind,
                "application/zip",
                "{parent}{zip}"
            );
        }
        assert_eq!(
            site.get("ada", &format!("{parent}/scans/9")).status,
            404,
            "{parent}"
        );
    }
}
