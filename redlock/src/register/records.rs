//! Records: registers with names that are no locks, written under the tokens of a lock. For the replay of responses.
//!
//! A lock has many records, one for each `Idempotency-Key`. The rules are those of a register: the token only has to be larger
//! for each later holder.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    request::{check_retention, check_size},
    rounds::Register,
};
use crate::{
    command::{Stored, Version},
    core::Core,
    error::Result,
    key::Key,
    quorum::token::FencingToken,
};

/// The records on the nodes of a client.
#[derive(Clone)]
pub struct Records {
    core: Arc<Core>,
    /// No record is older, in milliseconds since 1970. 0 if that is unknown.
    first: u64,
}

/// A record, and how much longer it is remembered.
#[derive(Debug)]
pub struct Record {
    /// What was written.
    pub value: Vec<u8>,
    /// The rest of its retention.
    pub left: Duration,
}

impl Records {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            first: 0,
        }
    }

    /// No record is older than this, by a clock within the skew bound. If one is, a majority that restarted between the
    /// record and this time has forgotten it, and reports that there is none.
    #[must_use]
    pub fn since(mut self, first: SystemTime) -> Self {
        let first = first.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.first = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The record of `name`, which includes the namespace. From now on no write with a lower token than this changes it.
    ///
    /// # Errors
    /// As [`Guard::read`](crate::Guard::read).
    pub async fn read(
        &self,
        name: &str,
        token: FencingToken,
        retention: Duration,
    ) -> Result<Option<Record>> {
        let register = self.register(name, retention)?;
        let stored = register.read_by_holder(token.get()).await?;
        let unexpired = register.unexpired(stored);
        Ok(unexpired.map(|(value, left)| Record { value, left }))
    }

    /// As [`read`](Self::read), without a lock: a holder may write at any time.
    ///
    /// # Errors
    /// As [`Redlock::read`](crate::Redlock::read).
    pub async fn look(&self, name: &str, retention: Duration) -> Result<Option<Record>> {
        let register = self.register(name, retention)?;
        let unexpired = register.unexpired(register.read_by_anyone().await?);
        Ok(unexpired.map(|(value, left)| Record { value, left }))
    }

    /// Writes the record of `name`, unless a holder with a larger token has read or written it.
    ///
    /// # Errors
    /// As [`Guard::write`](crate::Guard::write).
    pub async fn write(
        &self,
        name: &str,
        token: FencingToken,
        value: Vec<u8>,
        retention: Duration,
    ) -> Result<()> {
        let register = self.register(name, retention)?;
        check_size(&register.key, &value)?;
        let stored = Stored {
            version: Version {
                token: token.get(),
                // A later write of the same holder replaces an earlier one, if only to last longer. All are of this process.
                seq: register.core.now().micros().max(1),
            },
            expires: register.expires(),
            value: Some(value),
        };
        register.write_by_holder(stored).await
    }

    fn register(&self, name: &str, retention: Duration) -> Result<Register<'_>> {
        check_retention(retention)?;
        Ok(Register {
            core: &self.core,
            key: Arc::new(Key::new("", name)?.record()),
            retention,
            first: self.first,
        })
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}
