//! Acquires a lock for a reader. It joins the hold of another reader of this process if there is one.

use std::sync::Arc;

use super::{
    acquire_hold::{next_outcome, renew},
    acquire_loop::{AcquireLoop, Progress},
    local_queue::{Outcome, Turn},
    request::AcquireRequest,
    shared_holds::SharedHold,
    waiter_limit::WaiterSlot,
};
use crate::{
    error::{Error, Result},
    events::lock as events,
    lease::Lease,
};

/// Joins a hold of this process, or acquires one. Cancel safe, like [`acquire_hold`](super::acquire_hold()).
pub(crate) async fn acquire_shared(request: &AcquireRequest<'_>) -> Result<Arc<SharedHold>> {
    let mut slot = None;
    loop {
        if let Some(joined) = join(request) {
            return Ok(joined);
        }
        let turn = match next_outcome(request, &mut slot).await? {
            Outcome::Turn(turn) => turn,
            Outcome::Shared(hold) if hold.hold().is_open() => return Ok(joined(request, hold)),
            // It ended before this task ran.
            Outcome::Shared(_) => continue,
            // Readers join a hold instead of having a lease handed over.
            Outcome::Hold(handed_over) => {
                drop(handed_over);
                continue;
            }
            Outcome::CoolingDown(left) => return Err(Error::cooling_down(request.name, left)),
            Outcome::NoQuorum(error) => return Err(error),
        };
        // The previous turn may have acquired a hold that this reader can join. Dropping the turn passes it on.
        if let Some(joined) = join(request) {
            return Ok(joined);
        }
        let lease = ask(request, &turn, &mut slot).await?;
        let limits = request.options.hold;
        let hold = lease.start_hold(limits);
        renew(request, &lease);
        match hold {
            Some(hold) => {
                let shared = request.engine.shared.add(hold, limits);
                if shared.is_shareable() {
                    turn.share(&shared);
                }
                return Ok(shared);
            }
            None => lease.check_validity(),
        }
    }
}

/// Asks the nodes until they grant a lease.
async fn ask(
    request: &AcquireRequest<'_>,
    turn: &Turn,
    slot: &mut Option<WaiterSlot>,
) -> Result<Arc<Lease>> {
    let mut progress = Progress::new(request, turn);
    let first = AcquireLoop::new(request, turn, &mut progress)
        .attempt_once()
        .await?;
    match first {
        Some(lease) => Ok(lease),
        None => {
            let mut further = AcquireLoop::new(request, turn, &mut progress);
            further.run(slot).await
        }
    }
}

fn join(request: &AcquireRequest<'_>) -> Option<Arc<SharedHold>> {
    let options = &request.options;
    let shared = &request.engine.shared;
    let hold = shared.join(request.key, &options.lease, options.hold)?;
    Some(joined(request, hold))
}

/// Records that the request joined this hold.
fn joined(request: &AcquireRequest<'_>, hold: Arc<SharedHold>) -> Arc<SharedHold> {
    let waited = || request.core().now().saturating_since(request.since);
    events::handed_over(request.key, hold.hold().token().get(), waited);
    // This runtime renews the lease too, because it may outlive the one that acquired it.
    let keep_alive = request.options.lease.keep_alive;
    if keep_alive && !hold.hold().lease().is_of_current_runtime() {
        request.engine.renewers.run_here();
    }
    hold
}
