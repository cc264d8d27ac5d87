//! Workers: claim requests, run their imports, keep the leases, say how far they are.
//!
//! Several in one process, each with one request at a time. Knows nothing of HTTP.

use crate::archive::ActionError;
use crate::failpoint::crash_point;
use crate::import::{Ended, Importer, Progress};
use crate::memory;
use crate::metrics::metrics;
use crate::presence;
use crate::store::{Claim, ImportRequest, Requests, Status, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a running import's lease is renewed, and its row asked whether another process has cancelled
/// it: well within the lease.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How often a running import's progress is written down, if there is any. Each time waits for the disk.
const PROGRESS: Duration = Duration::from_secs(1);

/// How often an idle worker looks for requests that no notice told of: those of another process, and
/// those whose worker died.
const POLL: Duration = Duration::from_secs(5);

/// A worker that has had nothing to do for so long gives back what memory it can.
const REST: Duration = Duration::from_secs(1);

/// Takes over what a crash left, then runs `count` workers until `shutdown` turns true. A running import is
/// then dropped and its request queued again. As long as what a crash left can't be looked at nothing is imported,
/// and [`Importer::held_up`] says so.
pub async fn run(importer: Importer, count: usize, mut shutdown: watch::Receiver<bool>) {
    while let Err(error) = begin(&importer).await {
        tracing::error!(%error, "what a crash left can't be taken over; nothing is imported until it can");
        importer.held_up.store(true, Ordering::Relaxed);
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = wait_for(&mut shutdown) => return,
        }
    }
    importer.held_up.store(false, Ordering::Relaxed);
    crash_point("recover.done");
    let mut workers = JoinSet::new();
    workers.spawn(tidy(importer.clone(), shutdown.clone()));
    for number in 0..count {
        let name = format!("{}/{number}", importer.store.instance());
        workers.spawn(work(importer.clone(), name, shutdown.clone()));
    }
    // Only an end of the server ends them.
    wait_for(&mut shutdown).await;
    while workers.join_next().await.is_some() {}
}

async fn begin(importer: &Importer) -> Result<(), ActionError> {
    // Whoever died before this start may have been forgotten by one that died next.
    take_over(importer, &mut true).await?;
    Ok(importer.forget_ended().await?)
}

async fn work(importer: Importer, name: String, mut shutdown: watch::Receiver<bool>) {
    let store = importer.store.clone();
    let mut rested = false;
    while !*shutdown.borrow() {
        match store.requests().claim(&name).await {
            Ok(Some(request)) => {
                rested = false;
                let id = request.id;
                tracing::info!(request = id, worker = name, "import starts");
                crash_point("request.claimed");
                if let Err(error) = run_one(&importer, request, shutdown.clone()).await {
                    // The lease runs out, and the request is claimed again.
                    tracing::error!(request = id, worker = name, %error, "the import could not be carried on");
                    tokio::time::sleep(POLL).await;
                }
            }
            Ok(None) => {
                tokio::select! {
                    () = store.request_added() => {}
                    () = tokio::time::sleep(REST), if !rested => {
                        drop(tokio::task::spawn_blocking(memory::release));
                        rested = true;
                    }
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

/// Now and then: what processes left that are gone by now.
async fn tidy(importer: Importer, mut shutdown: watch::Receiver<bool>) {
    let mut untidy = false;
    while !*shutdown.borrow() {
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = wait_for(&mut shutdown) => return,
        }
        if let Err(error) = take_over(&importer, &mut untidy).await {
            tracing::error!(%error, "what a process left behind could not be taken over");
        }
    }
}

/// Finishes the commits of processes that are gone, and queues their requests again. `untidy` says that some may
/// have left other things, until these are seen to.
async fn take_over(importer: &Importer, untidy: &mut bool) -> Result<(), ActionError> {
    *untidy |= presence::forget_the_dead(&importer.store, &importer.data).await? > 0;
    crash_point("recover.begin");
    let commits = importer.archive.recover().await?;
    crash_point("recover.commits");
    if *untidy || importer.archive.has_left() {
        importer.archive.tidy().await?;
        *untidy = false;
    }
    metrics().commits_recovered.inc_by(commits as u64);
    if commits > 0 {
        tracing::info!(commits, "finished the commits that a crash had left");
    }
    importer.sweep_uploads().await?;
    let requests = importer.store.requests().requeue_abandoned().await?;
    crash_point("recover.requeued");
    if requests > 0 {
        tracing::info!(requests, "queued again what a crash had interrupted");
    }
    Ok(())
}

async fn run_one(
    importer: &Importer,
    request: ImportRequest,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let (id, claim) = (request.id, request.claim());
    let (start, _running) = (Instant::now(), Running::new());
    let progress = Arc::new(Progress::default());
    let (importer_, progress_) = (importer.clone(), progress.clone());
    let mut import = tokio::task::spawn_blocking(move || importer_.run(&request, &progress_));
    let requests = importer.store.requests();
    let mut changes = importer.store.changes();
    let (mut heartbeat, mut report) = (every(HEARTBEAT), every(PROGRESS));
    let mut written = progress.so_far();
    let ended = loop {
        tokio::select! {
            joined = &mut import => break joined,
            () = wait_for(&mut shutdown), if !progress.stop.load(Ordering::Relaxed) => {
                progress.stop.store(true, Ordering::Relaxed);
            }
            changed = changes.recv() => {
                // Behind, it can't know what it missed.
                if matches!(changed, Ok(changed) if changed == id)
                    || matches!(changed, Err(RecvError::Lagged(_)))
                {
                    told(id, look_for_cancel(&requests, id, &progress).await);
                }
            }
            _ = report.tick() => {
                let now = progress.so_far();
                if now != written {
                    told(id, requests.progress(claim, &now.0, now.1).await);
                    written = now;
                }
            }
            _ = heartbeat.tick() => {
                match requests.renew(claim).await {
                    Ok(true) => told(id, look_for_cancel(&requests, id, &progress).await),
                    Ok(false) => progress.stop.store(true, Ordering::Relaxed),
                    Err(error) => told(id, Err(error)),
                }
            }
        }
    };
    let ended = match ended {
        Ok(Ok(Some(ended))) => {
            tracing::info!(
                request = id,
                status = ended.status.as_str(),
                found = ended.counts.found,
                stored = ended.counts.stored,
                "import ends"
            );
            ended
        }
        Ok(Ok(None)) => {
            tracing::info!(
                request = id,
                "import interrupted, its request is queued again"
            );
            return requests.release(claim).await;
        }
        Ok(Err(error)) => return Err(error),
        Err(panicked) => {
            tracing::error!(
                request = id,
                panic = panicked.is_panic(),
                "the import broke"
            );
            let why = "The import broke by an error of Sluice itself; the server's log tells more.";
            let (mut counts, bytes) = progress.so_far();
            counts.give_up();
            Ended {
                status: Status::Failed,
                resolution: why.to_owned(),
                counts,
                bytes,
            }
        }
    };
    crash_point("request.finish");
    finish(&requests, claim, &ended, start).await?;
    crash_point("request.finished");
    importer.forget_record(id);
    // Of a process that is gone; one that lives removes its own.
    importer.sweep_uploads().await
}

/// An import that runs goes on without the database for as long as it needs none itself.
fn told(request: i64, outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(request, %error, "the database could not be told of an import");
    }
}

/// Until the server goes down, or is gone.
async fn wait_for(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|down| *down).await);
}

async fn finish(
    requests: &Requests<'_>,
    claim: Claim,
    ended: &Ended,
    start: Instant,
) -> Result<(), StoreError> {
    requests
        .finish(
            claim,
            ended.status,
            Some(&ended.resolution),
            &ended.counts,
            ended.bytes,
        )
        .await?;
    metrics().import_ended(ended.status, &ended.counts, ended.bytes, start.elapsed());
    Ok(())
}

async fn look_for_cancel(
    requests: &Requests<'_>,
    id: i64,
    progress: &Progress,
) -> Result<(), StoreError> {
    if !progress.cancel.load(Ordering::Relaxed) && requests.is_cancel_asked(id).await? {
        tracing::info!(request = id, "the import is cancelled");
        progress.cancel.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Ticks that a slow database puts off, and does not pile up. The first comes at once.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Counts an import as running until it is dropped, however the import ends.
struct Running;

impl Running {
    fn new() -> Running {
        metrics().imports_running.inc();
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics().imports_running.dec();
    }
}
