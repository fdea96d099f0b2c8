//! The rules broken on purpose: a model that does not object to one of them is no model.

impl Mutant {
    /// Whether a node still refuses for good what the fence or a tombstone refuses: requests that can do nothing
    /// any more may then be dropped.
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
        )
    }
}

/// A rule of the protocol, broken.
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
    /// Release goes only to the nodes that said OK so far.
    ReleaseOnlyGranted,
    /// A refusal in the last round exempts a node from the release, whatever an earlier round left there.
    LastRefusalIsDefinite,
    /// A release is given up when the ttl is over, whatever the node may still have to carry out.
    ReleaseGivenUp,
    /// A release that a node answers with an error is not sent again.
    ErrorIsDelivery,
    /// The fence is never compared.
    NoStale,
    /// An extension sets the key, whoever owns it.
    ResetAlways,
    /// An extension sets a missing key whatever the fence says, and that counts.
    ResetMissing,
    /// An extension sets the ttl, also to less than what is left.
    ExtendLowers,
    /// Validity is ttl less the time spent, without the drift.
    NoDrift,
    /// Validity is counted from the reply, not from the start of the round.
    CountedFromReply,
    /// CoolDown writes without looking at the owner.
    CoolDownAnyOwner,
    /// CoolDown leaves no tombstone.
    CoolDownKeepsFence,
    /// No restart guard.
    NoGuard,
    /// The guard time is one tick short.
    GuardShort,
    /// What a quarantined node answers to an extension counts.
    QuarantinedVotes,
    /// What a quarantined node answers to a cool-down counts.
    QuarantinedCoolDowns,
    /// The marker lacks the run id: a snapshot brings it back, and the node votes at once.
    MarkerWithoutRunId,
    /// A node has forgotten only where its run id says so: the same process that lost its data votes at once.
    RunIdOnly,
    /// STALE compares with the end of the block.
    StaleComparesEnd,
    /// The node stores the start of the block.
    StoresStart,
    /// The tombstone is the start of the block + 1.
    TombstoneStart,
    /// A node without memory says yes to an extension though it could not raise the fence.
    FullVotes,
    /// A further block is used before it is confirmed.
    BlockUnconfirmed,
}
