//! A TCP proxy in front of a node that delays, holds, loses and cuts traffic, and delivers it after
//! a cut.
//!
//! ```no_run
//! # async fn example() {
//! use tests::proxy::{Direction, Flow, Proxy};
//!
//! let cluster = tests::Cluster::start(1).await;
//! let proxy = Proxy::before(cluster.node(0)).await;
//! // .. connect to proxy.url(), then hold what is sent:
//! proxy.set(Direction::ToServer, Flow::Hold);
//! // .. send something, and cut the client off while the bytes are still on their way:
//! proxy.cut_client_side();
//! proxy.set(Direction::ToServer, Flow::PASS);
//! proxy.deliver();
//! # }
//! ```

mod pump;
mod unanswered;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Cluster, Node};
pub use unanswered::Unanswered;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They arrive, each after this delay, in order and at full throughput.
    Pass {
        /// The added latency.
        delay: Duration,
    },
    /// They stay in the proxy until the flow is another one.
    Hold,
    /// They are lost.
    Lose,
}

impl Flow {
    /// They arrive at once.
    pub const PASS: Self = Self::Pass {
        delay: Duration::ZERO,
    };

    /// They arrive after `delay`.
    #[must_use]
    pub const fn delay(delay: Duration) -> Self {
        Self::Pass { delay }
    }
}

/// A listening address with a server behind it. Dropped: closed, with all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// The state that the connections of one proxy share.
#[derive(Debug)]
struct Shared {
    rules: watch::Sender<Rules>,
    refusing: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    held: [AtomicUsize; 2],
    passed: [AtomicUsize; 2],
}

/// A connection obeys the flows, and the cuts that were made after it was accepted.
#[derive(Clone, Copy, Debug)]
struct Rules {
    flows: [Flow; 2],
    /// How often all connections were cut.
    cuts: u64,
    /// How often the client sides alone were cut.
    client_cuts: u64,
    /// The client-side cuts up to here have been followed by [`Proxy::deliver`].
    delivered: u64,
    /// How often the established connections were given a flow of their own, and the last one.
    settings: u64,
    established: Flow,
}

impl Rules {
    /// What happens to the bytes of a connection that was accepted under `at_accept`.
    fn flow(&self, direction: Direction, at_accept: &Self) -> Flow {
        if self.settings > at_accept.settings {
            self.established
        } else {
            self.flows[direction as usize]
        }
    }
}

impl Proxy {
    /// A proxy in front of `node`.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn before(node: &Node) -> Self {
        Self::start(node.address()).await
    }

    /// One proxy in front of each node, in their order.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn before_all(cluster: &Cluster) -> Vec<Self> {
        join_all(cluster.nodes().iter().map(Self::before)).await
    }

    /// A proxy in front of the server at `upstream`, which need not be up yet.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free loopback port");
        let address = listener
            .local_addr()
            .expect("the address of a bound socket");
        let shared = Arc::new(Shared {
            rules: watch::Sender::new(Rules {
                flows: [Flow::PASS; 2],
                cuts: 0,
                client_cuts: 0,
                delivered: 0,
                settings: 0,
                established: Flow::PASS,
            }),
            refusing: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            held: Default::default(),
            passed: Default::default(),
        });
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// The address to give to a client.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Sets what happens to the bytes of one direction from now on, including those held so far.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.shared
            .rules
            .send_modify(|rules| rules.flows[direction as usize] = flow);
    }

    /// Both directions at once.
    pub fn set_both(&self, flow: Flow) {
        self.shared
            .rules
            .send_modify(|rules| rules.flows = [flow; 2]);
    }

    /// Both directions of the connections that are open now; those that are accepted later are not
    /// concerned. With [`Flow::Lose`] it is what a NAT or a load balancer does to a connection that
    /// it has forgotten.
    pub fn set_established(&self, flow: Flow) {
        self.shared.rules.send_modify(|rules| {
            rules.settings += 1;
            rules.established = flow;
        });
    }

    /// Resets every connection, on both sides; what was held is lost. New connections are accepted.
    pub fn cut(&self) {
        self.shared.rules.send_modify(|rules| rules.cuts += 1);
    }

    /// Resets the client's side of every connection. What was held for the server stays held until
    /// [`deliver`](Self::deliver), whatever the flow: packets that are still on their way when the
    /// client has given up.
    pub fn cut_client_side(&self) {
        self.shared
            .rules
            .send_modify(|rules| rules.client_cuts += 1);
    }

    /// Delivers to the server what [`cut_client_side`](Self::cut_client_side) left behind.
    pub fn deliver(&self) {
        self.shared
            .rules
            .send_modify(|rules| rules.delivered = rules.client_cuts);
    }

    /// Whether new connections are reset at once.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::SeqCst);
    }

    /// How many bytes of this direction are in the proxy now.
    #[must_use]
    pub fn held(&self, direction: Direction) -> usize {
        self.shared.held[direction as usize].load(Ordering::SeqCst)
    }

    /// How many bytes of this direction have left the proxy so far.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> usize {
        self.shared.passed[direction as usize].load(Ordering::SeqCst)
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open, or have bytes left to deliver.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        if shared.refusing.load(Ordering::SeqCst) {
            let _ = client.set_zero_linger();
            continue;
        }
        // Here and not in the task: a cut right after the client has connected concerns it.
        let rules = shared.rules.subscribe();
        let at_accept = *rules.borrow();
        let shared = Arc::clone(&shared);
        shared.open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            match TcpStream::connect(upstream).await {
                Ok(server) => pump::link(client, server, &shared, rules, at_accept).await,
                Err(_) => drop(client.set_zero_linger()),
            }
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
