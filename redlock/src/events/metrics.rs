//! The metrics of this crate, all in one place: [`TABLE`] names and describes them, and `docs/metrics.md` is the same table.
//!
//! No label contains a key, an owner or a value of the user. Labels have few values, which are known beforehand; `node` is the
//! address of a node. The keys of metrics that change with each command are prepared, so that they cost no allocation.

use std::time::Duration;

#[cfg(feature = "metrics")]
use super::contained;
use crate::error::ErrorKind;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(any(feature = "metrics", test))]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[cfg(any(feature = "metrics", test))]
use Kind::{Counter, Gauge, Histogram};

/// Name, kind, and description.
#[cfg(any(feature = "metrics", test))]
const TABLE: [(&str, Kind, &str); 25] = [
    ("redlock_acquires_total", Counter, "requests that ended"),
    (
        "redlock_acquire_rounds",
        Histogram,
        "rounds of an attempt that was granted: 1, unless tokens were stale",
    ),
    (
        "redlock_wait_seconds",
        Histogram,
        "time from a request to its grant",
    ),
    (
        "redlock_waiters",
        Gauge,
        "requests of this process that wait",
    ),
    (
        "redlock_hold_seconds",
        Histogram,
        "time from a grant to its release",
    ),
    (
        "redlock_validity_left_seconds",
        Histogram,
        "validity that was left at a release",
    ),
    (
        "redlock_releases_total",
        Counter,
        "releases, with a cool-down or without",
    ),
    ("redlock_renewals_total", Counter, "renewals that ended"),
    (
        "redlock_renewal_margin_seconds",
        Histogram,
        "validity that was left when a renewal succeeded: near zero, locks are about to be lost",
    ),
    (
        "redlock_locks_lost_total",
        Counter,
        "locks that were lost; one that another process released by force counts as `gone`",
    ),
    ("redlock_votes_total", Counter, "votes of a node"),
    (
        "redlock_node_up",
        Gauge,
        "1 while a node answers and may vote, 0 otherwise",
    ),
    (
        "redlock_node_latency_seconds",
        Histogram,
        "time to the reply of a node to an announcement of the list of nodes, made every 5 s",
    ),
    (
        "redlock_node_quarantines_total",
        Counter,
        "quarantines of a node, which may have forgotten locks",
    ),
    (
        "redlock_connections_lost_total",
        Counter,
        "connections to a node that ended or were replaced",
    ),
    (
        "redlock_batch_size",
        Histogram,
        "commands that were taken from the backlog of a node at once",
    ),
    (
        "redlock_backlog",
        Gauge,
        "commands that waited for a node when it was last written to, or when it was found down",
    ),
    (
        "redlock_deferred_releases_total",
        Counter,
        "releases that waited for a node to come back",
    ),
    (
        "redlock_calls_total",
        Counter,
        "calls of functions with the attribute",
    ),
    (
        "redlock_job_runs_total",
        Counter,
        "runs of a job that ended: in this process, or crashed in another one and not run again",
    ),
    (
        "redlock_job_run_seconds",
        Histogram,
        "time from the start of a run to its end, with its retries",
    ),
    (
        "redlock_job_delay_seconds",
        Histogram,
        "time from the scheduled instant of a firing to the start of its run",
    ),
    (
        "redlock_job_completed_seconds",
        Gauge,
        "the instant of the last firing that this process completed, in seconds since 1970",
    ),
    (
        "redlock_job_missed_total",
        Counter,
        "firings that no replica began in time, counted by the replica that found it",
    ),
    (
        "redlock_job_skipped_total",
        Counter,
        "firings that were due while an earlier one ran in this process, under Overlap::Skip",
    ),
];

/// Counts one, or as many as it is given.
macro_rules! count {
    ($name:literal $(, $label:literal => $value:expr)*) => {
        count!($name $(, $label => $value)*; 1_u64)
    };
    ($name:literal $(, $label:literal => $value:expr)*; $by:expr) => {{
        #[cfg(feature = "metrics")]
        metrics::counter!($name $(, $label => $value)*).increment($by);
        #[cfg(not(feature = "metrics"))]
        {
            let _ = || $by;
            $(let _ = || $value;)*
        }
    }};
}

/// Records a time in seconds.
macro_rules! time {
    ($name:literal $(, $label:literal => $value:expr)*; $time:expr) => {{
        #[cfg(feature = "metrics")]
        metrics::histogram!($name $(, $label => $value)*).record($time.as_secs_f64());
        #[cfg(not(feature = "metrics"))]
        {
            let _ = || $time.as_secs_f64();
            $(let _ = || $value;)*
        }
    }};
}

/// Describes all metrics to the recorder of this process.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    let describe = |recorder: &dyn metrics::Recorder| {
        for (name, kind, text) in TABLE {
            let unit = name.ends_with("_seconds").then_some(metrics::Unit::Seconds);
            match kind {
                Counter => recorder.describe_counter(name.into(), unit, text.into()),
                Gauge => recorder.describe_gauge(name.into(), unit, text.into()),
                Histogram => recorder.describe_histogram(name.into(), unit, text.into()),
            }
        }
    };
    #[cfg(feature = "metrics")]
    contained(|| metrics::with_recorder(describe));
}

pub(super) fn granted(rounds: u32, waited: impl Fn() -> Duration) {
    count!("redlock_acquires_total", "outcome" => "granted");
    #[cfg(feature = "metrics")]
    metrics::histogram!("redlock_acquire_rounds").record(rounds);
    #[cfg(not(feature = "metrics"))]
    let _ = rounds;
    time!("redlock_wait_seconds"; waited());
}

pub(super) fn handed_over(waited: impl Fn() -> Duration) {
    count!("redlock_acquires_total", "outcome" => "handed_over");
    time!("redlock_wait_seconds"; waited());
}

pub(super) fn refused(kind: ErrorKind) {
    count!("redlock_acquires_total", "outcome" => outcome(kind));
}

/// Why a request was refused, as a label.
pub(super) fn outcome(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Busy => "busy",
        ErrorKind::CoolingDown => "cooling_down",
        ErrorKind::TimedOut => "timed_out",
        ErrorKind::TooManyWaiters => "too_many_waiters",
        ErrorKind::NoQuorum => "no_quorum",
        ErrorKind::Expired => "expired",
        ErrorKind::Superseded => "superseded",
        ErrorKind::AlreadyHeld => "already_held",
        ErrorKind::Closed => "closed",
        ErrorKind::Lost
        | ErrorKind::NotConfigured
        | ErrorKind::TicketOver
        | ErrorKind::Forgotten => "other",
        ErrorKind::InvalidKey
        | ErrorKind::InvalidTtl
        | ErrorKind::InvalidNodes
        | ErrorKind::InvalidConfig
        | ErrorKind::OtherPermits
        | ErrorKind::InvalidTicket
        | ErrorKind::ValueTooLarge => "invalid",
    }
}

pub(super) fn released(held: impl Fn() -> Duration, left: impl Fn() -> Duration, cools: bool) {
    time!("redlock_hold_seconds"; held());
    time!("redlock_validity_left_seconds"; left());
    if cools {
        count!("redlock_releases_total", "cool_down" => "true");
    } else {
        count!("redlock_releases_total", "cool_down" => "false");
    }
}

pub(super) fn lost(reason: &'static str) {
    count!("redlock_locks_lost_total", "reason" => reason);
}

pub(super) fn renewed(margin: Duration) {
    count!("redlock_renewals_total", "outcome" => "renewed");
    time!("redlock_renewal_margin_seconds"; margin);
}

pub(super) fn renewal_failed() {
    count!("redlock_renewals_total", "outcome" => "failed");
}

pub(super) fn called(function: &'static str, outcome: &'static str) {
    count!("redlock_calls_total", "function" => function, "outcome" => outcome);
}

pub(super) fn job_started(job: &str, delay: Duration) {
    time!("redlock_job_delay_seconds", "job" => job.to_owned(); delay);
}

pub(super) fn job_ended(job: &str, state: &'static str) {
    count!("redlock_job_runs_total", "job" => job.to_owned(), "state" => state);
}

pub(super) fn job_took(job: &str, time: Duration) {
    time!("redlock_job_run_seconds", "job" => job.to_owned(); time);
}

pub(super) fn job_missed(job: &str, count: u64) {
    count!("redlock_job_missed_total", "job" => job.to_owned(); count);
}

pub(super) fn job_skipped(job: &str, count: u64) {
    count!("redlock_job_skipped_total", "job" => job.to_owned(); count);
}

/// `firing`: since 1970.
pub(super) fn job_completed(job: &str, firing: Duration) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("redlock_job_completed_seconds", "job" => job.to_owned())
        .set(firing.as_secs_f64());
    #[cfg(not(feature = "metrics"))]
    let _ = (job, firing);
}

pub(super) fn quarantined(node: &str) {
    count!("redlock_node_quarantines_total", "node" => node.to_owned());
}

pub(super) fn connection_lost(node: &str) {
    count!("redlock_connections_lost_total", "node" => node.to_owned());
}

pub(super) fn deferred(node: &str, outcome: &'static str, releases: usize) {
    #[cfg(feature = "metrics")]
    metrics::counter!("redlock_deferred_releases_total", "node" => node.to_owned(), "outcome" => outcome)
        .increment(releases as u64);
    #[cfg(not(feature = "metrics"))]
    let _ = (node, outcome, releases);
}

pub(super) fn node_up(node: &str, is_up: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("redlock_node_up", "node" => node.to_owned()).set(if is_up {
        1.0
    } else {
        0.0
    });
    #[cfg(not(feature = "metrics"))]
    let _ = (node, is_up);
}

/// Counts a waiting request until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it waits no longer"]
pub(crate) struct Waiting(());

impl Waiting {
    pub(super) fn begin() -> Self {
        #[cfg(feature = "metrics")]
        contained(|| metrics::gauge!("redlock_waiters").increment(1));
        Self(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        contained(|| metrics::gauge!("redlock_waiters").decrement(1));
    }
}

/// The reply of a node as the value of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    Yes,
    Held,
    Stale,
    Gone,
    Quarantined,
    Failed,
}

/// The metrics of one node, with their keys prepared.
pub(crate) struct NodeMeter {
    #[cfg(feature = "metrics")]
    votes: [metrics::Key; 6],
    #[cfg(feature = "metrics")]
    latency: metrics::Key,
    #[cfg(feature = "metrics")]
    batch: metrics::Key,
    #[cfg(feature = "metrics")]
    backlog: metrics::Key,
}

#[cfg(feature = "metrics")]
static METADATA: metrics::Metadata<'static> =
    metrics::Metadata::new("redlock", metrics::Level::INFO, Some("redlock"));

#[cfg(feature = "metrics")]
impl NodeMeter {
    pub(crate) fn new(node: &str) -> Self {
        use metrics::{Key, Label};
        let node: std::sync::Arc<str> = node.into();
        let label = || Label::new("node", std::sync::Arc::clone(&node));
        // In the order of `Vote`.
        let outcomes = ["yes", "held", "stale", "gone", "quarantined", "failed"];
        Self {
            votes: outcomes.map(|outcome| {
                let labels = vec![label(), Label::from_static_parts("outcome", outcome)];
                Key::from_parts("redlock_votes_total", labels)
            }),
            latency: Key::from_parts("redlock_node_latency_seconds", vec![label()]),
            batch: Key::from_parts("redlock_batch_size", vec![label()]),
            backlog: Key::from_parts("redlock_backlog", vec![label()]),
        }
    }

    pub(super) fn voted(&self, vote: Vote) {
        let key = &self.votes[vote as usize];
        metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
    }

    pub(super) fn answered(&self, time: Duration) {
        metrics::with_recorder(|recorder| {
            let histogram = recorder.register_histogram(&self.latency, &METADATA);
            histogram.record(time.as_secs_f64());
        });
    }

    pub(super) fn batch(&self, size: usize, left: usize) {
        metrics::with_recorder(|recorder| {
            let histogram = recorder.register_histogram(&self.batch, &METADATA);
            histogram.record(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        });
        self.backlog(left);
    }

    pub(super) fn backlog(&self, left: usize) {
        metrics::with_recorder(|recorder| {
            let gauge = recorder.register_gauge(&self.backlog, &METADATA);
            gauge.set(f64::from(u32::try_from(left).unwrap_or(u32::MAX)));
        });
    }
}

#[cfg(not(feature = "metrics"))]
impl NodeMeter {
    pub(crate) fn new(_: &str) -> Self {
        Self {}
    }

    pub(super) fn voted(&self, _: Vote) {}

    pub(super) fn answered(&self, _: Duration) {}

    pub(super) fn batch(&self, _: usize, _: usize) {}

    pub(super) fn backlog(&self, _: usize) {}
}

impl std::fmt::Debug for NodeMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeMeter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_docs_is_that_of_the_code() {
        let document = include_str!("../../docs/metrics.md");
        let rows = document
            .lines()
            .filter(|line| line.starts_with("| `redlock_"));
        let documented: Vec<(String, String, String)> = rows
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                let name = cells[1].trim_matches('`');
                let kind = cells[2].split(';').next().unwrap_or_default();
                (name.into(), kind.into(), cells[3].into())
            })
            .collect();
        let kind = |kind| match kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let table = TABLE.map(|(name, of, text)| (name.into(), kind(of).into(), text.into()));
        assert_eq!(documented, table);
    }
}
