//! What commits promise: nothing seen before the end, everything after it, one at a time.

use super::super::{
    Area, CommitError, CommitPlan, NewSession, Scan, SessionFilter, SessionState, Store,
    StoreError, StoredFile, column, testing,
};

fn plan(label: &str, study: &str, outcome: SessionState, files: usize) -> CommitPlan {
    CommitPlan {
        request: None,
        username: "ada".into(),
        session: NewSession {
            project: "DEMO".into(),
            timestamp: format!("20260102_030405{study}"),
            folder: label.into(),
            subject: "S1".into(),
            label: label.into(),
            study_uid: "2.25.1".into(),
            study_key: study.into(),
            scan_date: None,
            scan_time: None,
            modality: "MR".into(),
            xsi_type: "xnat:mrSessionData".into(),
            rule_set: None,
            archive_rule_set: None,
            identified: false,
            reason: None,
            auto_archive: false,
        },
        into: None,
        retires: None,
        outcome,
        staging: "staging/1".into(),
        final_path: "final/1".into(),
        scans: vec![Scan {
            scan_id: "1".into(),
            modality: "MR".into(),
            xsi_type: "xnat:mrScanData".into(),
            series_uid: "2.25.2".into(),
            description: "T1".into(),
        }],
        files: (0..files)
            .map(|n| file(&format!("{n}.dcm"), 100).into())
            .collect(),
        seen: Vec::new(),
        details: serde_json::json!({ "step": 1 }),
    }
}

fn file(name: &str, size: i64) -> StoredFile {
    StoredFile {
        scan_id: "1".into(),
        resource: "DICOM".into(),
        name: name.into(),
        sop_class: "1.2.840.10008.5.1.4.1.1.4".into(),
        sop_uid: format!("2.25.{name}"),
        instance_number: Some("1".into()),
        size,
        digest: None,
        findings: Default::default(),
    }
}

async fn commit(store: &Store, plan: CommitPlan) -> super::super::Session {
    let id = store.commits().begin(plan).await.unwrap();
    store.commits().finish(id).await.unwrap()
}

#[tokio::test]
async fn nothing_is_seen_before_the_end_and_all_of_it_after() {
    let (_folder, store) = testing::store_with_project().await;
    let claim = testing::claimed(&store).await;
    let mut plan = plan("A", "a", SessionState::Ready, 3);
    plan.request = Some(claim);
    let id = store.commits().begin(plan).await.unwrap();
    assert!(
        store
            .sessions()
            .list(SessionFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    let of_request = || async { store.requests().sessions(claim.request).await.unwrap() };
    assert!(of_request().await.is_empty());
    let pending = store.commits().pending(id).await.unwrap().unwrap();
    assert!(pending.is_new);
    assert_eq!(pending.details["step"], 1);
    assert!(store.commits().has_files(id).await.unwrap());
    let files = store.commits().files(id, pending.session.id, "1").await;
    assert_eq!(files.unwrap().len(), 3);

    let session = store.commits().finish(id).await.unwrap();
    assert_eq!(session.state, SessionState::Ready);
    assert!(store.commits().pending(id).await.unwrap().is_none());
    let scans = store.sessions().scans(session.id).await.unwrap();
    assert_eq!((scans[0].files, scans[0].bytes), (3, 300));
    assert_eq!(
        store
            .sessions()
            .files(session.id, None)
            .await
            .unwrap()
            .len(),
        3
    );
    assert_eq!(of_request().await.len(), 1);
    assert_eq!(
        store.commits().finish(id).await.unwrap().id,
        session.id,
        "finishing twice is once"
    );
}

#[tokio::test]
async fn an_abandoned_commit_leaves_nothing_not_even_its_label() {
    let (_folder, store) = testing::store_with_project().await;
    let id = store
        .commits()
        .begin(plan("A", "a", SessionState::Ready, 3))
        .await
        .unwrap();
    store.commits().abandon(id).await.unwrap();
    assert!(store.commits().pending(id).await.unwrap().is_none());
    assert!(store.labels().holder("DEMO", "A").await.unwrap().is_none());
    commit(&store, plan("A", "b", SessionState::Ready, 1)).await;
}

#[tokio::test]
async fn more_files_for_a_session_are_unseen_until_finished_and_replace_those_of_their_name() {
    let (_folder, store) = testing::store_with_project().await;
    let session = commit(&store, plan("A", "a", SessionState::Ready, 2)).await;
    let mut more = plan("A", "a", SessionState::Ready, 0);
    more.files = vec![file("1.dcm", 7).into(), file("2.dcm", 9).into()];
    let again = store.commits().begin(more.clone()).await;
    assert!(matches!(again, Err(CommitError::Exists(id)) if id == session.id));
    more.into = Some(session.id);
    let id = store.commits().begin(more.clone()).await.unwrap();
    assert_eq!(
        store
            .sessions()
            .files(session.id, None)
            .await
            .unwrap()
            .len(),
        2
    );
    assert!(matches!(
        store.commits().begin(more).await,
        Err(CommitError::Busy)
    ));
    store.commits().finish(id).await.unwrap();
    let files = store.sessions().files(session.id, Some("1")).await.unwrap();
    let sizes: Vec<_> = files.iter().map(|f| (f.name.as_str(), f.size)).collect();
    assert_eq!(sizes, [("0.dcm", 100), ("1.dcm", 7), ("2.dcm", 9)]);
}

#[tokio::test]
async fn a_label_is_one_studys_and_a_conflict_stands_beside_it() {
    let (_folder, store) = testing::store_with_project().await;
    commit(&store, plan("A", "a", SessionState::Archived, 1)).await;
    let other = store
        .commits()
        .begin(plan("A", "b", SessionState::Ready, 1))
        .await;
    assert!(matches!(other, Err(CommitError::LabelTaken)));
    let conflict = commit(&store, plan("A", "b", SessionState::Conflict, 1)).await;
    store.sessions().remove(conflict.id, "ada").await.unwrap();
    assert_eq!(
        store.labels().holder("DEMO", "A").await.unwrap().as_deref(),
        Some("a")
    );
}

#[tokio::test]
async fn archiving_gives_numbers_and_moves_the_folder() {
    let (_folder, store) = testing::store_with_project().await;
    let ready = commit(&store, plan("A", "a", SessionState::Ready, 1)).await;
    assert_eq!(
        ready.home(),
        std::path::Path::new("prearchive/DEMO/20260102_030405a/A")
    );
    let sessions = store.sessions();
    for (by, wins) in [("ada", true), ("bob", false)] {
        let ready_only = [SessionState::Ready];
        let won = sessions
            .set_state(ready.id, &ready_only, SessionState::Archiving, None, by)
            .await;
        assert_eq!(won.unwrap(), wins, "one of two wins");
    }

    let mut archive = plan("B", "a", SessionState::Archived, 0);
    archive.scans.clear();
    archive.into = Some(ready.id);
    let archived = commit(&store, archive).await;
    assert_eq!(
        archived.home(),
        std::path::Path::new("archive/DEMO/arc001/B")
    );
    assert_eq!(archived.experiment_id.as_deref(), Some("SLUICE_E00001"));
    assert_eq!(archived.subject_id.as_deref(), Some("SLUICE_S00001"));
    assert_eq!(
        store
            .sessions()
            .files(archived.id, None)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        store.labels().holder("DEMO", "A").await.unwrap().is_none(),
        "the old label is free"
    );
    for name in ["B", "SLUICE_E00001"] {
        let found = store
            .sessions()
            .find_experiment(Some("DEMO"), name)
            .await
            .unwrap();
        assert_eq!(found.unwrap().id, archived.id);
    }
    assert!(
        store
            .sessions()
            .find_experiment(None, "B")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.subjects().list(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_prearchive_session_merged_into_an_experiment_is_gone_and_its_request_shows_the_experiment()
 {
    let (_folder, store) = testing::store_with_project().await;
    let experiment = commit(&store, plan("A", "a", SessionState::Archived, 1)).await;
    let mut late = plan("A", "a", SessionState::Ready, 0);
    let claim = testing::claimed(&store).await;
    late.request = Some(claim);
    late.session.timestamp = "20260102_030405999".into();
    late.files = vec![file("9.dcm", 1).into()];
    let late = commit(&store, late).await;
    let mut merge = plan("A", "a", SessionState::Archived, 0);
    merge.request = None;
    merge.into = Some(experiment.id);
    merge.retires = Some(late.id);
    let files = store.sessions().files(late.id, None).await.unwrap();
    merge.files = files.into_iter().map(Into::into).collect();
    let merged = commit(&store, merge).await;
    assert_eq!(merged.experiment_id, experiment.experiment_id);
    assert!(store.sessions().get(late.id).await.unwrap().is_none());
    assert_eq!(
        store.sessions().files(merged.id, None).await.unwrap().len(),
        2
    );
    let of_request = store.requests().sessions(claim.request).await.unwrap();
    assert_eq!(of_request[0].id, merged.id);
    let archived = SessionFilter {
        area: Some(Area::Archive),
        ..SessionFilter::default()
    };
    assert_eq!(store.sessions().list(archived).await.unwrap().len(), 1);
}

#[tokio::test]
async fn twenty_thousand_files_are_committed_in_one_go() {
    let (_folder, store) = testing::store_with_project().await;
    let plan = plan("A", "a", SessionState::Ready, 20_000);
    let session = commit(&store, plan).await;
    let files = store.sessions().files(session.id, None).await.unwrap();
    assert_eq!(files.len(), 20_000);
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_commits_nothing() {
    let (_folder, store) = testing::store_with_project().await;
    let claim = testing::claimed(&store).await;
    store.requests().release(claim).await.unwrap();
    let again = store.requests().claim("other").await.unwrap().unwrap();
    assert_eq!(again.id, claim.request);
    let mut late = plan("A", "a", SessionState::Ready, 1);
    late.request = Some(claim);
    let refused = store.commits().begin(late.clone()).await;
    assert!(matches!(
        refused,
        Err(CommitError::Store(StoreError::ClaimLost))
    ));
    late.request = Some(again.claim());
    commit(&store, late).await;
}

#[tokio::test]
async fn a_commit_of_a_process_that_is_gone_is_adopted_once() {
    let (_folder, store) = testing::store_with_project().await;
    let id = store
        .commits()
        .begin(plan("A", "a", SessionState::Ready, 1))
        .await
        .unwrap();
    let other = testing::another(&store).await;
    assert!(other.commits().orphans().await.unwrap().is_empty());
    store.instances().forget(store.instance()).await.unwrap();
    let orphans = other.commits().orphans().await.unwrap();
    assert_eq!(orphans.len(), 1);
    let adopted = other.commits().adopt(&orphans[0]).await.unwrap();
    assert_eq!(adopted.unwrap().id, id);
    assert!(store.commits().adopt(&orphans[0]).await.unwrap().is_none());
}

#[tokio::test]
async fn text_that_a_database_may_not_take_is_stored_as_what_it_can() {
    let (_folder, store) = testing::store_with_project().await;
    let mut odd = plan("A", "a", SessionState::Ready, 1);
    odd.scans[0].description = "T1\0x".into();
    std::sync::Arc::make_mut(&mut odd.files[0]).instance_number = Some("\0".into());
    let session = commit(&store, odd).await;
    let scans = store.sessions().scans(session.id).await.unwrap();
    assert_eq!(scans[0].scan.description, "T1\u{fffd}x");
}

/// Of a session that rules make anew at archiving it would tell what they have replaced.
#[tokio::test]
async fn a_finished_commit_keeps_nothing_of_what_it_planned() {
    let (_folder, store) = testing::store_with_project().await;
    commit(&store, plan("A", "a", SessionState::Ready, 1)).await;
    let kept = sqlx::query("SELECT changes FROM commits");
    let kept = kept.fetch_one(&store.pool).await.unwrap();
    assert_eq!(column::<String>(&kept, "changes").unwrap(), "{}");
}

#[tokio::test]
async fn what_stands_in_the_way_is_looked_for_without_going_through_all() {
    let (_folder, store) = testing::store().await;
    for step in testing::plan(&store, super::checks::LEAVING).await {
        assert!(!step.starts_with("SCAN"), "{step}");
    }
}
