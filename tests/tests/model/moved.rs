//! A node whose server changes: the slot of a cluster that moves, the master that sentinels replace.
//!
//! One node is enough, since the votes of other nodes have nothing to do with the move. It has two servers, of which one
//! serves the key at a time. A move takes no data along, and the server that is left keeps what it has, its process and
//! its marker: it goes on answering whoever still asks it, and may be the next to serve. One of a cluster forgets its
//! locks with the slot, once it knows of the move. Exclusion only, so locks are plain keys with a ttl.

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const EXCLUSION: &str = "mutual exclusion across moves";

/// Who keeps a server from voting that does not know the locks of its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoveRule {
    /// The client, where it has not met the server before.
    NewServers,
    /// The client, whenever another server serves the key than before, and when it comes back from an absence to a server
    /// that was elected since.
    Moves,
    /// The server's marker, which names its process.
    MarkedProcess,
    /// The server's marker, which names the epoch of its election.
    MarkedEpoch,
}

/// What a client makes of the first server that it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstSight {
    /// It counts the votes at once.
    Trusts,
    /// It compares with what the clients before it recorded: the server, and its epoch if that is on.
    Record { epoch: bool },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) rule: MoveRule,
    pub(crate) first_sight: FirstSight,
    /// For how long a vote counts after the client asked who serves the key; `None` is for ever.
    pub(crate) confirmed: Option<u8>,
    /// After more ticks than this without a look, a server that was elected since is not trusted.
    pub(crate) absence: u8,
    /// A server that was left forgets its locks, and refuses whoever asks, once it knows.
    pub(crate) forgets: bool,
    /// How many ticks lie between two moves at least.
    pub(crate) apart: u8,
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
    /// It knows that it was left.
    left: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    #[default]
    Idle,
    /// A request is under way to this server, which the client believed to be elected by this epoch.
    Asking(u8, u8),
    Held,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    phase: Phase,
    elapsed: u8,
    validity: u8,
    /// Who serves the key, and by which election, as far as the client knows; epoch 0 is nobody yet.
    server: u8,
    epoch: u8,
    /// The servers that it has met, one bit each.
    met: u8,
    /// Since it last asked who serves the key.
    since: u8,
    /// What is left of the time in which it counts no vote.
    guard: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    servers: [Server; 2],
    clients: [Client; 3],
    serving: u8,
    epoch: u8,
    /// For how long there is no further move.
    settling: u8,
    /// What clients recorded as known for long enough: server and epoch.
    record: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The client asks who serves the key.
    Look {
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
    /// The server that was left hears of it.
    Learn,
    Tick,
}

impl Moved {
    fn look(&self, state: &mut State, client: usize) {
        let (serving, epoch, record) = (state.serving, state.epoch, state.record);
        let me = &mut state.clients[client];
        let first = me.epoch == 0;
        // Long enough for the key to have gone and come back.
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
        if server.left {
            me.phase = Phase::Idle;
            me.elapsed = 0;
            return;
        }
        let marked = match self.rule {
            MoveRule::MarkedProcess if server.marker == 0 => Some(true),
            MoveRule::MarkedEpoch if server.marker < epoch => Some(true),
            // A client that is out of date.
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
            // Not an answer of a server that the client has left; to sentinels a connection is for one election.
            && me.server == at
            && (self.rule != MoveRule::MarkedEpoch || me.epoch == epoch)
            && self.confirmed.is_none_or(|for_long| me.since <= for_long)
            && me.elapsed < self.ttl;
        let elapsed = std::mem::take(&mut me.elapsed);
        me.phase = Phase::Idle;
        // What is no vote is released at once.
        if votes && server.owner == 0 {
            server.owner = client as u8 + 1;
            server.timer = self.ttl;
            me.phase = Phase::Held;
            me.validity = self.ttl - elapsed;
        }
    }

    /// What a client knows that is done is of no more use.
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
        state.settling = state.settling.saturating_sub(1);
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

    fn with_fixed_names(&self) -> Self {
        *self
    }

    fn describe(&self, state: &State) -> String {
        let clients = state.clients.iter().enumerate();
        let holders = clients.filter(|(_, client)| client.validity > 0);
        holders
            .map(|(index, client)| format!("  [client {index} holds for {}]", client.validity))
            .collect()
    }

    fn representative(&self, state: &State) -> State {
        *state
    }
}

impl Model for Moved {
    type State = State;
    type Action = Action;

    /// One server has served the key for long, and the clients before these have recorded that.
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
            actions.push(Action::Look { client });
            let recorded = (me.server, me.epoch);
            let in_time = self.confirmed.is_none_or(|for_long| me.since <= for_long);
            if me.epoch > state.record.1 && me.guard == 0 && in_time && recorded != state.record {
                actions.push(Action::Record { client });
            }
        }
        if state.epoch <= self.moves && state.settling == 0 {
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
            Action::Look { client } => self.look(&mut state, client),
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
                state.servers[usize::from(state.serving)].left = false;
                state.epoch += 1;
                state.settling = self.apart;
            }
            Action::Learn => {
                state.servers[usize::from(1 - state.serving)] = Server {
                    left: true,
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
