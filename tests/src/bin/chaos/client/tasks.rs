//! What the tasks of a client process do all day.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::turn::{Client, Style};
use crate::args::Problem;
use crate::resource::Access;
use crate::terms::{COLD_KEYS, LAST_WAIT, MAX_TTL, PROBE_KEYS, QUICK_KEYS, SLOW_KEY, TTL, WAIT};

/// How often the probe looks whether a lock can be had.
const PROBE: Duration = Duration::from_millis(25);

const PLAIN: Style = Style {
    ttl: TTL,
    wait: WAIT,
    hold: Duration::ZERO,
    keep_alive: false,
    impatient: None,
    forget: false,
    sample: false,
};

/// The turn after which a task is done: nobody may be left out of it, and its key must not go by its ttl.
const LAST: Style = Style {
    ttl: MAX_TTL,
    wait: LAST_WAIT,
    hold: Duration::from_millis(5),
    ..PLAIN
};

/// Holds one key for so long that the world changes meanwhile.
pub(crate) async fn slow(
    client: Rc<Client>,
    resource: SocketAddr,
    drain: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let mut access = Access::open(resource, &client.name).await?;
    while !*drain.borrow() {
        let style = Style {
            hold: millis(400..900),
            keep_alive: one_in(2),
            forget: one_in(8),
            sample: one_in(3),
            ..PLAIN
        };
        client.turn(SLOW_KEY, style, Some(&mut access)).await?;
        sleep(millis(1..20)).await;
    }
    last(&client, SLOW_KEY, &mut access).await
}

/// Holds one of the quick keys for a moment, again and again.
pub(crate) async fn quick(
    client: Rc<Client>,
    resource: SocketAddr,
    drain: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let mut access = Access::open(resource, &client.name).await?;
    while !*drain.borrow() {
        let style = Style {
            hold: millis(0..20),
            keep_alive: one_in(4),
            impatient: one_in(10).then(|| millis(0..30)),
            forget: one_in(8),
            sample: one_in(20),
            ..PLAIN
        };
        let key = QUICK_KEYS[rand::random_range(0..QUICK_KEYS.len())];
        client.turn(key, style, Some(&mut access)).await?;
        sleep(millis(0..10)).await;
    }
    for key in QUICK_KEYS {
        last(&client, key, &mut access).await?;
    }
    Ok(())
}

/// Looks once at one of many keys.
pub(crate) async fn cold(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        let style = Style {
            wait: Duration::ZERO,
            hold: millis(0..10),
            impatient: one_in(10).then(|| millis(0..4)),
            forget: one_in(8),
            ..PLAIN
        };
        let key = format!("cold:{}", rand::random_range(0..COLD_KEYS));
        client.turn(&key, style, None).await?;
        sleep(millis(5..25)).await;
    }
    Ok(())
}

/// Takes a key that nobody else wants: where it cannot be had, none can.
pub(crate) async fn probe(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    let style = Style {
        wait: Duration::ZERO,
        ..PLAIN
    };
    // Another key each time: what an attempt without a quorum left behind is not in the way of the next.
    for number in (0..PROBE_KEYS).cycle() {
        if *drain.borrow() {
            break;
        }
        client.turn(&format!("probe:{number}"), style, None).await?;
        sleep(PROBE).await;
    }
    Ok(())
}

async fn last(client: &Client, key: &str, access: &mut Access) -> Result<(), Problem> {
    client.turn(key, LAST, Some(access)).await.map(drop)
}

fn one_in(times: u32) -> bool {
    rand::random_ratio(1, times)
}

fn millis(range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::random_range(range))
}
