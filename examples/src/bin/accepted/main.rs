//! 202 Accepted: a request returns at once, and a worker in another process continues under its lock.

mod accept;
mod queue;
mod worker;

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand};
use examples::{Locks, say};
use queue::Queue;

/// Accepts orders over HTTP, and ships them in another process, each under one lock from end to end.
///
/// The locks are on the Redis nodes that REDIS_URLS names, which both processes share. The orders wait in a stream of a further
/// Redis, that of --queue.
#[derive(Debug, Parser)]
#[command(name = "accepted")]
struct Args {
    /// The Redis with the queue, as redis://127.0.0.1:7000
    #[arg(long)]
    queue: String,
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Answers POST /orders/{order}: 202 once it is in the queue, 409 while it is there
    Serve {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Ships the orders in the queue
    Work {
        /// The name of this worker, unlike those of others
        #[arg(long)]
        name: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    examples::exit_code(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<(), String> {
    let locks = Locks::shared_from_env().await?;
    let queue = Queue::connect(&args.queue).await?;
    match args.role {
        Role::Serve { listen } => accept::serve(listen, locks.redlock, queue).await,
        Role::Work { name } => {
            say(format_args!("{name} works"));
            worker::work(&name, &locks.redlock, queue).await
        }
    }
}
