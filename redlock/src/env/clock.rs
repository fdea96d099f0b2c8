//! The clock of validity, which neither steps nor stops.

use std::time::Duration;

/// A point on a [`Clock`], in nanoseconds since that clock's beginning. Enough for 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(u64);

impl Instant {
    /// Before every other instant.
    pub(crate) const BEGINNING: Self = Self(0);
    /// After every other instant.
    pub(crate) const END: Self = Self(u64::MAX);

    pub(crate) fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    pub(crate) fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// Whole microseconds since the clock's beginning.
    pub(crate) fn micros(self) -> u64 {
        self.0 / 1_000
    }

    pub(crate) fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The machine's clock that also counts the time it was suspended: `CLOCK_BOOTTIME` on Linux and Android,
    /// `CLOCK_MONOTONIC` on Apple's systems, the standard monotonic clock elsewhere.
    Machine,
    /// Tokio's clock, which tests pause and advance. Used where all nodes are in memory.
    Tokio,
}

impl Clock {
    pub(crate) fn now(self) -> Instant {
        Instant(nanos(match self {
            Self::Machine => machine(),
            Self::Tokio => since_first_use(),
        }))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn machine() -> Duration {
    read(rustix::time::ClockId::Boottime)
}

#[cfg(target_vendor = "apple")]
fn machine() -> Duration {
    read(rustix::time::ClockId::Monotonic)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn read(id: rustix::time::ClockId) -> Duration {
    let now = rustix::time::clock_gettime(id);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn machine() -> Duration {
    use std::{sync::OnceLock, time};
    static START: OnceLock<time::Instant> = OnceLock::new();
    START.get_or_init(time::Instant::now).elapsed()
}

/// The offset keeps the first instants from lying before the clock's beginning.
const TOKIO_OFFSET: Duration = Duration::from_secs(3600);

fn since_first_use() -> Duration {
    use std::sync::OnceLock;
    use tokio::time;
    static START: OnceLock<time::Instant> = OnceLock::new();
    let now = time::Instant::now();
    let start = *START.get_or_init(|| now);
    // Each paused runtime has its own clock, which may be behind the one that was used first.
    match now.checked_duration_since(start) {
        Some(ahead) => TOKIO_OFFSET.saturating_add(ahead),
        None => TOKIO_OFFSET.saturating_sub(start.saturating_duration_since(now)),
    }
}
