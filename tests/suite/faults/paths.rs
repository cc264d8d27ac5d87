//! Ways out of the data folder, in every parameter of every call that the OpenAPI document describes: none leads to
//! a file outside, and nothing is written or removed there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::site::Site;
use crate::{dicom, forms};

const SECRET: &str = "ZQXV-SECRET";

/// A name that a path parameter has in the document, or text around it.
const HOLE: char = '{';

/// All files of a folder with their content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries
        .map(|path| {
            (
                path.to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect()
}

/// What may lead from some folder of the data folder to `outside`, which is beside it.
fn ways(outside: &Path) -> Vec<String> {
    let file = outside.join("1-1.dcm");
    let file = file.to_str().unwrap().to_owned();
    let name = outside.file_name().unwrap().to_str().unwrap();
    let up = |times: usize| format!("{}{name}/1-1.dcm", "../".repeat(times));
    let mut ways = vec![
        file.clone(),
        format!("/..{file}"),
        format!("file://{file}"),
        format!("{file}\0.dcm"),
        up(3).replace('/', "\\"),
        format!("P/{}", up(4)),
        format!("..;/{}", up(2)),
        "..".to_owned(),
        ".".to_owned(),
        "~root".to_owned(),
    ];
    ways.extend((1..=7).map(up));
    ways
}

/// As a step of an address: every byte that has a meaning there is encoded, so that it arrives as it is.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~".contains(&b);
    text.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

/// An operation's address with `way` in the place of one of its steps, and what is there in the others.
fn addresses(path: &str, ways: &[String], known: &BTreeMap<&str, String>) -> Vec<String> {
    let steps: Vec<&str> = path.split('/').collect();
    let is_hole = |step: &&str| step.starts_with(HOLE);
    let name = |step: &str| step.trim_matches(['{', '}', '*']).to_owned();
    let filled = |step: &&str| match is_hole(step) {
        true => known.get(&*name(step)).cloned().unwrap_or("1".into()),
        false => (*step).to_owned(),
    };
    let mut addresses = Vec::new();
    for (at, _) in steps.iter().enumerate().filter(|(_, step)| is_hole(step)) {
        for way in ways {
            let mut parts: Vec<String> = steps.iter().map(filled).collect();
            parts[at] = encoded(way);
            addresses.push(parts.join("/"));
        }
    }
    addresses
}

/// Names of an operation's parameters in the query, and of a form's fields.
fn parameters(operation: &Value) -> Vec<String> {
    let listed = operation["parameters"].as_array().into_iter().flatten();
    let in_query = listed.filter(|p| p["in"] == "query");
    let mut names: Vec<String> = in_query
        .map(|p| p["name"].as_str().unwrap().to_owned())
        .collect();
    let contents = operation["requestBody"]["content"].as_object();
    for content in contents.into_iter().flat_map(|c| c.values()) {
        let fields = content["schema"]["properties"].as_object();
        names.extend(fields.into_iter().flat_map(|f| f.keys().cloned()));
    }
    names
}

struct Tried<'a> {
    site: &'a Site,
    calls: usize,
}

impl Tried<'_> {
    fn call(&mut self, method: &str, address: &str, query: &[(&str, &str)]) {
        self.calls += 1;
        let answer = self.site.try_call("root", method, address, query);
        let shown = format!("{method} {address} {query:?}");
        let answer = answer.unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(answer.status < 500, "{shown}: {}", answer.status);
        let body = &answer.body;
        let is_told = body.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
        assert!(!is_told, "{shown}: {}", answer.status);
    }
}

/// A site with something in all its places, and what stands for it in addresses.
fn site() -> (Site, BTreeMap<&'static str, String>) {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 1);
    let waits = site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    site.import(
        "AUTO",
        "AUTO/s",
        &[("SUBJECT_ID", "S2"), ("EXPT_LABEL", "E2")],
    );
    let uri = waits.session()["uri"].as_str().unwrap().to_owned();
    let place: Vec<&str> = uri.split('/').rev().take(2).collect();
    let known = BTreeMap::from([
        ("project", "P".to_owned()),
        ("projects", "P".into()),
        ("timestamp", place[1].into()),
        ("folder", place[0].into()),
        ("subject", "S2".into()),
        ("experiment", "E2".into()),
        ("scan", "1".into()),
        ("resource", "DICOM".into()),
        ("tool", "dicom".into()),
        ("path", "config".into()),
        ("login", "bob".into()),
        ("user", "bob".into()),
        ("role", "collaborator".into()),
    ]);
    (site, known)
}

#[test]
fn no_parameter_leads_out_of_the_data_folder() {
    let (site, known) = site();
    let outside = tempfile::tempdir_in(site.data().parent().unwrap()).unwrap();
    dicom::study(outside.path(), 9, 1, 1);
    let file = outside.path().join("1-1.dcm");
    dicom::edit(&file, &[(tags::IMAGE_COMMENTS, VR::LT, SECRET)]);
    fs::write(outside.path().join("policy.json"), format!("{{ {SECRET}")).unwrap();
    fs::write(outside.path().join("t.csv"), format!("k,{SECRET}\n")).unwrap();
    let before = content(outside.path());
    let ways = ways(outside.path());

    let document = site.get("root", "/xapi/openapi.json").json();
    let mut tried = Tried {
        site: &site,
        calls: 0,
    };
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            let operation = &item[method.to_lowercase()];
            // What streams on has no end to look at, and no parameter but a number.
            if operation.is_null() || path.ends_with("/events") {
                continue;
            }
            operations += 1;
            for address in addresses(path, &ways, &known) {
                tried.call(method, &address, &[]);
            }
            let address = addresses(path, &["none".into()], &known).pop();
            let address = address.unwrap_or(path.clone());
            for name in parameters(operation) {
                // Not a place: how long to wait.
                if name == "wait" {
                    continue;
                }
                for way in &ways {
                    let mut query = vec![(&*name, &**way)];
                    if path == "/data/services/import" && name != "import-handler" {
                        query.push(("import-handler", "inbox"));
                        query.push(("PROJECT_ID", "P"));
                    }
                    tried.call(method, &address, &query);
                }
            }
        }
    }
    assert!(operations > 80, "{operations}");

    // In documents that name files.
    for way in &ways {
        for policy in [
            json!({ "label": { "module": way } }),
            json!({ "anonymize": [{ "module": way }] }),
            json!({ "anonymize": [{ "script": way }] }),
            json!({ "anonymize": [{ "module": "ps315-basic", "tables": { "t": way } }] }),
            json!({ "route": { "module": way } }),
        ] {
            let answer = site.put_json("root", "/xapi/rules/projects/P/policy?reason=x", &policy);
            tried.calls += 1;
            assert_eq!(answer.status, 400, "{policy}: {}", answer.text());
            assert!(!answer.text().contains(SECRET), "{policy}");
        }
        let project = format!("/data/projects/{}", encoded(way));
        tried.call("PUT", &project, &[]);
    }
    for area in [
        "prearchive",
        "archive",
        "quarantine",
        "rules",
        "reports",
        "staging",
    ] {
        for file in site.files(area) {
            let bytes = fs::read(site.path(area).join(&file)).unwrap();
            let holds = bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
            assert!(!holds, "{area}/{file}");
        }
    }
    assert!(
        before == content(outside.path()),
        "something was done outside"
    );
    forms::told(
        "paths that climb, in every parameter of every call",
        &format!("{operations} operations, {} calls", tried.calls),
        "nothing read, written or removed outside",
    );
}
