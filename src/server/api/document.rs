//! The OpenAPI 3.1 document of the routes.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::components::{
    SCHEMAS, STEPS, VIEW, embedded, error_components, error_name, items, result_set,
};
use super::operation::{Content, Field, Operation, Schema};

const ABOUT: &str = "Sluice imports DICOM files into projects, through rules. Calls below /data are XNAT's, and are \
also found below /REST; those below /data that list what is archived are found below /data/archive too (`x-also-at`). \
Errors come as a text, below /data as a small page. Any call may be answered 503 while the database can't be reached \
or the server is overloaded.";

/// Of all that these operations are.
pub fn document(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    });
    let mut read = settings.clone().for_deserialize();
    read.inline_subschemas = true;
    let mut writer = Writer {
        answers: settings.for_serialize().into_generator(),
        bodies: read.into_generator(),
    };
    let mut paths = Map::new();
    let mut families: Vec<&str> = Vec::new();
    for operation in operations {
        if !families.contains(&operation.family) {
            families.push(operation.family);
        }
        let path = operation.path.replace("{*", "{");
        let described = writer.operation(operation);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[operation.method] = described;
    }
    let mut schemas = writer.answers.take_definitions(true);
    for (name, text) in SCHEMAS {
        schemas.insert(name.to_owned(), embedded(name, text));
    }
    schemas.insert("ResultSet".into(), result_set());
    schemas.insert("Items".into(), items());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "tags": families.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "security": [{ "basic": [] }, { "session": [] }],
        "paths": paths,
        "webhooks": { "requestEnded": { "post": {
            "summary": "What a webhook's target is told when a request has ended, signed in X-Sluice-Signature",
            "requestBody": { "content": { "application/json": { "schema": reference("schemas", "WebhookNotice") } } },
            "responses": { "2XX": { "description": "Taken; anything else is tried again." } },
        } } },
        "components": {
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic" },
                "session": { "type": "apiKey", "in": "cookie", "name": "JSESSIONID",
                    "description": "As PUT /data/services/auth or GET /data/JSESSION opens it." },
            },
            "parameters": components(&VIEW, |field| parameter(field, "query")),
            "responses": error_components(),
            "schemas": schemas,
        },
    })
}

struct Writer {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
}

impl Writer {
    fn operation(&mut self, of: &Operation) -> Value {
        let mut parameters: Vec<Value> = steps(&of.path)
            .map(|step| parameter(&step, "path"))
            .collect();
        if let Some(query) = of.query {
            parameters.extend(from_schema(&query(&mut self.bodies).to_value()));
        }
        let by_hand = of.parameters.iter().chain(of.form);
        parameters.extend(by_hand.map(|field| parameter(field, "query")));
        parameters.extend(of.headers.iter().map(|field| parameter(field, "header")));
        if of.is_listing {
            let references = VIEW.iter().map(|(name, ..)| reference("parameters", name));
            parameters.extend(references);
        }
        let mut operation = json!({
            "operationId": operation_id(of),
            "tags": [of.family],
            "summary": of.summary,
            "responses": self.responses(of),
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = self.body(of) {
            operation["requestBody"] = body;
        }
        if of.is_open {
            operation["security"] = json!([]);
        }
        if !of.also_at.is_empty() {
            operation["x-also-at"] = json!(of.also_at);
        }
        operation
    }

    fn body(&mut self, of: &Operation) -> Option<Value> {
        let mut content: Map<String, Value> = Map::new();
        if !of.form.is_empty() && of.method != "get" {
            let properties = components(of.form, |field| schema_of(field.1));
            let schema = json!({ "type": "object", "properties": properties });
            for kind in ["application/x-www-form-urlencoded", "multipart/form-data"] {
                content.insert(kind.into(), json!({ "schema": schema }));
            }
        }
        for body in &of.bodies {
            content.insert(body.kind.into(), content_of(body, &mut self.bodies));
        }
        match content.is_empty() {
            true => None,
            false => Some(json!({ "content": content, "required": of.needs_body })),
        }
    }

    fn responses(&mut self, of: &Operation) -> Value {
        let mut responses = BTreeMap::new();
        for answer in &of.answers {
            let what = match answer.what {
                "" => "Done",
                what => what,
            };
            let mut response = json!({ "description": what });
            if !answer.contents.is_empty() {
                let contents = answer.contents.iter();
                let contents: Map<String, Value> = contents
                    .map(|content| {
                        (
                            content.kind.to_owned(),
                            content_of(content, &mut self.answers),
                        )
                    })
                    .collect();
                response["content"] = contents.into();
            }
            responses.insert(answer.status.to_string(), response);
        }
        for (status, told) in &of.errors {
            let name = error_name(*status, *told, of.path.starts_with("/data"));
            responses.insert(status.to_string(), reference("responses", &name));
        }
        json!(responses)
    }
}

fn content_of(content: &Content, generator: &mut SchemaGenerator) -> Value {
    match content.schema {
        Schema::Of(write) => json!({ "schema": write(generator).to_value() }),
        Schema::Named(name) => json!({ "schema": reference("schemas", name) }),
        Schema::Opaque if content.kind == "multipart/form-data" => json!({ "schema": {
            "type": "object",
            "properties": { "image_archive": { "type": "string", "contentMediaType": "application/octet-stream" } },
        } }),
        Schema::Opaque => json!({}),
    }
}

fn reference(section: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{name}") })
}

fn components(fields: &[Field], write: impl Fn(&Field) -> Value) -> Map<String, Value> {
    let named = fields
        .iter()
        .map(|field| (field.0.to_owned(), write(field)));
    named.collect()
}

fn parameter((name, kind, what): &Field, place: &str) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "description": what, "schema": schema_of(kind) })
}

fn schema_of(kind: &str) -> Value {
    match kind {
        "text" => json!({ "type": "string" }),
        "flag" => json!({ "type": "boolean" }),
        "number" => json!({ "type": "integer", "minimum": 0 }),
        values => json!({ "type": "string", "enum": values.split('|').collect::<Vec<_>>() }),
    }
}

/// The parameters that the properties of a type stand for. None of them can be null in a query.
fn from_schema(schema: &Value) -> Vec<Value> {
    let properties = schema["properties"].as_object();
    let required = schema["required"].as_array();
    let written = properties.into_iter().flatten().map(|(name, property)| {
        let mut schema = property.clone();
        let mut parameter = json!({ "name": name, "in": "query" });
        if let Some(fields) = schema.as_object_mut() {
            if let Some(what) = fields.remove("description") {
                parameter["description"] = what;
            }
            fields.remove("default");
            if let Some(Value::Array(kinds)) = fields.get("type") {
                let kind = kinds.iter().find(|kind| *kind != "null").cloned();
                fields.insert("type".into(), kind.unwrap_or_else(|| json!("string")));
            }
        }
        let is_needed = required.is_some_and(|names| names.iter().any(|n| n == name));
        parameter["required"] = is_needed.into();
        parameter["schema"] = schema;
        parameter
    });
    written.collect()
}

/// The parameters in a path, in its order.
fn steps(path: &str) -> impl Iterator<Item = Field> {
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    names.filter_map(|name| {
        let name = name.trim_start_matches('*');
        STEPS.iter().find(|step| step.0 == name).copied()
    })
}

fn operation_id(of: &Operation) -> String {
    let words = of.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(of.method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}
