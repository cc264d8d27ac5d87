//! Which texts a failure may quote. A rule hands the host texts that it may have read from a header, and its failures
//! are told to people who may not see headers: what is quoted must stand in the rule's own code, or in its settings.

use std::collections::HashSet;
use std::sync::Arc;

/// In compiled code words stand among other bytes: shorter ones, and numbers, are met there by chance.
const SHORTEST_IN_CODE: usize = 6;

/// The texts that a module's author wrote.
#[derive(Debug, Clone)]
pub enum Quotes {
    /// A script's, each whole.
    Words(HashSet<Box<str>>),
    /// Compiled code, with texts somewhere in it.
    Code(Arc<[u8]>),
}

impl Quotes {
    /// Of a script's texts: each by itself, and the words in it, such as those of a table's rows.
    pub fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let words = texts.flat_map(|text| {
            let words = text.split(|c: char| c.is_whitespace() || c == '=');
            words.chain([text, text.trim()])
        });
        Self::Words(words.map(Box::from).collect())
    }

    /// Whether a text is the author's own. `settings` are JSON.
    pub fn holds(&self, text: &str, settings: &str) -> bool {
        let is_in_code = match self {
            Self::Words(words) => words.contains(text),
            Self::Code(code) => {
                text.len() >= SHORTEST_IN_CODE
                    && text.contains(|c: char| c.is_ascii_alphabetic())
                    && code.windows(text.len()).any(|at| at == text.as_bytes())
            }
        };
        is_in_code || is_in_settings(text, settings)
    }
}

fn is_in_settings(text: &str, settings: &str) -> bool {
    serde_json::to_string(text).is_ok_and(|quoted| settings.contains(&quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_script_is_quoted_and_nothing_else() {
        let texts = ["PatientNam", "remov PatientID\nset StudyID = a b"];
        let quotes = Quotes::of_texts(texts.into_iter());
        for own in ["PatientNam", "remov", "PatientID", "StudyID", "b"] {
            assert!(quotes.holds(own, ""), "{own}");
        }
        for other in ["Patient", "DEV", "PatientName"] {
            assert!(!quotes.holds(other, ""), "{other}");
        }
        assert!(quotes.holds("DEV", r#"{ "to": ["DEV"] }"#));
        assert!(!quotes.holds("DEV", r#"{ "to": ["DEVICE"] }"#));
    }

    #[test]
    fn compiled_code_is_no_place_for_short_words_and_numbers() {
        let quotes = Quotes::Code(Arc::from(*b"\0asmPatientNamDEV030405"));
        assert!(quotes.holds("PatientNam", ""));
        for other in ["DEV", "030405", "PatientName"] {
            assert!(!quotes.holds(other, ""), "{other}");
        }
    }
}
