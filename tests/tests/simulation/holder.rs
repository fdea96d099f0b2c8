//! A task that locks, holds and lets go, in all the ways there are.

use std::{
    future::IntoFuture as _,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use rand::RngExt;
use redlock::Guard;
use tokio::time::{sleep, timeout};

use crate::{
    history::{At, CoolDown},
    invariants::call_bound,
    plan::{Dice, ms, some_ms},
    world::World,
};

/// How often a held lock is looked at.
pub(crate) const LOOK: Duration = ms(9);

/// Locks and lets go until the storm is over.
pub(crate) async fn work(world: Arc<World>, client: usize, mut dice: Dice, until: At) {
    while world.now() < until {
        let idle = u64::try_from(world.plan.idle.as_millis()).unwrap_or(0);
        sleep(some_ms(&mut dice, 0..=idle)).await;
        let key = dice.random_range(0..world.plan.keys);
        let longest = u64::try_from(world.plan.max_ttl.as_millis()).unwrap_or(0);
        let whole = dice.random_bool(world.plan.longest);
        let ttl = if whole {
            world.plan.max_ttl
        } else {
            some_ms(&mut dice, 150..=longest)
        };
        let wait = if dice.random_bool(0.4) {
            Duration::ZERO
        } else {
            some_ms(&mut dice, 1..=600)
        };
        let process = world.process(client);
        let mut request = process
            .redlock
            .lock(World::name(key))
            .ttl(ttl)
            .wait(wait)
            .keep_alive(!whole && dice.random_bool(0.4));
        if dice.random_bool(0.1) {
            request = request.max_hold(some_ms(&mut dice, 1..=longest));
        }
        let least = some_ms(&mut dice, 1..=200);
        let least = if dice.random_bool(0.1) {
            least
        } else {
            Duration::ZERO
        };
        request = request.at_least(least);
        let acquire = request.into_future();
        let called = world.now();
        // Before the call: another task of the process may meet the nodes meanwhile.
        let has_met = process.has_met_nodes.load(Relaxed);
        let answer = if dice.random_bool(0.1) {
            let patience = some_ms(&mut dice, 0..=40);
            let Ok(answer) = timeout(patience, acquire).await else {
                world.tell(|| format!("client {client}: gave up key {key}"));
                continue;
            };
            answer
        } else {
            acquire.await
        };
        let bound = call_bound(&world.plan, ttl, wait, has_met);
        world.within(client, called, bound, || {
            format!("I8: client {client} asked for key {key} with ttl {ttl:?} and wait {wait:?}")
        });
        if answer.as_ref().err().is_none_or(redlock::Error::is_busy) {
            process.has_met_nodes.store(true, Relaxed);
        }
        match answer {
            Ok(guard) => hold(&world, client, key, ttl, least, guard, &mut dice).await,
            Err(error) => {
                world.history().refused += 1;
                world.tell(|| format!("client {client}: no key {key}: {error}"));
                let expected = error.is_busy()
                    || error.is_timed_out()
                    || error.is_no_quorum()
                    || error.is_expired();
                if !expected {
                    world.violation(format!("an error that nothing explains: {error}"));
                }
            }
        }
    }
}

async fn hold(
    world: &Arc<World>,
    client: usize,
    key: usize,
    ttl: Duration,
    least: Duration,
    guard: Guard,
    dice: &mut Dice,
) {
    let grant = world.granted(client, key, ttl, &guard);
    let until_least = world.now() + least;
    if !least.is_zero() {
        world.busy(key, until_least);
    }
    watch(world, client, grant, &guard);
    let longest = u64::try_from(ttl.as_millis()).unwrap_or(0);
    for _ in 0..dice.random_range(0..4) {
        sleep(some_ms(dice, 0..=longest / 2)).await;
        if dice.random_bool(0.4) {
            let was_lost = guard.is_lost();
            let extended = guard.extend().await;
            world.tell(|| format!("client {client}: extends key {key}: {extended:?}"));
            if was_lost && !extended.as_ref().is_err_and(redlock::Error::is_lost) {
                world.violation(format!(
                    "E4: a lost lock came back: {}",
                    world.describe(grant)
                ));
            }
        }
        world.look(grant, &guard.held());
    }
    if dice.random_bool(world.plan.lingering) {
        // A holder that never lets go, as one that crashed.
        timeout(world.plan.max_ttl * 2, guard.lost()).await.ok();
    }
    world.look(grant, &guard.held());
    let ends = World::ends(&guard);
    let called = world.now();
    match dice.random_range(0..10) {
        0..4 => {
            world.ended(grant, ends);
            let released = guard.release().await;
            world.tell(|| format!("client {client}: released key {key}: {released:?}"));
            if released.is_ok() && !least.is_zero() {
                world.cooled_down(
                    grant,
                    CoolDown {
                        confirmed: world.now(),
                        until: until_least,
                    },
                );
            }
        }
        4 => {
            world.ended(grant, ends);
            timeout(some_ms(dice, 0..=20), guard.release()).await.ok();
            world.tell(|| format!("client {client}: released key {key}, not waited for"));
        }
        5..7 => {
            let window = some_ms(dice, 1..=300);
            world.ended(grant, ends);
            world.busy(key, called + window);
            let cooled_down = guard.cool_down(window).await;
            world.tell(|| {
                format!("client {client}: cool-down of key {key} for {window:?}: {cooled_down:?}")
            });
            if cooled_down.is_ok() {
                world.cooled_down(
                    grant,
                    CoolDown {
                        confirmed: world.now(),
                        until: called + window,
                    },
                );
            }
        }
        7 => {
            let length = some_ms(dice, 0..=longest);
            // A body is only polled while the lock holds.
            let body = async {
                sleep(length).await;
                world.ended(grant, Some(()));
            };
            let ran = guard.run(body).await;
            world.tell(|| format!("client {client}: ran under key {key}: {ran:?}"));
        }
        _ => {
            world.ended(grant, ends);
            drop(guard);
            world.tell(|| format!("client {client}: dropped key {key}"));
        }
    }
}

/// Looks at a held lock all the time, and notes when its end is told.
fn watch(world: &Arc<World>, client: usize, grant: usize, guard: &Guard) {
    let (held, lost) = (guard.held(), guard.lost());
    let world = Arc::clone(world);
    let machine = world.clients[client].machine.clone();
    let watching = async move {
        tokio::pin!(lost);
        loop {
            tokio::select! {
                biased;
                () = &mut lost => break,
                () = sleep(LOOK) => world.look(grant, &held),
            }
        }
        world.told(grant, &held);
    };
    tokio::spawn(machine.task(watching));
}
