//! Looking, forcing and pinging: rounds that no lease hangs on.

use std::{sync::Arc, time::Duration};

use super::Round;
use crate::{
    key::Key,
    node::{Call, Driver, Nodes, What},
    protocol::votes::{Decision, NodeSet, Question},
};

/// Asks every node `what` of `key`, and waits for all that answer within the time.
pub(crate) async fn ask(
    nodes: &Arc<Nodes>,
    driver: &Driver,
    key: Arc<Key>,
    what: What,
    within: Duration,
) -> (Decision, Arc<Round>) {
    let all = NodeSet::all(nodes.len());
    let call = Call { key, what };
    let round = Round::start(
        driver,
        nodes.len(),
        call,
        Question::Everyone,
        all,
        NodeSet::default(),
        None,
    );
    let decision = round.decided(within).await;
    round.give_up();
    (decision, round)
}
