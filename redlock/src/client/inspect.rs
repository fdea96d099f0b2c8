//! Looking at locks and taking them away, for operators.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    acquire::engine::Engine,
    command::{Command, ForceRelease, Inspect, Owner, Trust},
    core::Core,
    error::{Error, Result},
    events,
    quorum::token::FencingToken,
    round::fan_out::{Answer, Answers, fan_out},
};

/// The holder of a lock, as a majority of the nodes sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The value under the key: random for each grant of this library, followed by the
    /// [label](Self::label). Empty for a value of more than 64 bytes, which no lock has.
    pub owner: String,
    /// How much longer a majority of the nodes has the key.
    pub remaining: Duration,
    /// The highest token that the nodes reported. It is the holder's, if it has one.
    pub token: FencingToken,
    /// How many processes wait for the lock, as a majority of the nodes reports it: at most 1,000. A process with several
    /// requests counts once. Not counted are requests of the holder's process, which wait in its local queue, and those without
    /// [notifications](crate#waiting), which poll. One that crashed counts until its entry expires.
    pub waiting: u32,
}

impl Holder {
    /// The [label](crate::Builder::label) of the client that holds the lock. `None` if it has none,
    /// or if another library holds the lock.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        let label = Owner::label(self.owner.as_bytes())?;
        self.owner.get(self.owner.len() - label.as_str().len()..)
    }

    /// Whether nobody holds the lock, but its key is in a [cool-down](crate::Guard::cool_down) for
    /// the rest of a window.
    #[must_use]
    pub fn is_cool_down(&self) -> bool {
        Owner::is_cool_down(self.owner.as_bytes())
    }
}

pub(crate) async fn holder(core: &Arc<Core>, name: &str) -> Result<Option<Holder>> {
    let (nodes, quorum) = (core.nodes.len(), core.nodes.quorum());
    // Enough is known when one owner has a majority, or when none can get one.
    let answers = answered(core, name, Inspect, |answers| {
        let most = leases(answers.iter().copied())
            .values()
            .map(Vec::len)
            .max()
            .unwrap_or(0);
        most >= quorum || (answers.len() >= quorum && most + nodes - answers.len() < quorum)
    })
    .await?;
    let states = answers
        .done()
        .filter_map(|answer| answer.key_state.as_ref());
    let (mut fence, mut waiting) = (0, Vec::new());
    for state in states {
        fence = fence.max(state.fence);
        waiting.push(state.waiting);
    }
    waiting.sort_unstable_by(|a, b| b.cmp(a));
    let mut leases = leases(answers.done()).into_iter();
    Ok(leases
        .find(|(_, left)| left.len() >= quorum)
        .map(|(owner, mut left)| {
            // A majority has the key for as long as its quorum-th longest lease.
            left.sort_unstable_by(|a, b| b.cmp(a));
            Holder {
                owner: String::from_utf8_lossy(&owner).into_owned(),
                remaining: left[quorum - 1],
                token: FencingToken::new(fence),
                waiting: waiting.get(quorum - 1).copied().unwrap_or(0),
            }
        }))
}

/// The time left of the leases that the nodes reported, by owner.
fn leases<'a>(answers: impl Iterator<Item = &'a Answer>) -> HashMap<Vec<u8>, Vec<Duration>> {
    let mut leases: HashMap<Vec<u8>, Vec<Duration>> = HashMap::new();
    for state in answers.filter_map(|answer| answer.key_state.as_ref()) {
        if let Some(owner) = &state.owner {
            leases.entry(owner.clone()).or_default().push(state.left);
        }
    }
    leases
}

pub(crate) async fn force(engine: &Engine, name: &str) -> Result<()> {
    let core = &engine.core;
    let by = Owner::fresh(core.defaults.label).ok_or_else(|| Error::no_randomness(name))?;
    // A holder in this process learns it at once. A later holder is not affected.
    let holder = engine.queue.holder(&core.key(name)?);
    // Only those that are seen to hold it now: a command that is delivered twice or late must not
    // affect a later holder.
    let seen = answered(core, name, Inspect, |_| false).await?;
    let from = leases(seen.done()).into_keys().collect();
    answered(core, name, ForceRelease { by, from }, |_| false).await?;
    if let Some(lease) = holder {
        lease.force_released();
    }
    events::lock::forced(name);
    Ok(())
}

pub(crate) async fn trust(core: &Arc<Core>) -> Result<()> {
    // The command is about the node and ignores its key.
    let answers = answered(core, "nodes", Trust, |_| false).await?;
    for (node, answer) in core.nodes.states.iter().zip(&answers.0) {
        // Its yes does not count yet, which this command changes.
        if answer.is_ok() {
            node.trust_memory();
            if core.nodes.strict.is_some() {
                node.end_quarantine();
            }
        }
    }
    if core.nodes.strict.is_some() {
        events::node::vouched_for();
    }
    Ok(())
}

/// Asks all nodes until `enough` is known. An error unless a majority answered.
async fn answered(
    core: &Arc<Core>,
    name: &str,
    command: impl Into<Command>,
    enough: impl Fn(&[&Answer]) -> bool,
) -> Result<Answers> {
    core.open(Some(name))?;
    let (key, connections, nodes) = (core.key(name)?, core.connections()?, &core.nodes);
    let answers = fan_out(
        nodes,
        &connections,
        key,
        command.into(),
        nodes.timeout,
        enough,
    )
    .await;
    if answers.done().count() >= nodes.quorum() {
        return Ok(answers);
    }
    let errors = answers.errors(nodes);
    Err(Error::no_quorum(
        Some(name),
        nodes.len() - errors.len(),
        nodes.quorum(),
        errors,
    ))
}
