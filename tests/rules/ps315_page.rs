//! The page on PS3.15: it has every setting of the module, every code of CID 7050, and the counts of Table E.1-1.

use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../plugins/ps315-basic/README.md");
const TABLE: &str = include_str!("../../plugins/ps315-basic/table_e1_2024e.csv");
const SCHEMA: &str = include_str!("../../plugins/ps315-basic/settings.schema.json");

/// Each option's code, and its column in the table if it has one.
const OPTIONS: [(&str, &str); 13] = [
    ("113100", ""),
    ("113101", ""),
    ("113102", ""),
    ("113103", "clean_graphics"),
    ("113104", "clean_structured_content"),
    ("113105", "clean_descriptors"),
    ("113106", "retain_full_dates"),
    ("113107", "retain_modified_dates"),
    ("113108", "retain_patient_characteristics"),
    ("113109", "retain_device_identity"),
    ("113110", "retain_uids"),
    ("113111", "retain_safe_private"),
    ("113112", "retain_institution_identity"),
];

fn row(code: &str) -> Vec<&'static str> {
    let start = format!("| {code} |");
    let line = PAGE.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("the page has no row for {code}"));
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_option_stands_there_with_its_setting_and_what_the_table_has_for_it() {
    let mut table = csv::Reader::from_reader(TABLE.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().map(Result::unwrap).collect();
    assert_eq!(row("113100")[2], format!("{} rows", rows.len()));
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let settings = schema["properties"].as_object().unwrap();
    for (code, column) in OPTIONS {
        let cells = row(code);
        assert_eq!(cells.len(), 6, "{code}");
        if column.is_empty() {
            continue;
        }
        let count = |action: &str| rows.iter().filter(|row| row[column] == action).count();
        let counts = [("K", count("K")), ("C", count("C"))].map(|(action, count)| match count {
            0 => String::new(),
            count => format!("{count} {action}"),
        });
        let counts: Vec<String> = counts.into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(cells[2], counts.join(", "), "{code}");
        match settings.contains_key(column) {
            true => assert!(cells[3].contains(&format!("`{column}`")), "{code}"),
            false => assert_eq!(cells[3], "none", "{code}"),
        }
    }
    // No column of the table without an option here.
    let columns = table.headers().unwrap().iter().skip(5);
    for column in columns {
        assert!(OPTIONS.iter().any(|(_, own)| *own == column), "{column}");
    }
}

#[test]
fn every_setting_is_explained() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    for setting in schema["properties"].as_object().unwrap().keys() {
        assert!(PAGE.contains(&format!("| `{setting}` |")), "{setting}");
    }
}
