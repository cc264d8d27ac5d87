//! XNAT's tables, for every listing: rows under named columns, as `ResultSet` in JSON or XML, as CSV, or as a
//! page; and single objects (`item`).
//!
//! Every value is a string, and what is missing is an empty one: xnatpy calls `.strip()` on counts.

mod item;
mod view;
mod written;

use std::cmp::Ordering;

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};

pub use item::Item;
pub use view::{Form, View};

use super::error::ApiError;

/// How many rows there are, where a call asks for a page of them.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

pub struct Table {
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Whether `columns` chooses among the columns. XNAT does so where a listing is a search, and clients ask
    /// the other listings for columns that those don't have.
    chosen: bool,
}

impl Table {
    pub fn new(title: &'static str, columns: &[&'static str]) -> Table {
        Table {
            title,
            columns: columns.to_vec(),
            rows: Vec::new(),
            chosen: false,
        }
    }

    /// A table with one row for each item.
    pub fn of<T, const N: usize>(
        title: &'static str,
        columns: &[&'static str; N],
        items: impl IntoIterator<Item = T>,
        row: impl Fn(T) -> [String; N],
    ) -> Table {
        Table {
            rows: items.into_iter().map(|item| row(item).into()).collect(),
            ..Table::new(title, columns)
        }
    }

    /// The same, and `columns` chooses among its columns.
    pub fn with_choice(mut self) -> Table {
        self.chosen = true;
        self
    }

    /// Without the other columns.
    pub fn only(mut self, columns: &[&str]) -> Table {
        let names: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        self.choose(&names);
        self
    }

    pub fn push<const N: usize>(&mut self, row: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "one cell for each column");
        self.rows.push(row.into());
    }

    /// The rows, columns and form that the caller asked for.
    ///
    /// # Errors
    /// If there is no such form of a table, or no such column to sort by.
    pub fn answer(mut self, view: &View) -> Result<Response, ApiError> {
        self.check(view)?;
        self.sort(view);
        let total = self.rows.len();
        if view.is_page() {
            let rows = self.rows.into_iter().skip(view.offset);
            self.rows = rows.take(view.limit.unwrap_or(usize::MAX)).collect();
        }
        if self.chosen {
            self.choose(&view.columns);
        }
        let (kind, text) = match view.form {
            Form::Json => ("application/json", self.json()),
            Form::Csv => ("text/csv; charset=utf-8", self.csv()),
            Form::Xml => ("text/xml; charset=utf-8", self.xml()),
            Form::Html => ("text/html; charset=utf-8", self.html()),
            Form::Zip => return Err(no_zip()),
        };
        let mut response = ([(header::CONTENT_TYPE, kind)], text).into_response();
        if view.is_page() {
            response.headers_mut().insert(TOTAL, total.into());
        }
        Ok(response)
    }

    /// Whether it can be answered in that way, for a call that does something before it answers.
    ///
    /// # Errors
    /// As those of `answer`.
    pub fn check(&self, view: &View) -> Result<(), ApiError> {
        if view.is_zip() {
            return Err(no_zip());
        }
        match view.sort_by.iter().all(|name| self.index(name).is_some()) {
            true => Ok(()),
            false => Err(ApiError::BadRequest(
                format!(
                    "sortBy names no column of this listing: {}",
                    self.columns.join(", ")
                )
                .into(),
            )),
        }
    }

    /// By one column after the other. Numbers go by their values where both cells are numbers.
    fn sort(&mut self, view: &View) {
        let names = view.sort_by.iter();
        let keys: Vec<usize> = names.filter_map(|name| self.index(name)).collect();
        if keys.is_empty() {
            return;
        }
        self.rows.sort_by(|a, b| {
            let by_key = keys.iter().map(|key| compare(&a[*key], &b[*key]));
            let order = by_key.fold(Ordering::Equal, Ordering::then);
            match view.descending {
                true => order.reverse(),
                false => order,
            }
        });
    }

    /// Those asked for that there are, in the table's order, with those by which clients go on. All, where
    /// none of them is there.
    fn choose(&mut self, wanted: &[String]) {
        let asked: Vec<usize> = wanted.iter().filter_map(|name| self.index(name)).collect();
        if asked.is_empty() {
            return;
        }
        let keep: Vec<usize> = (0..self.columns.len())
            .filter(|i| asked.contains(i) || matches!(self.columns[*i], "ID" | "URI" | "xsiType"))
            .collect();
        self.columns = keep.iter().map(|i| self.columns[*i]).collect();
        for row in &mut self.rows {
            *row = keep.iter().map(|i| std::mem::take(&mut row[*i])).collect();
        }
    }

    /// A column by its name, in any letter case, or by the XML path that ends in it (`xnat:subjectData/label`).
    fn index(&self, name: &str) -> Option<usize> {
        let last = name.rsplit('/').next().unwrap_or(name);
        let named = |wanted: &str| {
            let mut columns = self.columns.iter();
            columns.position(|column| column.eq_ignore_ascii_case(wanted))
        };
        named(name).or_else(|| named(last))
    }
}

fn no_zip() -> ApiError {
    ApiError::BadRequest("The format of this listing must be json, csv, xml or html.".into())
}

fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

/// `2026-01-02 03:04:05.6`: xnatpy wants the fraction.
pub fn timestamp(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map(|time| time.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
