//! Whose votes count: what a client knows about each node across connections, the restart guard,
//! the list of nodes that the nodes accept, and the slots of a cluster that moved.

pub(in crate::node) mod compare;
pub(in crate::node) mod known;
pub(in crate::node) mod lists;
#[cfg(feature = "cluster")]
pub(in crate::node) mod moves;
pub(in crate::node) mod state;
mod strict;

pub(crate) use self::{
    lists::Lists,
    state::{NodeState, Part},
    strict::Strict,
};
