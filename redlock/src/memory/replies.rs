//! The data that a node sends to one client: in flight, or arrived but unread.

use std::{collections::VecDeque, io, sync::Mutex, task::Waker};

use tokio::time::Instant;

use super::network::Settings;
use crate::env::sync::lock;

/// A server closes the connection of a client that leaves this many bytes unread.
const MAX_UNREAD: usize = 8 << 20;
/// A larger buffer is freed when it is empty.
const KEEP: usize = 256 << 10;

/// The direction from the node to the client, of one connection.
#[derive(Debug, Default)]
pub(super) struct Replies(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Arrived and unread: the bytes from `read` on.
    arrived: Vec<u8>,
    read: usize,
    delayed: VecDeque<(Instant, Sent)>,
    end: Option<End>,
    /// The connection lost something, so nothing that is sent over it arrives.
    lost: bool,
    /// The client closed its end.
    closed: bool,
    reader: Option<Waker>,
}

#[derive(Debug)]
enum Sent {
    Bytes(Vec<u8>),
    End(End),
}

/// How a connection ended, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server closed it.
    Closed,
    /// It was reset.
    Reset,
}

impl End {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Closed => io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the server closed the connection",
            ),
            Self::Reset => {
                io::Error::new(io::ErrorKind::ConnectionReset, "the connection was reset")
            }
        }
    }
}

/// What happened to data that the node sent.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is in flight, has arrived, or is lost. The reader that waits for it has to be woken.
    Sent(Option<Waker>),
    /// The client is gone: it closed its end, or leaves too much unread.
    Refused,
}

/// The outcome of a client's read.
#[derive(Debug)]
pub(super) enum Read {
    Bytes,
    /// Nothing arrives before this time.
    NotBefore(Instant),
    Nothing,
    End(End),
}

impl Replies {
    /// Sends what `write` appends.
    pub(super) fn send(&self, settings: &Settings, write: impl FnOnce(&mut Vec<u8>)) -> Fate {
        let mut state = lock(&self.0);
        if state.lost || settings.lose_replies {
            state.lost = true;
            return Fate::Sent(None);
        }
        if state.closed || state.end.is_some() || state.arrived.len() > MAX_UNREAD {
            return Fate::Refused;
        }
        if settings.delay_replies.is_zero() && state.delayed.is_empty() {
            write(&mut state.arrived);
        } else {
            let mut bytes = Vec::new();
            write(&mut bytes);
            state.delay(settings, Sent::Bytes(bytes));
        }
        Fate::Sent(state.reader.take())
    }

    /// The server closes the connection.
    pub(super) fn close(&self, settings: &Settings) -> Option<Waker> {
        let mut state = lock(&self.0);
        if state.lost || settings.lose_replies {
            state.lost = true;
            return None;
        }
        if settings.delay_replies.is_zero() && state.delayed.is_empty() {
            state.end.get_or_insert(End::Closed);
        } else {
            state.delay(settings, Sent::End(End::Closed));
        }
        state.reader.take()
    }

    /// The connection breaks at the client's end: data in flight is lost.
    pub(super) fn reset(&self) -> Option<Waker> {
        let mut state = lock(&self.0);
        state.arrived = Vec::new();
        state.read = 0;
        state.delayed.clear();
        state.end = Some(End::Reset);
        state.reader.take()
    }

    /// Loses everything that is sent from now on.
    pub(super) fn lose(&self) {
        lock(&self.0).lost = true;
    }

    /// The client closes its end.
    pub(super) fn hang_up(&self) {
        let mut state = lock(&self.0);
        *state = State {
            closed: true,
            lost: state.lost,
            end: state.end,
            ..State::default()
        };
    }

    /// Whether the connection lost something.
    pub(super) fn is_lost(&self) -> bool {
        lock(&self.0).lost
    }

    /// How the connection ended, as far as the client can know.
    pub(super) fn end(&self) -> Option<End> {
        lock(&self.0).end
    }

    /// Passes the arrived bytes to `take`, which returns how many of them it took. If there are
    /// none, `waker` is woken later.
    pub(super) fn read(&self, waker: &Waker, take: impl FnOnce(&[u8]) -> usize) -> Read {
        let mut state = lock(&self.0);
        let state = &mut *state;
        let next = state.arrive();
        if state.read < state.arrived.len() {
            state.read += take(&state.arrived[state.read..]);
            if state.read == state.arrived.len() {
                state.read = 0;
                state.arrived.clear();
                state.arrived.shrink_to(KEEP);
            }
            return Read::Bytes;
        }
        if let Some(end) = state.end {
            return Read::End(end);
        }
        if !state
            .reader
            .as_ref()
            .is_some_and(|was| was.will_wake(waker))
        {
            state.reader = Some(waker.clone());
        }
        next.map_or(Read::Nothing, Read::NotBefore)
    }
}

impl State {
    fn delay(&mut self, settings: &Settings, sent: Sent) {
        let at = Instant::now() + settings.delay_replies;
        let at = self.delayed.back().map_or(at, |(last, _)| at.max(*last));
        self.delayed.push_back((at, sent));
    }

    /// Delivers what is due. Returns when the next item is due, if anything is in flight.
    fn arrive(&mut self) -> Option<Instant> {
        while let Some((at, _)) = self.delayed.front() {
            if *at > Instant::now() {
                return Some(*at);
            }
            match self.delayed.pop_front() {
                Some((_, Sent::Bytes(bytes))) => self.arrived.extend(bytes),
                Some((_, Sent::End(end))) => self.end = Some(end),
                None => {}
            }
        }
        None
    }
}
