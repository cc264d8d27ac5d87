//! `GET /data/services/dicomdump`: the header of an instance as XNAT's rows.
//!
//! Differs from XNAT: each look is written to the audit before it is answered, sequences are shown down to their
//! last level (there to the first), and a sixth column, `path`, says where an element stands.

use std::path::PathBuf;

use axum::extract::State;
use axum::response::Response;

use crate::dicom::text::Charset;
use crate::dicom::tree::{Dataset, Encoding, Value};
use crate::dicom::{Instance, Source, Tag, dictionary, value};
use crate::store::StoredFile;

use super::super::api::{Api, Field, get};
use super::super::auth::Caller;
use super::super::content;
use super::super::error::ApiError;
use super::super::form::Parameters;
use super::super::state::AppState;
use super::super::table::{Table, View};
use super::{Reached, Steps};

const COLUMNS: [&str; 6] = ["tag1", "tag2", "vr", "value", "desc", "path"];

const PARAMETERS: &[Field] = &[
    (
        "src",
        "text",
        "The address of a session, a scan or a file, such as /archive/projects/P/experiments/E/scans/1.",
    ),
    (
        "field",
        "text",
        "An element to show: a keyword, or eight hexadecimal digits; may come several times.",
    ),
];

/// Elements of one answer; nobody reads more, and enhanced instances have a hundred thousand.
const MOST_ROWS: usize = 20_000;

/// Characters of a value.
const LONGEST_VALUE: usize = 1000;

pub fn routes() -> Api {
    Api::new("Experiments").on(
        get(
            "/services/dicomdump",
            "The header of a file, of a scan's first file or of a session's",
        )
        .parameters(PARAMETERS)
        .table()
        .fails([403, 404, 422]),
        dump,
    )
}

async fn dump(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let view = View::of(&parameters)?;
    let fields = fields(&parameters)?;
    let source = parameters.text("src").unwrap_or_default();
    let steps = Steps::of_source(source).ok_or_else(|| {
        ApiError::BadRequest(
            "The parameter src must be the address of a session, or of a scan or a file in one."
                .into(),
        )
    })?;
    let reached = Reached::find(&state, caller, steps).await?;
    reached.check_may_see_bytes(&state).await?;
    let file = chosen(&state, &reached).await?;
    let (by, session) = (&reached.caller.name, reached.session.id);
    state.store.record_header_shown(by, session).await?;
    let path = state.config.data.join(reached.session.path_of(&file));
    state
        .look(move || rows(path, &fields))
        .await??
        .answer(&view)
}

async fn chosen(state: &AppState, reached: &Reached) -> Result<StoredFile, ApiError> {
    let (scan, session) = (reached.steps.scan(), &reached.session);
    if let Some(name) = &reached.steps.name {
        let resource = reached.steps.resource.as_deref();
        let file = content::find_file(&state.store, session, scan, resource, name).await?;
        return file.ok_or_else(|| ApiError::no_such("file"));
    }
    let files = content::files_of_scan(&state.store, session, scan).await?;
    let first = files.into_iter().next();
    first.ok_or_else(|| ApiError::no_such("scan"))
}

/// XNAT: by name, or by number without signs.
fn fields(parameters: &Parameters) -> Result<Vec<Tag>, ApiError> {
    let field = |text: &str| {
        let by_number = || {
            let number = u32::from_str_radix(text, 16).ok()?;
            let is_tag = text.len() == 8;
            is_tag.then_some(Tag((number >> 16) as u16, number as u16))
        };
        let tag = dictionary::tag_of(text).or_else(by_number);
        tag.ok_or_else(|| {
            let why = "The parameter field must be a keyword such as PatientName, or eight hexadecimal digits.";
            ApiError::BadRequest(why.into())
        })
    };
    let given = parameters.all("field").filter(|text| !text.is_empty());
    given.map(field).collect()
}

fn rows(path: PathBuf, fields: &[Tag]) -> Result<Table, ApiError> {
    let instance: Instance = super::opened(path)?;
    let mut dump = Dump {
        table: Table::new("DicomDump", &COLUMNS),
        left: MOST_ROWS,
        fields,
    };
    let meta = Around {
        source: instance.meta_source(),
        encoding: Encoding::ExplicitLittle,
        charset: Charset::default(),
        top: None,
        path: String::new(),
    };
    dump.dataset(&instance.meta, &meta);
    let dataset = Around {
        source: instance.source(),
        encoding: instance.encoding(),
        charset: instance.charset().clone(),
        ..meta
    };
    dump.dataset(&instance.dataset, &dataset);
    if dump.left == 0 {
        let told = format!("There is more: {MOST_ROWS} elements are shown.");
        let none = String::new;
        dump.table
            .push([none(), none(), none(), told, none(), none()]);
    }
    Ok(dump.table)
}

struct Dump<'a> {
    table: Table,
    left: usize,
    fields: &'a [Tag],
}

/// What is around the elements of a dataset.
struct Around<'a> {
    source: &'a Source,
    encoding: Encoding,
    charset: Charset,
    /// The element at the top that they are in.
    top: Option<Tag>,
    path: String,
}

impl Dump<'_> {
    fn dataset(&mut self, dataset: &Dataset, around: &Around) {
        let mut creator = (Tag(0, 0), String::new());
        for element in &dataset.elements {
            let tag = element.tag;
            let is_nested = around.top.is_some();
            if !is_nested && !self.fields.is_empty() && !self.fields.contains(&tag) {
                continue;
            }
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let text = value::text(element, around.source, around.encoding, &around.charset);
            // PS3.5 7.8.1: (gggg,00xx) names who has the elements (gggg,xx00-xxFF).
            let is_creator = element.is_private() && matches!(tag.element(), 0x10..=0xFF);
            let shown = match (&element.value, text) {
                (Value::Sequence(_), _) => String::new(),
                (_, Some(text)) => shortened(text),
                (Value::Source(span) | Value::Fragments(span), None) => {
                    format!("({} bytes)", span.len)
                }
                (Value::Edited(bytes), None) => format!("({} bytes)", bytes.len()),
            };
            let meaning = match dictionary::keyword_of(tag) {
                Some(keyword) if !element.is_private() => keyword.to_owned(),
                _ if is_creator => "PrivateCreator".to_owned(),
                _ if creator.0 == creator_of(tag) => creator.1.clone(),
                _ => "?".to_owned(),
            };
            if is_creator {
                creator = (tag, shown.clone());
            }
            let own = format!("({:04X},{:04X})", tag.group(), tag.element());
            let path = match around.path.as_str() {
                "" => own.clone(),
                above => format!("{above}/{own}"),
            };
            let (tag1, tag2) = match around.top {
                None => (own, String::new()),
                Some(top) => (format!("({:04X},{:04X})", top.group(), top.element()), own),
            };
            let vr = value::known_vr(tag, element.vr).to_string().to_owned();
            self.table
                .push([tag1, tag2, vr, shown, meaning, path.clone()]);
            let Some(sequence) = element.sequence() else {
                continue;
            };
            for (number, item) in sequence.items.iter().enumerate() {
                let charset = Charset::of(&item.dataset, around.source, &around.charset);
                let inside = Around {
                    source: around.source,
                    encoding: sequence.encoding,
                    charset,
                    top: around.top.or(Some(tag)),
                    path: format!("{path}[{number}]"),
                };
                self.dataset(&item.dataset, &inside);
            }
        }
    }
}

fn creator_of(tag: Tag) -> Tag {
    Tag(tag.group(), tag.element() >> 8)
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
