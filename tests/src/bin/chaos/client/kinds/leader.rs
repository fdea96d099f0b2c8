//! Campaigns in an election.

use std::rc::Rc;
use std::slice::from_mut;

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::hold::{self, Granted, Hold};
use super::{Client, Cycle, millis, one_in};
use crate::args::Problem;
use crate::config::LEADER_KEY;
use crate::history::Kind;
use crate::timestamp::now;

pub(super) async fn run(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        let cycle = Cycle {
            hold: match one_in(5) {
                true => millis(1_000..1_500),
                false => millis(20..200),
            },
            drop_guard: one_in(4),
            ..Cycle::PLAIN
        };
        once(&client, cycle).await;
        sleep(millis(5..40)).await;
    }
    once(&client, Cycle::LAST).await;
    Ok(())
}

async fn once(client: &Client, cycle: Cycle) {
    let called = now();
    // A campaign has no end.
    let cycle = Cycle {
        drop_request_after: Some(cycle.wait),
        ..cycle
    };
    let election = client.redlock.election(LEADER_KEY).ttl(cycle.ttl);
    let Some(term) = client.request(LEADER_KEY, cycle, election.campaign()).await else {
        return;
    };
    let granted = Granted {
        kind: Kind::Term,
        called,
        ttl: cycle.ttl,
        rounds: 1,
        ticket: None,
    };
    let mut hold = Hold::new(client, term.held(), granted);
    hold::work(from_mut(&mut hold), cycle.hold).await;
    if cycle.drop_guard {
        hold.releasing();
        drop(term);
        hold.released("dropped");
    } else {
        hold::end(from_mut(&mut hold), term.resign()).await;
    }
}
