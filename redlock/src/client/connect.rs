//! Connecting a client to its nodes.

use crate::{
    client::{Redlock, builder::Builder},
    error::Result,
    node::NodeAddress,
};

impl Redlock {
    /// Connects to independent nodes with the default settings. [`builder`](Self::builder) has the
    /// others.
    ///
    /// The state of each node is reported by a `tracing` event. A node that is down is connected to
    /// later.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid) for an empty list, a URL that cannot be parsed, a
    /// node that is listed twice or that is a replica of another;
    /// [`is_no_quorum`](crate::Error::is_no_quorum), with the cause of each node, if fewer than a
    /// majority answer.
    pub async fn connect<I>(nodes: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: Into<NodeAddress>,
    {
        Self::builder().nodes(nodes).connect().await
    }

    /// Like [`connect`](Self::connect), but does not wait: connections are made in the background
    /// on first use, and errors of nodes are returned by that use.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid) for an empty list, a URL that cannot be parsed, or
    /// a node that is listed twice.
    pub fn connect_lazy<I>(nodes: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: Into<NodeAddress>,
    {
        Self::builder().nodes(nodes).connect_lazy()
    }

    /// A builder with all settings.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
