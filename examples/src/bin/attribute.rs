//! The attribute: two calls for the same account take turns, a call for another account runs at the same time.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use examples::{Locks, say};
use redlock::{Redlock, redlock};

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "attribute",
        "The attribute: two calls for the same account take turns, a call for another account runs at the same time",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    let redlock = Locks::from_env().await?.redlock;
    let start = Instant::now();
    let (first, second, other) = tokio::join!(
        settle(&redlock, "ada", start),
        settle(&redlock, "ada", start),
        settle(&redlock, "bob", start),
    );
    for done in [first, second, other] {
        say(done.map_err(|error| error.to_string())?);
    }
    Ok(())
}

#[redlock(key = "account:{account}", ttl = "10s", wait = "5s", lock = redlock)]
async fn settle(
    redlock: &Redlock,
    account: &str,
    start: Instant,
) -> Result<String, redlock::Error> {
    let from = start.elapsed();
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(format!(
        "{account}: settled from {} to {} ms",
        from.as_millis(),
        start.elapsed().as_millis()
    ))
}
