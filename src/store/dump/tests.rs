//! The copy and the way back, on everything that a store holds.

use std::io::BufReader;

use super::super::{
    Claim, CommitPlan, Counts, NewRequest, NewSession, Scan, SessionState, Status, Store,
    StoreError, StoredFile, sqlite_url, testing,
};
use super::*;

struct Copy {
    tables: Vec<(&'static str, Vec<u8>)>,
    sequences: BTreeMap<String, i64>,
    version: i64,
}

async fn copy(store: &Store) -> Copy {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut tables = Vec::new();
    for table in snapshot.tables() {
        let mut bytes = Vec::new();
        snapshot.write_table(table, &mut bytes).await.unwrap();
        tables.push((table, bytes));
    }
    Copy {
        tables,
        sequences: snapshot.sequences().await.unwrap(),
        version: snapshot.version(),
    }
}

async fn restore(copy: &Copy, url: &str) -> Result<Store, StoreError> {
    let mut restoring = Restoring::into_empty(url, copy.version).await?;
    for (table, bytes) in &copy.tables {
        restoring
            .read_table(table, &mut BufReader::new(&bytes[..]))
            .await?;
    }
    restoring.finish(&copy.sequences, "root").await
}

fn request() -> NewRequest {
    NewRequest {
        username: "ada".into(),
        project: "DEMO".into(),
        parameters: [("EXPT_LABEL".to_owned(), "Ä \"quoted\" \n".to_owned())].into(),
        session_path: "/inbox/DEMO/ü".into(),
        cleanup: true,
    }
}

fn plan(claim: Option<Claim>, label: &str, files: usize) -> CommitPlan {
    CommitPlan {
        request: claim,
        username: "ada".into(),
        session: NewSession {
            project: "DEMO".into(),
            timestamp: format!("20260102_030405{label}"),
            folder: label.into(),
            subject: "S1".into(),
            label: label.into(),
            study_uid: "2.25.1".into(),
            study_key: label.into(),
            scan_date: None,
            scan_time: None,
            modality: "MR".into(),
            xsi_type: "xnat:mrSessionData".into(),
            rule_set: None,
            reason: None,
            auto_archive: false,
            archive_rule_set: None,
            identified: false,
        },
        into: None,
        retires: None,
        seen: Vec::new(),
        outcome: SessionState::Archived,
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
            .map(|n| StoredFile {
                scan_id: "1".into(),
                resource: "DICOM".into(),
                name: format!("{n}.dcm"),
                sop_class: "1.2".into(),
                sop_uid: format!("2.25.{n}"),
                instance_number: (n % 2 == 0).then(|| n.to_string()),
                size: 7,
                digest: None,
                findings: Default::default(),
            })
            .map(Into::into)
            .collect(),
        details: serde_json::json!({}),
    }
}

#[tokio::test]
async fn all_rows_come_back_and_numbers_go_on() {
    let (folder, store) = testing::store_with_project().await;
    store.projects().rotate_key("DEMO", "ada").await.unwrap();
    store.logins().open("ada", 60_000).await.unwrap();
    let gone = testing::claimed(&store).await;
    let counts = Counts::default();
    let requests = store.requests();
    requests
        .finish(gone, Status::Completed, None, &counts, 0)
        .await
        .unwrap();
    let claim = testing::claimed(&store).await;
    let last = requests.insert(request()).await.unwrap();
    store
        .retention()
        .remove_requests(&[gone.request].into())
        .await
        .unwrap();
    let id = store
        .commits()
        .begin(plan(Some(claim), "A", 1000))
        .await
        .unwrap();
    let archived = store.commits().finish(id).await.unwrap();

    let first = copy(&store).await;
    let url = sqlite_url(&folder.path().join("copy.db"));
    let again = restore(&first, &url).await.unwrap();
    assert_eq!(
        again
            .projects()
            .get("DEMO")
            .await
            .unwrap()
            .unwrap()
            .pseudonym_key,
        store
            .projects()
            .get("DEMO")
            .await
            .unwrap()
            .unwrap()
            .pseudonym_key
    );
    assert_eq!(
        again.projects().earlier_keys("DEMO").await.unwrap(),
        store.projects().earlier_keys("DEMO").await.unwrap()
    );
    let session = again.sessions().get(archived.id).await.unwrap().unwrap();
    assert_eq!(session.experiment_id, archived.experiment_id);
    assert_eq!(
        again.sessions().files(session.id, None).await.unwrap(),
        store.sessions().files(session.id, None).await.unwrap()
    );
    assert_eq!(again.retention().expired_logins().await.unwrap(), 0);
    assert_eq!(again.requests().insert(request()).await.unwrap(), last + 1);
    let id = again.commits().begin(plan(None, "B", 1)).await.unwrap();
    let next = again.commits().finish(id).await.unwrap();
    assert_eq!(next.experiment_id.as_deref(), Some("SLUICE_E00002"));

    // A copy of the copy has the same rows, but for what was done since.
    let (_folder, url) = testing::url().await;
    let third = copy(&restore(&first, &url).await.unwrap()).await;
    for ((table, one), (_, other)) in first.tables.iter().zip(&third.tables) {
        if !["audit", "requests"].contains(table) {
            assert_eq!(
                String::from_utf8_lossy(one),
                String::from_utf8_lossy(other),
                "{table}"
            );
        }
    }
}

#[tokio::test]
async fn what_was_under_way_is_undone_and_its_request_queued() {
    let (_source, store) = testing::store_with_project().await;
    let id = store.requests().insert(request()).await.unwrap();
    let claimed = store.requests().claim("w").await.unwrap().unwrap();
    let claim = claimed.claim();
    let commit = store
        .commits()
        .begin(plan(Some(claim), "A", 2))
        .await
        .unwrap();
    let first = copy(&store).await;
    let (_folder, url) = testing::url().await;
    let again = restore(&first, &url).await.unwrap();
    let queued = again.requests().get(id).await.unwrap().unwrap();
    assert_eq!(queued.status, Status::Queued);
    assert_eq!(queued.parameters, request().parameters);
    assert!(again.commits().pending(commit).await.unwrap().is_none());
    assert!(
        again
            .sessions()
            .list(Default::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert!(again.labels().holder("DEMO", "A").await.unwrap().is_none());
    // The one that was copied goes on as if nothing had been.
    assert!(store.commits().pending(commit).await.unwrap().is_some());
}

#[tokio::test]
async fn a_snapshot_does_not_see_what_comes_after_it() {
    let (_folder, store) = testing::store_with_project().await;
    let mut snapshot = store.snapshot().await.unwrap();
    let claim = testing::claimed(&store).await;
    let counts = Counts::default();
    let requests = store.requests();
    requests
        .finish(claim, Status::Failed, None, &counts, 0)
        .await
        .unwrap();
    let mut bytes = Vec::new();
    assert_eq!(
        snapshot.write_table("requests", &mut bytes).await.unwrap(),
        0
    );
    assert!(snapshot.ended_requests().await.unwrap().is_empty());
    drop(snapshot);
    let mut later = store.snapshot().await.unwrap();
    assert_eq!(later.write_table("requests", &mut bytes).await.unwrap(), 1);
}

#[tokio::test]
async fn only_an_empty_database_and_a_known_version_are_filled() {
    let (folder, store) = testing::store_with_project().await;
    let mut first = copy(&store).await;
    assert!(matches!(
        restore(&first, store.url()).await,
        Err(StoreError::NotEmpty)
    ));
    first.version += 1;
    let url = sqlite_url(&folder.path().join("new.db"));
    assert!(matches!(
        restore(&first, &url).await,
        Err(StoreError::TooNew { .. })
    ));
}

#[tokio::test]
async fn a_copy_of_an_earlier_version_is_filled_in_and_migrated() {
    let (folder, store) = testing::store_with_project().await;
    let mut first = copy(&store).await;
    // As the first version wrote it: without the tables that came later.
    let known = migrations::tables(1);
    first
        .tables
        .retain(|(name, _)| known.iter().any(|table| table.name == *name));
    first
        .sequences
        .retain(|name, _| known.iter().any(|table| table.name == name));
    first.version = 1;
    let url = sqlite_url(&folder.path().join("copy.db"));
    let again = restore(&first, &url).await.unwrap();
    assert_eq!(again.projects().rotate_key("DEMO", "ada").await.unwrap(), 2);
}

#[tokio::test]
async fn a_snapshot_is_not_ended_while_files_are_written_beside_it() {
    let (_folder, store) = testing::store().await;
    if store.shared.database.kind != Kind::Postgres {
        return;
    }
    let mut snapshot = store.snapshot().await.unwrap();
    let limit = "SELECT current_setting('idle_in_transaction_session_timeout') AS value";
    let row = sqlx::query(limit)
        .fetch_one(&mut *snapshot.tx)
        .await
        .unwrap();
    assert_eq!(column::<String>(&row, "value").unwrap(), "0");
}
