//! What the lock and a replay inside of it exchange, through the extensions of request and response.

use super::policy::Policy;
use crate::{held::HeldLock, key::Key};
use std::sync::Arc;
use tokio::time::Instant;

/// In the extensions of a request: the lock under which it runs.
#[derive(Clone)]
pub(crate) struct ReplayContext {
    /// The start of the name of the request's record: the namespace of the `Redlock`, and the layer's key without the
    /// route.
    pub(crate) record_prefix: String,
    /// `None` if the request runs without its lock, because no quorum answered and the layer fails open.
    pub(crate) lock: Option<HeldLock>,
    pub(crate) policy: Arc<Policy>,
    /// Before the request waited for its lock.
    pub(crate) arrived: Instant,
}

impl ReplayContext {
    pub(super) fn new(key: &Key, policy: &Arc<Policy>) -> Self {
        let namespace = redlock::__private::namespace(&policy.lock.redlock);
        let key = policy.render.record_key(key);
        Self {
            record_prefix: format!("{namespace}replay:{key}:"),
            lock: None,
            policy: Arc::clone(policy),
            arrived: Instant::now(),
        }
    }
}

/// In the extensions of a response: it is recorded. The record keeps duplicates away, so no cool-down is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded;
