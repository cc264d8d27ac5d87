//! What is counted while the program runs, for whoever watches it. One set for each process, for that
//! is what is asked.
//!
//! Labels are codes of a fixed set, route templates, and the names of rule modules: never a user, a
//! project, a path or a value. What the store knows is set when it is asked for ([`Metrics::text`]).

use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::rules::{self, RuleFailure};
use crate::store::{Counts, Overview, SessionState, ShadowCounts, Status, now_ms};

/// The form in which [`Metrics::text`] answers.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// This process's metrics.
pub fn metrics() -> &'static Metrics {
    &METRICS
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOutcome {
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRule {
    code: &'static str,
    module: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfModule {
    module: String,
    version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRoute {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfAnswer {
    method: &'static str,
    route: String,
    status: u16,
}

pub struct Metrics {
    registry: Registry,
    requests: Family<Of, Gauge>,
    queue_depth: Gauge,
    oldest_queued: Gauge,
    sessions: Family<OfState, Gauge>,
    pending_notices: Gauge,
    memory: Gauge,
    /// Imports that this process runs now.
    pub imports_running: Gauge,
    import_seconds: Family<Of, Histogram>,
    files: Family<OfOutcome, Counter>,
    stored_bytes: Counter,
    rule_failures: Family<OfRule, Counter>,
    shadow_disagreements: Family<OfResult, Counter>,
    shadow_files: Counter,
    rule_seconds: Family<OfModule, Histogram>,
    rule_steps: Family<OfModule, Counter>,
    rule_memory: Family<OfModule, Gauge>,
    /// Commits that a crash had left, and that were finished at a start.
    pub commits_recovered: Counter,
    deliveries: Family<OfResult, Counter>,
    answers: Family<OfAnswer, Counter>,
    answer_seconds: Family<OfRoute, Histogram>,
}

impl Metrics {
    fn new() -> Metrics {
        let mut registry = Registry::default();
        // From a tenth of a second to somewhat over two hours.
        let imports = || Histogram::new(exponential_buckets(0.1, 2.0, 17));
        // From two milliseconds to half a minute.
        let answers = || Histogram::new(exponential_buckets(0.002, 2.5, 12));
        // From fifty microseconds to three seconds.
        let calls = || Histogram::new(exponential_buckets(0.000_05, 3.0, 11));
        let metrics = Metrics {
            requests: Family::default(),
            queue_depth: Gauge::default(),
            oldest_queued: Gauge::default(),
            sessions: Family::default(),
            pending_notices: Gauge::default(),
            memory: Gauge::default(),
            imports_running: Gauge::default(),
            import_seconds: Family::new_with_constructor(imports),
            files: Family::default(),
            stored_bytes: Counter::default(),
            rule_failures: Family::default(),
            shadow_disagreements: Family::default(),
            shadow_files: Counter::default(),
            rule_seconds: Family::new_with_constructor(calls),
            rule_steps: Family::default(),
            rule_memory: Family::default(),
            commits_recovered: Counter::default(),
            deliveries: Family::default(),
            answers: Family::default(),
            answer_seconds: Family::new_with_constructor(answers),
            registry: Registry::default(),
        };
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("sluice_build", "The program's version", Info::new(version));
        let started = Gauge::<i64>::default();
        started.set(now_ms() / 1000);
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            started,
        );
        registry.register(
            "process_resident_memory_bytes",
            "Memory that the process holds",
            metrics.memory.clone(),
        );
        registry.register(
            "sluice_requests",
            "Import requests by status",
            metrics.requests.clone(),
        );
        registry.register(
            "sluice_queue_depth",
            "Import requests that wait for a worker",
            metrics.queue_depth.clone(),
        );
        registry.register(
            "sluice_queue_oldest_seconds",
            "How long the oldest request of the queue has waited",
            metrics.oldest_queued.clone(),
        );
        registry.register(
            "sluice_sessions",
            "Sessions by state",
            metrics.sessions.clone(),
        );
        registry.register(
            "sluice_webhook_pending",
            "Notices that are still to be delivered",
            metrics.pending_notices.clone(),
        );
        registry.register(
            "sluice_imports_running",
            "Imports that this process runs now",
            metrics.imports_running.clone(),
        );
        registry.register(
            "sluice_import_duration_seconds",
            "Time from the claim of a request to its end, by its final status",
            metrics.import_seconds.clone(),
        );
        registry.register(
            "sluice_files",
            "Files of ended imports by outcome",
            metrics.files.clone(),
        );
        registry.register(
            "sluice_stored_bytes",
            "Bytes that imports stored",
            metrics.stored_bytes.clone(),
        );
        registry.register(
            "sluice_rule_failures",
            "Rules that gave no answer, by code and module",
            metrics.rule_failures.clone(),
        );
        registry.register(
            "sluice_shadow_disagreements",
            "Where candidates disagreed with the active rules: outcome, output, errors, labels or route",
            metrics.shadow_disagreements.clone(),
        );
        registry.register(
            "sluice_shadow_files",
            "Files that a candidate went over beside the active rules",
            metrics.shadow_files.clone(),
        );
        registry.register(
            "sluice_rule_call_duration_seconds",
            "Calls of rules by module and version, and how long they took",
            metrics.rule_seconds.clone(),
        );
        registry.register(
            "sluice_rule_steps",
            "Operations of scripts, instructions of components, by module and version",
            metrics.rule_steps.clone(),
        );
        registry.register(
            "sluice_rule_memory_peak_bytes",
            "The most memory that one call of a module took",
            metrics.rule_memory.clone(),
        );
        rules::observe(|call| self::metrics().rule_called(call));
        registry.register(
            "sluice_commits_recovered",
            "Commits that a crash had left, finished at a start",
            metrics.commits_recovered.clone(),
        );
        registry.register(
            "sluice_webhook_deliveries",
            "Attempts to deliver a notice: delivered, failed (to be tried again) or given_up",
            metrics.deliveries.clone(),
        );
        registry.register(
            "sluice_http_requests",
            "Answers by method, route and status",
            metrics.answers.clone(),
        );
        registry.register(
            "sluice_http_request_duration_seconds",
            "Time until the head of the answer, by method and route",
            metrics.answer_seconds.clone(),
        );
        Metrics {
            registry,
            ..metrics
        }
    }

    /// An import that has ended.
    pub fn import_ended(&self, status: Status, counts: &Counts, bytes: i64, took: Duration) {
        let of = Of {
            status: status.as_str(),
        };
        self.import_seconds
            .get_or_create(&of)
            .observe(took.as_secs_f64());
        let counts = serde_json::to_value(counts).unwrap_or_default();
        for (outcome, count) in counts.as_object().into_iter().flatten() {
            if outcome != "found" {
                let of = OfOutcome {
                    outcome: outcome.clone(),
                };
                let counter = self.files.get_or_create_owned(&of);
                counter.inc_by(count.as_u64().unwrap_or_default());
            }
        }
        self.stored_bytes
            .inc_by(u64::try_from(bytes).unwrap_or_default());
    }

    pub fn rule_failed(&self, failure: &RuleFailure) {
        let of = OfRule {
            code: failure.code(),
            module: failure.module().to_owned(),
        };
        self.rule_failures.get_or_create(&of).inc();
    }

    /// What came of a candidate beside an import's rules.
    pub fn shadow_ran(&self, counts: &ShadowCounts) {
        self.shadow_files.inc_by(counts.files);
        for (result, count) in [
            ("outcome", counts.outcome),
            ("output", counts.output),
            ("errors", counts.errors),
            ("labels", counts.labels),
            ("route", counts.route),
        ] {
            let of = OfResult { result };
            self.shadow_disagreements.get_or_create(&of).inc_by(count);
        }
    }

    /// A call of a rule, however it ended.
    fn rule_called(&self, call: rules::Call<'_>) {
        let of = OfModule {
            module: call.module.to_owned(),
            version: call.version.to_owned(),
        };
        let rules::Spent {
            time,
            steps,
            memory,
        } = call.spent;
        self.rule_seconds
            .get_or_create(&of)
            .observe(time.as_secs_f64());
        self.rule_steps.get_or_create(&of).inc_by(steps);
        let memory = i64::try_from(memory).unwrap_or(i64::MAX);
        (self.rule_memory.get_or_create(&of).inner()).fetch_max(memory, Ordering::Relaxed);
    }

    /// `result`: `delivered`, `failed` or `given_up`.
    pub fn delivery(&self, result: &'static str) {
        self.deliveries.get_or_create(&OfResult { result }).inc();
    }

    /// A call that was answered. `route` is its template.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        // A client may invent methods.
        const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
        let known = METHODS.iter().find(|known| **known == method);
        let method = known.copied().unwrap_or("other");
        let route = route.to_owned();
        let of = OfRoute { method, route };
        self.answer_seconds
            .get_or_create(&of)
            .observe(took.as_secs_f64());
        let OfRoute { method, route } = of;
        let of = OfAnswer {
            method,
            route,
            status,
        };
        self.answers.get_or_create(&of).inc();
    }

    /// All of it in OpenMetrics text, with what the store knows.
    pub fn text(&self, overview: &Overview) -> String {
        for (status, count) in &overview.requests {
            let of = Of {
                status: status.as_str(),
            };
            self.requests.get_or_create(&of).set(*count);
            if *status == Status::Queued {
                self.queue_depth.set(*count);
            }
        }
        self.oldest_queued.set(overview.oldest_queued_ms / 1000);
        for (state, count) in &overview.sessions {
            if *state != SessionState::Committing {
                let of = OfState {
                    state: state.as_str(),
                };
                self.sessions.get_or_create(&of).set(*count);
            }
        }
        self.pending_notices.set(overview.pending_notices);
        self.memory.set(resident_bytes().unwrap_or_default());
        let mut text = String::new();
        // Writing to a string fails only where a metric can't encode itself, and all of these can.
        _ = encode(&mut text, &self.registry);
        text
    }
}

/// `VmRSS` of proc(5); none on another system.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
