//! The rules that are broken on purpose. A model that does not detect a broken rule is worthless.

impl Mutant {
    /// Whether the fence and tombstones of a node still refuse requests permanently. Only then may
    /// `tidy` drop requests without an effect.
    pub(crate) fn keeps_node_rules(self) -> bool {
        matches!(
            self,
            Self::OwnerReused
                | Self::HalfIsQuorum
                | Self::RoundsAddedUp
                | Self::NoDrift
                | Self::CountedFromReply
                | Self::ExtendLowers
                | Self::NoGuard
                | Self::GuardShort
                | Self::QuarantinedVotes
                | Self::QuarantinedCoolDowns
                | Self::MarkerWithoutRunId
                | Self::ReleaseGivenUp
                | Self::ErrorIsDelivery
                | Self::RunIdOnly
                | Self::RestoresAsked
        )
    }
}

/// A broken rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// All attempts of a client share one owner id.
    OwnerReused,
    /// OKs of the first round count in the second.
    RoundsAddedUp,
    /// Half of the nodes is a quorum (2 in 4).
    HalfIsQuorum,
    /// Release only deletes.
    NoTombstone,
    /// Release deletes whoever owns the key.
    ReleaseAnyOwner,
    /// Release goes only to the nodes that have replied OK.
    ReleaseOnlyGranted,
    /// A node that refused the last round gets no release, whatever an earlier round wrote there.
    LastRefusalIsDefinite,
    /// A release is given up when the ttl is over, although the node may still carry out an
    /// acquire.
    ReleaseGivenUp,
    /// A release that a node answers with an error is not sent again.
    ErrorIsDelivery,
    /// The fence is never compared.
    NoStale,
    /// An extension sets the key, whoever owns it.
    ResetAlways,
    /// An extension sets a missing key whatever the fence says, and that counts.
    ResetMissing,
    /// An extension sets the ttl, even to less than the remaining time.
    ExtendLowers,
    /// Validity is ttl less the time spent, without the drift.
    NoDrift,
    /// Validity is counted from the reply, not from the start of the round.
    CountedFromReply,
    /// A cool-down ignores the owner.
    CoolDownAnyOwner,
    /// A cool-down leaves no tombstone.
    CoolDownKeepsFence,
    /// No restart guard.
    NoGuard,
    /// The guard time is one tick short.
    GuardShort,
    /// The yes of a quarantined node to an extension counts.
    QuarantinedVotes,
    /// The yes of a quarantined node to a cool-down counts.
    QuarantinedCoolDowns,
    /// The marker lacks the run id, so a snapshot restores it and the node votes at once.
    MarkerWithoutRunId,
    /// Data loss is detected by the run id only. The same process votes at once after it lost its
    /// data.
    RunIdOnly,
    /// STALE compares with the end of the block.
    StaleComparesEnd,
    /// The node stores the start of the block.
    StoresStart,
    /// The tombstone is the start of the block + 1.
    TombstoneStart,
    /// A node that is out of memory replies yes to an extension although it could not raise the
    /// fence.
    FullVotes,
    /// A further block is used before it is confirmed.
    BlockUnconfirmed,
    /// An extension restores the lock up to a fence that it asks for.
    RestoresAsked,
}
