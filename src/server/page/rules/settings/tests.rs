//! Settings filled in, and shown.

use super::*;
use serde_json::json;

fn schema() -> Value {
    json!({
        "properties": {
            "on": { "type": "boolean", "default": true },
            "off": { "type": "boolean" },
            "code": { "enum": [0, 4, 5], "default": 0, "description": "What is done." },
            "days": { "type": "integer", "minimum": 1 },
            "name": { "type": "string" },
            "rules": { "$ref": "#/$defs/rules" },
            "some": { "type": "array", "items": { "enum": ["a", "b"] } },
            "template": { "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            "group": { "type": "object", "properties": { "depth": { "type": "number" } } },
            "devices": { "type": "array", "items": { "type": "object" } }
        },
        "$defs": { "rules": { "type": "array", "items": { "type": "string" }, "description": "Of rules." } }
    })
}

fn sent(pairs: &[(&str, &str)]) -> Sent {
    let pairs = [("s", "sent")].iter().chain(pairs);
    Sent(
        pairs
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
    )
}

fn read_back(before: Value, pairs: &[(&str, &str)]) -> (Value, Problems) {
    let mut problems = Vec::new();
    let before = before.as_object().unwrap();
    let settings = sent_settings(&schema(), "s", before, &sent(pairs), &mut problems);
    (Value::Object(settings), problems)
}

#[test]
fn what_is_filled_in_is_of_the_schemas_types() {
    let (settings, problems) = read_back(
        json!({}),
        &[
            ("s.on", "true"),
            ("s.off", "true"),
            ("s.code", "4"),
            ("s.days", "30"),
            ("s.name", "x y"),
            ("s.rules", "one\r\n\r\n two "),
            ("s.some", "a"),
            ("s.template", "{PatientID}"),
            ("s.group.depth", "1.5"),
            ("s.devices", "[{ \"name\": \"us\" }]"),
        ],
    );
    assert_eq!(problems, []);
    assert_eq!(
        settings,
        json!({
            "off": true, "code": 4, "days": 30, "name": "x y", "rules": ["one", "two"], "some": ["a"],
            "template": "{PatientID}", "group": { "depth": 1.5 }, "devices": [{ "name": "us" }]
        })
    );
}

#[test]
fn what_is_left_empty_is_left_out_and_what_is_not_known_stays() {
    let (settings, problems) = read_back(json!({ "days": 3, "other": [1] }), &[("s.other", "[1]")]);
    assert_eq!(problems, []);
    assert_eq!(settings, json!({ "other": [1], "on": false }));
}

#[test]
fn what_can_not_be_taken_is_told_at_its_input_and_shown_again() {
    let inputs = [("s.on", "true"), ("s.days", "many"), ("s.devices", "[")];
    let (settings, problems) = read_back(json!({ "days": 3 }), &inputs);
    assert_eq!(settings, json!({ "days": 3 }));
    let names: Vec<_> = problems.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["s.days", "s.devices"]);
    let before = json!({ "days": 3 });
    let form = form(
        &schema(),
        "s",
        before.as_object().unwrap(),
        &sent(&inputs),
        &problems,
    );
    let form = form.into_string();
    assert!(
        form.contains(r#"value="many""#) && form.contains("is no number"),
        "{form}"
    );
}

#[test]
fn the_schemas_words_are_the_forms_help() {
    let form = form(&schema(), "s", &Map::new(), &Sent::default(), &Vec::new()).into_string();
    assert!(
        form.contains("What is done.") && form.contains("Of rules."),
        "{form}"
    );
    assert!(form.contains(r#"<option value="4">4</option>"#), "{form}");
    assert_eq!(description(&schema(), "rules"), Some("Of rules."));
}

#[test]
fn a_schema_that_leads_in_circles_ends() {
    let schema = json!({ "properties": { "a": { "$ref": "#/properties/a" } } });
    let form = form(&schema, "s", &Map::new(), &Sent::default(), &Vec::new());
    assert!(form.into_string().contains("textarea"));
}
