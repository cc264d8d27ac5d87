//! Another site's page in a browser that knows this one: by a cookie, or by the name and password of HTTP Basic.

use crate::answer::{Answer, authorization, headed, read};
use crate::forms;
use crate::site::Site;

const SCRIPT: &str = "/xapi/siteConfig/sitewideAnonymizationScript";
const ELSEWHERE: [&str; 2] = ["https://elsewhere.example", "null"];

/// A form that a page of that origin sends; none: a client that is no browser.
fn post(site: &Site, user: &str, path: &str, origin: Option<&str>, body: &str) -> Answer {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    let request = agent.post(format!("{}{path}", site.server().base));
    let mut request = headed(request, authorization(user));
    // What a form may call its body without being asked first.
    let kind = match path.starts_with("/xapi") {
        true => "text/plain",
        false => "application/x-www-form-urlencoded",
    };
    request = request.header("Content-Type", kind);
    if let Some(origin) = origin {
        request = request.header("Origin", origin);
    }
    read(request.send(body).unwrap())
}

#[test]
fn another_sites_page_changes_nothing_by_a_known_password() {
    let site = Site::new();
    let before = site.get("root", SCRIPT).text().to_owned();
    let script = "version \"6.3\"\n(0010,0010) := \"X\"\n";
    for origin in ELSEWHERE {
        let answer = post(&site, "root", SCRIPT, Some(origin), script);
        assert_eq!(answer.status, 403, "{origin}: {}", answer.text());
        assert_eq!(site.get("root", SCRIPT).text(), before, "{origin}");
    }
    let own = site.server().base.clone();
    for origin in [Some(own.as_str()), None] {
        let answer = post(&site, "root", SCRIPT, origin, script);
        assert_eq!(answer.status, 200, "{origin:?}: {}", answer.text());
    }
    assert_eq!(site.get("root", SCRIPT).text(), script);
    forms::told(
        "calls of another site's page",
        "2 origins, with Basic",
        "refused, nothing changed",
    );
}

#[test]
fn another_sites_page_logs_nobody_in_or_out() {
    let site = Site::new();
    let form = "username=eve&password=eve";
    let own = site.server().base.clone();
    for path in ["/data/services/auth", "/login"] {
        for origin in ELSEWHERE {
            let answer = post(&site, "", path, Some(origin), form);
            assert_eq!(answer.status, 403, "{path} {origin}: {}", answer.text());
            assert_eq!(answer.header("set-cookie"), "", "{path} {origin}");
        }
        for origin in [Some(own.as_str()), None] {
            let answer = post(&site, "", path, origin, form);
            assert!(matches!(answer.status, 200 | 303), "{path} {origin:?}");
            assert_ne!(answer.header("set-cookie"), "", "{path} {origin:?}");
        }
    }
    let session = post(&site, "", "/data/services/auth", None, form);
    let cookie = format!("JSESSIONID={}", session.text());
    let headers = [("Cookie", cookie.as_str()), ("Origin", ELSEWHERE[0])];
    assert_eq!(site.delete_with("/data/JSESSION", &headers).status, 403);
    let who = site.open("", "/data/auth", &[("Cookie", &cookie)]);
    assert_eq!(who.status(), 200, "still logged in");
}

/// A browser that sees the challenge puts its own dialog over the page.
#[test]
fn a_pages_script_is_not_challenged_and_all_others_are() {
    let site = Site::new();
    let challenge = |headers: &[(&str, &str)]| {
        let answer = site.open("", "/xapi/dicom/list/events", headers);
        assert_eq!(answer.status(), 401);
        answer.headers().contains_key("www-authenticate")
    };
    assert!(challenge(&[]));
    assert!(challenge(&[("Sec-Fetch-Mode", "navigate")]));
    for mode in ["cors", "same-origin", "no-cors"] {
        assert!(!challenge(&[("Sec-Fetch-Mode", mode)]), "{mode}");
    }
}
