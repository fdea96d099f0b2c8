//! A model of read/write locks.
//!
//! Readers and writers send rounds with any token. A holder may send one extension. Requests arrive
//! in any order, late or never. Replies arrive at once. Intents of waiting writers are in
//! `rwlock/intents.rs`.

mod intents;

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const EXCLUSION: &str = "a writer excludes all other holders";
pub(crate) const ON_A_NODE: &str = "no node has a reader and a writer";
pub(crate) const HELD: &str = "a holder has an entry on a majority of the nodes";
pub(crate) const ORDER: &str = "tokens follow the writers";
pub(crate) const NOTHING_LEFT: &str = "a client that has ended leaves no entry";
pub(crate) const NOT_OVERTAKEN: &str =
    "no later reader overtakes a writer whose intent a majority has";
pub(crate) const WRITERS_PASS: &str = "an intent keeps out no writer";
pub(crate) const NO_LATE_INTENT: &str = "a request that arrives after its release leaves no intent";

const NODES: usize = 3;
const CLIENTS: usize = 3;

const ASK: u8 = 1;
const BACK: u8 = 2;
const EXTEND: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Design,
    /// A reader ignores a writer.
    ReadBesideWriter,
    /// A writer ignores readers.
    WriteBesideReaders,
    /// A writer ignores another writer.
    WriteBesideWriter,
    /// A reader ignores the bar of the readers.
    ReadNotStale,
    /// A writer ignores the bar of the writers.
    WriteNotStale,
    /// A reader does not raise the bar of the writers.
    ReadRaisesNoBar,
    /// A writer does not raise the bar of the readers.
    WriteRaisesOwnBarOnly,
    /// A release raises no bar.
    NoTombstone,
    /// A missing entry is restored without regard to the bar.
    RestoredOverBar,
    /// A missing entry is restored although the other side holds the lock.
    RestoredBesideOther,
    /// A reader ignores an intent.
    ReadIgnoresIntent,
    /// An intent keeps out other writers.
    IntentBarsWriters,
    /// A stale request leaves an intent.
    IntentWithoutBar,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    pub(crate) name: &'static str,
    /// The number of writers, which are the first clients.
    pub(crate) writers: usize,
    pub(crate) readers: usize,
    /// Whether holders extend.
    pub(crate) extends: bool,
    /// Rounds of each client.
    pub(crate) rounds: u8,
    /// Any token in `1..=tokens` may be proposed.
    pub(crate) tokens: u8,
    pub(crate) ttl: u8,
    /// Whether writers that are refused leave an intent.
    pub(crate) intents: bool,
    pub(crate) rule: Rule,
    pub(crate) fixed_names: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    /// The client that writes, counted from 1, and the remaining time of its entry.
    writer: u8,
    timer: u8,
    /// For how long each client reads.
    reads: [u8; CLIENTS],
    write_bar: u8,
    read_bar: u8,
    /// The requests in flight from each client, with the token of its last round.
    flight: [u8; CLIENTS],
    yes: [bool; CLIENTS],
    /// The writer with an intent, counted from 1, and the remaining time of the intent.
    intent: u8,
    intent_timer: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Client {
    /// The clients that began before this one, a bit for each.
    later_than: u8,
    /// The writer whose intent a majority had when this reader asked, counted from 1, while that writer still waits.
    behind: u8,
    token: u8,
    rounds: u8,
    asking: bool,
    /// It has sent its extension, whose round is open.
    extending: bool,
    extended: bool,
    over: bool,
    elapsed: u8,
    validity: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    nodes: [Node; NODES],
    clients: [Client; CLIENTS],
    /// The highest token that was granted to a writer, and to anybody.
    written: u8,
    granted: u8,
    out_of_order: bool,
    overtaken: bool,
    kept_out: bool,
    late_intent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A client sends its first or a further round.
    Ask {
        client: usize,
        token: u8,
    },
    /// Its request arrives at a node, and the reply at the client.
    Arrive {
        client: usize,
        node: usize,
    },
    /// The holder sends an extension.
    Extend {
        client: usize,
    },
    /// The extension arrives at a node.
    Extended {
        client: usize,
        node: usize,
    },
    /// The client gives up or releases.
    End {
        client: usize,
    },
    /// Its release arrives at a node.
    Back {
        client: usize,
        node: usize,
    },
    Tick,
}

impl Node {
    fn is_read(&self) -> bool {
        self.reads.iter().any(|left| *left > 0)
    }

    fn has(&self, client: usize) -> bool {
        usize::from(self.writer) == client + 1 || self.reads[client] > 0
    }
}

impl Sides {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    fn writes(&self, client: usize) -> bool {
        client < self.writers
    }

    fn clients(&self) -> std::ops::Range<usize> {
        0..self.writers + self.readers
    }

    fn ask(&self, state: &mut State, client: usize, token: u8) {
        self.begin_to_wait(state, client);
        let me = &mut state.clients[client];
        me.asking = true;
        me.rounds += 1;
        me.token = token;
        me.elapsed = 0;
        for node in &mut state.nodes {
            node.flight[client] |= ASK;
            node.yes[client] = false;
        }
    }

    fn arrive(&self, state: &mut State, client: usize, at: usize) {
        let me = state.clients[client];
        let node = &mut state.nodes[at];
        node.flight[client] &= !ASK;
        let is_late = me.over && node.flight[client] & BACK == 0;
        let before = *node;
        let done = match self.writes(client) {
            true => self.write(node, client, me.token),
            false => self.read(node, client, me.token, me.later_than),
        };
        state.late_intent |= is_late && node.intent != before.intent;
        let is_free = before.writer == 0 && !before.is_read();
        let is_stale = self.is_stale(&before, client, me.token);
        state.kept_out |= self.writes(client) && is_free && !is_stale && !done;
        if done && me.asking {
            node.yes[client] = true;
            self.decide(state, client);
        }
    }

    /// Whether this token is stale by the bar of its side.
    fn is_stale(&self, node: &Node, client: usize, token: u8) -> bool {
        match self.writes(client) {
            true => node.write_bar >= token && !self.is(Rule::WriteNotStale),
            false => node.read_bar >= token && !self.is(Rule::ReadNotStale),
        }
    }

    fn read(&self, node: &mut Node, client: usize, token: u8, later_than: u8) -> bool {
        let beside = node.writer != 0 && !self.is(Rule::ReadBesideWriter);
        let waits = self.waits_for_intent(node, later_than);
        if beside || waits || self.is_stale(node, client, token) {
            return false;
        }
        if !self.is(Rule::ReadRaisesNoBar) {
            node.write_bar = node.write_bar.max(token);
        }
        node.reads[client] = self.ttl;
        true
    }

    fn write(&self, node: &mut Node, client: usize, token: u8) -> bool {
        let own = client as u8 + 1;
        let other = node.writer != 0 && node.writer != own && !self.is(Rule::WriteBesideWriter);
        let read = node.is_read() && !self.is(Rule::WriteBesideReaders);
        if other || read {
            self.leave_intent(node, client, token);
        }
        let waits = self.is(Rule::IntentBarsWriters) && ![0, own].contains(&node.intent);
        if other || read || waits || self.is_stale(node, client, token) {
            return false;
        }
        if node.intent == own {
            (node.intent, node.intent_timer) = (0, 0);
        }
        node.write_bar = node.write_bar.max(token);
        if !self.is(Rule::WriteRaisesOwnBarOnly) {
            node.read_bar = node.read_bar.max(token);
        }
        (node.writer, node.timer) = (own, self.ttl);
        true
    }

    fn has_majority(state: &State, client: usize) -> bool {
        state.nodes.iter().filter(|node| node.yes[client]).count() > NODES / 2
    }

    fn decide(&self, state: &mut State, client: usize) {
        let me = state.clients[client];
        if !Self::has_majority(state, client) || me.elapsed >= self.ttl {
            return;
        }
        let floor = match self.writes(client) {
            true => state.granted,
            false => state.written,
        };
        state.out_of_order |= me.token <= floor;
        state.overtaken |= me.behind != 0;
        state.granted = state.granted.max(me.token);
        if self.writes(client) {
            state.written = state.written.max(me.token);
        }
        let me = &mut state.clients[client];
        me.asking = false;
        me.validity = self.ttl - me.elapsed;
        me.elapsed = 0;
        Self::waits_no_more(state, client);
        Self::forget_votes(state, client);
    }

    fn forget_votes(state: &mut State, client: usize) {
        for node in &mut state.nodes {
            node.yes[client] = false;
        }
    }

    fn extend(state: &mut State, client: usize) {
        let me = &mut state.clients[client];
        (me.extending, me.extended, me.elapsed) = (true, true, 0);
        for node in &mut state.nodes {
            node.flight[client] |= EXTEND;
        }
    }

    fn extended(&self, state: &mut State, client: usize, at: usize) {
        let me = state.clients[client];
        let node = &mut state.nodes[at];
        node.flight[client] &= !EXTEND;
        if node.has(client) {
            self.raise(node, client, me.token);
            node.yes[client] = me.extending;
            if me.extending && Self::has_majority(state, client) {
                let me = &mut state.clients[client];
                me.validity = me.validity.max(self.ttl - me.elapsed);
                (me.extending, me.elapsed) = (false, 0);
                Self::forget_votes(state, client);
            }
            return;
        }
        // The entry is restored, which is not a vote.
        let beside = node.writer != 0 || self.writes(client) && node.is_read();
        if beside && !self.is(Rule::RestoredBesideOther) || self.is_over(node, client, me.token) {
            return;
        }
        self.raise(node, client, me.token);
    }

    /// Whether the bar of its side shows a release or a later holder, so that a missing entry is
    /// not restored.
    fn is_over(&self, node: &Node, client: usize, token: u8) -> bool {
        let barred = match self.writes(client) {
            true => node.write_bar > token,
            false => node.read_bar >= token,
        };
        barred && !self.is(Rule::RestoredOverBar)
    }

    /// An extension is carried out.
    fn raise(&self, node: &mut Node, client: usize, token: u8) {
        node.write_bar = node.write_bar.max(token);
        if self.writes(client) {
            node.read_bar = node.read_bar.max(token);
            (node.writer, node.timer) = (client as u8 + 1, self.ttl);
        } else {
            node.reads[client] = self.ttl;
        }
    }

    fn end(state: &mut State, client: usize) {
        let me = &mut state.clients[client];
        (me.asking, me.extending, me.over) = (false, false, true);
        (me.validity, me.elapsed) = (0, 0);
        Self::waits_no_more(state, client);
        for node in &mut state.nodes {
            node.flight[client] |= BACK;
        }
        Self::forget_votes(state, client);
    }

    fn back(&self, state: &mut State, client: usize, at: usize) {
        let token = state.clients[client].token;
        let node = &mut state.nodes[at];
        node.flight[client] &= !BACK;
        if usize::from(node.writer) == client + 1 {
            (node.writer, node.timer) = (0, 0);
        }
        node.reads[client] = 0;
        if self.is(Rule::NoTombstone) {
            return;
        }
        match self.writes(client) {
            true => node.write_bar = node.write_bar.max(token + 1),
            false => node.read_bar = node.read_bar.max(token + 1),
        }
    }

    fn tick(&self, state: &mut State) {
        for node in &mut state.nodes {
            node.timer = node.timer.saturating_sub(1);
            if node.timer == 0 {
                node.writer = 0;
            }
            for left in &mut node.reads {
                *left = left.saturating_sub(1);
            }
            node.intent_timer = node.intent_timer.saturating_sub(1);
            if node.intent_timer == 0 {
                node.intent = 0;
            }
        }
        Self::intents_expired(state);
        for client in 0..CLIENTS {
            let me = &mut state.clients[client];
            let held = me.validity > 0;
            me.validity = me.validity.saturating_sub(1);
            if me.asking || me.extending {
                me.elapsed = (me.elapsed + 1).min(self.ttl);
            }
            if held && me.validity == 0 || me.asking && me.elapsed >= self.ttl {
                Self::end(state, client);
            }
        }
    }

    fn act(&self, state: &mut State, action: Action) {
        match action {
            Action::Ask { client, token } => self.ask(state, client, token),
            Action::Arrive { client, node } => self.arrive(state, client, node),
            Action::Extend { client } => Self::extend(state, client),
            Action::Extended { client, node } => self.extended(state, client, node),
            Action::End { client } => Self::end(state, client),
            Action::Back { client, node } => self.back(state, client, node),
            Action::Tick => self.tick(state),
        }
        self.tidy(state);
    }

    /// Removes what can no longer make a difference. Bars never decrease, so a stale request stays
    /// stale.
    fn tidy(&self, state: &mut State) {
        for client in self.clients() {
            let token = state.clients[client].token;
            for node in &mut state.nodes {
                if self.is_stale(node, client, token) && !self.is(Rule::IntentWithoutBar) {
                    node.flight[client] &= !ASK;
                }
                let is_gone = !node.has(client) && node.flight[client] & ASK == 0;
                if is_gone && self.is_over(node, client, token) {
                    node.flight[client] &= !EXTEND;
                }
                let bar = match self.writes(client) {
                    true => node.write_bar,
                    false => node.read_bar,
                };
                if is_gone && node.flight[client] == BACK && bar > token {
                    node.flight[client] = 0;
                }
            }
            if state.clients[client].over && state.nodes.iter().all(|node| node.flight[client] == 0)
            {
                state.clients[client] = Client {
                    over: true,
                    ..Client::default()
                };
            }
        }
    }

    /// The same state with the names of two clients of one side exchanged.
    fn exchanged(mut state: State, one: usize, other: usize) -> State {
        state.clients.swap(one, other);
        let names = [one, other].map(|client| client as u8 + 1);
        Self::exchange_intents(&mut state, one, other);
        for node in &mut state.nodes {
            node.reads.swap(one, other);
            node.flight.swap(one, other);
            node.yes.swap(one, other);
            if let Some(at) = names.iter().position(|name| *name == node.writer) {
                node.writer = names[1 - at];
            }
        }
        state.nodes.sort_unstable();
        state
    }
}

impl Checked for Sides {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn fix_names(&mut self) {
        self.fixed_names = true;
    }

    fn describe(&self, state: &State) -> String {
        let holders = self
            .clients()
            .filter(|client| state.clients[*client].validity > 0);
        let line = |client: usize| {
            let side = if self.writes(client) {
                "writes"
            } else {
                "reads"
            };
            let Client {
                validity, token, ..
            } = state.clients[client];
            format!("  [client {client} {side} for {validity} with token {token}]")
        };
        holders.map(line).collect()
    }

    /// Nodes are interchangeable, and so are the clients of one side, of which there are at most
    /// two.
    fn representative(&self, state: &State) -> State {
        let mut state = *state;
        state.nodes.sort_unstable();
        let sides = [(0, self.writers), (self.writers, self.readers)];
        for (first, clients) in sides {
            if clients == 2 {
                state = state.min(Self::exchanged(state, first, first + 1));
            }
        }
        state
    }
}

impl Model for Sides {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in self.clients() {
            let me = &state.clients[client];
            if !me.over && me.validity == 0 && me.rounds < self.rounds {
                let tokens = me.token + 1..=self.tokens;
                actions.extend(tokens.map(|token| Action::Ask { client, token }));
            }
            if me.asking || me.validity > 0 {
                actions.push(Action::End { client });
            }
            if self.extends && me.validity > 0 && !me.extended {
                actions.push(Action::Extend { client });
            }
            for (node, at) in state.nodes.iter().enumerate() {
                let flight = at.flight[client];
                if flight & ASK != 0 {
                    actions.push(Action::Arrive { client, node });
                }
                if flight & EXTEND != 0 {
                    actions.push(Action::Extended { client, node });
                }
                if flight & BACK != 0 {
                    actions.push(Action::Back { client, node });
                }
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.act(&mut state, action);
        if !self.fixed_names {
            state = self.representative(&state);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(EXCLUSION, |model: &Self, state: &State| {
                let holds = |client: &usize| state.clients[*client].validity > 0;
                let holders = model.clients().filter(holds).count();
                let writers = (0..model.writers).filter(holds).count();
                writers == 0 || holders == 1
            }),
            Property::always(ON_A_NODE, |_, state: &State| {
                state
                    .nodes
                    .iter()
                    .all(|node| node.writer == 0 || !node.is_read())
            }),
            Property::always(HELD, |model: &Self, state: &State| {
                let on = |client: usize| state.nodes.iter().filter(|node| node.has(client)).count();
                let held = |client: usize| state.clients[client].validity > 0;
                model
                    .clients()
                    .all(|client| !held(client) || on(client) > NODES / 2)
            }),
            Property::always(ORDER, |_, state: &State| !state.out_of_order),
            Property::always(NOT_OVERTAKEN, |_, state: &State| !state.overtaken),
            Property::always(WRITERS_PASS, |_, state: &State| !state.kept_out),
            Property::always(NO_LATE_INTENT, |_, state: &State| !state.late_intent),
            Property::always(NOTHING_LEFT, |model: &Self, state: &State| {
                let is_clean =
                    |node: &Node, client: usize| node.flight[client] != 0 || !node.has(client);
                let over = model.clients().filter(|client| state.clients[*client].over);
                let mut all =
                    over.flat_map(|client| state.nodes.iter().map(move |node| (node, client)));
                all.all(|(node, client)| is_clean(node, client))
            }),
        ]
    }
}
