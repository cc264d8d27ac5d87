//! `ds`, the dataset as a script sees it. Thin: what each call means and may do is [`Host`]'s business. An absent
//! value is `()`; an edit error is thrown.

use super::super::document::did_you_mean;
use super::super::host::rows::ACTIONS;
use super::super::host::{Action, Edit, EditError, Host};
use super::failure;
use super::values::{Thrown, count};
use super::watch::Watch;
use crate::dicom::Region;
use ::rhai::plugin::*;
use ::rhai::{Array, Dynamic, INT, Map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub mod dataset_functions {
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
        let lent = ds.lent.clone();
        let may_quote = |text: &str| {
            lent.lock()
                .as_ref()
                .is_some_and(|host| host.may_quote(text))
        };
        let edits = edits.into_iter().enumerate().map(|(index, edit)| {
            edit_of(edit, &may_quote)
                .map_err(|message| Thrown::from(format!("apply: edit {index}: {message}")))
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

fn edit_of(edit: Dynamic, may_quote: &dyn Fn(&str) -> bool) -> Result<Edit, String> {
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
        other if !may_quote(other) => {
            return Err(format!("action: is none of {}", ACTIONS.join(", ")));
        }
        other => {
            let hint = did_you_mean(other, ACTIONS.into_iter());
            return Err(format!("action: unknown action {other:?}{hint}"));
        }
    };
    match map.keys().next() {
        Some(key) if may_quote(key) => Err(format!("{key}: has no meaning for this action")),
        Some(_) => Err("a key has no meaning for this action".to_owned()),
        None => Ok(Edit { pattern, action }),
    }
}
