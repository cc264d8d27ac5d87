//! What is said of a route: parameters, body, answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator};

/// A parameter by hand: name, kind (`text`, `flag`, `number`, `file`, or values with `|` between) and meaning.
pub type Field = (&'static str, &'static str, &'static str);

/// The JSON that an answer or a body is.
#[derive(Clone, Copy)]
pub enum Schema {
    /// Written from a type.
    Of(fn(&mut SchemaGenerator) -> schemars::Schema),
    /// One of the documents in `schemas/`, or of XNAT's forms, by its name in the document.
    Named(&'static str),
    /// Text or bytes.
    Opaque,
}

pub struct Content {
    pub kind: &'static str,
    pub schema: Schema,
}

/// One answer that is no error.
pub struct Answer {
    pub status: u16,
    pub what: &'static str,
    /// Without any, the answer has no body.
    pub contents: Vec<Content>,
}

/// How an error comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// With a text for people.
    Said,
    /// XNAT's xAPI: the status alone.
    Bare,
}

/// A route's method and path, and what is said of them.
pub struct Operation {
    pub method: &'static str,
    pub path: String,
    /// Other paths that lead to it.
    pub also_at: Vec<String>,
    pub family: &'static str,
    pub summary: &'static str,
    /// Of the query.
    pub parameters: Vec<Field>,
    /// Of the query, from the type that reads it.
    pub query: Option<fn(&mut SchemaGenerator) -> schemars::Schema>,
    /// Of the query, or of a form.
    pub form: &'static [Field],
    pub headers: Vec<Field>,
    /// The kinds that a body may have.
    pub bodies: Vec<Content>,
    pub needs_body: bool,
    /// Takes what every listing takes.
    pub is_listing: bool,
    pub answers: Vec<Answer>,
    pub errors: BTreeMap<u16, Told>,
    /// Needs no login.
    pub is_open: bool,
}

pub fn get(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Operation {
    Operation::new("get", path.into(), summary)
}

pub fn put(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Operation {
    Operation::new("put", path.into(), summary)
}

pub fn post(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Operation {
    Operation::new("post", path.into(), summary)
}

pub fn delete(path: impl Into<Cow<'static, str>>, summary: &'static str) -> Operation {
    Operation::new("delete", path.into(), summary)
}

impl Operation {
    fn new(method: &'static str, path: Cow<'static, str>, summary: &'static str) -> Operation {
        let mut errors: BTreeMap<u16, Told> = [401, 429].map(|status| (status, Told::Said)).into();
        if method != "get" {
            // Another site's call with a browser's cookie.
            errors.insert(403, Told::Said);
        }
        let mut operation = Operation {
            method,
            path: path.into_owned(),
            also_at: Vec::new(),
            family: "",
            summary,
            parameters: Vec::new(),
            query: None,
            form: &[],
            headers: Vec::new(),
            bodies: Vec::new(),
            needs_body: false,
            is_listing: false,
            answers: Vec::new(),
            errors,
            is_open: false,
        };
        operation.note_steps();
        operation
    }

    /// A step of the address may be no text, or name nothing that the caller may see.
    fn note_steps(&mut self) {
        if self.path.contains('{') {
            for status in [400, 404] {
                self.errors.entry(status).or_insert(Told::Said);
            }
        }
    }

    pub fn of_family(mut self, family: &'static str) -> Operation {
        self.family = family;
        self
    }

    pub fn put_below(&mut self, path: &str) {
        self.path.insert_str(0, path);
        self.note_steps();
        for also in &mut self.also_at {
            also.insert_str(0, path);
        }
    }

    /// Of everybody, without a login.
    pub fn open(mut self) -> Operation {
        self.is_open = true;
        self.errors.remove(&401);
        self.errors.remove(&429);
        self
    }

    /// Parameters of the query, from the type that the handler reads it as.
    pub fn query<T: JsonSchema>(mut self) -> Operation {
        self.query = Some(|generator| T::json_schema(generator));
        self.fails([400])
    }

    /// Parameters of the query that no type reads.
    pub fn parameters(mut self, fields: &[Field]) -> Operation {
        self.parameters.extend(fields);
        self.fails([400])
    }

    /// Parameters of the query or of a form.
    pub fn form(mut self, fields: &'static [Field]) -> Operation {
        self.form = fields;
        self.fails([400])
    }

    pub fn header(mut self, field: Field) -> Operation {
        self.headers.push(field);
        self
    }

    /// A body of JSON, which the type reads.
    pub fn takes_json<T: JsonSchema>(self) -> Operation {
        let schema = Schema::Of(|generator| T::json_schema(generator));
        let mut taking = self.takes("application/json", schema);
        taking.needs_body = true;
        taking.fails([400, 413, 415, 422])
    }

    /// A body of that kind.
    pub fn takes(mut self, kind: &'static str, schema: Schema) -> Operation {
        self.bodies.push(Content { kind, schema });
        self.fails([400, 413])
    }

    /// A script or a value, which may also be within JSON.
    pub fn takes_text(self) -> Operation {
        self.takes("text/plain", Schema::Opaque)
            .takes("application/json", Schema::Opaque)
    }

    fn answers(mut self, status: u16, what: &'static str, contents: Vec<Content>) -> Operation {
        self.answers.push(Answer {
            status,
            what,
            contents,
        });
        self
    }

    /// 200 with JSON that is written from this type.
    pub fn json<T: JsonSchema>(self) -> Operation {
        self.json_at::<T>(200, "")
    }

    pub fn json_at<T: JsonSchema>(self, status: u16, what: &'static str) -> Operation {
        let schema = Schema::Of(|generator| generator.subschema_for::<T>());
        self.kind_at(status, what, "application/json", schema)
    }

    /// 200 with a body of that kind.
    pub fn kind(self, kind: &'static str, schema: Schema) -> Operation {
        self.kind_at(200, "", kind, schema)
    }

    /// An answer with one kind of body more.
    pub fn kind_at(
        mut self,
        status: u16,
        what: &'static str,
        kind: &'static str,
        schema: Schema,
    ) -> Operation {
        let content = Content { kind, schema };
        match self.answers.iter_mut().find(|a| a.status == status) {
            Some(answer) => {
                answer.contents.push(content);
                self
            }
            None => self.answers(status, what, vec![content]),
        }
    }

    pub fn text(self) -> Operation {
        self.kind("text/plain", Schema::Opaque)
    }

    /// The address of what was made or changed.
    pub fn uri(self, what: &'static str) -> Operation {
        self.kind_at(200, what, "text/uri-list", Schema::Opaque)
    }

    /// An answer without a body.
    pub fn empty(self, status: u16, what: &'static str) -> Operation {
        self.answers(status, what, Vec::new())
    }

    /// XNAT's table, in the form that is asked for.
    pub fn table(mut self) -> Operation {
        self.is_listing = true;
        self.kind("application/json", Schema::Named("ResultSet"))
            .kind("text/csv", Schema::Opaque)
            .kind("text/xml", Schema::Opaque)
            .kind("text/html", Schema::Opaque)
            .fails([400])
    }

    /// XNAT's single object, as JSON or XML.
    pub fn item(mut self) -> Operation {
        self.is_listing = true;
        self.kind("application/json", Schema::Named("Items"))
            .kind("text/xml", Schema::Opaque)
            .fails([400])
    }

    /// With `format=zip`, the files themselves.
    pub fn or_zip(self) -> Operation {
        self.kind("application/zip", Schema::Opaque).fails([403])
    }

    /// Errors that the route may answer besides those that all have.
    pub fn fails<const N: usize>(mut self, statuses: [u16; N]) -> Operation {
        for status in statuses {
            self.errors.entry(status).or_insert(Told::Said);
        }
        self
    }

    /// 404 comes without a text, as XNAT's.
    pub fn bare(mut self) -> Operation {
        self.errors.insert(404, Told::Bare);
        self
    }
}
