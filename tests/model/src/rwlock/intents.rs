//! The intents of writers that wait, which keep out readers that begin later.
//!
//! A refused writer leaves one on each node, for as long as the lease that refused it and a tick more. Its
//! withdrawal is not modelled: it only admits readers earlier.

use super::{CLIENTS, NODES, Node, Rule, Sides, State};

/// How much longer an intent is kept than the lease that refused the writer.
const KEPT: u8 = 1;

impl Sides {
    /// A client sends a round: the first, before which others began to wait, or a further one.
    pub(super) fn begin_to_wait(&self, state: &mut State, client: usize) {
        if !self.intents {
            return;
        }
        if state.clients[client].rounds == 0 {
            let began = (0..CLIENTS).filter(|other| state.clients[*other].rounds > 0);
            let began = began.map(|other| 1 << other).sum();
            state.clients[client].later_than = began;
        }
        // A further round may remove its intent on a node that grants it, and lose what it was granted.
        Self::waits_no_more(state, client);
        if !self.writes(client) {
            let later_than = state.clients[client].later_than;
            let waits = |writer: &usize| {
                let is_later = later_than & 1 << writer != 0;
                is_later && state.clients[*writer].asking && has_intent(state, *writer)
            };
            let behind = (0..self.writers).find(waits);
            state.clients[client].behind = behind.map_or(0, |writer| writer as u8 + 1);
        }
    }

    /// No reader waits behind this client any more.
    pub(super) fn waits_no_more(state: &mut State, client: usize) {
        for other in &mut state.clients {
            if other.behind == client as u8 + 1 {
                other.behind = 0;
            }
        }
        state.clients[client].behind = 0;
    }

    /// Time has passed.
    pub(super) fn intents_expired(state: &mut State) {
        for client in 0..CLIENTS {
            let behind = usize::from(state.clients[client].behind);
            if behind != 0 && !has_intent(state, behind - 1) {
                state.clients[client].behind = 0;
            }
        }
    }

    /// Whether an intent keeps out a reader that began later than these clients.
    pub(super) fn waits_for_intent(&self, node: &Node, later_than: u8) -> bool {
        let began = node.intent != 0 && later_than & 1 << (node.intent - 1) != 0;
        began && !self.is(Rule::ReadIgnoresIntent)
    }

    /// A writer is refused by a holder.
    pub(super) fn leave_intent(&self, node: &mut Node, client: usize, token: u8) {
        let own = client as u8 + 1;
        let is_stale = self.is_stale(node, client, token) && !self.is(Rule::IntentWithoutBar);
        if self.intents && !is_stale && [0, own].contains(&node.intent) {
            let left = node.reads.iter().copied().max().unwrap_or(0);
            node.intent = own;
            node.intent_timer = left.max(node.timer) + KEPT;
        }
    }

    /// Exchanges the names of two clients of one side.
    pub(super) fn exchange_intents(state: &mut State, one: usize, other: usize) {
        let names = [one, other].map(|client| client as u8 + 1);
        let renamed = |name: u8| match names.iter().position(|own| *own == name) {
            Some(at) => names[1 - at],
            None => name,
        };
        for node in &mut state.nodes {
            node.intent = renamed(node.intent);
        }
        for client in &mut state.clients {
            client.behind = renamed(client.behind);
            let bits = [one, other].map(|client_| client.later_than >> client_ & 1);
            client.later_than &= !(1 << one | 1 << other);
            client.later_than |= bits[0] << other | bits[1] << one;
        }
    }
}

/// Whether a majority of the nodes has the intent of a writer.
fn has_intent(state: &State, writer: usize) -> bool {
    let nodes = state.nodes.iter();
    nodes
        .filter(|node| usize::from(node.intent) == writer + 1)
        .count()
        > NODES / 2
}
