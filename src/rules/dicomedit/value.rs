//! What a DicomEdit script holds while it runs.

use super::syntax::TagPath;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub enum Value {
    /// What a function answers that answers nothing.
    Nothing,
    /// An absent element, a function without a result.
    Null,
    /// Strings and numbers.
    Text(Arc<str>),
    Truth(bool),
    /// Not read: each function decides whether it reads it.
    Path(Arc<TagPath>),
    List(Arc<[Value]>),
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn of(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

/// The values with those of lists in the place of the lists.
///
/// # Errors
/// More than any script names: lists of lists of lists.
pub fn flat(values: &[Value]) -> Result<Vec<Value>, String> {
    const MOST: usize = 100_000;
    fn add(values: &[Value], flat: &mut Vec<Value>) -> Result<(), String> {
        for value in values {
            match value {
                Value::List(items) => add(items, flat)?,
                _ if flat.len() == MOST => {
                    return Err(format!("a list of more than {MOST} items"));
                }
                value => flat.push(value.clone()),
            }
        }
        Ok(())
    }
    let mut out = Vec::with_capacity(values.len());
    add(values, &mut out)?;
    Ok(out)
}
