//! The lock service of an application: a cheap handle to the nodes.

pub(crate) mod builder;
mod connect;
mod duration;
pub(crate) mod election;
mod environment;
pub(crate) mod health;
pub(crate) mod process_default;

use std::{fmt, sync::Arc};

use crate::{
    acquire::engine::Engine,
    client::health::NodeHealth,
    core::Core,
    error::Result,
    events,
    inspect::{self, Holder},
    lock::{
        guard::Guard, request::LockRequest, rwlock::RwLock, semaphore::Semaphore,
        several::LockAllRequest, ticket::Ticket,
    },
    node::timeout,
    register::ReadRequest,
};

/// Locks over N independent Redis nodes. Cheap to clone; all clones share the connections.
///
/// It works from any tokio runtime, and outlives the runtime that it was built on.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), redlock::Error> {
/// use redlock::Redlock;
///
/// let nodes = ["redis://a:6379", "redis://b:6379", "redis://c:6379"];
/// let redlock = Redlock::connect(nodes).await?;
/// redlock
///     .lock("invoice:42")
///     .run(async |held| {
///         // Write the invoice, with held.token() for a store that checks it.
///     })
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Redlock {
    engine: Arc<Engine>,
}

impl Redlock {
    pub(crate) fn new(core: Core) -> Self {
        Self {
            engine: Arc::new(Engine::new(core)),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.engine.core
    }

    /// A request for the lock of `key`. Set its options, then await it or [`run`](LockRequest::run)
    /// something under it.
    ///
    /// An invalid key is reported when the request is awaited.
    pub fn lock(&self, key: impl Into<String>) -> LockRequest {
        LockRequest::new(&self.engine, key.into())
    }

    /// The longest ttl of a request.
    pub(crate) fn max_ttl(&self) -> std::time::Duration {
        self.engine.core.nodes.max_ttl
    }

    /// Tries once, without waiting. `None` if another client holds the lock, or if the key is in
    /// its cool-down.
    ///
    /// # Errors
    /// Those of awaiting a [`LockRequest`], except for busy.
    ///
    /// # Cancel safety
    /// See [`LockRequest`].
    pub async fn try_lock(&self, key: impl Into<String>) -> Result<Option<Guard>> {
        match self.lock(key).no_wait().await {
            Ok(guard) => Ok(Some(guard)),
            Err(error) if error.is_busy() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A request for the locks of several keys, all or none. Duplicates count once.
    /// [`and`](LockAllRequest::and) adds locks of other kinds.
    ///
    /// The locks are always acquired in the same order, so two callers with common keys do not
    /// deadlock.
    pub fn lock_all<I>(&self, keys: I) -> LockAllRequest
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        LockAllRequest::new(&self.engine, keys.into_iter().map(Into::into).collect())
    }

    /// A semaphore with so many `permits`, for all processes together.
    ///
    /// An invalid key or number is reported when a permit is asked for.
    #[must_use]
    pub fn semaphore(&self, key: impl Into<String>, permits: u32) -> Semaphore {
        Semaphore::new(&self.engine, key.into(), permits)
    }

    /// A read/write lock: many readers or one writer at a time, over all processes.
    ///
    /// An invalid key is reported when a request is awaited.
    #[must_use]
    pub fn rwlock(&self, key: impl Into<String>) -> RwLock {
        RwLock::new(&self.engine, key.into())
    }

    /// Takes over a lock that another process [detached](Guard::detach). The lock keeps its ttl, is renewed, and gets a larger
    /// token, so that a store refuses later writes of the sender.
    ///
    /// A ticket can be adopted once: one of several adopters gets the lock. An adoption that fails leaves the ticket usable. If
    /// an adopter crashes after it succeeded, the ticket is used up, and the lock is free after its ttl.
    ///
    /// # Errors
    /// - [`is_ticket_over`](crate::Error::is_ticket_over) if the ticket was adopted before or has expired, and while another
    ///   adoption has a majority that it will not keep;
    /// - [`is_busy`](crate::Error::is_busy) if several adopt it at the same moment and none has a majority: try again;
    /// - [`is_no_quorum`](crate::Error::is_no_quorum) if too few nodes answered: try again until the ticket expires;
    /// - [`is_invalid`](crate::Error::is_invalid) for a ticket of another namespace, and for a ttl above the
    ///   [`max_ttl`](crate::Builder::max_ttl) of this client;
    /// - [`is_closed`](crate::Error::is_closed).
    ///
    /// # Cancel safety
    /// Dropping the future gives the lock back to the ticket, in the background.
    pub async fn adopt(&self, ticket: &Ticket) -> Result<Guard> {
        ticket.adopt(&self.engine).await.map(Guard::new)
    }

    /// Reads the register of `key` without the lock: what a holder [wrote](Guard::write) last. `None` if nobody has, or if it
    /// has expired.
    ///
    /// Two reads one after the other never see an older value after a newer one. A holder may write a new one at any time:
    /// a decision that needs the latest is made by a holder, see [`Guard::read`].
    ///
    /// # Errors
    /// As [`Guard::read`], except for lost; [`is_closed`](crate::Error::is_closed).
    pub fn read(&self, key: impl Into<String>) -> ReadRequest {
        ReadRequest::by_anyone(self.core(), key.into())
    }

    /// How many nodes have to agree: a majority of the configured nodes, connected or not.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.core().nodes.quorum()
    }

    /// The state of every node. Takes as long as the slowest node, at most the node time-out; at the first contact also the time
    /// of connecting.
    ///
    /// Each node is asked whether it would carry out the writes of a lock, by one short script that writes no key. So a node
    /// that answers but refuses locks is [`Down`](crate::NodeState::Down), and its cause says why: its memory is full, it lacks
    /// replicas or cannot save, it is a replica, it does not permit a command to the user of this client, or its Redis Cluster
    /// is down. It does not see whether the nodes accept the [list of nodes](crate::FaultKind::OtherNodes), so that one node can
    /// be asked alone, nor what only some locks meet: foreign data under a key, and rights for single keys.
    pub async fn health(&self) -> Vec<NodeHealth> {
        health::ask(self.core()).await
    }

    /// How many permits the [semaphore](Self::semaphore) of `key` has, as a majority of the nodes remembers it: for
    /// [`max_ttl`](crate::Builder::max_ttl) after the last request. `None` if they do not.
    ///
    /// # Errors
    /// As [`is_locked`](Self::is_locked).
    pub async fn permits(&self, key: impl Into<String>) -> Result<Option<u32>> {
        inspect::permits(self.core(), &key.into()).await
    }

    /// Whether a majority of the nodes reports that the lock of `key` is held, or that it is in its
    /// cool-down.
    ///
    /// The answer may be out of date when it arrives. Use it for display, not for decisions.
    ///
    /// # Errors
    /// [`is_no_quorum`](crate::Error::is_no_quorum) if too few nodes answered,
    /// [`is_invalid`](crate::Error::is_invalid) for an invalid key,
    /// [`is_closed`](crate::Error::is_closed).
    pub async fn is_locked(&self, key: impl Into<String>) -> Result<bool> {
        Ok(self.holder(key).await?.is_some())
    }

    /// Who holds the lock of `key` on a majority of the nodes, and for how long. For the other kinds of lock with this key, see
    /// [`Semaphore::holders`] and [`RwLock::holders`].
    ///
    /// # Errors
    /// As [`is_locked`](Self::is_locked).
    pub async fn holder(&self, key: impl Into<String>) -> Result<Option<Holder>> {
        inspect::holder(self.core(), &key.into()).await
    }

    /// Takes the lock of `key` away from its current holder, and notifies those who wait for it.
    /// Also ends a cool-down. A client that acquires the lock meanwhile keeps it.
    ///
    /// **For operators.** A holder that uses this client loses the lock at once. A holder elsewhere
    /// continues until it notices the loss, at its next extension or at the end of its validity.
    /// Until then two holders may run; only a store that checks fencing tokens is protected.
    ///
    /// # Errors
    /// As [`is_locked`](Self::is_locked).
    pub async fn force_release(&self, key: impl Into<String>) -> Result<()> {
        inspect::force_release(&self.engine, &key.into()).await
    }

    /// Declares that no node has forgotten a lock or a [register](Guard::write), for a first deployment.
    ///
    /// Under [`RestartGuard::Strict`](crate::RestartGuard::Strict) all nodes vote at once, for all clients. Under any guard,
    /// a register that nobody has written reads as empty in this client from now on, instead of failing with
    /// [`is_forgotten`](crate::Error::is_forgotten) until the nodes are older than its retention.
    ///
    /// **For operators.** If the declaration is wrong, two clients may hold the same lock under `Strict`, and what a register
    /// held is missing.
    ///
    /// # Errors
    /// [`is_no_quorum`](crate::Error::is_no_quorum) if fewer nodes than a majority were reached.
    pub async fn trust_nodes(&self) -> Result<()> {
        inspect::trust_nodes(self.core()).await
    }

    /// Answers new requests, and those that wait for a lock, with [`is_closed`](crate::Error::is_closed) from now on, in all
    /// clones. Waits until the releases in flight have arrived, and until what waited has given back what it had: at most two node
    /// time-outs. Jobs that wait for their next firing end.
    ///
    /// Returns how many releases have not arrived by then; one that is missing on two nodes counts
    /// twice. They are still delivered when the nodes are back, as long as a runtime that used the
    /// client runs. Otherwise their keys expire with their ttl.
    ///
    /// Locks that are held stay held. Their guards still extend and release them, and read and write their registers.
    pub async fn close(&self) -> usize {
        let core = self.core();
        core.close();
        self.engine.queue.close();
        let bound = core.nodes.timeout.saturating_mul(2);
        let ended = async {
            // Those that wait have been woken, and release what they hold.
            core.acquiring.drained().await;
            core.tracker.drained().await;
        };
        let _ = timeout(bound, ended).await;
        let undelivered = core.tracker.count();
        if undelivered > 0 {
            events::lock::undelivered(undelivered);
        }
        undelivered
    }
}

impl fmt::Debug for Redlock {
    /// Shows the nodes and no keys: the keys that are waited for may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}
