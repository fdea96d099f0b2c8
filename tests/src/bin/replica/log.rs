//! What a replica does, as lines of a file that all replicas share.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use rustix::time::{ClockId, clock_gettime};

/// Lines of `WHAT NAME AT_NS FIRING_S TOKEN AGAIN`: who did it, and when by a clock that all processes share.
///
/// `begin`, `tick` and `end` are of a body. `recorded` means that the nodes have confirmed that the firing was completed.
#[derive(Clone)]
pub(crate) struct Log {
    file: Arc<File>,
    name: String,
}

impl Log {
    pub(crate) fn open(path: &str, name: &str) -> Self {
        let file = OpenOptions::new().append(true).open(path);
        Self {
            file: Arc::new(file.expect("a file")),
            name: name.to_owned(),
        }
    }

    pub(crate) fn run(&self, at: SystemTime, token: u64, again: bool) -> Run<'_> {
        Run {
            log: self,
            at,
            token,
            again,
        }
    }

    /// Marks each completion that is on record. The gauge of the last one is the first that knows.
    pub(crate) fn record_completions(&self) {
        metrics::set_global_recorder(Completions(self.clone())).expect("the only recorder");
    }

    /// Each line is written at once, so that lines of several processes do not mix.
    fn write(&self, what: &str, firing: u64, rest: &str) {
        let now = clock_gettime(ClockId::Monotonic);
        let nanos = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        let line = format!("{what} {} {nanos} {firing} {rest}\n", self.name);
        (&*self.file).write_all(line.as_bytes()).expect("a file");
    }
}

/// One run of a body.
pub(crate) struct Run<'a> {
    log: &'a Log,
    pub(crate) at: SystemTime,
    token: u64,
    again: bool,
}

impl Run<'_> {
    pub(crate) fn mark(&self, what: &str) {
        let firing = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let rest = format!("{} {}", self.token, self.again);
        self.log.write(what, firing.as_secs(), &rest);
    }
}

struct Completions(Log);

impl Recorder for Completions {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match key.name() {
            "redlock_job_completed_seconds" => {
                Gauge::from_arc(Arc::new(Completion(self.0.clone())))
            }
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

struct Completion(Log);

impl GaugeFn for Completion {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole seconds since 1970
    fn set(&self, seconds: f64) {
        self.0.write("recorded", seconds.round() as u64, "0 false");
    }
}
