//! Newest wins: a request supersedes the older ones for its lock, in all processes.
//!
//! # Design
//!
//! The nodes remember the number of the newest request of a lock, beside the lock. A request takes three steps:
//!
//! 1. It announces itself: its number is written to a majority. A node that knows a newer request refuses it, and the
//!    request takes a higher number, so that whoever is announced later has the higher number, whatever the clocks say.
//!    The node notifies the process of the newest request before this one, whose older requests all end: those that wait
//!    give up, and a hold is lost, which cancels its body.
//! 2. It acquires the lock, as every other request does. The older holder releases it once its body is dropped.
//! 3. With the lock, it announces itself again under the same number. If a majority knows no newer request, its body
//!    begins. Otherwise it releases the lock and is superseded.
//!
//! So of two bodies that run to their ends, that of the newer request runs later: when the older one begins, the newer one
//! either is not announced on a majority, and acquires the lock after it; or it is, and two majorities share a node, which
//! refuses the older one in step 3. The lock itself is acquired as any other, so exclusion does not depend on any of this.
//! That the older one stops is best effort: where no notification arrives, it notices the newer request when it announces
//! itself again, every third of its ttl.
//!
//! A node that restarted may have forgotten the newest request: it has no vote for the guard time, as for locks. So the
//! order is promised among requests of which none waits for longer than the guard time.
//!
//! The numbers are those of the token clock, and the model is `tests/model/src/newest.rs`.

mod announcement;
mod watch;

use std::sync::Arc;

pub(super) use self::watch::Watches;
use self::{announcement::Announcement, watch::Watch};
use super::{
    acquire_hold::{acquire_at_once, acquire_hold},
    request::AcquireRequest,
};
use crate::{
    error::{Error, Result},
    lease::{HandedOver, Hold},
};

/// Acquires the lock for a request that supersedes the older ones. Cancel safe, as that of any other lock.
pub(crate) async fn acquire_newest(request: &AcquireRequest<'_>) -> Result<Arc<Hold>> {
    let announcement = Announcement::new(request).await?;
    let hold = tokio::select! {
        biased;
        () = announcement.superseded() => return Err(Error::superseded(request.name)),
        hold = acquire(request) => hold?,
    };
    // Dropped at any await from here on, it is released.
    let guarded = HandedOver::new(Arc::clone(&hold));
    tokio::select! {
        biased;
        () = announcement.superseded() => return Err(Error::superseded(request.name)),
        confirmed = announcement.confirm(request) => confirmed?,
    }
    if guarded.claim().is_none() {
        return Err(hold.lost_error());
    }
    let every = request.options.lease.ttl / 3;
    let watch = Watch::new(&hold, Box::new(announcement), every);
    request.engine.watches.begin(watch);
    Ok(hold)
}

async fn acquire(request: &AcquireRequest<'_>) -> Result<Arc<Hold>> {
    match acquire_at_once(request).await? {
        Ok(hold) => Ok(hold),
        Err(mut begun) => acquire_hold(request, &mut begun).await,
    }
}
