//! A Redis Cluster and a Sentinel-managed master as one node.
