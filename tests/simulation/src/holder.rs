//! A task that acquires, holds and ends locks in every way that the API offers.

use std::{
    future::IntoFuture as _,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use rand::RngExt;
use redlock::{Error, Guard, Held};
use tokio::time::{sleep, timeout};

use crate::{
    event::Event,
    faults::pause_all,
    history::{At, CoolDown},
    invariants::call_bound,
    plan::{Dice, millis, ms, some_ms},
    process::Process,
    world::World,
};

/// How often a held lock is checked.
pub(crate) const CHECK_EVERY: Duration = ms(9);

/// What a task requests.
#[derive(Clone, Copy)]
struct Wants {
    /// The key to lock; `None` requests a permit.
    key: Option<usize>,
    ttl: Duration,
    wait: Duration,
    keep_alive: bool,
    max_hold: Option<Duration>,
    least: Duration,
    /// After this time the task drops the request, which may be too early.
    patience: Option<Duration>,
}

impl Wants {
    fn drawn(world: &World, dice: &mut Dice) -> Self {
        let plan = &world.plan;
        let key = Some(dice.random_range(0..plan.keys));
        let wants_permit = plan.permits > 0 && dice.random_bool(plan.permit_share);
        let key = key.filter(|_| !wants_permit);
        let longest = millis(plan.max_ttl);
        let wait = if dice.random_bool(plan.no_wait) {
            Duration::ZERO
        } else {
            some_ms(dice, 1..=600)
        };
        if plan.brief {
            return Self {
                key,
                ttl: plan.max_ttl,
                wait: wait.max(ms(40)),
                keep_alive: true,
                max_hold: None,
                least: Duration::ZERO,
                patience: None,
            };
        }
        let whole = dice.random_bool(plan.longest);
        let ttl = if whole {
            plan.max_ttl
        } else {
            some_ms(dice, 150..=longest)
        };
        let keep_alive = !whole && dice.random_bool(0.4);
        let mut seldom = |times| {
            let time = some_ms(dice, times);
            dice.random_bool(0.1).then_some(time)
        };
        Self {
            key,
            ttl,
            wait,
            keep_alive,
            max_hold: seldom(1..=longest),
            least: seldom(1..=200).unwrap_or_default(),
            patience: seldom(0..=40),
        }
    }

    fn shown(&self) -> String {
        match self.key {
            Some(key) => format!("key {key}"),
            None => "a permit".to_owned(),
        }
    }

    /// Whether the lock must not be lost before it is released.
    fn is_renewed(&self) -> bool {
        self.keep_alive && self.max_hold.is_none()
    }
}

/// Acquires and ends locks until the storm is over.
pub(crate) async fn work(
    world: Arc<World>,
    (client, task): (usize, usize),
    mut dice: Dice,
    until: At,
) {
    while world.now() < until {
        sleep(some_ms(&mut dice, 0..=millis(world.plan.idle))).await;
        let process = world.process(client, task);
        if world.plan.has(Event::ForeignValue) && dice.random_bool(0.2) {
            request_foreign(&world, client, &process).await;
            continue;
        }
        let wants = Wants::drawn(&world, &mut dice);
        let Some(answer) = acquire(&world, client, &process, &wants).await else {
            world.log(|| format!("client {client}: gave up {}", wants.shown()));
            continue;
        };
        match answer {
            Ok(guard) => hold(&world, client, wants, guard, &mut dice).await,
            Err(error) => refused(&world, client, &wants, &error),
        }
    }
}

/// Returns `None` if the task dropped the request.
async fn acquire(
    world: &Arc<World>,
    client: usize,
    process: &Process,
    wants: &Wants,
) -> Option<Result<Guard, Error>> {
    let Wants { key, ttl, wait, .. } = *wants;
    let request = match key {
        Some(key) => process.redlock.lock(World::name(key)),
        None => world.semaphore(&process.redlock).acquire(),
    };
    let mut request = request
        .ttl(ttl)
        .wait(wait)
        .keep_alive(wants.keep_alive)
        .at_least(wants.least);
    if let Some(most) = wants.max_hold {
        request = request.max_hold(most);
    }
    let acquire = request.into_future();
    let called = world.now();
    // Read before the call: another task of the process may connect meanwhile.
    let has_met = process.has_met_nodes.load(Relaxed);
    let answer = match wants.patience {
        Some(patience) => timeout(patience, acquire).await.ok()?,
        None => acquire.await,
    };
    let bound = call_bound(&world.plan, ttl, wait, has_met, key.is_none());
    world.within(client, called, bound, || {
        let request = wants.shown();
        format!("I8: client {client} requested {request} with ttl {ttl:?} and wait {wait:?}")
    });
    if answer.as_ref().err().is_none_or(Error::is_busy) {
        process.has_met_nodes.store(true, Relaxed);
    }
    Some(answer)
}

fn refused(world: &World, client: usize, wants: &Wants, error: &Error) {
    world.history().refused += 1;
    world.log(|| format!("client {client}: no {}: {error}", wants.shown()));
    let expected = error.is_busy()
        || error.is_timed_out()
        || error.is_expired()
        || error.is_no_quorum() && !world.plan.has_votes();
    if !expected {
        world.violation(format!("an unexpected error: {error}"));
    }
}

/// Requests a key that may contain a foreign value.
async fn request_foreign(world: &World, client: usize, process: &Process) {
    let before = world.history().foreign;
    let looked = process.redlock.holder(World::FOREIGN).await;
    if let Err(error) = looked
        && world.plan.has_votes()
    {
        world.violation(format!("the holder of a foreign key is unknown: {error}"));
    }
    let answer = process.redlock.lock(World::FOREIGN).no_wait().await;
    let error = answer.as_ref().err();
    world.log(|| format!("client {client}: requested a foreign key: {error:?}"));
    match answer {
        Ok(guard) => drop(guard),
        Err(error) => {
            let after = world.history().foreign;
            // The value was there all the time, and looks like a lock.
            let is_lease = before == after && after.is_lease && world.plan.has_votes();
            let expected =
                error.is_busy() || (error.is_no_quorum() || error.is_expired()) && !is_lease;
            if !expected {
                world.violation(format!("an unexpected error: {error}"));
            }
        }
    }
}

async fn hold(world: &Arc<World>, client: usize, wants: Wants, guard: Guard, dice: &mut Dice) {
    let Wants { ttl, least, .. } = wants;
    let key = wants.key.unwrap_or_else(|| world.permit_of(&guard));
    let grant = world.granted(client, key, ttl, &guard);
    // If the runtime is shut down, this task is dropped.
    let _ends = EndsWithTask {
        world: Arc::clone(world),
        grant,
        held: guard.held(),
    };
    let until_least = (!least.is_zero()).then(|| world.now() + least);
    if let Some(until) = until_least {
        world.busy(key, until);
    }
    if world.plan.brief {
        sleep(some_ms(dice, 0..=8)).await;
        world.check(grant, &guard.held());
    } else {
        watch(world, client, grant, &guard);
        stay(world, client, (grant, &wants), &guard, dice).await;
    }
    if wants.is_renewed() && guard.is_lost() && world.plan.keeps_locks() {
        let grant = world.describe(grant);
        world.violation(format!("a renewed lock was lost: {grant}"));
    }
    let ending = if world.plan.brief {
        // No cool-down, so that the lease is handed over.
        [0, 8][dice.random_range(0..2)]
    } else {
        dice.random_range(0..10)
    };
    if world.plan.has(Event::BlockedThread) && dice.random_bool(0.05) {
        world.ended(grant, World::is_valid(&guard));
        drop(guard);
        block_thread(world, dice).await;
    } else {
        let of = (client, key, grant);
        end(world, of, until_least, guard, (ending, dice)).await;
    }
}

/// Blocks the thread right after a release.
async fn block_thread(world: &World, dice: &mut Dice) {
    let length = some_ms(dice, 1..=millis(world.plan.max_ttl) * 3 / 2);
    world.log(|| format!("the thread is blocked for {length:?}"));
    world.count(Event::BlockedThread);
    pause_all(world, length).await;
}

/// Holds the lock for some time and sometimes extends it.
async fn stay(
    world: &World,
    client: usize,
    (grant, wants): (usize, &Wants),
    guard: &Guard,
    dice: &mut Dice,
) {
    for _ in 0..dice.random_range(0..4) {
        sleep(some_ms(dice, 0..=millis(wants.ttl) / 2)).await;
        if dice.random_bool(0.4) {
            let was_lost = guard.is_lost();
            let extended = guard.extend().await;
            world.log(|| format!("client {client}: extends {}: {extended:?}", wants.shown()));
            if was_lost && !extended.as_ref().is_err_and(Error::is_lost) {
                let grant = world.describe(grant);
                world.violation(format!("E4: a lost lock came back: {grant}"));
            }
        }
        world.check(grant, &guard.held());
    }
    if dice.random_bool(world.plan.lingering) {
        // A holder that never releases, as if it had crashed.
        timeout(world.plan.max_ttl * 2, guard.lost()).await.ok();
    }
    world.check(grant, &guard.held());
}

/// Ends the lock in one of several ways.
async fn end(
    world: &Arc<World>,
    (client, key, grant): (usize, usize, usize),
    until_least: Option<At>,
    guard: Guard,
    (ending, dice): (u32, &mut Dice),
) {
    let (is_valid, called) = (World::is_valid(&guard), world.now());
    let has_to_succeed = is_valid && world.plan.keeps_locks();
    match ending {
        0..4 => {
            world.ended(grant, is_valid);
            let released = guard.release().await;
            world.log(|| format!("client {client}: released key {key}: {released:?}"));
            if released.is_ok()
                && let Some(until) = until_least
            {
                let confirmed = world.now();
                world.cooled_down(grant, CoolDown { confirmed, until });
            }
            if has_to_succeed && released.as_ref().is_err_and(|error| !is_uncounted(error)) {
                world.violation(format!("a release failed: {released:?}"));
            }
        }
        4 => {
            world.ended(grant, is_valid);
            timeout(some_ms(dice, 0..=20), guard.release()).await.ok();
            world.log(|| {
                format!("client {client}: released key {key}, without waiting for the result")
            });
        }
        5..7 => {
            let window = some_ms(dice, 1..=300);
            world.ended(grant, is_valid);
            world.busy(key, called + window);
            let cooled_down = guard.cool_down(window).await;
            world.log(|| {
                format!("client {client}: cool-down of key {key} for {window:?}: {cooled_down:?}")
            });
            if cooled_down.is_ok() {
                let (confirmed, until) = (world.now(), called + window);
                world.cooled_down(grant, CoolDown { confirmed, until });
            }
            if has_to_succeed
                && cooled_down
                    .as_ref()
                    .is_err_and(|error| !is_uncounted(error))
            {
                world.violation(format!("a cool-down failed: {cooled_down:?}"));
            }
        }
        7 => {
            let length = some_ms(dice, 0..=millis(world.plan.max_ttl));
            // The body ends before the lock is released, even if its runtime is shut down.
            let ends = EndsWithTask {
                world: Arc::clone(world),
                grant,
                held: guard.held(),
            };
            let body = async move {
                sleep(length).await;
                drop(ends);
            };
            let ran = guard.run(body).await;
            world.log(|| format!("client {client}: ran under key {key}: {ran:?}"));
        }
        _ => {
            world.ended(grant, is_valid);
            drop(guard);
            world.log(|| format!("client {client}: dropped key {key}"));
        }
    }
}

/// Whether the votes of the nodes did not count because they had not accepted the client's list of
/// nodes (`node/trust/lists.rs`). A known weakness that full nodes have caused in rare histories.
/// How is not known: an announcement to a full node is accepted, although the node cannot store it.
fn is_uncounted(error: &Error) -> bool {
    let nodes = error.node_errors();
    !nodes.is_empty()
        && nodes
            .iter()
            .all(|node| node.kind() == redlock::FaultKind::OtherNodes)
}

/// Records the end of a grant when its task is dropped.
struct EndsWithTask {
    world: Arc<World>,
    grant: usize,
    held: Held,
}

impl Drop for EndsWithTask {
    fn drop(&mut self) {
        let was_valid = !self.held.remaining().is_zero();
        self.world.ended(self.grant, was_valid);
    }
}

/// Checks a held lock periodically, and records when its loss is noticed.
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
                () = sleep(CHECK_EVERY) => world.check(grant, &held),
            }
        }
        world.lost_resolved(grant, &held);
    };
    tokio::spawn(machine.task(watching));
}
