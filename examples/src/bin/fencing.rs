//! What a fencing token is for: a holder that slept through its lease comes back, and the store refuses it.

use std::{process::ExitCode, time::Duration};

use examples::{Locks, say};
use redlock::FencingToken;
use tokio::time::sleep;

const LEASE: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "fencing",
        "What a fencing token is for: a holder that slept through its lease comes back, and the store refuses it",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

/// A store that takes a write only from a token at least as high as any it has seen.
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
            // A program that is paused renews nothing; this one only sleeps.
            .keep_alive(false)
            .await
            .map_err(|error| format!("the lock was not had: {error}"))
    };
    let mut store = Store::default();

    let sleeper = take().await?;
    say(format_args!(
        "the first holder has token {} and falls asleep",
        sleeper.token()
    ));
    // A long garbage collection, a laptop lid, a machine that is moved: the program does not notice.
    sleep(LEASE).await;

    let second = take().await?;
    store.write(second.token(), 200)?;
    say(format_args!(
        "the second holder has token {} and writes 200",
        second.token()
    ));

    match store.write(sleeper.token(), 100) {
        Ok(()) => Err("the store took a write of a holder whose lease was over".to_owned()),
        Err(refusal) => {
            say(format_args!(
                "the first holder wakes up and writes 100: refused, {refusal}"
            ));
            say(format_args!("the balance is {}", store.balance));
            Ok(())
        }
    }
}
