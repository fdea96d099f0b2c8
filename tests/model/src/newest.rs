//! A model of locks whose newest request wins.
//!
//! The lock is assumed to exclude: one request holds it at a time. A request announces itself with any number above those
//! that it was refused with, acquires the lock, announces itself again under the same number, and runs. It may be given up
//! at any time, which covers every notification. Announcements arrive in any order, late or never. Replies arrive at once: a
//! request that reads one later only begins later. A node may forget the newest request, and has no vote after that.

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const LAST: &str = "of the bodies that run to their ends, the newest is the last";
pub(crate) const LATER: &str = "a request that is made after an announcement is newer";

const NODES: usize = 3;
const REQUESTS: usize = 3;

/// A second announcement, with the lock. The bits below it are first ones, one for each number.
const CONFIRM: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Design,
    /// A body begins with the grant of the lock.
    NoConfirmation,
    /// With the lock, one node is asked and not a majority.
    ConfirmedByOne,
    /// A request is announced when one node knows it.
    AnnouncedByOne,
    /// A node replaces a newer request.
    NoComparison,
    /// A node accepts two requests with the same number.
    EqualAccepted,
    /// A request that a node refused counts as announced there.
    RefusalCounts,
    /// A node that has forgotten the newest request votes.
    ForgottenVotes,
    /// Bodies run without the lock.
    NoLock,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    pub(crate) name: &'static str,
    pub(crate) requests: usize,
    /// How many numbers a request may take, one after the other.
    pub(crate) rounds: u8,
    /// Any number in `1..=numbers` may be taken.
    pub(crate) numbers: u8,
    /// How many nodes may forget.
    pub(crate) forgets: u8,
    pub(crate) rule: Rule,
    pub(crate) fixed_names: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    /// The number of the newest request, and the request, counted from 1.
    newest: (u8, u8),
    forgot: bool,
    /// The announcements in flight from each request.
    flight: [u8; REQUESTS],
    /// The reply to the current announcement of each request.
    reply: [Reply; REQUESTS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Reply {
    #[default]
    None,
    Yes,
    Stale,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    #[default]
    New,
    Announcing,
    Waiting,
    Confirming,
    Running,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Request {
    phase: Phase,
    number: u8,
    rounds: u8,
    /// The highest number that it was refused with.
    floor: u8,
    /// The highest number that was announced before it was made.
    before: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    nodes: [Node; NODES],
    requests: [Request; REQUESTS],
    announced: u8,
    finished: u8,
    forgotten: u8,
    is_older: bool,
    out_of_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A request takes a number and sends its announcement.
    Announce { request: usize, number: u8 },
    /// An announcement arrives at a node, and the reply at the request. Number 0: a second one.
    Arrive {
        request: usize,
        number: u8,
        node: usize,
    },
    /// A request gets the lock.
    Acquire { request: usize },
    /// The body has run to its end.
    Finish { request: usize },
    /// A request is given up or superseded.
    End { request: usize },
    /// A node forgets the newest request.
    Forget { node: usize },
}

impl Newest {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    fn is_locked(&self, state: &State) -> bool {
        let holds = |request: &Request| matches!(request.phase, Phase::Confirming | Phase::Running);
        state.requests.iter().any(holds) && !self.is(Rule::NoLock)
    }

    fn may_announce(&self, state: &State, request: usize) -> bool {
        let me = &state.requests[request];
        let refused = || {
            let mut replies = state.nodes.iter().map(|node| node.reply[request]);
            replies.any(|reply| reply == Reply::Stale)
        };
        match me.phase {
            Phase::New => true,
            Phase::Announcing => me.rounds < self.rounds && refused(),
            _ => false,
        }
    }

    fn announce(state: &mut State, request: usize, number: u8) {
        let announced = state.announced;
        let me = &mut state.requests[request];
        if me.phase == Phase::New {
            me.before = announced;
        }
        me.phase = Phase::Announcing;
        me.number = number;
        me.rounds += 1;
        for node in &mut state.nodes {
            node.flight[request] |= 1 << number;
            node.reply[request] = Reply::None;
        }
    }

    fn arrive(&self, state: &mut State, request: usize, sent: u8, at: usize) {
        let me = state.requests[request];
        let node = &mut state.nodes[at];
        node.flight[request] &= !(1 << sent);
        let number = if sent == 0 { me.number } else { sent };
        let by = request as u8 + 1;
        let (known, other) = node.newest;
        let is_newer = known > number || known == number && other != by;
        let accepts_equal = self.is(Rule::EqualAccepted) && known == number;
        let accepted = !is_newer || accepts_equal || self.is(Rule::NoComparison);
        if accepted {
            node.newest = (number, by);
        }
        let is_current = match me.phase {
            Phase::Announcing => sent == me.number,
            Phase::Confirming => sent == 0,
            _ => false,
        };
        if !is_current {
            return;
        }
        let votes = !node.forgot || self.is(Rule::ForgottenVotes);
        if !accepted {
            state.requests[request].floor = me.floor.max(known);
        }
        node.reply[request] = match accepted {
            true if votes => Reply::Yes,
            true => Reply::None,
            false if self.is(Rule::RefusalCounts) => Reply::Yes,
            false => Reply::Stale,
        };
        self.decide(state, request);
    }

    fn decide(&self, state: &mut State, request: usize) {
        let replies = state.nodes.iter().map(|node| node.reply[request]);
        let yes = replies.filter(|reply| *reply == Reply::Yes).count();
        let me = &mut state.requests[request];
        let by_one = match me.phase {
            Phase::Announcing => self.is(Rule::AnnouncedByOne),
            _ => self.is(Rule::ConfirmedByOne),
        };
        if yes <= NODES / 2 && !(by_one && yes > 0) {
            return;
        }
        if me.phase == Phase::Announcing {
            me.phase = Phase::Waiting;
            state.is_older |= me.number <= me.before;
            state.announced = state.announced.max(me.number);
        } else {
            me.phase = Phase::Running;
        }
        for node in &mut state.nodes {
            node.reply[request] = Reply::None;
        }
    }

    fn acquire(&self, state: &mut State, request: usize) {
        if self.is(Rule::NoConfirmation) {
            state.requests[request].phase = Phase::Running;
            return;
        }
        state.requests[request].phase = Phase::Confirming;
        for node in &mut state.nodes {
            node.flight[request] |= CONFIRM;
        }
    }

    fn end(state: &mut State, request: usize) {
        state.requests[request].phase = Phase::Over;
        for node in &mut state.nodes {
            node.reply[request] = Reply::None;
        }
    }
}

impl Checked for Newest {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn fix_names(&mut self) {
        self.fixed_names = true;
    }

    fn describe(&self, state: &State) -> String {
        let requests = state.requests.iter().enumerate();
        let running = requests.filter(|(_, request)| request.phase == Phase::Running);
        let lines = running.map(|(at, request)| format!("  [{at} runs as {}]", request.number));
        lines.collect()
    }

    /// Nodes are interchangeable.
    fn representative(&self, state: &State) -> State {
        let mut state = *state;
        state.nodes.sort_unstable();
        state
    }
}

impl Model for Newest {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for request in 0..self.requests {
            let me = &state.requests[request];
            if self.may_announce(state, request) {
                let numbers = me.floor.max(me.number) + 1..=self.numbers;
                actions.extend(numbers.map(|number| Action::Announce { request, number }));
            }
            match me.phase {
                Phase::Waiting if !self.is_locked(state) => {
                    actions.push(Action::Acquire { request });
                }
                Phase::Running => actions.push(Action::Finish { request }),
                _ => {}
            }
            if !matches!(me.phase, Phase::New | Phase::Over) {
                actions.push(Action::End { request });
            }
        }
        for (node, at) in state.nodes.iter().enumerate() {
            for (request, flight) in at.flight.iter().enumerate() {
                let sent = (0..=self.numbers).filter(|number| flight & 1 << number != 0);
                actions.extend(sent.map(|number| Action::Arrive {
                    request,
                    number,
                    node,
                }));
            }
            if state.forgotten < self.forgets && at.newest != (0, 0) {
                actions.push(Action::Forget { node });
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Announce { request, number } => Self::announce(&mut state, request, number),
            Action::Arrive {
                request,
                number,
                node,
            } => self.arrive(&mut state, request, number, node),
            Action::Acquire { request } => self.acquire(&mut state, request),
            Action::Finish { request } => {
                let number = state.requests[request].number;
                state.out_of_order |= number < state.finished;
                state.finished = state.finished.max(number);
                Self::end(&mut state, request);
            }
            Action::End { request } => Self::end(&mut state, request),
            Action::Forget { node } => {
                state.forgotten += 1;
                state.nodes[node].newest = (0, 0);
                state.nodes[node].forgot = true;
            }
        }
        if !self.fixed_names {
            state = self.representative(&state);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LAST, |_, state: &State| !state.out_of_order),
            Property::always(LATER, |_, state: &State| !state.is_older),
        ]
    }
}
