//! Turns Table E.1-1 into the constant rows of `src/table.rs`, so that a file costs no parsing.

#[path = "src/codes.rs"]
mod codes;
#[path = "src/treatment.rs"]
mod treatment;

use std::{env, fs, path::Path};

use treatment::Treatment;

const TABLE: &str = "table_e1_2024e.csv";

/// The options that this module offers, by their columns in the table; in the order of
/// `table::Row::options`, which is also their order of precedence.
const OPTIONS: [&str; 6] = [
    "retain_modified_dates",
    "retain_full_dates",
    "retain_device_identity",
    "retain_institution_identity",
    "retain_patient_characteristics",
    "retain_uids",
];

/// Sequences whose action is D, and whose items dummies would make invalid.
const SEQUENCES: [(&str, Treatment); 3] = [
    // References, of a class and an instance: a new UID is the dummy, and the class stays valid.
    ("(0008,1111)", Treatment::Uid),
    // Codes out of fixed lists, such as value types and units.
    ("(0040,A730)", Treatment::StandIn),
    ("(0070,0001)", Treatment::StandIn),
];

/// What has no place in a dataset or an item, and nobody else takes away: elements of commands (PS3.7 6.3.1), file
/// meta information (PS3.10 7.1), and what stands where the length of a group should (PS3.5 7.2).
const OUT_OF_PLACE: [&str; 3] = ["*/(0000,XXXX)", "*/(0002,XXXX)", "*/(XXXX,0000)"];

fn main() {
    println!("cargo::rerun-if-changed={TABLE}");
    let table = fs::read_to_string(TABLE).expect("the table stands beside build.rs");
    let mut lines = table.lines();
    let header: Vec<&str> = lines
        .next()
        .expect("the table has a header")
        .split(',')
        .collect();

    let (mut rows, mut all) = (String::new(), String::new());
    let mut put = |path: &str, basic: Treatment, options: &str| {
        if let Some(action) = basic.action() {
            all += &format!("{action} {path}\n");
        }
        rows += &format!(
            "Row {{ pattern: {path:?}, basic: Treatment::{basic:?}, options: [{options}] }},\n"
        );
    };
    for path in OUT_OF_PLACE {
        put(path, Treatment::Remove, &["None"; OPTIONS.len()].join(", "));
    }
    for line in lines {
        let line = Line::parse(&header, line);
        if let Some(path) = line.path() {
            let (basic, options) = line.treatments();
            put(&path, basic, &options);
        }
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("rows.rs");
    let rows = format!(
        "pub static ROWS: &[Row] = &[\n{rows}];\n\
         /// All of them under the Basic Profile alone, as the host takes them.\n\
         pub const BASIC: &str = {all:?};\n"
    );
    fs::write(out, rows).expect("OUT_DIR can be written");
}

/// One line of the table: `"(0008,0012)",DA,Instance Creation Date,Y,X/D,…`
struct Line<'a> {
    tag: &'a str,
    header: &'a [&'a str],
    cells: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// Only the tag is quoted, since only it holds a comma.
    fn parse(header: &'a [&'a str], line: &'a str) -> Self {
        let (tag, rest) = line
            .strip_prefix('"')
            .and_then(|l| l.split_once('"'))
            .unwrap_or_else(|| panic!("no quoted tag: {line}"));
        let cells: Vec<&str> = rest.split(',').collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        Line { tag, header, cells }
    }

    fn cell(&self, column: &str) -> &'a str {
        let at = self.header.iter().position(|c| *c == column);
        self.cells[at.unwrap_or_else(|| panic!("no column {column}"))]
    }

    /// The attribute at any depth, as PS3.15 E.1 demands; none for what is no element of an
    /// instance's dataset, or is another call's: private attributes are `remove-private`'s.
    fn path(&self) -> Option<String> {
        let (group, element) = self
            .tag
            .strip_prefix('(')?
            .strip_suffix(')')?
            .split_once(',')?;
        Some(match group {
            "0000" | "0002" => return None, // `OUT_OF_PLACE`; the file meta information is the host's
            "50XX" => format!("*/(50X@,{element})"), // a repeating group: its number is even
            "60XX" => format!("*/(60X@,{element})"),
            _ => format!("*/({group},{element})"),
        })
    }

    /// The Basic Profile's treatment, and those of the options, as the source of an array's items.
    fn treatments(&self) -> (Treatment, String) {
        let vr = self.cell("vr");
        let basic = match SEQUENCES.iter().find(|(tag, _)| *tag == self.tag) {
            Some((_, treatment)) => *treatment,
            None => codes::basic(self.cell("basic"), vr)
                .unwrap_or_else(|| panic!("{}: unknown action {}", self.tag, self.cell("basic"))),
        };
        let options = OPTIONS.map(|option| match codes::option(self.cell(option), vr) {
            Some(treatment) => format!("Some(Treatment::{treatment:?})"),
            None => "None".to_owned(),
        });
        (basic, options.join(", "))
    }
}
