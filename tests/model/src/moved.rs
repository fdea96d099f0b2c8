//! A model of a node whose server changes: a slot of a cluster moves, or sentinels replace the
//! master.
//!
//! One node is enough, since the votes of other nodes do not depend on the move. It has two
//! servers, one of which serves the key at a time. A move transfers no data. The replaced server
//! keeps its data, its process and its marker. It still answers clients, and may become the serving
//! one again. A server of a cluster deletes its locks with the slot, once it knows of the move. The
//! model checks mutual exclusion only, so locks are plain keys with a ttl.

use stateright::{Model, Property};

use crate::run::{Checked, holders};

pub(crate) const EXCLUSION: &str = "mutual exclusion across moves";

/// What excludes the votes of a server that does not know the locks of its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoveRule {
    /// The client, if the server is new to it.
    NewServers,
    /// The client, whenever the serving server has changed, and after an absence if the server was
    /// elected meanwhile.
    Moves,
    /// The server's marker, which names its process.
    MarkedProcess,
    /// The server's marker, which names the epoch of its election.
    MarkedEpoch,
}

/// How a client treats the first server that it connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstSight {
    /// It counts the votes at once.
    Trusts,
    /// It compares the server, and with `epoch` also its epoch, with the record of earlier clients.
    Record { epoch: bool },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) rule: MoveRule,
    pub(crate) first_sight: FirstSight,
    /// For how long a vote counts after the client last read the map. `None`: for ever.
    pub(crate) confirmed: Option<u8>,
    /// After more ticks than this without a map, a server that was elected meanwhile is not
    /// trusted.
    pub(crate) absence: u8,
    /// A replaced server deletes its locks and refuses all requests, once it knows of the move.
    pub(crate) forgets: bool,
    /// The minimum number of ticks between two moves.
    pub(crate) min_interval: u8,
    pub(crate) ttl: u8,
    pub(crate) guard_time: u8,
    pub(crate) moves: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Server {
    owner: u8,
    timer: u8,
    /// The epoch that its marker names; 0 is none.
    marker: u8,
    /// What is left of its quarantine.
    guard: u8,
    /// It knows that it was replaced.
    replaced: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    #[default]
    Idle,
    /// A request is in flight to this server, whose epoch the client believed to be this one.
    Asking(u8, u8),
    Held,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    phase: Phase,
    elapsed: u8,
    validity: u8,
    /// The serving server and its epoch, as the client knows them. Epoch 0: not known yet.
    server: u8,
    epoch: u8,
    /// The servers that it has connected to, one bit each.
    met: u8,
    /// The time since it last read the map.
    since: u8,
    /// For how long it counts no votes.
    guard: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    servers: [Server; 2],
    clients: [Client; 3],
    serving: u8,
    epoch: u8,
    /// The time until the next move is possible.
    until_next_move: u8,
    /// The record of clients: the server and epoch that have been known for long enough.
    record: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The client reads the map.
    ReadMap {
        client: usize,
    },
    Propose {
        client: usize,
    },
    Deliver {
        client: usize,
    },
    GiveUp {
        client: usize,
    },
    Record {
        client: usize,
    },
    /// The other server takes over.
    Move,
    /// The replaced server learns of the move.
    Learn,
    Tick,
}

impl Moved {
    fn read_map(&self, state: &mut State, client: usize) {
        let (serving, epoch, record) = (state.serving, state.epoch, state.record);
        let me = &mut state.clients[client];
        let first = me.epoch == 0;
        // Long enough for the slot to have moved and returned.
        let absent = me.since > self.absence;
        let suspect = match self.rule {
            MoveRule::MarkedProcess | MoveRule::MarkedEpoch => false,
            _ if first => match self.first_sight {
                FirstSight::Trusts => false,
                FirstSight::Record { epoch: true } => record != (serving, epoch),
                FirstSight::Record { epoch: false } => record.0 != serving,
            },
            MoveRule::NewServers => me.met & 1 << serving == 0,
            MoveRule::Moves => me.server != serving || absent && me.epoch != epoch,
        };
        if suspect {
            me.guard = self.guard_time;
        }
        (me.server, me.epoch, me.since) = (serving, epoch, 0);
        me.met |= 1 << serving;
    }

    fn deliver(&self, state: &mut State, client: usize) {
        let me = &mut state.clients[client];
        let Phase::Asking(at, epoch) = me.phase else {
            return;
        };
        let server = &mut state.servers[usize::from(at)];
        if server.replaced {
            me.phase = Phase::Idle;
            me.elapsed = 0;
            return;
        }
        let marked = match self.rule {
            MoveRule::MarkedProcess if server.marker == 0 => Some(true),
            MoveRule::MarkedEpoch if server.marker < epoch => Some(true),
            // The client's map is outdated.
            MoveRule::MarkedEpoch if server.marker > epoch => None,
            _ => Some(false),
        };
        if marked == Some(true) {
            server.marker = epoch;
            server.guard = self.guard_time;
        }
        let votes = marked.is_some()
            && server.guard == 0
            && me.guard == 0
            // A reply of a replaced server does not count. With sentinels, a connection belongs to
            // one election.
            && me.server == at
            && (self.rule != MoveRule::MarkedEpoch || me.epoch == epoch)
            && self.confirmed.is_none_or(|for_long| me.since <= for_long)
            && me.elapsed < self.ttl;
        let elapsed = std::mem::take(&mut me.elapsed);
        me.phase = Phase::Idle;
        // A yes that does not count is released at once.
        if votes && server.owner == 0 {
            server.owner = client as u8 + 1;
            server.timer = self.ttl;
            me.phase = Phase::Held;
            me.validity = self.ttl - elapsed;
        }
    }

    /// Discards what a client that has ended knew.
    fn tidy(&self, state: &mut State) {
        for me in &mut state.clients {
            if me.phase == Phase::Over {
                *me = Client {
                    phase: Phase::Over,
                    ..Client::default()
                };
            }
            if self.rule != MoveRule::NewServers {
                me.met = 0;
            }
        }
    }

    fn tick(&self, state: &mut State) {
        state.until_next_move = state.until_next_move.saturating_sub(1);
        for server in &mut state.servers {
            server.timer = server.timer.saturating_sub(1);
            server.guard = server.guard.saturating_sub(1);
            if server.timer == 0 {
                server.owner = 0;
            }
        }
        for me in &mut state.clients[..self.clients] {
            me.guard = me.guard.saturating_sub(1);
            if me.epoch > 0 {
                me.since = (me.since + 1).min(self.guard_time);
            }
            match me.phase {
                Phase::Asking(..) => me.elapsed = (me.elapsed + 1).min(self.ttl),
                Phase::Held => {
                    me.validity -= 1;
                    if me.validity == 0 {
                        me.phase = Phase::Over;
                    }
                }
                Phase::Idle | Phase::Over => {}
            }
        }
    }
}

impl Checked for Moved {
    fn name(&self) -> String {
        let (clients, moves) = (self.clients, self.moves);
        format!("{} ({clients} clients, {moves} moves)", self.name)
    }

    fn describe(&self, state: &State) -> String {
        holders(state.clients.iter().map(|client| client.validity))
    }
}

impl Model for Moved {
    type State = State;
    type Action = Action;

    /// One server has served the key for a long time, and earlier clients have recorded it.
    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            epoch: 1,
            record: (0, 1),
            ..State::default()
        };
        state.servers[0].marker = 1;
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..self.clients {
            let me = &state.clients[client];
            match me.phase {
                Phase::Over => continue,
                Phase::Idle if me.epoch > 0 => actions.push(Action::Propose { client }),
                Phase::Asking(..) => {
                    actions.extend([Action::Deliver { client }, Action::GiveUp { client }]);
                }
                _ => {}
            }
            actions.push(Action::ReadMap { client });
            let recorded = (me.server, me.epoch);
            let in_time = self.confirmed.is_none_or(|for_long| me.since <= for_long);
            if me.epoch > state.record.1 && me.guard == 0 && in_time && recorded != state.record {
                actions.push(Action::Record { client });
            }
        }
        if state.epoch <= self.moves && state.until_next_move == 0 {
            actions.push(Action::Move);
        }
        if self.forgets {
            actions.push(Action::Learn);
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::ReadMap { client } => self.read_map(&mut state, client),
            Action::Propose { client } => {
                let me = &mut state.clients[client];
                me.phase = Phase::Asking(me.server, me.epoch);
            }
            Action::Deliver { client } => self.deliver(&mut state, client),
            Action::GiveUp { client } => state.clients[client].phase = Phase::Over,
            Action::Record { client } => {
                let me = &state.clients[client];
                state.record = (me.server, me.epoch);
            }
            Action::Move => {
                state.serving = 1 - state.serving;
                state.servers[usize::from(state.serving)].replaced = false;
                state.epoch += 1;
                state.until_next_move = self.min_interval;
            }
            Action::Learn => {
                state.servers[usize::from(1 - state.serving)] = Server {
                    replaced: true,
                    ..Server::default()
                };
            }
            Action::Tick => self.tick(&mut state),
        }
        self.tidy(&mut state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(EXCLUSION, |_, state: &State| {
            let holders = state.clients.iter().filter(|client| client.validity > 0);
            holders.count() <= 1
        })]
    }
}
