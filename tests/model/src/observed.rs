//! A model of the `Observed` guard for clients that connect to a node for the first time. It checks
//! mutual exclusion only.
//!
//! A client that knew a node before notices its restart and does not count its votes for the guard
//! time. A new client knows only the uptimes. Only the ages of the nodes matter here, so locks are
//! plain keys with a ttl.

use stateright::{Model, Property};

use crate::run::{Checked, holders};

pub(crate) const EXCLUSION: &str = "mutual exclusion among newcomers";

/// How a new client uses the uptimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newcomer {
    /// Counts all votes.
    Trusts,
    /// Does not count a process younger than the guard time that started more than the tolerance
    /// after the oldest process that it has ever connected to.
    ComparesMet,
    /// The same with the oldest process that it knows now. When that one restarts, the others seem
    /// old.
    ComparesPresent,
    /// Like `ComparesMet`, but a process younger than the guard time counts only once all nodes are
    /// connected, and no process counts within the tolerance after its start.
    ComparesAll,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    pub(crate) newcomer: Newcomer,
    pub(crate) ttl: u8,
    pub(crate) guard_time: u8,
    pub(crate) tolerance: u8,
    pub(crate) restarts: u8,
    /// A new client may reach only some of the nodes.
    pub(crate) partial: bool,
    /// A new client begins only after it has connected to a node that has never restarted.
    pub(crate) meets_first: bool,
    /// A node may restart within the tolerance after the first start of all.
    pub(crate) early_restarts: bool,
    pub(crate) symmetric: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Met {
    #[default]
    Never,
    /// This process is the first one of the node that the client has seen.
    First,
    /// The client knew an earlier process.
    Restarted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Vote {
    #[default]
    None,
    Yes,
    /// A yes of a process that no longer exists.
    Gone,
}

/// A node as a client knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct View {
    met: Met,
    /// The rest of the guard time since it noticed the restart.
    guard: u8,
    in_flight: bool,
    vote: Vote,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    owner: u8,
    timer: u8,
    /// The age of the process, up to the largest age that makes a difference.
    age: u8,
    restarted: bool,
    views: [View; 3],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    #[default]
    Idle,
    Acquiring,
    Held,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    phase: Phase,
    elapsed: u8,
    validity: u8,
    /// The age of the oldest process that it ever connected to, as if that had continued.
    oldest: u8,
    /// It has connected to a node that had never restarted.
    met_first: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    nodes: [Node; 5],
    clients: [Client; 3],
    restarts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Meet { client: usize, node: usize },
    MeetAll { client: usize },
    Propose { client: usize },
    Deliver { client: usize, node: usize },
    GiveUp { client: usize },
    Restart { node: usize },
    Tick,
}

impl Observed {
    fn oldest_age(&self) -> u8 {
        self.guard_time + self.tolerance + 1
    }

    /// Whether the client counts the votes of the current process of a node.
    fn counts(&self, state: &State, client: usize, node: &Node) -> bool {
        let nodes = &state.nodes[..self.nodes];
        let met = nodes
            .iter()
            .filter(|node| node.views[client].met != Met::Never);
        let oldest = match self.newcomer {
            Newcomer::ComparesPresent => met.clone().map(|node| node.age).max().unwrap_or(0),
            _ => state.clients[client].oldest,
        };
        let old = node.age >= self.guard_time;
        let with_the_oldest = oldest.saturating_sub(node.age) <= self.tolerance;
        let by_uptime = match self.newcomer {
            Newcomer::Trusts => true,
            Newcomer::ComparesMet | Newcomer::ComparesPresent => old || with_the_oldest,
            Newcomer::ComparesAll => {
                old || with_the_oldest && met.count() == self.nodes && node.age > self.tolerance
            }
        };
        match node.views[client].met {
            Met::Never => false,
            Met::First => by_uptime,
            Met::Restarted => node.views[client].guard == 0,
        }
    }

    fn may_begin(&self, state: &State, client: usize) -> bool {
        state
            .nodes
            .iter()
            .any(|node| node.views[client].met != Met::Never)
            && (!self.meets_first || state.clients[client].met_first)
    }

    fn decide(&self, state: &mut State, client: usize) {
        let yes = state.nodes[..self.nodes]
            .iter()
            .filter(|node| match node.views[client].vote {
                Vote::None => false,
                Vote::Yes => self.counts(state, client, node),
                Vote::Gone => true,
            });
        let won = yes.count() > self.nodes / 2;
        let me = &mut state.clients[client];
        if me.phase != Phase::Acquiring {
            return;
        }
        let validity = self.ttl - me.elapsed;
        if validity == 0 {
            self.end(state, client);
        } else if won {
            self.end(state, client);
            state.clients[client] = Client {
                phase: Phase::Held,
                validity,
                ..Client::default()
            };
        }
    }

    /// Discards what the client knew: it has only one attempt. Requests in flight still arrive.
    fn end(&self, state: &mut State, client: usize) {
        state.clients[client] = Client {
            phase: Phase::Over,
            ..Client::default()
        };
        for node in &mut state.nodes[..self.nodes] {
            node.views[client] = View {
                in_flight: node.views[client].in_flight,
                ..View::default()
            };
        }
    }

    fn meet(state: &mut State, client: usize, node: usize) {
        let node = &mut state.nodes[node];
        let me = &mut state.clients[client];
        me.oldest = node.age.max(me.oldest);
        me.met_first |= !node.restarted;
        let view = &mut node.views[client];
        if view.met == Met::Never {
            view.met = Met::First;
        }
    }

    fn deliver(&self, state: &mut State, client: usize, at: usize) {
        let node = &mut state.nodes[at];
        node.views[client].in_flight = false;
        if node.owner != 0 {
            return;
        }
        node.owner = client as u8 + 1;
        node.timer = self.ttl;
        if state.clients[client].phase == Phase::Acquiring {
            node.views[client].vote = Vote::Yes;
        }
    }

    fn restart(&self, state: &mut State, at: usize) {
        state.restarts += 1;
        let before = *state;
        let node = &mut state.nodes[at];
        (node.owner, node.timer, node.age, node.restarted) = (0, 0, 0, self.meets_first);
        for (client, view) in node.views[..self.clients].iter_mut().enumerate() {
            view.in_flight = false;
            let counted = self.counts(&before, client, &before.nodes[at]);
            view.vote = match view.vote {
                Vote::Yes if !counted => Vote::None,
                Vote::Yes => Vote::Gone,
                vote => vote,
            };
            // The restart is noticed at the earliest time. Noticed later, it would only count
            // later.
            if view.met != Met::Never {
                (view.met, view.guard) = (Met::Restarted, self.guard_time);
            }
        }
    }

    fn tick(&self, state: &mut State) {
        for node in &mut state.nodes[..self.nodes] {
            node.timer = node.timer.saturating_sub(1);
            if node.timer == 0 {
                node.owner = 0;
            }
            node.age = (node.age + 1).min(self.oldest_age());
            for view in &mut node.views {
                view.guard = view.guard.saturating_sub(1);
            }
        }
        for (index, client) in state.clients.iter_mut().enumerate() {
            if state
                .nodes
                .iter()
                .any(|node| node.views[index].met != Met::Never)
            {
                client.oldest = (client.oldest + 1).min(self.oldest_age());
            }
            match client.phase {
                Phase::Acquiring => client.elapsed += 1,
                Phase::Held => {
                    client.validity -= 1;
                    if client.validity == 0 {
                        client.phase = Phase::Over;
                    }
                }
                Phase::Idle | Phase::Over => {}
            }
        }
    }
}

impl Checked for Observed {
    fn name(&self) -> String {
        let Self {
            name,
            nodes,
            clients,
            restarts,
            ..
        } = self;
        format!("{name} ({nodes} nodes, {clients} clients, {restarts} restarts)")
    }

    fn fix_names(&mut self) {
        self.symmetric = false;
    }

    fn describe(&self, state: &State) -> String {
        holders(state.clients.iter().map(|client| client.validity))
    }

    fn representative(&self, state: &State) -> State {
        let orders: &[[usize; 3]] = match self.clients {
            2 => &[[0, 1, 2], [1, 0, 2]],
            _ => &[
                [0, 1, 2],
                [0, 2, 1],
                [1, 0, 2],
                [1, 2, 0],
                [2, 0, 1],
                [2, 1, 0],
            ],
        };
        let renamed = orders.iter().map(|order| {
            let mut renamed = *state;
            renamed.clients = order.map(|old| state.clients[old]);
            for node in &mut renamed.nodes[..self.nodes] {
                let before = *node;
                node.views = order.map(|old| before.views[old]);
                if before.owner != 0 {
                    let owner = usize::from(before.owner) - 1;
                    node.owner = order
                        .iter()
                        .position(|&old| old == owner)
                        .map_or(0, |new| new as u8 + 1);
                }
            }
            renamed.nodes[..self.nodes].sort_unstable();
            renamed
        });
        renamed.min().unwrap_or(*state)
    }
}

impl Model for Observed {
    type State = State;
    type Action = Action;

    /// All nodes start now, or have been up for a long time.
    fn init_states(&self) -> Vec<State> {
        [0, self.oldest_age()]
            .map(|age| {
                let mut state = State::default();
                for node in &mut state.nodes[..self.nodes] {
                    node.age = age;
                }
                state
            })
            .into()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..self.clients {
            let met = |node: &usize| state.nodes[*node].views[client].met != Met::Never;
            let active = matches!(state.clients[client].phase, Phase::Idle | Phase::Acquiring);
            if !active {
            } else if self.partial {
                actions.extend(
                    (0..self.nodes)
                        .filter(|node| !met(node))
                        .map(|node| Action::Meet { client, node }),
                );
            } else if !(0..self.nodes).all(|node| met(&node)) {
                actions.push(Action::MeetAll { client });
            }
            match state.clients[client].phase {
                Phase::Idle if self.may_begin(state, client) => {
                    actions.push(Action::Propose { client });
                }
                Phase::Acquiring => actions.push(Action::GiveUp { client }),
                _ => {}
            }
            let in_flight =
                (0..self.nodes).filter(|&node| state.nodes[node].views[client].in_flight);
            actions.extend(in_flight.map(|node| Action::Deliver { client, node }));
        }
        let oldest = state.nodes[..self.nodes]
            .iter()
            .map(|node| node.age)
            .max()
            .unwrap_or(0);
        if state.restarts < self.restarts && (self.early_restarts || oldest > self.tolerance) {
            actions.extend((0..self.nodes).map(|node| Action::Restart { node }));
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Meet { client, node } => Self::meet(&mut state, client, node),
            Action::MeetAll { client } => {
                (0..self.nodes).for_each(|node| Self::meet(&mut state, client, node));
            }
            Action::Propose { client } => {
                state.clients[client].phase = Phase::Acquiring;
                for node in &mut state.nodes[..self.nodes] {
                    let view = &mut node.views[client];
                    view.in_flight = view.met != Met::Never;
                }
            }
            Action::Deliver { client, node } => self.deliver(&mut state, client, node),
            Action::GiveUp { client } => self.end(&mut state, client),
            Action::Restart { node } => self.restart(&mut state, node),
            Action::Tick => self.tick(&mut state),
        }
        (0..self.clients).for_each(|client| self.decide(&mut state, client));
        if self.symmetric {
            state = self.representative(&state);
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
