//! What a script sees: the dataset, `pseudonym::`, the context, and the answers. Thin: what each call
//! means and may do is [`Host`]'s business. An absent value is `()`; an edit error is thrown.

use super::super::host::rows::ACTIONS;
use super::super::host::{Action, Context, Edit, EditError, Host};
use super::super::pseudonym::Pseudonyms;
use super::super::tables::Tables;
use super::failure;
use super::sandbox::{Stopped, Watch};
use crate::dicom::Region;
use ::rhai::plugin::*;
use ::rhai::{Array, Dynamic, EvalAltResult, INT, Map, Shared};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Thrown = Box<EvalAltResult>;

/// All functions but those of `pseudonym::`.
pub fn add_functions(module: &mut ::rhai::Module) {
    combine_with_exported_module!(module, "dataset", dataset_functions);
    combine_with_exported_module!(module, "context", context_functions);
    combine_with_exported_module!(module, "answers", answer_functions);
    combine_with_exported_module!(module, "expressions", super::expressions::functions);
}

/// The module `pseudonym`.
pub fn pseudonym_functions() -> Shared<::rhai::Module> {
    exported_module!(service_functions).into()
}

/// JSON as a script's value.
pub fn from_json(text: &str) -> Result<Dynamic, Thrown> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| Thrown::from(format!("bad JSON: {error}")))?;
    ::rhai::serde::to_dynamic(value)
}

/// The script's handle on the instance, which the caller lends for one run and takes back after it.
#[derive(Clone)]
pub struct Dataset {
    lent: Lent,
    watch: Watch,
}

#[derive(Clone)]
pub struct Lent(Arc<Mutex<Option<Host>>>);

impl Lent {
    /// The lock is only ever held during one host call.
    fn lock(&self) -> MutexGuard<'_, Option<Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take_back(self) -> Host {
        self.lock()
            .take()
            .expect("a host that was lent once is taken back once")
    }
}

impl Dataset {
    pub fn lend(host: Host, watch: Watch) -> (Self, Lent) {
        let lent = Lent(Arc::new(Mutex::new(Some(host))));
        (
            Self {
                lent: lent.clone(),
                watch,
            },
            lent,
        )
    }

    fn host<T>(
        &self,
        ctx: &NativeCallContext,
        call: impl FnOnce(&mut Host) -> T,
    ) -> Result<T, Thrown> {
        let answer = match self.lent.lock().as_mut() {
            Some(host) => {
                host.set_position(failure::position(ctx.call_position()));
                call(host)
            }
            None => return Err("the dataset was taken back".into()),
        };
        self.watch.check()?;
        Ok(answer)
    }

    fn edit<T>(
        &self,
        ctx: &NativeCallContext,
        call: impl FnOnce(&mut Host) -> Result<T, EditError>,
    ) -> Result<T, Thrown> {
        self.host(ctx, call)?
            .map_err(|error| error.to_string().into())
    }
}

#[export_module]
mod dataset_functions {
    #[rhai_fn(return_raw)]
    pub fn get(ctx: NativeCallContext, ds: &mut Dataset, path: &str) -> Result<Dynamic, Thrown> {
        Ok(ds
            .host(&ctx, |host| host.get(path))?
            .map_or(Dynamic::UNIT, Dynamic::from))
    }

    #[rhai_fn(return_raw)]
    pub fn values(ctx: NativeCallContext, ds: &mut Dataset, path: &str) -> Result<Array, Thrown> {
        Ok(ds
            .host(&ctx, |host| host.values(path))?
            .into_iter()
            .map(Dynamic::from)
            .collect())
    }

    #[rhai_fn(return_raw)]
    pub fn vr(ctx: NativeCallContext, ds: &mut Dataset, path: &str) -> Result<Dynamic, Thrown> {
        Ok(ds
            .host(&ctx, |host| host.vr(path))?
            .map_or(Dynamic::UNIT, Dynamic::from))
    }

    #[rhai_fn(return_raw)]
    pub fn exists(ctx: NativeCallContext, ds: &mut Dataset, path: &str) -> Result<bool, Thrown> {
        ds.host(&ctx, |host| host.exists(path))
    }

    #[rhai_fn(return_raw)]
    pub fn find(ctx: NativeCallContext, ds: &mut Dataset, pattern: &str) -> Result<Array, Thrown> {
        Ok(ds
            .host(&ctx, |host| host.find(pattern))?
            .into_iter()
            .map(Dynamic::from)
            .collect())
    }

    /// `()` changes nothing; an array is several values.
    #[rhai_fn(return_raw)]
    pub fn set(
        ctx: NativeCallContext,
        ds: &mut Dataset,
        path: &str,
        value: Dynamic,
    ) -> Result<(), Thrown> {
        match text_of(value)? {
            Some(text) => ds.edit(&ctx, |host| host.set(path, &text)),
            None => Ok(()),
        }
    }

    #[rhai_fn(return_raw)]
    pub fn blank(ctx: NativeCallContext, ds: &mut Dataset, pattern: &str) -> Result<INT, Thrown> {
        ds.edit(&ctx, |host| host.blank(pattern)).map(INT::from)
    }

    #[rhai_fn(return_raw)]
    pub fn remove(ctx: NativeCallContext, ds: &mut Dataset, pattern: &str) -> Result<INT, Thrown> {
        ds.edit(&ctx, |host| host.remove(pattern)).map(INT::from)
    }

    #[rhai_fn(name = "remove_private", return_raw)]
    pub fn remove_all_private(ctx: NativeCallContext, ds: &mut Dataset) -> Result<INT, Thrown> {
        ds.edit(&ctx, |host| host.remove_private(&[]))
            .map(INT::from)
    }

    #[rhai_fn(return_raw)]
    pub fn remove_private(
        ctx: NativeCallContext,
        ds: &mut Dataset,
        keep: Array,
    ) -> Result<INT, Thrown> {
        let string = |path: Dynamic| {
            path.into_string().map_err(|found| {
                Thrown::from(format!(
                    "remove_private: expected paths to keep, found {found}"
                ))
            })
        };
        let keep = keep
            .into_iter()
            .map(string)
            .collect::<Result<Vec<_>, _>>()?;
        ds.edit(&ctx, |host| host.remove_private(&keep))
            .map(INT::from)
    }

    /// Half open, in all frames.
    #[rhai_fn(return_raw)]
    pub fn redact(
        ctx: NativeCallContext,
        ds: &mut Dataset,
        left: INT,
        top: INT,
        right: INT,
        bottom: INT,
    ) -> Result<(), Thrown> {
        let region = Region {
            left: count("left", left)?,
            top: count("top", top)?,
            right: count("right", right)?,
            bottom: count("bottom", bottom)?,
        };
        ds.edit(&ctx, |host| host.redact(region))
    }

    /// Each entry is `#{ pattern, action }`, with `value` for `set` and `days` for `shift_date`.
    #[rhai_fn(return_raw)]
    pub fn apply(ctx: NativeCallContext, ds: &mut Dataset, edits: Array) -> Result<INT, Thrown> {
        let edits = edits.into_iter().enumerate().map(|(index, edit)| {
            edit_of(edit).map_err(|message| Thrown::from(format!("apply: edit {index}: {message}")))
        });
        let edits = edits.collect::<Result<Vec<_>, _>>()?;
        ds.edit(&ctx, |host| host.apply(&edits)).map(INT::from)
    }

    /// The same as text: `remove */PatientAddress`, `set PatientID = x`, one row on a line.
    #[rhai_fn(return_raw)]
    pub fn apply_table(
        ctx: NativeCallContext,
        ds: &mut Dataset,
        table: &str,
    ) -> Result<INT, Thrown> {
        ds.edit(&ctx, |host| host.apply_table(table)).map(INT::from)
    }
}

/// The text of a value to be written; none for `()`.
fn text_of(value: Dynamic) -> Result<Option<String>, Thrown> {
    if value.is_unit() {
        return Ok(None);
    }
    if value.is_string() || value.is_int() || value.is_float() || value.is_char() {
        return Ok(Some(value.to_string()));
    }
    let found = value.type_name();
    let Some(values) = value.try_cast::<Array>() else {
        return Err(format!("expected text, a number, an array or (), found {found}").into());
    };
    let texts = values
        .into_iter()
        .map(|one| Ok(text_of(one)?.unwrap_or_default()));
    Ok(Some(texts.collect::<Result<Vec<_>, Thrown>>()?.join("\\")))
}

fn edit_of(edit: Dynamic) -> Result<Edit, String> {
    let found = edit.type_name();
    let Some(mut map) = edit.try_cast::<Map>() else {
        return Err(format!(
            "expected #{{ pattern: \"…\", action: \"…\" }}, found {found}"
        ));
    };
    let mut take = |key: &str| map.remove(key).unwrap_or(Dynamic::UNIT);
    let string = |key: &str, value: Dynamic| {
        value
            .into_string()
            .map_err(|found| format!("{key}: expected a string, found {found}"))
    };
    let pattern = string("pattern", take("pattern"))?;
    let action = match string("action", take("action"))?.as_str() {
        "remove" => Action::Remove,
        "blank" => Action::Blank,
        "uid" => Action::Uid,
        "dummy" => Action::Dummy,
        "set" => match text_of(take("value")).map_err(|error| error.to_string())? {
            Some(value) => Action::Set(value),
            None => return Err("value: is needed by \"set\"".to_owned()),
        },
        "shift_date" => {
            let days = take("days")
                .as_int()
                .ok()
                .and_then(|days| i32::try_from(days).ok());
            Action::ShiftDate(days.ok_or("days: expected a whole number of days")?)
        }
        other => {
            let hint = super::super::document::did_you_mean(other, ACTIONS.into_iter());
            return Err(format!("action: unknown action {other:?}{hint}"));
        }
    };
    match map.keys().next() {
        Some(key) => Err(format!("{key}: has no meaning for this action")),
        None => Ok(Edit { pattern, action }),
    }
}

/// What is behind `pseudonym::`, carried as the run's tag.
#[derive(Clone)]
pub struct Service {
    pseudonyms: Arc<Pseudonyms>,
    tables: Arc<Tables>,
}

impl Service {
    pub fn new(pseudonyms: &Arc<Pseudonyms>, context: &Context) -> Self {
        Self {
            pseudonyms: Arc::clone(pseudonyms),
            tables: Arc::clone(&context.tables),
        }
    }

    fn of(ctx: &NativeCallContext) -> Result<Self, Thrown> {
        let tag = ctx
            .tag()
            .and_then(|tag| tag.read_lock::<Service>().map(|held| held.clone()));
        tag.ok_or_else(|| "pseudonyms are not available here".into())
    }
}

fn service(ctx: &NativeCallContext) -> Result<Arc<Pseudonyms>, Thrown> {
    Ok(Service::of(ctx)?.pseudonyms)
}

/// `()` stays `()`; anything but text is thrown back.
fn on_text(
    original: Dynamic,
    call: impl FnOnce(&str) -> Result<Dynamic, Thrown>,
) -> Result<Dynamic, Thrown> {
    if original.is_unit() {
        return Ok(Dynamic::UNIT);
    }
    let text = original
        .into_immutable_string()
        .map_err(|found| Thrown::from(format!("expected text or (), found {found}")))?;
    call(&text)
}

#[export_module]
mod service_functions {
    #[rhai_fn(return_raw)]
    pub fn uid(ctx: NativeCallContext, original: Dynamic) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        on_text(original, |text| Ok(service.uid(text).into()))
    }

    /// `()` for a key that is not listed.
    #[rhai_fn(return_raw)]
    pub fn lookup(ctx: NativeCallContext, table: &str, key: Dynamic) -> Result<Dynamic, Thrown> {
        let service = Service::of(&ctx)?;
        on_text(key, |key| {
            let found = (service.tables.lookup(table, key))
                .map_err(|error| Stopped::Broken(error).thrown(ctx.call_position()))?;
            Ok(found.map_or(Dynamic::UNIT, |value| value.to_owned().into()))
        })
    }

    #[rhai_fn(return_raw)]
    pub fn label(
        ctx: NativeCallContext,
        domain: &str,
        original: Dynamic,
        digits: INT,
    ) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        let digits = count("digits", digits)?;
        on_text(original, |text| {
            Ok(service.label(domain, text, digits).into())
        })
    }

    #[rhai_fn(return_raw)]
    pub fn days(ctx: NativeCallContext, subject: Dynamic, max: INT) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        let max = count("max", max)?;
        on_text(
            subject,
            |text| Ok(INT::from(service.days(text, max)).into()),
        )
    }

    #[rhai_fn(return_raw)]
    pub fn shift_date(ctx: NativeCallContext, date: Dynamic, days: INT) -> Result<Dynamic, Thrown> {
        let service = service(&ctx)?;
        let days = i32::try_from(days).map_err(|_| format!("days: {days} is out of range"))?;
        on_text(date, |text| {
            Ok(service
                .shift_date(text, days)
                .map_or(Dynamic::UNIT, Dynamic::from))
        })
    }
}

fn count(name: &str, number: INT) -> Result<u32, Thrown> {
    u32::try_from(number).map_err(|_| format!("{name}: {number} is out of range").into())
}

/// `ctx`
#[derive(Clone)]
pub struct Ctx(pub Arc<Context>);

fn optional(text: Option<&String>) -> Dynamic {
    text.map_or(Dynamic::UNIT, |text| text.clone().into())
}

#[export_module]
mod context_functions {
    #[rhai_fn(get = "project", pure)]
    pub fn project(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.project.as_str().into()
    }

    #[rhai_fn(get = "subject", pure)]
    pub fn subject(ctx: &mut Ctx) -> Dynamic {
        optional(ctx.0.subject.as_ref())
    }

    #[rhai_fn(get = "session", pure)]
    pub fn session(ctx: &mut Ctx) -> Dynamic {
        optional(ctx.0.session.as_ref())
    }

    /// The file's path inside the session folder.
    #[rhai_fn(get = "path", pure)]
    pub fn path(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.file.as_str().into()
    }

    /// The same, under the name that the WIT package has for it.
    #[rhai_fn(get = "file", pure)]
    pub fn file(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.file.as_str().into()
    }

    #[rhai_fn(get = "received", pure)]
    pub fn received(ctx: &mut Ctx) -> ImmutableString {
        ctx.0.received.as_str().into()
    }

    #[rhai_fn(get = "settings", pure, return_raw)]
    pub fn settings(ctx: &mut Ctx) -> Result<Dynamic, Thrown> {
        from_json(&ctx.0.settings)
    }

    /// All parameters of the import call, as a map.
    #[rhai_fn(get = "parameters", pure)]
    pub fn parameters(ctx: &mut Ctx) -> Map {
        let all = ctx.0.parameters.iter();
        all.map(|(name, value)| (name.as_str().into(), value.clone().into()))
            .collect()
    }

    #[rhai_fn(pure)]
    pub fn parameter(ctx: &mut Ctx, name: &str) -> Dynamic {
        optional(ctx.0.parameters.get(name))
    }
}

/// What an anonymize or a route rule returns.
#[derive(Debug, Clone)]
pub enum Answer {
    Keep,
    Reject(String),
    Quarantine(String),
    Prearchive(String),
    Archive(String),
    ArchiveOverwrite(String),
    /// Maps, each a part.
    Split(Array),
}

impl Answer {
    /// As a script writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep()",
            Self::Reject(_) => "reject(why)",
            Self::Quarantine(_) => "quarantine(why)",
            Self::Prearchive(_) => "prearchive(why)",
            Self::Archive(_) => "archive(why)",
            Self::ArchiveOverwrite(_) => "archive_overwrite(why)",
            Self::Split(_) => "split(parts)",
        }
    }
}

#[export_module]
mod answer_functions {
    pub fn keep() -> Answer {
        Answer::Keep
    }

    pub fn reject(why: &str) -> Answer {
        Answer::Reject(why.to_owned())
    }

    pub fn quarantine(why: &str) -> Answer {
        Answer::Quarantine(why.to_owned())
    }

    pub fn prearchive(why: &str) -> Answer {
        Answer::Prearchive(why.to_owned())
    }

    pub fn archive(why: &str) -> Answer {
        Answer::Archive(why.to_owned())
    }

    pub fn archive_overwrite(why: &str) -> Answer {
        Answer::ArchiveOverwrite(why.to_owned())
    }

    pub fn split(parts: Array) -> Answer {
        Answer::Split(parts)
    }
}
