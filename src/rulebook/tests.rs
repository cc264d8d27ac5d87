//! Which version an import gets while the folder changes, breaks and is mended, on one server and on two.

mod missing;

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
    let back = site.book.roll_back("DEMO", &first, ADA, false);
    back.await.unwrap();
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
    let refused = site.book.roll_back("OTHER", &of_demo, ADA, false).await;
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

const FIRST: &str = r#"{ "leak_check": "report" }"#;
const SECOND: &str = r#"{ "leak_check": "quarantine" }"#;

#[tokio::test]
async fn a_server_whose_folder_lags_does_not_undo_what_another_has_activated() {
    let site = Site::new().await;
    let lagging = tempfile::tempdir().unwrap();
    let write = |text: &str| {
        let policy = lagging.path().join("projects/DEMO/policy.json");
        fs::create_dir_all(policy.parent().unwrap()).unwrap();
        fs::write(policy, text).unwrap();
    };
    let other = book(&lagging, testing::another(&site.book.store).await);
    let seen_by_other = async || other.pin("DEMO").await.unwrap().hash().to_owned();
    site.policy(FIRST);
    write(FIRST);
    let first = site.hash().await;
    assert_eq!(seen_by_other().await, first);
    site.policy(SECOND);
    let second = site.hash().await;
    assert_eq!(seen_by_other().await, second, "its folder holds the first");
    assert_eq!(site.hash().await, second);
    let status = other.status("DEMO").await.unwrap();
    assert!(status.notes[0].starts_with("the rules folder holds a version that was"));
    assert_eq!(site.history().await.len(), 2);

    write(SECOND);
    assert_eq!(seen_by_other().await, second);
    assert!(other.status("DEMO").await.unwrap().notes.is_empty());
    // What it sees change is an edit, whatever it was edited to.
    write(FIRST);
    assert_eq!(seen_by_other().await, first);
    assert_eq!(site.hash().await, first, "the second is the old one now");
}

#[tokio::test]
async fn what_was_edited_while_no_server_ran_is_followed_when_one_starts() {
    let site = Site::new().await;
    site.policy(FIRST);
    let first = site.hash().await;
    site.policy(SECOND);
    site.hash().await;
    site.policy(FIRST);
    let started = book(&site.rules, testing::another(&site.book.store).await);
    assert_eq!(started.pin("DEMO").await.unwrap().hash(), first);
}

#[tokio::test]
async fn an_activation_that_does_not_know_the_last_one_is_not_made() {
    let site = Site::new().await;
    site.policy(FIRST);
    site.hash().await;
    site.policy(SECOND);
    site.hash().await;
    let history = site.history().await;
    let (last, before) = (&history[0], &history[1]);
    let files = BTreeMap::new();
    let again = |after: &Activation| NewActivation {
        project: "DEMO",
        after: Some(after.id),
        rule_set: &before.rule_set,
        draft: &before.draft,
        username: "ada",
        reason: "",
        files: &files,
    };
    let rule_sets = site.book.store.rule_sets();
    assert!(!rule_sets.activate(again(before)).await.unwrap());
    assert!(rule_sets.activate(again(last)).await.unwrap());
}

#[tokio::test]
async fn a_rollback_waits_for_who_stages_the_folder() {
    let site = Site::new().await;
    site.policy(FIRST);
    let first = site.hash().await;
    site.policy(SECOND);
    site.hash().await;
    let staging = site.book.changing.read().await;
    let back = site.book.roll_back("DEMO", &first, ADA, false);
    let waits = tokio::time::timeout(std::time::Duration::from_millis(50), back).await;
    assert!(waits.is_err());
    drop(staging);
}

#[tokio::test]
async fn an_owners_rollback_sees_what_the_site_has_changed_just_now() {
    let site = Site::new().await;
    let first = site.hash().await;
    let folder = site.rules.path().join("site");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("policy.json"), SECOND).unwrap();
    let refused = site.book.roll_back("DEMO", &first, ADA, true).await;
    assert!(matches!(refused, Err(RulebookError::OtherSite(_))));
    let back = site.book.roll_back("DEMO", &first, ADA, false);
    assert_eq!(back.await.unwrap().hash(), first);
}
