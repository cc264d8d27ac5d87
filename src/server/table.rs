//! XNAT's tables: `ResultSet` as JSON, or CSV, and single objects as `items`.
//!
//! Every value is a string, and what is missing is an empty one: xnatpy calls `.strip()` on counts.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;

/// The query of a listing. `columns` and all else is taken and not looked at: the full set of columns
/// satisfies the clients that ask for some.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Format {
    #[serde(default)]
    pub format: Option<String>,
}

impl Format {
    /// The files themselves are asked for, not their list.
    pub fn is_zip(&self) -> bool {
        self.format.as_deref() == Some("zip")
    }
}

pub struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &'static [&'static str]) -> Table {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// A table with one row for each item.
    pub fn of<T, const N: usize>(
        columns: &'static [&'static str; N],
        items: impl IntoIterator<Item = T>,
        row: impl Fn(T) -> [String; N],
    ) -> Table {
        Table {
            columns,
            rows: items.into_iter().map(|item| row(item).into()).collect(),
        }
    }

    pub fn push<const N: usize>(&mut self, row: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "one cell for each column");
        self.rows.push(row.into());
    }

    /// The form the caller asked for: JSON unless it is CSV.
    pub fn answer(self, format: &Format) -> Result<Response, ApiError> {
        match format.format.as_deref() {
            None | Some("" | "json") => Ok(Json(self.json()).into_response()),
            Some("csv") => Ok((
                [(header::CONTENT_TYPE, "text/csv; charset=utf-8")],
                self.csv(),
            )
                .into_response()),
            Some(_) => Err(ApiError::BadRequest(
                "The format must be json or csv.".into(),
            )),
        }
    }

    fn json(self) -> Value {
        let total = self.rows.len().to_string();
        let result: Vec<Value> = self
            .rows
            .into_iter()
            .map(|row| {
                let fields = self.columns.iter().zip(row);
                fields
                    .map(|(name, value)| (name.to_string(), Value::String(value)))
                    .collect()
            })
            .collect();
        json!({ "ResultSet": { "Result": result, "totalRecords": total } })
    }

    fn csv(self) -> String {
        let mut text = self.columns.join(",");
        text.push('\n');
        for row in self.rows {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }
}

/// RFC 4180.
fn csv_cell(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    }
}

/// A single object in XNAT's form.
pub fn item<const N: usize>(xsi_type: &str, fields: [(&str, String); N]) -> Json<Value> {
    let data_fields: Map<String, Value> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_string(), Value::String(value)))
        .collect();
    Json(json!({ "items": [{
        "children": [],
        "meta": { "xsi:type": xsi_type, "isHistory": false },
        "data_fields": data_fields,
    }] }))
}

/// `2026-01-02 03:04:05.6`: xnatpy wants the fraction.
pub fn timestamp(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map(|time| time.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_json_value_is_a_string_and_csv_is_quoted_where_needed() {
        let table = || {
            Table::of(&["ID", "n"], [("a,\"b\"", 1)], |(id, n)| {
                [id.into(), n.to_string()]
            })
        };
        let json = table().json();
        assert_eq!(json["ResultSet"]["totalRecords"], "1");
        assert_eq!(json["ResultSet"]["Result"][0]["n"], "1");
        assert_eq!(table().csv(), "ID,n\n\"a,\"\"b\"\"\",1\n");
    }

    #[test]
    fn times_have_a_fraction() {
        assert_eq!(timestamp(1_000), "1970-01-01 00:00:01.000");
    }
}
