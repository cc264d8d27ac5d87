//! Projects made, set, shared and removed.

use crate::store::SessionState;

use super::Site;

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
        403
    );
    assert_eq!(
        put("ada", "/data/projects/DEMO/prearchive_code/4")
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        put("ada", "/data/projects/DEMO/prearchive_code/1")
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
