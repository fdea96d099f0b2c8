//! N independent Redis nodes, each a real server process on loopback.

mod look;
mod node;
mod port;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::network::Host;
pub use node::Node;
use process::Launch;

/// Independent nodes without persistence, which end with the test, however it ends.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts `n` nodes and waits until each of them answers.
    ///
    /// # Panics
    ///
    /// When there is no server binary, or one does not come up; the message has its log.
    pub async fn start(n: usize) -> Self {
        Self::builder(n).start().await
    }

    /// `n` nodes with further settings.
    #[must_use]
    pub fn builder(n: usize) -> Builder {
        Builder {
            nodes: n,
            args: Vec::new(),
            password: None,
            unix_sockets: false,
            more_ports: Vec::new(),
            config: None,
            server: None,
            hosts: Vec::new(),
        }
    }

    /// The address of every node, in the form that `Redlock::connect` takes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Node::url).collect()
    }

    /// The node at `index`, counted from 0.
    ///
    /// # Panics
    ///
    /// When there are not that many.
    #[must_use]
    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that run and are not paused, so that they can be inspected.
    pub fn live(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_live())
    }

    /// The indices of the live nodes on which `key` exists.
    pub async fn locked_on(&self, key: &str) -> Vec<usize> {
        let looks = self
            .live()
            .map(async |node| node.exists(key).await.then_some(node.index()));
        join_all(looks).await.into_iter().flatten().collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.kill();
        }
    }
}

/// Settings of a [`Cluster`].
#[derive(Clone, Debug)]
pub struct Builder {
    nodes: usize,
    args: Vec<OsString>,
    password: Option<String>,
    unix_sockets: bool,
    more_ports: Vec<&'static str>,
    config: Option<String>,
    server: Option<PathBuf>,
    hosts: Vec<Host>,
}

impl Builder {
    /// A directive for every server, as on its command line: `arg(["--maxmemory", "2mb"])`.
    #[must_use]
    pub fn arg<I>(mut self, words: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.args.extend(words.into_iter().map(Into::into));
        self
    }

    /// Every node requires this password. The URLs contain it.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The URLs name unix sockets. The nodes answer on TCP as well.
    #[must_use]
    pub fn unix_sockets(mut self) -> Self {
        self.unix_sockets = true;
        self
    }

    /// Every node gets a further free port, set by this directive: `--tls-port`, `--cluster-port`.
    #[must_use]
    pub fn port_for(mut self, directive: &'static str) -> Self {
        self.more_ports.push(directive);
        self
    }

    /// Every node starts with a configuration file of its own, written anew with this text at each
    /// start.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// The nodes run this server binary.
    #[must_use]
    pub fn server(mut self, binary: impl Into<PathBuf>) -> Self {
        self.server = Some(binary.into());
        self
    }

    /// Each node runs on a host of its own, at that host's address. Only other hosts of the network
    /// reach it.
    ///
    /// # Panics
    ///
    /// When there are not as many hosts as nodes.
    #[must_use]
    pub fn hosts(mut self, hosts: &[Host]) -> Self {
        assert_eq!(hosts.len(), self.nodes, "one host for each node");
        self.hosts = hosts.to_vec();
        self
    }

    /// The error of a server that does not support these settings, because it is too old or was
    /// built without them.
    ///
    /// # Panics
    ///
    /// When there is no server binary.
    pub async fn lacks(&self) -> Option<String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Node::lacks(&self.launch(dir.path().join("0"))).await
    }

    fn launch(&self, dir: PathBuf) -> Launch {
        let mut launch = Launch::new(dir);
        launch.args.clone_from(&self.args);
        launch.password.clone_from(&self.password);
        launch.unix_socket = self.unix_sockets;
        launch.more_ports.clone_from(&self.more_ports);
        launch.config.clone_from(&self.config);
        launch.server.clone_from(&self.server);
        launch
    }

    /// Starts the nodes and waits until each of them answers.
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`].
    pub async fn start(self) -> Cluster {
        let dir = Arc::new(
            tempfile::Builder::new()
                .prefix("redlock-")
                .tempdir()
                .expect("a temporary directory"),
        );
        let starts = (0..self.nodes).map(|index| {
            let mut launch = self.launch(dir.path().join(index.to_string()));
            launch.host = self.hosts.get(index).cloned();
            Node::start_new(index, launch, Arc::clone(&dir))
        });
        Cluster {
            nodes: join_all(starts).await,
        }
    }
}
