//! The clocks of the nodes, which differ and drift.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redlock::memory::Nodes;

pub(super) struct Clocks {
    nodes: Nodes,
    /// How far each is ahead of the slowest possible one.
    ahead: Mutex<Vec<Duration>>,
}

impl Clocks {
    /// Each clock is ahead by what `ahead` returns.
    pub(super) fn new(nodes: &Nodes, mut ahead: impl FnMut() -> Duration) -> Self {
        let ahead: Vec<Duration> = nodes.nodes().iter().map(|_| ahead()).collect();
        for (node, ahead) in nodes.nodes().iter().zip(&ahead) {
            node.shift_clock(*ahead);
        }
        Self {
            nodes: nodes.clone(),
            ahead: Mutex::new(ahead),
        }
    }

    /// The clock of a node runs fast.
    pub(super) fn drift(&self, node: usize, by: Duration) {
        self.nodes.node(node).shift_clock(by);
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead[node] += by;
    }

    /// How far the clock of a client is ahead that knows the time of all nodes, which is their median, and how
    /// far the fastest clock.
    pub(super) fn ahead(&self) -> (Duration, Duration) {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ahead = ahead.clone();
        ahead.sort_unstable();
        (ahead[(ahead.len() - 1) / 2], ahead[ahead.len() - 1])
    }
}
