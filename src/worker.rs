//! Workers: claim requests, run their imports, keep the leases, say how far they are.
//!
//! Several in one process, each with one request at a time. Knows nothing of HTTP.

use crate::import::{Importer, Progress};
use crate::store::{Counts, ImportRequest, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often a running import's lease is renewed and its progress written down: well within the lease.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How often an idle worker looks for requests that no notice told of: those of another process, and
/// those whose worker died.
const POLL: Duration = Duration::from_secs(5);

/// Finishes what a crash left, then runs `count` workers until `shutdown` turns true. A running import is
/// then dropped and its request queued again.
///
/// # Errors
/// If what a crash left can't be finished: nothing may be imported over it.
pub async fn run(
    importer: Importer,
    count: usize,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), crate::archive::ActionError> {
    let recovered = importer.archive.recover().await?;
    importer.archive.tidy().await?;
    if recovered > 0 {
        tracing::info!(
            commits = recovered,
            "finished the commits that a crash had left"
        );
    }
    let mut workers = JoinSet::new();
    for number in 0..count {
        let name = format!("{}-{number}", std::process::id());
        workers.spawn(work(importer.clone(), name, shutdown.clone()));
    }
    // Only an end of the server ends them.
    wait_for(&mut shutdown).await;
    while workers.join_next().await.is_some() {}
    Ok(())
}

async fn work(importer: Importer, name: String, mut shutdown: watch::Receiver<bool>) {
    let store = importer.store.clone();
    while !*shutdown.borrow() {
        match next(&importer, &name).await {
            Ok(Some(request)) => {
                let id = request.id;
                tracing::info!(request = id, worker = name, "import starts");
                if let Err(error) = run_one(&importer, request, &name, shutdown.clone()).await {
                    // The lease runs out, and the request is claimed again.
                    tracing::error!(request = id, worker = name, %error, "the import could not be carried on");
                    tokio::time::sleep(POLL).await;
                }
            }
            Ok(None) => {
                tokio::select! {
                    () = store.request_added() => {}
                    () = tokio::time::sleep(POLL) => {}
                    () = wait_for(&mut shutdown) => {}
                }
            }
            Err(error) => {
                tracing::error!(worker = name, %error, "no request could be claimed");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

async fn next(importer: &Importer, name: &str) -> Result<Option<ImportRequest>, StoreError> {
    let requests = importer.store.requests();
    if let Some(request) = requests.claim(name).await? {
        return Ok(Some(request));
    }
    match requests.requeue_abandoned().await? {
        0 => Ok(None),
        _ => requests.claim(name).await,
    }
}

async fn run_one(
    importer: &Importer,
    request: ImportRequest,
    name: &str,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let id = request.id;
    let progress = Arc::new(Progress::default());
    let (importer_, progress_) = (importer.clone(), progress.clone());
    let mut import = tokio::task::spawn_blocking(move || importer_.run(&request, &progress_));
    let requests = importer.store.requests();
    let ended = loop {
        tokio::select! {
            joined = &mut import => break joined,
            () = wait_for(&mut shutdown), if !progress.stop.load(Ordering::Relaxed) => {
                progress.stop.store(true, Ordering::Relaxed);
            }
            () = tokio::time::sleep(HEARTBEAT) => {
                if !requests.renew(id, name).await? {
                    progress.stop.store(true, Ordering::Relaxed);
                }
                let (counts, bytes) = so_far(&progress);
                requests.progress(id, &counts, bytes).await?;
            }
        }
    };
    match ended {
        Ok(Ok(Some(ended))) => {
            tracing::info!(
                request = id,
                status = ended.status.as_str(),
                found = ended.counts.found,
                stored = ended.counts.stored,
                "import ends"
            );
            requests
                .finish(
                    id,
                    ended.status,
                    Some(&ended.resolution),
                    &ended.counts,
                    ended.bytes,
                )
                .await
        }
        Ok(Ok(None)) => {
            tracing::info!(
                request = id,
                "import interrupted, its request is queued again"
            );
            requests.release(name).await.map(drop)
        }
        Ok(Err(error)) => Err(error),
        Err(panicked) => {
            tracing::error!(
                request = id,
                panic = panicked.is_panic(),
                "the import broke"
            );
            let why = "The import broke by an error of Sluice itself; the server's log tells more.";
            let (counts, bytes) = so_far(&progress);
            requests
                .finish(id, crate::store::Status::Failed, Some(why), &counts, bytes)
                .await
        }
    }
}

/// Until the server goes down, or is gone.
async fn wait_for(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|down| *down).await);
}

/// What is staged is not stored yet: only what was found is certain.
fn so_far(progress: &Progress) -> (Counts, i64) {
    let counts = Counts {
        found: progress.found.load(Ordering::Relaxed),
        ..Counts::default()
    };
    (
        counts,
        i64::try_from(progress.bytes.load(Ordering::Relaxed)).unwrap_or(i64::MAX),
    )
}
