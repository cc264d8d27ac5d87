//! Commits that are under way or left behind, and what else is asked for meanwhile.

use super::*;
use crate::archive::recover::LONGEST_LOOK_BACK;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_not_deleted_while_a_commit_into_it_runs() {
    let site = Site::new().await;
    let waiting = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    let mut more = site.stage(["one", "two"], SessionState::Ready);
    more.into = Some(waiting.id);
    site.store.commits().begin(more).await.unwrap();
    let refused = site.archive.delete(&waiting, "ada").await;
    assert!(matches!(refused, Err(ActionError::Busy)), "{refused:?}");
    let now = site
        .store
        .sessions()
        .get(waiting.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now.state, SessionState::Ready);
    assert_eq!(site.stored(&now), both("one", "two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_disk_refuses_does_not_hold_up_the_others() {
    let site = Site::new().await;
    let plan = site.stage(["one", "two"], SessionState::Ready);
    let target = site.path(&plan.final_path).join("SCANS/1/DICOM");
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("one.dcm"), "somebody else's").unwrap();
    site.store.commits().begin(plan).await.unwrap();
    let mut other = site.stage(["one", "two"], SessionState::Ready);
    other.staging = "staging/2/0".into();
    fs::rename(site.path("staging/1"), site.path("staging/2")).unwrap();
    site.stage(["one", "two"], SessionState::Ready);
    other.session.label = "S2".into();
    other.session.study_key = "another".into();
    other.session.folder = "S2".into();
    let home = other.session.home(Area::Prearchive);
    other.final_path = home.to_string_lossy().into_owned();
    site.store.commits().begin(other).await.unwrap();

    assert_eq!(site.archive.recover().await.unwrap(), 1);
    let sessions = site.store.sessions();
    let seen = sessions.list(SessionFilter::default()).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].label, "S2");
    assert!(
        site.path(STAGING).join("SCANS/1/DICOM/one.dcm").exists(),
        "what it needs is kept"
    );

    fs::remove_file(target.join("one.dcm")).unwrap();
    assert_eq!(site.archive.recover().await.unwrap(), 1, "once it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_look_back_has_unpacked_goes_in_time() {
    let site = Site::new().await;
    let staging = site.archive.data().join("staging");
    let [old, new] = ["old", "new"].map(|name| staging.join(format!("{LOOK_BACK}{name}")));
    for folder in [&old, &new] {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("member.dcm"), "identified").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - 2 * LONGEST_LOOK_BACK;
    let opened = std::fs::File::open(&old).unwrap();
    opened.set_modified(long_ago).unwrap();
    site.archive.tidy().await.unwrap();
    assert!(!old.exists() && new.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_process_could_not_end_is_ended_when_it_can_be() {
    let site = Site::new().await;
    let plan = site.stage(["one", "two"], SessionState::Ready);
    let session = site.archive.commit(plan).await.unwrap();
    let home = site.path("").join(session.home());
    // A folder that can't be removed as one.
    fs::rename(&home, site.path("aside")).unwrap();
    fs::write(&home, "no folder").unwrap();
    let refused = site.archive.delete(&session, "ada").await;
    assert!(matches!(refused, Err(ActionError::Files(_))), "{refused:?}");
    site.archive.tidy().await.unwrap();
    assert!(site.archive.has_left(), "not yet");
    let now = site.get(session.id).await.unwrap();
    assert_eq!(now.state, SessionState::Deleting);

    fs::remove_file(&home).unwrap();
    fs::rename(site.path("aside"), &home).unwrap();
    site.archive.tidy().await.unwrap();
    assert!(site.get(session.id).await.is_none() && !home.exists());
    assert!(!site.archive.has_left());
}
