//! Whether clients with different lists of nodes may lock at the same time.

use super::node_set::quorum;

/// The list of nodes of one client, as far as the client has met them. A node that was never met
/// cannot vote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeList {
    /// How many nodes are configured: the quorum counts them all.
    pub(crate) size: usize,
    /// The identities of the nodes that the client has met.
    pub(crate) met: Vec<String>,
}

impl NodeList {
    /// Whether some majority of this list shares no node with some majority of the other, so that
    /// both could be granted a lock.
    pub(crate) fn may_conflict_with(&self, other: &Self) -> bool {
        let shared = self
            .met
            .iter()
            .filter(|node| other.met.contains(node))
            .count();
        let majority = |list: &Self| list.met.len() >= quorum(list.size);
        // How many shared nodes a majority needs when it takes all other nodes first.
        let needs = |list: &Self| quorum(list.size).saturating_sub(list.met.len() - shared);
        majority(self) && majority(other) && needs(self) + needs(other) <= shared
    }

    /// Whether this is the same list, recorded when fewer of its nodes had been met.
    pub(crate) fn is_part_of(&self, other: &Self) -> bool {
        self.size == other.size && self.met.iter().all(|node| other.met.contains(node))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(size: usize, met: &str) -> NodeList {
        let met = met.chars().map(String::from).collect();
        NodeList { size, met }
    }

    #[test]
    fn adding_or_removing_one_node_is_safe_but_replacing_one_is_not() {
        let three = list(3, "abc");
        assert!(!three.may_conflict_with(&list(4, "abcd")));
        assert!(!list(4, "abcd").may_conflict_with(&list(3, "abd")));
        assert!(!three.may_conflict_with(&list(2, "ab")));
        assert!(three.may_conflict_with(&list(3, "abd")));
        assert!(three.may_conflict_with(&list(5, "abcde")));
        assert!(three.may_conflict_with(&list(1, "a")));
    }

    #[test]
    fn a_node_without_a_connection_so_far_causes_no_conflict() {
        assert!(!list(3, "abc").may_conflict_with(&list(3, "ab")));
        assert!(!list(3, "abc").may_conflict_with(&list(3, "d")));
    }

    /// All subsets of a list that are majorities.
    fn majorities(list: &NodeList) -> Vec<Vec<String>> {
        (0_u32..1 << list.met.len())
            .filter(|set| set.count_ones() as usize >= quorum(list.size))
            .map(|set| {
                let chosen = list.met.iter().enumerate();
                chosen
                    .filter(|(at, _)| set & (1 << at) != 0)
                    .map(|(_, node)| node.clone())
                    .collect()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lists_conflict_if_two_majorities_share_no_node(one in "[a-g]{1,5}", other in "[a-g]{1,5}", more in 0..2_usize) {
            let unique = |text: &str, more| {
                let mut met: Vec<char> = text.chars().collect();
                met.sort_unstable();
                met.dedup();
                list(met.len() + more, &met.into_iter().collect::<String>())
            };
            let (one, other) = (unique(&one, 0), unique(&other, more));
            let apart = majorities(&one).iter().any(|left| {
                majorities(&other).iter().any(|right| left.iter().all(|node| !right.contains(node)))
            });
            prop_assert_eq!(one.may_conflict_with(&other), apart);
        }
    }
}
