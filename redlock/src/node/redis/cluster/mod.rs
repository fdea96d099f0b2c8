//! What the servers of a Redis Cluster report: the map of slots, redirections, and records of
//! earlier maps.

mod slots;
mod topology;

pub(in crate::node) use self::{
    slots::{Redirection, Slots, redirection},
    topology::{Topology, TopologyReader},
};
