//! Extending: held on only if a majority says so in one round that ends before the old validity does.

use std::{sync::Arc, time::Duration};

use super::Round;
use crate::{
    command::{Extend, Owner, Request},
    key::Key,
    node::{ConnectionSet, Nodes},
    quorum::votes::{NodeSet, Question},
};

/// Asks every node to extend, those too that missed the acquire.
pub(crate) fn start(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    key: &Arc<Key>,
    owner: Owner,
    token: Option<u64>,
    ttl: Duration,
) -> Arc<Round> {
    let request = Request {
        key: Arc::clone(key),
        command: Extend { owner, ttl, token }.into(),
    };
    let all = NodeSet::all(nodes.len());
    Round::start(
        connections,
        nodes,
        request,
        Question::Extend,
        all,
        NodeSet::default(),
        None,
    )
}
