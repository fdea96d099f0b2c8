//! Looking: who holds a lock, a permit, or a side of a read/write lock.

use std::sync::Arc;

use super::{
    Holder, PermitHolder, RwLockHolders,
    ask::{ask_until_decided, holders},
};
use crate::{
    command::{HolderState, Inspect, InspectPermits, InspectSides, PermitState, Reply},
    core::Core,
    error::{Error, Result},
};

pub(crate) async fn holder(core: &Arc<Core>, name: &str) -> Result<Option<Holder>> {
    let key = core.key(name)?;
    let answers = ask_until_decided(core, name, &key, Inspect).await?;
    let holders = holders(&answers, core.nodes.quorum()).into_iter();
    Ok(holders.map(|(_, holder)| holder).next())
}

pub(crate) async fn permit_holders(
    core: &Arc<Core>,
    name: &str,
    permits: u16,
) -> Result<Vec<PermitHolder>> {
    let key = Arc::new(core.key(name)?.permits());
    let answers = ask_until_decided(core, name, &key, InspectPermits { permits }).await?;
    let others = answers.done().filter_map(|answer| match &answer.reply {
        Reply::Permits(PermitState::Other(number)) => Some(number),
        _ => None,
    });
    let others: Vec<&String> = others.collect();
    if let Some(theirs) = others.get(core.nodes.quorum() - 1) {
        let kept = core.nodes.max_ttl;
        return Err(Error::other_permits(name, permits, theirs, kept));
    }
    let holders = holders(&answers, core.nodes.quorum()).into_iter();
    let holders = holders.map(|(permit, holder)| PermitHolder { permit, holder });
    Ok(holders.collect())
}

/// How many permits the semaphore has, which the nodes remember as the value of a key.
pub(crate) async fn permits(core: &Arc<Core>, name: &str) -> Result<Option<u32>> {
    let key = Arc::new(core.key(name)?.permits());
    let answers = ask_until_decided(core, name, &key, Inspect).await?;
    let mut holders = holders(&answers, core.nodes.quorum()).into_iter();
    Ok(holders.find_map(|(_, number)| number.owner.parse().ok()))
}

pub(crate) async fn rw_lock_holders(core: &Arc<Core>, name: &str) -> Result<RwLockHolders> {
    let key = Arc::new(core.key(name)?.writer());
    let answers = ask_until_decided(core, name, &key, InspectSides).await?;
    let mut seen = RwLockHolders::default();
    for (side, holder) in holders(&answers, core.nodes.quorum()) {
        match side {
            HolderState::WRITER => seen.writer = Some(holder),
            _ => seen.readers.push(holder),
        }
    }
    Ok(seen)
}
