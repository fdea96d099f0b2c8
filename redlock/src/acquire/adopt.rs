//! Adoption: takes over a lock that another process detached.

use std::sync::Arc;

use super::{
    admission::Admitted,
    attempt::{Adoption, Attempt, Failure},
    request::AcquireRequest,
};
use crate::{
    env::clock::Instant,
    error::{Error, Result},
    events::lock as events,
    lease::{HandOverLimit, Hold, HoldOptions, Lease},
    lock_kind::Claim,
};

/// One attempt to take over the lock of `from`, in up to three rounds. Cancel safe: a lock that was taken over is given back.
///
/// `until` returns when the ticket expires. It is called once the nodes are connected, because it reads the token clock.
pub(crate) async fn adopt(
    request: &AcquireRequest<'_>,
    from: Claim,
    until: impl Fn() -> Instant,
) -> Result<Arc<Hold>> {
    let core = request.core();
    let connections = core.connections()?;
    let within = core.nodes.contact_within();
    connections.first_contact(&core.nodes, within).await;
    let until = until();
    let _admitted = admit(request).await?;
    let left = until.saturating_since(core.now());
    if left.is_zero() {
        return Err(Error::ticket_over(request.name, "the ticket has expired"));
    }
    let (key, options) = (request.key, request.options.lease);
    // With the turn, the local queue knows the adopted lock. Another request of this process may have it already.
    let turn = request.engine.queue.try_turn(key).ok();
    let mut floor = from.tokens.last().unwrap_or(0);
    let attempt = Attempt {
        core,
        connections: &connections,
        key,
        options,
        within: request.node_timeout().min(left),
        reserves_block: false,
        one_node_first: false,
        abandon_splits: true,
        inbox: None,
        adopts: Some(Adoption {
            owner: from.owner,
            token: floor,
            until,
        }),
    };
    let grant = attempt.run(&mut floor).await;
    let grant = grant.map_err(|failure| error(request, failure))?;
    let waited = || core.now().saturating_since(request.since);
    let token = grant.claim.tokens.first().unwrap_or(0);
    events::granted(key, token, grant.rounds, waited);
    let limit = HandOverLimit::LONGEST;
    let lease = Lease::new(core, &connections, key, options, &grant, limit);
    let hold = lease.start_hold(HoldOptions::default());
    if let Some(mut turn) = turn {
        turn.granted(&lease);
    }
    request.engine.renewers.renew(&lease);
    hold.ok_or_else(|| lease.lost_error())
}

/// An adoption counts against the limit on attempts, like any attempt.
async fn admit<'a>(request: &AcquireRequest<'a>) -> Result<Admitted<'a>> {
    let admission = &request.engine.admission;
    if let Some(admitted) = admission.try_admit() {
        return Ok(admitted);
    }
    let (core, within) = (request.core(), request.node_timeout());
    let begun = core.now();
    let admitted = admission.admit(within).await;
    let waited = core.now().saturating_since(begun);
    admitted.ok_or_else(|| request.error(request.overloaded(waited)))
}

fn error(request: &AcquireRequest<'_>, failure: Failure) -> Error {
    match failure {
        // Several clients adopt at the same time, and none has a majority: all of them give the lock back.
        Failure::Refused {
            split: true,
            left: Some(left),
            by,
            ..
        } => Error::busy(request.name, Some(left), by),
        Failure::Refused { .. } | Failure::CoolingDown { .. } => {
            let why = "the ticket no longer holds the lock: it was adopted before, or it expired";
            Error::ticket_over(request.name, why)
        }
        failure => request.error(failure),
    }
}
