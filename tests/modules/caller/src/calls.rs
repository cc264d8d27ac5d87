//! One call of the interface for each entry of the list.

use crate::sluice::rules::dicom::{Action, Dataset, Edit, EditError};
use crate::sluice::rules::{context, pseudonym};
use miniserde::json::{self, Array, Number, Object, Value};

/// Makes the calls in turn. What came of them, as JSON; the error is of the list itself.
pub fn make(ds: &Dataset, calls: &Array) -> Result<String, String> {
    let mut answers = Array::new();
    for call in calls.iter() {
        let Value::Array(call) = call else {
            return Err("a call is a list: a name, and arguments".into());
        };
        answers.push(one(ds, &Call(call))?);
    }
    let mut said = Object::new();
    said.insert("answers".into(), Value::Array(answers));
    Ok(json::to_string(&said))
}

fn one(ds: &Dataset, call: &Call) -> Result<Value, String> {
    Ok(match call.text(0)? {
        "get" => optional(ds.get(call.text(1)?)),
        "values" => list(ds.values(call.text(1)?)),
        "vr" => optional(ds.vr(call.text(1)?)),
        "exists" => Value::Bool(ds.exists(call.text(1)?)),
        "find" => list(ds.find(call.text(1)?)),
        "set" => edited(ds.set(call.text(1)?, call.text(2)?).map(|()| Value::Null)),
        "blank" => edited(ds.blank(call.text(1)?).map(count)),
        "remove" => edited(ds.remove(call.text(1)?).map(count)),
        "remove-private" => {
            let keep = call.rest(1).map(text).collect::<Result<Vec<_>, _>>()?;
            edited(ds.remove_private(&keep).map(count))
        }
        "apply-table" => edited(ds.apply_table(call.text(1)?).map(count)),
        "apply" => {
            let edits = call.rest(1).map(edit).collect::<Result<Vec<_>, _>>()?;
            edited(ds.apply(&edits).map(count))
        }
        "redact" => {
            let (left, top) = (call.number(1)?, call.number(2)?);
            let (right, bottom) = (call.number(3)?, call.number(4)?);
            let done = ds.redact(left as u32, top as u32, right as u32, bottom as u32);
            edited(done.map(|()| Value::Null))
        }
        "uid" => Value::String(pseudonym::uid(call.text(1)?)),
        "label" => {
            let digits = call.number(3)? as u32;
            Value::String(pseudonym::label(call.text(1)?, call.text(2)?, digits))
        }
        "days" => {
            let days = pseudonym::days(call.text(1)?, call.number(2)? as u32);
            Value::Number(Number::I64(days.into()))
        }
        "shift-date" => optional(pseudonym::shift_date(call.text(1)?, call.number(2)? as i32)),
        "lookup" => optional(pseudonym::lookup(call.text(1)?, call.text(2)?)),
        "project" => Value::String(context::project()),
        "subject" => optional(context::subject()),
        "session" => optional(context::session()),
        "parameter" => optional(context::parameter(call.text(1)?)),
        "file" => Value::String(context::file()),
        "received" => Value::String(context::received()),
        name => return Err(format!("there is no call {name}")),
    })
}

/// A name, and arguments.
struct Call<'a>(&'a Array);

impl Call<'_> {
    fn text(&self, index: usize) -> Result<&str, String> {
        match self.0.get(index) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(format!("argument {index} is no text")),
        }
    }

    fn number(&self, index: usize) -> Result<i64, String> {
        number(self.0.get(index))
    }

    fn rest(&self, from: usize) -> impl Iterator<Item = &Value> {
        self.0.iter().skip(from)
    }
}

fn number(value: Option<&Value>) -> Result<i64, String> {
    match value {
        Some(Value::Number(Number::U64(number))) => Ok(*number as i64),
        Some(Value::Number(Number::I64(number))) => Ok(*number),
        _ => Err("an argument is no number".into()),
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err("an argument is no text".into()),
    }
}

/// `["PatientName", "set", "X"]`
fn edit(value: &Value) -> Result<Edit, String> {
    let Value::Array(parts) = value else {
        return Err("an edit is a list: pattern, action, value".into());
    };
    let parts = Call(parts);
    let action = match parts.text(1)? {
        "remove" => Action::Remove,
        "blank" => Action::Blank,
        "set" => Action::Set(parts.text(2)?.into()),
        "uid" => Action::Uid,
        "dummy" => Action::Dummy,
        "shift-date" => Action::ShiftDate(parts.number(2)? as i32),
        name => return Err(format!("there is no action {name}")),
    };
    let pattern = parts.text(0)?.into();
    Ok(Edit { pattern, action })
}

fn optional(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::String)
}

fn list(texts: Vec<String>) -> Value {
    Value::Array(texts.into_iter().map(Value::String).collect())
}

fn count(number: u32) -> Value {
    Value::Number(Number::U64(number.into()))
}

/// An error as `{"error": "bad path: …"}`, worded as in a script.
fn edited(done: Result<Value, EditError>) -> Value {
    let error = match done {
        Ok(answer) => return answer,
        Err(EditError::BadPath(what)) => format!("bad path: {what}"),
        Err(EditError::BadValue(what)) => format!("bad value: {what}"),
        Err(EditError::Undeclared(what)) => format!("undeclared: {what}"),
        Err(EditError::Protected(what)) => format!("protected: {what}"),
        Err(EditError::NotRedactable(what)) => format!("not redactable: {what}"),
    };
    let mut said = Object::new();
    said.insert("error".into(), Value::String(error));
    Value::Object(said)
}
