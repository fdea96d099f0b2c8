//! The steps of the system, and how they follow each other: the `Model` that stateright explores.

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
    /// A round of an acquire goes out with this token.
    Propose {
        client: usize,
        token: u8,
    },
    /// A request reaches a node, which acts and answers.
    Deliver {
        node: usize,
        attempt: usize,
        request: Request,
    },
    /// The same, and the answer, which would have decided the round, is lost.
    DeliverUnheard {
        node: usize,
        attempt: usize,
        request: Request,
    },
    /// An extension reaches a node without memory: it raises the expiry, and the fence where that takes none.
    DeliverFull {
        node: usize,
        attempt: usize,
        request: Request,
    },
    /// The client lets go: gives up, is refused, has lost the lock, or is done.
    Release {
        client: usize,
    },
    Extend {
        client: usize,
        ttl: u8,
    },
    /// The next local waiter takes over with the next token of the block.
    Turn {
        client: usize,
    },
    CoolDown {
        client: usize,
        window: u8,
    },
    /// The response goes out with a warning, without a majority.
    NotCooledDown {
        client: usize,
    },
    /// A node answers a release or a cool-down with an error, and does nothing.
    Refuse {
        node: usize,
        attempt: usize,
    },
    /// The window of a cool-down that has not arrived is over: it goes on as a release.
    CoolDownAsRelease {
        node: usize,
        attempt: usize,
    },
    /// A release that has been under way for longer than the ttl is given up. Not in the design.
    GiveUp {
        node: usize,
        attempt: usize,
    },
    /// A tick of real time.
    Tick,
    /// The clock of a node runs fast: its key expires before the ttl is over, within the drift.
    ExpireEarly {
        node: usize,
    },
    Snapshot {
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
    /// Off to replay a trace with the names that nodes and clients had from the start.
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

    fn with_fixed_names(&self) -> Self {
        Self {
            symmetric: false,
            ..self.clone()
        }
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
            // A retry lies above all that the attempt itself has asked for.
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
            let under_way = node.flight[attempt];
            if under_way == 0 {
                continue;
            }
            let index = config.client_of(attempt);
            let current = attempt == client::attempt_of(config, state, index);
            let mut push = |request: Request| {
                if under_way & request.bit() == 0 {
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
                    actions.push(Action::DeliverUnheard {
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

    /// What can become of a release that is not carried out when it arrives, or arrives late.
    fn late_actions(&self, state: &State, node: usize, attempt: usize, actions: &mut Vec<Action>) {
        let config = &self.config;
        let under_way = state.nodes[node].flight[attempt];
        if under_way & (flight::RELEASE | flight::COOL_DOWN) != 0 {
            actions.push(Action::Refuse { node, attempt });
        }
        if under_way & flight::COOL_DOWN != 0 && client::is_over(config, state, attempt) {
            actions.push(Action::CoolDownAsRelease { node, attempt });
        }
        if config.is(Mutant::ReleaseGivenUp)
            && under_way & flight::RELEASE != 0
            && state.attempts[attempt].under_way > config.ttl
        {
            actions.push(Action::GiveUp { node, attempt });
        }
    }

    fn tick(&self, state: &mut State) {
        let config = &self.config;
        for attempt in 0..config.clients * config.attempts {
            if config.late && client::is_over(config, state, attempt) {
                let under_way = &mut state.attempts[attempt].under_way;
                *under_way = (*under_way + 1).min(config.ttl + 1);
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

    /// The connections are gone, and what was under way on them; a release is sent again.
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
            Action::DeliverUnheard {
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
                let under_way = &mut state.nodes[node].flight[attempt];
                *under_way = *under_way & !flight::COOL_DOWN | flight::RELEASE;
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
            Action::Restart { node, kind } => self.restart(&mut state, node, kind),
        }
        // The shortcuts rest on the rules of the nodes: where one of these is broken, all is explored.
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
