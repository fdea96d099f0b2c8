//! Turns a request into a hold: takes over a lease in the local queue, or runs the acquire loop.

use std::sync::Arc;

use super::{
    acquire_loop::{AcquireLoop, Progress},
    local_queue::{Joined, Outcome, Position, Turn, Wants},
    request::{AcquireOptions, AcquireRequest},
    waiter_limit::WaiterSlot,
};
use crate::{
    error::{Error, Result},
    events::lock as events,
    lease::{HandedOver, Hold, Lease},
};

/// The state of a request that has no hold yet.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Another request of this process has the turn.
    Queued(Position),
    /// It has the turn to ask the nodes.
    Asks { turn: Turn, progress: Box<Progress> },
}

/// Makes the first attempt, which is the only one of most requests. Returns `Err` if [`acquire_hold`] has to continue. Cancel
/// safe, like that function.
///
/// The future of this function contains the memory for an attempt. That of [`acquire_hold`] does not, because many requests
/// may wait in it for a long time.
pub(crate) async fn acquire_at_once(
    request: &AcquireRequest<'_>,
) -> Result<Result<Arc<Hold>, Begun>> {
    let mut turn = match begin(request)? {
        Joined::Turn(turn) => turn,
        Joined::Waits(position) => return Ok(Err(Begun::Queued(position))),
    };
    let mut progress = Progress::new(request, &turn);
    let granted = AcquireLoop::new(request, &turn, &mut progress)
        .attempt_once()
        .await?;
    let Some(lease) = granted else {
        let progress = Box::new(progress);
        return Ok(Err(Begun::Asks { turn, progress }));
    };
    match start_hold(request, &mut turn, &lease) {
        Some(hold) => Ok(Ok(hold)),
        None => Ok(Err(Begun::new(request, begin(request)?))),
    }
}

/// Waits until the lock is granted. Cancel safe: the position in the queue is given up, and an attempt in flight is rolled
/// back.
pub(crate) async fn acquire_hold(
    request: &AcquireRequest<'_>,
    begun: &mut Begun,
) -> Result<Arc<Hold>> {
    let mut slot = None;
    loop {
        let hold = match begun {
            Begun::Queued(position) => match wait_in_queue(request, position, &mut slot).await? {
                Outcome::Turn(turn) => {
                    *begun = Begun::new(request, Joined::Turn(turn));
                    continue;
                }
                Outcome::Hold(handed_over) => claim(request, handed_over),
                // Only readers share a hold.
                Outcome::Shared(_) => None,
                Outcome::CoolingDown(left) => {
                    return Err(Error::cooling_down(request.name, left));
                }
                Outcome::NoQuorum(error) => return Err(error),
            },
            Begun::Asks { turn, progress } => {
                let granted = AcquireLoop::new(request, turn, progress)
                    .run(&mut slot)
                    .await;
                start_hold(request, turn, &granted?)
            }
        };
        match hold {
            Some(hold) => return Ok(hold),
            // The hold ended before this task ran.
            None => *begun = Begun::new(request, begin(request)?),
        }
    }
}

impl Begun {
    fn new(request: &AcquireRequest<'_>, joined: Joined) -> Self {
        match joined {
            Joined::Turn(turn) => {
                let progress = Box::new(Progress::new(request, &turn));
                Self::Asks { turn, progress }
            }
            Joined::Waits(position) => Self::Queued(position),
        }
    }
}

/// Takes the turn in this process, or waits for it or for a lease that is handed over.
pub(super) async fn next_outcome(
    request: &AcquireRequest<'_>,
    slot: &mut Option<WaiterSlot>,
) -> Result<Outcome> {
    match begin(request)? {
        Joined::Turn(turn) => Ok(Outcome::Turn(turn)),
        Joined::Waits(mut position) => wait_in_queue(request, &mut position, slot).await,
    }
}

/// Takes the turn in this process, or joins the queue for it.
fn begin(request: &AcquireRequest<'_>) -> Result<Joined> {
    let AcquireRequest {
        engine, name, key, ..
    } = request;
    let AcquireOptions {
        lease,
        hold,
        fail_fast,
        ..
    } = *request.options;
    if !request.waits() {
        let turn = match request.permits {
            // Readers hold the lock beside each other, so those that wait are not in the way. The nodes know of the writers.
            None if lease.kind.is_shared() => Ok(engine.queue.turn_of_reader(key)),
            None => engine.queue.try_turn(key),
            Some(_) => engine.queue.turn_beside(key).ok_or(None),
        };
        let turn = turn.map(Joined::Turn);
        // A request that is still acquiring the lock will hold it for about as long as this one would.
        return turn.map_err(|left| {
            let by = left.and(engine.core.defaults.label);
            if let (None, Some(outage)) = (left, engine.queue.outage(key)) {
                return outage;
            }
            Error::busy(name, left.or(Some(lease.ttl)), by)
        });
    }
    let wants = Wants {
        lease,
        permits: request.permits,
        hold,
        fail_fast,
    };
    Ok(engine.queue.join(key, wants))
}

/// Waits for the turn in this process, or for a lease that is handed over.
async fn wait_in_queue(
    request: &AcquireRequest<'_>,
    position: &mut Position,
    slot: &mut Option<WaiterSlot>,
) -> Result<Outcome> {
    let (engine, options) = (request.engine, request.options);
    // A client that was closed before the request joined the queue has ended the waits of others only.
    engine.core.open(Some(request.name))?;
    // Waiting needs the timers of a runtime.
    engine.core.connections()?;
    let full = request.begin_to_wait(slot).err();
    let is_held = || engine.queue.holder(request.key).is_some();
    let time = match full {
        Some(full) if !options.fail_fast || is_held() => return Err(full),
        // The limit on waiters is reached. The attempt in flight may find an outage, which is the better error.
        Some(_) => request.left().min(request.node_timeout() * 2),
        None => request.left(),
    };
    let waiting = events::waiting();
    let outcome = position.wait(time).await;
    drop(waiting);
    outcome.map_err(|left| {
        if let Err(closed) = engine.core.open(Some(request.name)) {
            return closed;
        }
        // If a remaining time is known, the holder is in this process.
        full.or_else(|| engine.queue.outage(request.key))
            .unwrap_or_else(|| match left {
                Some(_) => {
                    let by = engine.core.defaults.label;
                    Error::timed_out_here(request.name, options.wait, left, by)
                }
                None => Error::timed_out(request.name, options.wait, None, None),
            })
    })
}

/// Returns `None` if the lease has ended already.
fn start_hold(
    request: &AcquireRequest<'_>,
    turn: &mut Turn,
    lease: &Arc<Lease>,
) -> Option<Arc<Hold>> {
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

/// Returns `None` if the hold ended while it was handed over.
fn claim(request: &AcquireRequest<'_>, handed_over: HandedOver) -> Option<Arc<Hold>> {
    let hold = handed_over.claim()?;
    let waited = || request.core().now().saturating_since(request.since);
    events::handed_over(request.key, hold.token().get(), waited);
    let renewers = &request.engine.renewers;
    if request.options.hold.max_hold.is_some() {
        renewers.watch(hold.lease());
    }
    if request.options.lease.keep_alive {
        if hold.reserves_further_tokens() {
            renewers.renew_soon(hold.lease());
        }
        // This runtime renews the lease too, because it may outlive the one that acquired it.
        if !hold.lease().is_of_current_runtime() {
            renewers.run_here();
        }
    }
    Some(hold)
}
