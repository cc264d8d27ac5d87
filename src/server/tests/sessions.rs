//! Sessions in the prearchive, in quarantine and in the archive.

use crate::store::SessionState;

use super::Site;

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
        site.folder
            .path()
            .join("archive/DEMO/arc001/MR1/SCANS/2/DICOM/1.dcm")
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
