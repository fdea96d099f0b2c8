//! Nodes and clients on hosts of their own: network namespaces, joined by links that lose, delay
//! and cut packets.
//!
//! Every client has one link to every node, so that each pair can fail on its own, in either
//! direction. What is cut is dropped without a trace: connections stay half-open, no reset arrives,
//! and both kernels retransmit into the void. The process that builds the network is one more host,
//! the *observer*, whose links never fail.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tests::network::{Link, LinkFault, Network};
//! use tests::proxy::Direction;
//!
//! // In a process that `network::isolated` started:
//! let network = Network::build(3, 1)?;
//! let cluster = tests::Cluster::builder(3).hosts(network.nodes()).start().await;
//! // .. start a client with `network.client(0).command(program)`, then lose the replies of node 2:
//! let link = Link { client: 0, node: 2 };
//! let imposed = network.impose(&[link], &[Direction::ToClient], LinkFault::Cut).await?;
//! // ..
//! let packets = network.lift(imposed).await?;
//! # Ok(())
//! # }
//! ```

mod isolation;
mod shaping;
mod tools;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use tokio::net::{TcpSocket, TcpStream};

use crate::proxy::Direction;
pub use isolation::{Unavailable, isolated};
use shaping::{Device, Shaping};
use tools::Batch;

/// The most nodes, and the most clients: the last byte of an address counts them.
const MAX_HOSTS: usize = 200;

/// One link: between a client and a node, each counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The client's index.
    pub client: usize,
    /// The node's index.
    pub node: usize,
}

/// What happens to the packets of one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkFault {
    /// All are dropped.
    Cut,
    /// This percentage is dropped at random.
    Loss(u8),
    /// They arrive later: by about this much with netem, else by a bandwidth that one request fills
    /// for this long.
    Delay(std::time::Duration),
}

/// Hosts and links. They are removed with the process that built them.
#[derive(Debug)]
pub struct Network {
    nodes: Vec<Host>,
    clients: Vec<Host>,
    shaping: Shaping,
    /// The directions of links that have a fault now.
    faulty: Mutex<HashSet<(Link, Direction)>>,
}

/// A network namespace with one address.
#[derive(Clone, Debug)]
pub struct Host {
    /// `None`: the observer, which is in the namespace of this process.
    namespace: Option<String>,
    address: Ipv4Addr,
}

impl Host {
    /// The address of this host, on all of its links.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// `program` on this host. It has the process id of the command.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.file().display()))
            .arg("--")
            .arg(program);
        command
    }

    /// Connects from this host, although this process is on another one.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`]. On systems without network namespaces, always.
    pub async fn connect(&self, server: SocketAddr) -> io::Result<TcpStream> {
        let namespace = self.file();
        // A socket stays in the namespace of the thread that creates it; a thread of its own enters
        // and ends.
        let (send, receive) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let socket = isolation::enter(&namespace).and_then(|()| TcpSocket::new_v4());
            let _ = send.send(socket);
        });
        let socket = receive.await.map_err(io::Error::other)??;
        socket.connect(server).await
    }

    fn file(&self) -> PathBuf {
        match &self.namespace {
            Some(name) => PathBuf::from(isolation::NAMED).join(name),
            None => "/proc/self/ns/net".into(),
        }
    }
}

/// A fault while it lasts.
#[derive(Debug)]
#[must_use = "the fault lasts until it is lifted"]
pub struct Imposed {
    fault: LinkFault,
    directions: Vec<(Link, Direction)>,
}

impl Network {
    /// Builds the hosts and their links.
    ///
    /// # Errors
    ///
    /// When this process is not [`isolated`], or the kernel can neither drop nor delay packets.
    pub fn build(nodes: usize, clients: usize) -> Result<Self, Unavailable> {
        assert!(nodes.max(clients) < MAX_HOSTS, "too many hosts");
        isolation::check()?;
        let shaping = Shaping::detect()?;
        let host = |kind: &str, subnet: u8, index: usize| Host {
            namespace: Some(format!("{kind}{index}")),
            address: Ipv4Addr::new(10, 77, subnet, last_byte(index)),
        };
        let network = Self {
            nodes: (0..nodes).map(|index| host("node", 0, index)).collect(),
            clients: (0..clients).map(|index| host("client", 1, index)).collect(),
            shaping,
            faulty: Mutex::default(),
        };
        network.connect().map_err(Unavailable::new)?;
        Ok(network)
    }

    /// Creates the namespaces and the links between them.
    fn connect(&self) -> io::Result<()> {
        let observer = Host {
            namespace: None,
            address: Ipv4Addr::new(10, 77, 2, 1),
        };
        let near: Vec<&Host> = self.clients.iter().chain([&observer]).collect();
        let mut links = Batch::ip(None);
        for host in self.nodes.iter().chain(&self.clients) {
            links.line(&format!("netns add {}", namespace(host)));
        }
        links.run_blocking()?;
        let mut links = Batch::ip(None);
        let mut near_ends: Vec<Batch> = near.iter().map(|host| interfaces(host)).collect();
        for (node, far) in self.nodes.iter().enumerate() {
            let mut far_end = interfaces(far);
            for (client, host) in near.iter().enumerate() {
                let link = Link { client, node };
                let (at_client, at_node) = (client_device(link), node_device(link));
                let (client_mac, node_mac) = (mac(1, link), mac(2, link));
                let end = |host: &Host| match &host.namespace {
                    Some(name) => format!("netns {name}"),
                    None => String::new(),
                };
                links.line(&format!(
                    "link add {at_client} address {client_mac} {} type veth peer name {at_node} address {node_mac} {}",
                    end(host),
                    end(far)
                ));
                attach(
                    &mut near_ends[client],
                    host,
                    &at_client,
                    far.address,
                    &node_mac,
                );
                attach(&mut far_end, far, &at_node, host.address, &client_mac);
            }
            near_ends.push(far_end);
        }
        links.run_blocking()?;
        near_ends.iter().try_for_each(Batch::run_blocking)
    }

    /// The hosts of the nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Host] {
        &self.nodes
    }

    /// The host of one client.
    ///
    /// # Panics
    ///
    /// When there are not that many.
    #[must_use]
    pub fn client(&self, index: usize) -> &Host {
        &self.clients[index]
    }

    /// How packets are dropped and delayed here.
    #[must_use]
    pub fn shaping(&self) -> &'static str {
        self.shaping.name()
    }

    /// Begins a fault in these directions of these links, except for those that have one already.
    ///
    /// # Errors
    ///
    /// When `tc` fails.
    pub async fn impose(
        &self,
        links: &[Link],
        directions: &[Direction],
        fault: LinkFault,
    ) -> io::Result<Imposed> {
        let wanted = links
            .iter()
            .flat_map(|link| directions.iter().map(|direction| (*link, *direction)));
        let free: Vec<(Link, Direction)> = {
            let mut faulty = self.faulty();
            wanted.filter(|it| faulty.insert(*it)).collect()
        };
        let batches = self.batches(&free, fault, |device, batch| {
            self.shaping.impose(fault, device, batch);
        });
        let imposed = Imposed {
            fault,
            directions: free,
        };
        match try_join_all(batches.iter().map(Batch::run)).await {
            Ok(_) => Ok(imposed),
            Err(error) => {
                self.forget(&imposed);
                Err(error)
            }
        }
    }

    /// Ends a fault. Returns how many packets it dropped or delayed.
    ///
    /// # Errors
    ///
    /// When `tc` fails.
    pub async fn lift(&self, imposed: Imposed) -> io::Result<u64> {
        let batches = self.batches(&imposed.directions, imposed.fault, |device, batch| {
            self.shaping.lift(imposed.fault, device, batch);
        });
        let lifted = try_join_all(batches.iter().map(Batch::run)).await;
        self.forget(&imposed);
        let shown = lifted?;
        Ok(shown
            .iter()
            .map(|text| shaping::affected(imposed.fault, text))
            .sum())
    }

    /// One batch for each namespace that has devices of these directions.
    fn batches(
        &self,
        directions: &[(Link, Direction)],
        fault: LinkFault,
        add: impl Fn(&Device, &mut Batch),
    ) -> Vec<Batch> {
        let mut batches: std::collections::BTreeMap<String, Batch> = Default::default();
        for (link, direction) in directions {
            let at_client = (*direction == Direction::ToServer) == self.shaping.is_at_sender(fault);
            let (host, device) = if at_client {
                (&self.clients[link.client], client_device(*link))
            } else {
                (&self.nodes[link.node], node_device(*link))
            };
            let name = namespace(host);
            let batch = batches
                .entry(name.to_owned())
                .or_insert_with(|| Batch::tc(Some(name)));
            add(&Device(device), batch);
        }
        batches.into_values().collect()
    }

    fn forget(&self, imposed: &Imposed) {
        let mut faulty = self.faulty();
        for direction in &imposed.directions {
            faulty.remove(direction);
        }
    }

    fn faulty(&self) -> MutexGuard<'_, HashSet<(Link, Direction)>> {
        self.faulty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Imposed {
    /// Whether every direction of the links had a fault of its own already.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.directions.is_empty()
    }
}

fn namespace(host: &Host) -> &str {
    host.namespace.as_deref().unwrap_or_default()
}

/// The commands that give a host its address.
fn interfaces(host: &Host) -> Batch {
    let mut batch = Batch::ip(host.namespace.as_deref());
    batch.line("link set lo up");
    batch.line(&format!("addr add {}/32 dev lo", host.address));
    batch
}

/// The commands that bring up one end of a link. The neighbour is permanent: a cut must not end in
/// "host unreachable".
fn attach(batch: &mut Batch, host: &Host, device: &str, peer: Ipv4Addr, peer_mac: &str) {
    batch.line(&format!("link set {device} addrgenmode none"));
    batch.line(&format!("link set {device} up"));
    batch.line(&format!(
        "neigh add {peer} lladdr {peer_mac} dev {device} nud permanent"
    ));
    batch.line(&format!(
        "route add {peer}/32 dev {device} src {}",
        host.address
    ));
}

/// The interface of the client's end.
fn client_device(link: Link) -> String {
    format!("to-node{}-{}", link.node, link.client)
}

/// The interface of the node's end.
fn node_device(link: Link) -> String {
    format!("to-client{}-{}", link.client, link.node)
}

fn mac(side: u8, link: Link) -> String {
    let (client, node) = (last_byte(link.client), last_byte(link.node));
    format!("02:00:00:{side:02x}:{client:02x}:{node:02x}")
}

fn last_byte(index: usize) -> u8 {
    u8::try_from(index + 1).expect("at most MAX_HOSTS")
}
