//! A model of the register of a lock. It assumes the guarantees of the lock: one valid holder at a
//! time, and each next holder has a larger token. It checks what holders, and a reader without the
//! lock, read.
//!
//! Requests arrive in any order, late or never, even after a restart of the node, since a
//! connection repeats requests without a reply. Replies arrive at once. A former holder starts no
//! new requests, but those that it sent may still arrive, and its write may still be confirmed.

mod state;
mod steps;
mod tidy;

use stateright::{Model, Property};

use self::state::*;
pub(crate) use self::state::{Register, Rule};
use crate::run::Checked;

pub(crate) const SEEN: &str = "a read sees every earlier write or read, until it expires";
pub(crate) const NO_OLDER: &str = "no older write appears after a read";

impl Checked for Register {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn fix_names(&mut self) {
        self.fixed_names = true;
    }

    fn describe(&self, state: &State) -> String {
        let nodes = state.nodes[..self.nodes].iter();
        let lines = nodes.map(|node| {
            let of = node.entry.version;
            format!("  [{}.{} from {}]", token(of), of % 4, node.entry.origin)
        });
        lines.collect()
    }

    /// Nodes are interchangeable.
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
                // Above the last token, and as clocks within the skew propose them.
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
