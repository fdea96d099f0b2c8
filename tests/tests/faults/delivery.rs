//! Releases arrive, whatever happens to the node, the connection, the runtime or the load.
