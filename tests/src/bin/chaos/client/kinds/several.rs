//! Several keys, all or none. Other tasks lock the same keys one by one.

use std::rc::Rc;

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::hold::{self, Granted, Hold};
use super::{Client, Cycle, cycle, millis};
use crate::args::Problem;
use crate::config::QUICK_KEYS;
use crate::history::Kind;
use crate::timestamp::now;

pub(super) async fn run(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        once(&client, cycle()).await;
        sleep(millis(10..60)).await;
    }
    once(&client, Cycle::LAST).await;
    Ok(())
}

async fn once(client: &Client, cycle: Cycle) {
    let called = now();
    let request = client.redlock.lock_all(QUICK_KEYS);
    let request = request.ttl(cycle.ttl).wait(cycle.wait).into_future();
    let Some(guards) = client.request(QUICK_KEYS[0], cycle, request).await else {
        return;
    };
    let hold = |guard: &redlock::Guard| {
        let granted = Granted {
            kind: Kind::Several,
            called,
            ttl: cycle.ttl,
            rounds: guard.rounds(),
            ticket: None,
        };
        Hold::new(client, guard.held(), granted)
    };
    let mut holds: Vec<Hold<'_>> = guards.iter().map(hold).collect();
    hold::work(&mut holds, cycle.hold).await;
    hold::end(&mut holds, guards.release()).await;
}
