//! What must hold in every state.

use stateright::Property;

use crate::actions::Protocol;
use crate::client::is_over;
use crate::config::Config;
use crate::state::{State, Support, flight};

pub(crate) const EXCLUSION: &str = "mutual exclusion";
pub(crate) const ORDER: &str = "token order";
pub(crate) const ORPHANS: &str = "no orphans";
pub(crate) const GUARD: &str = "restart guard";
pub(crate) const WINDOW: &str = "cool-down";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(EXCLUSION, |model: &Protocol, state: &State| {
            exclusion(&model.config, state)
        }),
        Property::always(ORDER, |model: &Protocol, state: &State| {
            order(&model.config, state)
        }),
        Property::always(ORPHANS, |model: &Protocol, state: &State| {
            orphans(&model.config, state)
        }),
        Property::always(GUARD, |model: &Protocol, state: &State| {
            guard(&model.config, state)
        }),
        Property::always(WINDOW, |model: &Protocol, state: &State| {
            window(&model.config, state)
        }),
    ]
}

/// A state past a violation is of no interest.
pub(crate) fn violated(config: &Config, state: &State) -> bool {
    !(exclusion(config, state)
        && order(config, state)
        && orphans(config, state)
        && guard(config, state)
        && window(config, state))
}

/// At no time are there two clients that may rely on the lock, a cool-down being one.
fn exclusion(config: &Config, state: &State) -> bool {
    let holders = state.clients[..config.clients]
        .iter()
        .map(|client| usize::from(client.validity > 0) + usize::from(client.window > 0));
    holders.sum::<usize>() <= 1
}

/// A grant returned before another's winning round began has the smaller token, and no token is granted twice.
fn order(config: &Config, state: &State) -> bool {
    !config.check_order || !state.out_of_order
}

/// Nobody was granted the lock between a grant and the majority for its cool-down. It rests on the order of tokens: where
/// that is not kept, an extension may restore a key that somebody else has held and released.
fn window(config: &Config, state: &State) -> bool {
    !config.check_order || !state.overtaken_window
}

/// Once an attempt is over and its release (or cool-down) has arrived, or was not needed, the node never again holds
/// the key for it: not at that moment, and not by anything that arrives later. Stronger than a look after quiet.
fn orphans(config: &Config, state: &State) -> bool {
    if !config.check_orphans {
        return true;
    }
    (0..config.clients * config.attempts).all(|attempt| {
        !is_over(config, state, attempt)
            || state.nodes[..config.nodes].iter().all(|node| {
                node.owner != config.owner(attempt)
                    || node.flight[attempt] & (flight::RELEASE | flight::COOL_DOWN) != 0
            })
    })
}

/// When a node votes again, nobody relies on a vote that it has forgotten.
fn guard(config: &Config, state: &State) -> bool {
    config.restarts == 0
        || state.nodes[..config.nodes].iter().all(|node| {
            node.guard > 0
                || (0..config.clients).all(|client| {
                    node.support[client] != Support::Forgotten
                        || state.clients[client].validity == 0
                })
        })
}
