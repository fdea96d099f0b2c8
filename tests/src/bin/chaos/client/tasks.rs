//! The tasks of a client process: each repeats one kind of cycle.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::cycle::{Client, Cycle};
use crate::args::Problem;
use crate::config::{COLD_KEYS, PROBE_KEYS, QUICK_KEYS, SLOW_KEY, probe_key};
use crate::resource::Access;

/// The pause between two measurements of the probe.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// Holds one key for a long time, so that faults happen while it is held.
pub(crate) async fn slow(
    client: Rc<Client>,
    resource: PathBuf,
    drain: watch::Receiver<bool>,
    long_holds: bool,
) -> Result<(), Problem> {
    let mut access = Access::open(&resource, &client.name).await?;
    while !*drain.borrow() {
        let keep_alive = long_holds || one_in(2);
        let cycle = Cycle {
            hold: if long_holds {
                millis(1_500..2_500)
            } else {
                millis(400..900)
            },
            keep_alive,
            drop_guard: one_in(8),
            sample: one_in(3),
            ..Cycle::PLAIN
        };
        client.cycle(SLOW_KEY, cycle, Some(&mut access)).await?;
        sleep(millis(1..20)).await;
    }
    last(&client, SLOW_KEY, &mut access).await
}

/// Holds one of the quick keys for milliseconds, again and again.
pub(crate) async fn quick(
    client: Rc<Client>,
    resource: PathBuf,
    drain: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let mut access = Access::open(&resource, &client.name).await?;
    while !*drain.borrow() {
        let cycle = Cycle {
            hold: millis(0..20),
            keep_alive: one_in(4),
            drop_request_after: one_in(10).then(|| millis(0..30)),
            drop_guard: one_in(8),
            sample: one_in(20),
            ..Cycle::PLAIN
        };
        let key = QUICK_KEYS[rand::random_range(0..QUICK_KEYS.len())];
        client.cycle(key, cycle, Some(&mut access)).await?;
        sleep(millis(0..10)).await;
    }
    for key in QUICK_KEYS {
        last(&client, key, &mut access).await?;
    }
    Ok(())
}

/// Tries one of many keys without waiting.
pub(crate) async fn cold(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        let cycle = Cycle {
            wait: Duration::ZERO,
            hold: millis(0..10),
            drop_request_after: one_in(10).then(|| millis(0..4)),
            drop_guard: one_in(8),
            ..Cycle::PLAIN
        };
        let key = format!("cold:{}", rand::random_range(0..COLD_KEYS));
        client.cycle(&key, cycle, None).await?;
        sleep(millis(5..25)).await;
    }
    Ok(())
}

/// Acquires keys that no other client uses. If it gets none, no lock is available.
pub(crate) async fn probe(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    let cycle = Cycle {
        wait: Duration::ZERO,
        ..Cycle::PLAIN
    };
    // Another key each time: the remains of an attempt without a quorum must not block the next
    // one.
    for number in (0..PROBE_KEYS).cycle() {
        if *drain.borrow() {
            break;
        }
        client.cycle(&probe_key(number), cycle, None).await?;
        sleep(PROBE_INTERVAL).await;
    }
    Ok(())
}

async fn last(client: &Client, key: &str, access: &mut Access) -> Result<(), Problem> {
    client.cycle(key, Cycle::LAST, Some(access)).await
}

pub(super) fn one_in(times: u32) -> bool {
    rand::random_ratio(1, times)
}

pub(super) fn millis(range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::random_range(range))
}
