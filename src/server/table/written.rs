//! The forms of a table.

use serde_json::{Value, json};

use super::Table;

impl Table {
    pub(super) fn json(self) -> String {
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
        json!({ "ResultSet": { "Result": result, "title": self.title, "totalRecords": total } })
            .to_string()
    }

    pub(super) fn csv(self) -> String {
        let mut text = self.columns.join(",");
        text.push('\n');
        for row in self.rows {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    /// XNAT's table of results.
    pub(super) fn xml(self) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ResultSet title=\"{}\" totalRecords=\"{}\"><results><columns>",
            escape(self.title),
            self.rows.len()
        );
        for column in self.columns {
            text += &format!("<column>{}</column>", escape(column));
        }
        text += "</columns><rows>";
        for row in self.rows {
            text += "<row>";
            for cell in row {
                text += &format!("<cell>{}</cell>", escape(&cell));
            }
            text += "</row>";
        }
        text + "</rows></results></ResultSet>\n"
    }

    pub(super) fn html(self) -> String {
        let title = escape(self.title);
        let mut text = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><table><caption>{title}</caption>\n<tr>"
        );
        for column in self.columns {
            text += &format!("<th>{}</th>", escape(column));
        }
        text += "</tr>\n";
        for row in self.rows {
            text += "<tr>";
            for cell in row {
                text += &format!("<td>{}</td>", escape(&cell));
            }
            text += "</tr>\n";
        }
        text + "</table></body></html>\n"
    }
}

/// RFC 4180.
fn csv_cell(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    }
}

/// A text in XML or HTML, between tags or quoted. Control characters have no place in XML 1.0.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}
