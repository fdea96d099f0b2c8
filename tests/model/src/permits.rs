//! A model of the permits of a semaphore. Each permit is an exclusive key, and a client chooses
//! one.
//!
//! A client may choose any permit for any attempt, which covers every strategy. Requests arrive in
//! any order, late or never. Replies arrive at once: a client that reads one later only holds for a
//! part of the same time. Extensions are those of the exclusive lock and are not modelled.

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const AT_MOST: &str = "at most n clients hold a permit, each a different one";
pub(crate) const ORDER: &str = "tokens of a permit increase";
pub(crate) const ORPHANS: &str =
    "no permit is held for an attempt whose release the node carried out";

const NODES: usize = 3;
const PERMITS: usize = 2;
const CLIENTS: usize = 3;
const ATTEMPTS: usize = 4;

const ACQUIRE: u8 = 1;
const RELEASE: u8 = 2;
const RELEASED: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    KeyForEach,
    /// A node grants any permit while fewer than n are held on it.
    CountedByNode,
    /// The votes for one permit also count for the next one that the client tries.
    VotesAdded,
    /// A release deletes the permit's key, whoever holds it.
    ReleaseAnyOwner,
    /// A release leaves no tombstone.
    NoTombstone,
    /// Nodes do not compare the token with the fence.
    NoStale,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Permits {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    /// The number of permits, at most [`PERMITS`].
    pub(crate) permits: u8,
    /// Attempts of each client.
    pub(crate) attempts: usize,
    /// Any token in `1..=tokens` may be proposed.
    pub(crate) tokens: u8,
    pub(crate) ttl: u8,
    pub(crate) rule: Rule,
    pub(crate) fixed_names: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    /// The attempt that holds each permit on this node, counted from 1.
    owner: [u8; PERMITS],
    timer: [u8; PERMITS],
    fence: [u8; PERMITS],
    /// The requests in flight from each attempt, and whether its release was carried out.
    flight: [u8; ATTEMPTS],
    /// Whether the node replied yes to the client's current attempt.
    yes: [bool; CLIENTS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Attempt {
    permit: u8,
    token: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    /// Attempts that are over.
    over: u8,
    acquiring: bool,
    elapsed: u8,
    validity: u8,
    /// A larger token of the permit was granted before this one was proposed.
    outdated: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    nodes: [Node; NODES],
    attempts: [Attempt; ATTEMPTS],
    clients: [Client; CLIENTS],
    granted: [u8; PERMITS],
    out_of_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Propose {
        client: usize,
        permit: u8,
        token: u8,
    },
    /// The acquire of an attempt arrives at a node, and the reply at the client.
    Acquire {
        attempt: usize,
        node: usize,
    },
    Release {
        attempt: usize,
        node: usize,
    },
    /// The client gives up an attempt or releases.
    End {
        client: usize,
    },
    Tick,
}

impl Permits {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    fn attempt_of(&self, state: &State, client: usize) -> usize {
        client * self.attempts + usize::from(state.clients[client].over)
    }

    fn may_propose(&self, state: &State, client: usize) -> bool {
        let me = &state.clients[client];
        usize::from(me.over) < self.attempts && !me.acquiring && me.validity == 0
    }

    fn propose(&self, state: &mut State, client: usize, permit: u8, token: u8) {
        let attempt = self.attempt_of(state, client);
        state.attempts[attempt] = Attempt { permit, token };
        let me = &mut state.clients[client];
        me.acquiring = true;
        me.outdated = token <= state.granted[usize::from(permit)];
        for node in &mut state.nodes {
            node.flight[attempt] |= ACQUIRE;
        }
    }

    fn acquire(&self, state: &mut State, attempt: usize, at: usize) {
        let sent = state.attempts[attempt];
        let node = &mut state.nodes[at];
        node.flight[attempt] &= !ACQUIRE;
        let permit = if self.is(Rule::CountedByNode) {
            let free = (0..PERMITS).find(|permit| node.owner[*permit] == 0);
            let Some(free) = free else { return };
            free
        } else {
            usize::from(sent.permit)
        };
        let stale = node.fence[permit] >= sent.token && !self.is(Rule::NoStale);
        if node.owner[permit] != 0 || stale {
            return;
        }
        node.owner[permit] = attempt as u8 + 1;
        node.timer[permit] = self.ttl;
        node.fence[permit] = node.fence[permit].max(sent.token);
        let client = attempt / self.attempts;
        let is_current =
            state.clients[client].acquiring && attempt == self.attempt_of(state, client);
        if is_current {
            state.nodes[at].yes[client] = true;
            self.decide(state, client);
        }
    }

    fn decide(&self, state: &mut State, client: usize) {
        let yes = state.nodes.iter().filter(|node| node.yes[client]).count();
        let me = &mut state.clients[client];
        if yes <= NODES / 2 || me.elapsed >= self.ttl {
            return;
        }
        me.acquiring = false;
        me.validity = self.ttl - me.elapsed;
        me.elapsed = 0;
        let outdated = me.outdated;
        let Attempt { permit, token } = state.attempts[self.attempt_of(state, client)];
        let granted = &mut state.granted[usize::from(permit)];
        state.out_of_order |= outdated || token == *granted;
        *granted = (*granted).max(token);
        for node in &mut state.nodes {
            node.yes[client] = false;
        }
    }

    /// Ends the attempt and sends its release to every node.
    fn end(&self, state: &mut State, client: usize) {
        let attempt = self.attempt_of(state, client);
        let keeps_votes = self.is(Rule::VotesAdded) && state.clients[client].acquiring;
        for node in &mut state.nodes {
            node.flight[attempt] |= RELEASE;
            node.yes[client] &= keeps_votes;
        }
        let over = state.clients[client].over + 1;
        state.clients[client] = Client {
            over,
            ..Client::default()
        };
    }

    fn release(&self, state: &mut State, attempt: usize, at: usize) {
        let sent = state.attempts[attempt];
        let node = &mut state.nodes[at];
        node.flight[attempt] = node.flight[attempt] & !RELEASE | RELEASED;
        for permit in 0..PERMITS {
            let is_own = node.owner[permit] == attempt as u8 + 1;
            let is_named = permit == usize::from(sent.permit);
            if is_own || is_named && self.is(Rule::ReleaseAnyOwner) {
                (node.owner[permit], node.timer[permit]) = (0, 0);
            }
        }
        if !self.is(Rule::NoTombstone) {
            let fence = &mut node.fence[usize::from(sent.permit)];
            *fence = (*fence).max(sent.token + 1);
        }
    }

    fn tick(&self, state: &mut State) {
        for node in &mut state.nodes {
            for permit in 0..PERMITS {
                node.timer[permit] = node.timer[permit].saturating_sub(1);
                if node.timer[permit] == 0 {
                    node.owner[permit] = 0;
                }
            }
        }
        for client in 0..self.clients {
            let me = &mut state.clients[client];
            let held = me.validity > 0;
            me.validity = me.validity.saturating_sub(1);
            me.elapsed += u8::from(me.acquiring);
            if held && me.validity == 0 || me.acquiring && me.elapsed >= self.ttl {
                self.end(state, client);
            }
        }
    }
}

impl Checked for Permits {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn fix_names(&mut self) {
        self.fixed_names = true;
    }

    fn describe(&self, state: &State) -> String {
        let holders = (0..self.clients).filter(|client| state.clients[*client].validity > 0);
        let lines = holders.map(|client| {
            let Attempt { permit, token } = state.attempts[self.attempt_of(state, client)];
            format!("  [client {client} holds permit {permit} with token {token}]")
        });
        lines.collect()
    }

    /// Nodes are interchangeable.
    fn representative(&self, state: &State) -> State {
        let mut state = *state;
        state.nodes.sort_unstable();
        state
    }
}

impl Model for Permits {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..self.clients {
            if self.may_propose(state, client) {
                for permit in 0..self.permits {
                    let tokens = 1..=self.tokens;
                    actions.extend(tokens.map(|token| Action::Propose {
                        client,
                        permit,
                        token,
                    }));
                }
            } else if state.clients[client].acquiring || state.clients[client].validity > 0 {
                actions.push(Action::End { client });
            }
        }
        for (node, at) in state.nodes.iter().enumerate() {
            for (attempt, flight) in at.flight.iter().enumerate() {
                if flight & ACQUIRE != 0 {
                    actions.push(Action::Acquire { attempt, node });
                }
                if flight & RELEASE != 0 {
                    actions.push(Action::Release { attempt, node });
                }
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Propose {
                client,
                permit,
                token,
            } => self.propose(&mut state, client, permit, token),
            Action::Acquire { attempt, node } => self.acquire(&mut state, attempt, node),
            Action::Release { attempt, node } => self.release(&mut state, attempt, node),
            Action::End { client } => self.end(&mut state, client),
            Action::Tick => self.tick(&mut state),
        }
        if !self.fixed_names {
            state = self.representative(&state);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(AT_MOST, |model: &Self, state: &State| {
                let mut held = [0; PERMITS];
                for client in 0..model.clients {
                    if state.clients[client].validity > 0 {
                        let attempt = model.attempt_of(state, client);
                        held[usize::from(state.attempts[attempt].permit)] += 1;
                    }
                }
                // If nodes choose the permit, only the number of holders can be checked.
                if model.is(Rule::CountedByNode) {
                    held.iter().sum::<usize>() <= PERMITS
                } else {
                    held.iter().all(|holders| *holders <= 1)
                }
            }),
            Property::always(ORDER, |_, state: &State| !state.out_of_order),
            Property::always(ORPHANS, |_, state: &State| {
                let orphaned = |node: &Node| {
                    let mut owners = node.owner.iter().filter(|owner| **owner > 0);
                    owners.any(|owner| node.flight[usize::from(*owner) - 1] & RELEASED != 0)
                };
                !state.nodes.iter().any(orphaned)
            }),
        ]
    }
}
