//! Deliberate mistakes, for the tests that have to notice them.
//!
//! Each is a rule of the protocol left out, at the one place in the code that keeps it. Without the feature
//! `__mutants` none can be made: [`on`] is a constant.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "__mutants"), expect(unreachable_pub))]
pub enum Mutant {
    /// All attempts of a client use the same owner id.
    OwnerReused,
    /// The yes votes of an attempt's earlier rounds count in its last one.
    RoundsAdded,
    /// Half of the nodes are a quorum.
    HalfIsEnough,
    /// A release deletes the key and leaves no tombstone.
    NoTombstone,
    /// An extension writes the key wherever it is missing, and counts that as a yes.
    AnyExtensionSets,
    /// The yes of a node that may have forgotten locks counts.
    QuarantinedCounted,
    /// A node that may have forgotten locks votes again after half of the longest lock that it may have forgotten.
    GuardShort,
    /// Nodes that restarted vote at once.
    NoGuard,
    /// Nothing is taken off a ttl for clocks that run at different speeds.
    NoDrift,
    /// An extension leaves the key the shorter of what it has left and what was asked for.
    ExtensionLowers,
    /// Validity is counted from the last reply of a round.
    CountedFromLastReply,
    /// A grant is returned although nothing of its validity is left.
    ExpiredGranted,
    /// The end of the validity is told only to who looks.
    LostUntold,
    /// What a failed attempt wrote is left to expire.
    NotUndone,
    /// The task that renews leases panics. No mistake to notice, but a fault to survive: not among [`Mutant::ALL`].
    RenewalPanics,
}

/// Whether the mistake is made.
#[cfg(not(feature = "__mutants"))]
pub(crate) const fn on(_: Mutant) -> bool {
    false
}

#[cfg(feature = "__mutants")]
pub(crate) fn on(mutant: Mutant) -> bool {
    chosen::MADE.get() == Some(mutant)
}

#[cfg(feature = "__mutants")]
pub use chosen::make;

#[cfg(feature = "__mutants")]
mod chosen {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        pub(super) static MADE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Makes a mistake, or none, in all that this thread does from now on.
    pub fn make(mistake: Option<Mutant>) {
        MADE.set(mistake);
    }

    impl Mutant {
        /// All that tests have to notice.
        pub const ALL: [Self; 14] = [
            Self::OwnerReused,
            Self::RoundsAdded,
            Self::HalfIsEnough,
            Self::NoTombstone,
            Self::AnyExtensionSets,
            Self::QuarantinedCounted,
            Self::GuardShort,
            Self::NoGuard,
            Self::NoDrift,
            Self::ExtensionLowers,
            Self::CountedFromLastReply,
            Self::ExpiredGranted,
            Self::LostUntold,
            Self::NotUndone,
        ];
    }
}
