//! A simulated process: a client on a machine of its own, and a task that can be paused and crash.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::{AbortHandle, JoinHandle};

use crate::{
    client::Redlock,
    memory::{Node, Nodes},
};

/// One process of a simulated world, with a client of its own. Passed to the body of [`World::spawn`](super::World::spawn).
#[derive(Clone, Debug)]
pub struct Process {
    redlock: Redlock,
    nodes: Nodes,
}

impl Process {
    pub(super) fn new(nodes: Nodes) -> Self {
        let redlock = Redlock::builder().nodes(nodes.nodes()).connect_lazy();
        Self {
            redlock: redlock.expect("the defaults are valid"),
            nodes,
        }
    }

    /// The client of this process, with the default settings. It connects when it is used first.
    #[must_use]
    pub fn redlock(&self) -> &Redlock {
        &self.redlock
    }

    /// The nodes as this process reaches them, for a client with other settings:
    /// `Redlock::builder().nodes(process.nodes().nodes())`.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }
}

/// A process that was spawned. A future of what its body returns: `None` if it crashed.
///
/// Dropping it lets the process run on.
pub struct Running<T>(pub(super) JoinHandle<Option<T>>);

impl<T> Future for Running<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Aborted by a crash, or the world ends.
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|ended| ended.ok().flatten())
    }
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// What faults act on.
#[derive(Debug)]
pub(super) struct Machine {
    /// Its number, from 0 in the order of the spawns.
    pub(super) number: usize,
    pub(super) nodes: Nodes,
    task: AbortHandle,
    paused: bool,
    pub(super) crashed: bool,
}

impl Machine {
    pub(super) fn new(number: usize, nodes: Nodes, task: AbortHandle) -> Self {
        Self {
            number,
            nodes,
            task,
            paused: false,
            crashed: false,
        }
    }

    pub(super) fn runs(&self) -> bool {
        !self.crashed && !self.task.is_finished()
    }

    /// Ends the task. What its guards send when they are dropped goes nowhere, as after a crash.
    pub(super) fn crash(&mut self) {
        self.crashed = true;
        self.nodes.freeze();
        for node in self.nodes.nodes() {
            cut(&node, true);
        }
        self.task.abort();
    }

    /// Returns whether it ran until now.
    pub(super) fn pause(&mut self) -> bool {
        self.nodes.freeze();
        !std::mem::replace(&mut self.paused, true)
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
        if !self.crashed {
            self.nodes.thaw();
        }
    }

    /// Ends a fault of the network to a node.
    pub(super) fn reach(&self, node: usize, switch: fn(&Node, bool)) {
        if !self.crashed {
            switch(&self.nodes.node(node), false);
        }
    }

    /// Ends all faults but a crash.
    pub(super) fn heal(&mut self) {
        if !self.crashed {
            self.nodes.nodes().iter().for_each(|node| cut(node, false));
            self.resume();
        }
    }
}

pub(super) fn cut(node: &Node, on: bool) {
    node.lose_requests(on);
    node.lose_replies(on);
}
