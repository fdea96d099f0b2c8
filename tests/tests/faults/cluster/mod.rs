//! A Redis Cluster and a Sentinel-managed master as one node: servers that take over, are cut off, and come back.

mod maps;
mod masters;
mod newcomers;
mod redirections;
mod resharding;
mod shards;
mod slots;
mod support;
