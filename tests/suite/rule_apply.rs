//! `sluice rule apply`: rules over one file, and the exit statuses that scripts rely on.

use std::fs;
use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::rule_author::{rule, told};
use crate::server::sluice;
use crate::site::Site;

const LABELS: [&str; 4] = ["--subject", "S", "--session", "E"];

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        dicom::study(folder.path(), 0, 1, 1);
        fs::write(folder.path().join("key"), [7; 32]).unwrap();
        let code = r#"fn anonymize(ds, ctx) {
            let x = ctx.parameter("X");
            if x == "reject" { return reject("not wanted"); }
            if x == "quarantine" { return quarantine("doubtful"); }
            if x == "throw" { throw "broken"; }
            ds.set("PatientName", `${ctx.project}/${ctx.subject}/${ctx.session}`);
            ds.set("StudyInstanceUID", pseudonym::uid(ds.get("StudyInstanceUID")));
            keep()
        }"#;
        fs::write(folder.path().join("mine.rhai"), code).unwrap();
        Folder { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Applies rules to the study's file under a fixed key.
    fn apply(&self, rules: &[&str], more: &[&str], status: i32) -> String {
        let (input, output, key) = (self.path("1-1.dcm"), self.path("out.dcm"), self.path("key"));
        let fixed = ["--in", &input, "--out", &output, "--key-file", &key];
        told(&[&["apply"], rules, &fixed, more].concat(), status)
    }

    fn written(&self) -> bool {
        Path::new(&self.path("out.dcm")).exists()
    }
}

#[test]
fn rules_run_in_their_order_and_the_status_says_what_became_of_the_file() {
    let folder = Folder::new();
    let script = folder.path("mine.rhai");
    for (x, status, reason) in [
        ("reject", 10, "rejected by mine.rhai: not wanted"),
        ("quarantine", 11, "quarantined by mine.rhai: doubtful"),
        ("throw", 1, "mine.rhai failed at line 5, column 31: broken"),
    ] {
        let said = folder.apply(&[&script], &["--var", &format!("X={x}")], status);
        assert_eq!(said, format!("sluice: {reason}\n"));
        assert!(!folder.written(), "{x}");
    }
    let labels = ["--project", "P", "--subject", "S", "--session", "E"];
    assert_eq!(folder.apply(&["ps315-basic", &script], &labels, 0), "");
    let out = folder.path("out.dcm");
    let text = |tag| dicom::text(Path::new(&out), tag);
    assert_eq!(text(tags::PATIENT_NAME).as_deref(), Some("P/S/E"));
    assert_eq!(text(tags::PATIENT_IDENTITY_REMOVED).as_deref(), Some("YES"));
    let left: Vec<_> = fs::read_dir(folder.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "no draft stays");
}

/// A header that lies about its encoding was once read as one long value, in which no rule saw the patient.
#[test]
fn a_large_file_that_lies_about_its_encoding_is_anonymized_all_the_same() {
    let folder = Folder::new();
    let input = folder.path("1-1.dcm");
    let name = dicom::text(Path::new(&input), tags::PATIENT_NAME).expect("a name");
    let mut object = dicom::open(Path::new(&input));
    for tag in [tags::ROWS, tags::COLUMNS] {
        object.put_element(DataElement::new(
            tag,
            VR::US,
            PrimitiveValue::from(1024_u16),
        ));
    }
    let pixels = PrimitiveValue::from(vec![0_u8; 2 * 1024 * 1024]);
    object.put_element(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
    object.write_to_file(&input).unwrap();
    let mut bytes = fs::read(&input).unwrap();
    let (explicit, implicit) = (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0");
    let at = position(&bytes, explicit).expect("explicit VR");
    bytes[at..at + implicit.len()].copy_from_slice(implicit);
    fs::write(&input, bytes).unwrap();

    let labels = ["--project", "P", "--subject", "S", "--session", "E"];
    assert_eq!(folder.apply(&["ps315-basic"], &labels, 0), "");
    let out = fs::read(folder.path("out.dcm")).unwrap();
    assert!(out.len() > 2 * 1024 * 1024);
    assert_eq!(position(&out, name.as_bytes()), None);
}

fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[test]
fn a_label_that_is_read_and_not_given_is_asked_for() {
    let folder = Folder::new();
    let script = folder.path("initials.rhai");
    let code = "fn anonymize(ds, ctx) {\n  try { ds.set(\"PatientName\", ctx.subject); } catch {}\n  keep()\n}";
    fs::write(&script, code).unwrap();
    let said = folder.apply(&[&script], &[], 1);
    let asked = "initials.rhai broke: reads the subject label, and none is given: give --subject";
    assert_eq!(said, format!("sluice: {asked}\n"));
    assert!(!folder.written());
    folder.apply(&[&script], &["--subject", "S"], 0);
    let name = dicom::text(Path::new(&folder.path("out.dcm")), tags::PATIENT_NAME);
    assert_eq!(name.as_deref(), Some("S"));
}

#[test]
fn one_key_gives_the_same_bytes_and_another_gives_others() {
    let folder = Folder::new();
    let script = folder.path("mine.rhai");
    let run = || {
        folder.apply(&[&script], &LABELS, 0);
        fs::read(folder.path("out.dcm")).unwrap()
    };
    let first = run();
    assert_eq!(run(), first);
    fs::write(folder.path("key"), [8; 32]).unwrap();
    assert_ne!(run(), first);
    fs::write(folder.path("key"), [8; 31]).unwrap();
    assert!(
        folder
            .apply(&[&script], &[], 1)
            .contains("32 bytes or more, not 31")
    );
    let (input, output) = (folder.path("1-1.dcm"), folder.path("out.dcm"));
    let files = ["apply", &script, "--in", &input, "--out", &output];
    let said = told(&[&files[..], &LABELS].concat(), 0);
    assert!(said.contains("random key"), "{said}");
}

#[test]
fn settings_are_checked_and_go_to_the_rule_that_they_are_for() {
    let folder = Folder::new();
    let settings = folder.path("settings.json");
    let with = ["--subject", "S", "--session", "E", "--settings", &settings];
    fs::write(&settings, json!({ "retain_uids": true }).to_string()).unwrap();
    folder.apply(&["ps315-basic"], &with, 0);
    let uid = |file: &str| dicom::text(Path::new(&folder.path(file)), tags::STUDY_INSTANCE_UID);
    assert_eq!(uid("out.dcm"), uid("1-1.dcm"));
    fs::write(&settings, json!({ "retain_uid": true }).to_string()).unwrap();
    let said = folder.apply(&["ps315-basic"], &with, 1);
    assert!(said.contains("/retain_uid: unknown key"), "{said}");
    let both = ["xnat-default", "ps315-basic"];
    fs::write(
        &settings,
        json!({ "ps315-basic": { "retain_uids": true } }).to_string(),
    )
    .unwrap();
    folder.apply(&both, &with, 0);
    assert_eq!(uid("out.dcm"), uid("1-1.dcm"));
    fs::write(&settings, json!({ "ps315": {} }).to_string()).unwrap();
    assert!(
        folder
            .apply(&both, &with, 1)
            .contains("/ps315: is none of the rules")
    );
}

#[test]
fn what_cannot_be_applied_is_said_so() {
    let folder = Folder::new();
    for (rule, more, reason) in [
        ("site.das", &[][..], "does not exist"),
        (
            "xnat-default",
            &["--record"],
            "--record concerns DicomEdit scripts",
        ),
        ("xnat-labels", &[], "is a label rule"),
        ("xnat-defualt", &[], "did you mean \"xnat-default\"?"),
        ("nowhere.rhai", &[], "does not exist"),
    ] {
        let said = folder.apply(&[rule], more, 1);
        assert!(said.contains(reason), "{rule}: {said}");
        assert!(!folder.written());
    }
    fs::write(folder.path("1-1.dcm"), "no DICOM").unwrap();
    assert!(
        folder
            .apply(&["xnat-default"], &[], 1)
            .contains("not a DICOM file")
    );
    assert_eq!(rule(&["apply", "xnat-default"]).status.code(), Some(2));
}

#[test]
fn with_a_data_folder_the_projects_key_is_used() {
    let folder = Folder::new();
    let site = Site::prepared();
    let (input, output, script) = (
        folder.path("1-1.dcm"),
        folder.path("out.dcm"),
        folder.path("mine.rhai"),
    );
    let mut uids = Vec::new();
    for project in ["P", "P", "AUTO"] {
        let arguments = [
            "rule",
            "apply",
            &script,
            "--in",
            &input,
            "--out",
            &output,
            "--project",
            project,
        ];
        let arguments = [&arguments[..], &LABELS].concat();
        let done = sluice(&site.path(""), &arguments).output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        uids.push(dicom::text(Path::new(&output), tags::STUDY_INSTANCE_UID));
    }
    assert_eq!(uids[0], uids[1]);
    assert_ne!(uids[0], uids[2]);
}

#[test]
fn a_dicomedit_script_is_a_rule_like_others_and_notes_itself_when_asked_to() {
    let folder = Folder::new();
    let script = folder.path("site.das");
    let write = |text: &str| fs::write(&script, text).unwrap();
    let text = |tag| dicom::text(Path::new(&folder.path("out.dcm")), tag);
    write(
        "version \"6.6\"\nwish = \"reject\" ? reject[]\n(0010,0010) := subject\n(0020,000D) := hashUID[\"1.2.3.4.5\"]\n",
    );
    let with = ["--subject", "S", "--var", "Wish=keep"];
    folder.apply(&[&script], &with, 0);
    assert_eq!(text(tags::PATIENT_NAME).as_deref(), Some("S"));
    let hashed = "2.25.281097975800109040096884226991818420711";
    assert_eq!(text(tags::STUDY_INSTANCE_UID).as_deref(), Some(hashed));
    let told_in = |bytes: &[u8]| {
        let stamp = b"XNAT DicomEdit 6 Script";
        bytes.windows(stamp.len()).any(|window| window == stamp)
    };
    assert!(!told_in(&fs::read(folder.path("out.dcm")).unwrap()));
    folder.apply(&[&script], &[&with[..], &["--record"]].concat(), 0);
    assert!(told_in(&fs::read(folder.path("out.dcm")).unwrap()));
    fs::remove_file(folder.path("out.dcm")).unwrap();

    let said = folder.apply(&[&script], &["--var", "wish=reject"], 10);
    assert!(
        said.contains("rejected by site.das: by the script at line 2"),
        "{said}"
    );
    let said = folder.apply(&[&script], &["--var", "wish=keep"], 1);
    assert!(
        said.contains("line 3, column 16: the variable subject has no value: give --subject"),
        "{said}"
    );
    write("version \"6.6\"\n(0010,0010) = \"a\"\n");
    let said = folder.apply(&[&script], &with, 1);
    assert!(said.contains("line 2, column 18"), "{said}");
    let checked = rule(&["check", &script]);
    assert_eq!(checked.status.code(), Some(1));
    let found = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(found.contains("site.das:2:18: error: "), "{found}");
    write("(0008,0060) = \"CT\" : (0010,0010) := \"a\"\n");
    let said = folder.apply(&[&script], &with, 1);
    assert!(
        said.contains("DicomEdit 4") && said.contains("; line 1: "),
        "{said}"
    );
    assert!(!folder.written());

    let done = rule(&["convert", &script]);
    assert_eq!(done.status.code(), Some(0));
    fs::write(&script, done.stdout).unwrap();
    folder.apply(&[&script], &with, 0);
    write("- (0019,1001)\n");
    assert_eq!(rule(&["convert", &script]).status.code(), Some(10));
}
