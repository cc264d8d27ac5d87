//! The demo's sample inbox: a round of studies for each start, so that no start collides with the one before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sample::{Corpus, Kind};

use super::folder::DemoFolder;
use super::{AUTO, REVIEW};

/// One call to come.
pub(super) struct SampleImport {
    pub(super) project: &'static str,
    pub(super) about: &'static str,
    /// Absolute, inside the inbox.
    pub(super) path: PathBuf,
    pub(super) subject: String,
    pub(super) session: String,
}

pub(super) struct Round {
    pub(super) imports: Vec<SampleImport>,
}

impl Round {
    /// Writes the next round's files into the inbox. The rounds before it stay as they are.
    pub(super) fn write(folder: &DemoFolder) -> io::Result<Round> {
        let inbox = folder.path().join("inbox");
        let number = next_number(&inbox.join(REVIEW))?;
        let round = |project: &str| inbox.join(project).join(format!("round-{number}"));
        let label = |patient: u32, kind: &str| {
            (
                format!("P{number}{patient:02}"),
                format!("P{number}{patient:02}_{kind}1"),
            )
        };

        let mr = Corpus {
            series: 2,
            slices: 6,
            seed: number,
            rows: 128,
            columns: 128,
            ..Corpus::new(Kind::Mr)
        };
        let ct = Corpus {
            series: 2,
            slices: 8,
            seed: number,
            ..Corpus::new(Kind::Tiny)
        };

        let (subject, session) = label(1, "MR");
        let path = round(REVIEW).join("mr-brain");
        mr.write(&path)?;
        spoil(&path)?;
        let review = SampleImport {
            project: REVIEW,
            about: "an MR study with two bad files in it, kept in the prearchive",
            path,
            subject,
            session,
        };

        let (subject, session) = label(2, "CT");
        let path = round(AUTO).join("ct-chest");
        ct.write(&path)?;
        let german = SampleImport {
            project: AUTO,
            about: "a CT study, de-identified and archived",
            path,
            subject,
            session,
        };

        let (subject, session) = label(3, "CT");
        let path = round(AUTO).join("ct-chest-tokyo");
        // The third study of a seed has a Japanese name, in ISO 2022 code extensions.
        Corpus {
            first_study: 2,
            slices: 4,
            ..ct
        }
        .write(&path)?;
        let japanese = SampleImport {
            project: AUTO,
            about: "a CT study with a Japanese name, de-identified and archived",
            path,
            subject,
            session,
        };
        Ok(Round {
            imports: vec![review, german, japanese],
        })
    }
}

/// Adds what turns up between pictures: a text file, and a picture whose copying broke off.
fn spoil(study: &Path) -> io::Result<()> {
    fs::write(
        study.join("notes.txt"),
        "Scanned on Tuesday, second series repeated.\n",
    )?;
    let last = study.join("study_001/series_02/IM00006.dcm");
    let whole = fs::read(&last)?;
    fs::write(&last, &whole[..whole.len() * 2 / 3])
}

fn next_number(project: &Path) -> io::Result<u64> {
    let mut number = 1;
    while project.join(format!("round-{number}")).try_exists()? {
        number += 1;
    }
    Ok(number)
}
