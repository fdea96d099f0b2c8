//! The register of a lock: a model of its own. The lock is taken as given: one valid holder at a time, and each next one has
//! a larger token. What is checked is what holders and a reader without the lock make of the answers.
//!
//! Requests arrive in any order, late or never, also after a restart of the node, since a connection repeats what has no
//! answer. An answer is at the client at once. A holder that was followed by another begins nothing more, but what it sent may
//! still arrive, and a write of it may still be confirmed.

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const SEEN: &str = "who reads sees what was written or read before, until it expires";
pub(crate) const NO_OLDER: &str = "after a read no older write appears";

const NODES: usize = 5;
const HOLDERS: usize = 3;
const READS: usize = 2;
/// The numbers of requests: four for each holder, two for each read without the lock.
const OF_HOLDER: usize = 4;
const OF_READER: usize = HOLDERS * OF_HOLDER;
const READ: usize = 0;
const BACK: usize = 1;
const WRITE: usize = 1;
/// The first moment; a node that started before it has forgotten nothing.
const BEGIN: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Whole,
    /// A node promises nothing to a holder that reads.
    NoPromise,
    /// A node keeps whatever version arrives last.
    VersionsNotCompared,
    /// A holder uses what it read without writing it back.
    NoWriteBack,
    /// A holder writes back under the version that it found.
    WriteBackUnderOldVersion,
    /// A holder takes any answer, not the highest.
    AnyAnswer,
    /// A holder gives all of its writes the same number.
    SameSeq,
    /// A reader without the lock believes the highest version, wherever it is.
    ReaderBelieves,
    /// A reader's write-back is stored against the promise.
    ReaderIgnoresPromise,
    /// Every answer to a read is a vote.
    ForgottenCounts,
    /// Every acknowledgement is a vote.
    EveryAckCounts,
    /// A node has a vote on anything after the guard time of locks.
    GuardTimeOfLocks,
    /// A token that is above the start of a node is taken for newer, whatever the clocks are.
    SkewLeftOut,
    /// A promise is kept for the retention, and not for the skew beyond it.
    PromiseWithoutSkew,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
    pub(crate) holders: usize,
    /// Which holders read.
    pub(crate) read_by: [bool; HOLDERS],
    /// Writes of each holder, at most two.
    pub(crate) writes: [u8; HOLDERS],
    /// Reads without the lock, at most [`READS`].
    pub(crate) reads: u8,
    pub(crate) restarts: u8,
    /// The last moment. [`BEGIN`]: time stands still.
    pub(crate) until: u8,
    pub(crate) retention: u8,
    pub(crate) skew: u8,
    pub(crate) duplicates: bool,
    pub(crate) rule: Rule,
    pub(crate) fixed_names: bool,
}

/// (token, seq) as one number, the write that the value comes from, and when it expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    version: u8,
    origin: u8,
    expires: u8,
}

fn version(token: u8, seq: u8) -> u8 {
    token * 4 + seq
}

fn token(version: u8) -> u8 {
    version / 4
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    promise: u8,
    entry: Entry,
    /// Until when the record is kept.
    kept: u8,
    /// When it started, if it has restarted.
    started: u8,
    restarted: bool,
    pending: u16,
    answered: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Step {
    #[default]
    Idle,
    Reading,
    WritingBack,
    Writing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Client {
    token: u8,
    step: Step,
    has_read: bool,
    written: u8,
    votes: u8,
    agreeing: u8,
    /// The highest answer to a read; then what is written.
    entry: Entry,
    /// The version of it as it was found.
    found: u8,
    /// What had to be seen when the read began.
    before: Entry,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    nodes: [Node; NODES],
    holders: [Client; HOLDERS],
    reads: [Client; READS],
    started: u8,
    now: u8,
    restarts: u8,
    /// The highest version that was confirmed or read so far.
    known: Entry,
    unseen: bool,
    older: bool,
    /// What the writes of holders carry; the second of two may overtake the first.
    writes: [[Entry; 2]; HOLDERS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The next holder is granted the lock.
    Grant {
        token: u8,
    },
    HolderReads,
    HolderWrites,
    /// Without the lock.
    Read,
    /// A reader without the lock writes back, although further answers may arrive.
    Decide {
        client: usize,
    },
    Arrive {
        request: usize,
        node: usize,
    },
    Restart {
        node: usize,
    },
    Tick,
}

impl Register {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    fn quorum(&self) -> u8 {
        (self.nodes / 2 + 1) as u8
    }

    fn expiry(&self, state: &State) -> u8 {
        state.now + self.retention + self.skew
    }

    /// Sends request `request` to all nodes, for the client that begins a step.
    fn send(&self, state: &mut State, request: usize) {
        for node in &mut state.nodes[..self.nodes] {
            node.pending |= 1 << request;
        }
    }

    fn client<'s>(&self, state: &'s mut State, request: usize) -> &'s mut Client {
        match request.checked_sub(OF_READER) {
            None => &mut state.holders[request / OF_HOLDER],
            Some(read) => &mut state.reads[read / 2],
        }
    }

    /// Whether a node has a vote on a version.
    fn counts(&self, state: &State, node: &Node, of: u8) -> bool {
        let covered = match self.rule {
            Rule::GuardTimeOfLocks => 1,
            _ => self.retention + self.skew,
        };
        let skew = if self.is(Rule::SkewLeftOut) {
            0
        } else {
            self.skew
        };
        !node.restarted || state.now - node.started >= covered || token(of) > node.started + skew
    }

    fn arrive(&self, state: &mut State, request: usize, at: usize) {
        let bit = 1 << request;
        if !self.duplicates {
            state.nodes[at].pending &= !bit;
        }
        let is_reader = request >= OF_READER;
        let kind = if is_reader {
            request % 2
        } else {
            request % OF_HOLDER
        };
        let first = state.nodes[at].answered & bit == 0;
        state.nodes[at].answered |= bit;
        let keeps = match self.rule {
            Rule::PromiseWithoutSkew => state.now + self.retention,
            _ => state.now + self.retention + self.skew,
        };
        if kind == READ {
            let by = self.client(state, request).token;
            let node = &mut state.nodes[at];
            if !is_reader {
                if node.promise > by {
                    return;
                }
                if !self.is(Rule::NoPromise) {
                    node.promise = by;
                    node.kept = node.kept.max(keeps);
                }
            }
            let node = *node;
            if first && self.client(state, request).step == Step::Reading {
                let counts =
                    self.counts(state, &node, node.entry.version) || self.is(Rule::ForgottenCounts);
                self.count(state, request, node.entry, counts);
            }
            return;
        }
        let entry = match (is_reader, kind) {
            (true, _) | (false, BACK) => self.back(state, request),
            (false, write) => state.writes[request / OF_HOLDER][write - WRITE - 1],
        };
        let node = &mut state.nodes[at];
        let ignores = is_reader && self.is(Rule::ReaderIgnoresPromise)
            || kind == BACK && self.is(Rule::WriteBackUnderOldVersion);
        if node.promise > token(entry.version) && !ignores {
            return;
        }
        if entry.version > node.entry.version || self.is(Rule::VersionsNotCompared) {
            node.entry = entry;
            node.promise = node.promise.max(token(entry.version));
            node.kept = node.kept.max(keeps);
        }
        let node = *node;
        let wanted = self.is_current(state, request, kind);
        if first && wanted {
            let counts = self.counts(state, &node, entry.version) || self.is(Rule::EveryAckCounts);
            self.client(state, request).votes += u8::from(counts);
        }
    }

    /// What a write-back carries: it stays the client's entry until its next step.
    fn back(&self, state: &State, request: usize) -> Entry {
        match request.checked_sub(OF_READER) {
            None => state.holders[request / OF_HOLDER].entry,
            Some(read) => state.reads[read / 2].entry,
        }
    }

    /// Whether the client still waits for this request.
    fn is_current(&self, state: &mut State, request: usize, kind: usize) -> bool {
        let is_reader = request >= OF_READER;
        let client = self.client(state, request);
        match client.step {
            Step::WritingBack => kind == BACK,
            Step::Writing => !is_reader && kind == WRITE + usize::from(client.written),
            Step::Idle | Step::Reading => false,
        }
    }

    fn count(&self, state: &mut State, request: usize, found: Entry, counts: bool) {
        let any = self.is(Rule::AnyAnswer);
        let client = self.client(state, request);
        if !counts {
            return;
        }
        client.votes += 1;
        if found.version > client.entry.version || client.votes == 1 || any {
            (client.entry, client.found) = (found, found.version);
            client.agreeing = 1;
        } else if found.version == client.entry.version {
            client.agreeing += 1;
        }
    }

    /// A read with enough votes, a write-back or a write with enough acknowledgements goes on.
    fn decide(&self, state: &mut State, who: usize) {
        let quorum = self.quorum();
        let (is_reader, request) = match who.checked_sub(HOLDERS) {
            None => (false, who * OF_HOLDER + BACK),
            Some(read) => (true, OF_READER + read * 2 + BACK),
        };
        let expiry = self.expiry(state);
        let client = self.client(state, request);
        match client.step {
            Step::Reading if is_reader => {
                if client.agreeing >= quorum || self.is(Rule::ReaderBelieves) {
                    return self.has_read(state, request);
                }
                (client.step, client.votes) = (Step::WritingBack, 0);
                self.send(state, request);
            }
            Step::Reading => {
                let is_own = token(client.entry.version) == client.token;
                if is_own && client.agreeing >= quorum || self.is(Rule::NoWriteBack) {
                    return self.has_read(state, request);
                }
                if !is_own && !self.is(Rule::WriteBackUnderOldVersion) {
                    client.entry.version = version(client.token, 0);
                }
                if client.entry.origin == 0 {
                    client.entry.expires = expiry;
                }
                (client.step, client.votes) = (Step::WritingBack, 0);
                self.send(state, request);
            }
            Step::WritingBack => self.has_read(state, request),
            Step::Writing => {
                let written = usize::from(client.written);
                client.step = Step::Idle;
                let entry = state.writes[who][written - 1];
                let known = state.known;
                // A holder has read without it.
                state.unseen |= known.version > entry.version
                    && known.origin < entry.origin
                    && state.now < known.expires.min(entry.expires);
                if entry.version > known.version {
                    state.known = entry;
                }
            }
            Step::Idle => {}
        }
    }

    /// The client uses what it read.
    fn has_read(&self, state: &mut State, request: usize) {
        let (now, expiry, known) = (state.now, self.expiry(state), state.known);
        let client = self.client(state, request);
        client.step = Step::Idle;
        let (mut read, before, found) = (client.entry, client.before, client.found);
        let is_holder = request < OF_READER;
        if is_holder && token(read.version) != client.token {
            // As its own, also where a broken rule did not write that.
            read.version = version(client.token, 0);
        }
        if read.expires <= now {
            read.origin = 0;
        }
        if read.origin == 0 {
            read.expires = expiry;
        }
        state.unseen |= now < before.expires && read.origin < before.origin;
        // A holder sees every write of an earlier one that is ever confirmed.
        state.unseen |= is_holder
            && known.version < read.version
            && now < known.expires
            && read.origin < known.origin;
        state.older |=
            now < before.expires && found < before.version && read.origin != before.origin;
        if read.version > state.known.version {
            state.known = read;
        }
    }

    fn begin_read(&self, state: &mut State, request: usize) {
        let before = state.known;
        let client = self.client(state, request);
        client.step = Step::Reading;
        (client.votes, client.agreeing) = (0, 0);
        (client.entry, client.before) = (Entry::default(), before);
        self.send(state, request);
    }

    fn write(&self, state: &mut State, holder: usize) {
        let expires = self.expiry(state);
        let client = &mut state.holders[holder];
        client.written += 1;
        (client.step, client.votes) = (Step::Writing, 0);
        let seq = match self.rule {
            Rule::SameSeq => 1,
            _ => client.written,
        };
        let number = client.written;
        let written = version(client.token, seq);
        state.writes[holder][usize::from(number) - 1] = Entry {
            version: written,
            origin: version(client.token, number),
            expires,
        };
        self.send(state, holder * OF_HOLDER + WRITE + usize::from(number));
    }

    fn tick(&self, state: &mut State) {
        state.now += 1;
        for node in &mut state.nodes[..self.nodes] {
            if node.kept <= state.now {
                (node.promise, node.entry, node.kept) = (0, Entry::default(), 0);
            }
        }
    }

    fn current(&self, state: &State) -> Option<usize> {
        usize::from(state.started).checked_sub(1)
    }

    /// Holders go on as soon as they can, and so does a reader that need not write back.
    fn decide_at_once(&self, state: &mut State, request: usize) {
        let client = match request.checked_sub(OF_READER) {
            None => request / OF_HOLDER,
            Some(read) => HOLDERS + read / 2,
        };
        let quorum = self.quorum();
        let waits = self.client(state, request).step == Step::Reading
            && self.client(state, request).agreeing < quorum
            && !self.is(Rule::ReaderBelieves);
        if self.may_decide(state, client) && !(client >= HOLDERS && waits) {
            self.decide(state, client);
        }
    }

    /// Forgets what makes no difference any more.
    fn tidy(&self, state: &mut State) {
        let forgetful = self.until > BEGIN || self.restarts > 0;
        for place in 0..self.nodes {
            let mut node = state.nodes[place];
            let requests =
                (0..u16::BITS as usize).filter(|request| node.pending & 1 << request != 0);
            let dropped =
                requests.filter(|request| self.is_pointless(state, *request, &node, forgetful));
            let dropped: u16 = dropped.map(|request| 1 << request).sum();
            node.pending &= !dropped;
            node.answered &= node.pending;
            state.nodes[place] = node;
        }
        for request in [1, 5, 9, 13, 15] {
            let pending = state
                .nodes
                .iter()
                .any(|node| node.pending & 1 << request != 0);
            let client = self.client(state, request);
            if client.step == Step::Idle {
                (client.votes, client.agreeing) = (0, 0);
                (client.found, client.before) = (0, Entry::default());
                if !pending {
                    client.entry = Entry::default();
                }
            }
        }
    }

    /// Whether a request changes nothing at a node, and nobody waits for the answer.
    fn is_pointless(&self, state: &State, request: usize, node: &Node, forgetful: bool) -> bool {
        let is_reader = request >= OF_READER;
        let kind = if is_reader {
            request % 2
        } else {
            request % OF_HOLDER
        };
        let answered = node.answered & 1 << request != 0;
        let mut copy = *state;
        let wanted = !answered
            && match kind {
                READ => self.client(&mut copy, request).step == Step::Reading,
                _ => self.is_current(&mut copy, request, kind),
            };
        if kind == READ {
            let by = self.client(&mut copy, request).token;
            let promised = is_reader || self.is(Rule::NoPromise);
            return (promised || !forgetful && node.promise >= by) && !wanted
                || !forgetful && !is_reader && node.promise > by;
        }
        let stores_anyway = [
            Rule::VersionsNotCompared,
            Rule::ReaderIgnoresPromise,
            Rule::WriteBackUnderOldVersion,
        ];
        if forgetful || stores_anyway.contains(&self.rule) {
            return false;
        }
        let entry = match (is_reader, kind) {
            (true, _) | (false, BACK) => self.back(state, request),
            (false, write) => state.writes[request / OF_HOLDER][write - WRITE - 1],
        };
        node.promise > token(entry.version) || node.entry.version >= entry.version && !wanted
    }

    fn may_decide(&self, state: &State, client: usize) -> bool {
        let (this, is_current) = match client.checked_sub(HOLDERS) {
            None => (&state.holders[client], self.current(state) == Some(client)),
            Some(read) => (&state.reads[read], true),
        };
        let works = match this.step {
            Step::Idle => false,
            // A write may be confirmed after the loss, which a read may not.
            Step::Writing => true,
            Step::Reading | Step::WritingBack => is_current,
        };
        works && this.votes >= self.quorum()
    }
}

impl Checked for Register {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn with_fixed_names(&self) -> Self {
        Self {
            fixed_names: true,
            ..*self
        }
    }

    fn describe(&self, state: &State) -> String {
        let nodes = state.nodes[..self.nodes].iter();
        let lines = nodes.map(|node| {
            let of = node.entry.version;
            format!("  [{}.{} from {}]", token(of), of % 4, node.entry.origin)
        });
        lines.collect()
    }

    /// Nodes are alike.
    fn representative(&self, state: &State) -> State {
        let mut state = *state;
        state.nodes[..self.nodes].sort_unstable();
        state
    }
}

impl Model for Register {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: BEGIN,
            ..State::default()
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if usize::from(state.started) < self.holders {
            let last = self
                .current(state)
                .map_or(0, |holder| state.holders[holder].token);
            let tokens = match self.until {
                BEGIN => last + 1..=last + 1,
                // As clocks within the skew propose them, and above the last one.
                _ => (last + 1).max(state.now.saturating_sub(self.skew))..=state.now + self.skew,
            };
            actions.extend(tokens.map(|token| Action::Grant { token }));
        }
        if let Some(holder) = self.current(state) {
            let client = &state.holders[holder];
            let reads = matches!(client.step, Step::Reading | Step::WritingBack);
            if self.read_by[holder] && !client.has_read && !reads {
                actions.push(Action::HolderReads);
            }
            if client.written < self.writes[holder] && !reads {
                actions.push(Action::HolderWrites);
            }
        }
        let reading = state.reads.iter().filter(|read| read.has_read).count();
        let busy = state.reads.iter().any(|read| read.step != Step::Idle);
        if reading < usize::from(self.reads) && !busy {
            actions.push(Action::Read);
        }
        let ready = (HOLDERS..HOLDERS + READS).filter(|client| self.may_decide(state, *client));
        actions.extend(ready.map(|client| Action::Decide { client }));
        for (node, at) in state.nodes[..self.nodes].iter().enumerate() {
            let requests = (0..u16::BITS as usize).filter(|request| at.pending & 1 << request != 0);
            actions.extend(requests.map(|request| Action::Arrive { request, node }));
            if state.restarts < self.restarts && !at.restarted {
                actions.push(Action::Restart { node });
            }
        }
        if state.now < self.until {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Grant { token } => {
                if let Some(last) = self.current(&state) {
                    let last = &mut state.holders[last];
                    if last.step == Step::Reading || last.step == Step::WritingBack {
                        last.step = Step::Idle;
                    }
                }
                state.holders[usize::from(state.started)].token = token;
                state.started += 1;
            }
            Action::HolderReads => {
                let holder = self.current(&state)?;
                state.holders[holder].has_read = true;
                self.begin_read(&mut state, holder * OF_HOLDER + READ);
            }
            Action::HolderWrites => {
                let holder = self.current(&state)?;
                self.write(&mut state, holder);
            }
            Action::Read => {
                let read = state.reads.iter().position(|read| !read.has_read)?;
                state.reads[read].has_read = true;
                self.begin_read(&mut state, OF_READER + read * 2 + READ);
            }
            Action::Decide { client } => self.decide(&mut state, client),
            Action::Arrive { request, node } => {
                self.arrive(&mut state, request, node);
                self.decide_at_once(&mut state, request);
            }
            Action::Restart { node } => {
                state.restarts += 1;
                let node = &mut state.nodes[node];
                (node.promise, node.entry, node.kept) = (0, Entry::default(), 0);
                (node.restarted, node.started) = (true, state.now);
            }
            Action::Tick => self.tick(&mut state),
        }
        self.tidy(&mut state);
        if !self.fixed_names {
            state = self.representative(&state);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SEEN, |_, state: &State| !state.unseen),
            Property::always(NO_OLDER, |_, state: &State| !state.older),
        ]
    }
}
