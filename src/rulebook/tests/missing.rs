//! Policies that are not there any more, and those that were taken away.

use super::*;

/// What imports get while a policy is missing, and what the status says of it.
async fn kept_without(site: &Site, missing: &str) -> (String, String) {
    let hash = site.hash().await;
    let status = site.book.status("DEMO").await.unwrap();
    assert_eq!(status.draft, None);
    let error = status.error.unwrap();
    assert!(error.starts_with(missing), "{error}");
    (hash, error)
}

#[tokio::test]
async fn a_policy_that_is_missing_leaves_the_active_version_in_place() {
    let site = Site::new().await;
    site.policy(r#"{ "anonymize": [], "leak_check": "report" }"#);
    let good = site.hash().await;
    let folder = site.rules.path();
    let policy = folder.join("projects/DEMO/policy.json");
    fs::rename(&policy, folder.join("saved")).unwrap();
    let (kept, error) = kept_without(&site, "rules/projects/DEMO/policy.json: is missing").await;
    assert_eq!(kept, good);
    assert!(error.contains("write {} into it"), "{error}");
    let another = site.another().await;
    assert_eq!(another.pin("DEMO").await.unwrap().hash(), good);
    // Nor does a change that has nothing to do with it take the policy away.
    let beside = [Change {
        path: "projects/DEMO/beside.csv".into(),
        content: Some(b"a,b\n".as_slice().into()),
    }];
    let demo = ["DEMO".to_owned()];
    assert!(site.book.change(&demo, &beside, ADA).await.is_err());
    assert!(site.book.check_there(&demo, false).await.is_err());
    site.book.check_there(&demo, true).await.unwrap();

    fs::rename(folder.join("saved"), &policy).unwrap();
    assert_eq!(site.hash().await, good);
    assert_eq!(site.book.status("DEMO").await.unwrap().error, None);
    assert_eq!(site.history().await.len(), 1);
    site.policy("{}");
    assert_ne!(site.hash().await, good, "an empty one says what it wants");
}

#[tokio::test]
async fn a_sites_policy_that_is_missing_holds_for_projects_without_a_version_too() {
    let site = Site::new().await;
    let policy = site.rules.path().join("site/policy.json");
    fs::create_dir_all(policy.parent().unwrap()).unwrap();
    fs::write(&policy, r#"{ "leak_check": "quarantine" }"#).unwrap();
    let good = site.hash().await;
    fs::remove_file(&policy).unwrap();
    let (kept, _) = kept_without(&site, "rules/site/policy.json: is missing").await;
    assert_eq!(kept, good);
    let never = site.book.pin("OTHER").await.err().unwrap().to_string();
    assert!(never.contains("of other projects have it"), "{never}");
    fs::write(&policy, "{}").unwrap();
    assert_ne!(site.hash().await, good);
    site.book.pin("OTHER").await.unwrap();
}

#[tokio::test]
async fn a_rules_folder_that_is_missing_is_no_empty_one() {
    let site = Site::new().await;
    let good = site.hash().await;
    fs::remove_dir(site.rules.path()).unwrap();
    let (kept, _) = kept_without(&site, "rules: the rules folder is missing: mount it").await;
    assert_eq!(kept, good);
    let never = site.book.pin("OTHER").await;
    assert!(matches!(never, Err(RulebookError::Rules(_))));
    fs::create_dir(site.rules.path()).unwrap();
    site.book.pin("OTHER").await.unwrap();
}

#[tokio::test]
async fn what_a_policy_names_is_missed_with_its_own_error() {
    let site = Site::new().await;
    let script = site.rules.path().join("projects/DEMO/project.das");
    fs::create_dir_all(script.parent().unwrap()).unwrap();
    fs::write(&script, "version \"6.6\"\n").unwrap();
    site.policy(r#"{ "anonymize": [{ "script": "project.das" }] }"#);
    let good = site.hash().await;
    fs::remove_file(&script).unwrap();
    let (kept, error) = kept_without(&site, "rules/projects/DEMO/").await;
    assert_eq!(kept, good);
    assert!(error.contains("project.das"), "{error}");
}

#[tokio::test]
async fn a_policy_is_taken_away_by_a_call_or_with_its_project() {
    let site = Site::new().await;
    let none = site.hash().await;
    site.policy(r#"{ "leak_check": "report" }"#);
    assert_ne!(site.hash().await, none);
    let demo = ["DEMO".to_owned()];
    let take_away = [Change {
        path: "projects/DEMO/policy.json".into(),
        content: None,
    }];
    site.book.change(&demo, &take_away, ADA).await.unwrap();
    assert_eq!(site.hash().await, none);
    assert_eq!(site.history().await[0].username, "ada");

    site.policy(r#"{ "leak_check": "report" }"#);
    site.book.change(&demo, &[], ADA).await.unwrap();
    assert_ne!(site.hash().await, none);
    let (store, policies) = (
        &site.book.store,
        crate::project::Policies::new(site.rules.path()),
    );
    policies.remove_project(store, "DEMO", "ada").await.unwrap();
    let again = NewProject::new("DEMO");
    store.projects().create(again, "ada").await.unwrap();
    assert_eq!(site.hash().await, none, "it begins anew");
}
