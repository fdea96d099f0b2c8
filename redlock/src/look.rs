//! Looking at locks, and taking them away: for operators.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    client::Core,
    error::{Error, Result},
    node::What,
    protocol::{
        token::FencingToken,
        votes::{Decision, Tally},
    },
    round::{Round, ask::ask},
};

/// Who holds a lock, as a majority of the nodes sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The value under the key: random for every grant of this library.
    pub owner: String,
    /// For how long a majority of the nodes still has the key.
    pub remaining: Duration,
    /// The highest token that the nodes told: the holder's, where it holds one.
    pub token: FencingToken,
}

pub(crate) async fn holder(core: &Arc<Core>, name: &str) -> Result<Option<Holder>> {
    let round = answered(core, name, What::Look).await?;
    let sights = round.sights();
    let fence = sights
        .iter()
        .map(|(_, sight)| sight.fence)
        .max()
        .unwrap_or(0);
    let mut leases: HashMap<Vec<u8>, Vec<Duration>> = HashMap::new();
    for (_, sight) in sights {
        if let Some(owner) = sight.owner {
            leases.entry(owner).or_default().push(sight.left);
        }
    }
    let quorum = core.nodes.quorum();
    Ok(leases
        .into_iter()
        .find(|(_, left)| left.len() >= quorum)
        .map(|(owner, mut left)| {
            // A majority has the key for as long as the quorum-th longest of its leases.
            left.sort_unstable_by(|a, b| b.cmp(a));
            Holder {
                owner: String::from_utf8_lossy(&owner).into_owned(),
                remaining: left[quorum - 1],
                token: FencingToken::new(fence),
            }
        }))
}

pub(crate) async fn force(core: &Arc<Core>, name: &str) -> Result<()> {
    answered(core, name, What::Force).await?;
    tracing::warn!("a lock was taken from its holder by force");
    Ok(())
}

pub(crate) async fn trust(core: &Arc<Core>) -> Result<()> {
    if core.nodes.strict.is_none() {
        return Ok(());
    }
    // The call is about the node, not about a key; any will do.
    answered(core, "nodes", What::Trust).await?;
    tracing::warn!("the nodes were vouched for: all vote from now on");
    Ok(())
}

/// Asks all nodes; an error unless a majority answered.
async fn answered(core: &Arc<Core>, name: &str, what: What) -> Result<Arc<Round>> {
    core.open(Some(name))?;
    let key = core.key(name)?;
    let driver = core.driver()?;
    match ask(&core.nodes, &driver, key, what, core.nodes.timeout).await {
        (Decision::Won, round) => Ok(round),
        (_, round) => Err(Error::no_quorum(
            Some(name),
            round.with_tally(Tally::confirmed),
            core.nodes.quorum(),
            round.node_errors(&core.nodes.states),
        )),
    }
}
