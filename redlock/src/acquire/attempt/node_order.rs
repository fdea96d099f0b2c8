//! The order in which all contenders for a key ask the nodes one by one, so that the first node breaks ties.

use crate::{key::Key, node::Nodes};

/// The nodes that are up, in the order for `key`.
///
/// The order depends on the nodes' own identities, so it is the same for clients that list the nodes in another order or under
/// other names. Different keys start with different nodes.
pub(super) fn node_order(nodes: &Nodes, key: &Key) -> Vec<usize> {
    let ids = nodes.lists.ids();
    let id = |node: usize| ids[node].as_deref().unwrap_or(nodes.states[node].name());
    let mut order: Vec<usize> = (0..nodes.len())
        .filter(|&node| nodes.states[node].is_up())
        .collect();
    order.sort_by_cached_key(|&node| weight(id(node), key.lock()));
    order
}

/// FNV-1a, which is the same in every process, unlike the hashers of the standard library, followed by the finalizer of
/// MurmurHash3: with FNV alone, keys that differ only in their last characters would have the same order.
fn weight(node: &str, key: &str) -> u64 {
    let bytes = node.bytes().chain([0]).chain(key.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_comes_first_for_some_key() {
        let mut first = [0; 3];
        for key in 0..300 {
            let key = key.to_string();
            let node = (0..3).min_by_key(|node| weight(["a", "b", "c"][*node], &key));
            first[node.expect("three nodes")] += 1;
        }
        assert!(first.iter().all(|keys| *keys > 50), "{first:?}");
    }
}
