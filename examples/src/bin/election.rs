//! Leader election: of three replicas one leads; when it resigns or crashes, the next one does, with a higher token.

use std::{process::ExitCode, time::Duration};

use examples::{Locks, say};
use redlock::{Redlock, Result};
use tokio::{task::JoinSet, time::sleep};

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "election",
        "Leader election: of three replicas one leads; when it resigns or crashes, the next one does, with a higher token",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

async fn run() -> std::result::Result<(), String> {
    let redlock = Locks::from_env().await?.redlock;
    let mut replicas = JoinSet::new();
    for name in 1..=3 {
        replicas.spawn(replica(redlock.clone(), name));
    }
    while let Some(ended) = replicas.join_next().await {
        ended
            .map_err(|panic| panic.to_string())?
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// In production a replica campaigns for as long as it runs. This one resigns after its first term.
async fn replica(redlock: Redlock, name: u32) -> Result<()> {
    let election = redlock.election("planner");
    let terms = election.run(async |leader| {
        let token = leader.token();
        say(format_args!("replica {name} leads with token {token}"));
        for plan in 1..=3 {
            // The store that gets the plan compares the token: a leader that was paused for too long is refused.
            sleep(Duration::from_millis(50)).await;
            say(format_args!("replica {name} makes plan {plan}"));
        }
    });
    terms.await?;
    say(format_args!("replica {name} has resigned"));
    Ok(())
}
