//! Turns kinds into faults: which nodes, which clients, for how long, and whether it is possible at
//! that time.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use redlock::RestartGuard;

use super::super::fault::{Fault, ProxyFault, Target};
use super::kind::{self, DataLoss, Kind, PROXY, ProxyKind};
use crate::args::{Control, Settings};
use crate::config::{HOT_KEYS, NODES, QUORUM, SLOW_KEY};

/// For how long a restarted node counts as young: its guard time, plus the age up to which it may
/// pass for an old one.
const YOUNG: Duration = Duration::from_millis(10_500);
/// A restart takes this much longer than the node is down: waiting for a holder, and starting.
const RESTART_TIME: Duration = Duration::from_millis(2_200);

pub(super) struct Planner {
    pub(super) rng: StdRng,
    /// The first slots have links that can fail, the others proxies.
    pub(super) networked: usize,
    workers: usize,
    /// In milliseconds between two faults.
    pauses: Range<u64>,
    /// When the last fault of each node is over.
    free: [Duration; NODES],
    /// When nodes restarted.
    restarts: VecDeque<Duration>,
    /// The observed guard covers restarts of minorities only.
    observed: bool,
    data_losses: VecDeque<DataLoss>,
    /// The time between two data losses, so that locks are available in between.
    data_loss_pause: Duration,
    last_data_loss: Option<Duration>,
}

impl Planner {
    pub(super) fn new(settings: &Settings, networked: usize) -> Self {
        Self {
            rng: StdRng::seed_from_u64(settings.seed),
            networked,
            workers: settings.workers,
            pauses: match settings.control {
                Some(Control::NoGuard) => 900..1_500,
                Some(Control::IgnoredLoss) => 2_500..3_500,
                None => 150..600,
            },
            free: [Duration::ZERO; NODES],
            restarts: VecDeque::new(),
            observed: settings.guard == RestartGuard::Observed,
            data_losses: kind::data_losses(settings),
            data_loss_pause: match settings.control {
                Some(_) => Duration::ZERO,
                None => Duration::from_millis(3_500),
            },
            last_data_loss: None,
        }
    }

    /// The time until the next fault.
    pub(super) fn pause(&mut self) -> Duration {
        self.millis(self.pauses.clone())
    }

    /// A fault of that kind, if one is possible at that time.
    pub(super) fn fault(&mut self, kind: Kind, at: Duration) -> Option<Fault> {
        Some(match kind {
            Kind::PauseHolder => Fault::Pause {
                lasts: self.millis(1_500..2_300),
                target: self.holder(),
            },
            Kind::PauseAny => Fault::Pause {
                lasts: self.millis(100..2_500),
                target: self.any_client(),
            },
            Kind::KillAny => Fault::Kill {
                target: self.any_client(),
            },
            Kind::KillHolder => Fault::Kill {
                target: self.holder(),
            },
            Kind::DataLoss => self.data_loss(at)?,
            Kind::HangOne => self.hang(1, at, 200..2_500)?,
            Kind::HangTwo => self.hang(2, at, 200..1_500)?,
            Kind::HangMajority => self.hang(QUORUM, at, 200..1_300)?,
            Kind::Proxy(kind) => {
                let slots = if self.rng.random_bool(0.5) {
                    (self.networked..=self.workers).collect()
                } else {
                    vec![self.rng.random_range(self.networked..self.workers)]
                };
                self.proxy(kind, slots, 2, 200..2_000)
            }
            Kind::ProxyPartition => {
                let kind = PROXY[self.rng.random_range(0..PROXY.len())];
                let mut slots: Vec<usize> = (self.networked..self.workers).collect();
                slots.shuffle(&mut self.rng);
                slots.truncate(slots.len().div_ceil(2));
                self.proxy(kind, slots, NODES - 1, 200..1_500)
            }
            Kind::Network(kind) => self.network(kind),
            Kind::FlushScripts => Fault::FlushScripts,
        })
    }

    fn proxy(
        &mut self,
        kind: ProxyKind,
        slots: Vec<usize>,
        most_nodes: usize,
        lasts: Range<u64>,
    ) -> Fault {
        let count = self.rng.random_range(1..=most_nodes);
        Fault::Proxy {
            slots,
            nodes: self.nodes(count),
            fault: match kind {
                ProxyKind::Delay => ProxyFault::Delay(self.millis(5..200)),
                ProxyKind::LoseReplies => ProxyFault::LoseReplies,
                ProxyKind::LoseRequests => ProxyFault::LoseRequests,
                ProxyKind::Hold => ProxyFault::Hold,
                ProxyKind::Reset => ProxyFault::Reset,
                ProxyKind::Refuse => ProxyFault::Refuse,
                ProxyKind::LateAfterReset => ProxyFault::LateAfterReset,
            },
            lasts: self.millis(lasts),
        }
    }

    /// The next data loss, if it is possible at that time.
    fn data_loss(&mut self, at: Duration) -> Option<Fault> {
        if !self.may_lose_data(at) {
            return None;
        }
        let fault = match *self.data_losses.front()? {
            DataLoss::RestartOne => self.restart(1, at, 0..1_500, None)?,
            DataLoss::RestartMajority => self.restart(QUORUM, at, 0..40, Some(SLOW_KEY))?,
            DataLoss::RestartAll => self.restart(NODES, at, 0..40, Some(SLOW_KEY))?,
            DataLoss::FlushOne => Fault::Flush {
                nodes: self.nodes(1),
            },
            DataLoss::FlushAll => Fault::Flush {
                nodes: self.nodes(NODES),
            },
        };
        self.data_losses.rotate_left(1);
        self.last_data_loss = Some(at);
        Some(fault)
    }

    fn may_lose_data(&self, at: Duration) -> bool {
        self.last_data_loss
            .is_none_or(|last| at - last >= self.data_loss_pause)
    }

    /// Whether a fault of that kind is possible only while no other fault of nodes lasts.
    pub(super) fn needs_healthy_nodes(&mut self, kind: Kind, at: Duration) -> bool {
        match kind {
            Kind::HangMajority => true,
            Kind::DataLoss => {
                let next = self.data_losses.front();
                let many = matches!(next, Some(DataLoss::RestartMajority | DataLoss::RestartAll));
                many && self.may_lose_data(at) && !(self.observed && self.young(at) > 0)
            }
            _ => false,
        }
    }

    /// How many nodes restarted so recently that a new client could mistake them for old ones.
    fn young(&mut self, at: Duration) -> usize {
        self.restarts
            .retain(|restart| at.saturating_sub(*restart) < YOUNG);
        self.restarts.len()
    }

    fn restart(
        &mut self,
        count: usize,
        at: Duration,
        down: Range<u64>,
        inside: Option<&'static str>,
    ) -> Option<Fault> {
        if self.observed && self.young(at) + count > NODES - 2 {
            return None;
        }
        let down = self.millis(down);
        let nodes = self.reserve(count, at, down + RESTART_TIME)?;
        self.restarts.extend(nodes.iter().map(|_| at));
        Some(Fault::Restart {
            nodes,
            down,
            inside,
        })
    }

    fn hang(&mut self, count: usize, at: Duration, range: Range<u64>) -> Option<Fault> {
        let lasts = self.millis(range);
        let nodes = self.reserve(count, at, lasts + Duration::from_millis(100))?;
        Some(Fault::Hang { nodes, lasts })
    }

    /// Nodes without another fault of nodes meanwhile. Few at a time, since without a quorum
    /// nothing happens.
    fn reserve(&mut self, count: usize, at: Duration, lasts: Duration) -> Option<Vec<usize>> {
        let mut free: Vec<usize> = (0..NODES).filter(|node| self.free[*node] <= at).collect();
        let faulty = NODES - free.len();
        let most = if count >= QUORUM { 0 } else { 2 - count };
        if free.len() < count || faulty > most {
            return None;
        }
        free.shuffle(&mut self.rng);
        free.truncate(count);
        for node in &free {
            self.free[*node] = at + lasts;
        }
        Some(free)
    }

    /// Any nodes.
    pub(super) fn nodes(&mut self, count: usize) -> Vec<usize> {
        let mut nodes: Vec<usize> = (0..NODES).collect();
        nodes.shuffle(&mut self.rng);
        nodes.truncate(count);
        nodes
    }

    fn any_client(&mut self) -> Target {
        Target::Slot(self.rng.random_range(0..self.workers))
    }

    fn holder(&mut self) -> Target {
        Target::Holder(HOT_KEYS[self.rng.random_range(0..HOT_KEYS.len())])
    }
}
