//! The steps of the system and their effects: the `Model` that stateright explores.

use stateright::{Model, Property};

use crate::config::{Config, Restart};
use crate::coverage::{Coverage, Event};
use crate::mutants::Mutant;
use crate::node::{self, Request};
use crate::run::Checked;
use crate::state::{Phase, State, Support, Vote, flight};
use crate::{canon, client, properties, tidy};

/// One step. Each may happen at any time at which it is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A client sends an acquire round with this token.
    Propose {
        client: usize,
        token: u8,
    },
    /// A request reaches a node, which carries it out and replies.
    Deliver {
        node: usize,
        attempt: usize,
        request: Request,
    },
    /// The same, but the reply is lost. Only if the reply would have decided the round.
    DeliverReplyLost {
        node: usize,
        attempt: usize,
        request: Request,
    },
    /// An extension reaches a node that is out of memory. The node raises the expiry, and the fence
    /// only if that needs no memory.
    DeliverFull {
        node: usize,
        attempt: usize,
        request: Request,
    },
    /// The client ends its attempt: it gives up, is refused, has lost the lock, or is done.
    Release {
        client: usize,
    },
    Extend {
        client: usize,
        ttl: u8,
    },
    /// The lease is handed over to the next local waiter, with the next token of the block.
    Turn {
        client: usize,
    },
    CoolDown {
        client: usize,
        window: u8,
    },
    /// The client gives up its cool-down without a majority.
    NotCooledDown {
        client: usize,
    },
    /// A node replies to a release or a cool-down with an error and does nothing.
    Refuse {
        node: usize,
        attempt: usize,
    },
    /// The window of a cool-down ends before it has arrived. A release is sent instead.
    CoolDownAsRelease {
        node: usize,
        attempt: usize,
    },
    /// A release that has been in flight for longer than the ttl is given up. Not in the design.
    GiveUp {
        node: usize,
        attempt: usize,
    },
    /// A tick of real time.
    Tick,
    /// The clock of a node runs fast, so its key expires early, within the drift.
    ExpireEarly {
        node: usize,
    },
    Snapshot {
        node: usize,
    },
    /// Somebody else deletes the key.
    Delete {
        node: usize,
    },
    Restart {
        node: usize,
        kind: Restart,
    },
}

/// The protocol within some bounds.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) config: Config,
    pub(crate) seen: Coverage,
    /// Off when a trace is replayed with the initial names of nodes and clients.
    symmetric: bool,
}

impl Checked for Protocol {
    fn name(&self) -> String {
        let Config {
            name,
            nodes,
            clients,
            attempts,
            ..
        } = self.config;
        format!("{name} ({nodes} nodes, {clients} clients, {attempts} each)")
    }

    fn fix_names(&mut self) {
        self.symmetric = false;
    }

    fn representative(&self, state: &State) -> State {
        canon::representative(&self.config, state)
    }

    fn describe(&self, state: &State) -> String {
        let clients = state.clients[..self.config.clients].iter().enumerate();
        clients.fold(String::new(), |mut text, (index, client)| {
            if client.validity > 0 {
                text += &format!(
                    "  [client {index} holds token {} for {}]",
                    client.next - 1,
                    client.validity
                );
            }
            if client.window > 0 {
                text += &format!("  [client {index} cools down for {}]", client.window);
            }
            text
        })
    }
}

impl Protocol {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            seen: Coverage::default(),
            symmetric: true,
        }
    }

    fn client_actions(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let config = &self.config;
        let me = &state.clients[index];
        let held = matches!(me.phase, Phase::Held | Phase::Extending);
        let may_propose = match me.phase {
            Phase::Idle => usize::from(me.over) < config.attempts,
            Phase::Acquiring => {
                me.round + 1 < config.rounds && client::may_retry(config, state, index)
            }
            _ => false,
        };
        if may_propose {
            let (low, high) = config
                .skew
                .map_or((1, config.tokens), |skew| (state.now, state.now + skew));
            // A retry proposes a token above all earlier ones of the attempt.
            actions.extend((low.max(me.asked + 1)..=high).map(|token| Action::Propose {
                client: index,
                token,
            }));
        }
        if me.phase != Phase::Idle && me.phase != Phase::CoolingDown {
            actions.push(Action::Release { client: index });
        }
        if held && me.validity > 0 {
            if me.extensions < config.extensions {
                actions.extend(
                    config
                        .extend
                        .iter()
                        .map(|&ttl| Action::Extend { client: index, ttl }),
                );
            }
            if me.next <= me.confirmed {
                actions.push(Action::Turn { client: index });
            }
            actions.extend(config.cool_down.iter().map(|&window| Action::CoolDown {
                client: index,
                window,
            }));
        }
        if me.phase == Phase::CoolingDown {
            actions.push(Action::NotCooledDown { client: index });
        }
    }

    fn node_actions(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let config = &self.config;
        let node = &state.nodes[at];
        for attempt in 0..config.clients * config.attempts {
            let in_flight = node.flight[attempt];
            if in_flight == 0 {
                continue;
            }
            let index = config.client_of(attempt);
            let current = attempt == client::attempt_of(config, state, index);
            let mut push = |request: Request| {
                if in_flight & request.bit() == 0 {
                    return;
                }
                actions.push(Action::Deliver {
                    node: at,
                    attempt,
                    request,
                });
                if config.may_be_full && matches!(request, Request::Extend(_)) {
                    actions.push(Action::DeliverFull {
                        node: at,
                        attempt,
                        request,
                    });
                }
                if current
                    && request.is_open(&state.clients[index])
                    && client::lacks_one(config, state, index)
                {
                    actions.push(Action::DeliverReplyLost {
                        node: at,
                        attempt,
                        request,
                    });
                }
            };
            (0..config.rounds).for_each(|round| push(Request::Acquire(round)));
            (0..config.extensions).for_each(|extension| push(Request::Extend(extension)));
            push(Request::CoolDown);
            push(Request::Release);
            if config.late {
                self.late_actions(state, at, attempt, actions);
            }
        }
        if node.owner != 0 && node.timer <= config.drift {
            actions.push(Action::ExpireEarly { node: at });
        }
        if node.owner != 0 && state.deletions < config.deletions {
            actions.push(Action::Delete { node: at });
        }
        if state.restarts < config.restarts {
            actions.extend(
                config
                    .restart_kinds
                    .iter()
                    .map(|&kind| Action::Restart { node: at, kind }),
            );
            if config.restart_kinds.contains(&Restart::Snapshot)
                && node.snapshot != (node.owner, node.timer, node.fence)
            {
                actions.push(Action::Snapshot { node: at });
            }
        }
    }

    /// The steps of releases and cool-downs that arrive late or are answered with an error.
    fn late_actions(&self, state: &State, node: usize, attempt: usize, actions: &mut Vec<Action>) {
        let config = &self.config;
        let in_flight = state.nodes[node].flight[attempt];
        if in_flight & (flight::RELEASE | flight::COOL_DOWN) != 0 {
            actions.push(Action::Refuse { node, attempt });
        }
        if in_flight & flight::COOL_DOWN != 0 && client::is_over(config, state, attempt) {
            actions.push(Action::CoolDownAsRelease { node, attempt });
        }
        if config.is(Mutant::ReleaseGivenUp)
            && in_flight & flight::RELEASE != 0
            && state.attempts[attempt].in_flight > config.ttl
        {
            actions.push(Action::GiveUp { node, attempt });
        }
    }

    fn tick(&self, state: &mut State) {
        let config = &self.config;
        for attempt in 0..config.clients * config.attempts {
            if config.late && client::is_over(config, state, attempt) {
                let in_flight = &mut state.attempts[attempt].in_flight;
                *in_flight = (*in_flight + 1).min(config.ttl + 1);
            }
        }
        if config.skew.is_some() {
            state.now += 1;
        }
        for node in &mut state.nodes[..config.nodes] {
            run_down(&mut node.owner, &mut node.timer);
            run_down(&mut node.snapshot.0, &mut node.snapshot.1);
            node.guard = node.guard.saturating_sub(1);
        }
        let longest = config.cool_down.iter().copied().fold(config.ttl, u8::max);
        for client in &mut state.clients[..config.clients] {
            if matches!(
                client.phase,
                Phase::Acquiring | Phase::Extending | Phase::CoolingDown
            ) {
                client.elapsed = (client.elapsed + 1).min(longest);
            }
            client.validity = client.validity.saturating_sub(1);
            client.window = client.window.saturating_sub(1);
        }
    }

    fn restart(&self, state: &mut State, at: usize, kind: Restart) {
        let config = &self.config;
        state.restarts += 1;
        let node = &mut state.nodes[at];
        match kind {
            Restart::Whole => {}
            Restart::Empty | Restart::Emptied => {
                (node.owner, node.timer, node.fence) = (0, 0, 0);
            }
            Restart::Snapshot => (node.owner, node.timer, node.fence) = node.snapshot,
        }
        node.snapshot = (0, 0, 0);
        node.guard = match kind {
            _ if config.is(Mutant::NoGuard) => 0,
            Restart::Snapshot if config.is(Mutant::MarkerWithoutRunId) => 0,
            Restart::Emptied if config.is(Mutant::RunIdOnly) => 0,
            _ if config.is(Mutant::GuardShort) => config.guard_time - 1,
            _ => config.guard_time,
        };
        if kind != Restart::Emptied {
            Self::cut(config, state, at);
        }
        let node = &mut state.nodes[at];
        if kind == Restart::Whole {
            return;
        }
        for index in 0..config.clients {
            if node.votes[index] == Vote::Yes {
                node.votes[index] = Vote::YesForgotten;
            }
            if node.support[index] == Support::Kept {
                node.support[index] = Support::Forgotten;
                if state.clients[index].validity > 0 {
                    self.seen.saw(Event::ForgotHolder);
                }
            }
        }
    }

    /// The connections are lost with the requests in flight on them. Releases are sent again.
    fn cut(config: &Config, state: &mut State, at: usize) {
        let node = &mut state.nodes[at];
        for (attempt, flying) in node.flight[..config.clients * config.attempts]
            .iter_mut()
            .enumerate()
        {
            let index = config.client_of(attempt);
            let current = state.clients[index].phase != Phase::Idle
                && attempt == index * config.attempts + usize::from(state.clients[index].over);
            let unanswered = current && *flying & flight::ACQUIRES != 0;
            *flying &= flight::RELEASE | flight::COOL_DOWN | flight::OPEN;
            if unanswered {
                *flying |= flight::OPEN;
            }
        }
    }
}

fn run_down(owner: &mut u8, timer: &mut u8) {
    *timer = timer.saturating_sub(1);
    if *timer == 0 {
        *owner = 0;
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let now = u8::from(self.config.skew.is_some());
        vec![canon::unchanged(
            &self.config,
            &State {
                now,
                ..State::default()
            },
        )]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if properties::violated(&self.config, state) {
            return;
        }
        for client in 0..self.config.clients {
            self.client_actions(state, client, actions);
        }
        for node in 0..self.config.nodes {
            self.node_actions(state, node, actions);
        }
        if self.config.skew.is_none() || state.now < self.config.horizon {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let config = &self.config;
        let mut state = *last;
        match action {
            Action::Propose { client, token } => client::propose(config, &mut state, client, token),
            Action::Deliver {
                node,
                attempt,
                request,
            } => {
                node::deliver(config, &mut state, node, attempt, request, true, &self.seen);
                client::decide(config, &mut state, config.client_of(attempt), &self.seen);
            }
            Action::DeliverFull {
                node,
                attempt,
                request,
            } => {
                let full = Config {
                    full: true,
                    ..*config
                };
                node::deliver(&full, &mut state, node, attempt, request, true, &self.seen);
                client::decide(config, &mut state, config.client_of(attempt), &self.seen);
            }
            Action::DeliverReplyLost {
                node,
                attempt,
                request,
            } => {
                node::deliver(
                    config, &mut state, node, attempt, request, false, &self.seen,
                );
            }
            Action::Release { client } => client::release(config, &mut state, client),
            Action::Extend { client, ttl } => client::extend(config, &mut state, client, ttl),
            Action::Turn { client } => client::turn(config, &mut state, client, &self.seen),
            Action::CoolDown { client, window } => {
                client::cool_down(config, &mut state, client, window);
            }
            Action::NotCooledDown { client } => client::end_attempt(config, &mut state, client),
            Action::Refuse { node, attempt } => {
                self.seen.saw(Event::Refused);
                if config.is(Mutant::ErrorIsDelivery) {
                    state.nodes[node].flight[attempt] &= !(flight::RELEASE | flight::COOL_DOWN);
                }
            }
            Action::CoolDownAsRelease { node, attempt } => {
                self.seen.saw(Event::CoolDownAsRelease);
                let in_flight = &mut state.nodes[node].flight[attempt];
                *in_flight = *in_flight & !flight::COOL_DOWN | flight::RELEASE;
            }
            Action::GiveUp { node, attempt } => {
                state.nodes[node].flight[attempt] &= !flight::RELEASE;
            }
            Action::Tick => {
                self.tick(&mut state);
                (0..config.clients)
                    .for_each(|client| client::decide(config, &mut state, client, &self.seen));
            }
            Action::ExpireEarly { node } => {
                (state.nodes[node].owner, state.nodes[node].timer) = (0, 0);
            }
            Action::Snapshot { node } => {
                let node = &mut state.nodes[node];
                node.snapshot = (node.owner, node.timer, node.fence);
            }
            Action::Delete { node } => {
                (state.nodes[node].owner, state.nodes[node].timer) = (0, 0);
                state.deletions += 1;
            }
            Action::Restart { node, kind } => self.restart(&mut state, node, kind),
        }
        // `tidy` relies on the rules of the nodes. If one of them is broken, it is not used.
        if config.mutant.is_none_or(Mutant::keeps_node_rules) {
            tidy::tidy(config, &mut state);
        }
        state = if self.symmetric {
            canon::representative(config, &state)
        } else {
            canon::unchanged(config, &state)
        };
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
