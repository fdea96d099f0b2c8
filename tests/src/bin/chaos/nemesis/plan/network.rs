//! Draws the faults of links.

use std::time::Duration;

use rand::RngExt;
use tests::network::LinkFault;
use tests::proxy::Direction;

use super::super::fault::{Clients, Fault, NetworkFault, NetworkKind};
use super::planner::Planner;
use crate::config::{NODES, QUORUM, TTL};

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

impl Planner {
    pub(super) fn network(&mut self, kind: NetworkKind) -> Fault {
        let clients = match kind {
            NetworkKind::PartitionHolder => Clients::Holder,
            _ => Clients::Slots(self.networked_slots()),
        };
        let nodes = match kind {
            NetworkKind::PartitionHolder => self.rng.random_range(QUORUM..=NODES),
            NetworkKind::Partition => self.rng.random_range(1..=QUORUM),
            _ => self.rng.random_range(1..=NODES),
        };
        let directions = match kind {
            NetworkKind::CutRequests => vec![Direction::ToServer],
            NetworkKind::CutReplies => vec![Direction::ToClient],
            NetworkKind::PartitionHolder => self.any_directions(),
            _ => BOTH.to_vec(),
        };
        let link = match kind {
            NetworkKind::Loss => LinkFault::Loss(self.rng.random_range(5..=40)),
            NetworkKind::Delay => LinkFault::Delay(self.millis(5..200)),
            _ => LinkFault::Cut,
        };
        Fault::Network(NetworkFault {
            kind,
            clients,
            nodes: self.nodes(nodes),
            directions,
            link,
            lasts: match kind {
                NetworkKind::Partition | NetworkKind::PartitionHolder => {
                    TTL + self.millis(100..1_500)
                }
                _ => self.millis(200..2_000),
            },
        })
    }

    /// One client, or all that have links.
    fn networked_slots(&mut self) -> Vec<usize> {
        if self.rng.random_bool(0.5) {
            (0..self.networked).collect()
        } else {
            vec![self.rng.random_range(0..self.networked)]
        }
    }

    fn any_directions(&mut self) -> Vec<Direction> {
        match self.rng.random_range(0..3) {
            0 => vec![Direction::ToServer],
            1 => vec![Direction::ToClient],
            _ => BOTH.to_vec(),
        }
    }

    /// For how long a fault lasts, or how late something arrives.
    pub(super) fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }
}
