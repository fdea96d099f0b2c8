//! The options of a job that decide which firings are run.

use std::{fmt, time::Duration};

/// What happens to firings that were due while no replica ran, or none had a quorum. Default:
/// [`Once`](Self::Once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missed {
    /// Only the latest one within `catch_up` is run, in place of all earlier ones.
    #[default]
    Once,
    /// Each one within `catch_up` is run, the oldest first.
    All,
    /// None is run. A firing counts as missed if no replica has begun it within the ttl of the
    /// job's lock.
    Skip,
}

/// What happens to firings that are due while an earlier one still runs. Default:
/// [`Skip`](Self::Skip).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overlap {
    /// They are skipped.
    #[default]
    Skip,
    /// They are run after it, according to [`Missed`].
    Queue,
    /// The body of the earlier one is dropped, and then the next one is run.
    Cancel,
}

/// What happens to a firing whose replica crashed or lost the lock while it ran. Default:
/// [`Rerun`](Self::Rerun).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCrash {
    /// Another replica runs it again within `catch_up`, unless a newer firing is due. With
    /// [`Missed::All`] it runs it in any case. The body must be able to run after a part of its
    /// work was done.
    #[default]
    Rerun,
    /// It is not run again.
    Skip,
}

/// The options, with times in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) catch_up: u64,
    /// Under [`Missed::Skip`]: how late a firing is still run.
    pub(super) late: u64,
    /// How long after its instant a firing is due.
    pub(super) delay: u64,
    pub(super) missed: Missed,
    pub(super) overlap: Overlap,
    pub(super) on_crash: OnCrash,
}

impl Rules {
    /// The latest instant that is due at `now`.
    pub(super) fn due_by(&self, now: u64) -> u64 {
        now.saturating_sub(self.delay)
    }

    /// The oldest instant whose firing is still run. `due`: the latest one that is due.
    pub(super) fn oldest(&self, due: u64) -> u64 {
        due.saturating_sub(self.window())
    }

    /// How old a firing that is run may be.
    fn window(&self) -> u64 {
        match self.missed {
            Missed::Skip => self.late.min(self.catch_up),
            Missed::Once | Missed::All => self.catch_up,
        }
    }
}

/// As replicas compare them.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::from_micros;
        let Self {
            catch_up,
            missed,
            overlap,
            on_crash,
            late,
            delay,
        } = self;
        write!(
            f,
            "catch_up {:?}, missed {missed:?}, overlap {overlap:?}, on_crash {on_crash:?}, ttl {:?}, delay {:?}",
            time(*catch_up),
            time(*late),
            time(*delay)
        )
    }
}
