//! Who leads, as a stream: the holder of the key, asked for again and again.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, stream};

use crate::{
    client::{Redlock, inspect::Holder},
    error::{Error, ErrorKind, Result},
};

/// The shortest period. One that is shorter would keep the nodes busy.
const SHORTEST: Duration = Duration::from_millis(10);

/// The leaders of an election, one after the other. Made by [`Election::observe`](crate::Election::observe).
///
/// An item is the holder of the key, `None` where nobody leads. The first one comes at once, and each further one when
/// another leads. An error says that no quorum answers: the last leader may still lead. Errors of one kind in a row come
/// once. The stream ends after an error that stays, as when the client is closed.
#[must_use = "streams do nothing unless polled"]
pub struct Leaders(Pin<Box<dyn Stream<Item = Result<Option<Holder>>> + Send>>);

/// What was last seen.
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
                let leader = redlock.holder(key.as_str()).await;
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
    /// Takes note of what is seen now. Says whether it is another than before.
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
