//! What is done to a data folder, from the first call to the end state, by a client that calls again when the
//! server has died meanwhile.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use dicom_core::VR;
use dicom_dictionary_std::tags::STUDY_DESCRIPTION;
use serde_json::json;

use crate::archives;
use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

pub const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");

/// One way through the program.
pub struct Scenario {
    pub name: &'static str,
    /// Makes the data folder; its server is stopped in the end.
    pub prepare: fn(&mut Site),
    pub step: Step,
}

/// The call that is disturbed.
pub enum Step {
    /// The request that this makes is the `id`th.
    Import {
        id: i64,
        project: &'static str,
        below: &'static str,
        more: &'static [(&'static str, &'static str)],
    },
    /// Of the data folder's file of that name; the request that this makes is the first.
    Upload {
        file: &'static str,
        query: &'static [(&'static str, &'static str)],
    },
    /// Of the prearchive's session that bears the label.
    Archive {
        project: &'static str,
        label: &'static str,
        more: &'static [(&'static str, &'static str)],
    },
    Delete {
        project: &'static str,
        label: &'static str,
    },
    /// To project AUTO.
    Move {
        project: &'static str,
        label: &'static str,
    },
    /// Of the session in ERROR that bears the label.
    Rebuild {
        project: &'static str,
        label: &'static str,
    },
    /// Of the experiment, to the label with an `x` behind it.
    Rename {
        project: &'static str,
        label: &'static str,
    },
    /// Of the experiment.
    Remove {
        project: &'static str,
        label: &'static str,
    },
    /// Of the session in quarantine that bears the label.
    Release {
        project: &'static str,
        label: &'static str,
        more: &'static [(&'static str, &'static str)],
    },
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Done,
    Died,
}

impl Scenario {
    /// The data folder in which each run starts: what it holds is copied.
    pub fn template(&self) -> Site {
        let mut site = Site::prepared();
        (self.prepare)(&mut site);
        site
    }

    /// Does what is still to be done, until the end or the server's death. The server is gone then.
    pub fn run(&self, site: &mut Site, environment: &[(&str, &str)]) -> End {
        site.serve_doomed(environment);
        wait_for(self.name, || {
            (site.is_dead() || self.advance(site)).then_some(())
        });
        let (status, log) = site.end();
        match status.signal() {
            // Points abort; SIGTERM is answered.
            Some(6 | 9) => End::Died,
            _ => {
                assert!(status.success(), "{}: {status}: {log:#?}", self.name);
                End::Done
            }
        }
    }

    /// One look at where the step stands, with the call if it has not been made. True at its end.
    pub fn advance(&self, site: &Site) -> bool {
        match self.step {
            Step::Import {
                id,
                project,
                below,
                more,
            } => {
                let address = format!("/xapi/dicom/{id}");
                let Ok(answer) = site.try_call("root", "GET", &address, &[]) else {
                    return false;
                };
                if answer.status == 404 {
                    let path = site.path("inbox").join(below);
                    let mut query = vec![
                        ("import-handler", "inbox"),
                        ("PROJECT_ID", project),
                        ("path", path.to_str().unwrap()),
                    ];
                    query.extend(more);
                    _ = site.try_call("ada", "POST", "/data/services/import", &query);
                    return false;
                }
                matches!(
                    answer.json()["status"].as_str(),
                    Some("Completed" | "Failed")
                )
            }
            Step::Upload { file, query } => {
                let Ok(answer) = site.try_call("root", "GET", "/xapi/dicom/1", &[]) else {
                    return false;
                };
                if answer.status == 404 {
                    let body = fs::read(site.path(file)).unwrap();
                    let (path, kind) = ("/data/services/import", "application/zip");
                    _ = site.try_upload("ada", path, query, kind, &body);
                    return false;
                }
                let status = answer.json()["status"].as_str().map(str::to_owned);
                let is_final = matches!(status.as_deref(), Some("Completed" | "Failed"));
                is_final && site.files("uploads").is_empty()
            }
            Step::Archive {
                project,
                label,
                more,
            } => {
                let Some(waiting) = waiting(site, project, label) else {
                    return false;
                };
                let Some((uri, status)) = waiting else {
                    return true;
                };
                if status == "READY" {
                    let mut query = vec![("src", uri.as_str())];
                    query.extend(more);
                    _ = site.try_call("otto", "POST", "/data/services/archive", &query);
                }
                false
            }
            Step::Delete { project, label } => {
                let Some(waiting) = waiting(site, project, label) else {
                    return false;
                };
                let Some((uri, status)) = waiting else {
                    return true;
                };
                if status != "DELETING" {
                    _ = site.try_call("otto", "DELETE", &format!("/data{uri}"), &[]);
                }
                false
            }
            Step::Move { project, label } => {
                let Some(waiting) = waiting(site, project, label) else {
                    return false;
                };
                let Some((uri, status)) = waiting else {
                    return true;
                };
                if status == "READY" {
                    let query = [("src", uri.as_str()), ("newProject", "AUTO")];
                    _ = site.try_call("otto", "POST", "/data/services/prearchive/move", &query);
                }
                false
            }
            Step::Rebuild { project, label } => {
                let Some(Some((uri, status))) = waiting(site, project, label) else {
                    return false;
                };
                if status == "ERROR" {
                    let query = [("src", uri.as_str())];
                    _ = site.try_call("otto", "POST", "/data/services/prearchive/rebuild", &query);
                }
                status == "READY"
            }
            Step::Rename { project, label } | Step::Remove { project, label } => {
                let address = format!("/data/projects/{project}/experiments/{label}");
                let Ok(answer) = site.try_call("otto", "GET", &address, &[]) else {
                    return false;
                };
                if answer.status == 200 {
                    let other = format!("{label}x");
                    let (method, query) = match self.step {
                        Step::Rename { .. } => ("PUT", vec![("label", other.as_str())]),
                        _ => ("DELETE", vec![("removeFiles", "true")]),
                    };
                    _ = site.try_call("otto", method, &address, &query);
                }
                // What is being deleted is no experiment any more.
                let waits = waiting(site, project, label);
                answer.status == 404 && waits == Some(None)
            }
            Step::Release {
                project,
                label,
                more,
            } => {
                let Some(sessions) = listed(site, project, label) else {
                    return false;
                };
                let held = sessions.iter().find(|(_, status)| status == "QUARANTINED");
                let Some((uri, _)) = held else {
                    return true;
                };
                let mut query = vec![("src", uri.as_str())];
                query.extend(more);
                _ = site.try_call("otto", "POST", "/data/services/prearchive/release", &query);
                false
            }
        }
    }

    /// Whether the session of a call has left the prearchive.
    pub fn is_over(&self, site: &Site) -> bool {
        match self.step {
            Step::Import { .. }
            | Step::Upload { .. }
            | Step::Release { .. }
            | Step::Rebuild { .. }
            | Step::Rename { .. }
            | Step::Remove { .. } => self.advance(site),
            Step::Archive { project, label, .. }
            | Step::Move { project, label }
            | Step::Delete { project, label } => waiting(site, project, label) == Some(None),
        }
    }
}

/// A session's address and status; none once it is gone from the prearchive. None at all from the dead.
fn waiting(site: &Site, project: &str, label: &str) -> Option<Option<(String, String)>> {
    Some(listed(site, project, label)?.into_iter().next())
}

/// Addresses and statuses of all that wait under a label. None from the dead.
fn listed(site: &Site, project: &str, label: &str) -> Option<Vec<(String, String)>> {
    let path = format!("/data/prearchive/projects/{project}");
    let rows = site.try_call("otto", "GET", &path, &[]).ok()?.rows();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let of_label = rows.iter().filter(|row| row["name"] == label);
    Some(
        of_label
            .map(|row| (text(row, "url"), text(row, "status")))
            .collect(),
    )
}

/// Imports in an undisturbed server, before what is tested.
fn imported(site: &mut Site, project: &str, below: &str, more: &[(&str, &str)]) {
    site.serve(&[]);
    let done = site.import(project, below, more);
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    site.stop();
}

fn route(site: &Site, project: &str, code: u64) {
    let settings = json!({ "prearchive_code": code });
    site.policy(
        project,
        &json!({ "route": { "module": "xnat-routing", "settings": settings } }),
    );
}

/// A study of six files in three folders, to come in one after the other.
fn parts(site: &Site, project: &str) {
    let all = site.inbox(&format!("{project}/all"));
    dicom::study(&all, 1, 2, 3);
    for (part, slice) in [("one", 1), ("two", 2), ("three", 3)] {
        let folder = site.inbox(&format!("{project}/{part}"));
        for series in 1..=2 {
            let name = format!("{series}-{slice}.dcm");
            fs::rename(all.join(&name), folder.join(&name)).unwrap();
        }
    }
    fs::remove_dir(all).unwrap();
}

pub const NEW: Scenario = Scenario {
    name: "a new session",
    prepare: |site| dicom::study(&site.inbox("P/s"), 1, 2, 2),
    step: Step::Import {
        id: 1,
        project: "P",
        below: "P/s",
        more: &[CLEAN, ("EXPT_LABEL", "E1")],
    },
};

pub const KEPT: Scenario = Scenario {
    name: "a new session, its sources kept",
    prepare: |site| dicom::study(&site.inbox("P/s"), 1, 1, 3),
    step: Step::Import {
        id: 1,
        project: "P",
        below: "P/s",
        more: &[],
    },
};

pub const AUTO: Scenario = Scenario {
    name: "a session that archives itself",
    prepare: |site| dicom::study(&site.inbox("AUTO/s"), 1, 1, 3),
    step: Step::Import {
        id: 1,
        project: "AUTO",
        below: "AUTO/s",
        more: &[CLEAN],
    },
};

pub const INTO_WAITING: Scenario = Scenario {
    name: "more files of a session that waits",
    prepare: |site| {
        parts(site, "P");
        imported(site, "P", "P/one", &[]);
    },
    step: Step::Import {
        id: 2,
        project: "P",
        below: "P/two",
        more: &[CLEAN],
    },
};

pub const INTO_ARCHIVE: Scenario = Scenario {
    name: "more files of an archived session",
    prepare: |site| {
        parts(site, "AUTO");
        imported(site, "AUTO", "AUTO/one", &[]);
    },
    step: Step::Import {
        id: 2,
        project: "AUTO",
        below: "AUTO/two",
        more: &[CLEAN],
    },
};

/// The new files join a session that waits, and both go into one that is archived.
pub const RETIRED: Scenario = Scenario {
    name: "a session that waits, archived with the new files into another",
    prepare: |site| {
        parts(site, "P");
        route(site, "P", 4);
        imported(site, "P", "P/one", &[]);
        route(site, "P", 0);
        imported(site, "P", "P/two", &[]);
        route(site, "P", 4);
    },
    step: Step::Import {
        id: 3,
        project: "P",
        below: "P/three",
        more: &[CLEAN],
    },
};

pub const QUARANTINE: Scenario = Scenario {
    name: "a quarantined session",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        site.policy("P", &json!({ "leak_check": "quarantine" }));
    },
    step: Step::Import {
        id: 1,
        project: "P",
        below: "P/s",
        more: &[CLEAN],
    },
};

pub const TWO_SESSIONS: Scenario = Scenario {
    name: "two sessions of one request",
    prepare: |site| {
        dicom::study(&site.inbox("AUTO/s/a"), 1, 1, 2);
        dicom::study(&site.inbox("AUTO/s/b"), 2, 2, 1);
    },
    step: Step::Import {
        id: 1,
        project: "AUTO",
        below: "AUTO/s",
        more: &[CLEAN],
    },
};

/// Some stored before, some twice, some in conflict, some no good.
pub const MIXED: Scenario = Scenario {
    name: "a folder of all sorts",
    prepare: |site| {
        use dicom_core::VR;
        use dicom_dictionary_std::tags::IMAGE_COMMENTS;
        dicom::study(&site.inbox("P/before"), 1, 1, 3);
        let folder = site.inbox("P/s");
        for entry in fs::read_dir(site.inbox("P/before")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        dicom::edit(
            &folder.join("1-2.dcm"),
            &[(IMAGE_COMMENTS, VR::LT, "other")],
        );
        fs::remove_file(site.inbox("P/before").join("1-3.dcm")).unwrap();
        imported(site, "P", "P/before", &[]);
        let scratch = site.inbox("P/scratch");
        dicom::study(&scratch, 1, 2, 4);
        for name in ["2-1.dcm", "2-2.dcm", "2-3.dcm", "2-4.dcm"] {
            fs::rename(scratch.join(name), folder.join(name)).unwrap();
        }
        fs::remove_dir_all(scratch).unwrap();
        fs::copy(folder.join("2-1.dcm"), folder.join("2-1-copy.dcm")).unwrap();
        dicom::cut(&folder.join("2-2.dcm"), 300);
        fs::write(folder.join("notes.txt"), "keep me").unwrap();
    },
    step: Step::Import {
        id: 2,
        project: "P",
        below: "P/s",
        more: &[CLEAN],
    },
};

pub const ARCHIVE: Scenario = Scenario {
    name: "an archive call",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
    },
    step: Step::Archive {
        project: "P",
        label: "E1",
        more: &[],
    },
};

/// The same study under two labels, with other bytes; the second replaces the first's files.
pub const OVERWRITE: Scenario = Scenario {
    name: "an archive call that overwrites",
    prepare: |site| {
        use dicom_core::VR;
        use dicom_dictionary_std::tags::IMAGE_COMMENTS;
        site.policy("P", &json!({ "overwrite": "delete" }));
        dicom::study(&site.inbox("P/s"), 1, 1, 3);
        let subject = ("SUBJECT_ID", "S1");
        imported(site, "P", "P/s", &[subject, ("EXPT_LABEL", "E1")]);
        site.serve(&[]);
        let first = Step::Archive {
            project: "P",
            label: "E1",
            more: &[],
        };
        let first = Scenario {
            step: first,
            ..ARCHIVE
        };
        wait_for("the first to be archived", || {
            first.advance(site).then_some(())
        });
        site.stop();
        for name in ["1-1.dcm", "1-2.dcm"] {
            dicom::edit(
                &site.path("inbox/P/s").join(name),
                &[(IMAGE_COMMENTS, VR::LT, "new")],
            );
        }
        imported(site, "P", "P/s", &[subject, ("EXPT_LABEL", "E2")]);
    },
    step: Step::Archive {
        project: "P",
        label: "E2",
        more: &[
            ("session", "E1"),
            ("overwrite", "delete"),
            ("overwrite_files", "true"),
        ],
    },
};

/// What was replaced while the session waited goes along.
pub const HISTORY: Scenario = Scenario {
    name: "an archive call for a session with a history",
    prepare: |site| {
        use dicom_core::VR;
        use dicom_dictionary_std::tags::IMAGE_COMMENTS;
        site.policy("P", &json!({ "overwrite": "delete" }));
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        let label = ("EXPT_LABEL", "E1");
        imported(site, "P", "P/s", &[label]);
        dicom::edit(
            &site.path("inbox/P/s/1-1.dcm"),
            &[(IMAGE_COMMENTS, VR::LT, "new")],
        );
        imported(site, "P", "P/s", &[label, ("overwrite", "delete")]);
    },
    step: Step::Archive {
        project: "P",
        label: "E1",
        more: &[],
    },
};

pub const DELETE: Scenario = Scenario {
    name: "a deletion",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
    },
    step: Step::Delete {
        project: "P",
        label: "E1",
    },
};

pub const DELETE_QUARANTINED: Scenario = Scenario {
    name: "a deletion from quarantine",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        site.policy("P", &json!({ "leak_check": "quarantine" }));
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
    },
    step: Step::Delete {
        project: "P",
        label: "E1",
    },
};

/// With a step that waits for the archive.
fn late(site: &Site, project: &str, code: u64) {
    let touched = [
        "PatientBirthDate",
        "DerivationDescription",
        "StudyInstanceUID",
    ];
    let code_of_rule = r#"fn anonymize(ds, ctx) {
        ds.remove("PatientBirthDate");
        ds.set("DerivationDescription", `${ds.get("DerivationDescription") ?? ""}late ${ctx.session};`);
        ds.set("StudyInstanceUID", pseudonym::uid(ds.get("StudyInstanceUID")));
        keep()
    }"#;
    site.rhai("late", "anonymize", &touched, &touched, code_of_rule);
    site.policy(
        project,
        &json!({
            "identified_prearchive": true,
            "anonymize": [{ "module": "late", "at": "archive" }],
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": code } },
        }),
    );
}

pub const REMADE: Scenario = Scenario {
    name: "a session whose rules run on its way to the archive",
    prepare: |site| {
        dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
        late(site, "AUTO", 4);
    },
    step: Step::Import {
        id: 1,
        project: "AUTO",
        below: "AUTO/s",
        more: &[CLEAN],
    },
};

pub const REMADE_LATER: Scenario = Scenario {
    name: "an archive call for a session whose rules run then",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        late(site, "P", 0);
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
    },
    step: Step::Archive {
        project: "P",
        label: "E1",
        more: &[],
    },
};

/// Under the rules of the other project, with a name and UIDs of their own.
pub const MOVE: Scenario = Scenario {
    name: "a move to another project",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 2, 2);
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
        let touched = ["StudyInstanceUID"];
        let code = r#"fn anonymize(ds, ctx) {
            ds.set("StudyInstanceUID", pseudonym::uid(ds.get("StudyInstanceUID")));
            keep()
        }"#;
        site.rhai("other", "anonymize", &touched, &touched, code);
        site.policy("AUTO", &json!({ "anonymize": [{ "module": "other" }] }));
    },
    step: Step::Move {
        project: "P",
        label: "E1",
    },
};

pub const REBUILD: Scenario = Scenario {
    name: "a rebuild",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 3);
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
        let files = site.instances("prearchive");
        fs::remove_file(site.path("prearchive").join(&files[0])).unwrap();
        site.sql("UPDATE sessions SET state = 'ERROR'");
    },
    step: Step::Rebuild {
        project: "P",
        label: "E1",
    },
};

fn archived(site: &mut Site) {
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    imported(site, "AUTO", "AUTO/s", &[("EXPT_LABEL", "E1")]);
}

pub const RENAME: Scenario = Scenario {
    name: "an experiment's other label",
    prepare: archived,
    step: Step::Rename {
        project: "AUTO",
        label: "E1",
    },
};

pub const REMOVE: Scenario = Scenario {
    name: "an experiment's end",
    prepare: archived,
    step: Step::Remove {
        project: "AUTO",
        label: "E1",
    },
};

pub const ZIP: Scenario = Scenario {
    name: "an archive file",
    prepare: |site| {
        let folder = site.inbox("P/s");
        dicom::study(&folder, 1, 1, 2);
        archives::zip(&folder, &site.inbox("P").join("s.zip"));
        fs::remove_dir_all(folder).unwrap();
    },
    step: Step::Import {
        id: 1,
        project: "P",
        below: "P/s.zip",
        more: &[CLEAN],
    },
};

/// Its project is told by its header.
pub const UPLOAD: Scenario = Scenario {
    name: "an uploaded archive",
    prepare: |site| {
        let folder = site.path("s");
        dicom::study(&folder, 1, 1, 2);
        for name in ["1-1.dcm", "1-2.dcm"] {
            let project = (STUDY_DESCRIPTION, VR::LO, "P");
            dicom::edit(&folder.join(name), &[project]);
        }
        archives::zip(&folder, &site.path("upload.zip"));
        fs::remove_dir_all(folder).unwrap();
    },
    step: Step::Upload {
        file: "upload.zip",
        query: &[("session", "E1")],
    },
};

pub const RELEASE: Scenario = Scenario {
    name: "a release from quarantine",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        site.policy("P", &json!({ "leak_check": "quarantine" }));
        imported(site, "P", "P/s", &[("EXPT_LABEL", "E1")]);
    },
    step: Step::Release {
        project: "P",
        label: "E1",
        more: &[],
    },
};

/// Into what waits, and over what differs there.
pub const RELEASE_INTO: Scenario = Scenario {
    name: "a release from quarantine into a session that waits",
    prepare: |site| {
        parts(site, "P");
        imported(site, "P", "P/one", &[("EXPT_LABEL", "E1")]);
        site.policy(
            "P",
            &json!({ "leak_check": "quarantine", "overwrite": "delete" }),
        );
        imported(site, "P", "P/two", &[("EXPT_LABEL", "E1")]);
    },
    step: Step::Release {
        project: "P",
        label: "E1",
        more: &[("overwrite", "append")],
    },
};

/// Into two sessions, one of them archived.
pub const SPLIT: Scenario = Scenario {
    name: "a study that is split",
    prepare: |site| {
        dicom::study(&site.inbox("P/s"), 1, 2, 2);
        let code = r#"fn route(summary, ctx) {
            let series = summary.series;
            split([
                #{ series: [series[0].series_uid], to: archive("one") },
                #{ series: [series[1].series_uid], session: "E1_b", to: prearchive("two") },
            ])
        }"#;
        site.rhai("split", "route", &[], &[], code);
        site.policy("P", &json!({ "route": { "module": "split" } }));
    },
    step: Step::Import {
        id: 1,
        project: "P",
        below: "P/s",
        more: &[CLEAN, ("EXPT_LABEL", "E1")],
    },
};
