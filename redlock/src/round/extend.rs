//! Extending: held on only if a majority says so in one round that ends before the old validity does.

use std::{sync::Arc, time::Duration};

use super::Round;
use crate::{
    key::Key,
    node::{Call, Driver, Nodes, Owner, What},
    quorum::votes::{NodeSet, Question},
};

/// Asks every node to extend, those too that missed the acquire.
pub(crate) fn start(
    nodes: &Arc<Nodes>,
    driver: &Driver,
    key: &Arc<Key>,
    owner: Owner,
    token: Option<u64>,
    ttl: Duration,
) -> Arc<Round> {
    let call = Call {
        key: Arc::clone(key),
        what: What::Extend { owner, ttl, token },
    };
    let all = NodeSet::all(nodes.len());
    Round::start(
        driver,
        nodes,
        call,
        Question::Extend,
        all,
        NodeSet::default(),
        None,
    )
}
