//! Several nodes in memory, as the clients of one machine see them.

use std::sync::Arc;

use super::{Node, freeze::Freezer};
use crate::env::random::Random;

/// Several nodes in memory, and a network to them. Clones are the same nodes over the same network.
#[derive(Clone, Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
    freezer: Arc<Freezer>,
}

impl Nodes {
    /// `nodes` fresh nodes, named `memory-0` and so on. Use 3 or 5; a client refuses 0.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self::made(nodes, &Random::System)
    }

    /// Like [`new`](Self::new), but the pauses of clients of these nodes follow from `seed`, and
    /// tokens do not depend on the machine's wall clock. So a test that is itself deterministic
    /// repeats exactly under paused time. Owners are unique in each run.
    #[must_use]
    pub fn seeded(nodes: usize, seed: u64) -> Self {
        Self::made(nodes, &Random::seeded(seed))
    }

    fn made(nodes: usize, random: &Random) -> Self {
        let freezer = Arc::default();
        Self {
            nodes: (0..nodes)
                .map(|index| Node::new(format!("memory-{index}"), random, &freezer))
                .collect(),
            freezer,
        }
    }

    /// The nodes, to connect to.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.clone()
    }

    /// Node `index`, from 0.
    ///
    /// # Panics
    /// If there is no such node, as indexing a slice does.
    #[must_use]
    pub fn node(&self, index: usize) -> Node {
        self.nodes[index].clone()
    }

    /// The same nodes from another machine: over a network of its own, with its own delays and
    /// losses.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// use redlock::{Redlock, memory::Nodes};
    ///
    /// let here = Nodes::new(3);
    /// let there = here.apart();
    /// for node in there.nodes() {
    ///     node.lose_requests(true); // `there` is cut off, `here` is not affected
    /// }
    /// let guard = Redlock::connect(here.nodes()).await?.lock("invoice:42").await?;
    /// assert!(Redlock::connect(there.nodes()).await.unwrap_err().is_no_quorum());
    /// # drop(guard); Ok(()) }
    /// ```
    #[must_use]
    pub fn apart(&self) -> Self {
        let freezer = Arc::default();
        Self {
            nodes: self.nodes.iter().map(|node| node.apart(&freezer)).collect(),
            freezer,
        }
    }

    /// The same nodes over the same network, for a copy of this process, as after a fork or a
    /// restored snapshot of the machine: clients of a seeded copy get the same random numbers as
    /// later clients of this handle.
    #[must_use]
    pub fn fork(&self) -> Self {
        let Some(random) = self.nodes.first().map(|node| node.random().fork()) else {
            return self.clone();
        };
        let nodes = self.nodes.iter();
        Self {
            nodes: nodes.map(|node| node.with_random(&random)).collect(),
            freezer: Arc::clone(&self.freezer),
        }
    }

    /// Ends the faults of all nodes, and of the network of this handle to them: each node runs, answers and accepts writes, as a
    /// master, and the network is fast and loses nothing. What was held back is delivered.
    ///
    /// What a node has forgotten stays forgotten, a clock stays where it is, and clients stay [frozen](Self::freeze).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// use redlock::{Redlock, memory::Nodes};
    ///
    /// let nodes = Nodes::new(3);
    /// nodes.node(0).stop();
    /// nodes.node(1).lose_replies(true);
    /// nodes.heal();
    /// Redlock::connect(nodes.nodes()).await?;
    /// # Ok(()) }
    /// ```
    pub fn heal(&self) {
        self.nodes.iter().for_each(Node::heal_network);
        self.nodes.iter().for_each(Node::heal_server);
    }

    /// Freezes the clients of this handle, like a process after `SIGSTOP`: they read no replies,
    /// renew no lock, and do not poll any [`task`](Self::task).
    pub fn freeze(&self) {
        self.freezer.freeze();
    }

    /// Continues after [`freeze`](Self::freeze), with the replies that arrived meanwhile.
    pub fn thaw(&self) {
        self.freezer.thaw();
    }

    /// Runs `body` as part of the process that [`freeze`](Self::freeze) stops.
    pub fn task<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F> {
        Arc::clone(&self.freezer).task(body)
    }
}

/// The former name of [`Nodes`].
#[deprecated(note = "renamed to `Nodes`: a Redis Cluster is something else")]
pub type Cluster = Nodes;
