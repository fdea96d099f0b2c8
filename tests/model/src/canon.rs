//! Symmetry reduction: states that differ only in the names of nodes and clients are represented by
//! one of them.

use crate::config::Config;
use crate::state::{Client, MAX_ATTEMPTS, MAX_CLIENTS, MAX_NODES, Node, State};

/// Sorts the nodes, and orders the clients so that the state is the smallest.
pub(crate) fn representative(config: &Config, state: &State) -> State {
    let clients = state.clients.map(|client| client.packed());
    let mut best: Option<(State, Key)> = None;
    for order in orders(config.clients) {
        // Clients are sorted by their state, so other orders matter only among equal clients.
        if order
            .windows(2)
            .any(|pair| clients[pair[0]] > clients[pair[1]])
        {
            continue;
        }
        let mut renamed = if order.is_sorted() {
            *state
        } else {
            rename(config, state, order)
        };
        let key = sorted(config, &mut renamed);
        if best.as_ref().is_none_or(|(_, smallest)| key < *smallest) {
            best = Some((renamed, key));
        }
    }
    let (mut canonical, key) = best.unwrap_or((*state, Key::default()));
    canonical.digest = digest(config, &canonical, &key);
    canonical
}

/// The same state under the same names, with its digest.
pub(crate) fn unchanged(config: &Config, state: &State) -> State {
    let key = (
        state.nodes.map(|node| node.packed()),
        state.attempts.map(|attempt| attempt.packed()),
    );
    State {
        digest: digest(config, state, &key),
        ..*state
    }
}

/// All nodes and attempts, packed into numbers.
type Key = ([u128; MAX_NODES], [u64; MAX_ATTEMPTS]);

/// Sorts the nodes by their packed state. Insertion sort, since they are few and mostly in order.
fn sorted(config: &Config, state: &mut State) -> Key {
    let mut key = Key::default();
    for (slot, node) in key.0.iter_mut().zip(&state.nodes[..config.nodes]) {
        *slot = node.packed();
    }
    for next in 1..config.nodes {
        let mut at = next;
        while at > 0 && key.0[at - 1] > key.0[at] {
            key.0.swap(at - 1, at);
            state.nodes.swap(at - 1, at);
            at -= 1;
        }
    }
    for (slot, attempt) in key
        .1
        .iter_mut()
        .zip(&state.attempts[..config.clients * config.attempts])
    {
        *slot = attempt.packed();
    }
    key
}

fn digest(config: &Config, state: &State, (nodes, attempts): &Key) -> u64 {
    let nodes = nodes[..config.nodes]
        .iter()
        .flat_map(|&node| [node as u64, (node >> 64) as u64]);
    let clients = state.clients[..config.clients].iter().map(Client::packed);
    let attempts = attempts[..config.clients * config.attempts].iter().copied();
    nodes
        .chain(clients)
        .chain(attempts)
        .chain([state.packed()])
        .fold(0, mixed)
}

/// Mixes one more word into a hash: multiplies 64 by 64 bits and folds the halves.
fn mixed(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0xa076_1d64_78bd_642f_u64);
    (product as u64 ^ (product >> 64) as u64).rotate_left(29)
}

fn orders(clients: usize) -> &'static [&'static [usize]] {
    match clients {
        2 => &[&[0, 1], &[1, 0]],
        3 => &[
            &[0, 1, 2],
            &[0, 2, 1],
            &[1, 0, 2],
            &[1, 2, 0],
            &[2, 0, 1],
            &[2, 1, 0],
        ],
        _ => &[&[0]],
    }
}

/// The same state with client `order[i]` renamed to `i`.
fn rename(config: &Config, state: &State, order: &[usize]) -> State {
    let per = config.attempts;
    let total = config.clients * per;
    let mut renamed = *state;
    let mut ids = [0; 1 + 2 * MAX_ATTEMPTS];
    for (new, &old) in order.iter().enumerate() {
        renamed.clients[new] = state.clients[old];
        for attempt in 0..per {
            let (to, from) = (new * per + attempt, old * per + attempt);
            renamed.attempts[to] = state.attempts[from];
            ids[from + 1] = to as u8 + 1;
            ids[total + from + 1] = (total + to) as u8 + 1;
        }
    }
    for node in &mut renamed.nodes[..config.nodes] {
        let before = *node;
        rename_node(node, &before, order, per, &ids);
    }
    renamed
}

fn rename_node(
    node: &mut Node,
    before: &Node,
    order: &[usize],
    per: usize,
    ids: &[u8; 1 + 2 * MAX_ATTEMPTS],
) {
    debug_assert!(order.len() <= MAX_CLIENTS);
    node.owner = ids[usize::from(before.owner)];
    node.snapshot.0 = ids[usize::from(before.snapshot.0)];
    for (new, &old) in order.iter().enumerate() {
        node.votes[new] = before.votes[old];
        node.support[new] = before.support[old];
        for attempt in 0..per {
            node.flight[new * per + attempt] = before.flight[old * per + attempt];
        }
    }
}
