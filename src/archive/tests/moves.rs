//! Sessions on their way: to the archive anew, out of quarantine, under other labels, and what a crash leaves of that.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_between_two_states_is_put_right() {
    let site = Site::new().await;
    let archiving = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    site.archive.claim(&archiving, "ada").await.unwrap();
    let staged = site.path("staging/archive-1-99/SCANS");
    fs::create_dir_all(&staged).unwrap();

    let mut held = site.stage(["1", "2"], SessionState::Quarantined);
    held.session.label = "S2".into();
    held.session.folder = "S2".into();
    held.session.study_key = "other".into();
    held.final_path = held
        .session
        .home(Area::Quarantine)
        .to_string_lossy()
        .into_owned();
    let deleting = site.archive.commit(held).await.unwrap();
    let sessions = site.store.sessions();
    let from = [SessionState::Quarantined];
    assert!(
        sessions
            .set_state(deleting.id, &from, SessionState::Deleting, None, "ada")
            .await
            .unwrap()
    );

    // What the living have in hand is theirs.
    site.recover().await.unwrap();
    let now = site.get(archiving.id).await.unwrap();
    assert_eq!(now.state, SessionState::Archiving);
    let gone = site.store.instance();
    site.store.instances().forget(gone).await.unwrap();
    site.recover().await.unwrap();
    let now = site.get(archiving.id).await.unwrap();
    assert_eq!(now.state, SessionState::Ready);
    assert!(now.reason.unwrap().contains("interrupted"));
    assert!(!staged.exists());
    assert!(site.get(deleting.id).await.is_none());
    assert!(!site.path("quarantine/P").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_made_from_what_has_changed_since_is_refused() {
    let site = Site::new().await;
    let first = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    let mut more = site.stage(["one", "two"], SessionState::Ready);
    more.into = Some(first.id);
    site.archive.commit(more.clone()).await.unwrap();
    more.seen = vec![(first.id, first.lastmod)];
    let refused = site.archive.commit(more).await;
    assert!(matches!(refused, Err(ActionError::Busy)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_gets_another_subject_in_place_and_another_label_with_its_folder() {
    let site = Site::new().await;
    let session = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Ready))
        .await
        .unwrap();
    let subject = ArchiveOptions {
        subject: Some("B".into()),
        ..ArchiveOptions::default()
    };
    let moved = site
        .archive
        .relabel(&session, &subject, "ada")
        .await
        .unwrap();
    assert_eq!(
        (moved.subject.as_str(), moved.home()),
        ("B", session.home())
    );
    assert_eq!(site.stored(&moved), both("one", "two"));

    let label = ArchiveOptions {
        label: Some("S9".into()),
        ..ArchiveOptions::default()
    };
    let moved = site.archive.relabel(&moved, &label, "ada").await.unwrap();
    assert_eq!((moved.label.as_str(), moved.folder.as_str()), ("S9", "S9"));
    assert_eq!(site.stored(&moved), both("one", "two"));
    assert!(!site.path("").join(session.home()).exists());
    assert_eq!(site.store.labels().holder("P", "S1").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_whose_number_another_has_becomes_a_scan_beside_it() {
    let site = Site::new().await;
    let archived = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Archived))
        .await
        .unwrap();
    let mut plan = site.stage(["1", "2"], SessionState::Ready);
    plan.session.timestamp = "20240102_000000000".into();
    plan.final_path = plan
        .session
        .home(Area::Prearchive)
        .to_string_lossy()
        .into_owned();
    plan.scans[0].series_uid = "1.2.9".into();
    std::sync::Arc::make_mut(&mut plan.files[0]).sop_uid = "1.2.9.1".into();
    std::sync::Arc::make_mut(&mut plan.files[1]).sop_uid = "1.2.9.2".into();
    let waiting = site.archive.commit(plan).await.unwrap();
    let append = ArchiveOptions {
        merge: true,
        ..ArchiveOptions::default()
    };
    let merged = site.archive.archive(&waiting, append, "ada").await.unwrap();
    assert_eq!(merged.id, archived.id);
    assert_eq!(site.stored(&merged), both("one", "two"));
    let beside = site
        .path("")
        .join(merged.home())
        .join("SCANS/1-MR1/DICOM/two.dcm");
    assert_eq!(fs::read_to_string(beside).unwrap(), "2");
    let scans = site.store.sessions().scans(merged.id).await.unwrap();
    let scans: Vec<_> = scans
        .iter()
        .map(|s| (s.scan.scan_id.as_str(), s.scan.series_uid.as_str(), s.files))
        .collect();
    assert_eq!(scans, [("1", "1.2.1", 2), ("1-MR1", "1.2.9", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_anonymized_is_not_archived_as_it_is() {
    let site = Site::new().await;
    let mut plan = site.stage(["one", "two"], SessionState::Ready);
    plan.session.identified = true;
    let session = site.archive.commit(plan).await.unwrap();
    let refused = site
        .archive
        .archive(&session, ArchiveOptions::default(), "ada")
        .await;
    assert!(
        matches!(refused, Err(ActionError::Refused(_))),
        "{refused:?}"
    );
    let now = site.get(session.id).await.unwrap();
    assert_eq!((now.state, now.identified), (SessionState::Error, true));
    assert!(!site.path("archive").exists());
}

#[test]
fn addresses_name_a_session_or_nothing() {
    let place = ("P", "20240101_000000000", "S1");
    for uri in [
        "/prearchive/projects/P/20240101_000000000/S1",
        "/data/prearchive/projects/P/20240101_000000000/S1",
        "/data/prearchive/projects/P/20240101_000000000/S1/",
    ] {
        assert_eq!(parse_uri(uri), Some(place), "{uri}");
    }
    for uri in [
        "",
        "/",
        "/prearchive/projects/P/20240101_000000000",
        "/prearchive/projects/P//S1",
        "/prearchive/projects/P/20240101_000000000/S1/scans",
        "/archive/projects/P/subjects/A/experiments/S1",
    ] {
        assert_eq!(parse_uri(uri), None, "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_rules_made_anew_takes_the_old_ones_place_wherever_it_was_cut_off() {
    // After the plan was written; with one file in place; with both; finished, with all folders still there.
    for step in 0..=3 {
        let site = Site::new().await;
        let mut plan = site.stage(["one", "two"], SessionState::Ready);
        let claim = crate::store::testing::claimed(&site.store).await;
        plan.request = Some(claim);
        plan.session.identified = true;
        let waiting = site.archive.commit(plan).await.unwrap();
        let claimed = site.archive.claim(&waiting, "ada").await.unwrap();
        let staging = site.archive.staging_for(&claimed);
        let mut plan = site.stage(["ONE", "TWO"], SessionState::Archived);
        fs::rename(site.path(STAGING), site.path("").join(&staging)).unwrap();
        fs::remove_dir(site.path("staging/1")).unwrap();
        plan.retires = Some(waiting.id);
        plan.staging = staging.to_string_lossy().into_owned();
        plan.seen = vec![(claimed.id, claimed.lastmod)];
        plan.details = serde_json::json!({ "leaves": [waiting.home()] });
        let target = site.path(&plan.final_path).join("SCANS/1/DICOM");
        let id = site.store.commits().begin(plan).await.unwrap();
        assert_eq!(
            site.stored(&claimed),
            both("one", "two"),
            "seen until the end"
        );
        fs::create_dir_all(&target).unwrap();
        for name in ["one.dcm", "two.dcm"].iter().take(step) {
            let from = site.path("").join(&staging).join("SCANS/1/DICOM");
            fs::rename(from.join(name), target.join(name)).unwrap();
        }
        if step == 3 {
            site.store.commits().finish(id).await.unwrap();
        }
        site.recover().await.unwrap();
        let all = SessionFilter::default();
        let sessions = site.store.sessions().list(all).await.unwrap();
        assert_eq!(sessions.len(), 1, "step {step}");
        let now = &sessions[0];
        assert_eq!((now.state, now.identified), (SessionState::Archived, false));
        assert_eq!(
            (&now.timestamp, now.request, now.uploaded),
            (&waiting.timestamp, Some(claim.request), waiting.uploaded),
            "it is the session that came then"
        );
        assert_eq!(site.stored(now), both("ONE", "TWO"));
        for left in ["prearchive/P", "staging"] {
            let left = fs::read_dir(site.path(left)).into_iter().flatten().count();
            assert_eq!(left, 0, "step {step}");
        }
        let of_request = site.store.requests().sessions(claim.request).await.unwrap();
        assert_eq!(of_request.len(), 1);
        assert_eq!(of_request[0].id, now.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_moves_the_folder_and_says_who_did_it() {
    let site = Site::new().await;
    let held = site
        .archive
        .commit(site.stage(["one", "two"], SessionState::Quarantined))
        .await
        .unwrap();
    let release = Release {
        reason: "looked at".into(),
        ..Release::default()
    };
    let released = site
        .archive
        .release(&held, release.clone(), "otto")
        .await
        .unwrap();
    assert_eq!(
        (released.state, released.auto_archive),
        (SessionState::Ready, false)
    );
    assert_eq!(site.stored(&released), both("one", "two"));
    assert!(!site.path("quarantine/P").exists());
    let audit = site.store.audit_trail(10).await.unwrap();
    let entry = audit.iter().find(|e| e.action == "session.released");
    let entry = entry.expect("who released it is told");
    assert_eq!(
        (entry.username.as_str(), entry.object.as_str()),
        ("otto", &*format!("session/{}", held.id))
    );
    assert!(audit.iter().all(|e| !e.object.contains("looked")));
    let again = site.archive.release(&released, release, "otto").await;
    assert!(matches!(again, Err(ActionError::Refused(_))), "{again:?}");
}
