//! JSON documents that people write (manifests, policies, settings): parsing, checking against a
//! schema, and errors that name the file, the place, what was expected and what was found.
//! What a document means is said by [`super::manifest`] and [`super::policy`].

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::fmt::Write;

/// A schema's regular expressions may not grow beyond this when compiled: a settings schema comes with
/// its module, and `(.{999}){999}` must not take the server's memory.
const REGEX_BYTES: usize = 1 << 20;

/// A value shown in a message is cut here.
const SHOWN: usize = 80;

/// Why a document can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("{file}: line {line}, column {column}: {message}")]
    Syntax {
        file: String,
        line: usize,
        column: usize,
        message: String,
    },
    /// `pointer` is a JSON pointer (RFC 6901); `/` stands for the document itself.
    #[error("{file}: {pointer}: {message}")]
    Content {
        file: String,
        pointer: String,
        message: String,
    },
}

impl DocumentError {
    pub fn content(file: &str, pointer: &str, message: impl Into<String>) -> Self {
        Self::Content {
            file: file.to_owned(),
            pointer: if pointer.is_empty() { "/" } else { pointer }.to_owned(),
            message: message.into(),
        }
    }
}

/// `file` is only named in the error.
pub fn parse(file: &str, text: &[u8]) -> Result<Value, DocumentError> {
    serde_json::from_slice(text).map_err(|error| DocumentError::Syntax {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        message: without_position(&error.to_string()),
    })
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    source: Value,
    validator: Validator,
}

impl Schema {
    /// A schema that is part of Sluice.
    pub(super) fn embedded(text: &'static str) -> Self {
        Self::compile("schemas", text.as_bytes())
            .expect("an embedded schema compiles, see the test")
    }

    /// A schema that comes with a module. Its references may only point into itself.
    pub fn compile(file: &str, text: &[u8]) -> Result<Self, DocumentError> {
        let source = parse(file, text)?;
        refuse_remote_references(file, &source, &mut String::new())?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(REGEX_BYTES)
                    .dfa_size_limit(REGEX_BYTES),
            )
            .build(&source)
            .map_err(|error| {
                let found = format!("is no valid JSON Schema: {}", cut(&error.to_string()));
                DocumentError::content(file, error.instance_path().as_str(), found)
            })?;
        Ok(Self { source, validator })
    }

    /// `base` is where `value` stands in its file, as a JSON pointer.
    pub fn check(&self, file: &str, base: &str, value: &Value) -> Result<(), DocumentError> {
        match self.validator.iter_errors(value).next() {
            None => Ok(()),
            Some(error) => {
                let (pointer, message) = self.explain(&error);
                Err(DocumentError::content(
                    file,
                    &format!("{base}{pointer}"),
                    message,
                ))
            }
        }
    }

    /// All that is wrong with a document.
    pub fn problems(&self, file: &str, value: &Value) -> Vec<DocumentError> {
        let problems = self.validator.iter_errors(value).map(|error| {
            let (pointer, message) = self.explain(&error);
            DocumentError::content(file, &pointer, message)
        });
        problems.collect()
    }

    fn explain(&self, error: &ValidationError<'_>) -> (String, String) {
        let pointer = error.instance_path().as_str().to_owned();
        let found = shown(error.instance());
        let message = match error.kind() {
            ValidationErrorKind::Enum { options } => {
                format!("{found} is not one of {}", list_of(options))
            }
            ValidationErrorKind::Constant { expected_value } => {
                format!("expected {}, found {found}", shown(expected_value))
            }
            ValidationErrorKind::Type { kind } => {
                format!("expected {}, found {found}", types(kind))
            }
            ValidationErrorKind::Required { property } => {
                format!("{} is missing", shown(property))
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let key = unexpected.first().map_or("", String::as_str);
                let at = format!("{pointer}/{}", escape(key));
                return (at, format!("unknown key{}", self.hint(error, key)));
            }
            ValidationErrorKind::Minimum { limit } => format!("{found} is less than {limit}"),
            ValidationErrorKind::Maximum { limit } => format!("{found} is more than {limit}"),
            ValidationErrorKind::MinLength { limit } => {
                format!("{found} has fewer than {limit} characters")
            }
            ValidationErrorKind::MaxLength { limit } => {
                format!("{found} has more than {limit} characters")
            }
            ValidationErrorKind::MinItems { limit } => format!("fewer than {limit} entries"),
            ValidationErrorKind::MaxItems { limit } => format!("more than {limit} entries"),
            ValidationErrorKind::Pattern { pattern } => {
                format!("{found} does not match {pattern}")
            }
            _ => cut(&error.to_string()),
        };
        (pointer, message)
    }

    /// What the writer may have meant by an unknown key, from the keys that the schema knows there.
    fn hint(&self, error: &ValidationError<'_>, key: &str) -> String {
        let place = error
            .schema_path()
            .as_str()
            .trim_end_matches("/additionalProperties");
        let known = self
            .source
            .pointer(place)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object);
        match known {
            None => String::new(),
            Some(known) => did_you_mean(key, known.keys().map(String::as_str)),
        }
    }
}

/// ` (did you mean "x"?)`, or the list of what is known where nothing is near.
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let wrong = name.to_lowercase();
    // A third of the name may be wrong, and a typo in a short name is still found.
    let tolerance = (name.len() / 3).max(1);
    let steps = |candidate: &str| match candidate.starts_with(&wrong) && wrong.len() > 2 {
        true => 0,
        false => distance(&wrong, &candidate.to_lowercase()),
    };
    match known.iter().min_by_key(|candidate| steps(candidate)) {
        Some(near) if steps(near) <= tolerance => format!(" (did you mean {near:?}?)"),
        Some(_) => format!(" (known: {})", known.join(", ")),
        None => String::new(),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Nothing is ever fetched for a schema: a `$ref` must start with `#`.
fn refuse_remote_references(
    file: &str,
    value: &Value,
    pointer: &mut String,
) -> Result<(), DocumentError> {
    let length = pointer.len();
    let mut visit = |step: &str, inner: &Value| {
        // Writing to a String can't fail.
        let _ = write!(pointer, "/{}", escape(step));
        let reference = matches!(step, "$ref" | "$dynamicRef");
        if let (true, Some(target)) = (reference, inner.as_str())
            && !target.starts_with('#')
        {
            let message = format!("{target:?} points out of this file: only #… is allowed");
            return Err(DocumentError::content(file, pointer, message));
        }
        refuse_remote_references(file, inner, pointer)?;
        pointer.truncate(length);
        Ok(())
    };
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, inner)| visit(key, inner)),
        Value::Array(items) => (items.iter().enumerate())
            .try_for_each(|(index, inner)| visit(&index.to_string(), inner)),
        _ => Ok(()),
    }
}

/// One step of a JSON pointer.
fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        _ => cut(&value.to_string()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `0, 4 or 5`
fn list_of(options: &Value) -> String {
    let all: Vec<String> = options
        .as_array()
        .into_iter()
        .flatten()
        .map(shown)
        .collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => all.concat(),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(set) => {
            let all: Vec<String> = set.iter().map(|one| one.to_string()).collect();
            all.join(" or ")
        }
    }
}

/// serde_json ends its messages with the position, which [`DocumentError::Syntax`] says itself.
fn without_position(message: &str) -> String {
    message
        .split(" at line ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(value: Value) -> Result<Schema, DocumentError> {
        Schema::compile("s.json", value.to_string().as_bytes())
    }

    fn message(schema_source: Value, value: Value) -> String {
        let schema = schema(schema_source).unwrap();
        schema
            .check("f.json", "/settings", &value)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_syntax_error_has_line_and_column() {
        let error = parse("policy.json", b"{\n  \"label\": }").unwrap_err();
        assert_eq!(
            error.to_string(),
            "policy.json: line 2, column 12: expected value"
        );
    }

    #[test]
    fn a_choice_lists_what_is_allowed() {
        let source = json!({ "properties": { "code": { "enum": [0, 4, 5] } } });
        assert_eq!(
            message(source, json!({ "code": 3 })),
            "f.json: /settings/code: 3 is not one of 0, 4 or 5"
        );
    }

    #[test]
    fn an_unknown_key_gets_a_hint() {
        let source = json!({
            "properties": { "deadline_ms": {}, "memory_mb": {} }, "additionalProperties": false
        });
        assert_eq!(
            message(source.clone(), json!({ "dedline_ms": 3 })),
            "f.json: /settings/dedline_ms: unknown key (did you mean \"deadline_ms\"?)"
        );
        assert_eq!(
            message(source, json!({ "a/b": 3 })),
            "f.json: /settings/a~1b: unknown key (known: deadline_ms, memory_mb)"
        );
    }

    #[test]
    fn the_hint_is_found_behind_a_reference() {
        let source = json!({
            "properties": { "step": { "$ref": "#/$defs/step" } },
            "$defs": { "step": { "properties": { "module": {} }, "additionalProperties": false } }
        });
        assert_eq!(
            message(source, json!({ "step": { "modul": 1 } })),
            "f.json: /settings/step/modul: unknown key (did you mean \"module\"?)"
        );
    }

    #[test]
    fn a_wrong_type_says_both() {
        let source =
            json!({ "properties": { "n": { "type": "integer" }, "s": { "maxLength": 3 } } });
        assert_eq!(
            message(source.clone(), json!({ "n": "x" })),
            "f.json: /settings/n: expected integer, found \"x\""
        );
        assert_eq!(
            message(source, json!({ "s": "long" })),
            "f.json: /settings/s: \"long\" has more than 3 characters"
        );
    }

    #[test]
    fn nothing_is_fetched_for_a_schema() {
        for target in [
            "https://example.org/s.json",
            "file:///etc/passwd",
            "other.json",
        ] {
            let error = schema(json!({ "items": [{ "$ref": target }] })).unwrap_err();
            let expected = format!(
                "s.json: /items/0/$ref: {target:?} points out of this file: only #… is allowed"
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_regular_expression_may_not_explode() {
        let error = schema(json!({ "pattern": "((x{200}){200}){200}" })).unwrap_err();
        assert!(
            error.to_string().contains("no valid JSON Schema"),
            "{error}"
        );
    }

    #[test]
    fn the_published_schemas_compile() {
        Schema::embedded(include_str!("../../schemas/rule-manifest.schema.json"));
        Schema::embedded(include_str!("../../schemas/policy.schema.json"));
        Schema::embedded(include_str!("../../schemas/session-summary.schema.json"));
    }
}
