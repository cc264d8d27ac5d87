//! Labels, the way to the archive, and what happens at once.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::dicom;
use crate::site::Site;

const ARCHIVE: &str = "/data/services/archive";

#[test]
fn defect_16_labels_from_headers_do_not_collide_in_the_archive() {
    let mut site = Site::prepared();
    let mut folders = Vec::new();
    for pair in 0..4 {
        for one in 0..2 {
            let below = format!("AUTO/s{pair}-{one}");
            dicom::study(&site.inbox(&below), 2 * pair + one, 1, 1);
            let file = site.inbox(&below).join("1-1.dcm");
            let label = format!("SAME{pair}");
            dicom::edit(&file, &[(tags::PATIENT_ID, VR::LO, label.as_str())]);
            folders.push(below);
        }
    }
    site.serve(&[("SLUICE_WORKERS", "4")]);
    let addresses: Vec<String> = std::thread::scope(|scope| {
        let site = &site;
        let calls: Vec<_> = folders
            .iter()
            .map(|below| scope.spawn(move || site.queue("AUTO", below, &[])))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let done: Vec<_> = addresses
        .iter()
        .map(|address| site.ended(address))
        .collect();
    for pair in done.chunks(2) {
        let mut states: Vec<&str> = pair
            .iter()
            .map(|done| done.session()["status"].as_str().unwrap())
            .collect();
        states.sort_unstable();
        assert_eq!(states, ["ARCHIVED", "CONFLICT"]);
        assert!(pair.iter().all(|done| done.state() == "Completed"));
    }
    assert_eq!(site.instances("archive").len(), 4);
    assert_eq!(site.instances("prearchive").len(), 4);
    // And long after the first was archived.
    dicom::study(&site.inbox("AUTO/late"), 50, 1, 1);
    let file = site.inbox("AUTO/late").join("1-1.dcm");
    dicom::edit(&file, &[(tags::PATIENT_ID, VR::LO, "SAME0")]);
    let late = site.import("AUTO", "AUTO/late", &[]);
    assert_eq!(late.session()["status"], "CONFLICT");
    assert_eq!(site.instances("archive").len(), 4);
}

#[test]
fn defect_17_the_requests_wish_for_the_archive_wins_over_the_projects_code() {
    let site = Site::new();
    for (number, (project, parameter, wish, state)) in (0..).zip([
        ("P", "AA", "true", "ARCHIVED"),
        ("P", "auto-archive", "true", "ARCHIVED"),
        ("AUTO", "AA", "false", "READY"),
        ("AUTO", "auto-archive", "false", "READY"),
    ]) {
        let below = format!("P/s{number}");
        dicom::study(&site.inbox(&below), number, 1, 1);
        let label = format!("E{number}");
        let more = [(parameter, wish), ("EXPT_LABEL", label.as_str())];
        let done = site.import(project, &below, &more);
        assert_eq!(
            done.session()["status"],
            state,
            "{project} {parameter}={wish}"
        );
    }
}

#[test]
fn defect_18_data_that_arrives_while_a_session_is_archived_or_deleted_resets_nothing() {
    let mut site = Site::prepared();
    let sessions = 6;
    for number in 0..sessions {
        dicom::study(&site.inbox(&format!("P/s{number}")), number, 1, 4);
        for name in ["1-3.dcm", "1-4.dcm"] {
            let late = site.inbox(&format!("P/late{number}")).join(name);
            std::fs::rename(site.inbox(&format!("P/s{number}")).join(name), late).unwrap();
        }
    }
    site.serve(&[("SLUICE_WORKERS", "3")]);
    let label = |number: u32| format!("E{number}");
    let import = |below: &str, number: u32| {
        let label = label(number);
        site.queue(
            "P",
            below,
            &[("EXPT_LABEL", label.as_str()), ("SUBJECT_ID", "S1")],
        )
    };
    let first: Vec<String> = (0..sessions)
        .map(|number| {
            let done = site.ended(&import(&format!("P/s{number}"), number));
            done.session()["uri"].as_str().unwrap().to_owned()
        })
        .collect();
    // Even ones are archived, odd ones deleted, while the rest of their files comes in.
    let late: Vec<String> = std::thread::scope(|scope| {
        let (site, import, first) = (&site, &import, &first);
        let calls: Vec<_> = (0..sessions)
            .map(|number| {
                let late = scope.spawn(move || import(&format!("P/late{number}"), number));
                let uri = first[number as usize].as_str();
                let change = scope.spawn(move || match number % 2 {
                    0 => site.post_form("ada", ARCHIVE, &[("src", uri)]).status,
                    _ => {
                        site.call("ada", "DELETE", &format!("/data{uri}"), &[])
                            .status
                    }
                });
                (late, change)
            })
            .collect();
        calls
            .into_iter()
            .map(|(late, change)| {
                let status = change.join().unwrap();
                assert!(matches!(status, 200 | 409), "{status}");
                late.join().unwrap()
            })
            .collect()
    });
    for (number, address) in (0..sessions).zip(&late) {
        let done = site.ended(address);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", "2 stored")
        );
        if number % 2 == 0 {
            // Whatever came first: each file is stored once, in the prearchive or in the archive.
            let label = label(number);
            let of_label = |area: &str| {
                let files = site.instances(area).into_iter();
                files
                    .filter(|file| file.split('/').any(|step| step == label))
                    .count()
            };
            assert_eq!(
                of_label("prearchive/P") + of_label("archive/P"),
                4,
                "{label}"
            );
        }
    }
    // No session is stuck, and what is listed is what lies on disk.
    let mut listed = 0;
    for row in site.get("ada", "/data/prearchive/projects/P").rows() {
        assert_eq!(row["status"], "READY");
        let files = format!("/data{}/scans/ALL/files", row["url"].as_str().unwrap());
        listed += site.get("ada", &files).rows().len();
    }
    assert_eq!(site.instances("prearchive").len(), listed);
}

#[test]
fn defect_19_a_conflict_at_archiving_is_409() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    let first = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    let (uri, folder) = (first.session()["uri"].as_str().unwrap(), first.folder());
    assert_eq!(site.post_form("ada", ARCHIVE, &[("src", uri)]).status, 200);
    dicom::study(&site.inbox("P/t"), 2, 1, 1);
    let second = site.import("P", "P/t", &[("EXPT_LABEL", "E2")]);
    let uri = second.session()["uri"].as_str().unwrap();
    let answer = site.post_form(
        "ada",
        ARCHIVE,
        &[("src", uri), ("session", "E1"), ("subject", "S1")],
    );
    assert_eq!(answer.status, 409);
    assert_eq!(
        site.get("ada", &format!("/data{uri}")).rows()[0]["status"],
        "CONFLICT"
    );
    assert_eq!(site.instances(&second.folder()).len(), 1);
    assert_eq!(site.instances("archive").len(), 4);
    assert_ne!(folder, second.folder());
}

#[test]
fn defect_20_overwriting_goes_with_every_prearchive_code() {
    let site = Site::new();
    for (number, code) in (0..).zip(["4", "5"]) {
        let path = format!("/data/projects/AUTO/prearchive_code/{code}");
        assert_eq!(site.call("otto", "PUT", &path, &[]).status, 200);
        let (below, late) = (format!("AUTO/s{number}"), format!("AUTO/late{number}"));
        dicom::study(&site.inbox(&below), number, 1, 4);
        for name in ["1-3.dcm", "1-4.dcm"] {
            let to = site.inbox(&late).join(name);
            std::fs::rename(site.inbox(&below).join(name), to).unwrap();
        }
        let first = site.import("AUTO", &below, &[]);
        assert_eq!(first.session()["status"], "ARCHIVED");
        let more = [("overwrite", "append"), ("prearchive_code", "1")];
        let second = site.import("AUTO", &late, &more);
        assert_eq!(
            (second.state(), second.outcomes().as_str()),
            ("Completed", "2 stored")
        );
        assert_eq!(second.session()["status"], "ARCHIVED");
        assert_eq!(
            second.session()["experimentId"],
            first.session()["experimentId"]
        );
        assert_eq!(site.instances(&second.folder()).len(), 4);
    }
}
