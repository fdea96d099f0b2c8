//! The nodes of an example: three inside the process, or the Redis nodes in `REDIS_URLS`.

use redlock::{Error, NodeAddress, NodeState, Redlock, memory};

/// An example of `REDIS_URLS`, for messages.
const FORM: &str =
    "REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003";

/// A lock service, and its nodes if they are in this process.
#[derive(Clone, Debug)]
pub struct Locks {
    /// The lock service.
    pub redlock: Redlock,
    /// The nodes inside this process; empty if `REDIS_URLS` names real ones.
    pub embedded: Vec<memory::Node>,
    addresses: Vec<NodeAddress>,
}

impl Locks {
    /// Connects to the nodes in `REDIS_URLS`, or to three nodes inside this process if it is unset or empty.
    ///
    /// # Errors
    ///
    /// One sentence that says what is wrong with `REDIS_URLS` or its nodes, and what to do about it.
    pub async fn from_env() -> Result<Locks, String> {
        let Some(urls) = std::env::var_os("REDIS_URLS").filter(|urls| !urls.is_empty()) else {
            return Locks::embedded(3).await;
        };
        let Some(urls) = urls.to_str() else {
            return Err(format!("REDIS_URLS is not UTF-8; write it as {FORM}"));
        };
        let addresses: Vec<NodeAddress> = urls
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(NodeAddress::from)
            .collect();
        if addresses.is_empty() {
            return Err(format!(
                "REDIS_URLS names no node; write it as {FORM}, or unset it to use nodes inside this process"
            ));
        }
        let redlock = Redlock::connect(addresses.clone())
            .await
            .map_err(|error| unusable(&error))?;
        Ok(Locks {
            redlock,
            embedded: Vec::new(),
            addresses,
        })
    }

    /// The same for several processes that share their locks, which nodes inside one of them cannot be for.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env), and one sentence if `REDIS_URLS` is unset or empty.
    pub async fn shared_from_env() -> Result<Locks, String> {
        let locks = Locks::from_env().await?;
        match locks.embedded.is_empty() {
            true => Ok(locks),
            false => Err(format!(
                "the processes share their locks: name the nodes, as in {FORM}"
            )),
        }
    }

    /// A further client of the same nodes, as another process would have it.
    ///
    /// # Errors
    ///
    /// One sentence, if the label is none.
    pub fn client(&self, label: &str) -> Result<Redlock, String> {
        let client = Redlock::builder()
            .nodes(self.addresses.clone())
            .label(label);
        client.connect_lazy().map_err(|error| error.to_string())
    }

    async fn embedded(count: usize) -> Result<Locks, String> {
        let embedded = memory::Nodes::new(count).nodes();
        let addresses = embedded.iter().map(NodeAddress::from).collect();
        match Redlock::connect(&embedded).await {
            Ok(redlock) => Ok(Locks {
                redlock,
                embedded,
                addresses,
            }),
            Err(error) => Err(format!(
                "the nodes inside this process do not start: {error}"
            )),
        }
    }

    /// Where the locks are, to follow the word "on".
    #[must_use]
    pub fn place(&self) -> String {
        match self.embedded.len() {
            0 => "the Redis nodes of REDIS_URLS".to_owned(),
            count => format!("{count} nodes inside this process"),
        }
    }

    /// A line for each node with its state.
    pub async fn describe(&self) -> Vec<String> {
        let health = self.redlock.health().await;
        let line = |node: redlock::NodeHealth| match node.state {
            NodeState::Up => format!("{} is up", node.node),
            NodeState::Quarantined { left } => {
                format!(
                    "{} is up, but restarted: its votes do not count for {} s",
                    node.node,
                    left.as_secs()
                )
            }
            NodeState::Down { cause } => format!("{} is down: {cause}", node.node),
            _ => node.node,
        };
        health.into_iter().map(line).collect()
    }
}

/// One sentence for nodes that cannot be used.
fn unusable(error: &Error) -> String {
    if error.is_no_quorum() {
        let nodes: Vec<String> = error
            .node_errors()
            .iter()
            .map(|node| format!("{}: {}", node.node(), node.cause()))
            .collect();
        return format!(
            "too few of the nodes in REDIS_URLS can be used ({}); start or correct them, or unset REDIS_URLS to use nodes inside this process",
            nodes.join(", "),
        );
    }
    format!("REDIS_URLS cannot be used: {error}; for example {FORM}")
}
