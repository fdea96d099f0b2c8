//! Readers and writers of a read/write lock.

use std::rc::Rc;

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::hold::{self, Granted, Hold};
use super::{Client, Cycle, cycle, millis, one_in};
use crate::args::Problem;
use crate::config::SIDES_KEY;
use crate::history::Kind;
use crate::timestamp::now;

pub(super) async fn run(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        let kind = if one_in(4) { Kind::Write } else { Kind::Read };
        once(&client, cycle(), kind).await;
        sleep(millis(5..40)).await;
    }
    once(&client, Cycle::LAST, Kind::Write).await;
    once(&client, Cycle::LAST, Kind::Read).await;
    Ok(())
}

async fn once(client: &Client, cycle: Cycle, kind: Kind) {
    let called = now();
    let lock = client.redlock.rwlock(SIDES_KEY);
    let request = match kind {
        Kind::Write => lock.write(),
        _ => lock.read(),
    };
    let request = request.ttl(cycle.ttl).wait(cycle.wait);
    let request = request.keep_alive(cycle.keep_alive).into_future();
    let Some(guard) = client.request(SIDES_KEY, cycle, request).await else {
        return;
    };
    let granted = Granted {
        kind,
        called,
        ttl: cycle.ttl,
        rounds: guard.rounds(),
        ticket: None,
    };
    let mut hold = Hold::new(client, guard.held(), granted);
    hold::work(std::slice::from_mut(&mut hold), cycle.hold).await;
    client.end(&mut hold, cycle, guard).await;
}
