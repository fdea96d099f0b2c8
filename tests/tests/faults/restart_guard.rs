//! Nodes that have forgotten locks, and clients with different lists of nodes.
