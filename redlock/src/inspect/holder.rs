//! The holder of a lock, as a majority of the nodes reports it.

use std::time::Duration;

use crate::{command::Owner, quorum::token::FencingToken};

/// The holder of a lock, as a majority of the nodes sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The value under the key: random for each grant of this library, followed by the
    /// [label](Self::label). Empty for a value of more than 64 bytes, which no lock has.
    pub owner: String,
    /// How much longer a majority of the nodes has the key.
    pub remaining: Duration,
    /// The highest token that a majority of the nodes has seen. It is the holder's, if it has one, or a larger one: its process
    /// reserves some for the waiters to whom it hands the lock over. Readers of a read/write lock have it or a smaller one.
    pub token: FencingToken,
    /// How many processes wait for the lock, as a majority of the nodes reports it: at most 1,000. A process with several
    /// requests counts once. Not counted are requests of the holder's process, which wait in its local queue, and those without
    /// [notifications](crate#waiting), which poll. One that crashed counts until its entry expires. For a permit, those that
    /// wait for any permit of the semaphore; for one side of a read/write lock, those that wait for either side.
    pub waiting: u32,
}

impl Holder {
    /// The [label](crate::Builder::label) of the client that holds the lock. `None` if it has none,
    /// or if another library holds the lock.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        let label = Owner::label(self.owner.as_bytes())?;
        self.owner.get(self.owner.len() - label.as_str().len()..)
    }

    /// Whether nobody holds the lock, but its key is in a [cool-down](crate::Guard::cool_down) for
    /// the rest of a window.
    #[must_use]
    pub fn is_cool_down(&self) -> bool {
        Owner::is_cool_down(self.owner.as_bytes())
    }
}

/// Who holds a permit of a semaphore. Returned by [`Semaphore::holders`](crate::Semaphore::holders).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermitHolder {
    /// The number of the permit, from 0. [`force_release`](crate::Semaphore::force_release) takes it.
    pub permit: u32,
    /// Who holds it.
    pub holder: Holder,
}

/// Who holds a read/write lock. Returned by [`RwLock::holders`](crate::RwLock::holders).
///
/// A writer excludes readers, so at most one of the two sides has a holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RwLockHolders {
    /// The writer, or the [cool-down](Holder::is_cool_down) that it left.
    pub writer: Option<Holder>,
    /// The readers, those whose hold lasts longest first. Readers of one process that share a hold are one entry. Of more than
    /// 1,000 on a node, the node reports those that expire last.
    pub readers: Vec<Holder>,
}

impl RwLockHolders {
    /// Whether neither side has a holder.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.writer.is_none() && self.readers.is_empty()
    }
}
