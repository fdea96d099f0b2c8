//! What happens in histories of jobs, and how often it did.

use std::fmt;

use crate::variants::with_all;

with_all! {
    /// An injected fault, or a situation that it caused.
    Happened {
        /// A replica crashes, and another one is started in its place.
        Crash,
        /// All replicas crash, and are started again later.
        AllCrash,
        /// A replica is paused.
        Freeze,
        /// A node does not answer.
        Hang,
        /// A node refuses connections.
        Stop,
        /// A node restarts without its data.
        Forget,
        /// A replica is cut off from some nodes.
        Cut,
        /// Nodes carry out what a replica sends, and their replies are lost.
        LostReplies,
        /// What a replica sends to a node arrives late.
        HoldBack,
        /// The clock of a node runs fast for a while.
        Drift,
        /// A body is dropped before its end.
        Dropped,
        /// A body begins that began before.
        Again,
        /// A body begins more than a period after its instant.
        Late,
        /// A body begins before its instant, by a clock that is ahead.
        Early,
        /// A body begins that is not of the firing after the last one.
        Collapsed,
        /// Two firings were due one after the other, or more.
        CaughtUp,
        /// A firing is on record as completed.
        Completed,
        /// A firing is on record as crashed.
        Crashed,
        /// A firing is on record as cancelled.
        Cancelled,
        /// A firing was on record as started, but its body did not begin.
        Unbegun,
    }
}

/// How often each of them happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts([u64; Happened::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Happened::ALL.len()])
    }
}

impl Counts {
    pub(super) fn add(&mut self, what: Happened) {
        self.0[what as usize] += 1;
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// What never happened.
    pub(super) fn missing(&self) -> Vec<Happened> {
        let never = |what: &Happened| self.0[*what as usize] == 0;
        Happened::ALL.iter().copied().filter(never).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in Happened::ALL.chunks(4) {
            for what in row {
                let name = format!("{what:?}");
                write!(f, "  {name:<12} {:>8}", self.0[*what as usize])?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
