//! A single object: XNAT's `items` in JSON, or an XML document.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::super::error::ApiError;
use super::written::escape;
use super::{Form, View};

/// What an object's document is bound to (the schema at `/xapi/schemas/xnat`).
const NAMESPACE: &str = "http://nrg.wustl.edu/xnat";

/// In XML these fields are attributes; the others are elements.
const ATTRIBUTES: [&str; 8] = [
    "ID",
    "project",
    "label",
    "UID",
    "type",
    "modality",
    "secondary_ID",
    "content",
];

/// An object with its fields, and the objects below it.
pub struct Item {
    xsi_type: String,
    fields: Vec<(&'static str, String)>,
    children: Vec<(&'static str, Vec<Item>)>,
}

impl Item {
    /// Fields without a value are left out.
    pub fn new(
        xsi_type: impl Into<String>,
        fields: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Item {
        let fields = fields.into_iter();
        Item {
            xsi_type: xsi_type.into(),
            fields: fields.filter(|(_, value)| !value.is_empty()).collect(),
            children: Vec::new(),
        }
    }

    /// With the objects of a field, such as `scans/scan`; nothing where there are none.
    pub fn with(mut self, field: &'static str, items: Vec<Item>) -> Item {
        if !items.is_empty() {
            self.children.push((field, items));
        }
        self
    }

    /// # Errors
    /// If the caller asks for a form that objects don't have.
    pub fn answer(self, view: &View) -> Result<Response, ApiError> {
        match view.form {
            Form::Json | Form::Html => {
                Ok(axum::Json(json!({ "items": [self.json()] })).into_response())
            }
            Form::Xml => Ok((
                [(header::CONTENT_TYPE, "text/xml; charset=utf-8")],
                self.document(),
            )
                .into_response()),
            Form::Csv | Form::Zip => Err(ApiError::BadRequest(
                "The format of this object must be json or xml.".into(),
            )),
        }
    }

    fn json(self) -> Value {
        let fields = self.fields.into_iter();
        let data_fields: Map<String, Value> = fields
            .map(|(name, value)| (name.to_string(), Value::String(value)))
            .collect();
        let children: Vec<Value> = self
            .children
            .into_iter()
            .map(|(field, items)| {
                let items: Vec<Value> = items.into_iter().map(Item::json).collect();
                json!({ "field": field, "items": items })
            })
            .collect();
        json!({
            "children": children,
            "meta": { "xsi:type": self.xsi_type, "isHistory": false },
            "data_fields": data_fields,
        })
    }

    fn document(&self) -> String {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        let name = root(&self.xsi_type);
        let bound = format!(
            " xmlns:xnat=\"{NAMESPACE}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
        );
        self.write(&name, &bound, &mut text);
        text
    }

    fn write(&self, name: &str, more: &str, text: &mut String) {
        *text += &format!("<{name}");
        for (field, value) in self.fields.iter().filter(|(f, _)| ATTRIBUTES.contains(f)) {
            *text += &format!(" {field}=\"{}\"", escape(value));
        }
        *text += &format!("{more}>\n");
        for (field, value) in self.fields.iter().filter(|(f, _)| !ATTRIBUTES.contains(f)) {
            *text += &format!("<xnat:{field}>{}</xnat:{field}>\n", escape(value));
        }
        for (field, items) in &self.children {
            let (list, one) = field.split_once('/').unwrap_or(("", field));
            if !list.is_empty() {
                *text += &format!("<xnat:{list}>\n");
            }
            for item in items {
                let kind = format!(" xsi:type=\"{}\"", escape(&item.xsi_type));
                item.write(&format!("xnat:{one}"), &kind, text);
            }
            if !list.is_empty() {
                *text += &format!("</xnat:{list}>\n");
            }
        }
        *text += &format!("</{name}>\n");
    }
}

/// The element of a document of that type: XNAT writes `xnat:MRSession` for `xnat:mrSessionData`.
fn root(xsi_type: &str) -> String {
    let local = xsi_type.strip_prefix("xnat:").unwrap_or(xsi_type);
    let local = local.strip_suffix("Data").unwrap_or(local);
    for kind in ["Session", "Scan"] {
        if let Some(modality) = local.strip_suffix(kind).filter(|m| !m.is_empty()) {
            let modality = match modality {
                "image" | "otherDicom" | "optical" => capital(modality),
                short => short.to_ascii_uppercase(),
            };
            return format!("xnat:{modality}{kind}");
        }
    }
    format!("xnat:{}", capital(local))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_what_the_item_has_and_nothing_breaks_out() {
        let scan = Item::new(
            "xnat:ctScanData",
            [("ID", "1".into()), ("series_description", "a<b\"".into())],
        );
        let session = Item::new(
            "xnat:ctSessionData",
            [
                ("ID", "E<\"1".into()),
                ("date", "2026-01-02".into()),
                ("note", String::new()),
            ],
        );
        let text = session
            .with("scans/scan", vec![scan])
            .with("none", Vec::new())
            .document();
        assert!(
            text.contains("<xnat:CTSession ID=\"E&lt;&quot;1\" xmlns:xnat="),
            "{text}"
        );
        assert!(text.contains("<xnat:date>2026-01-02</xnat:date>"), "{text}");
        let scan = "<xnat:scans>\n<xnat:scan ID=\"1\" xsi:type=\"xnat:ctScanData\">\n\
                    <xnat:series_description>a&lt;b&quot;</xnat:series_description>\n</xnat:scan>\n</xnat:scans>";
        assert!(text.contains(scan), "{text}");
        assert!(!text.contains("note") && !text.contains("none"));
    }

    #[test]
    fn roots_are_xnat_s() {
        for (xsi_type, name) in [
            ("xnat:mrSessionData", "xnat:MRSession"),
            ("xnat:otherDicomSessionData", "xnat:OtherDicomSession"),
            ("xnat:petScanData", "xnat:PETScan"),
            ("xnat:subjectData", "xnat:Subject"),
            ("xnat:projectData", "xnat:Project"),
        ] {
            assert_eq!(root(xsi_type), name);
        }
    }
}
