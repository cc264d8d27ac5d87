//! A session that somebody else has put into a browser is nobody's after the login.

use crate::forms;
use crate::site::Site;

/// The session's id in an answer that opens one.
fn opened(answer: &ureq::http::Response<ureq::Body>) -> String {
    let cookies = answer.headers().get_all("set-cookie").iter();
    let values = cookies.map(|value| value.to_str().unwrap());
    let session = values
        .filter_map(|value| value.strip_prefix("JSESSIONID="))
        .next();
    session.unwrap().split(';').next().unwrap().to_owned()
}

/// Who a session is of; none if it is no session.
fn who(site: &Site, session: &str) -> Option<String> {
    let cookie = format!("JSESSIONID={session}");
    let mut answer = site.open("", "/data/auth", &[("Cookie", &cookie)]);
    (answer.status() == 200).then(|| answer.body_mut().read_to_string().unwrap())
}

#[test]
fn a_login_gives_a_new_session_and_ends_the_one_that_was_there() {
    let site = Site::new();
    let log_in = |path: &str, user: &str, cookie: &str| {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent();
        let request = agent.post(format!("{}{path}", site.server().base));
        let request = request.header("Cookie", format!("JSESSIONID={cookie}"));
        let answer = request.send_form([("username", user), ("password", user)]);
        opened(&answer.unwrap())
    };
    let mut ways = 0;
    for path in ["/data/services/auth", "/login"] {
        // One that was made up.
        let made_up = "0123456789ABCDEF0123456789ABCDEF";
        let session = log_in(path, "ada", made_up);
        assert_ne!(session, made_up, "{path}");
        assert_eq!(who(&site, made_up), None, "{path}");
        // One of somebody who waits for another to work in it.
        let planted = log_in(path, "eve", made_up);
        assert!(who(&site, &planted).unwrap().contains("eve"));
        let session = log_in(path, "ada", &planted);
        assert_ne!(session, planted, "{path}");
        assert!(who(&site, &session).unwrap().contains("ada"), "{path}");
        assert_eq!(who(&site, &planted), None, "{path}: it has ended");
        // Again by the same user: one browser has one session.
        let again = log_in(path, "ada", &session);
        assert_ne!(again, session, "{path}");
        assert_eq!(who(&site, &session), None, "{path}");
        ways += 1;
    }
    // Asked for with a password beside another's cookie.
    let eves = log_in("/data/services/auth", "eve", "x");
    let cookie = format!("JSESSIONID={eves}");
    let answer = site.open("ada", "/data/JSESSION", &[("Cookie", &cookie)]);
    let session = opened(&answer);
    assert_ne!(session, eves);
    assert!(who(&site, &session).unwrap().contains("ada"));
    assert_eq!(who(&site, &eves), None);
    forms::told(
        "session fixation",
        &format!("{} ways to log in", ways + 1),
        "a new session each time, the old one ended",
    );
}
