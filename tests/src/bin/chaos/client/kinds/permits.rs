//! Permits of a semaphore, one or two at a time.

use std::rc::Rc;

use redlock::Guard;
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::hold::{self, Granted, Hold};
use super::{Client, Cycle, cycle, millis, one_in};
use crate::args::Problem;
use crate::config::{PERMITS, SEMAPHORE};
use crate::history::Kind;
use crate::timestamp::{Timestamp, now};

pub(super) async fn run(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        if one_in(6) {
            two(&client, cycle()).await;
        } else {
            one(&client, cycle()).await;
        }
        sleep(millis(5..40)).await;
    }
    one(&client, Cycle::LAST).await;
    Ok(())
}

async fn one(client: &Client, cycle: Cycle) {
    let called = now();
    let request = client.redlock.semaphore(SEMAPHORE, PERMITS).acquire();
    let request = request.ttl(cycle.ttl).wait(cycle.wait);
    let request = request.keep_alive(cycle.keep_alive).into_future();
    if let Some(permit) = client.request(SEMAPHORE, cycle, request).await {
        let mut hold = granted(client, cycle, called, &permit);
        hold::work(std::slice::from_mut(&mut hold), cycle.hold).await;
        client.end(&mut hold, cycle, permit).await;
    }
}

async fn two(client: &Client, cycle: Cycle) {
    let called = now();
    let request = client.redlock.semaphore(SEMAPHORE, PERMITS).acquire_many(2);
    let request = request.ttl(cycle.ttl).wait(cycle.wait).into_future();
    if let Some(permits) = client.request(SEMAPHORE, cycle, request).await {
        let holds = permits.iter();
        let holds = holds.map(|permit| granted(client, cycle, called, permit));
        let mut holds: Vec<Hold<'_>> = holds.collect();
        hold::work(&mut holds, cycle.hold).await;
        hold::end(&mut holds, permits.release()).await;
    }
}

fn granted<'a>(client: &'a Client, cycle: Cycle, called: Timestamp, permit: &Guard) -> Hold<'a> {
    let granted = Granted {
        kind: Kind::Permit,
        called,
        ttl: cycle.ttl,
        rounds: permit.rounds(),
        ticket: None,
    };
    Hold::new(client, permit.held(), granted)
}
