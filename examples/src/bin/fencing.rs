//! Fencing tokens: a holder that slept for longer than its lease continues, and the store refuses its write.

use std::{process::ExitCode, time::Duration};

use examples::{Locks, say};
use redlock::FencingToken;
use tokio::time::sleep;

const LEASE: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "fencing",
        "Fencing tokens: a holder that slept for longer than its lease continues, and the store refuses its write",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

/// A store that refuses a write with a token below the highest it has seen.
#[derive(Debug, Default)]
struct Store {
    highest: Option<FencingToken>,
    balance: i64,
}

impl Store {
    fn write(&mut self, token: FencingToken, balance: i64) -> Result<(), String> {
        if let Some(seen) = self.highest.filter(|seen| *seen > token) {
            return Err(format!("token {token} is older than {seen}"));
        }
        self.highest = Some(token);
        self.balance = balance;
        Ok(())
    }
}

async fn run() -> Result<(), String> {
    let redlock = Locks::from_env().await?.redlock;
    let take = || async {
        redlock
            .lock("account:ada")
            .ttl(LEASE)
            // A paused process does not renew its locks. This one only sleeps, so turn the renewal off.
            .keep_alive(false)
            .await
            .map_err(|error| format!("the lock was not acquired: {error}"))
    };
    let mut store = Store::default();

    let sleeper = take().await?;
    say(format_args!(
        "the first holder has token {} and falls asleep",
        sleeper.token()
    ));
    // In production: a long garbage collection, a closed laptop, a migrated virtual machine. The program does not notice.
    sleep(LEASE).await;

    let second = take().await?;
    store.write(second.token(), 200)?;
    say(format_args!(
        "the second holder has token {} and writes 200",
        second.token()
    ));

    match store.write(sleeper.token(), 100) {
        Ok(()) => Err("the store accepted a write of a holder whose lease was over".to_owned()),
        Err(refusal) => {
            say(format_args!(
                "the first holder wakes up and writes 100: refused, {refusal}"
            ));
            say(format_args!("the balance is {}", store.balance));
            Ok(())
        }
    }
}
