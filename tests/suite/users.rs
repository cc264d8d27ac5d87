//! Users over REST: what a call may change of whom, and that it does all of it or nothing.

use serde_json::json;

use crate::site::Site;

const ADA: &str = "/xapi/users/ada";

#[test]
fn all_that_a_change_says_is_done() {
    let site = Site::new();
    let change = json!({
        "username": "ada", "admin": true, "email": "ada@example.org", "firstName": "Ada", "lastName": "Byron",
    });
    let changed = site.put_json("root", ADA, &change).json();
    for (name, value) in change.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    assert_eq!(
        site.get("ada", "/xapi/users").status,
        200,
        "an administrator"
    );
    // What is not said stays.
    let changed = site
        .put_json("root", ADA, &json!({ "admin": false }))
        .json();
    assert_eq!(
        (&changed["admin"], &changed["email"], &changed["enabled"]),
        (&json!(false), &json!("ada@example.org"), &json!(true))
    );
    assert_eq!(site.get("ada", "/xapi/users").status, 403);
    let own = site.put_json("ada", ADA, &json!({ "lastName": "Lovelace" }));
    assert_eq!(own.json()["lastName"], "Lovelace");
    let named = site.put_json("root", ADA, &json!({ "username": "eva" }));
    assert_eq!(named.status, 400, "{}", named.text());
    let nobody = site.put_json("root", "/xapi/users/nobody", &json!({ "admin": true }));
    assert_eq!(nobody.status, 404, "{}", nobody.text());
    let out = json!({ "username": "new", "password": "new", "enabled": false });
    assert_eq!(site.send("root", "POST", "/xapi/users", &out).status, 400);
    let actions: Vec<String> = site.audit("user/ada").into_iter().map(|(_, a)| a).collect();
    assert_eq!(
        actions,
        [
            "user.add",
            "user.admin",
            "user.change",
            "user.no_admin",
            "user.change"
        ]
    );
}

#[test]
fn what_is_refused_in_part_is_not_done_at_all() {
    let site = Site::new();
    for refused in [
        json!({ "password": "other", "enabled": false }),
        json!({ "password": "other", "admin": true }),
    ] {
        let answer = site.put_json("ada", ADA, &refused);
        assert_eq!(answer.status, 403, "{refused}: {}", answer.text());
        assert_eq!(site.get("ada", "/data/auth").status, 200, "{refused}");
    }
    let root = "/xapi/users/root";
    for last in [
        json!({ "admin": false }),
        json!({ "enabled": false, "password": "other" }),
    ] {
        let answer = site.put_json("root", root, &last);
        assert_eq!(answer.status, 409, "{last}: {}", answer.text());
        assert_eq!(site.get("root", root).json()["admin"], true);
    }
    // Two that would each leave the other.
    let made = site.put_json("root", ADA, &json!({ "admin": true }));
    assert_eq!(made.status, 200);
    let statuses = std::thread::scope(|scope| {
        let calls = [ADA, root].map(|path| {
            let site = &site;
            let (by, none) = (
                if path == ADA { "root" } else { "ada" },
                json!({ "admin": false }),
            );
            scope.spawn(move || site.put_json(by, path, &none).status)
        });
        calls.map(|call| call.join().unwrap())
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}
