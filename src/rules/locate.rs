//! Where in a JSON text a JSON pointer (RFC 6901) leads: serde_json keeps no positions, and whoever
//! mends a document wants a line.

use super::position::Position;

/// The place of the key or the entry; of the nearest thing around it where it isn't there. The text is
/// valid JSON, or the answer is rough.
pub fn locate(text: &[u8], pointer: &str) -> Position {
    let steps: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut scan = Scan { text, at: 0 };
    scan.space();
    let mut best = scan.at;
    // None: the text ended where JSON would not.
    let _ = scan.find(&steps, &mut best);
    let before = &text[..best.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    Position {
        line: 1 + before.iter().filter(|b| **b == b'\n').count(),
        column: Some(
            1 + String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count(),
        ),
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn find(&mut self, steps: &[String], best: &mut usize) -> Option<()> {
        self.space();
        let Some((step, rest)) = steps.split_first() else {
            return Some(());
        };
        let is_object = match self.peek()? {
            b'{' => true,
            b'[' => false,
            _ => return Some(()),
        };
        self.at += 1;
        let mut index = 0;
        loop {
            self.space();
            if matches!(self.peek()?, b'}' | b']') {
                return Some(());
            }
            let start = self.at;
            let is_it = if is_object {
                let key = self.string()?;
                self.space();
                self.at += 1; // the colon
                key == *step
            } else {
                index.to_string() == *step
            };
            if is_it {
                *best = start;
                return self.find(rest, best);
            }
            self.value()?;
            index += 1;
            self.space();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        while self.peek()? != b'"' {
            self.at += if self.peek()? == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_slice(self.text.get(start..self.at)?).ok()
    }

    /// Past a value, whatever it is.
    fn value(&mut self) -> Option<()> {
        self.space();
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => _ = self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => return Some(()),
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => return Some(()),
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str, pointer: &str) -> String {
        locate(text.as_bytes(), pointer).to_string()
    }

    #[test]
    fn keys_and_entries_are_found() {
        let text = "{\n  \"a\": [1, { \"b\\\"\": 2,\n  \"c/d\": \"},]\" }],\n  \"e\": 3 }";
        for (pointer, place) in [
            ("/", "line 1, column 1"),
            ("/a", "line 2, column 3"),
            ("/a/1", "line 2, column 12"),
            ("/a/1/b\"", "line 2, column 14"),
            ("/a/1/c~1d", "line 3, column 3"),
            ("/e", "line 4, column 3"),
            // The nearest thing around what isn't there.
            ("/a/7", "line 2, column 3"),
            ("/e/x", "line 4, column 3"),
        ] {
            assert_eq!(at(text, pointer), place, "{pointer}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in ".{0,60}", pointer in "(/[a-z0-9]{0,2}){0,4}") {
            let place = locate(text.as_bytes(), &pointer);
            prop_assert!(place.line >= 1 && place.line <= 1 + text.matches('\n').count());
        }
    }
}
