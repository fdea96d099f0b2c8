//! A scheduled task that runs in one process at a time.

use std::{convert::Infallible, time::Duration};

use examples::say;
use redlock::redlock;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::Shop;

/// The key of its lock.
pub(crate) const KEY: &str = "shop:report";

const PERIOD: Duration = Duration::from_secs(5);

/// Tries to run the report every few seconds, and prints the outcome.
pub(crate) async fn every_few_seconds(shop: &Shop) -> Infallible {
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        match report(shop).await {
            Ok(Some(orders)) => say(format_args!(
                "report: ran, {orders} orders in this process so far"
            )),
            Ok(None) => say("report: skipped, another process runs it"),
            Err(error) => say(format_args!("report: did not run: {error}")),
        }
    }
}

/// The key stays busy for most of the period, so that a process whose clock is a little late does not run it again.
#[redlock(key = "shop:report", ttl = "10s", at_least = "4s", on_busy = skip, lock = shop.redlock)]
async fn report(shop: &Shop) -> Result<Option<u64>, redlock::Error> {
    sleep(Duration::from_millis(300)).await;
    Ok(Some(shop.orders.count()))
}
