//! A commit between its two halves in the store: files are put into place scan by scan, so that a session of any
//! size takes the memory of its largest scans.

use super::place::{Part, Place};
use super::{ActionError, Archive, place, run_blocking};
use crate::failpoint::crash_point;
use crate::file_system::FileSystem;
use crate::store::{PendingCommit, Scan, Session, StoredFile};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

impl Archive {
    /// The step on the file system, which may be repeated, and the end of the commit.
    pub(super) async fn run_step(&self, pending: PendingCommit) -> Result<Session, ActionError> {
        let commits = self.store.commits();
        let place = Arc::new(Place {
            data: self.data.clone(),
            file_system: FileSystem::of(&self.data)?,
            staging: PathBuf::from(&pending.staging),
            target: PathBuf::from(&pending.final_path),
            overwrite: pending.details["overwrite"].as_bool().unwrap_or(false),
            commit: pending.id,
            moved: moved(&pending.details),
        });
        let joins = pending.details["joins"].as_bool().unwrap_or(false);
        // A session that moves as it is names no files of its own.
        let as_it_is = !joins && !commits.has_files(pending.id).await?;
        let scans = commits.scans(pending.session.id).await?;
        let mut replaced = HashSet::new();
        if place.may_replace() {
            for scan in &scans {
                let (part, place) = (self.part(&pending, scan, as_it_is).await?, place.clone());
                replaced.extend(run_blocking(move || place.keep_history(&part)).await?);
            }
        }
        let replaced = Arc::new(replaced);
        if !replaced.is_empty() {
            let place = place.clone();
            run_blocking(move || place.sync_history()).await?;
        }
        // The rows of the next scan are read while the files of one are put into place.
        let mut scans = scans.iter();
        let mut next = async || match scans.next() {
            Some(scan) => self.part(&pending, scan, as_it_is).await.map(Some),
            None => Ok(None),
        };
        let mut ahead = next().await?;
        while let Some(part) = ahead {
            let (place, replaced) = (place.clone(), replaced.clone());
            // Both to their end: what is put into place must not go on beside another attempt.
            let (put, read) = tokio::join!(
                run_blocking(move || place.put_all(&part, &replaced)),
                next()
            );
            put?;
            ahead = read?;
        }
        run_blocking(move || place.sync()).await?;
        crash_point("commit.finish");
        let session = commits.finish(pending.id).await?;
        crash_point("commit.finished");
        let sources = sources(&pending.staging, &pending.details);
        self.sweep(pending.id, sources, session.home()).await?;
        Ok(session)
    }

    /// Removes the folders that a finished commit took its files from.
    pub(super) async fn sweep(
        &self,
        commit: i64,
        sources: Vec<PathBuf>,
        home: PathBuf,
    ) -> Result<(), ActionError> {
        let data = self.data.clone();
        run_blocking(move || {
            sources
                .iter()
                .filter(|source| **source != home)
                .try_for_each(|source| place::remove_folder(&data, source))
        })
        .await?;
        crash_point("commit.sources_removed");
        self.store.commits().swept(commit).await?;
        crash_point("commit.swept");
        Ok(())
    }

    async fn part(
        &self,
        pending: &PendingCommit,
        scan: &Scan,
        as_it_is: bool,
    ) -> Result<Part, ActionError> {
        let (session, scan_id) = (pending.session.id, &scan.scan_id);
        let mut all = self.store.sessions().files(session, Some(scan_id)).await?;
        let files = if as_it_is {
            all.clone()
        } else {
            let commits = self.store.commits();
            let files = commits.files(pending.id, session, scan_id).await?;
            let added: HashSet<_> = files.iter().map(place_of).collect();
            all.retain(|stored| !added.contains(&place_of(stored)));
            all.extend(files.iter().cloned());
            files
        };
        let scan = scan.clone();
        Ok(Part { scan, files, all })
    }
}

/// Where a file stands in its scan: one file to a place.
fn place_of(file: &StoredFile) -> (&str, &str) {
    (&file.resource, &file.name)
}

/// The folders that a commit leaves behind.
pub(super) fn sources(staging: &str, details: &serde_json::Value) -> Vec<PathBuf> {
    let more = details["leaves"].as_array().into_iter().flatten();
    std::iter::once(staging)
        .chain(more.filter_map(|path| path.as_str()))
        .map(PathBuf::from)
        .collect()
}

fn moved(details: &serde_json::Value) -> BTreeMap<String, String> {
    let pairs = details["moved"].as_object().into_iter().flatten();
    pairs
        .filter_map(|(to, from)| Some((to.clone(), from.as_str()?.to_owned())))
        .collect()
}
