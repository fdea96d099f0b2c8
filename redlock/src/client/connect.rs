//! Connecting a client to its nodes.

use crate::{
    client::{Redlock, builder::Builder},
    error::Result,
    node::NodeAddress,
};

impl Redlock {
    /// Connects to independent nodes with the default settings. [`builder`](Self::builder) has the others.
    ///
    /// Each node and its state is reported by a `tracing` event. A node that is down is connected to later.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid) for no nodes, a URL that cannot be read, a node that is listed twice or is
    /// another's replica; [`is_no_quorum`](crate::Error::is_no_quorum), naming each node and its cause, when fewer than a
    /// majority answer.
    pub async fn connect<I>(nodes: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: Into<NodeAddress>,
    {
        Self::builder().nodes(nodes).connect().await
    }

    /// As [`connect`](Self::connect), without waiting for anybody: connections are made in the background on the
    /// first use, and errors of nodes come with that use.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid) for no nodes, a URL that cannot be read, a node that is listed twice.
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
