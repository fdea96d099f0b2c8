//! The requests of users to read and write a register.

use std::{fmt, future::IntoFuture, pin::Pin, sync::Arc, time::Duration};

use super::{MAX_VALUE, rounds::Register};
use crate::{
    command::{Stored, Version},
    config::{self, MIN_DURATION},
    core::Core,
    error::{Error, Result},
    key::Key,
    lease::Hold,
};

/// How long a value is kept by default.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

pub(super) fn check_retention(retention: Duration) -> Result<()> {
    let remedy = "keep it for longer in a database";
    config::check("a retention", retention, MIN_DURATION, remedy)
}

pub(super) fn check_size(key: &Key, value: &[u8]) -> Result<()> {
    if value.len() > MAX_VALUE {
        return Err(Error::value_too_large(key.given(), value.len(), MAX_VALUE));
    }
    Ok(())
}

/// The token with which a holder reads and writes.
fn token_of(hold: &Hold) -> Result<u64> {
    if hold.lease().options().kind.is_shared() {
        return Err(Error::invalid_config(
            "a reader has no register: several hold the lock, and none is the last. Acquire it to write",
        ));
    }
    match hold.token().get() {
        0 => Err(Error::invalid_config(
            "a register needs the fencing token of its lock: acquire it with `fencing(true)`",
        )),
        token => Ok(token),
    }
}

/// A request to write the register of a lock. Created by [`Guard::write`](crate::Guard::write),
/// which lists the errors.
///
/// # Cancel safety
/// A request that is dropped before it is polled does nothing. If it is dropped later, the value
/// may or may not be written. The next holder sees either the old or the new value, and later reads
/// return the same.
#[must_use = "a request does nothing until it is awaited"]
pub struct WriteRequest {
    hold: Arc<Hold>,
    value: Vec<u8>,
    retention: Duration,
}

impl WriteRequest {
    pub(crate) fn new(hold: &Arc<Hold>, value: Vec<u8>) -> Self {
        Self {
            hold: Arc::clone(hold),
            value,
            retention: RETENTION,
        }
    }

    /// How long the value is kept from now on. Default: 24 h, at most a year.
    ///
    /// Use the same retention in all reads and writes of a key. A read with a shorter one may count
    /// the answer of a node that restarted after the value was written and forgot it.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    async fn write(self) -> Result<()> {
        check_retention(self.retention)?;
        let lease = self.hold.lease();
        check_size(lease.key(), &self.value)?;
        let token = token_of(&self.hold)?;
        if !self.hold.is_open() {
            return Err(self.hold.lost_error());
        }
        let register = Register {
            core: lease.core(),
            key: Arc::clone(lease.key()),
            retention: self.retention,
            first: 0,
        };
        let stored = Stored {
            version: Version {
                token,
                seq: self.hold.next_write(),
            },
            expires: register.expires(),
            value: Some(self.value),
        };
        register.write_by_holder(stored).await
    }
}

impl IntoFuture for WriteRequest {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.write())
    }
}

impl fmt::Debug for WriteRequest {
    /// Omits the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteRequest")
            .field("key", &self.hold.lease().key().name())
            .field("bytes", &self.value.len())
            .field("retention", &self.retention)
            .finish()
    }
}

/// A request to read the register of a lock. Created by [`Guard::read`](crate::Guard::read) and
/// [`Redlock::read`](crate::Redlock::read), which list the errors.
///
/// # Cancel safety
/// Dropping the request changes no value.
#[derive(Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct ReadRequest {
    reader: Reader,
    retention: Duration,
}

enum Reader {
    Holder(Arc<Hold>),
    Anyone { core: Arc<Core>, name: String },
}

impl ReadRequest {
    pub(crate) fn by_holder(hold: &Arc<Hold>) -> Self {
        Self {
            reader: Reader::Holder(Arc::clone(hold)),
            retention: RETENTION,
        }
    }

    pub(crate) fn by_anyone(core: &Arc<Core>, name: String) -> Self {
        Self {
            reader: Reader::Anyone {
                core: Arc::clone(core),
                name,
            },
            retention: RETENTION,
        }
    }

    /// How long values of this register are kept, see [`WriteRequest::retention`]. Default: 24 h,
    /// at most a year.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    async fn read(self) -> Result<Option<Vec<u8>>> {
        check_retention(self.retention)?;
        let unexpired = match self.reader {
            Reader::Holder(hold) => {
                let lease = hold.lease();
                let token = token_of(&hold)?;
                if !hold.is_open() {
                    return Err(hold.lost_error());
                }
                let register = Register {
                    core: lease.core(),
                    key: Arc::clone(lease.key()),
                    retention: self.retention,
                    first: 0,
                };
                let stored = register.read_by_holder(token).await?;
                if !hold.is_open() {
                    return Err(hold.lost_error());
                }
                register.unexpired(stored)
            }
            Reader::Anyone { core, name } => {
                let register = Register {
                    key: core.key(&name)?,
                    core: &core,
                    retention: self.retention,
                    first: 0,
                };
                register.unexpired(register.read_by_anyone().await?)
            }
        };
        Ok(unexpired.map(|(value, _)| value))
    }
}

impl IntoFuture for ReadRequest {
    type Output = Result<Option<Vec<u8>>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Option<Vec<u8>>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holder(hold) => f.debug_tuple("Holder").field(hold.lease().key()).finish(),
            Self::Anyone { name, .. } => f.debug_tuple("Anyone").field(name).finish(),
        }
    }
}
