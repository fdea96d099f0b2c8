//! The steps of a client: rounds, decisions, validity, release, cool-down.

use crate::config::Config;
use crate::coverage::{Coverage, Event};
use crate::mutants::Mutant;
use crate::state::{Client, Node, Phase, State, Support, Vote, flight};

/// The current or next attempt of a client.
pub(crate) fn attempt_of(config: &Config, state: &State, client: usize) -> usize {
    client * config.attempts + usize::from(state.clients[client].over)
}

/// Whether the client has ended this attempt.
pub(crate) fn is_over(config: &Config, state: &State, attempt: usize) -> bool {
    let client = config.client_of(attempt);
    let now = attempt_of(config, state, client);
    attempt < now || attempt == now && state.clients[client].phase == Phase::Idle
}

/// The validity that a round with this ttl would give now.
pub(crate) fn validity(config: &Config, client: &Client, ttl: u8) -> u8 {
    let elapsed = if config.is(Mutant::CountedFromReply) {
        0
    } else {
        client.elapsed
    };
    let drift = if config.is(Mutant::NoDrift) {
        0
    } else {
        config.drift
    };
    ttl.saturating_sub(elapsed).saturating_sub(drift)
}

/// Decides the open round as soon as the replies allow it. A client that reads them later only
/// holds for a part of this time. Lost replies are steps of their own.
pub(crate) fn decide(config: &Config, state: &mut State, index: usize, seen: &Coverage) {
    let client = state.clients[index];
    if !has_quorum(config, state, index) {
        return;
    }
    match client.phase {
        Phase::Acquiring if validity(config, &client, config.ttl) > 0 => {
            grant(config, state, index, seen);
        }
        Phase::Extending if client.validity > 0 => confirm(config, state, index, seen),
        Phase::CoolingDown => cooled_down(config, state, index, seen),
        _ => {}
    }
}

/// Whether one more yes decides the open round.
pub(crate) fn lacks_one(config: &Config, state: &State, index: usize) -> bool {
    let yes = |node: &&Node| {
        matches!(
            node.votes[index],
            Vote::Yes | Vote::YesForgotten | Vote::YesInGuard
        )
    };
    state.nodes[..config.nodes].iter().filter(yes).count() as u32 + 1 >= config.quorum()
}

/// Whether a vote counts if the client reads the reply now.
fn counts(node: &Node, client: usize) -> bool {
    match node.votes[client] {
        Vote::Yes | Vote::YesForgotten => true,
        Vote::YesInGuard => node.guard == 0,
        _ => false,
    }
}

/// Whether the open round has its majority.
pub(crate) fn has_quorum(config: &Config, state: &State, client: usize) -> bool {
    let yes = state.nodes[..config.nodes]
        .iter()
        .filter(|node| counts(node, client))
        .count();
    yes as u32 >= config.quorum()
}

/// Whether another round can win: a node replied STALE, and OK and STALE can still make a majority.
pub(crate) fn may_retry(config: &Config, state: &State, client: usize) -> bool {
    let nodes = &state.nodes[..config.nodes];
    let stale = nodes.iter().any(|node| node.votes[client] == Vote::Stale);
    let refused = nodes
        .iter()
        .filter(|node| node.votes[client] == Vote::No)
        .count();
    stale && (config.nodes - refused) as u32 >= config.quorum()
}

/// Opens a round. Its time is counted from here, whenever the requests arrive.
fn open_round(config: &Config, state: &mut State, client: usize, bit: u8) {
    let attempt = attempt_of(config, state, client);
    let keep = config.is(Mutant::RoundsAddedUp) && bit & flight::ACQUIRES != 0;
    for node in &mut state.nodes[..config.nodes] {
        if !(keep && node.votes[client] == Vote::Yes) {
            node.votes[client] = Vote::None;
        }
        node.flight[attempt] |= bit;
    }
    let client = &mut state.clients[client];
    client.elapsed = 0;
    client.outdated = false;
}

/// Starts an acquire round with this token: the first of an attempt, or the next after STALE.
pub(crate) fn propose(config: &Config, state: &mut State, index: usize, token: u8) {
    let attempt = attempt_of(config, state, index);
    let client = &mut state.clients[index];
    client.round = if client.phase == Phase::Acquiring {
        client.round + 1
    } else {
        0
    };
    client.phase = Phase::Acquiring;
    client.next = token;
    client.confirmed = token + config.span;
    client.asked = client.confirmed;
    let round = client.round;
    let sent = &mut state.attempts[attempt];
    sent.tokens[usize::from(round)] = token;
    sent.asked = token + config.span;
    open_round(config, state, index, flight::ACQUIRE << round);
    state.clients[index].outdated = token <= state.granted;
}

/// Grants the next token.
fn hand_out(config: &Config, state: &mut State, index: usize) {
    let token = state.clients[index].next;
    if config.deletions > 0 {
        state.twice |= state.used & 1 << token != 0;
        state.used |= 1 << token;
    }
    state.granted = state.granted.max(token);
    for (other, client) in state.clients.iter_mut().enumerate() {
        client.outdated |=
            other != index && client.phase == Phase::Acquiring && client.next == token;
    }
    state.clients[index].next = token + 1;
}

/// Records the votes of the open round as those on which the validity is based.
fn rest_on_round(config: &Config, state: &mut State, client: usize) {
    if config.restarts == 0 {
        return;
    }
    for node in &mut state.nodes[..config.nodes] {
        let counted = counts(node, client);
        node.support[client] = match node.votes[client] {
            Vote::YesForgotten => Support::Forgotten,
            _ if counted => Support::Kept,
            _ => Support::None,
        };
    }
}

/// The acquire round is won.
fn grant(config: &Config, state: &mut State, index: usize, seen: &Coverage) {
    seen.saw(if state.clients[index].round > 0 {
        Event::GrantedOnRetry
    } else {
        Event::Granted
    });
    if state.granted != 0 {
        seen.saw(Event::GrantedAgain);
    }
    if state
        .nodes
        .iter()
        .any(|node| node.votes[index] == Vote::YesForgotten)
    {
        seen.saw(Event::GrantedByGoneProcess);
    }
    rest_on_round(config, state, index);
    let client = &mut state.clients[index];
    client.validity = validity(config, client, config.ttl);
    client.phase = Phase::Held;
    client.overtaken = false;
    state.out_of_order |= client.outdated;
    hand_out(config, state, index);
    if !config.cool_down.is_empty() {
        for (other, client) in state.clients.iter_mut().enumerate() {
            client.overtaken |= other != index
                && matches!(
                    client.phase,
                    Phase::Held | Phase::Extending | Phase::CoolingDown
                );
        }
    }
    close_round(config, state, index);
}

/// Discards the replies to the open round.
fn close_round(config: &Config, state: &mut State, index: usize) {
    for node in &mut state.nodes[..config.nodes] {
        node.votes[index] = Vote::None;
    }
    let client = &mut state.clients[index];
    client.elapsed = 0;
    client.outdated = false;
}

/// A hand-over: the lease passes to the next local waiter, with the next confirmed token.
pub(crate) fn turn(config: &Config, state: &mut State, index: usize, seen: &Coverage) {
    let token = state.clients[index].next;
    let first = state.attempts[attempt_of(config, state, index)].tokens
        [usize::from(state.clients[index].round)];
    seen.saw(if token > first + config.span {
        Event::TurnOnFurtherBlock
    } else {
        Event::Turn
    });
    state.out_of_order |= token <= state.granted;
    hand_out(config, state, index);
}

/// Starts an extension round.
pub(crate) fn extend(config: &Config, state: &mut State, index: usize, ttl: u8) {
    let attempt = attempt_of(config, state, index);
    let client = &mut state.clients[index];
    // A further block that was never confirmed is asked for again.
    if config.further_blocks && client.asked == client.confirmed {
        client.asked += 1 + config.span;
        if config.is(Mutant::BlockUnconfirmed) {
            client.confirmed = client.asked;
        }
    }
    let extension = client.extensions;
    client.extensions += 1;
    client.phase = Phase::Extending;
    let (confirmed, asked) = (client.confirmed, client.asked);
    let sent = &mut state.attempts[attempt];
    sent.extends[usize::from(extension)] = (ttl, confirmed, asked);
    sent.asked = asked;
    open_round(config, state, index, flight::EXTEND << extension);
}

/// The extension round has its majority before the old validity is over.
fn confirm(config: &Config, state: &mut State, index: usize, seen: &Coverage) {
    seen.saw(Event::Extended);
    let attempt = attempt_of(config, state, index);
    let client = state.clients[index];
    let (ttl, _, asked) = state.attempts[attempt].extends[usize::from(client.extensions) - 1];
    let gained = validity(config, &client, ttl);
    if gained >= client.validity {
        rest_on_round(config, state, index);
    }
    let client = &mut state.clients[index];
    client.validity = client.validity.max(gained);
    client.phase = Phase::Held;
    client.confirmed = asked;
    close_round(config, state, index);
}

/// Ends the attempt: given up, lost, or released. Sends the release to every node that may hold the
/// key.
pub(crate) fn release(config: &Config, state: &mut State, index: usize) {
    let attempt = attempt_of(config, state, index);
    let client = state.clients[index];
    for node in &mut state.nodes[..config.nodes] {
        let unanswered = node.flight[attempt] & (flight::ACQUIRES | flight::OPEN) != 0;
        let refused = matches!(node.votes[index], Vote::No | Vote::Stale);
        let wanted = if config.is(Mutant::LastRefusalIsDefinite) && client.extensions == 0 {
            unanswered && !refused
        } else if config.is(Mutant::ReleaseOnlyGranted) && client.extensions == 0 {
            node.flight[attempt] & flight::OPEN != 0
        } else {
            unanswered || client.extensions > 0 || config.duplicates
        };
        if wanted {
            node.flight[attempt] |= flight::RELEASE;
        }
    }
    end_attempt(config, state, index);
}

/// Starts a cool-down round: the lease has ended, and the key is kept for the window.
pub(crate) fn cool_down(config: &Config, state: &mut State, index: usize, window: u8) {
    let attempt = attempt_of(config, state, index);
    state.attempts[attempt].cool_down = window;
    open_round(config, state, index, flight::COOL_DOWN);
    let client = &mut state.clients[index];
    client.phase = Phase::CoolingDown;
    client.validity = 0;
}

/// The cool-down has its majority, so the window is confirmed.
fn cooled_down(config: &Config, state: &mut State, index: usize, seen: &Coverage) {
    seen.saw(Event::CooledDown);
    let attempt = attempt_of(config, state, index);
    // A majority that is too late leaves no window.
    let window = validity(
        config,
        &state.clients[index],
        state.attempts[attempt].cool_down,
    );
    state.overtaken_window |= state.clients[index].overtaken;
    end_attempt(config, state, index);
    state.clients[index].window = window;
}

/// Ends the attempt for the client, whatever is still in flight.
pub(crate) fn end_attempt(config: &Config, state: &mut State, index: usize) {
    let attempt = attempt_of(config, state, index);
    for node in &mut state.nodes[..config.nodes] {
        node.votes[index] = Vote::None;
        node.support[index] = Support::None;
        node.flight[attempt] &= !flight::OPEN;
    }
    let client = &mut state.clients[index];
    *client = Client {
        over: client.over + 1,
        window: client.window,
        ..Client::default()
    };
}
