//! The server as a client sees it: real routes and a real database, a real inbox and archive on disk.

mod auth;
mod import;
mod openapi;
mod projects;
mod sessions;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use serde_json::Value;
use tower::Service as _;

use crate::config::{Config, StateArgs};
use crate::password;
use crate::store::{
    CommitPlan, NewProject, NewSession, NewUser, Role, Scan, SessionState, Store, StoredFile,
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
        let (folder, store) = crate::store::testing::store().await;
        let args = StateArgs {
            data: folder.path().to_path_buf(),
            ..StateArgs::default()
        };
        let config = Config::load_state(&args).unwrap();
        config.make_folders().unwrap();
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
        let importer = crate::cli::importer(&config, &store).unwrap();
        let state = AppState::new(config, importer).unwrap();
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
            archive_rule_set: None,
            identified: false,
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
            findings: Default::default(),
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
            files: vec![file.into()],
            seen: Vec::new(),
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
