//! How often each kind of fault occurred.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::fault::{Fault, Step};

/// By the name of the fault.
#[derive(Debug, Default)]
pub(crate) struct FaultCounts(RefCell<BTreeMap<&'static str, Count>>);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) planned: u32,
    pub(crate) occurred: u32,
    /// The conditions for it were not met when it was due.
    pub(crate) skipped: u32,
    /// Packets that were dropped or delayed, where links of the network are concerned.
    pub(crate) packets: u64,
}

/// The outcome of a planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Result {
    Occurred,
    /// To so many packets.
    OccurredTo(u64),
    Skipped,
}

impl From<bool> for Result {
    fn from(occurred: bool) -> Self {
        if occurred {
            Self::Occurred
        } else {
            Self::Skipped
        }
    }
}

impl FaultCounts {
    pub(crate) fn new(plan: &[Step]) -> Self {
        let mut counts = BTreeMap::<_, Count>::new();
        for step in plan {
            counts.entry(step.fault.name()).or_default().planned += 1;
        }
        Self(counts.into())
    }

    pub(super) fn record(&self, fault: &Fault, result: Result) {
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(fault.name()).or_default();
        match result {
            Result::Occurred => count.occurred += 1,
            Result::OccurredTo(packets) => {
                count.occurred += 1;
                count.packets += packets;
            }
            Result::Skipped => count.skipped += 1,
        }
    }

    pub(crate) fn all(&self) -> Vec<(&'static str, Count)> {
        let counts = self.0.borrow();
        counts.iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// The faults that were planned more than once and never occurred. Such a run proves less than
    /// it seems to.
    ///
    /// A single one may have come at a bad moment, as in a run of a few seconds.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = |(name, count): (&str, Count)| {
            (count.planned > 1 && count.occurred == 0).then(|| {
                format!(
                    "`{name}` was planned {} times and never occurred",
                    count.planned
                )
            })
        };
        self.all().into_iter().filter_map(missing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_was_planned_and_never_occurred_is_missing() {
        let step = |fault| Step {
            at: std::time::Duration::ZERO,
            fault,
        };
        let flush = Fault::Flush { nodes: vec![1] };
        let counts = FaultCounts::new(&[
            step(flush.clone()),
            step(flush.clone()),
            step(Fault::FlushScripts),
        ]);
        counts.record(&Fault::FlushScripts, Result::Occurred);
        counts.record(&flush, Result::Skipped);
        assert_eq!(counts.missing().len(), 1);
        assert!(counts.missing()[0].contains("FLUSHALL on one node"));
        counts.record(&flush, Result::Occurred);
        assert!(counts.missing().is_empty());
    }
}
