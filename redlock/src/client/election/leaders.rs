//! The leaders of an election as a stream: polls for the holder of the key.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, stream};

use crate::{
    client::Redlock,
    error::{Error, ErrorKind, Result},
    inspect::Holder,
};

/// Minimum polling period. A shorter one would load the nodes too much.
const SHORTEST: Duration = Duration::from_millis(10);

/// A stream of the leaders of an election. Created by [`Election::observe`](crate::Election::observe).
///
/// An item is the holder of the key, or `None` if nobody leads. The first item is the current leader, and each further one a
/// change. An error means that no quorum answers: the last leader may still lead. Consecutive errors of the same kind are
/// reported once. The stream ends after a permanent error, for example because the client is closed.
#[must_use = "streams do nothing unless polled"]
pub struct Leaders(Pin<Box<dyn Stream<Item = Result<Option<Holder>>> + Send>>);

/// The last item.
enum Seen {
    Nothing,
    /// The owner, empty for none.
    Leader(String),
    Failure(ErrorKind),
}

impl Leaders {
    pub(super) fn new(redlock: Redlock, key: String, period: Duration) -> Self {
        let period = period.max(SHORTEST);
        let start = Some((redlock, key, Seen::Nothing));
        Self(Box::pin(stream::unfold(start, move |state| async move {
            let (redlock, key, mut seen) = state?;
            loop {
                if !matches!(seen, Seen::Nothing) {
                    tokio::time::sleep(period).await;
                }
                let holder = redlock.holder(key.as_str()).await;
                // During a cool-down the key is busy, and nobody leads.
                let leader = holder.map(|holder| holder.filter(|holder| !holder.is_cool_down()));
                if !seen.changes(&leader) {
                    continue;
                }
                let ends = leader.as_ref().is_err_and(is_final);
                let next = (!ends).then_some((redlock, key, seen));
                return Some((leader, next));
            }
        })))
    }

    /// The next change. `None` when the stream has ended. Cancel safe: a change that was not returned is returned by the
    /// next call.
    pub async fn next(&mut self) -> Option<Result<Option<Holder>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Seen {
    /// Remembers the current state, and returns whether it has changed.
    fn changes(&mut self, now: &Result<Option<Holder>>) -> bool {
        let changed = match (&*self, now) {
            (Self::Leader(owner), Ok(leader)) => owner_of(leader.as_ref()) != owner,
            (Self::Failure(kind), Err(error)) => error.kind() != *kind,
            _ => true,
        };
        *self = match now {
            Ok(leader) => Self::Leader(owner_of(leader.as_ref()).to_owned()),
            Err(error) => Self::Failure(error.kind()),
        };
        changed
    }
}

fn owner_of(leader: Option<&Holder>) -> &str {
    leader.map_or("", |leader| &leader.owner)
}

fn is_final(error: &Error) -> bool {
    error.is_closed() || error.is_invalid()
}

impl Stream for Leaders {
    type Item = Result<Option<Holder>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Leaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaders").finish_non_exhaustive()
    }
}
