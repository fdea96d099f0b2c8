//! A model of the marker of `Strict` on a node that was a replica for a time.
//!
//! As a replica, the process takes over the data of another server. These may be a copy of its own
//! earlier data: with its marker, and without the locks that came later. One node is enough, since
//! the votes of other nodes do not depend on it. The model checks mutual exclusion only, so locks
//! are plain keys with a ttl.

use stateright::{Model, Property};

use crate::run::{Checked, holders};

pub(crate) const EXCLUSION: &str = "mutual exclusion across promotions";

/// What the marker names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Process,
    /// The process and its last promotion, as the server tells it.
    Promotion,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Promoted {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) names: Names,
    /// The server tells its connections that its data were replaced, and clients then open others.
    pub(crate) notices: bool,
    /// For how long a server without replicas remembers its promotion (`repl-backlog-ttl`).
    pub(crate) remembers: u8,
    pub(crate) ttl: u8,
    pub(crate) guard_time: u8,
    pub(crate) promotions: u8,
}

/// What a server keeps, and a copy of it contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Data {
    owner: u8,
    timer: u8,
    marker: u8,
    /// What is left of the quarantine.
    guard: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    #[default]
    Idle,
    Asking,
    Held,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    phase: Phase,
    elapsed: u8,
    validity: u8,
    /// The marker that its connection expects; 0 without a connection.
    marker: u8,
    /// The marker of a request whose reply it no longer reads; 0 without one.
    late: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    node: Data,
    /// What another server has of it.
    copy: Data,
    clients: [Client; 3],
    is_replica: bool,
    /// The last promotion that the server tells; 0 for none.
    told: u8,
    promotions: u8,
    /// The time since the last promotion.
    since: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Connect {
        client: usize,
    },
    Propose {
        client: usize,
    },
    Deliver {
        client: usize,
    },
    DeliverLate {
        client: usize,
    },
    GiveUp {
        client: usize,
    },
    /// The other server has all that the node has.
    Copy,
    /// The node becomes a replica of the other server.
    Demote,
    Promote,
    /// The server forgets its promotion, since it has had no replica for long.
    Forget,
    Tick,
}

impl Promoted {
    fn marker(&self, state: &State) -> u8 {
        match self.names {
            Names::Process => 1,
            Names::Promotion => 1 + state.told,
        }
    }

    /// The script of an acquire. Returns whether it is a vote.
    fn run(&self, node: &mut Data, client: usize, marker: u8) -> bool {
        if node.marker != marker {
            node.marker = marker;
            node.guard = self.guard_time;
        }
        if node.owner != 0 {
            return false;
        }
        node.owner = client as u8 + 1;
        node.timer = self.ttl;
        node.guard == 0
    }

    fn deliver(&self, state: &mut State, client: usize) {
        let me = &mut state.clients[client];
        let elapsed = std::mem::take(&mut me.elapsed);
        me.phase = Phase::Idle;
        if state.is_replica {
            return;
        }
        let votes = self.run(&mut state.node, client, me.marker);
        if votes && elapsed < self.ttl {
            me.phase = Phase::Held;
            me.validity = self.ttl - elapsed;
        } else if state.node.owner == client as u8 + 1 {
            // A yes that does not count is released at once.
            (state.node.owner, state.node.timer) = (0, 0);
        }
    }

    fn demote(&self, state: &mut State) {
        state.is_replica = true;
        state.node = state.copy;
        if !self.notices {
            return;
        }
        for me in &mut state.clients {
            if me.phase == Phase::Asking {
                (me.late, me.phase, me.elapsed) = (me.marker, Phase::Idle, 0);
            }
            me.marker = 0;
        }
    }

    fn tick(&self, state: &mut State) {
        state.since = (state.since + 1).min(self.remembers);
        for data in [&mut state.node, &mut state.copy] {
            data.timer = data.timer.saturating_sub(1);
            data.guard = data.guard.saturating_sub(1);
            if data.timer == 0 {
                data.owner = 0;
            }
        }
        for me in &mut state.clients[..self.clients] {
            match me.phase {
                Phase::Asking => me.elapsed = (me.elapsed + 1).min(self.ttl),
                Phase::Held => {
                    me.validity -= 1;
                    if me.validity == 0 {
                        *me = Client {
                            phase: Phase::Over,
                            ..Client::default()
                        };
                    }
                }
                Phase::Idle | Phase::Over => {}
            }
        }
    }
}

impl Checked for Promoted {
    fn name(&self) -> String {
        let (clients, promotions) = (self.clients, self.promotions);
        format!("{} ({clients} clients, {promotions} promotions)", self.name)
    }

    fn describe(&self, state: &State) -> String {
        holders(state.clients.iter().map(|client| client.validity))
    }
}

impl Model for Promoted {
    type State = State;
    type Action = Action;

    /// The node has been a master for a long time, and earlier clients have left the marker.
    fn init_states(&self) -> Vec<State> {
        let data = Data {
            marker: 1,
            ..Data::default()
        };
        vec![State {
            node: data,
            copy: data,
            ..State::default()
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..self.clients {
            let me = &state.clients[client];
            match me.phase {
                Phase::Idle if !state.is_replica => actions.push(Action::Connect { client }),
                Phase::Asking => {
                    actions.extend([Action::Deliver { client }, Action::GiveUp { client }]);
                }
                _ => {}
            }
            if me.phase == Phase::Idle && me.marker != 0 {
                actions.push(Action::Propose { client });
            }
            if me.late != 0 {
                actions.push(Action::DeliverLate { client });
            }
        }
        if state.is_replica {
            actions.push(Action::Promote);
        } else {
            actions.push(Action::Copy);
            if state.promotions < self.promotions {
                actions.push(Action::Demote);
            }
            if state.told != 0 && state.since >= self.remembers {
                actions.push(Action::Forget);
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Connect { client } => state.clients[client].marker = self.marker(&state),
            Action::Propose { client } => state.clients[client].phase = Phase::Asking,
            Action::Deliver { client } => self.deliver(&mut state, client),
            Action::DeliverLate { client } => {
                let marker = std::mem::take(&mut state.clients[client].late);
                if !state.is_replica {
                    self.run(&mut state.node, client, marker);
                }
            }
            Action::GiveUp { client } => {
                let late = state.clients[client].marker;
                state.clients[client] = Client {
                    phase: Phase::Over,
                    late,
                    ..Client::default()
                };
            }
            Action::Copy => state.copy = state.node,
            Action::Demote => self.demote(&mut state),
            Action::Promote => {
                state.is_replica = false;
                state.promotions += 1;
                (state.told, state.since) = (state.promotions, 0);
            }
            Action::Forget => state.told = 0,
            Action::Tick => self.tick(&mut state),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(EXCLUSION, |_, state: &State| {
            let holders = state.clients.iter().filter(|client| client.validity > 0);
            holders.count() <= 1
        })]
    }
}
