//! Every code with which a rule, an edit or a rule set can fail: what it means and what to do. The one
//! table behind `sluice rule codes` and `rules/codes.md`.

use super::error::RuleSetError;
use super::host::EditError;
use super::{RuleFailure, answer::Refusal};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Code {
    pub code: &'static str,
    pub of: Of,
    pub meaning: &'static str,
    pub remedy: &'static str,
}

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// A rule on a file, a study or a session.
    Rule,
    /// An edit; the rule may handle it.
    Edit,
    /// A module or a policy, when it is loaded.
    Rules,
}

impl Of {
    pub fn title(self) -> &'static str {
        match self {
            Self::Rule => "A rule fails",
            Self::Edit => "An edit fails",
            Self::Rules => "Rules can't be loaded",
        }
    }

    pub fn explanation(self) -> &'static str {
        match self {
            Self::Rule => {
                "The file is stored nowhere, its source stays, its session is not archived by itself. Where a \
                 label rule fails, that holds for the whole study; where a route rule fails, the session stays \
                 in the prearchive."
            }
            Self::Edit => {
                "A Rhai script that does not catch it fails with `rule-error`; in WebAssembly it is the call's \
                 result. `undeclared` fails the file in any case."
            }
            Self::Rules => {
                "The project keeps the rules that it had before; after a restart it has none, and its imports \
                 fail with the reason."
            }
        }
    }
}

pub static CODES: &[Code] = &[
    Code {
        code: "rule-error",
        of: Of::Rule,
        meaning: "The rule threw an error, or answered one; or it called what is not there.",
        remedy: "See the message and its line. `sluice rule check` finds calls that don't exist; `sluice rule explain` shows what the rule did before.",
    },
    Code {
        code: "rule-broke",
        of: Of::Rule,
        meaning: "The rule trapped, looked into a table that is not there, or answered what is no answer of its kind: a wrong type, a label that can't be a folder's name, a project that it may not choose.",
        remedy: "Do what the message says was expected. A WebAssembly rule traps where its code panics.",
    },
    Code {
        code: "rule-too-deep",
        of: Of::Rule,
        meaning: "The rule's calls nest too deeply: 32 levels in Rhai, 512 KiB of stack in WebAssembly.",
        remedy: "Look for a function that calls itself without end; write a loop instead. A WebAssembly rule that keeps its stack in its own memory, as Rust does for larger values, traps there first: `rule-broke`.",
    },
    Code {
        code: "rule-too-long",
        of: Of::Rule,
        meaning: "The rule took more operations, or more time, than its manifest's limits.",
        remedy: "Look for a loop that does not end; measure with `sluice rule bench`; raise `limits` in module.json.",
    },
    Code {
        code: "rule-too-large",
        of: Of::Rule,
        meaning: "The rule wanted more memory than its manifest's limit.",
        remedy: "Build smaller values; measure with `sluice rule bench`; raise `limits.memory_mb` in module.json.",
    },
    Code {
        code: "rule-undeclared-read",
        of: Of::Rule,
        meaning: "The rule read an element that its manifest does not declare.",
        remedy: "Add the path to `reads` in module.json, or don't read it.",
    },
    Code {
        code: "rule-undeclared-write",
        of: Of::Rule,
        meaning: "The rule changed, or tried to change, an element that its manifest does not declare; or it is of a kind that may not write.",
        remedy: "Add the path to `writes` in module.json, or don't write it. A pattern such as `*/X` needs `*/X` declared.",
    },
    Code {
        code: "rule-bad-path",
        of: Of::Rule,
        meaning: "The rule asked for what is no path, such as a misspelt keyword: it must not look like an absent element.",
        remedy: "Correct the path; the message names a near keyword. `sluice rule check` finds those that stand in the code.",
    },
    Code {
        code: "rule-not-redactable",
        of: Of::Rule,
        meaning: "A region of the picture was to be made black and can't be: see `not-redactable`. The rule failed by it, or would have kept the file.",
        remedy: "Convert such files to a transfer syntax that can be redacted before the import; or let the rule catch the error (Rhai: `try`) and quarantine or reject.",
    },
    Code {
        code: "rule-closed-sequence",
        of: Of::Rule,
        meaning: "Something was to be done at any depth (`*/X`, or with private elements), and an element that is a sequence by the dictionary has a value that can't be read as one: nobody knows what is in it.",
        remedy: "Remove or blank that element in the rule, or in one before it, if it is not needed; or repair such files before the import.",
    },
    Code {
        code: "bad-path",
        of: Of::Edit,
        meaning: "The path can't be parsed, or names no element that could exist here.",
        remedy: "Correct the path. A private element needs its creator, `(gggg,{CREATOR}ee)`; an item's number may be at most the next.",
    },
    Code {
        code: "bad-value",
        of: Of::Edit,
        meaning: "The value doesn't fit: the element's VR or the dataset's character set can't hold it, or it is too long. Of `redact`: the region is outside the picture.",
        remedy: "Give a value that the VR takes (PS3.5 6.2), in characters that the dataset's (0008,0005) has.",
    },
    Code {
        code: "undeclared",
        of: Of::Edit,
        meaning: "The manifest does not declare this write.",
        remedy: "Add the path to `writes` in module.json.",
    },
    Code {
        code: "protected",
        of: Of::Edit,
        meaning: "Sluice derives this element itself: group lengths, file meta information, the character set, the pixels.",
        remedy: "Leave it; it is right whatever the rule does.",
    },
    Code {
        code: "not-redactable",
        of: Of::Edit,
        meaning: "Of `redact`: the pixels are compressed as nothing here can unpack (JPEG of 12 bits with loss, JPEG-LS, JPEG 2000, JPEG XL, video), damaged, or of a kind that is not known. In WebAssembly it is a `bad-value`.",
        remedy: "As for `rule-not-redactable`: unless the rule then rejects or quarantines, the file fails.",
    },
    Code {
        code: "rules-json-syntax",
        of: Of::Rules,
        meaning: "A policy, a manifest, a schema or settings are no JSON.",
        remedy: "Mend the text at the line and column that the message names.",
    },
    Code {
        code: "rules-json-content",
        of: Of::Rules,
        meaning: "A policy, a manifest or settings are not what their schema wants.",
        remedy: "Mend the place that the message names; `sluice rule check` tells all of them, with lines.",
    },
    Code {
        code: "rules-code",
        of: Of::Rules,
        meaning: "A module's code does not compile, lacks its kind's function, or imports what rules don't get.",
        remedy: "Mend the code; `sluice rule check` on the module's folder.",
    },
    Code {
        code: "rules-test",
        of: Of::Rules,
        meaning: "A module of the rules folder fails one of its own test cases.",
        remedy: "`sluice rule test FOLDER` shows all that differs. Mend the rule, or the case where it expects what is no longer wanted.",
    },
    Code {
        code: "rules-unreadable",
        of: Of::Rules,
        meaning: "A file of the rules is missing, too large, no regular file, or can't be read.",
        remedy: "Put it there, readable for the server. Links must not lead out of the rules folder.",
    },
    Code {
        code: "rules-missing",
        of: Of::Rules,
        meaning: "The rules folder, or a policy that the active version has, is missing. What is active stays.",
        remedy: "Put it back or mount it. A project, or the site, that shall have no policy gets a file with `{}`.",
    },
    Code {
        code: "rules-project-id",
        of: Of::Rules,
        meaning: "The text is no project ID.",
        remedy: "Only A-Z, a-z, 0-9, _ and -, at most 64 of them.",
    },
];

/// The table as a page, `rules/codes.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Codes of rules that fail\n\nWritten by `sluice rule codes --markdown`. Logs and metrics carry these codes and no values; \
         the report of an import, and the command line, say the rest.\n",
    );
    for of in [Of::Rule, Of::Edit, Of::Rules] {
        page += &format!(
            "\n## {}\n\n{}\n\n| code | meaning | what to do |\n|---|---|---|\n",
            of.title(),
            of.explanation()
        );
        for code in CODES.iter().filter(|code| code.of == of) {
            page += &format!("| `{}` | {} | {} |\n", code.code, code.meaning, code.remedy);
        }
    }
    page
}

/// One of every way to fail. A new variant does not compile here until it has an entry.
#[allow(dead_code, reason = "it is there to be compiled")]
fn exhaustive(failure: &RuleFailure, edit: &EditError, rules: &RuleSetError) {
    match failure {
        RuleFailure::Error { .. }
        | RuleFailure::Broke { .. }
        | RuleFailure::TooDeep { .. }
        | RuleFailure::TooLong { .. }
        | RuleFailure::TooLarge { .. }
        | RuleFailure::Refused {
            refusal:
                Refusal::UndeclaredRead(_)
                | Refusal::UndeclaredWrite(_)
                | Refusal::BadPath(_)
                | Refusal::NotRedactable(_)
                | Refusal::ClosedSequence(_),
            ..
        } => {}
    }
    match edit {
        EditError::BadPath(_)
        | EditError::BadValue(_)
        | EditError::Undeclared(_)
        | EditError::Protected(_)
        | EditError::NotRedactable(_) => {}
    }
    match rules {
        RuleSetError::Document(_)
        | RuleSetError::Code { .. }
        | RuleSetError::Test { .. }
        | RuleSetError::Unreadable { .. }
        | RuleSetError::Missing { .. }
        | RuleSetError::ProjectId(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::document::DocumentError;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_that_can_come_is_in_the_table_once() {
        let (module, limit, message) = (String::new, String::new, String::new);
        let refused = |refusal| RuleFailure::Refused {
            module: module(),
            position: None,
            refusal,
        };
        let failures = [
            RuleFailure::Error {
                module: module(),
                position: None,
                message: message(),
            },
            RuleFailure::Broke {
                module: module(),
                position: None,
                message: message(),
            },
            RuleFailure::TooDeep {
                module: module(),
                position: None,
            },
            RuleFailure::TooLong {
                module: module(),
                limit: limit(),
            },
            RuleFailure::TooLarge {
                module: module(),
                limit: limit(),
            },
            refused(Refusal::UndeclaredRead(String::new())),
            refused(Refusal::UndeclaredWrite(String::new())),
            refused(Refusal::BadPath(String::new())),
            refused(Refusal::NotRedactable(String::new())),
            refused(Refusal::ClosedSequence(String::new())),
        ];
        let edits = [
            EditError::BadPath(String::new()),
            EditError::BadValue(String::new()),
            EditError::Undeclared(String::new()),
            EditError::Protected(String::new()),
            EditError::NotRedactable(String::new()),
        ];
        let rules = [
            RuleSetError::Document(DocumentError::Syntax {
                file: String::new(),
                line: 1,
                column: 1,
                message: message(),
            }),
            RuleSetError::Document(DocumentError::content("", "", "")),
            RuleSetError::Code {
                file: String::new(),
                position: None,
                message: message(),
            },
            RuleSetError::Test {
                file: String::new(),
                message: message(),
            },
            RuleSetError::Unreadable {
                file: String::new(),
                message: message(),
            },
            RuleSetError::Missing {
                file: String::new(),
                message: message(),
            },
            RuleSetError::ProjectId(String::new()),
        ];
        let coming: Vec<(&str, Of)> = (failures.iter().map(|f| (f.code(), Of::Rule)))
            .chain(edits.iter().map(|e| (e.code(), Of::Edit)))
            .chain(rules.iter().map(|r| (r.code(), Of::Rules)))
            .collect();
        let table: Vec<(&str, Of)> = CODES.iter().map(|c| (c.code, c.of)).collect();
        assert_eq!(table, coming);
        assert_eq!(
            table.iter().map(|c| c.0).collect::<BTreeSet<_>>().len(),
            table.len()
        );
    }

    #[test]
    fn the_page_is_made_from_the_table() {
        assert!(
            include_str!("../../rules/codes.md") == page(),
            "run: sluice rule codes --markdown > rules/codes.md"
        );
    }
}
