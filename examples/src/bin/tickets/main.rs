//! Many tasks buy few tickets: under the lock exactly the available tickets are sold, with `--unlocked` more.

mod box_office;

use std::{process::ExitCode, sync::Arc, time::Duration};

use box_office::BoxOffice;
use clap::Parser;
use examples::{Locks, say};
use redlock::Redlock;
use tokio::task::JoinSet;

/// Sells tickets to many concurrent tasks: under the lock, exactly as many as there are.
///
/// The locks are on three nodes inside the process, or on the Redis nodes that REDIS_URLS names, as in
/// REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003.
#[derive(Debug, Parser)]
#[command(name = "tickets")]
struct Args {
    /// Sell without the lock, and see how many too many are sold
    #[arg(long)]
    unlocked: bool,
    /// Tasks that each want one ticket
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tasks: u32,
    /// Tickets there are
    #[arg(long, default_value_t = 10)]
    tickets: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit_code(run(&Args::parse()).await)
}

async fn run(args: &Args) -> Result<(), String> {
    let office = Arc::new(BoxOffice::new(args.tickets));
    let mut buyers = JoinSet::new();
    if args.unlocked {
        say(format_args!(
            "{} tasks want {} tickets, without a lock",
            args.tasks, args.tickets
        ));
        for _ in 0..args.tasks {
            let office = Arc::clone(&office);
            buyers.spawn(async move { Ok(office.sell().await) });
        }
    } else {
        let locks = Locks::from_env().await?;
        say(format_args!(
            "{} tasks want {} tickets, under a lock on {}",
            args.tasks,
            args.tickets,
            locks.place()
        ));
        for _ in 0..args.tasks {
            buyers.spawn(buy(locks.redlock.clone(), Arc::clone(&office)));
        }
    }

    let (mut sold, mut failed) = (0, None);
    while let Some(bought) = buyers.join_next().await {
        match bought {
            Ok(Ok(true)) => sold += 1,
            Ok(Ok(false)) => {}
            Ok(Err(error)) => failed = Some(error.to_string()),
            Err(panic) => failed = Some(panic.to_string()),
        }
    }
    tell(args, sold);
    match failed {
        Some(error) => Err(format!("a task did not get its turn: {error}")),
        None if !args.unlocked && sold != args.tickets.min(args.tasks) => {
            Err("the lock did not hold".to_owned())
        }
        None => Ok(()),
    }
}

/// One task: buys its ticket under the lock.
async fn buy(redlock: Redlock, office: Arc<BoxOffice>) -> redlock::Result<bool> {
    redlock
        .lock("tickets:concert")
        .wait(Duration::from_secs(120))
        .run(async |_held| office.sell().await)
        .await
}

fn tell(args: &Args, sold: u32) {
    match sold.checked_sub(args.tickets) {
        Some(0) => say(format_args!("{sold} sold: as many as there were")),
        Some(over) if args.unlocked => {
            say(format_args!(
                "{sold} sold: {over} more than there were; without --unlocked this does not happen"
            ));
        }
        Some(over) => say(format_args!("{sold} sold: {over} more than there were")),
        None => say(format_args!(
            "{sold} sold: {} are left",
            args.tickets - sold
        )),
    }
}
