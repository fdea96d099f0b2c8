//! The simulated network between the clients of one handle and one node.
//!
//! Each connection keeps its order: data that is sent later arrives later, even if the delay has
//! changed. Once a connection has lost something, everything after it is lost too, as if the other
//! end had forgotten the connection. The client then makes a new connection, which may overtake
//! what is still in flight on the old one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::freeze::Freezer;
use crate::env::sync::lock;

/// The settings of one network, for data that is sent from now on.
#[derive(Debug)]
pub(super) struct Network {
    settings: Mutex<Settings>,
    /// Freezes the clients.
    freezer: Arc<Freezer>,
}

/// What happens to data that is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) delay: Duration,
    pub(super) delay_replies: Duration,
    pub(super) lose_requests: bool,
    pub(super) lose_replies: bool,
    pub(super) hold_back: bool,
}

impl Settings {
    /// Whether connections can be made.
    pub(super) fn connects(&self) -> bool {
        !(self.lose_requests || self.lose_replies || self.hold_back)
    }
}

impl Network {
    pub(super) fn new(freezer: &Arc<Freezer>) -> Self {
        Self {
            settings: Mutex::default(),
            freezer: Arc::clone(freezer),
        }
    }

    pub(super) fn freezer(&self) -> &Arc<Freezer> {
        &self.freezer
    }

    pub(super) fn now(&self) -> Settings {
        *lock(&self.settings)
    }

    pub(super) fn set(&self, set: impl FnOnce(&mut Settings)) {
        set(&mut lock(&self.settings));
    }
}

/// An item that a client sends over a connection.
#[derive(Debug)]
pub(super) enum Sent {
    Bytes(Vec<u8>),
    /// It closed the connection.
    End,
}

/// The data in flight to the node over one connection, in order.
#[derive(Debug, Default)]
pub(super) struct Transit {
    /// The connection lost something, so nothing that is sent over it arrives.
    pub(super) lost: bool,
    held_back: VecDeque<Sent>,
    delayed: VecDeque<(Instant, Sent)>,
    /// The number of bytes in both.
    pub(super) size: usize,
    /// A task delivers delayed data.
    pub(super) is_delivered: bool,
}

/// What happens to data that was just sent.
#[derive(Debug)]
pub(super) enum Fate {
    /// It arrives now.
    Arrives,
    /// It is lost.
    Lost,
    /// It waits until [`deliver_late`](super::Node::deliver_late).
    HeldBack,
    /// It waits for its time. If `start`, a task that delivers it has to be started.
    Delayed { start: bool },
}

impl Transit {
    /// Sends data over a network with these settings. `sent` is only called if the data has to be
    /// kept.
    pub(super) fn send(&mut self, settings: &Settings, sent: impl FnOnce() -> Sent) -> Fate {
        if self.lost || settings.lose_requests {
            self.lost = true;
            return Fate::Lost;
        }
        if settings.hold_back || !self.held_back.is_empty() {
            let sent = sent();
            self.size += sent.len();
            self.held_back.push_back(sent);
            return Fate::HeldBack;
        }
        if settings.delay.is_zero() && self.delayed.is_empty() {
            return Fate::Arrives;
        }
        let at = Instant::now() + settings.delay;
        let at = self.delayed.back().map_or(at, |(last, _)| at.max(*last));
        let sent = sent();
        self.size += sent.len();
        self.delayed.push_back((at, sent));
        let start = !self.is_delivered;
        self.is_delivered = true;
        Fate::Delayed { start }
    }

    /// Takes the next item that was held back.
    pub(super) fn take_held_back(&mut self) -> Option<Sent> {
        let sent = self.held_back.pop_front()?;
        self.size -= sent.len();
        Some(sent)
    }

    /// Takes the next item that is due at `now`. The error is the time of the next one, if there is
    /// one.
    pub(super) fn take_due(&mut self, now: Option<Instant>) -> Result<Sent, Option<Instant>> {
        match self.delayed.front() {
            Some((at, _)) if now.is_some_and(|now| *at > now) => Err(Some(*at)),
            None => {
                self.is_delivered = false;
                Err(None)
            }
            Some(_) => match self.delayed.pop_front() {
                Some((_, sent)) => {
                    self.size -= sent.len();
                    Ok(sent)
                }
                None => Err(None),
            },
        }
    }
}

impl Sent {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::End => 0,
        }
    }
}
