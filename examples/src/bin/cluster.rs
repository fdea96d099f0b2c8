//! A Redis Cluster as one node: its locks are spread over its servers, and a server that is down takes only its own keys along.

use std::process::ExitCode;

use clap::Parser;
use examples::say;
use redlock::{NodeHealth, NodeState, Redlock};

/// Locks on Redis Clusters, each of which is one node.
#[derive(Debug, Parser)]
#[command(name = "cluster")]
struct Args {
    /// The nodes. The address of a Cluster names some of its servers, as redis+cluster://127.0.0.1:7001,127.0.0.1:7002
    #[arg(required = true)]
    nodes: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = run(Args::parse()).await;
    examples::exit_code(outcome.map_err(|error| error.to_string()))
}

async fn run(args: Args) -> redlock::Result<()> {
    let redlock = Redlock::connect(args.nodes).await?;
    redlock.health().await.iter().for_each(describe);
    // Their keys are probably on different servers.
    for order in 1..=3 {
        ship(&redlock, order).await?;
    }
    redlock.close().await;
    Ok(())
}

/// A line for the node, and one for each of its servers.
fn describe(node: &NodeHealth) {
    say(format_args!("{}, one node:", node.node));
    for server in &node.servers {
        let slots: usize = server.slots.iter().map(ExactSizeIterator::len).sum();
        let vote = match &server.state {
            NodeState::Up => "votes on",
            _ => "has no vote on",
        };
        say(format_args!(
            "  {} {vote} the keys of {slots} slots",
            server.server
        ));
    }
}

/// A lock on a Cluster is like any other.
async fn ship(redlock: &Redlock, order: u32) -> redlock::Result<()> {
    let lock = redlock.lock(format!("order:{order}"));
    lock.run(async |held| {
        let token = held.token();
        say(format_args!("order {order} is shipped with token {token}"));
    })
    .await
}
