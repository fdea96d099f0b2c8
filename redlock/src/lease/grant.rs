//! A grant: what an attempt won.

use std::sync::Arc;

use crate::{env::clock::Instant, lock_kind::Claim, quorum::node_set::NodeSet, round::Round};

/// A majority said yes to one token of one round, and validity is left.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) claim: Claim,
    /// When the winning round started; the validity counts from here.
    pub(crate) started: Instant,
    /// Nodes that may hold the key for this owner from rounds before the winning one.
    pub(crate) earlier: NodeSet,
    pub(crate) round: Arc<Round>,
    pub(crate) rounds: u32,
}
