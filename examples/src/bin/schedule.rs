//! A scheduled task in three replicas: at each firing, one runs it and the others skip it.

use std::{process::ExitCode, time::Duration};

use examples::{Locks, say};
use redlock::{Redlock, redlock};
use tokio::{
    task::JoinSet,
    time::{Instant, interval_at, sleep},
};

const PERIOD: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "schedule",
        "A scheduled task in three replicas: at each firing, one runs it and the others skip it",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    let redlock = Locks::from_env().await?.redlock;
    let start = Instant::now() + Duration::from_millis(100);
    let mut replicas = JoinSet::new();
    for name in 1..=3 {
        // In production these are three machines, whose clocks differ a little.
        let skew = Duration::from_millis(20 * name);
        replicas.spawn(replica(redlock.clone(), name, start + skew));
    }
    while let Some(ended) = replicas.join_next().await {
        ended
            .map_err(|panic| panic.to_string())?
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn replica(redlock: Redlock, name: u64, start: Instant) -> redlock::Result<()> {
    let mut ticks = interval_at(start, PERIOD);
    for firing in 1..=3 {
        ticks.tick().await;
        match nightly_report(&redlock).await? {
            Some(()) => say(format_args!("firing {firing}: replica {name} ran it")),
            None => say(format_args!("firing {firing}: replica {name} skipped it")),
        }
    }
    Ok(())
}

/// The key stays busy for `at_least`, which is longer than the difference of the clocks and shorter than the period.
#[redlock(key = "nightly-report", ttl = "10s", at_least = "700ms", on_busy = skip, lock = redlock)]
async fn nightly_report(redlock: &Redlock) -> Result<Option<()>, redlock::Error> {
    sleep(Duration::from_millis(10)).await;
    Ok(Some(()))
}
