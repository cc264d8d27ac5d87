//! The rows of a table that stands in a script as text, each on its own line of the file.

use super::super::super::host::rows;
use super::super::failure;
use super::{Inspector, NamedPath, Use};
use crate::rules::position::Position;
use ::rhai::Expr;

/// Stands for what a script puts into its text: no character of a path, and no whole number is needed there.
const PUT_IN: &str = "0";

/// A text as it is known before the script runs.
struct Text {
    text: String,
    /// Where something is put in.
    gaps: Vec<usize>,
}

impl Text {
    fn of(expr: &Expr) -> Option<Self> {
        let mut known = Self {
            text: String::new(),
            gaps: Vec::new(),
        };
        match expr {
            Expr::StringConstant(text, _) => known.text.push_str(text),
            Expr::InterpolatedString(parts, _) => {
                for part in parts {
                    if let Expr::StringConstant(text, _) = part {
                        known.text.push_str(text);
                    } else {
                        known.gaps.push(known.text.len());
                        known.text.push_str(PUT_IN);
                    }
                }
            }
            _ => return None,
        }
        Some(known)
    }

    /// Whether something is put in between two places.
    fn has_gap(&self, from: usize, to: usize) -> bool {
        self.gaps.iter().any(|gap| (from..to).contains(gap))
    }
}

impl Inspector<'_> {
    /// The rows of `ds.apply_table(…)`. One whose pattern the script puts together is left alone.
    pub(super) fn table(&mut self, table: &Expr) {
        let Some(known) = Text::of(table) else { return };
        let start = failure::position(table.position());
        let first = start.and_then(|start| self.first_line(start));
        let mut from = 0;
        for (index, line) in known.text.split_inclusive('\n').enumerate() {
            let of_pattern = line.find('=').unwrap_or(line.len());
            let is_put_together = known.has_gap(from, from + of_pattern);
            from += line.len();
            if is_put_together {
                continue;
            }
            let position = match first {
                Some(first) => Some(Position {
                    line: first + index,
                    column: None,
                }),
                None => start,
            };
            match rows::row_of(line) {
                None => {}
                Some(Ok(edit)) => self.script.paths.push(NamedPath {
                    path: edit.pattern,
                    use_: Use::Edit,
                    position,
                }),
                Some(Err(error)) => self.script.problems.push((position, error.why)),
            }
        }
    }

    /// The line of the file with the first line of the text, where the text stands there as it is: between
    /// backticks. A line's end right behind the first is not of it.
    fn first_line(&self, start: Position) -> Option<usize> {
        let line = self.code.lines().nth(start.line.checked_sub(1)?)?;
        let mut rest = line.chars().skip(start.column?.checked_sub(1)?);
        if rest.next() != Some('`') {
            return None;
        }
        Some(start.line + usize::from(rest.next().is_none()))
    }
}
