//! A Redis Cluster as one node: its shards fail, hang, forget and take over one by one, and only their own keys notice.

mod connecting;
mod sharded;
mod shards;
mod successors;
