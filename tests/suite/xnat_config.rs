//! XNAT's configuration service, for the settings that are known: series import filters, routing expressions and
//! scripts; and the quarantine code.

use serde_json::{Value, json};

use crate::dicom;
use crate::site::Site;

const FILTER: &str = "/data/config/seriesImportFilter/config";
const FILTER_OF_P: &str = "/data/projects/P/config/seriesImportFilter/config";

fn filter(mode: &str, lines: &str) -> Value {
    json!({ "mode": mode, "list": lines, "enabled": "true" })
}

#[test]
fn site_and_project_filter_must_both_accept() {
    let site = Site::new();
    assert_eq!(site.get("root", FILTER).status, 404);
    let created = site.put_json(
        "root",
        &format!("{FILTER}?reason=no+MR"),
        &filter("blacklist", "[Modality]\n^MR$"),
    );
    assert_eq!(created.status, 201, "{}", created.text());
    let import = |number: u32| {
        let below = format!("P/s{number}");
        dicom::study(&site.inbox(&below), number, 1, 2);
        site.import("P", &below, &[]).outcomes()
    };
    assert_eq!(import(1), "2 stored", "these are CT");
    let own =
        json!({ "contents": filter("whitelist", "[InstanceNumber]\n^1$"), "status": "enabled" });
    assert_eq!(site.put_json("otto", FILTER_OF_P, &own).status, 201);
    assert_eq!(import(2), "1 stored, 1 filtered");
    let off = format!("{FILTER_OF_P}?status=disabled");
    assert_eq!(site.call("otto", "PUT", &off, &[]).status, 200);
    assert_eq!(import(3), "2 stored");
    let put = site.put_json("root", FILTER, &filter("blacklist", "[Modality]\nEXISTS"));
    assert_eq!(put.status, 200);
    assert_eq!(import(4), "2 filtered");

    let rows = site.get("root", FILTER).rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["version"], &rows[0]["user"]),
        (&json!("2"), &json!("root"))
    );
    assert_eq!(rows[0]["status"], "enabled");
    let first = site.get("root", &format!("{FILTER}?version=1")).rows();
    assert_eq!(first[0]["reason"], "no MR");
    let text = site.get("root", &format!("{FILTER}?contents=true"));
    assert_eq!(text.json(), filter("blacklist", "[Modality]\nEXISTS"));
    let of_p = site.get("otto", &format!("{FILTER_OF_P}?format=csv"));
    assert!(of_p.text().contains(",disabled\n"), "{}", of_p.text());
    // The same that policies hold.
    let policy = site.get("root", "/xapi/rules/site/policy").json();
    assert_eq!(
        policy["series_filters"]["list"],
        json!(["[Modality]", "EXISTS"])
    );
}

#[test]
fn what_can_not_be_used_is_refused_by_the_call() {
    let site = Site::new();
    for (body, part) in [
        (
            filter("blacklist", "scout\n(unclosed"),
            "/series_filters/list/1",
        ),
        (
            filter("blacklist", "[SeriesDescripton]\nx"),
            "neither a DICOM keyword",
        ),
        (
            json!({ "mode": "modalityMap", "PT": "'#Modality#' == 'PT'" }),
            "JavaScript",
        ),
        (json!({ "status": "sometimes" }), "enabled or disabled"),
    ] {
        let answer = site.put_json("otto", FILTER_OF_P, &body);
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
    assert_eq!(site.call("otto", "PUT", FILTER_OF_P, &[]).status, 400);
    assert_eq!(site.get("otto", FILTER_OF_P).status, 404);
    for unknown in [
        "/data/config/other/path",
        "/data/config/dicom/otherRules",
        "/data/config/other",
    ] {
        let answer = site.get("root", unknown);
        assert_eq!(answer.status, 404);
        assert!(
            answer.text().contains("seriesImportFilter/config"),
            "{}",
            answer.text()
        );
    }
    let of_project = site.put_text(
        "otto",
        "/data/projects/P/config/dicom/projectRules",
        "(0008,1030):(.*)",
    );
    assert_eq!(of_project.status, 404);
}

#[test]
fn routing_expressions_label_what_the_call_does_not() {
    let site = Site::new();
    let rules = "/data/config/dicom/subjectRules";
    let bad = site.put_text("root", rules, "(0010,0020):(.*)\nnonsense");
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("line 2"), "{}", bad.text());
    let put = site.put_text("root", rules, "(0008,0060):(.*)");
    assert_eq!(put.status, 201, "{}", put.text());
    let own = "/data/projects/P/config/dicom/sessionRules";
    assert_eq!(site.put_text("otto", own, "(0008,0060):(C)T").status, 201);
    let subject = |project: &str, number: u32| {
        let below = format!("{project}/s{number}");
        dicom::study(&site.inbox(&below), number, 1, 1);
        let done = site.import(project, &below, &[]);
        let session = done.session();
        (session["subject"].clone(), session["label"].clone())
    };
    assert_eq!(subject("AUTO", 1).0, "CT");
    assert_eq!(subject("P", 2), (json!("CT"), json!("C")));
    let off = format!("{own}?status=disabled");
    assert_eq!(site.call("otto", "PUT", &off, &[]).status, 200);
    assert_ne!(subject("P", 3).1, "C");
    let tools = site.get("root", "/data/config").rows();
    assert_eq!(
        tools,
        [json!({ "tool": "anon" }), json!({ "tool": "dicom" })]
    );
    let rows = site.get("root", "/data/config/dicom").rows();
    assert_eq!(rows[0]["path"], "subjectRules");
    assert_eq!(rows[0]["contents"], "(0008,0060):(.*)");
}

#[test]
fn the_older_addresses_of_scripts_are_those_of_the_same_scripts() {
    let site = Site::new();
    let script = "version \"6.6\"\n(0008,1030) := \"older\"\n";
    let of_p = "/data/config/edit/projects/P/image/dicom";
    assert_eq!(
        site.put_text("otto", &format!("{of_p}/script"), script)
            .status,
        200
    );
    assert_eq!(
        site.get("otto", "/xapi/anonymize/projects/P").text(),
        script
    );
    let row = &site.get("otto", &format!("{of_p}/script")).rows()[0];
    assert_eq!(
        (&row["project"], &row["user"], &row["script"]),
        (&json!("P"), &json!("otto"), &json!(script))
    );
    let off = [("activate", "false")];
    assert_eq!(
        site.call("otto", "PUT", &format!("{of_p}/status"), &off)
            .status,
        200
    );
    assert_eq!(
        site.get("otto", &format!("{of_p}/status")).rows()[0]["edit"],
        "false"
    );
    assert_eq!(
        site.get("otto", "/xapi/anonymize/projects/P/enabled")
            .json(),
        false
    );
    let site_script = site
        .get("root", "/data/config/edit/image/dicom/script")
        .rows();
    assert!(
        site_script[0]["script"]
            .as_str()
            .unwrap()
            .contains("(0010,0010) := subject")
    );
}

#[test]
fn the_quarantine_code_holds_what_would_be_archived_at_once() {
    let site = Site::new();
    let code = "/data/projects/AUTO/quarantine_code";
    assert_eq!(site.get("ada", code).text(), "0");
    assert_eq!(
        site.call("otto", "PUT", &format!("{code}/2"), &[]).status,
        400
    );
    assert_eq!(
        site.call("otto", "PUT", &format!("{code}/1"), &[]).status,
        200
    );
    assert_eq!(site.get("ada", code).text(), "1");
    assert_eq!(
        site.get("ada", "/data/projects/AUTO/prearchive_code")
            .text(),
        "4"
    );
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 1);
    let done = site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(done.session()["status"], "QUARANTINED");
    assert_eq!(
        site.call("otto", "PUT", &format!("{code}/0"), &[]).status,
        200
    );
    dicom::study(&site.inbox("AUTO/t"), 2, 1, 1);
    let done = site.import("AUTO", "AUTO/t", &[]);
    assert_eq!(done.session()["status"], "ARCHIVED");
    dicom::study(&site.inbox("AUTO/u"), 3, 1, 1);
    let done = site.import("AUTO", "AUTO/u", &[("quarantine", "true")]);
    assert_eq!(done.session()["status"], "QUARANTINED");
}

#[test]
fn the_sites_preferences_are_the_same_filter_and_script() {
    let site = Site::new();
    let of = |property: &str| format!("/xapi/siteConfig/{property}");
    let text = |property: &str| site.get("root", &of(property)).text().to_owned();
    assert_eq!(text("sitewideSeriesImportFilterMode"), "blacklist");
    assert_eq!(text("enableSitewideSeriesImportFilter"), "false");
    assert_eq!(text("enableSitewideAnonymizationScript"), "true");
    let several = json!({
        "enableSitewideSeriesImportFilter": true, "sitewideSeriesImportFilterMode": "whitelist",
        "sitewideSeriesImportFilter": "[InstanceNumber]\n^2$", "enableSitewideAnonymizationScript": "false",
    });
    let answer = site.send("root", "POST", "/xapi/siteConfig", &several);
    assert_eq!(answer.status, 200, "{}", answer.text());
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1")]);
    assert_eq!(done.outcomes(), "1 stored, 1 filtered");
    let policy = site.get("root", "/xapi/rules/site/policy").json();
    assert_eq!(
        policy["anonymize"],
        json!([{ "module": "xnat-default", "enabled": false }])
    );
    let off = site.send(
        "root",
        "POST",
        &of("enableSitewideSeriesImportFilter"),
        &json!("false"),
    );
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!(text("sitewideSeriesImportFilter"), "[InstanceNumber]\n^2$");
    let contents = site.get("root", &format!("{FILTER}?contents=true")).json();
    assert_eq!(contents["enabled"], "false");
    let unknown = site.send(
        "root",
        "POST",
        "/xapi/siteConfig",
        &json!({ "siteId": "x" }),
    );
    assert_eq!(unknown.status, 404);
    let map = json!({ "sitewideSeriesImportFilterMode": "modalityMap" });
    let refused = site.send("root", "POST", "/xapi/siteConfig", &map);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("JavaScript"), "{}", refused.text());
}

/// What is refused in part is refused as a whole, and what two calls set at once is both there.
#[test]
fn the_sites_preferences_are_set_together_or_not_at_all() {
    let site = Site::new();
    let of = |property: &str| format!("/xapi/siteConfig/{property}");
    let text = |property: &str| site.get("root", &of(property)).text().to_owned();
    let before = text("sitewideAnonymizationScript");
    for bad in [
        json!({ "sitewideSeriesImportFilterMode": "modalityMap" }),
        json!({ "sitewideSeriesImportFilterMode": "blacklist", "sitewideSeriesImportFilter": "(" }),
    ] {
        let mut both = bad.clone();
        both["sitewideAnonymizationScript"] = json!("version \"6.3\"\n(0010,0010) := \"X\"\n");
        let answer = site.send("root", "POST", "/xapi/siteConfig", &both);
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
        assert_eq!(text("sitewideAnonymizationScript"), before, "{bad}");
        assert_eq!(site.get("root", "/xapi/rules/site/policy").status, 404);
    }
    let script = "version \"6.3\"\n(0010,0010) := \"Y\"\n";
    let both =
        json!({ "sitewideAnonymizationScript": script, "sitewideSeriesImportFilter": "scout" });
    let answer = site.send("root", "POST", "/xapi/siteConfig", &both);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(text("sitewideAnonymizationScript"), script);
    assert_eq!(text("sitewideSeriesImportFilter"), "scout");

    for round in 0..10 {
        let list = format!("scout{round}");
        let mode = ["blacklist", "whitelist"][round % 2];
        std::thread::scope(|scope| {
            for (property, value) in [
                ("sitewideSeriesImportFilter", list.as_str()),
                ("sitewideSeriesImportFilterMode", mode),
                (
                    "enableSitewideSeriesImportFilter",
                    ["true", "false"][round % 2],
                ),
            ] {
                let (site, path) = (&site, of(property));
                scope.spawn(move || {
                    let answer = site.send("root", "POST", &path, &json!(value));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                });
            }
        });
        assert_eq!(text("sitewideSeriesImportFilter"), list);
        assert_eq!(text("sitewideSeriesImportFilterMode"), mode);
    }
}
