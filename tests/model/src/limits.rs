//! Known limits of the design: each of these models is violated. If one is no longer violated, the
//! documentation has to be updated.

use crate::actions::Protocol;
use crate::bounds::*;
use crate::config::Config;
use crate::lists::{self, Lists};
use crate::observed::{self, Observed};
use crate::promoted::{self, Promoted};
use crate::properties::EXCLUSION;
use crate::run;

#[test]
fn newcomer_that_reaches_only_restarted_nodes() {
    let model = Observed {
        name: "newcomers",
        partial: true,
        ..NEWCOMERS
    };
    run::violates(
        &model,
        observed::EXCLUSION,
        "a newcomer that reaches only nodes which restarted together",
    );
}

#[test]
fn restart_right_after_the_first_start() {
    let model = Observed {
        name: "newcomers",
        restarts: 1,
        early_restarts: true,
        ..NEWCOMERS
    };
    run::violates(
        &model,
        observed::EXCLUSION,
        "a node that restarts within the tolerance after the first start",
    );
}

#[test]
fn restart_of_all_nodes_at_once() {
    let model = Observed {
        name: "newcomers",
        restarts: 3,
        ..NEWCOMERS
    };
    run::violates(
        &model,
        observed::EXCLUSION,
        "a restart of all nodes at once",
    );
}

#[test]
fn window_longer_than_the_guard_time() {
    let model = Protocol::new(Config {
        cool_down: &[3],
        ..RESTART_COOL_DOWN
    });
    run::violates(
        &model,
        EXCLUSION,
        "a cool-down longer than the guard time, and a restart",
    );
}

/// From the start, each client reaches a different one of the nodes that both lists share.
#[test]
fn lists_that_never_meet() {
    let model = Lists {
        partial: true,
        ..ONE_EXCHANGED
    };
    run::violates(
        &model,
        lists::EXCLUSION,
        "clients that are cut off from each other's nodes",
    );
}

/// A user without the right to `CLIENT TRACKING` is not told at once that the data were replaced.
#[test]
fn promotion_that_a_connection_is_not_told_of() {
    let model = Promoted {
        notices: false,
        ..PROMOTED
    };
    run::violates(
        &model,
        promoted::EXCLUSION,
        "a connection from before the promotion, with the earlier marker",
    );
}

#[test]
fn promotion_that_the_server_forgets_before_the_guard_time() {
    let model = Promoted {
        remembers: PROMOTED.guard_time - 1,
        ..PROMOTED
    };
    run::violates(
        &model,
        promoted::EXCLUSION,
        "a `repl-backlog-ttl` below the guard time",
    );
}
