//! DicomEdit scripts as a site of XNAT brings them: set over XNAT's calls on a running server, run over real
//! files, recorded in them, refused where they are broken, and gone back from.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::server::run;
use crate::site::Site;

/// Retired in the standard, and still set by scripts of old.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);

const SITE: &str = "/xapi/anonymize/site";
const OF_P: &str = "/xapi/anonymize/projects/P";

const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

/// Marks what it has seen, and drops the birth date.
const SCRIPT: &str = r#"version "6.6"
// as agreed with the ethics board
(0010,0010) := subject
(0010,0020) := session
(0008,2111) := format["site script of {0}", project]
- (0010,0030)
"#;

fn put(site: &Site, user: &str, path: &str, script: &str) {
    let answer = site.put_text(user, path, script);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Imports a study of one file into a project, by labels.
fn import(site: &Site, project: &str, number: u32) -> Done {
    let below = format!("{project}/s{number}");
    dicom::study(&site.inbox(&below), number, 1, 1);
    let session = format!("E{number}");
    let done = site.import(
        project,
        &below,
        &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", &session)],
    );
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    done
}

fn stored(site: &Site, folder: &str) -> PathBuf {
    let files = site.instances(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    site.path(folder).join(&files[0])
}

/// What (0012,0064) says of each script that ran over a file: value, scheme, version, meaning.
fn notes(path: &Path) -> Vec<[String; 4]> {
    let object = dicom::open(path);
    let codes = object.element_opt(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
    let Some(codes) = codes.unwrap() else {
        return Vec::new();
    };
    let items = codes.items().unwrap().iter();
    items
        .map(|item| {
            [
                tags::CODE_VALUE,
                tags::CODING_SCHEME_DESIGNATOR,
                tags::CODING_SCHEME_VERSION,
                tags::CODE_MEANING,
            ]
            .map(|tag| item.element(tag).unwrap().to_str().unwrap().into_owned())
        })
        .collect()
}

fn newest(site: &Site, project: &str) -> Value {
    let versions = format!("/xapi/rules/versions?project={project}");
    site.get("root", &versions).json()[0].clone()
}

#[test]
fn the_sites_script_runs_over_every_projects_files_and_is_recorded_in_them() {
    let site = Site::new();
    let default = site.get("ada", "/xapi/anonymize/default");
    assert_eq!(site.get("root", SITE).text(), default.text());
    put(
        &site,
        "root",
        &format!("{SITE}?reason=board+of+May"),
        SCRIPT,
    );
    assert_eq!(site.get("root", SITE).text(), SCRIPT);
    assert_eq!(site.get("root", &format!("{SITE}/enabled")).json(), true);

    for (number, project) in [(1, "P"), (2, "AUTO")] {
        let done = import(&site, project, number);
        let file = stored(&site, &done.folder());
        assert_eq!(
            dicom::text(&file, tags::PATIENT_NAME).as_deref(),
            Some("S1")
        );
        assert_eq!(dicom::text(&file, tags::PATIENT_BIRTH_DATE), None);
        let mark = dicom::text(&file, tags::DERIVATION_DESCRIPTION).unwrap();
        assert_eq!(mark, format!("site script of {project}"));
        let notes = notes(&file);
        assert_eq!(notes.len(), 1, "the default has gone");
        assert_eq!(notes[0][1..], ["XNAT", "1.0", "XNAT DicomEdit 6 Script"]);
        assert!(notes[0][0].parse::<u64>().is_ok(), "{notes:?}");
        let newest = newest(&site, project);
        assert_eq!(newest["username"], "root");
        assert_eq!(newest["reason"], "board of May");
        assert_eq!(newest["ruleSet"], done.status["ruleSet"]);
    }

    // Switched off, it is kept, and nothing of the site runs.
    let off = site.call(
        "root",
        "PUT",
        &format!("{SITE}/enabled"),
        &[("enable", "false")],
    );
    assert_eq!(off.json(), false);
    assert_eq!(site.get("root", SITE).text(), SCRIPT);
    let done = import(&site, "P", 3);
    let file = stored(&site, &done.folder());
    assert!(notes(&file).is_empty());
    assert_ne!(
        dicom::text(&file, tags::PATIENT_NAME).as_deref(),
        Some("S1")
    );
    let on = site.call("root", "PUT", &format!("{SITE}/enabled"), &[]);
    assert_eq!(on.json(), true);
    let done = import(&site, "P", 4);
    assert_eq!(notes(&stored(&site, &done.folder())).len(), 1);
}

#[test]
fn a_projects_script_runs_on_the_way_to_the_archive_with_the_labels_of_that_moment() {
    let site = Site::new();
    put(&site, "root", SITE, SCRIPT);
    assert_eq!(site.get("otto", OF_P).status, 204);
    assert_eq!(site.get("otto", &format!("{OF_P}/enabled")).json(), false);
    let script = "version \"6.6\"\n(0008,1030) := format[\"{0} of {1}, {2}\", session, subject, (0008,2111)]\n";
    let body = json!({ "contents": script });
    assert_eq!(site.put_json("otto", OF_P, &body).status, 200);
    assert_eq!(site.get("otto", OF_P).text(), script);
    assert_eq!(site.get("otto", &format!("{OF_P}/enabled")).json(), true);

    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let done = site.import("P", "P/s", &LABELS);
    assert_eq!(done.session()["identified"], true);
    let waiting = stored(&site, &done.folder());
    assert_eq!(notes(&waiting).len(), 1, "the site's alone");
    let form = [
        ("src", done.session()["uri"].as_str().unwrap()),
        ("session", "LATER"),
        ("subject", "S9"),
    ];
    let archived = site.post_form("otto", "/data/services/archive", &form);
    assert_eq!(archived.status, 200, "{}", archived.text());
    let file = stored(&site, "archive/P/arc001/LATER");
    let expected = "LATER of S9, site script of P";
    assert_eq!(
        dicom::text(&file, tags::STUDY_DESCRIPTION).as_deref(),
        Some(expected)
    );
    assert_eq!(notes(&file).len(), 2, "in the order in which they ran");
}

#[test]
fn a_project_that_must_not_be_identified_runs_its_script_at_import() {
    let site = Site::new();
    site.policy("P", &json!({ "identified_prearchive": false }));
    put(
        &site,
        "otto",
        OF_P,
        "version \"6.6\"\n(0008,1030) := \"mine\"\n",
    );
    let done = import(&site, "P", 1);
    let file = stored(&site, &done.folder());
    assert_eq!(
        dicom::text(&file, tags::STUDY_DESCRIPTION).as_deref(),
        Some("mine")
    );
    // The site's default comes before it, and can't be taken out by the project.
    assert_eq!(
        dicom::text(&file, tags::PATIENT_NAME).as_deref(),
        Some("S1")
    );
}

#[test]
fn a_script_that_does_not_parse_is_refused_and_changes_nothing() {
    let site = Site::new();
    put(&site, "root", SITE, SCRIPT);
    let before = newest(&site, "P");
    for (script, parts) in [
        (
            "version \"6.6\"\n(0010,0010) := nothing[\n",
            ["line 2", "(0010,0010) := nothing["],
        ),
        (
            "(0010,0010) := \"x\"\n(0008,0060) = \"MR\" : (0010,0020) := \"y\"\n",
            ["DicomEdit 4", "line 2: `condition : action`"],
        ),
        ("version \"7.0\"\n", ["line 1", "7.0"]),
    ] {
        for (user, path) in [("root", SITE), ("otto", OF_P)] {
            let answer = site.put_text(user, path, script);
            assert_eq!(answer.status, 400);
            for part in parts {
                assert!(answer.text().contains(part), "{part}: {}", answer.text());
            }
        }
    }
    assert_eq!(site.get("root", SITE).text(), SCRIPT);
    assert_eq!(site.get("otto", OF_P).status, 204);
    assert_eq!(newest(&site, "P"), before);
}

#[test]
fn an_edit_of_the_file_is_live_with_the_next_import_and_the_history_goes_back() {
    let site = Site::new();
    put(&site, "root", SITE, SCRIPT);
    let first = import(&site, "P", 1);
    site.rules(
        "site/site.das",
        SCRIPT.replace("site script", "edited script"),
    );
    let second = import(&site, "P", 2);
    let mark = |done: &Done| {
        let file = stored(&site, &done.folder());
        dicom::text(&file, tags::DERIVATION_DESCRIPTION).unwrap()
    };
    assert_eq!(mark(&second), "edited script of P");
    assert_ne!(second.status["ruleSet"], first.status["ruleSet"]);
    assert_eq!(newest(&site, "P")["username"], "(files)");

    let rows = site
        .get("root", "/data/config/anon/script?history=true")
        .rows();
    let users: Vec<&Value> = rows.iter().map(|row| &row["user"]).collect();
    assert_eq!(
        users,
        ["(files)", "root", "(files)"],
        "default, set, edited"
    );
    assert_eq!(rows[1]["version"], "2");
    let text = site.get("root", "/data/config/anon/script?version=2&contents=true");
    assert_eq!(text.text(), SCRIPT);

    let hash = first.status["ruleSet"].as_str().unwrap();
    let form = [("project", "P"), ("ruleSet", hash), ("reason", "too much")];
    let back = site.post_form("root", "/xapi/rules/rollback", &form);
    assert_eq!(back.status, 200, "{}", back.text());
    let third = import(&site, "P", 3);
    assert_eq!(mark(&third), "site script of P");
    assert_eq!(third.status["ruleSet"], first.status["ruleSet"]);
}

#[test]
fn what_a_script_leaves_is_found_by_the_leak_check_and_what_it_removes_is_not() {
    let site = Site::new();
    site.policy("P", &json!({ "leak_check": "report" }));
    let leaks = |done: &Done| {
        let report = done.report.as_ref().unwrap();
        let leaks = report["sessions"][0]["leaks"].as_array().cloned();
        let leaks = leaks.unwrap_or_default();
        let tags = leaks
            .iter()
            .map(|leak| leak["tag"].as_str().unwrap().to_owned());
        tags.collect::<Vec<_>>()
    };
    put(&site, "root", SITE, SCRIPT);
    let found = leaks(&import(&site, "P", 1));
    assert!(found.iter().any(|tag| tag == "(0010,1000)"), "{found:?}");
    assert!(found.iter().all(|tag| tag != "(0010,0030)"), "{found:?}");
    put(&site, "root", SITE, &format!("{SCRIPT}- (0010,1000)\n"));
    let found = leaks(&import(&site, "P", 2));
    assert!(found.iter().all(|tag| tag != "(0010,1000)"), "{found:?}");
}

#[test]
fn a_script_is_explained_line_by_line_and_one_with_cases_is_tested_before_it_is_live() {
    let site = Site::new();
    put(&site, "root", SITE, SCRIPT);
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    let shown = folder.to_str().unwrap();
    let told = run(
        site.data(),
        &[
            "rule",
            "explain",
            "--project",
            "P",
            shown,
            "--json",
            "--var",
            "SUBJECT_ID=S1",
        ],
        "",
    );
    let told: Value = serde_json::from_str(&told).unwrap();
    let step = &told["files"][0]["steps"][0];
    assert_eq!(step["step"]["module"], "site.das");
    assert_eq!(step["step"]["scope"], "site");
    let edits = step["edits"].as_array().unwrap();
    let birth = edits
        .iter()
        .find(|edit| edit["path"] == "PatientBirthDate")
        .unwrap();
    assert_eq!(
        (&birth["action"], &birth["line"]),
        (&json!("remove"), &json!(6))
    );

    let manifest = json!({
        "name": "scripted", "version": "1.0.0", "interface": "1", "kind": "anonymize",
        "engine": "dicomedit", "entry": "rule.das", "reads": ["*"], "writes": ["*"],
        "limits": { "operations": 100_000, "memory_mb": 16, "deadline_ms": 1000 }
    });
    site.rules("modules/scripted/module.json", manifest.to_string());
    site.rules(
        "modules/scripted/rule.das",
        "version \"6.6\"\n- (0010,0030)\n",
    );
    let case = json!({
        "with": { "PatientBirthDate": "19700101" },
        "expect": { "elements": { "PatientBirthDate": "19700101" } },
    });
    site.rules("modules/scripted/tests/kept.json", case.to_string());
    let policy = json!({ "anonymize": [{ "module": "scripted" }] });
    let put = site.put_json("otto", "/xapi/rules/projects/P/policy", &policy);
    assert_eq!(put.status, 400);
    assert!(put.text().contains("kept.json"), "{}", put.text());
    let module = site.path("rules/modules/scripted");
    let case = json!({
        "with": { "PatientBirthDate": "19700101" },
        "expect": { "elements": { "PatientBirthDate": null } },
    });
    site.rules("modules/scripted/tests/kept.json", case.to_string());
    let tested = run(site.data(), &["rule", "test", module.to_str().unwrap()], "");
    assert!(tested.contains("1 case, 0 failed"), "{tested}");
    let put = site.put_json("otto", "/xapi/rules/projects/P/policy", &policy);
    assert_eq!(put.status, 200, "{}", put.text());
}

/// A host that knows a code for each subject, and counts who asks.
struct Codes {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Codes {
    fn start() -> Codes {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        // It ends with the tests' process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let known = line.starts_with("GET /codes/S1 ");
                let (status, body) = if known { (200, "C-0042") } else { (404, "") };
                let head = format!(
                    "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + body).as_bytes()).unwrap();
            }
        });
        Codes { address, asked }
    }

    fn script(&self) -> String {
        let address = &self.address;
        format!(
            "{SCRIPT}(0010,1000) := getURL[format[\"http://{address}/codes/{{0}}\", subject]]\n"
        )
    }

    /// Imports a study on a site so configured; what became of it, and how often the host was asked.
    fn import(&self, settings: &str, environment: &[(&str, &str)], subject: &str) -> (Done, usize) {
        let mut site = Site::prepared();
        std::fs::write(site.path("sluice.toml"), settings).unwrap();
        site.serve(environment);
        put(&site, "root", SITE, &self.script());
        dicom::study(&site.inbox("P/s"), 1, 1, 1);
        let before = self.asked.load(Ordering::SeqCst);
        let labels = [("SUBJECT_ID", subject), ("EXPT_LABEL", "E1")];
        let done = site.import("P", "P/s", &labels);
        if done.state() == "Completed" {
            let path = stored(&site, &done.folder());
            assert_eq!(
                dicom::text(&path, OTHER_PATIENT_IDS).as_deref(),
                Some("C-0042")
            );
        }
        (done, self.asked.load(Ordering::SeqCst) - before)
    }
}

#[test]
fn a_script_asks_a_host_that_is_allowed_and_no_other_and_nothing_private() {
    let codes = Codes::start();
    let allowed = format!("geturl_hosts = [\"{}\"]\n", codes.address);
    let refused = |settings: &str, environment: &[(&str, &str)], subject: &str, why: &str| {
        let (done, asked) = codes.import(settings, environment, subject);
        assert_eq!(done.state(), "Failed");
        let reason = done.reason("1-1.dcm");
        assert!(reason.contains(why), "{reason}");
        assert!(!reason.contains(&codes.address), "{reason}");
        asked
    };
    assert_eq!(refused("", &[], "S1", "getURL is off"), 0);
    let other = "geturl_hosts = [\"codes.example.org\"]\n";
    assert_eq!(refused(other, &[], "S1", "is not one of geturl_hosts"), 0);
    assert_eq!(refused(&allowed, &[], "S1", "private address"), 0);
    if cfg!(feature = "failpoints") {
        let public = [("FAILPOINTS", "geturl.private=return")];
        assert_eq!(refused(&allowed, &public, "S2", "answered 404"), 1);
        let (done, asked) = codes.import(&allowed, &public, "S1");
        assert_eq!((done.state(), asked), ("Completed", 1));
    }
}
