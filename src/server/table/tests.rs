//! A table in each of its forms, chosen, sorted and cut into pages.

use super::*;

fn table() -> Table {
    let items = [("10", "b,\"c\""), ("9", "<a>"), ("x", "")];
    Table::of("Things", &["ID", "n", "URI"], items, |(id, n)| {
        [id.into(), n.into(), format!("/data/{id}")]
    })
}

async fn answered(table: Table, view: View) -> (Response, String) {
    let (parts, body) = table.answer(&view).ok().unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(parts, axum::body::Body::empty()), text)
}

#[tokio::test]
async fn each_form_holds_the_same() {
    let of = |form| View {
        form,
        ..View::default()
    };
    let (_, json) = answered(table(), of(Form::Json)).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["ResultSet"]["totalRecords"], "3");
    assert_eq!(json["ResultSet"]["Result"][0]["ID"], "10");
    let (_, csv) = answered(table(), of(Form::Csv)).await;
    assert_eq!(
        csv,
        "ID,n,URI\n10,\"b,\"\"c\"\"\",/data/10\n9,<a>,/data/9\nx,,/data/x\n"
    );
    let (_, xml) = answered(table(), of(Form::Xml)).await;
    let columns = "<columns><column>ID</column><column>n</column><column>URI</column></columns>";
    assert!(xml.contains(columns), "{xml}");
    assert!(
        xml.contains("<row><cell>9</cell><cell>&lt;a&gt;</cell><cell>/data/9</cell></row>"),
        "{xml}"
    );
    let (_, html) = answered(table(), of(Form::Html)).await;
    assert!(html.contains("<td>&lt;a&gt;</td>"), "{html}");
    assert!(table().answer(&of(Form::Zip)).is_err());
}

#[tokio::test]
async fn rows_are_sorted_before_they_are_cut_and_columns_chosen_after() {
    let view = View {
        form: Form::Csv,
        columns: vec!["xnat:thing/N".into(), "unknown".into()],
        sort_by: vec!["id".into()],
        limit: Some(1),
        offset: 1,
        ..View::default()
    };
    let mut wide = table();
    wide.columns.push("more");
    wide.rows.iter_mut().for_each(|row| row.push("m".into()));
    let (response, csv) = answered(wide.with_choice(), view.clone()).await;
    assert_eq!(csv, "ID,n,URI\n10,\"b,\"\"c\"\"\",/data/10\n");
    assert_eq!(response.headers()["x-total-count"], "3");
    // Where the listing gives no choice, all are there.
    let (_, csv) = answered(
        table(),
        View {
            sort_by: Vec::new(),
            ..view.clone()
        },
    )
    .await;
    assert_eq!(csv, "ID,n,URI\n9,<a>,/data/9\n");
    let by_nothing = View {
        sort_by: vec!["nothing".into()],
        ..view
    };
    assert!(table().answer(&by_nothing).is_err());
}

#[test]
fn times_have_a_fraction() {
    assert_eq!(timestamp(1_000), "1970-01-01 00:00:01.000");
}
