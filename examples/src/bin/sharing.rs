//! One lock for services in Rust, Node and Python: each adds to one number, and no addition is lost.
//!
//! [`counter.mjs`](../../sharing/counter.mjs) and [`counter.py`](../../sharing/counter.py) do the same in the other languages.

use std::{path::Path, process::ExitCode, time::Duration};

use clap::Parser;
use examples::{Locks, say};
use redlock::Redlock;
use tokio::{fs, time::sleep};

/// What the services in all languages lock. The Python library `pottery` begins every key with `redlock:`.
const KEY: &str = "redlock:counter";

/// Adds one to the number in a file, again and again, each time under a lock that Node and Python know too.
///
/// The locks are on the Redis nodes that REDIS_URLS names, which all of them share.
#[derive(Debug, Parser)]
#[command(name = "sharing")]
struct Args {
    /// The file that contains the number, 0 at first
    file: std::path::PathBuf,
    /// How often to add one
    #[arg(long, default_value_t = 10)]
    times: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit_code(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), String> {
    let redlock = Locks::shared_from_env().await?.redlock;
    for _ in 0..args.times {
        let counted = add_one(&redlock, &args.file).await;
        counted.map_err(|error| error.to_string())?;
    }
    say(format_args!("Rust added {}", args.times));
    Ok(())
}

async fn add_one(redlock: &Redlock, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    // Other libraries do not notify waiters, so this one may wait for some of their turns.
    let lock = redlock.lock(KEY).wait(Duration::from_secs(60));
    let added = lock.run(async |_held| -> Result<(), Box<dyn std::error::Error>> {
        let (text, shown) = (fs::read_to_string(file).await, file.display());
        let text =
            text.map_err(|error| format!("{shown} cannot be read: {error}; write a 0 into it"))?;
        let number = text.trim().parse::<u64>();
        let number = number.map_err(|_| format!("{shown} does not contain a number"))?;
        sleep(Duration::from_millis(2)).await; // without the lock, another service would read the same number now
        fs::write(file, (number + 1).to_string()).await?;
        Ok(())
    });
    added.await?
}
