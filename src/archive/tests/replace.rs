//! Replacing stored files: cut off at each step, and never unless a commit says so.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_was_cut_off_anywhere_ends_the_same() {
    for step in 0..=6 {
        let site = Site::new().await;
        let first = site
            .archive
            .commit(site.stage(["one", "two"], SessionState::Ready))
            .await
            .unwrap();
        let mut plan = site.stage(["one", "2nd"], SessionState::Ready);
        plan.into = Some(first.id);
        plan.details = serde_json::json!({ "overwrite": true });
        let id = site.store.commits().begin(plan).await.unwrap();
        let (from, to) = (
            site.path(STAGING).join(NEW),
            site.path("").join(first.home()).join(NEW),
        );
        replace_up_to(step, &from, &to, id, true);
        if step == 6 {
            fs::remove_dir_all(site.path("staging")).unwrap();
        }
        // Twice: the second time after what the first has left, as if it had been cut off before the end.
        assert_eq!(site.recover().await.unwrap(), 1, "step {step}");
        assert_eq!(site.recover().await.unwrap(), 0);
        let now = site.get(first.id).await.unwrap();
        assert_eq!(site.stored(&now), both("one", "2nd"), "step {step}");
        assert_eq!(site.history(&now, "two.dcm"), ["two"], "step {step}");
        let catalog = to.with_file_name("scan_1_catalog.xml");
        let catalog = fs::read_to_string(catalog).unwrap();
        assert_eq!(catalog.matches("<cat:entry ").count(), 2, "{catalog}");
        assert!(!to.with_file_name(".two.dcm.new").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacing_merge_that_was_cut_off_anywhere_ends_the_same() {
    // The last: the commit is finished, and its source folder still there.
    for step in 0..=6 {
        let site = Site::new().await;
        let archived = site
            .archive
            .commit(site.stage(["one", "two"], SessionState::Archived))
            .await
            .unwrap();
        let waiting = site.later(["one", "2nd"]).await;
        let plan = CommitPlan {
            request: None,
            username: "ada".into(),
            session: archived.to_new(),
            into: Some(archived.id),
            retires: Some(waiting.id),
            outcome: SessionState::Archived,
            staging: waiting.home().to_string_lossy().into_owned(),
            final_path: archived.home().to_string_lossy().into_owned(),
            scans: site.archive.incoming(&waiting).await.unwrap().scans,
            files: vec![file("two.dcm").into()],
            seen: vec![
                (archived.id, archived.lastmod),
                (waiting.id, waiting.lastmod),
            ],
            details: serde_json::json!({ "overwrite": true, "joins": true }),
        };
        let id = site.store.commits().begin(plan).await.unwrap();
        let home = site.path("").join(archived.home());
        let from = site.path("").join(waiting.home()).join(NEW);
        replace_up_to(step.min(5), &from, &home.join(NEW), id, false);
        let left = match step {
            6 => {
                site.store.commits().finish(id).await.unwrap();
                0
            }
            _ => 1,
        };
        assert_eq!(site.recover().await.unwrap(), left, "step {step}");
        let now = site.get(archived.id).await.unwrap();
        assert_eq!(site.stored(&now), both("one", "2nd"), "step {step}");
        assert_eq!(site.history(&now, "two.dcm"), ["two"], "step {step}");
        assert!(site.get(waiting.id).await.is_none());
        assert!(
            !site.path("prearchive/P").exists(),
            "step {step}: what was merged is gone"
        );
        assert_eq!(site.recover().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_way_is_never_replaced_unless_the_commit_says_so() {
    let site = Site::new().await;
    let first = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    let mut plan = site.stage(["one", "2nd"], SessionState::Ready);
    plan.into = Some(first.id);
    let refused = site.archive.commit(plan).await;
    assert!(matches!(refused, Err(ActionError::Files(_))), "{refused:?}");
    let now = site.get(first.id).await.unwrap();
    assert_eq!(site.stored(&now), both("one", "two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_goes_to_the_archive_with_its_session() {
    let site = Site::new().await;
    let first = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    let mut plan = site.stage(["one", "2nd"], SessionState::Ready);
    plan.into = Some(first.id);
    plan.details = serde_json::json!({ "overwrite": true });
    let now = site.archive.commit(plan).await.unwrap();
    let archived = site
        .archive
        .archive(&now, ArchiveOptions::default(), "ada")
        .await
        .unwrap();
    assert_eq!(site.stored(&archived), both("one", "2nd"));
    assert_eq!(site.history(&archived, "two.dcm"), ["two"]);
}
