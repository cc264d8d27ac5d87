//! Sessions as the REST interface shows them.

use serde::Deserialize;

use super::super::super::address::address;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    pub uri: String,
    pub status: String,
    pub project: String,
    pub subject: String,
    pub label: String,
    pub modality: String,
    pub scan_date: Option<String>,
    pub uploaded: i64,
    pub identified: bool,
    pub reason: Option<String>,
    pub scans: u64,
    pub files: u64,
    pub bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub uri: String,
    pub status: String,
    pub project: String,
    pub subject: String,
    pub label: String,
    pub modality: String,
    pub xsi_type: String,
    pub scan_date: Option<String>,
    pub study_uid: String,
    pub uploaded: i64,
    pub archived: Option<i64>,
    pub archived_by: Option<String>,
    pub request: Option<i64>,
    pub rule_set: Option<String>,
    pub archive_rule_set: Option<String>,
    pub identified: bool,
    pub reason: Option<String>,
    pub files_visible: bool,
    pub scans: Vec<Scan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    pub id: String,
    pub modality: String,
    pub description: String,
    pub series_uid: String,
    pub files: u64,
    pub bytes: u64,
}

impl Summary {
    pub fn files(&self) -> u64 {
        self.scans.iter().map(|scan| scan.files).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.scans.iter().map(|scan| scan.bytes).sum()
    }
}

/// The steps of a view's address.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    project: String,
    timestamp: Option<String>,
    folder: Option<String>,
    subject: Option<String>,
    label: Option<String>,
}

impl Place {
    fn waiting(&self) -> Option<[&str; 3]> {
        Some([
            &self.project,
            self.timestamp.as_deref()?,
            self.folder.as_deref()?,
        ])
    }

    pub fn is_archived(&self) -> bool {
        self.waiting().is_none()
    }

    /// The view's address, and one below it.
    pub fn view(&self, below: &[&str], query: &[(&str, &str)]) -> String {
        let steps = match self.waiting() {
            Some([project, timestamp, folder]) => vec!["prearchive", project, timestamp, folder],
            None => vec!["archive", &self.project, self.subject(), self.label()],
        };
        address(&[steps.as_slice(), below].concat(), query)
    }

    /// Where REST has the session, and what is below it.
    pub fn rest(&self, below: &[&str], query: &[(&str, &str)]) -> String {
        let source = self.source();
        let mut steps = vec!["data"];
        steps.extend(source.split('/').skip(1));
        steps.extend(below);
        address(&steps, query)
    }

    /// As the parameter `src` names it.
    pub fn source(&self) -> String {
        match self.waiting() {
            Some([project, timestamp, folder]) => {
                format!("/prearchive/projects/{project}/{timestamp}/{folder}")
            }
            None => format!(
                "/archive/projects/{}/subjects/{}/experiments/{}",
                self.project,
                self.subject(),
                self.label()
            ),
        }
    }

    fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or_default()
    }

    fn label(&self) -> &str {
        self.label.as_deref().unwrap_or_default()
    }
}

#[derive(Clone, Deserialize)]
pub struct File {
    #[serde(rename = "Name")]
    pub name: String,
    #[serde(rename = "Size")]
    pub size: String,
    #[serde(rename = "URI")]
    pub uri: String,
    pub digest: String,
}

impl File {
    /// The scan that it is of, by its address.
    pub fn scan(&self) -> &str {
        let mut steps = self.uri.split('/').skip_while(|step| *step != "scans");
        steps.nth(1).unwrap_or_default()
    }
}
