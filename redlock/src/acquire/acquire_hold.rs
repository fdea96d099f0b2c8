//! From a request to a hold: through the local queue, where a lease may be handed over, else by the acquire loop.

use std::sync::Arc;

use super::{
    acquire_loop::AcquireLoop,
    local_queue::{Joined, Outcome, Turn, Wants},
    request::{AcquireOptions, AcquireRequest},
    waiter_limit::WaiterSlot,
};
use crate::{
    error::{Error, Result},
    events::lock as events,
    lease::{HandedOver, Hold, Lease},
};

/// Waits until the lock is granted. Cancel safe: the position in the queue is given up, and an attempt in flight is rolled
/// back.
pub(crate) async fn acquire_hold(request: &AcquireRequest<'_>) -> Result<Arc<Hold>> {
    let mut slot = None;
    // Repeated only where a hold has ended before this task ran.
    loop {
        let hold = match next_outcome(request, &mut slot).await? {
            Outcome::Turn(turn) => {
                let lease = AcquireLoop::new(request, &turn).run(&mut slot).await?;
                start_hold(request, turn, &lease)
            }
            Outcome::Hold(handed_over) => claim(request, handed_over),
            Outcome::CoolingDown(left) => return Err(Error::cooling_down(request.name, left)),
            Outcome::NoQuorum(error) => return Err(error),
        };
        if let Some(hold) = hold {
            return Ok(hold);
        }
    }
}

/// The turn in this process, or a lease that is handed over.
pub(super) async fn next_outcome(
    request: &AcquireRequest<'_>,
    slot: &mut Option<WaiterSlot>,
) -> Result<Outcome> {
    let AcquireRequest {
        engine, name, key, ..
    } = request;
    let AcquireOptions {
        lease,
        hold,
        fail_fast,
        ..
    } = request.options;
    if !request.waits() {
        let turn = match request.permits.is_some() || lease.kind.is_shared() {
            false => engine.queue.try_turn(key),
            true => engine.queue.turn_beside(key).ok_or(None),
        };
        let turn = turn.map(Outcome::Turn);
        // A holder that is still asking will have the lock for about as long as this request would.
        return turn.map_err(|left| {
            let by = left.and(engine.core.defaults.label);
            Error::busy(name, left.or(Some(lease.ttl)), by)
        });
    }
    let wants = Wants {
        lease,
        permits: request.permits,
        hold,
        fail_fast,
    };
    let position = match engine.queue.join(key, wants) {
        Joined::Turn(turn) => return Ok(Outcome::Turn(turn)),
        Joined::Waits(position) => position,
    };
    // Waiting needs the timers of a runtime.
    engine.core.connections()?;
    let full = request.begin_to_wait(slot).err();
    let time = match full {
        Some(full) if !fail_fast || engine.queue.holder(key).is_some() => return Err(full),
        // Beyond the limit. But the attempt in flight may find an outage, which is the better error.
        Some(_) => request.left().min(request.node_timeout() * 2),
        None => request.left(),
    };
    let waiting = events::waiting();
    let outcome = position.wait(time).await;
    drop(waiting);
    outcome.map_err(|left| {
        // A remaining time is that of a holder in this process.
        let by = left.and(engine.core.defaults.label);
        full.unwrap_or_else(|| Error::timed_out(name, request.options.wait, left, by))
    })
}

/// `None` where the lease has ended already.
fn start_hold(request: &AcquireRequest<'_>, turn: Turn, lease: &Arc<Lease>) -> Option<Arc<Hold>> {
    let hold = lease.start_hold(request.options.hold);
    match request.permits {
        None => turn.granted(lease),
        Some(permits) => turn.granted_permit(lease, permits),
    }
    renew(request, lease);
    if hold.is_none() {
        lease.check_validity();
    }
    hold
}

pub(super) fn renew(request: &AcquireRequest<'_>, lease: &Arc<Lease>) {
    let renewers = &request.engine.renewers;
    if request.options.lease.keep_alive {
        renewers.renew(lease);
    } else if request.options.hold.max_hold.is_some() {
        renewers.watch(lease);
    } else {
        renewers.run_if_shared();
    }
}

/// `None` where the hold has ended on its way.
fn claim(request: &AcquireRequest<'_>, handed_over: HandedOver) -> Option<Arc<Hold>> {
    let hold = handed_over.claim()?;
    let waited = || request.core().now().saturating_since(request.since);
    events::handed_over(request.key, hold.token().get(), waited);
    let renewers = &request.engine.renewers;
    if request.options.hold.max_hold.is_some() {
        renewers.watch(hold.lease());
    }
    // This runtime takes part in the renewal: it may outlive the one that acquired the lease.
    if request.options.lease.keep_alive && !hold.lease().is_of_current_runtime() {
        renewers.run_here();
    }
    Some(hold)
}
