//! The properties that every state must have.

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
pub(crate) const ONCE: &str = "each token once";

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
        Property::always(ONCE, |_, state: &State| !state.twice),
    ]
}

/// Whether any property is violated. Later states are not explored.
pub(crate) fn violated(config: &Config, state: &State) -> bool {
    !(exclusion(config, state)
        && order(config, state)
        && orphans(config, state)
        && guard(config, state)
        && window(config, state)
        && !state.twice)
}

/// At most one client relies on the lock at any time. A confirmed cool-down counts as a client. A holder whose key somebody
/// else deletes does not notice it at once.
fn exclusion(config: &Config, state: &State) -> bool {
    if config.deletions > 0 {
        return true;
    }
    let holders = state.clients[..config.clients]
        .iter()
        .map(|client| usize::from(client.validity > 0) + usize::from(client.window > 0));
    holders.sum::<usize>() <= 1
}

/// A grant that returned before the winning round of another began has the smaller token. No token
/// is granted twice.
fn order(config: &Config, state: &State) -> bool {
    !config.check_order || !state.out_of_order
}

/// No other grant lies between a grant and the majority for its cool-down. This depends on the
/// order of tokens. Without it, an extension may restore a key that another client has held and
/// released.
fn window(config: &Config, state: &State) -> bool {
    !config.check_order || !state.overtaken_window
}

/// Once an attempt is over and its release or cool-down has arrived, or was not needed, the node
/// never holds its key again, whatever arrives later. This is stronger than a check after all
/// requests have arrived.
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

/// When a node votes again, no client relies on a vote that the node has forgotten.
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
