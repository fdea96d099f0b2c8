//! Removes irrelevant parts of a state, so that states that differ only in these become equal.

use crate::client;
use crate::config::Config;
use crate::mutants::Mutant;
use crate::state::{Attempt, Client, Node, Phase, State, Vote, flight};

/// Removes what can no longer make a difference.
pub(crate) fn tidy(config: &Config, state: &mut State) {
    for index in 0..config.clients {
        tidy_client(config, state, index);
    }
    let attempts = config.clients * config.attempts;
    for attempt in 0..attempts {
        let index = config.client_of(attempt);
        let me = state.clients[index];
        let current =
            me.phase != Phase::Idle && attempt == client::attempt_of(config, state, index);
        let sent = state.attempts[attempt];
        for node in &mut state.nodes[..config.nodes] {
            tidy_flight(config, node, attempt, current, &me, &sent);
        }
        tidy_attempt(config, state, attempt);
    }
    let clients = &state.clients[..config.clients];
    let may_win = |client: &Client| {
        client.phase == Phase::Acquiring
            || client.phase == Phase::Idle && usize::from(client.over) < config.attempts
            || config.span > 0 && client.validity > 0
    };
    if !clients.iter().any(may_win) {
        state.granted = 0;
    }
    if clients
        .iter()
        .all(|client| client.phase == Phase::Idle && usize::from(client.over) == config.attempts)
    {
        state.restarts = config.restarts;
        for node in &mut state.nodes[..config.nodes] {
            node.guard = 0;
        }
    }
    if state.restarts == config.restarts {
        for node in &mut state.nodes[..config.nodes] {
            node.snapshot = (0, 0, 0);
        }
    }
}

/// A client that can only release does so at once. Its release is in flight and may arrive at any
/// time.
fn tidy_client(config: &Config, state: &mut State, index: usize) {
    let me = state.clients[index];
    let last = me.round + 1 >= config.rounds;
    let (over, keep_yes, keep_no) = match me.phase {
        Phase::Idle => return,
        Phase::Acquiring => {
            let too_late = client::validity(config, &me, config.ttl) == 0;
            (too_late && last, !too_late, !last)
        }
        Phase::Held | Phase::Extending => (me.validity == 0, me.phase == Phase::Extending, false),
        Phase::CoolingDown => {
            let attempt = client::attempt_of(config, state, index);
            let too_late = client::validity(config, &me, state.attempts[attempt].cool_down) == 0;
            (too_late, true, false)
        }
    };
    if over && me.phase == Phase::CoolingDown {
        client::end_attempt(config, state, index);
    } else if over {
        client::release(config, state, index);
    } else {
        for node in &mut state.nodes[..config.nodes] {
            let vote = &mut node.votes[index];
            let kept = match vote {
                Vote::None => true,
                Vote::No | Vote::Stale => keep_no,
                Vote::Yes | Vote::YesForgotten | Vote::YesInGuard => keep_yes,
            };
            if !kept {
                *vote = Vote::None;
            }
        }
    }
}

/// Drops requests that the node would always refuse and whose reply no client reads.
fn tidy_flight(
    config: &Config,
    node: &mut Node,
    attempt: usize,
    current: bool,
    me: &Client,
    sent: &Attempt,
) {
    let flying = &mut node.flight[attempt];
    for round in 0..config.rounds {
        let bit = flight::ACQUIRE << round;
        let read = current && me.phase == Phase::Acquiring && me.round == round;
        if *flying & bit != 0 && !read && node.fence >= sent.tokens[usize::from(round)] {
            *flying &= !bit;
            if current {
                *flying |= flight::OPEN;
            }
        }
    }
    if config.is(Mutant::OwnerReused) {
        return;
    }
    let owner = config.owner(attempt);
    let restores = |extension: u8| {
        let (_, confirmed, asked) = sent.extends[usize::from(extension)];
        node.fence
            <= if config.is(Mutant::RestoresAsked) {
                asked
            } else {
                confirmed
            }
    };
    let extends =
        (0..config.extensions).filter(|extension| *flying & flight::EXTEND << extension != 0);
    let may_own =
        node.owner == owner || *flying & flight::ACQUIRES != 0 || extends.clone().any(restores);
    if may_own {
        return;
    }
    let mut gone = 0;
    for extension in extends {
        if !(current && me.phase == Phase::Extending && me.extensions == extension + 1) {
            gone |= flight::EXTEND << extension;
        }
    }
    if node.fence > sent.asked {
        gone |= flight::RELEASE;
        if !(current && me.phase == Phase::CoolingDown) {
            gone |= flight::COOL_DOWN;
        }
    }
    *flying &= !gone;
}

/// Clears the contents of requests that can no longer be delivered.
fn tidy_attempt(config: &Config, state: &mut State, attempt: usize) {
    let index = config.client_of(attempt);
    let me = &state.clients[index];
    let current = me.phase != Phase::Idle && attempt == client::attempt_of(config, state, index);
    let flying = state.nodes[..config.nodes]
        .iter()
        .fold(0, |all, node| all | node.flight[attempt]);
    let sent = &mut state.attempts[attempt];
    if !current && flying == 0 {
        *sent = Attempt::default();
        return;
    }
    for round in 0..config.rounds {
        if flying & flight::ACQUIRE << round == 0 && !(current && round == me.round) {
            sent.tokens[usize::from(round)] = 0;
        }
    }
    for extension in 0..config.extensions {
        if flying & flight::EXTEND << extension == 0 && !(current && extension + 1 == me.extensions)
        {
            sent.extends[usize::from(extension)] = (0, 0, 0);
        }
    }
}
