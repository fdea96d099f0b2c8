//! A Redis Cluster as one node: its shards fail, hang, forget and take over one by one, which affects only their own keys.

mod connecting;
mod sharded;
mod shards;
mod successors;
