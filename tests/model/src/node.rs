//! The effect of a request on a node, atomic like that of a script.

use crate::config::{Config, Guard};
use crate::coverage::{Coverage, Event};
use crate::mutants::Mutant;
use crate::state::{Attempt, Client, Node, Phase, State, Vote, flight};

/// A request of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Acquire(u8),
    Extend(u8),
    CoolDown,
    Release,
}

impl Request {
    /// Its bit in the set of requests in flight.
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::Acquire(round) => flight::ACQUIRE << round,
            Self::Extend(extension) => flight::EXTEND << extension,
            Self::CoolDown => flight::COOL_DOWN,
            Self::Release => flight::RELEASE,
        }
    }

    /// Whether the client still counts the reply, because the round of the request is open.
    pub(crate) fn is_open(self, client: &Client) -> bool {
        match self {
            Self::Acquire(round) => client.phase == Phase::Acquiring && client.round == round,
            Self::Extend(extension) => {
                client.phase == Phase::Extending && client.extensions == extension + 1
            }
            Self::CoolDown => client.phase == Phase::CoolingDown,
            Self::Release => false,
        }
    }
}

/// Delivers a request to a node. The reply reaches the client at once, or is lost unless
/// `reply_arrives`.
pub(crate) fn deliver(
    config: &Config,
    state: &mut State,
    at: usize,
    attempt: usize,
    request: Request,
    reply_arrives: bool,
    seen: &Coverage,
) {
    let index = config.client_of(attempt);
    let client = state.clients[index];
    let current = client.phase != Phase::Idle
        && attempt == index * config.attempts + usize::from(client.over);
    let sent = state.attempts[attempt];
    let node = &mut state.nodes[at];
    let owner = config.owner(attempt);

    let vote = match request {
        Request::Acquire(round) => {
            let vote = acquire(config, node, owner, sent.tokens[usize::from(round)]);
            if vote == Vote::Yes && sent.in_flight > config.ttl {
                seen.saw(Event::ArrivedAfterTheTtl);
            }
            if vote == Vote::Yes && current {
                node.flight[attempt] |= flight::OPEN;
            }
            vote
        }
        Request::Extend(extension) => {
            extend(config, node, owner, sent, usize::from(extension), seen)
        }
        Request::CoolDown => cool_down(config, node, attempt, sent, seen),
        Request::Release => {
            release(config, node, owner, sent);
            Vote::None
        }
    };

    let again = config.duplicates && request != Request::Release;
    if !again {
        node.flight[attempt] &= !request.bit();
    }
    if reply_arrives && current && request.is_open(&client) && node.votes[index] == Vote::None {
        node.votes[index] = judged(config, node, vote, request);
    }
}

/// The vote of a reply, considering the restart guard.
fn judged(config: &Config, node: &Node, vote: Vote, request: Request) -> Vote {
    if node.guard == 0 || vote != Vote::Yes {
        return vote;
    }
    let counted_anyway = match request {
        Request::Extend(_) => config.is(Mutant::QuarantinedVotes),
        Request::CoolDown => config.is(Mutant::QuarantinedCoolDowns),
        _ => false,
    };
    if counted_anyway {
        return vote;
    }
    match config.guard {
        Guard::Strict => Vote::No,
        Guard::Observed => Vote::YesInGuard,
    }
}

fn acquire(config: &Config, node: &mut Node, owner: u8, token: u8) -> Vote {
    let end = token + config.span;
    if node.guard > 0 && config.guard == Guard::Strict {
        return Vote::No;
    }
    if node.owner != 0 && node.owner != owner {
        return Vote::No;
    }
    let compared = if config.is(Mutant::StaleComparesEnd) {
        end
    } else {
        token
    };
    if node.fence >= compared && !config.is(Mutant::NoStale) {
        return Vote::Stale;
    }
    let stored = if config.is(Mutant::StoresStart) {
        token
    } else {
        end
    };
    node.fence = node.fence.max(stored);
    node.owner = owner;
    node.timer = config.ttl;
    Vote::Yes
}

fn extend(
    config: &Config,
    node: &mut Node,
    owner: u8,
    sent: Attempt,
    extension: usize,
    seen: &Coverage,
) -> Vote {
    let (ttl, confirmed, fence) = sent.extends[extension];
    let restores_up_to = if config.is(Mutant::RestoresAsked) {
        fence
    } else {
        confirmed
    };
    if config.is(Mutant::ResetAlways) {
        node.owner = owner;
        node.timer = ttl;
        node.fence = node.fence.max(fence);
        return Vote::Yes;
    }
    if node.owner == owner {
        node.timer = if config.is(Mutant::ExtendLowers) {
            ttl
        } else {
            node.timer.max(ttl)
        };
        if config.full && node.fence < fence {
            // The expiry is raised, but the fence cannot be. The key is kept, and the reply is not
            // a vote.
            seen.saw(Event::FenceNotRaised);
            return if config.is(Mutant::FullVotes) {
                Vote::Yes
            } else {
                Vote::No
            };
        }
        node.fence = node.fence.max(fence);
        return Vote::Yes;
    }
    // To restore the key needs memory.
    if config.full {
        return Vote::No;
    }
    if node.owner == 0 && (node.fence <= restores_up_to || config.is(Mutant::ResetMissing)) {
        seen.saw(Event::Restored);
        node.owner = owner;
        node.timer = ttl;
        node.fence = node.fence.max(fence);
        return if config.restored_votes || config.is(Mutant::ResetMissing) {
            Vote::Yes
        } else {
            Vote::No
        };
    }
    Vote::No
}

fn tombstone(config: &Config, node: &mut Node, sent: Attempt) {
    if config.is(Mutant::NoTombstone) {
        return;
    }
    let newest = sent.tokens.into_iter().max().unwrap_or(0);
    let asked = if config.is(Mutant::TombstoneStart) {
        newest
    } else {
        sent.asked
    };
    node.fence = node.fence.max(asked + 1);
}

fn cool_down(
    config: &Config,
    node: &mut Node,
    attempt: usize,
    sent: Attempt,
    seen: &Coverage,
) -> Vote {
    let matches = node.owner == config.owner(attempt) || config.is(Mutant::CoolDownAnyOwner);
    if !config.is(Mutant::CoolDownKeepsFence) {
        tombstone(config, node, sent);
    }
    if node.owner == config.cool_down_id(attempt) {
        // A duplicate. The rest of the window remains.
        seen.saw(Event::CooledDownBefore);
        return Vote::Yes;
    }
    if !matches {
        return Vote::No;
    }
    node.owner = config.cool_down_id(attempt);
    node.timer = sent.cool_down;
    Vote::Yes
}

fn release(config: &Config, node: &mut Node, owner: u8, sent: Attempt) {
    if node.owner == owner || config.is(Mutant::ReleaseAnyOwner) {
        node.owner = 0;
        node.timer = 0;
    }
    tombstone(config, node, sent);
}
