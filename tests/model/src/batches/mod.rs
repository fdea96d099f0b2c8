//! Several commands in one script call: a model of its own, one node and the connection of one
//! process.
//!
//! The script reads all keys first, carries out what begins a hold before what ends one, and checks
//! once whether anybody waits, as `redlock/src/command/batch/run.lua` does. Beside each call the
//! model carries out the same commands back to back, and compares. A call may be refused as a whole
//! before it runs, its reply may be lost, and a call on a connection that was cut may run later or
//! never. There is no time: leases do not end by themselves.

mod state;

use stateright::{Model, Property};

use self::state::{
    Action, Call, Client, Command, Does, LOCKS, List, MAX_BATCH, Node, Replies, Reply, State,
};
use crate::run::Checked;

pub(crate) const EQUAL: &str = "a call does what its commands do back to back";
pub(crate) const EXCLUSION: &str = "at most one holds a lock";
pub(crate) const ORPHANS: &str = "no lock is held for one that is gone";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Distinct,
    /// A lock may be in a call twice.
    SharedLocks,
    /// Locks with the same waitlist may be in one call.
    SharedWaitlists,
    /// An error of one command is the reply to all of them.
    FailureSpreads,
    /// The commands of a refused call are taken for carried out.
    RefusedIsDone,
    /// An acquire whose reply was lost is taken for granted.
    UnknownIsYes,
    /// An acquire whose reply was lost is taken for refused, and not rolled back.
    UnknownIsNo,
    /// A release leaves no tombstone.
    NoTombstone,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Batches {
    pub(crate) name: &'static str,
    /// The waitlist of each lock. Permits of a semaphore share one.
    pub(crate) waitlists: [usize; LOCKS],
    /// Any token in `1..=tokens` may be proposed.
    pub(crate) tokens: u8,
    pub(crate) rule: Rule,
}

impl Batches {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    /// Whether these may share a call.
    fn may_share(&self, state: &State, commands: &[Command]) -> bool {
        let lock = |command: &Command| usize::from(state.clients[usize::from(command.client)].lock);
        let clash = |a: &Command, b: &Command| match self.rule {
            Rule::SharedLocks => false,
            Rule::SharedWaitlists => lock(a) == lock(b),
            _ => self.waitlists[lock(a)] == self.waitlists[lock(b)],
        };
        let apart =
            |(at, a): (usize, &Command)| commands[..at].iter().all(|earlier| !clash(earlier, a));
        commands.len() <= MAX_BATCH
            && commands.iter().all(|command| !command.alone)
            && commands.iter().enumerate().all(apart)
    }

    /// The step of one command. `seen`: what was read of its keys; `waited`: whether anybody may
    /// wait.
    fn step(
        &self,
        node: &mut Node,
        clients: &[Client],
        command: Command,
        seen: &Node,
        waited: bool,
    ) -> Reply {
        let me = command.client + 1;
        let Client { lock, token, .. } = clients[usize::from(command.client)];
        let (lock, bit) = (usize::from(lock), 1 << command.client);
        let waiting = self.waitlists[lock];
        let (owner, fence) = (seen.owner[lock], seen.fence[lock]);
        if !command.releases {
            if owner != 0 && owner != me {
                node.waiting[waiting] |= bit;
                return Reply::Held;
            }
            if fence >= token && !(owner == me && fence == token) {
                return Reply::Stale;
            }
            (node.fence[lock], node.owner[lock]) = (token, me);
            node.waiting[waiting] &= !bit;
            return Reply::Ok;
        }
        if owner == me {
            node.owner[lock] = 0;
        }
        if fence <= token && !self.is(Rule::NoTombstone) {
            node.fence[lock] = token + 1;
        }
        let list = &mut node.waiting[waiting];
        if owner != me || !waited || *list == 0 {
            return Reply::Ok;
        }
        // The first one is notified, and leaves the waitlist.
        *list &= *list - 1;
        Reply::Woke
    }

    /// The commands as calls of their own.
    fn back_to_back(&self, state: &State, call: &Call, fails: Option<usize>) -> (Node, Replies) {
        let (mut node, mut replies) = (state.node, Replies::default());
        for (place, command) in call.as_slice().iter().enumerate() {
            let seen = node;
            replies.push(match fails == Some(place) {
                true => Reply::Error,
                false => self.step(&mut node, &state.clients, *command, &seen, true),
            });
        }
        (node, replies)
    }

    /// The commands as one call.
    fn together(&self, state: &State, call: &Call, fails: Option<usize>) -> (Node, Replies) {
        let (mut node, seen) = (state.node, state.node);
        let waitlist = |command: &Command| {
            let lock = state.clients[usize::from(command.client)].lock;
            self.waitlists[usize::from(lock)]
        };
        let commands = call.as_slice();
        let mut releases = commands.iter().filter(|command| command.releases);
        let waited = releases.any(|command| seen.waiting[waitlist(command)] != 0);
        let mut replies = Replies::of(&[Reply::Ok; MAX_BATCH][..commands.len()]);
        for releases in [false, true] {
            let places = commands.iter().enumerate();
            for (place, command) in places.filter(|(_, command)| command.releases == releases) {
                replies.values[place] = match fails == Some(place) {
                    true => Reply::Error,
                    false => self.step(&mut node, &state.clients, *command, &seen, waited),
                };
            }
        }
        if self.is(Rule::FailureSpreads) && fails.is_some() {
            replies = Replies::of(&[Reply::Error; MAX_BATCH][..commands.len()]);
        }
        (node, replies)
    }

    fn run(&self, state: &mut State, call: Call, fails: Option<usize>) -> Replies {
        let (node, replies) = match call.len {
            1 => self.back_to_back(state, &call, fails),
            _ => self.together(state, &call, fails),
        };
        state.differs |= (node, replies) != self.back_to_back(state, &call, fails);
        state.node = node;
        replies
    }

    /// A command whose reply came.
    fn answered(&self, state: &mut State, command: Command, reply: Reply) {
        let me = &mut state.clients[usize::from(command.client)];
        match (command.releases, reply) {
            (_, Reply::Error) => self.unknown(state, command),
            (false, Reply::Ok) => me.does = Does::Holds,
            // Released, or refused: then it waits no longer, which leaves it in the waitlist.
            _ => me.does = Does::Gone,
        }
    }

    /// A command that may have been carried out: an acquire is rolled back, and a release is sent
    /// again.
    fn unknown(&self, state: &mut State, command: Command) {
        let me = &mut state.clients[usize::from(command.client)];
        if !command.releases && self.is(Rule::UnknownIsYes) {
            me.does = Does::Holds;
        } else if !command.releases && self.is(Rule::UnknownIsNo) {
            me.does = Does::Gone;
        } else {
            me.does = Does::Leaves;
            state.queue.push(Command {
                releases: true,
                alone: false,
                ..command
            });
        }
    }

    /// None of the call was carried out: its commands go first, one by one.
    fn refused(&self, state: &mut State, call: Call) {
        if self.is(Rule::RefusedIsDone) {
            for command in call.as_slice() {
                self.answered(state, *command, Reply::Ok);
            }
            return;
        }
        let mut queue = List::default();
        for command in call.as_slice() {
            queue.push(Command {
                alone: true,
                ..*command
            });
        }
        for command in state.queue.as_slice() {
            queue.push(*command);
        }
        state.queue = queue;
    }

    fn cut(&self, state: &mut State, call: Call, ran: bool) {
        if !ran {
            state.late = call;
        }
        for command in call.as_slice() {
            self.unknown(state, *command);
        }
    }
}

impl Checked for Batches {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn describe(&self, state: &State) -> String {
        format!("  [owners {:?}]", state.node.owner)
    }

    fn representative(&self, state: &State) -> State {
        *state
    }
}

impl Model for Batches {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (client, me) in state.clients.iter().enumerate() {
            // Clients are alike: they begin in their order.
            let is_next = client == 0 || state.clients[client - 1].does != Does::Nothing;
            if me.does == Does::Nothing && is_next {
                for lock in 0..LOCKS as u8 {
                    let tokens = 1..=self.tokens;
                    actions.extend(tokens.map(|token| Action::Ask {
                        client,
                        lock,
                        token,
                    }));
                }
            } else if me.does == Does::Holds {
                actions.push(Action::Leave { client });
            }
        }
        let queue = state.queue.as_slice();
        if state.call.len == 0 && !queue.is_empty() {
            actions.push(Action::Write { count: 1 });
            let counts = (2..=queue.len()).filter(|count| self.may_share(state, &queue[..*count]));
            actions.extend(counts.map(|count| Action::Write { count }));
        }
        if state.call.len > 0 {
            match state.replies {
                Some(_) => actions.push(Action::Answer),
                None => {
                    actions.push(Action::Run { fails: None });
                    let places = 0..state.call.len;
                    actions.extend(places.map(|place| Action::Run { fails: Some(place) }));
                    if state.call.len > 1 {
                        actions.push(Action::Refuse);
                    }
                }
            }
            // One call is late at a time.
            if state.replies.is_some() || state.late.len == 0 {
                actions.push(Action::Cut);
            }
        }
        if state.late.len > 0 {
            actions.extend([Action::RunLate, Action::DropLate]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Ask {
                client,
                lock,
                token,
            } => {
                let does = Does::Asks;
                state.clients[client] = Client { does, lock, token };
                state.queue.push(Command {
                    client: client as u8,
                    ..Command::default()
                });
            }
            Action::Leave { client } => {
                state.clients[client].does = Does::Leaves;
                state.queue.push(Command {
                    client: client as u8,
                    releases: true,
                    alone: false,
                });
            }
            Action::Write { count } => {
                let (first, rest) = last.queue.as_slice().split_at(count);
                (state.call, state.queue) = (List::of(first), List::of(rest));
            }
            Action::Refuse => {
                state.call = Call::default();
                self.refused(&mut state, last.call);
            }
            Action::Run { fails } => state.replies = Some(self.run(&mut state, last.call, fails)),
            Action::Answer => {
                (state.call, state.replies) = (Call::default(), None);
                let replies = last.replies?;
                for (command, reply) in last.call.as_slice().iter().zip(replies.as_slice()) {
                    self.answered(&mut state, *command, *reply);
                }
            }
            Action::Cut => {
                (state.call, state.replies) = (Call::default(), None);
                self.cut(&mut state, last.call, last.replies.is_some());
            }
            Action::RunLate => {
                state.late = Call::default();
                self.run(&mut state, last.late, None);
            }
            Action::DropLate => state.late = Call::default(),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(EQUAL, |_, state: &State| !state.differs),
            Property::always(EXCLUSION, |_, state: &State| {
                (0..LOCKS as u8).all(|lock| {
                    let holds = |me: &&Client| me.does == Does::Holds && me.lock == lock;
                    state.clients.iter().filter(holds).count() <= 1
                })
            }),
            Property::always(ORPHANS, |_, state: &State| {
                let gone = |owner: u8| {
                    let owner = owner.checked_sub(1).map(usize::from);
                    owner.is_some_and(|owner| state.clients[owner].does == Does::Gone)
                };
                !state.node.owner.iter().any(|owner| gone(*owner))
            }),
        ]
    }
}
