//! What a label must look like: it becomes a folder's name, a part of URLs and of file names.

use super::answer::Labels;

/// As XNAT's own limit on labels.
const MAX_CHARACTERS: usize = 64;

/// Says what is wrong, without the label: it may be a header's value, and failures are told to more than may see those.
pub fn check(labels: &Labels) -> Result<(), String> {
    let optional = [
        ("project", &labels.project),
        ("visit", &labels.visit),
        ("scan", &labels.scan),
    ];
    check_one("subject", &labels.subject)?;
    check_one("session", &labels.session)?;
    optional
        .into_iter()
        .filter_map(|(name, label)| label.as_ref().map(|label| (name, label)))
        .try_for_each(|(name, label)| check_one(name, label))
}

fn check_one(name: &str, label: &str) -> Result<(), String> {
    if label.is_empty() {
        return Err(format!("the {name} label is empty"));
    }
    let length = label.chars().count();
    if length > MAX_CHARACTERS {
        return Err(format!(
            "the {name} label has {length} characters, {MAX_CHARACTERS} are allowed"
        ));
    }
    if let Some((place, bad)) = (1..)
        .zip(label.chars())
        .find(|(_, c)| !(c.is_ascii_alphanumeric() || "_-.".contains(*c)))
    {
        return Err(format!(
            "the {name} label holds {bad:?} as its character {place} of {length}: it becomes a folder's name, so \
             only A-Z, a-z, 0-9, _, - and . are allowed"
        ));
    }
    if label.starts_with('.') || label.contains("..") {
        return Err(format!(
            "the {name} label starts with a dot or holds two in a row"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_subject(subject: &str) -> Result<(), String> {
        check(&Labels {
            subject: subject.into(),
            session: "s".into(),
            ..Labels::default()
        })
    }

    #[test]
    fn plain_labels_pass() {
        for label in ["a", "SUB-01_x", "v1.2", &"x".repeat(64)] {
            assert_eq!(with_subject(label), Ok(()));
        }
    }

    #[test]
    fn what_could_leave_the_folder_or_break_a_name_is_refused() {
        for label in [
            "", "..", ".x", "a..b", "a/b", "a\\b", "a b", "a\0", "a\n", "ä", "a%2f",
        ] {
            assert!(with_subject(label).is_err(), "{label:?}");
        }
        assert!(
            with_subject(&"x".repeat(65))
                .unwrap_err()
                .contains("65 characters")
        );
    }

    #[test]
    fn what_is_wrong_is_told_without_the_label() {
        let told = with_subject("Test^Regression").unwrap_err();
        assert!(
            told.contains("holds '^' as its character 5 of 15"),
            "{told}"
        );
        for label in ["Test^Regression", ".Regression", "Regression..1"] {
            let told = with_subject(label).unwrap_err();
            assert!(!told.contains("Regression"), "{told}");
        }
    }

    #[test]
    fn optional_labels_are_held_to_the_same() {
        let labels = Labels {
            subject: "a".into(),
            session: "b".into(),
            visit: Some("../v".into()),
            ..Labels::default()
        };
        assert!(check(&labels).unwrap_err().starts_with("the visit label"));
    }
}
