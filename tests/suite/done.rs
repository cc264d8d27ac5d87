//! A request that has ended: its status as XNAT's API shows it, and its report.

use serde_json::Value;

/// All that a file can come to, in the order in which [`Done::outcomes`] lists them.
const OUTCOMES: [&str; 11] = [
    "stored",
    "duplicate",
    "conflict",
    "filtered",
    "rejected",
    "failed",
    "quarantined",
    "not_dicom",
    "unreadable",
    "cut_short",
    "changed",
];

pub struct Done {
    pub status: Value,
    pub report: Option<Value>,
}

impl Done {
    pub fn new(status: Value, report: Option<Value>) -> Done {
        Done { status, report }
    }

    /// What holds for every request: the files found are the sum of the outcomes, and the report tells
    /// of each of them the same as the counts, with a reason unless it was simply stored.
    pub fn check(&self) {
        let counts = self.status["counts"].as_object().unwrap();
        let sum: u64 = OUTCOMES
            .iter()
            .map(|name| counts[*name].as_u64().unwrap())
            .sum();
        assert_eq!(counts["found"].as_u64(), Some(sum), "{:#}", self.status);
        assert_eq!(counts.len(), OUTCOMES.len() + 1, "{counts:?}");
        let Some(report) = &self.report else {
            assert_eq!(sum, 0, "files were found, and no report tells of them");
            return;
        };
        assert_eq!(report["counts"], self.status["counts"]);
        let files = report["files"].as_array().unwrap();
        for outcome in OUTCOMES {
            let listed = files
                .iter()
                .filter(|file| file["outcome"] == outcome)
                .count();
            assert_eq!(
                counts[outcome].as_u64(),
                Some(listed as u64),
                "{outcome}: {report:#}"
            );
        }
        for file in files.iter().filter(|file| file["outcome"] != "stored") {
            assert!(
                file["reason"].as_str().is_some_and(|why| !why.is_empty()),
                "{file:#}"
            );
        }
    }

    /// `Completed` or `Failed`.
    pub fn state(&self) -> &str {
        self.status["status"].as_str().unwrap()
    }

    pub fn id(&self) -> i64 {
        self.status["id"].as_i64().unwrap()
    }

    pub fn resolution(&self) -> &str {
        self.status["resolution"].as_str().unwrap()
    }

    /// Such as `2 stored, 1 failed`: the state's own count of each outcome that is not zero.
    pub fn outcomes(&self) -> String {
        let counts = &self.status["counts"];
        let named = OUTCOMES
            .iter()
            .map(|name| (counts[*name].as_u64().unwrap(), name));
        let named = named.filter(|(count, _)| *count > 0);
        let parts: Vec<String> = named
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        parts.join(", ")
    }

    /// The report's entry of a file, by its path below the imported folder.
    pub fn file(&self, path: &str) -> &Value {
        let report = self.report.as_ref().unwrap();
        let files = report["files"].as_array().unwrap();
        let mut found = files.iter().filter(|file| file["path"] == path);
        let file = found.next();
        assert!(found.next().is_none(), "{path} is named twice");
        file.unwrap_or_else(|| panic!("{path} is not in the report: {report:#}"))
    }

    pub fn outcome(&self, path: &str) -> &str {
        self.file(path)["outcome"].as_str().unwrap()
    }

    pub fn reason(&self, path: &str) -> &str {
        self.file(path)["reason"].as_str().unwrap_or_default()
    }

    pub fn sessions(&self) -> &[Value] {
        self.status["sessions"].as_array().unwrap()
    }

    /// The one session that the request made or added to.
    pub fn session(&self) -> &Value {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "{:#}", self.status);
        &sessions[0]
    }

    /// That session's folder, below the data folder.
    pub fn folder(&self) -> String {
        folder_of(self.session())
    }
}

/// A session's folder below the data folder, in XNAT's layout.
pub fn folder_of(session: &Value) -> String {
    let text = |name: &str| session[name].as_str().unwrap();
    match text("status") {
        "ARCHIVED" => format!("archive/{}/arc001/{}", text("project"), text("label")),
        status => {
            let below = text("uri").strip_prefix("/prearchive/projects/").unwrap();
            let area = if status == "QUARANTINED" {
                "quarantine"
            } else {
                "prearchive"
            };
            format!("{area}/{below}")
        }
    }
}
