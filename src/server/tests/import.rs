//! The import call, its refusals, and what is shown of a request.

use crate::store::{RequestFilter, SessionState};
use axum::http::StatusCode;

use super::Site;

/// Who calls, with which parameters, and the status and text that come back.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);

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
    let cases: &[Case] = &[
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
