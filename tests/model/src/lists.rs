//! A model of clients with different lists of nodes. It checks mutual exclusion only.
//!
//! The two clients use different lists. Nodes keep an announced list for `lifetime`. A client
//! counts the votes of a node for `counted` after the node accepted the list. Locks are plain keys
//! with a ttl. No step is forced, so a client may be paused or cut off at any time.

use stateright::{Model, Property};

use crate::run::{Checked, holders};

pub(crate) const EXCLUSION: &str = "mutual exclusion among different lists";

const NODES: usize = 5;
const CLIENTS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nodes do not check lists.
    None,
    /// The design.
    Announced,
    /// An accepted list counts for ever.
    CountsForEver,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists {
    pub(crate) name: &'static str,
    /// One bit for each node.
    pub(crate) lists: [u8; CLIENTS],
    pub(crate) rule: Rule,
    pub(crate) ttl: u8,
    pub(crate) counted: u8,
    pub(crate) lifetime: u8,
    /// A client may lock while it is cut off from a minority of its nodes. Otherwise it has to
    /// reach all of them first.
    pub(crate) partial: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    /// The client that holds the key here, counted from 1.
    owner: u8,
    timer: u8,
    /// For how long each client's list is kept.
    recorded: [u8; CLIENTS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Client {
    /// For how long each node's acceptance counts.
    accepted: [u8; NODES],
    /// The nodes that ever accepted the list, and those that refused it last.
    met: u8,
    refused: u8,
    acquiring: bool,
    asked: u8,
    yes: u8,
    elapsed: u8,
    validity: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Announce {
        client: usize,
        node: usize,
    },
    /// The node records the list, but the reply is lost.
    AnnounceReplyLost {
        client: usize,
        node: usize,
    },
    Begin {
        client: usize,
    },
    Acquire {
        client: usize,
        node: usize,
    },
    GiveUp {
        client: usize,
    },
    Tick,
}

impl Lists {
    fn quorum(&self, client: usize) -> u32 {
        self.lists[client].count_ones() / 2 + 1
    }

    /// Whether a majority of one list may share no node with a majority of the other.
    fn may_conflict(&self) -> bool {
        let shared = (self.lists[0] & self.lists[1]).count_ones();
        let needs = |client: usize| {
            let alone = self.lists[client].count_ones() - shared;
            self.quorum(client).saturating_sub(alone)
        };
        needs(0) + needs(1) <= shared
    }

    fn has(&self, client: usize, node: usize) -> bool {
        self.lists[client] & (1 << node) != 0
    }

    fn may_begin(&self, state: &State, client: usize) -> bool {
        let me = &state.clients[client];
        let known = match self.rule {
            Rule::None => true,
            _ if self.partial => me.met.count_ones() >= self.quorum(client),
            Rule::CountsForEver => me.met == self.lists[client],
            Rule::Announced => {
                (0..NODES).all(|node| !self.has(client, node) || me.accepted[node] > 0)
            }
        };
        known && me.refused == 0 && !me.acquiring && me.validity == 0
    }

    fn counts(&self, state: &State, client: usize, node: usize) -> bool {
        let me = &state.clients[client];
        match self.rule {
            Rule::None => true,
            Rule::Announced => me.refused == 0 && me.accepted[node] > 0,
            Rule::CountsForEver => me.refused == 0 && me.met & (1 << node) != 0,
        }
    }

    fn announce(&self, state: &mut State, client: usize, at: usize, reply_arrives: bool) {
        let node = &mut state.nodes[at];
        let bit = 1 << at;
        let me = &mut state.clients[client];
        if self.may_conflict() && node.recorded[1 - client] > 0 {
            if reply_arrives {
                me.refused |= bit;
                me.accepted[at] = 0;
            }
            return;
        }
        node.recorded[client] = self.lifetime;
        if reply_arrives {
            me.refused &= !bit;
            me.met |= bit;
            me.accepted[at] = self.counted;
        }
    }

    fn acquire(&self, state: &mut State, client: usize, at: usize) {
        let counts = self.counts(state, client, at);
        let node = &mut state.nodes[at];
        let me = &mut state.clients[client];
        me.asked |= 1 << at;
        if node.owner != 0 {
            return;
        }
        (node.owner, node.timer) = (client as u8 + 1, self.ttl);
        if counts {
            me.yes |= 1 << at;
        }
        if me.yes.count_ones() >= self.quorum(client) {
            me.validity = self.ttl - me.elapsed;
            Self::end(me);
        }
    }

    fn end(me: &mut Client) {
        (me.acquiring, me.asked, me.yes, me.elapsed) = (false, 0, 0, 0);
    }

    fn tick(&self, state: &mut State) {
        for node in &mut state.nodes {
            node.timer = node.timer.saturating_sub(1);
            if node.timer == 0 {
                node.owner = 0;
            }
            node.recorded = node.recorded.map(|left| left.saturating_sub(1));
        }
        for me in &mut state.clients {
            me.accepted = me.accepted.map(|left| left.saturating_sub(1));
            me.validity = me.validity.saturating_sub(1);
            if me.acquiring {
                me.elapsed += 1;
                if me.elapsed >= self.ttl {
                    Self::end(me);
                }
            }
        }
    }
}

impl Checked for Lists {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn describe(&self, state: &State) -> String {
        holders(state.clients.iter().map(|client| client.validity))
    }
}

impl Model for Lists {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..CLIENTS {
            let me = &state.clients[client];
            for node in (0..NODES).filter(|&node| self.has(client, node)) {
                if self.rule != Rule::None {
                    actions.push(Action::Announce { client, node });
                    actions.push(Action::AnnounceReplyLost { client, node });
                }
                if me.acquiring && me.asked & (1 << node) == 0 {
                    actions.push(Action::Acquire { client, node });
                }
            }
            if self.may_begin(state, client) {
                actions.push(Action::Begin { client });
            }
            if me.acquiring {
                actions.push(Action::GiveUp { client });
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Announce { client, node } => self.announce(&mut state, client, node, true),
            Action::AnnounceReplyLost { client, node } => {
                self.announce(&mut state, client, node, false);
            }
            Action::Begin { client } => state.clients[client].acquiring = true,
            Action::Acquire { client, node } => self.acquire(&mut state, client, node),
            Action::GiveUp { client } => Self::end(&mut state.clients[client]),
            Action::Tick => self.tick(&mut state),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(EXCLUSION, |_, state: &State| {
            state
                .clients
                .iter()
                .filter(|client| client.validity > 0)
                .count()
                <= 1
        })]
    }
}
