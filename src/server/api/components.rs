//! What many operations of the document share: steps of addresses, the parameters of listings, errors, XNAT's forms.

use serde_json::{Map, Value, json};

use super::operation::{Field, Told};

/// The JSON documents that stand by themselves, by the names that answers and bodies know them by.
pub const SCHEMAS: [(&str, &str); 3] = [
    (
        "ImportReport",
        include_str!("../../../schemas/import-report.schema.json"),
    ),
    (
        "Policy",
        include_str!("../../../schemas/policy.schema.json"),
    ),
    (
        "WebhookNotice",
        include_str!("../../../schemas/webhook-notice.schema.json"),
    ),
];

/// The steps that an address may have: kind and meaning.
pub const STEPS: [Field; 20] = [
    ("code", "text", "A code's number."),
    (
        "element",
        "text",
        "A data type, such as xnat:mrSessionData.",
    ),
    (
        "experiment",
        "text",
        "An experiment's label or id; by its id only, where no project is named.",
    ),
    ("file", "text", "The name of a file of rules."),
    ("folder", "text", "A session's folder in the prearchive."),
    ("hash", "text", "A rule set's hash."),
    (
        "id",
        "number",
        "The number that the call which made it answered.",
    ),
    ("login", "text", "A user's name."),
    ("name", "text", "The name of a file, a schema or a module."),
    ("path", "text", "A configuration's path; may hold slashes."),
    ("project", "text", "A project's id."),
    (
        "projects",
        "text",
        "A project's id, or several with commas between; Unassigned for sessions of none.",
    ),
    (
        "property",
        "sitewideAnonymizationScript|enableSitewideAnonymizationScript|sitewideSeriesImportFilter|sitewideSeriesImportFilterMode|enableSitewideSeriesImportFilter",
        "A preference.",
    ),
    ("resource", "text", "A resource's label or number."),
    ("role", "text", "Owners, Members or Collaborators."),
    (
        "scan",
        "text",
        "A scan's id; where files are listed also several with commas between, or ALL.",
    ),
    ("subject", "text", "A subject's label or id."),
    (
        "timestamp",
        "text",
        "When a session came, as its address in the prearchive says.",
    ),
    ("tool", "text", "A configuration's tool."),
    ("user", "text", "A user's name."),
];

/// What every listing takes.
pub const VIEW: [Field; 6] = [
    (
        "format",
        "json|csv|xml|html|zip",
        "The form of the answer; else `Accept` says. `zip` where the answer may be one.",
    ),
    (
        "columns",
        "text",
        "The columns that are wanted, with commas between, where the listing is a search.",
    ),
    ("sortBy", "text", "Columns to sort by, with commas between."),
    ("sortOrder", "asc|desc", "The order of `sortBy`."),
    (
        "limit",
        "number",
        "No more rows than that; 0: all. `X-Total-Count` then tells how many there are.",
    ),
    ("offset", "number", "Without the first rows."),
];

const ERRORS: [(u16, &str, &str); 12] = [
    (
        400,
        "BadRequest",
        "The text says what is wrong with the call.",
    ),
    (401, "Unauthorized", "No credentials, or wrong ones."),
    (403, "Forbidden", "Not for this caller."),
    (404, "NotFound", "There is none that the caller may see."),
    (
        409,
        "Conflict",
        "At odds with what is; the text says with what.",
    ),
    (
        412,
        "Changed",
        "Somebody has changed it since `If-Match` was read.",
    ),
    (413, "TooLarge", "The body is too large."),
    (415, "OtherType", "The body is of another type."),
    (416, "NoRange", "There is no such part of the file."),
    (422, "Unprocessable", "Understood, and can't be done."),
    (
        429,
        "TooMany",
        "Too many wrong passwords; Retry-After says when to try again.",
    ),
    (503, "Unavailable", "The server can't do it now."),
];

pub fn error_name(status: u16, told: Told, is_page: bool) -> String {
    let known = ERRORS.iter().find(|error| error.0 == status);
    let name = known.map_or("Error", |error| error.1);
    match (told, is_page) {
        (_, true) => format!("{name}Page"),
        (Told::Said, false) => name.to_owned(),
        (Told::Bare, false) => format!("{name}Bare"),
    }
}

pub fn error_components() -> Value {
    let mut all = Map::new();
    for (_, name, what) in ERRORS {
        let said = |kind: &str| json!({ "description": what, "content": { kind: {} } });
        all.insert(name.to_owned(), said("text/plain"));
        all.insert(format!("{name}Page"), said("text/html"));
        all.insert(format!("{name}Bare"), json!({ "description": what }));
    }
    all.into()
}

/// A document of its own, with its inner references as they are from here.
pub fn embedded(name: &str, text: &str) -> Value {
    let here = format!("\"$ref\": \"#/components/schemas/{name}/");
    let text = text.replace("\"$ref\": \"#/", &here);
    let mut schema: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$schema");
        fields.remove("$id");
    }
    schema
}

/// XNAT's table of strings.
pub fn result_set() -> Value {
    json!({
        "description": "XNAT's table: rows of named strings.",
        "type": "object",
        "required": ["ResultSet"],
        "properties": { "ResultSet": {
            "type": "object",
            "required": ["Result", "title", "totalRecords"],
            "properties": {
                "Result": { "type": "array", "items": { "type": "object", "additionalProperties": { "type": "string" } } },
                "title": { "type": "string" },
                "totalRecords": { "type": "string", "pattern": "^[0-9]+$" },
            },
        } },
    })
}

/// XNAT's single object, with those below it.
pub fn items() -> Value {
    let item = json!({
        "type": "object",
        "required": ["children", "meta", "data_fields"],
        "properties": {
            "children": { "type": "array", "items": {
                "type": "object",
                "required": ["field", "items"],
                "properties": {
                    "field": { "type": "string" },
                    "items": { "type": "array", "items": { "$ref": "#/components/schemas/Items/$defs/item" } },
                },
            } },
            "meta": { "type": "object" },
            "data_fields": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    });
    json!({
        "description": "XNAT's object: one item, with its fields and the items below it.",
        "type": "object",
        "required": ["items"],
        "properties": { "items": { "type": "array", "items": { "$ref": "#/components/schemas/Items/$defs/item" } } },
        "$defs": { "item": item },
    })
}
