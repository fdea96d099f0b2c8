//! A model of tickets.
//!
//! The sender holds the lock with token 1 on all nodes and has detached it. The ticket has the rest
//! of its validity. An extension of the sender may still be in flight to each node. Adopters, and a
//! stranger that requests the lock without the ticket, then send rounds with any token. Requests
//! arrive in any order, late or never. Replies arrive at once.

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const ONE_ADOPTION: &str = "a ticket is adopted once";
pub(crate) const EXCLUSION: &str = "at most one client or ticket holds the lock";
pub(crate) const HELD: &str = "a holder has the key on a majority of the nodes";
pub(crate) const ADOPTABLE: &str = "a ticket can be adopted after failed adoptions";
pub(crate) const ORDER: &str = "tokens increase from holder to holder";
pub(crate) const TIDY: &str = "nothing is left of a ticket once its adopter has released";

const NODES: usize = 3;
/// Two adopters and a stranger.
const CLIENTS: usize = 3;
const STRANGER: usize = 2;
/// The owner in the ticket. Clients are 1 and up.
const TICKET: u8 = 9;
/// The token in the ticket.
const SENT: u8 = 1;

const REQUEST: u8 = 1;
const GIVE_BACK: u8 = 2;
const EXTEND: u8 = 4;
/// A release of the ticket's owner, from the client that has adopted the lock.
const CLEAR: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Design,
    /// A missing key is adopted whatever the fence is.
    AnyMissing,
    /// A lock is adopted whoever holds the key.
    AnyOwner,
    /// Adoptions ignore the fence.
    NoStale,
    /// A failed adoption deletes the key.
    GiveBackDeletes,
    /// A failed adoption writes the ticket's owner whoever holds the key.
    GiveBackAnyOwner,
    /// A failed adoption leaves no tombstone.
    NoTombstone,
    /// The yes votes of two rounds are added.
    RoundsAdded,
    /// The sender extends although it has detached.
    SenderExtends,
    /// An adopter leaves the ticket's owner where its adoption did not arrive.
    NotCleared,
    /// An adopter releases the ticket's owner before it has a majority.
    ClearedEarly,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tickets {
    pub(crate) name: &'static str,
    /// How many of the clients adopt.
    pub(crate) adopters: usize,
    /// A client requests the lock without the ticket.
    pub(crate) stranger: bool,
    /// An extension of the sender is still in flight to each node.
    pub(crate) extends: bool,
    /// Rounds of each client.
    pub(crate) rounds: u8,
    /// Any token in `2..=tokens` may be proposed.
    pub(crate) tokens: u8,
    pub(crate) ttl: u8,
    pub(crate) rule: Rule,
    pub(crate) fixed_names: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    owner: u8,
    timer: u8,
    fence: u8,
    /// The requests in flight from each client, with the token of its last round. The last one is
    /// the sender's extension.
    flight: [u8; CLIENTS + 1],
    yes: [bool; CLIENTS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    token: u8,
    rounds: u8,
    acquiring: bool,
    over: bool,
    elapsed: u8,
    validity: u8,
    won: bool,
    outdated: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    /// The remaining time of the ticket.
    ticket: u8,
    adopted: u8,
    granted: u8,
    out_of_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A client sends its first or a further round.
    Propose {
        client: usize,
        token: u8,
    },
    /// Its request arrives at a node, and the reply at the client.
    Arrive {
        client: usize,
        node: usize,
    },
    /// The client gives up or releases.
    End {
        client: usize,
    },
    /// A release arrives, or a request to give the lock back to the ticket.
    GiveBack {
        client: usize,
        node: usize,
    },
    /// A release of the ticket's owner arrives, from a client that has adopted the lock.
    Clear {
        client: usize,
        node: usize,
    },
    /// A late extension of the sender arrives.
    Extend {
        node: usize,
    },
    Tick,
}

impl Tickets {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    fn takes_part(&self, client: usize) -> bool {
        client < self.adopters || client == STRANGER && self.stranger
    }

    fn may_propose(&self, state: &State, client: usize) -> bool {
        let me = &state.clients[client];
        let in_time = client == STRANGER || state.ticket > 0;
        self.takes_part(client)
            && !me.over
            && me.validity == 0
            && me.rounds < self.rounds
            && in_time
    }

    fn propose(&self, state: &mut State, client: usize, token: u8) {
        let me = &mut state.clients[client];
        me.acquiring = true;
        me.rounds += 1;
        me.token = token;
        me.elapsed = 0;
        me.outdated = token <= state.granted;
        for node in &mut state.nodes {
            node.flight[client] |= REQUEST;
            node.yes[client] &= self.is(Rule::RoundsAdded);
        }
        if client != STRANGER && self.is(Rule::ClearedEarly) {
            Self::clear(state, client);
        }
    }

    fn arrive(&self, state: &mut State, client: usize, at: usize) {
        let me = state.clients[client];
        let node = &mut state.nodes[at];
        node.flight[client] &= !REQUEST;
        let own = client as u8 + 1;
        let free = if client == STRANGER {
            node.owner == 0 || node.owner == own
        } else {
            let missing = node.owner == 0 && (node.fence <= SENT || self.is(Rule::AnyMissing));
            missing || node.owner == TICKET || node.owner == own || self.is(Rule::AnyOwner)
        };
        let stale = node.fence >= me.token && !(self.is(Rule::NoStale) && client != STRANGER);
        if !free || stale {
            return;
        }
        (node.owner, node.timer) = (own, self.ttl);
        node.fence = node.fence.max(me.token);
        if me.acquiring {
            node.yes[client] = true;
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
        state.out_of_order |= me.outdated || me.token <= SENT;
        state.granted = state.granted.max(me.token);
        me.won = true;
        state.adopted += u8::from(client != STRANGER);
        if client != STRANGER && !self.is(Rule::NotCleared) {
            Self::clear(state, client);
        }
    }

    /// The adopter releases the ticket's owner on the nodes that have not confirmed the adoption.
    fn clear(state: &mut State, client: usize) {
        for node in &mut state.nodes {
            if !node.yes[client] {
                node.flight[client] |= CLEAR;
            }
        }
    }

    fn clear_arrives(state: &mut State, client: usize, at: usize) {
        let node = &mut state.nodes[at];
        node.flight[client] &= !CLEAR;
        if node.owner == TICKET {
            (node.owner, node.timer) = (0, 0);
        }
        node.fence = node.fence.max(SENT + 1);
    }

    fn end(state: &mut State, client: usize) {
        let me = &mut state.clients[client];
        (me.acquiring, me.over, me.validity) = (false, true, 0);
        for node in &mut state.nodes {
            node.flight[client] |= GIVE_BACK;
            node.yes[client] = false;
        }
    }

    /// The stranger and a successful adopter release. A failed adopter gives the lock back while
    /// the ticket is valid.
    fn give_back(&self, state: &mut State, client: usize, at: usize) {
        let ticket = state.ticket;
        let me = state.clients[client];
        let node = &mut state.nodes[at];
        node.flight[client] &= !GIVE_BACK;
        let gives_back =
            client != STRANGER && ticket > 0 && !me.won && !self.is(Rule::GiveBackDeletes);
        let is_own = node.owner == client as u8 + 1;
        if gives_back && (is_own || self.is(Rule::GiveBackAnyOwner)) {
            (node.owner, node.timer) = (TICKET, node.timer.min(ticket).max(1));
        } else if is_own {
            (node.owner, node.timer) = (0, 0);
        }
        if !self.is(Rule::NoTombstone) {
            node.fence = node.fence.max(me.token + 1);
        }
    }

    fn extend(&self, state: &mut State, at: usize) {
        let node = &mut state.nodes[at];
        node.flight[CLIENTS] &= !EXTEND;
        let missing = node.owner == 0 && node.fence <= SENT;
        if node.owner == TICKET || missing || self.is(Rule::SenderExtends) {
            (node.owner, node.timer) = (TICKET, self.ttl.max(node.timer));
        }
    }

    fn tick(&self, state: &mut State) {
        state.ticket = state.ticket.saturating_sub(1);
        for node in &mut state.nodes {
            node.timer = node.timer.saturating_sub(1);
            if node.timer == 0 {
                node.owner = 0;
            }
        }
        for client in 0..CLIENTS {
            let me = &mut state.clients[client];
            let held = me.validity > 0;
            me.validity = me.validity.saturating_sub(1);
            me.elapsed += u8::from(me.acquiring);
            if held && me.validity == 0 || me.acquiring && me.elapsed >= self.ttl {
                Self::end(state, client);
            }
        }
    }
}

impl Checked for Tickets {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn fix_names(&mut self) {
        self.fixed_names = true;
    }

    fn describe(&self, state: &State) -> String {
        let holders = state.clients.iter().enumerate();
        let holders = holders.filter(|(_, client)| client.validity > 0);
        let lines = holders.map(|(index, client)| {
            format!(
                "  [client {index} holds for {} with token {}]",
                client.validity, client.token
            )
        });
        lines
            .chain([format!("  [ticket {}]", state.ticket)])
            .collect()
    }

    /// Nodes are interchangeable.
    fn representative(&self, state: &State) -> State {
        let mut state = *state;
        state.nodes.sort_unstable();
        state
    }
}

impl Model for Tickets {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let node = Node {
            owner: TICKET,
            timer: self.ttl,
            fence: SENT,
            flight: [0, 0, 0, if self.extends { EXTEND } else { 0 }],
            yes: [false; CLIENTS],
        };
        vec![State {
            nodes: [node; NODES],
            ticket: self.ttl,
            granted: SENT,
            ..State::default()
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..CLIENTS {
            if self.may_propose(state, client) {
                let tokens = state.clients[client].token + 1..=self.tokens;
                actions.extend(
                    tokens
                        .filter(|token| *token > SENT)
                        .map(|token| Action::Propose { client, token }),
                );
            }
            if state.clients[client].acquiring || state.clients[client].validity > 0 {
                actions.push(Action::End { client });
            }
        }
        for (node, at) in state.nodes.iter().enumerate() {
            for client in 0..CLIENTS {
                if at.flight[client] & REQUEST != 0 {
                    actions.push(Action::Arrive { client, node });
                }
                if at.flight[client] & GIVE_BACK != 0 {
                    actions.push(Action::GiveBack { client, node });
                }
                if at.flight[client] & CLEAR != 0 {
                    actions.push(Action::Clear { client, node });
                }
            }
            if at.flight[CLIENTS] & EXTEND != 0 {
                actions.push(Action::Extend { node });
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Propose { client, token } => self.propose(&mut state, client, token),
            Action::Arrive { client, node } => self.arrive(&mut state, client, node),
            Action::End { client } => Self::end(&mut state, client),
            Action::GiveBack { client, node } => self.give_back(&mut state, client, node),
            Action::Clear { client, node } => Self::clear_arrives(&mut state, client, node),
            Action::Extend { node } => self.extend(&mut state, node),
            Action::Tick => self.tick(&mut state),
        }
        if !self.fixed_names {
            state = self.representative(&state);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ADOPTION, |_, state: &State| state.adopted <= 1),
            Property::always(EXCLUSION, |_, state: &State| {
                let clients = state.clients.iter();
                let holders = clients.filter(|client| client.validity > 0).count();
                let detached = state.ticket > 0 && state.adopted == 0;
                holders + usize::from(detached) <= 1
            }),
            Property::always(HELD, |_, state: &State| {
                let on = |client: usize| {
                    let owners = state.nodes.iter().map(|node| node.owner);
                    owners
                        .filter(|owner| usize::from(*owner) == client + 1)
                        .count()
                };
                (0..CLIENTS)
                    .all(|client| state.clients[client].validity == 0 || on(client) > NODES / 2)
            }),
            Property::always(ORDER, |_, state: &State| !state.out_of_order),
            Property::always(ADOPTABLE, |model: &Self, state: &State| {
                let adopters = 0..model.adopters;
                let asks = |client: usize| state.clients[client].acquiring;
                let in_flight =
                    |node: &Node| (adopters.clone()).any(|client| node.flight[client] != 0);
                // The fence does not matter while the ticket's owner holds the key.
                let tickets = state
                    .nodes
                    .iter()
                    .filter(|node| node.owner == TICKET)
                    .count();
                state.ticket == 0
                    || state.adopted > 0
                    || adopters.clone().any(asks)
                    || state.nodes.iter().any(in_flight)
                    || tickets > NODES / 2
            }),
            // Another adopter that failed meanwhile gives its nodes back to the ticket, until that expires.
            Property::always(TIDY, |model: &Self, state: &State| {
                let done = |client: usize| state.clients[client].over && state.clients[client].won;
                let in_flight = |node: &Node| node.flight.iter().any(|flight| *flight != 0);
                model.adopters > 1
                    || !done(0)
                    || state.nodes.iter().any(in_flight)
                    || state.nodes.iter().all(|node| node.owner != TICKET)
            }),
        ]
    }
}
