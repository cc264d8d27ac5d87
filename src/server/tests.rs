//! The server as a client sees it: real routes and a real database, the plain local ports.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use serde_json::Value;
use tower::Service as _;

use crate::archive::Archive;
use crate::config::{Config, StateArgs};
use crate::inbox::Inbox;
use crate::password;
use crate::store::{
    CommitPlan, NewProject, NewSession, NewUser, RequestFilter, Role, Scan, SessionState, Store,
    StoredFile,
};

use super::{AppState, router};

/// A site with the projects DEMO and OTHER, an administrator, and ada who is a member of DEMO, bob a
/// collaborator of it, eve nobody. Everybody's password is their name.
struct Site {
    folder: tempfile::TempDir,
    store: Store,
    router: Router,
}

struct Answer {
    status: StatusCode,
    kind: String,
    cookies: Vec<String>,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first row of a table.
    fn row(&self) -> Value {
        self.json()["ResultSet"]["Result"][0].clone()
    }
}

impl Site {
    async fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let args = StateArgs {
            data: folder.path().to_path_buf(),
            ..StateArgs::default()
        };
        let config = Config::load_state(&args).unwrap();
        config.make_folders().unwrap();
        let store = Store::open(&config.database).await.unwrap();
        for name in ["root", "ada", "bob", "eve"] {
            let record = password::hash(name).unwrap();
            let user = NewUser {
                admin: name == "root",
                ..NewUser::new(name, record.as_str())
            };
            store.users().add(user).await.unwrap();
        }
        for project in ["DEMO", "OTHER"] {
            store
                .projects()
                .create(NewProject::new(project), "root")
                .await
                .unwrap();
            std::fs::create_dir_all(config.inbox.join(project).join("study/series")).unwrap();
            std::fs::write(config.inbox.join(project).join("study/series/1.dcm"), "x").unwrap();
        }
        store
            .projects()
            .grant("DEMO", "ada", Role::Member, "root")
            .await
            .unwrap();
        store
            .projects()
            .grant("DEMO", "bob", Role::Collaborator, "root")
            .await
            .unwrap();
        let state = AppState::new(
            config.clone(),
            store.clone(),
            Inbox::new(config.inbox.clone()).unwrap(),
            Archive::new(store.clone(), config.data.clone()),
        )
        .unwrap();
        Site {
            folder,
            store,
            router: router(state),
        }
    }

    fn inbox(&self, path: &str) -> String {
        self.folder
            .path()
            .join("inbox")
            .join(path)
            .to_string_lossy()
            .into_owned()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().call(request).await.unwrap();
        let header = |name| {
            let values = response.headers().get_all(name).iter();
            values
                .map(|v| v.to_str().unwrap().to_string())
                .collect::<Vec<_>>()
        };
        Answer {
            status: response.status(),
            kind: header(header::CONTENT_TYPE).join(""),
            cookies: header(header::SET_COOKIE),
            body: axum::body::to_bytes(response.into_body(), usize::MAX)
                .await
                .unwrap()
                .to_vec(),
        }
    }

    /// A call with Basic, the body a form.
    async fn call(&self, user: &str, method: &str, uri: &str, form: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, basic(user));
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        self.send(request.body(Body::from(form.to_string())).unwrap())
            .await
    }

    async fn get(&self, user: &str, uri: &str) -> Answer {
        self.call(user, "GET", uri, "").await
    }

    async fn import(&self, user: &str, parameters: &[(&str, &str)]) -> Answer {
        let query: String = parameters
            .iter()
            .map(|(n, v)| format!("&{n}={v}"))
            .collect();
        let uri = format!("/data/services/import?import-handler=inbox{query}");
        self.call(user, "POST", &uri, "").await
    }

    /// A committed session of one file, its folder on disk.
    async fn session(&self, label: &str, state: SessionState) -> crate::store::Session {
        let session = NewSession {
            project: "DEMO".into(),
            timestamp: "20260102_030405006".into(),
            folder: label.into(),
            subject: "S1".into(),
            label: label.into(),
            study_uid: "2.25.1".into(),
            study_key: format!("key of {label}"),
            scan_date: Some("2026-01-02".into()),
            scan_time: None,
            modality: "MR".into(),
            xsi_type: "xnat:mrSessionData".into(),
            rule_set: None,
            reason: None,
            auto_archive: false,
        };
        let file = StoredFile {
            scan_id: "2".into(),
            resource: "DICOM".into(),
            name: "1.dcm".into(),
            sop_class: "1.2".into(),
            sop_uid: "2.25.3".into(),
            instance_number: None,
            size: 5,
            digest: None,
        };
        let home = self
            .folder
            .path()
            .join(session.home(state.area()))
            .join("SCANS/2/DICOM");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("1.dcm"), "bytes").unwrap();
        let plan = CommitPlan {
            request: None,
            username: "ada".into(),
            session,
            into: None,
            retires: None,
            outcome: state,
            staging: String::new(),
            final_path: String::new(),
            scans: vec![Scan {
                scan_id: "2".into(),
                modality: "MR".into(),
                xsi_type: "xnat:mrScanData".into(),
                series_uid: "2.25.2".into(),
                description: "T1, \"axial\"".into(),
            }],
            files: vec![file],
            details: Value::Null,
        };
        let id = self.store.commits().begin(plan).await.unwrap();
        self.store.commits().finish(id).await.unwrap()
    }
}

/// `name:name` in Base64, by hand: three letters and a colon make no padding worth a dependency.
fn basic(user: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let pair = if user.contains(':') {
        user.to_string()
    } else {
        format!("{user}:{user}")
    };
    let mut text = String::from("Basic ");
    for chunk in pair.as_bytes().chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| {
            bits << 8 | u32::from(*chunk.get(i).unwrap_or(&0))
        });
        for place in 0..4 {
            match place <= chunk.len() {
                true => text.push(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize] as char),
                false => text.push('='),
            }
        }
    }
    text
}

#[tokio::test]
async fn every_refusal_of_the_import_call_queues_nothing() {
    let site = Site::new().await;
    let study = site.inbox("DEMO/study");
    std::fs::create_dir_all(site.inbox("DEMO/empty/below")).unwrap();
    std::fs::create_dir_all(site.folder.path().join("inbox2/DEMO")).unwrap();
    std::fs::write(site.folder.path().join("inbox2/DEMO/1.dcm"), "x").unwrap();
    std::os::unix::fs::symlink("/etc", site.inbox("DEMO/link")).unwrap();
    site.session("TAKEN", SessionState::Archived).await;

    let outside = study.replace("/inbox/", "/inbox2/").replace("/study", "");
    let bad_path = "The path parameter must";
    let empty = site.inbox("DEMO/empty");
    let foreign = site.inbox("OTHER/study");
    let dots = site.inbox("DEMO/../OTHER/study");
    let cases: &[(&str, &[(&str, &str)], u16, &str)] = &[
        (
            "ada:wrong",
            &[("PROJECT_ID", "DEMO"), ("path", &study)],
            401,
            "Authentication failed.",
        ),
        ("ada", &[("PROJECT_ID", "DEMO")], 400, bad_path),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", "DEMO/study")],
            400,
            bad_path,
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &site.inbox("DEMO/none"))],
            400,
            bad_path,
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &site.inbox(""))],
            400,
            bad_path,
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &outside)],
            400,
            bad_path,
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &foreign)],
            400,
            bad_path,
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &dots)],
            400,
            bad_path,
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &site.inbox("DEMO/link"))],
            400,
            bad_path,
        ),
        (
            "bob",
            &[("PROJECT_ID", "DEMO"), ("path", &study)],
            400,
            bad_path,
        ),
        (
            "eve",
            &[("PROJECT_ID", "DEMO"), ("path", &study)],
            400,
            bad_path,
        ),
        ("ada", &[("path", &study)], 400, "PROJECT_ID is required"),
        (
            "ada",
            &[("PROJECT_ID", "OTHER"), ("path", &study)],
            400,
            "destination project",
        ),
        (
            "ada",
            &[("PROJECT_ID", "demo"), ("path", &study)],
            400,
            "destination project",
        ),
        (
            "ada",
            &[("PROJECT_ID", "DEMO"), ("path", &empty)],
            400,
            "does not contain any files",
        ),
        (
            "ada",
            &[
                ("PROJECT_ID", "DEMO"),
                ("path", &study),
                ("cleanupAfterImport", "2"),
            ],
            400,
            "cleanupAfterImport must be true or false",
        ),
        (
            "ada",
            &[
                ("PROJECT_ID", "DEMO"),
                ("path", &study),
                ("SUBJECT_ID", "M%C3%BCller"),
            ],
            400,
            "SUBJECT_ID may hold",
        ),
        (
            "ada",
            &[
                ("PROJECT_ID", "DEMO"),
                ("path", &study),
                ("EXPT_LABEL", "TAKEN"),
            ],
            409,
            "Experiment with that label already exists",
        ),
        (
            "ada",
            &[
                ("PROJECT_ID", "DEMO"),
                ("path", &study),
                ("session", "SLUICE_E00001"),
            ],
            409,
            "Session already exists",
        ),
    ];
    for (user, parameters, status, message) in cases {
        let answer = site.import(user, parameters).await;
        assert_eq!(answer.status.as_u16(), *status, "{user} {parameters:?}");
        assert!(
            answer.text().contains("<h3>") && answer.text().contains("<br>"),
            "a page"
        );
        assert!(
            answer.text().contains(message),
            "{parameters:?}: {}",
            answer.text()
        );
    }
    let queued = site
        .store
        .requests()
        .list(RequestFilter::default())
        .await
        .unwrap();
    assert!(queued.is_empty());
}

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
async fn an_import_is_queued_from_query_and_form_and_its_status_is_its_owners() {
    let site = Site::new().await;
    let study = site.inbox("DEMO/study");
    let answer = site
        .import("ada", &[("PROJECT_ID", "DEMO"), ("path", &study)])
        .await;
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (StatusCode::OK, "text/uri-list")
    );
    assert_eq!(answer.text(), "/xapi/dicom/1\r\n");

    let form = format!("PROJECT_ID=DEMO&path={study}&session=B&cleanupAfterImport=TRUE&extra=1");
    let uri = "/REST/services/import?import-handler=inbox";
    assert_eq!(
        site.call("ada", "POST", uri, &form).await.text(),
        "/xapi/dicom/2\r\n"
    );

    let first = site.get("ada", "/xapi/dicom/1?format=json").await.json();
    assert_eq!(
        first["cleanupAfterImport"], false,
        "as documented, not as XNAT's code has it"
    );
    assert_eq!(first["status"], "Queued");
    assert_eq!(first["sessionPath"], study.as_str());
    assert!(first["created"].is_i64() && first["enabled"] == true && first["counts"]["found"] == 0);
    let second = site.get("root", "/xapi/dicom/2").await.json();
    assert_eq!(second["cleanupAfterImport"], true);
    assert_eq!(second["parameters"]["EXPT_LABEL"], "B");
    assert_eq!(second["parameters"]["extra"], "1");
    assert!(second["parameters"].get("session").is_none());

    for uri in [
        "/xapi/dicom/1",
        "/xapi/dicom/99",
        "/xapi/dicom/x",
        "/xapi/dicom/1/report",
    ] {
        let foreign = site.get("bob", uri).await;
        assert_eq!(
            (foreign.status.as_u16(), foreign.body.len()),
            (404, 0),
            "{uri}"
        );
    }
    assert_eq!(
        site.get("bob", "/xapi/dicom/list/all").await.json(),
        serde_json::json!([])
    );
    assert_eq!(
        site.get("root", "/xapi/dicom/list/active")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    std::fs::write(site.folder.path().join("reports/1.json"), "{\"files\":[]}").unwrap();
    assert_eq!(
        site.get("ada", "/xapi/dicom/1/report").await.text(),
        "{\"files\":[]}"
    );
}

#[tokio::test]
async fn other_handlers_are_refused_as_xnat_refuses_what_it_does_not_know() {
    let site = Site::new().await;
    for handler in ["", "?import-handler=SI", "?import-handler=nonsense"] {
        let answer = site
            .call(
                "ada",
                "POST",
                &format!("/data/services/import{handler}"),
                "",
            )
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text().contains("Unable to identify upload format."));
    }
    assert_eq!(
        site.get("ada", "/data/services/import")
            .await
            .status
            .as_u16(),
        405
    );
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
    site.store
        .users()
        .set_enabled("ada", false, "root")
        .await
        .unwrap();
    assert_eq!(site.get("ada:new", "/data/auth").await.status.as_u16(), 401);
}

#[tokio::test]
async fn a_prearchive_session_is_listed_read_archived_and_found_again() {
    let site = Site::new().await;
    site.session("MR1", SessionState::Ready).await;
    let base = "/data/prearchive/projects/DEMO/20260102_030405006/MR1";

    let row = site
        .get("ada", "/data/prearchive/projects/DEMO")
        .await
        .row();
    assert_eq!(format!("/data{}", row["url"].as_str().unwrap()), base);
    assert_eq!(
        (&row["status"], &row["folderName"]),
        (&"READY".into(), &"MR1".into())
    );
    assert_eq!(
        site.get("ada", &format!("{base}?format=json")).await.row(),
        row
    );
    assert_eq!(
        site.get("bob", "/data/prearchive").await.json()["ResultSet"]["totalRecords"],
        "0"
    );
    assert_eq!(site.get("bob", base).await.status.as_u16(), 403);
    assert_eq!(site.get("eve", base).await.status.as_u16(), 404);
    let scan = site
        .get("ada", &format!("{base}/scans?columns=ID%2CURI"))
        .await
        .row();
    assert_eq!(
        (&scan["ID"], &scan["xsiType"]),
        (&"2".into(), &"xnat:mrScanData".into())
    );
    let csv = site.get("ada", &format!("{base}/scans?format=csv")).await;
    assert!(
        csv.text()
            .contains("2,xnat:mrScanData,\"T1, \"\"axial\"\"\","),
        "{}",
        csv.text()
    );
    let resource = site
        .get("ada", &format!("{base}/scans/2/resources"))
        .await
        .row();
    assert_eq!(
        (&resource["label"], &resource["file_count"]),
        (&"DICOM".into(), &"1".into())
    );
    let file = site
        .get("ada", &format!("{base}/scans/2/resources/DICOM/files"))
        .await
        .row();
    assert_eq!(
        site.get("ada", file["URI"].as_str().unwrap()).await.text(),
        "bytes"
    );

    let source = "src=/prearchive/projects/DEMO/20260102_030405006/MR1";
    assert_eq!(
        site.call("bob", "POST", "/data/services/archive", source)
            .await
            .status
            .as_u16(),
        403
    );
    let archived = site
        .call("ada", "POST", "/data/services/archive", source)
        .await;
    let uri = "/data/archive/projects/DEMO/subjects/S1/experiments/MR1";
    assert_eq!(archived.text(), format!("{uri}\r\n"));
    assert_eq!(site.get("ada", base).await.status.as_u16(), 404);
    assert!(
        Path::new(
            &site
                .folder
                .path()
                .join("archive/DEMO/arc001/MR1/SCANS/2/DICOM/1.dcm")
        )
        .exists()
    );

    for uri in [
        uri,
        "/data/projects/DEMO/experiments/MR1",
        "/data/projects/DEMO/subjects/SLUICE_S00001/experiments/SLUICE_E00001",
        "/REST/experiments/SLUICE_E00001",
    ] {
        let item = site.get("bob", &format!("{uri}?format=json")).await.json()["items"][0].clone();
        assert_eq!(item["meta"]["xsi:type"], "xnat:mrSessionData", "{uri}");
        assert_eq!(item["data_fields"]["subject_ID"], "SLUICE_S00001");
        let scan = site.get("bob", &format!("{uri}/scans")).await.row();
        assert_eq!(scan["URI"], "/data/experiments/SLUICE_E00001/scans/2");
        let file = site
            .get("bob", &format!("{uri}/scans/ALL/files"))
            .await
            .row();
        assert_eq!(
            site.get("bob", file["URI"].as_str().unwrap()).await.text(),
            "bytes"
        );
        assert_eq!(site.get("eve", uri).await.status.as_u16(), 404);
    }
    let row = site
        .get(
            "bob",
            "/data/experiments?xsiType=xnat:subjectAssessorData&project=DEMO",
        )
        .await
        .row();
    assert_eq!(
        (&row["label"], &row["subject_label"]),
        (&"MR1".into(), &"S1".into())
    );
    assert_eq!(
        site.get("bob", "/data/projects/DEMO/subjects").await.row()["label"],
        "S1"
    );
    assert_eq!(
        site.get("eve", "/data/experiments").await.json()["ResultSet"]["totalRecords"],
        "0"
    );
}

#[tokio::test]
async fn a_prearchive_session_is_deleted_with_its_folder() {
    let site = Site::new().await;
    let one = site.session("A", SessionState::Ready).await;
    let two = site.session("B", SessionState::Conflict).await;
    let uri = format!("/data{}", one.uri());
    assert_eq!(
        site.call("bob", "DELETE", &uri, "").await.status.as_u16(),
        403
    );
    assert_eq!(
        site.call("ada", "DELETE", &uri, "").await.status.as_u16(),
        200
    );
    assert_eq!(
        site.call("ada", "DELETE", &uri, "").await.status.as_u16(),
        404
    );
    let form = format!("src={}&async=false", two.uri());
    let rows = site
        .call(
            "ada",
            "POST",
            "/data/services/prearchive/delete?format=csv",
            &form,
        )
        .await;
    assert!(
        rows.text().starts_with("project,timestamp"),
        "{}",
        rows.text()
    );
    assert!(!site.folder.path().join(one.home()).exists());
    assert!(!site.folder.path().join(two.home()).exists());
}

#[tokio::test]
async fn bytes_in_quarantine_are_for_owners() {
    let site = Site::new().await;
    let session = site.session("Q", SessionState::Quarantined).await;
    let file = format!("/data{}/scans/2/resources/DICOM/files/1.dcm", session.uri());
    assert_eq!(site.get("ada", &file).await.status.as_u16(), 403);
    assert_eq!(site.get("root", &file).await.text(), "bytes");
}

#[tokio::test]
async fn projects_are_made_by_administrators_and_run_by_owners() {
    let site = Site::new().await;
    let put = |user, uri| site.call(user, "PUT", uri, "");
    assert_eq!(put("ada", "/data/projects/NEW").await.status.as_u16(), 403);
    let made = put("root", "/data/projects/NEW?prearchive_code=5&name=New").await;
    assert_eq!((made.status.as_u16(), made.text()), (201, "NEW"));
    assert_eq!(
        site.get("root", "/data/projects/NEW/prearchive_code")
            .await
            .text(),
        "5"
    );
    assert_eq!(
        put("root", "/data/projects/..%2Fx?prearchive_code=5")
            .await
            .status
            .as_u16(),
        409
    );
    assert_eq!(put("root", "/data/projects/new").await.status.as_u16(), 409);

    assert_eq!(
        put("ada", "/data/projects/DEMO/users/Owners/ada")
            .await
            .status
            .as_u16(),
        403
    );
    assert_eq!(
        put("root", "/data/projects/DEMO/users/DEMO_owner/ada")
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        put("ada", "/data/projects/DEMO/users/Members/eve")
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        put("ada", "/data/projects/DEMO/users/Kings/eve")
            .await
            .status
            .as_u16(),
        400
    );
    assert_eq!(
        put("eve", "/data/projects/DEMO/prearchive_code/4")
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        put("eve", "/data/projects/DEMO/prearchive_code/1")
            .await
            .status
            .as_u16(),
        400
    );
    assert_eq!(
        put("bob", "/data/projects/DEMO/prearchive_code/4")
            .await
            .status
            .as_u16(),
        403
    );

    site.session("MR1", SessionState::Ready).await;
    let delete = |uri| site.call("root", "DELETE", uri, "");
    assert_eq!(
        delete("/data/projects/DEMO").await.status.as_u16(),
        409,
        "it holds a session"
    );
    assert_eq!(delete("/data/projects/NEW").await.status.as_u16(), 200);
    assert!(!site.folder.path().join("rules/projects/NEW").exists());
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
        "[]"
    );
    let health = Request::get("/readyz").body(Body::empty()).unwrap();
    assert_eq!(site.send(health).await.status.as_u16(), 200);
    let jsession = site.get("ada", "/data/JSESSION").await;
    assert_eq!((jsession.text().len(), jsession.cookies.len()), (32, 2));
}
