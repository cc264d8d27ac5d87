//! Commits that were cut off at each step, and what recovery makes of them.

mod left;
mod moves;
mod replace;

use super::*;
use crate::store::{Area, NewProject, NewSession, Scan, SessionFilter, SessionState, StoredFile};
use std::fs;

struct Site {
    folder: tempfile::TempDir,
    store: Store,
    archive: Archive,
}

const STAGING: &str = "staging/1/0";

impl Site {
    async fn new() -> Self {
        let (folder, store) = crate::store::testing::store().await;
        store
            .projects()
            .create(NewProject::new("P"), "root")
            .await
            .unwrap();
        let archive = Archive::new(store.clone(), folder.path().to_owned());
        Self {
            folder,
            store,
            archive,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A plan for two staged files, `one` and `two`, whose content is given.
    fn stage(&self, content: [&str; 2], outcome: SessionState) -> CommitPlan {
        let names = ["one.dcm", "two.dcm"];
        let folder = self.path(STAGING).join("SCANS/1/DICOM");
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in names.iter().zip(content) {
            fs::write(folder.join(name), content).unwrap();
        }
        let session = session();
        CommitPlan {
            request: None,
            username: "ada".into(),
            into: None,
            retires: None,
            outcome,
            staging: STAGING.into(),
            final_path: session.home(outcome.area()).to_string_lossy().into_owned(),
            session,
            scans: vec![Scan {
                scan_id: "1".into(),
                modality: "MR".into(),
                xsi_type: "xnat:mrScanData".into(),
                series_uid: "1.2.1".into(),
                description: "T1".into(),
            }],
            files: names.iter().map(|name| file(name).into()).collect(),
            seen: Vec::new(),
            details: serde_json::Value::Null,
        }
    }

    /// What stands in the session's folder, hidden files left out.
    fn stored(&self, session: &Session) -> Vec<(String, String)> {
        let folder = self
            .folder
            .path()
            .join(session.home())
            .join("SCANS/1/DICOM");
        let mut stored: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().extension().is_some_and(|e| e == "dcm"))
            .map(|e| {
                (
                    e.file_name().into_string().unwrap(),
                    fs::read_to_string(e.path()).unwrap(),
                )
            })
            .collect();
        stored.sort();
        stored
    }
}

fn session() -> NewSession {
    NewSession {
        project: "P".into(),
        timestamp: "20240101_000000000".into(),
        folder: "S1".into(),
        subject: "A".into(),
        label: "S1".into(),
        study_uid: "1.2".into(),
        study_key: "key".into(),
        scan_date: None,
        scan_time: None,
        modality: "MR".into(),
        xsi_type: "xnat:mrSessionData".into(),
        rule_set: None,
        archive_rule_set: None,
        identified: false,
        reason: None,
        auto_archive: false,
    }
}

fn file(name: &str) -> StoredFile {
    StoredFile {
        scan_id: "1".into(),
        resource: "DICOM".into(),
        name: name.into(),
        sop_class: "1.2.840.10008.5.1.4.1.1.4".into(),
        sop_uid: format!("1.2.1.{}", name.len() + usize::from(name.as_bytes()[0])),
        instance_number: Some("1".into()),
        size: 3,
        digest: None,
        findings: Default::default(),
    }
}

fn both(one: &str, two: &str) -> Vec<(String, String)> {
    vec![
        ("one.dcm".into(), one.into()),
        ("two.dcm".into(), two.into()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_finishes_a_commit_wherever_it_was_cut_off() {
    // After the plan was written; with one file in place; with both; with staging gone as well.
    for moved in 0..=3 {
        let site = Site::new().await;
        let plan = site.stage(["one", "two"], SessionState::Ready);
        let target = site.path(&plan.final_path).join("SCANS/1/DICOM");
        site.store.commits().begin(plan).await.unwrap();
        assert!(
            site.store
                .sessions()
                .list(SessionFilter::default())
                .await
                .unwrap()
                .is_empty()
        );
        fs::create_dir_all(&target).unwrap();
        for name in ["one.dcm", "two.dcm"].iter().take(moved) {
            fs::rename(
                site.path(STAGING).join("SCANS/1/DICOM").join(name),
                target.join(name),
            )
            .unwrap();
        }
        if moved == 3 {
            fs::remove_dir_all(site.path("staging")).unwrap();
        }

        assert_eq!(
            site.archive.recover().await.unwrap(),
            1,
            "cut off after {moved}"
        );
        let sessions = site
            .store
            .sessions()
            .list(SessionFilter::default())
            .await
            .unwrap();
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].state, SessionState::Ready);
        assert_eq!(site.stored(&sessions[0]), both("one", "two"));
        let catalog = fs::read_to_string(target.join("scan_1_catalog.xml")).unwrap();
        assert!(
            catalog.contains("UID=\"1.2.1\"") && catalog.matches("<cat:entry ").count() == 2,
            "{catalog}"
        );
        assert!(!site.path(STAGING).exists());
        assert_eq!(
            site.archive.recover().await.unwrap(),
            0,
            "nothing is left to recover"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_archived_keeps_its_files_and_leaves_the_prearchive() {
    let site = Site::new().await;
    let waiting = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    let options = ArchiveOptions {
        label: Some("E1".into()),
        ..ArchiveOptions::default()
    };
    let archived = site
        .archive
        .archive(&waiting, options, "ada")
        .await
        .unwrap();
    assert_eq!(
        (archived.state, archived.label.as_str()),
        (SessionState::Archived, "E1")
    );
    assert_eq!(archived.experiment_id.as_deref(), Some("SLUICE_E00001"));
    assert_eq!(site.stored(&archived), both("one", "two"));
    assert!(
        !site.path("prearchive/P").exists(),
        "emptied folders go with the session"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_in_the_way_is_a_conflict_until_merging_is_asked_for() {
    let site = Site::new().await;
    let first = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Archived))
        .await
        .unwrap();
    let mut later = site.stage(["one", "2nd"], SessionState::Ready);
    later.session.timestamp = "20240102_000000000".into();
    later.final_path = later
        .session
        .home(Area::Prearchive)
        .to_string_lossy()
        .into_owned();
    let second = site.archive.commit(later).await.unwrap();

    let refused = site
        .archive
        .archive(&second, ArchiveOptions::default(), "ada")
        .await;
    assert!(
        matches!(refused, Err(ActionError::Conflict(_))),
        "{refused:?}"
    );
    let now = site.store.sessions().get(second.id).await.unwrap().unwrap();
    assert_eq!(now.state, SessionState::Conflict);
    assert_eq!(site.stored(&now), both("one", "2nd"), "nothing has changed");

    let append = ArchiveOptions {
        merge: true,
        ..ArchiveOptions::default()
    };
    let refused = site.archive.archive(&now, append, "ada").await;
    assert!(
        matches!(refused, Err(ActionError::Conflict(_))),
        "equal names are not replaced: {refused:?}"
    );

    let overwrite = ArchiveOptions {
        merge: true,
        overwrite_files: true,
        ..ArchiveOptions::default()
    };
    let merged = site.archive.archive(&now, overwrite, "ada").await.unwrap();
    assert_eq!(merged.id, first.id);
    assert_eq!(site.stored(&merged), both("one", "2nd"));
    let history = site
        .folder
        .path()
        .join(merged.home())
        .join("SCANS/1/DICOM/.history");
    let kept: Vec<_> = fs::read_dir(history)
        .unwrap()
        .map(|e| e.unwrap().path().join("two.dcm"))
        .collect();
    assert_eq!(
        fs::read_to_string(&kept[0]).unwrap(),
        "two",
        "what was replaced is kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_takes_the_folder_and_the_rows() {
    let site = Site::new().await;
    let session = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Quarantined))
        .await
        .unwrap();
    assert!(site.path("quarantine/P").exists());
    site.archive.delete(&session, "ada").await.unwrap();
    assert!(!site.path("quarantine/P").exists());
    assert!(
        site.store
            .sessions()
            .get(session.id)
            .await
            .unwrap()
            .is_none()
    );
}

impl Site {
    /// The kept versions of a file, over all commits.
    fn history(&self, session: &Session, name: &str) -> Vec<String> {
        let history = self
            .folder
            .path()
            .join(session.home())
            .join("SCANS/1/DICOM/.history");
        fs::read_dir(history)
            .into_iter()
            .flatten()
            .map(|commit| fs::read_to_string(commit.unwrap().path().join(name)).unwrap())
            .collect()
    }

    /// A session of the same study and label in the prearchive, of a later time.
    async fn later(&self, content: [&str; 2]) -> Session {
        let mut plan = self.stage(content, SessionState::Ready);
        plan.session.timestamp = "20240102_000000000".into();
        plan.final_path = plan
            .session
            .home(Area::Prearchive)
            .to_string_lossy()
            .into_owned();
        self.archive.commit(plan).await.unwrap()
    }

    /// As at a start.
    async fn recover(&self) -> Result<usize, ActionError> {
        let recovered = self.archive.recover().await?;
        self.archive.tidy().await?;
        Ok(recovered)
    }

    async fn get(&self, id: i64) -> Option<Session> {
        self.store.sessions().get(id).await.unwrap()
    }
}

const NEW: &str = "SCANS/1/DICOM/two.dcm";

/// What a crash can leave of a replacement, step by step; each step includes those before it.
fn replace_up_to(step: usize, from: &Path, to: &Path, commit: i64, is_staged: bool) {
    let folder = to.parent().unwrap();
    let history = folder.join(".history").join(commit.to_string());
    let kept = history.join("two.dcm");
    if step >= 1 {
        fs::create_dir_all(&history).unwrap();
    }
    if step >= 2 {
        fs::hard_link(to, &kept).unwrap();
    }
    if step >= 3 && is_staged {
        fs::rename(from, to).unwrap();
    } else if step >= 3 {
        // Beside it first, with or without the rename.
        fs::hard_link(from, folder.join(".two.dcm.new")).unwrap();
        if step >= 4 {
            fs::rename(folder.join(".two.dcm.new"), to).unwrap();
        }
    }
    if step >= 5 {
        fs::write(folder.join(".scan_1_catalog.xml.new"), "half a cat").unwrap();
    }
}
