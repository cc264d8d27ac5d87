//! Tables that a rule looks keys up in: CSV files beside a policy or in a module's folder, read when the
//! rule set is made and a part of its hash. What they hold may identify people, and is in no message.

use super::document::DocumentError;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Larger ones are a database's business.
pub const TABLE_BYTES: usize = 16 << 20;

const HEADER: [&str; 2] = ["key", "value"];

/// The table by which a label rule learns which projects it may choose: their IDs beside themselves. There
/// only while the project of a study is looked for; else it is as if it listed none.
pub const PROJECTS: &str = "projects";

/// One table.
#[derive(Debug)]
pub struct Table(HashMap<String, String>);

/// The tables that one step of a policy has, by the names that its rule uses.
#[derive(Debug, Default, Clone)]
pub struct Tables(BTreeMap<String, Arc<Table>>);

impl Table {
    /// `file` is only named in errors. The first line is `key,value`, no key stands there twice.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, DocumentError> {
        let wrong = |line: u64, message: &str| DocumentError::Syntax {
            file: file.to_owned(),
            line: usize::try_from(line).unwrap_or(usize::MAX),
            column: 1,
            message: message.to_owned(),
        };
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text);
        let is_header = reader
            .headers()
            .is_ok_and(|header| header == HEADER.as_slice());
        if !is_header {
            return Err(wrong(1, "the first line of a table is key,value"));
        }
        let mut entries = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(1, csv::Position::line);
                wrong(
                    line,
                    "is no line of two values in UTF-8: quote a value that holds a comma",
                )
            })?;
            let line = record.position().map_or(1, csv::Position::line);
            let (key, value) = (record[0].to_owned(), record[1].to_owned());
            if key.is_empty() {
                return Err(wrong(line, "the key is empty"));
            }
            if entries.insert(key, value).is_some() {
                return Err(wrong(line, "the key stands in the table already"));
            }
        }
        Ok(Self(entries))
    }

    /// The table [`PROJECTS`].
    pub fn of_projects(ids: impl IntoIterator<Item = String>) -> Self {
        Self::of(ids.into_iter().map(|id| (id.clone(), id)))
    }

    /// Of entries that stand in a test case.
    pub fn of(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(entries.into_iter().collect())
    }

    pub fn lists(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }
}

impl Tables {
    pub fn new(tables: impl IntoIterator<Item = (String, Arc<Table>)>) -> Self {
        Self(tables.into_iter().collect())
    }

    /// With others put over them: a policy's table stands above the module's of that name.
    pub fn with(&self, others: &Tables) -> Self {
        Self::new(self.0.clone().into_iter().chain(others.0.clone()))
    }

    /// What stands beside the key; none: it is not listed.
    ///
    /// # Errors
    /// If there is no such table: that must not look like a key that is not listed.
    pub fn lookup(&self, table: &str, key: &str) -> Result<Option<&str>, NoTable> {
        match self.0.get(table) {
            Some(table) => Ok(table.0.get(key.trim()).map(String::as_str)),
            None if table == PROJECTS => Ok(None),
            None => {
                let known = self.0.keys().map(String::as_str);
                let hint = super::document::did_you_mean(table, known);
                Err(NoTable {
                    name: table.to_owned(),
                    hint,
                })
            }
        }
    }
}

/// A name that no table has.
#[derive(Debug)]
pub struct NoTable {
    name: String,
    hint: String,
}

impl NoTable {
    /// With the name only where that may be quoted: a rule may have it from a header.
    pub fn told(&self, may_quote: impl FnOnce(&str) -> bool) -> String {
        let name = match may_quote(&self.name) {
            true => format!("table {:?}{}", self.name, self.hint),
            false => "such table".to_owned(),
        };
        format!("lookup: there is no {name}: declare it in the policy's entry, or in the module")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Tables, String> {
        let table = Table::parse("t.csv", text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Tables::new([("t".to_owned(), Arc::new(table))]))
    }

    #[test]
    fn keys_are_looked_up_and_what_is_not_listed_is_none() {
        let tables =
            parse("\u{FEFF}key,value\r\n4711,S1\r\n\"a, b\",\"S \"\"2\"\"\"\r\n0815,\r\n").unwrap();
        let found = |key| tables.lookup("t", key).expect("a table");
        assert_eq!(found("4711 "), Some("S1"));
        assert_eq!(found("a, b"), Some("S \"2\""));
        assert_eq!(found("0815"), Some(""));
        assert_eq!(found("key"), None);
        let error = tables.lookup("tt", "4711").unwrap_err();
        let told = error.told(|_| true);
        assert!(told.contains("\"tt\" (did you mean \"t\"?)"), "{told}");
        let told = error.told(|_| false);
        assert!(!told.contains("tt\""), "{told}");
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line_and_no_value() {
        for (text, line) in [
            ("", 1),
            ("4711,S1\n", 1),
            ("key,value\n4711\n", 2),
            ("key,value\n4711,S1\n4711,S2\n", 3),
            ("key,value\na,b\n,S1\n", 3),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with(&format!("t.csv: line {line}, column 1: ")),
                "{error}"
            );
            assert!(!error.contains("4711") && !error.contains("S2"), "{error}");
        }
    }
}
