//! Force release: takes locks away from those who hold them.
//!
//! Only from those that were seen to hold them: a command that is delivered twice or late must not affect a later holder.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    ask::{ask, highest_token, owners},
    look::permit_holders,
};
use crate::{
    acquire::engine::Engine,
    command::{
        ForceRelease, ForceReleaseSides, HolderState, Inspect, InspectSides, Owner, Side,
        TOKEN_LIMIT,
    },
    error::{Error, Result},
    events::lock as events,
    key::Key,
    lease::Lease,
};

/// How many permits are taken away at the same time.
const AT_A_TIME: usize = 16;

/// Takes the lock of `name`.
pub(crate) async fn force_release(engine: &Engine, name: &str) -> Result<()> {
    let key = engine.core.key(name)?;
    take(engine, name, &key).await?;
    events::forced(name);
    Ok(())
}

/// Takes one permit, or all that are held.
pub(crate) async fn force_release_permits(
    engine: &Engine,
    name: &str,
    permits: u16,
    one: Option<u16>,
) -> Result<()> {
    let core = &engine.core;
    let key = core.key(name)?;
    // Also checks the number of permits.
    let held = permit_holders(core, name, permits).await?;
    let held = held
        .iter()
        .filter_map(|held| u16::try_from(held.permit).ok());
    // A permit that is held on a minority of the nodes can be taken too.
    let numbers = one.map_or_else(|| held.collect(), |one| vec![one]);
    let permits = numbers
        .into_iter()
        .map(|number| Arc::new(key.permit(number)));
    let permits: Vec<Arc<Key>> = permits.collect();
    let mut outcome = Ok(());
    for some in permits.chunks(AT_A_TIME) {
        let taken = join_all(some.iter().map(|permit| take(engine, name, permit))).await;
        // The others are taken in any case.
        outcome = taken.into_iter().fold(outcome, Result::and);
    }
    outcome?;
    events::forced(name);
    Ok(())
}

/// Takes an exclusive lock or a permit, whose keys are `key`.
async fn take(engine: &Engine, name: &str, key: &Arc<Key>) -> Result<()> {
    let core = &engine.core;
    let by = by(engine, name)?;
    let leases = leases_here(engine, key);
    let seen = ask(core, name, key, Inspect, |_| false).await?;
    let from = owners(&seen, |_| true).into();
    ask(core, name, key, ForceRelease { by, from }, |_| false).await?;
    lose(leases);
    Ok(())
}

/// Takes one side of a read/write lock.
pub(crate) async fn force_release_side(engine: &Engine, name: &str, side: Side) -> Result<()> {
    let core = &engine.core;
    let by = by(engine, name)?;
    let key = core.key(name)?;
    let (leases, key) = (
        leases_here(engine, &side.key(&key).into()),
        key.writer().into(),
    );
    let seen = ask(core, name, &key, InspectSides, |_| false).await?;
    let place = match side {
        Side::Read => HolderState::READER,
        Side::Write => HolderState::WRITER,
    };
    let from = owners(&seen, |seen| seen == place);
    if !from.is_empty() {
        let tombstone = Some(highest_token(&seen).saturating_add(1).min(TOKEN_LIMIT - 1));
        let command = ForceReleaseSides {
            by,
            write_tombstone: tombstone.filter(|_| side == Side::Write),
            read_tombstone: tombstone.filter(|_| side == Side::Read),
            from: from.into(),
        };
        ask(core, name, &key, command, |_| false).await?;
    }
    lose(leases);
    events::forced(name);
    Ok(())
}

fn by(engine: &Engine, name: &str) -> Result<Owner> {
    Owner::fresh(engine.core.defaults.label).ok_or_else(|| Error::no_randomness(name))
}

/// The leases of this client with this key, which learn of it at once. A later one is not affected.
fn leases_here(engine: &Engine, key: &Arc<Key>) -> Vec<Arc<Lease>> {
    // A permit and a reader are not in the queue, since others can be granted beside them.
    let mut leases = engine.renewers.leases_of(key);
    leases.extend(engine.queue.holder(key));
    leases
}

fn lose(leases: Vec<Arc<Lease>>) {
    for lease in leases {
        lease.force_released();
    }
}
