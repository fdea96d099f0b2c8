//! The network between the clients of one handle and one node: how long it takes, and what it loses.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    gate::Gate,
    parcel::{News, Parcel},
};
use crate::{
    env::sync::lock,
    fault::{Fault, FaultKind},
};

/// The most operations without an answer on one path, as a client's backlog and a socket's buffer would hold.
pub(super) const MOST: usize = 8_192;

/// One path.
#[derive(Debug)]
pub(super) struct Path {
    network: Mutex<Network>,
    /// The connection that new operations go over, counted from 1.
    connection: AtomicU64,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Network {
    delay: Duration,
    delay_replies: Duration,
    lose_requests: bool,
    lose_replies: bool,
    holding: bool,
    held_back: Vec<Parcel>,
    unanswered: BTreeMap<u64, Parcel>,
    sent: u64,
}

/// What becomes of something that was just sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Arrives(Duration),
    /// Never, or when it is delivered late.
    Nowhere,
}

impl Path {
    pub(super) fn new(gate: &Arc<Gate>) -> Self {
        Self {
            network: Mutex::default(),
            connection: AtomicU64::new(1),
            gate: Arc::clone(gate),
        }
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub(super) fn connection(&self) -> u64 {
        self.connection.load(Relaxed)
    }

    /// Sends a request: gives it its number and says what becomes of it. `Err` where too many wait already; releases are
    /// never too many.
    pub(super) fn send(&self, parcel: &mut Parcel) -> Result<Way, Fault> {
        let mut network = lock(&self.network);
        if network.unanswered.len() >= MOST && !parcel.op.must_arrive() {
            return Err(Fault::untouched(
                FaultKind::Backlog,
                format!("{MOST} operations wait for this node already"),
            ));
        }
        network.sent += 1;
        parcel.number = network.sent;
        network.unanswered.insert(parcel.number, parcel.clone());
        Ok(if network.lose_requests {
            Way::Nowhere
        } else if network.holding {
            network.held_back.push(parcel.clone());
            Way::Nowhere
        } else {
            Way::Arrives(network.delay)
        })
    }

    /// What becomes of a reply that is sent now.
    pub(super) fn way_back(&self) -> Way {
        let network = lock(&self.network);
        if network.lose_replies {
            Way::Nowhere
        } else {
            Way::Arrives(network.delay_replies)
        }
    }

    /// Ends the wait for an answer to request `number`, if it is waited for. Its sender is told when it reads.
    pub(super) fn tell(&self, number: u64, news: impl FnOnce(Parcel) -> News) {
        let parcel = lock(&self.network).unanswered.remove(&number);
        if let Some(parcel) = parcel {
            self.gate.tell(news(parcel));
        }
    }

    pub(super) fn delay(&self, by: Duration) {
        lock(&self.network).delay = by;
    }

    pub(super) fn delay_replies(&self, by: Duration) {
        lock(&self.network).delay_replies = by;
    }

    pub(super) fn lose_requests(&self, on: bool) {
        lock(&self.network).lose_requests = on;
    }

    pub(super) fn lose_replies(&self, on: bool) {
        lock(&self.network).lose_replies = on;
    }

    pub(super) fn hold_back(&self) {
        lock(&self.network).holding = true;
    }

    /// New requests take another connection; what was held back stays where it is, and nobody waits for it any more.
    pub(super) fn reconnect(&self) {
        let unanswered = {
            let mut network = lock(&self.network);
            network.holding = false;
            mem::take(&mut network.unanswered)
        };
        self.connection.fetch_add(1, Relaxed);
        for parcel in unanswered.into_values() {
            let reset = Fault::unknown(FaultKind::Unreachable, "the connection was reset");
            self.gate.tell(News::broken(parcel, reset));
        }
    }

    /// Takes what was held back.
    pub(super) fn late(&self) -> Vec<Parcel> {
        let mut network = lock(&self.network);
        network.holding = false;
        mem::take(&mut network.held_back)
    }
}
