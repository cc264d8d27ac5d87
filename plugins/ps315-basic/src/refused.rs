//! An edit that the host refused, as the text that the rule errs with: it names the element, and never
//! holds a value.

use crate::sluice::rules::dicom::EditError;

pub trait OrRefused<T> {
    /// `element` names what was to be edited.
    fn or_refused(self, element: &str) -> Result<T, String>;
}

impl<T> OrRefused<T> for Result<T, EditError> {
    fn or_refused(self, element: &str) -> Result<T, String> {
        self.map_err(|error| {
            let why = match error {
                EditError::BadPath(_) => "the host does not know the path",
                EditError::BadValue(_) => "the element can't hold the value",
                EditError::Undeclared(_) => "the manifest does not declare the write",
                EditError::Protected(_) => "only the host may write it",
                EditError::NotRedactable(_) => "regions of its pixels can't be made black",
            };
            format!("{element}: {why}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_element_and_holds_no_value() {
        let refused: Result<(), _> = Err(EditError::BadValue("Doe^Jane".into()));
        let text = refused.or_refused("PatientName").unwrap_err();
        assert!(text.starts_with("PatientName: ") && !text.contains("Doe"));
    }
}
