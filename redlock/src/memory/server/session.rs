//! One connection, as the server sees it.

use std::{sync::Arc, task::Waker};

use tokio::time::Instant;

use super::{Wakers, reply::Reply};
use crate::memory::{
    network::{Network, Transit},
    replies::{Fate, Replies},
    store::Bytes,
};

/// Maximum number of bytes that a connection accepts before some are carried out, like the buffers
/// of a socket.
pub(super) const MAX_UNREAD: usize = 1 << 20;

/// The state of one connection on the server.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) network: Arc<Network>,
    pub(super) replies: Arc<Replies>,
    /// Data in flight.
    pub(crate) transit: Transit,
    /// Arrived but not carried out: a part of a request, or everything that arrived while the
    /// server hung.
    pub(super) unread: Vec<u8>,
    /// The client has closed its end after the unread bytes.
    pub(super) ended: bool,
    /// When the client closed its end, if that was lost on its way to the server.
    pub(super) abandoned: Option<Instant>,
    /// The client uses version 3 of the protocol.
    pub(super) version_3: bool,
    /// It tracks whether the data are emptied.
    pub(super) tracks: bool,
    /// The next command is for a slot that the server imports.
    #[cfg(feature = "cluster")]
    pub(super) asks: bool,
    /// The channels that it has subscribed to.
    pub(super) channels: Vec<Bytes>,
    /// The writer that waits for room.
    pub(super) writer: Option<Waker>,
}

impl Session {
    pub(super) fn new(network: &Arc<Network>, replies: &Arc<Replies>) -> Self {
        Self {
            network: Arc::clone(network),
            replies: Arc::clone(replies),
            transit: Transit::default(),
            unread: Vec::new(),
            ended: false,
            abandoned: None,
            version_3: false,
            tracks: false,
            #[cfg(feature = "cluster")]
            asks: false,
            channels: Vec::new(),
            writer: None,
        }
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.unread.len() + self.transit.size < MAX_UNREAD
    }

    pub(super) fn listens_to(&self, channel: &[u8]) -> bool {
        self.channels.iter().any(|other| **other == *channel)
    }

    /// Sends a reply or a push. Returns whether the client is there to receive it.
    pub(super) fn say(&self, reply: &Reply, wakers: &mut Wakers) -> bool {
        let settings = self.network.now();
        let write = |out: &mut Vec<u8>| reply.write(self.version_3, out);
        match self.replies.send(&settings, write) {
            Fate::Sent(waker) => {
                wakers.add(waker);
                true
            }
            Fate::Refused => false,
        }
    }
}
