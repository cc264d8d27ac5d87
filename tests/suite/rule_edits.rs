//! Changes of the rules over REST, made of what was read before: of two that are made of the same, one is told.

use crate::answer::{Answer, authorization, headed, read};
use crate::site::Site;

const POLICY: &str = "/xapi/rules/projects/P/policy";

/// A PUT of what was read with that tag.
fn put(site: &Site, path: &str, tag: &str, body: &str) -> Answer {
    let url = format!("{}{path}", site.server().base);
    let request = headed(ureq::put(url), authorization("root"));
    let request = request.header("If-Match", tag);
    let request = request.config().http_status_as_error(false).build();
    read(request.send(body).unwrap())
}

/// Policies that mean the same, and are not.
fn policy(spaces: usize) -> String {
    format!("{{ \"anonymize\":{}[] }}\n", " ".repeat(spaces))
}

#[test]
fn what_was_changed_since_it_was_read_is_not_written_over() {
    let mut site = Site::prepared();
    site.rhai(
        "mine",
        "anonymize",
        &[],
        &[],
        "fn anonymize(ds, ctx) { keep() }",
    );
    site.serve(&[]);
    let script = |text: &str| format!("version \"6.3\"\n(0010,0010) := \"{text}\"\n");
    let code = |text: &str| format!("// {text}\nfn anonymize(ds, ctx) {{ keep() }}\n");
    let none = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";
    for (path, one, another) in [
        (POLICY, policy(1), policy(2)),
        ("/xapi/rules/site/policy", policy(1), policy(2)),
        (
            "/xapi/rules/projects/P/files/a.das",
            script("1"),
            script("2"),
        ),
        ("/xapi/rules/site/files/a.das", script("1"), script("2")),
        (
            "/xapi/rules/modules/mine/files/rule.rhai",
            code("1"),
            code("2"),
        ),
    ] {
        let found = site.get("root", path);
        let tag = match found.status {
            404 => none,
            _ => found.header("etag"),
        };
        let first = put(&site, path, tag, &one);
        assert_eq!(first.status, 200, "{path}: {}", first.text());
        let late = put(&site, path, tag, &another);
        assert_eq!(late.status, 412, "{path}: {}", late.text());
        let found = site.get("root", path);
        assert_eq!(found.text(), one, "{path}");
        let tags = format!("{tag}, {}", found.header("etag"));
        assert_eq!(put(&site, path, &tags, &another).status, 200, "{path}");
        assert_eq!(put(&site, path, "*", &one).status, 200, "{path}");
        // Who does not ask is not asked.
        let plain = site.put_text("root", path, &another);
        assert_eq!(plain.status, 200, "{path}: {}", plain.text());
    }
    let missing = "/xapi/rules/site/files/b.das";
    assert_eq!(put(&site, missing, "*", &script("1")).status, 412);
}

#[test]
fn of_changes_at_once_that_are_made_of_the_same_one_is_made() {
    let site = Site::new();
    assert_eq!(site.put_text("root", POLICY, &policy(0)).status, 200);
    for round in 0..5 {
        let tag = site.get("root", POLICY).header("etag").to_owned();
        let made: usize = std::thread::scope(|scope| {
            let (site, tag) = (&site, &tag);
            let calls: Vec<_> = (0..4)
                .map(|number| {
                    let text = policy(4 * round + number + 1);
                    scope.spawn(move || put(site, POLICY, tag, &text).status)
                })
                .collect();
            let statuses = calls.into_iter().map(|call| call.join().unwrap());
            statuses
                .inspect(|status| assert!(matches!(status, 200 | 412), "{status}"))
                .filter(|status| *status == 200)
                .count()
        });
        assert_eq!(made, 1);
    }
}
