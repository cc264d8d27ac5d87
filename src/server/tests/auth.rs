//! Who is let in, how, for how long; and what clients ask before anything else.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tower::Service as _;

use crate::password;
use crate::store::UserChange;

use super::Site;

#[tokio::test]
async fn without_credentials_the_answer_is_401_with_a_challenge() {
    let site = Site::new().await;
    let request = Request::post("/data/services/import")
        .body(Body::empty())
        .unwrap();
    let response = site.router.clone().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    assert!(response.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn a_session_cookie_serves_until_logout_and_not_from_another_site() {
    let site = Site::new().await;
    let login = site
        .call(
            "eve",
            "PUT",
            "/data/services/auth",
            "username=ada&password=ada",
        )
        .await;
    assert_eq!(login.text().len(), 32);
    let cookie = login
        .cookies
        .iter()
        .find(|c| c.starts_with("JSESSIONID="))
        .unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(
        login
            .cookies
            .iter()
            .any(|c| c.starts_with("SESSION_EXPIRATION_TIME=\""))
    );

    let with_cookie = |method: &str, uri: &str, origin: Option<&str>| {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, "sluice.example")
            .header(header::COOKIE, format!("JSESSIONID={}", login.text()));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        request.body(Body::empty()).unwrap()
    };
    let who = site.send(with_cookie("GET", "/data/auth", None)).await;
    assert_eq!(who.text(), "User 'ada' is logged in");
    let import = "/data/services/import";
    let own = site
        .send(with_cookie("POST", import, Some("https://sluice.example")))
        .await;
    assert_eq!(
        own.status.as_u16(),
        400,
        "looked at, and found without parameters"
    );
    let other = site
        .send(with_cookie("POST", import, Some("https://evil.example")))
        .await;
    assert_eq!(other.status.as_u16(), 403);
    assert_eq!(
        site.send(with_cookie("DELETE", "/data/JSESSION", None))
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        site.send(with_cookie("GET", "/data/auth", None))
            .await
            .status
            .as_u16(),
        401
    );
}

#[tokio::test]
async fn a_changed_password_is_asked_for_at_once() {
    let site = Site::new().await;
    assert_eq!(site.get("ada", "/data/auth").await.status.as_u16(), 200);
    let record = password::hash("new").unwrap();
    site.store
        .users()
        .set_password("ada", &record, "root")
        .await
        .unwrap();
    assert_eq!(site.get("ada", "/data/auth").await.status.as_u16(), 401);
    assert_eq!(site.get("ada:new", "/data/auth").await.status.as_u16(), 200);
    let out = UserChange {
        enabled: Some(false),
        ..UserChange::default()
    };
    site.store.users().change("ada", out, "root").await.unwrap();
    assert_eq!(site.get("ada:new", "/data/auth").await.status.as_u16(), 401);
}

#[tokio::test]
async fn what_clients_ask_first_is_answered_as_they_want_it() {
    let site = Site::new().await;
    assert_eq!(site.get("ada", "/data/version").await.status.as_u16(), 404);
    assert_eq!(
        site.get("ada", "/xapi/siteConfig/buildInfo").await.json()["version"],
        "1.9.0"
    );
    assert_eq!(
        site.get("ada", "/xapi/schemas?format=json").await.text(),
        r#"["xnat"]"#
    );
    let schema = site.get("ada", "/xapi/schemas/xnat?format=json").await;
    assert!(schema.text().contains("name=\"mrSessionData\""));
    let unknown = site.get("ada", "/xapi/schemas/none").await;
    assert_eq!(unknown.status.as_u16(), 404);
    let health = Request::get("/readyz").body(Body::empty()).unwrap();
    assert_eq!(site.send(health).await.status.as_u16(), 200);
    let jsession = site.get("ada", "/data/JSESSION").await;
    assert_eq!((jsession.text().len(), jsession.cookies.len()), (32, 2));
}

#[tokio::test]
async fn a_nul_character_is_the_callers_error_in_any_database() {
    let site = Site::new().await;
    for path in [
        "/data/projects/a%00b",
        "/data/prearchive/projects/DEMO/a%00/b",
    ] {
        let status = site.call("ada", "GET", path, "").await.status;
        assert!(status.is_client_error(), "{path}: {status}");
    }
    let path = site.inbox("DEMO/a\0b");
    let body = format!("import-handler=inbox&PROJECT_ID=D%00&path={path}").replace('\0', "%00");
    let answer = site
        .call("ada", "POST", "/data/services/import", &body)
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

/// xnatpy takes what a redirect of `/` leads to for the server's address.
#[tokio::test]
async fn the_first_page_sends_browsers_to_the_login_and_clients_nowhere() {
    let site = Site::new().await;
    for (accept, status) in [
        ("text/html,application/xhtml+xml", StatusCode::SEE_OTHER),
        ("*/*", StatusCode::OK),
    ] {
        let request = Request::get("/").header(header::ACCEPT, accept);
        let request = request.body(Body::empty()).unwrap();
        let response = site.router.clone().call(request).await.unwrap();
        assert_eq!(response.status(), status, "{accept}");
    }
}
