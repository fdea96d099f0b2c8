//! What a process used: time, CPU, memory.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::outcome::Outcome;

/// Nanoseconds of a clock that all processes of the machine share.
pub(crate) fn now() -> u64 {
    nanos(ClockId::Monotonic)
}

/// The CPU time that all threads of this process used so far; that of the servers is not in it.
pub(crate) fn cpu() -> Duration {
    Duration::from_nanos(nanos(ClockId::ProcessCPUTime))
}

/// Bytes of memory that are resident.
pub(crate) fn rss() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .ok_or("statm has no second field")?
        .parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}
