//! The metrics of this crate, for the facade `metrics`. They are listed in `docs/metrics.md`, which a test compares with
//! [`TABLE`]. Without the feature nothing is counted, and no clock is read.
//!
//! No label is a key or a value of a request. A recorder that panics costs what it would have counted, and no request.

#[cfg(feature = "metrics")]
use redlock::__private::contained;
use std::time::Duration;

#[cfg(any(feature = "metrics", test))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[cfg(any(feature = "metrics", test))]
use Kind::{Counter, Gauge, Histogram};

/// Name, kind and description of each metric.
#[cfg(any(feature = "metrics", test))]
const TABLE: [(&str, Kind, &str); 10] = [
    (
        "redlock_tower_requests_total",
        Counter,
        "requests that reached the handler, under their lock or without one",
    ),
    (
        "redlock_tower_rejections_total",
        Counter,
        "requests that were rejected",
    ),
    (
        "redlock_tower_wait_seconds",
        Histogram,
        "time from the key of a request to its lock or its refusal",
    ),
    (
        "redlock_tower_in_flight",
        Gauge,
        "requests that hold their lock",
    ),
    (
        "redlock_tower_hold_seconds",
        Histogram,
        "time for which a request held its lock",
    ),
    (
        "redlock_tower_windows_total",
        Counter,
        "cool-downs that began, by whether a quorum confirmed them",
    ),
    (
        "redlock_tower_releases_unconfirmed_total",
        Counter,
        "releases that no quorum confirmed, which continue in the background",
    ),
    (
        "redlock_tower_replays_total",
        Counter,
        "requests that a replay looked up, by what the store knew of them",
    ),
    (
        "redlock_tower_records_total",
        Counter,
        "responses that were to be recorded",
    ),
    (
        "redlock_tower_store_failures_total",
        Counter,
        "failures of the replay store",
    ),
];

/// Counts one.
macro_rules! count {
    ($name:literal $(, $label:literal => $value:expr)*) => {{
        #[cfg(feature = "metrics")]
        contained(|| metrics::counter!($name $(, $label => $value)*).increment(1));
        #[cfg(not(feature = "metrics"))]
        {
            $(let _ = $value;)*
        }
    }};
}

/// Describes all of them to the recorder of this process.
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

/// A request got its lock.
pub(crate) fn locked() {
    count!("redlock_tower_requests_total", "lock" => "held");
    #[cfg(feature = "metrics")]
    contained(|| metrics::gauge!("redlock_tower_in_flight").increment(1));
}

/// A request no longer has it.
pub(crate) fn unlocked() {
    #[cfg(feature = "metrics")]
    contained(|| metrics::gauge!("redlock_tower_in_flight").decrement(1));
}

/// A request runs without a lock, because it has no key. The label is a literal, so that the macro allocates nothing.
pub(crate) fn runs_without_key() {
    count!("redlock_tower_requests_total", "lock" => "no-key");
}

/// A request runs without a lock, because no quorum answered.
pub(crate) fn runs_without_quorum() {
    count!("redlock_tower_requests_total", "lock" => "no-quorum");
}

pub(crate) fn rejected(reason: &'static str) {
    count!("redlock_tower_rejections_total", "reason" => reason);
}

pub(crate) fn held(time: impl Fn() -> Duration) {
    #[cfg(feature = "metrics")]
    contained(|| metrics::histogram!("redlock_tower_hold_seconds").record(time().as_secs_f64()));
    #[cfg(not(feature = "metrics"))]
    let _ = time;
}

pub(crate) fn window(is_confirmed: bool) {
    let confirmed = if is_confirmed { "true" } else { "false" };
    count!("redlock_tower_windows_total", "confirmed" => confirmed);
}

pub(crate) fn release_unconfirmed() {
    count!("redlock_tower_releases_unconfirmed_total");
}

#[cfg(feature = "replay")]
pub(crate) fn replay(outcome: &'static str) {
    count!("redlock_tower_replays_total", "outcome" => outcome);
}

#[cfg(feature = "replay")]
pub(crate) fn record(outcome: &'static str) {
    count!("redlock_tower_records_total", "outcome" => outcome);
}

#[cfg(feature = "replay")]
pub(crate) fn store_failed() {
    count!("redlock_tower_store_failures_total");
}

/// Measures the wait of a request for its lock. Reads no clock without the feature.
#[derive(Debug)]
pub(crate) struct Wait {
    #[cfg(feature = "metrics")]
    since: std::time::Instant,
}

impl Wait {
    pub(crate) fn begin() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            since: std::time::Instant::now(),
        }
    }

    pub(crate) fn end(&self) {
        #[cfg(feature = "metrics")]
        contained(|| {
            metrics::histogram!("redlock_tower_wait_seconds")
                .record(self.since.elapsed().as_secs_f64());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_docs_is_that_of_the_code() {
        let document = include_str!("../docs/metrics.md");
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
