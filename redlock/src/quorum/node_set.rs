//! Sets of nodes, and how many nodes are a quorum.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Release, SeqCst},
};

/// A set of nodes, by index. A client has at most [`NodeSet::MAX`] nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeSet(u64);

impl NodeSet {
    pub(crate) const MAX: usize = 64;

    pub(crate) fn all(nodes: usize) -> Self {
        Self(u64::MAX >> (Self::MAX - nodes.clamp(1, Self::MAX)))
    }

    pub(crate) fn only(node: usize) -> Self {
        Self(1 << node)
    }

    pub(crate) fn insert(&mut self, node: usize) {
        self.0 |= 1 << node;
    }

    pub(crate) fn contains(self, node: usize) -> bool {
        self.0 & (1 << node) != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let node = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (node < Self::MAX).then_some(node)
        })
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(nodes: I) -> Self {
        let mut set = Self::default();
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

/// A set of nodes that is shared between threads.
#[derive(Debug)]
pub(crate) struct AtomicNodeSet(AtomicU64);

impl AtomicNodeSet {
    pub(crate) fn new(nodes: NodeSet) -> Self {
        Self(AtomicU64::new(nodes.0))
    }

    pub(crate) fn load(&self) -> NodeSet {
        NodeSet(self.0.load(SeqCst))
    }

    pub(crate) fn store(&self, nodes: NodeSet) {
        self.0.store(nodes.0, Release);
    }

    /// Adds `nodes`, in one order with all other sequentially consistent operations.
    pub(crate) fn add(&self, nodes: NodeSet) {
        self.0.fetch_or(nodes.0, SeqCst);
    }
}

/// A majority of the configured nodes, whether they are connected or not.
pub(crate) fn quorum(nodes: usize) -> usize {
    nodes / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_nodes_are_sets() {
        let set = |nodes: &[usize]| nodes.iter().copied().collect::<NodeSet>();
        let (one, other) = (set(&[0, 2, 63]), set(&[2, 3]));
        assert!(one.iter().eq([0, 2, 63]));
        assert_eq!((one.len(), NodeSet::default().len()), (3, 0));
        assert!(one.contains(63) && !one.contains(1));
        assert_eq!(one.union(other), set(&[0, 2, 3, 63]));
        assert_eq!(one.intersection(other), set(&[2]));
        assert_eq!(one.difference(other), set(&[0, 63]));
        assert_eq!(NodeSet::only(2), set(&[2]));
        assert_eq!(NodeSet::all(3), set(&[0, 1, 2]));
        assert_eq!(NodeSet::all(NodeSet::MAX).len(), NodeSet::MAX);
    }
}
