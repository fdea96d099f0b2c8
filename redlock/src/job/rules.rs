//! The options of a job that decide what is run.

/// What becomes of firings that were due while no replica ran, or none had a quorum. Default: [`Once`](Self::Once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missed {
    /// The latest one within `catch_up` is run, and stands for all before it.
    #[default]
    Once,
    /// Each one within `catch_up` is run, the oldest first.
    All,
    /// None is run. A firing counts as missed when no replica has begun it within the ttl of the job's lock.
    Skip,
}

/// What becomes of firings that are due while an earlier one still runs. Default: [`Skip`](Self::Skip).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overlap {
    /// They are skipped.
    #[default]
    Skip,
    /// They are run after it, as [`Missed`] says.
    Queue,
    /// The body of the earlier one is dropped, and then the next one is run.
    Cancel,
}

/// What becomes of a firing whose replica crashed or lost the lock while it ran. Default: [`Rerun`](Self::Rerun).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCrash {
    /// Another replica runs it again, within `catch_up`, unless a newer one is due; under [`Missed::All`] also then. A body has to
    /// bear that half of its work is done already.
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
    pub(super) missed: Missed,
    pub(super) overlap: Overlap,
    pub(super) on_crash: OnCrash,
}

impl Rules {
    /// How old a firing that is run may be.
    pub(super) fn window(&self) -> u64 {
        match self.missed {
            Missed::Skip => self.late.min(self.catch_up),
            Missed::Once | Missed::All => self.catch_up,
        }
    }
}
