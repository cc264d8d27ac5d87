//! Which version an import gets while the folder changes, breaks and is mended, on one server and on two.

use super::*;
use crate::rules::Change;
use crate::store::{NewProject, testing};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const ADA: Author<'static> = Author {
    username: "ada",
    reason: "as agreed",
};

struct Site {
    _database: TempDir,
    rules: TempDir,
    book: Rulebook,
}

impl Site {
    async fn new() -> Site {
        let (database, store) = testing::store_with_project().await;
        store
            .projects()
            .create(NewProject::new("OTHER"), "ada")
            .await
            .unwrap();
        let rules = tempfile::tempdir().unwrap();
        let book = book(&rules, store);
        Site {
            _database: database,
            rules,
            book,
        }
    }

    fn policy(&self, text: &str) {
        let folder = self.rules.path().join("projects/DEMO");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("policy.json"), text).unwrap();
    }

    async fn hash(&self) -> String {
        self.book.pin("DEMO").await.unwrap().hash().to_owned()
    }

    async fn history(&self) -> Vec<Activation> {
        let rule_sets = self.book.store.rule_sets();
        rule_sets.history(Some("DEMO"), 10).await.unwrap()
    }

    /// Another server on the same database and folder, or this one after a restart.
    async fn another(&self) -> Rulebook {
        book(&self.rules, testing::another(&self.book.store).await)
    }
}

fn book(rules: &TempDir, store: Store) -> Rulebook {
    Rulebook::new(store, Registry::open(rules.path().to_owned()))
}

#[tokio::test]
async fn a_broken_policy_leaves_the_active_version_in_place_and_says_why() {
    let site = Site::new().await;
    site.policy(r#"{ "leak_check": "report" }"#);
    let good = site.hash().await;
    site.policy(r#"{ "leak_chek": "report" }"#);
    assert_eq!(site.hash().await, good);
    let status = site.book.status("DEMO").await.unwrap();
    assert_eq!(status.active.unwrap().rule_set, good);
    assert_eq!(status.draft, None);
    assert_eq!(
        status.error.as_deref(),
        Some(
            r#"rules/projects/DEMO/policy.json: /leak_chek: unknown key (did you mean "leak_check"?)"#
        )
    );
    let other = site.book.status("OTHER").await.unwrap();
    assert_eq!(other.error, None, "another project's error is none of its");
    site.policy(r#"{ "leak_check": "report" }"#);
    site.hash().await;
    assert_eq!(site.book.status("DEMO").await.unwrap().error, None);
}

#[tokio::test]
async fn a_start_on_a_broken_folder_goes_on_with_the_active_version() {
    let site = Site::new().await;
    site.policy(r#"{ "leak_check": "report" }"#);
    let good = site.hash().await;
    site.policy("{");
    let again = site.another().await;
    assert_eq!(again.pin("DEMO").await.unwrap().hash(), good);
    let never = again.pin("OTHER").await.unwrap();
    assert_ne!(never.hash(), good);
}

#[tokio::test]
async fn what_is_broken_from_the_first_is_an_error() {
    let site = Site::new().await;
    site.policy("{");
    assert!(matches!(
        site.book.pin("DEMO").await,
        Err(RulebookError::Rules(_))
    ));
}

#[tokio::test]
async fn a_rollback_stands_until_the_folder_holds_something_else() {
    let site = Site::new().await;
    site.policy(r#"{ "leak_check": "report" }"#);
    let first = site.hash().await;
    site.policy(r#"{ "leak_check": "quarantine" }"#);
    let second = site.hash().await;
    site.book.roll_back("DEMO", &first, ADA).await.unwrap();
    assert_eq!(site.hash().await, first);
    let other = site.another().await;
    assert_eq!(
        other.pin("DEMO").await.unwrap().hash(),
        first,
        "on any server"
    );
    site.policy("{");
    assert_eq!(site.hash().await, first, "and while the folder is broken");
    site.policy(r#"{ "leak_check": "off" }"#);
    let third = site.hash().await;
    assert!(third != first && third != second);

    let told: Vec<_> = site
        .history()
        .await
        .into_iter()
        .map(|a| (a.rule_set, a.username, a.reason))
        .collect();
    let by_files = |hash: String| (hash, FILES.to_owned(), Author::FILES.reason.to_owned());
    let expected = [
        by_files(third),
        (first.clone(), "ada".to_owned(), "as agreed".to_owned()),
        by_files(second),
        by_files(first),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn only_what_was_active_in_the_project_can_be_rolled_back_to() {
    let site = Site::new().await;
    site.policy(r#"{ "leak_check": "report" }"#);
    let of_demo = site.hash().await;
    let refused = site.book.roll_back("OTHER", &of_demo, ADA).await;
    assert!(matches!(refused, Err(RulebookError::NoVersion(_))));
}

#[tokio::test]
async fn a_change_that_breaks_a_project_is_not_made() {
    let site = Site::new().await;
    let before = site.hash().await;
    let change = |text: &str| {
        [Change {
            path: "projects/DEMO/policy.json".into(),
            content: Some(text.as_bytes().into()),
        }]
    };
    let projects = ["DEMO".to_owned(), "OTHER".to_owned()];
    let bad = change(r#"{ "label": { "module": "none" } }"#);
    assert!(site.book.change(&projects, &bad, ADA).await.is_err());
    assert!(!site.rules.path().join("projects").exists());
    assert_eq!(site.hash().await, before);
    let good = change(r#"{ "leak_check": "report" }"#);
    site.book.change(&projects, &good, ADA).await.unwrap();
    let active = site.book.status("DEMO").await.unwrap().active.unwrap();
    assert_ne!(active.rule_set, before);
    assert_eq!(active.username, "ada");
}

#[tokio::test]
async fn two_servers_that_see_the_same_change_record_it_once() {
    let site = Site::new().await;
    let other = site.another().await;
    site.policy(r#"{ "leak_check": "report" }"#);
    let (one, two) = tokio::join!(site.book.pin("DEMO"), other.pin("DEMO"));
    assert_eq!(one.unwrap().hash(), two.unwrap().hash());
    assert_eq!(site.history().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_while_a_change_is_made_does_not_take_it_for_an_edit_on_disk() {
    let site = Site::new().await;
    site.hash().await;
    let (book, done) = (site.book.clone(), Arc::new(AtomicBool::new(false)));
    let is_done = done.clone();
    let looking = tokio::spawn(async move {
        while !is_done.load(Ordering::Relaxed) {
            book.pin("DEMO").await.unwrap();
        }
    });
    for n in 0..20 {
        let change = Change {
            path: "projects/DEMO/policy.json".into(),
            content: Some(
                format!("{{ \"anonymize\": [] }}{}", " ".repeat(n))
                    .as_bytes()
                    .into(),
            ),
        };
        let projects = ["DEMO".to_owned()];
        site.book.change(&projects, &[change], ADA).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    looking.await.unwrap();
    let rule_sets = site.book.store.rule_sets();
    let history = rule_sets.history(Some("DEMO"), 100).await.unwrap();
    let by_ada = history.iter().filter(|active| active.username == "ada");
    assert_eq!((by_ada.count(), history.len()), (20, 21));
}

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
