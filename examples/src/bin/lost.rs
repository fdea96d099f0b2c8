//! A lost lock under `run`: the work is cancelled, its clean-up runs, and the caller gets an error.

use std::{process::ExitCode, time::Duration};

use examples::say;
use redlock::{Redlock, memory};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "lost",
        "A lost lock under run: the work is cancelled, its clean-up runs, and the caller gets an error",
        "",
    );
    examples::exit_code(run().await)
}

/// Prints a line when it is dropped: cancelled work runs its destructors.
struct Export;

impl Drop for Export {
    fn drop(&mut self) {
        say("the export cleans up");
    }
}

async fn run() -> Result<(), String> {
    // Nodes inside the process, whose faults are methods.
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes())
        .await
        .map_err(|error| error.to_string())?;

    let export = redlock
        .lock("nightly-export")
        .ttl(Duration::from_secs(1))
        .run(async |_held| {
            let _export = Export;
            for page in 1..=20 {
                say(format_args!("page {page} is exported under the lock"));
                sleep(Duration::from_millis(400)).await;
            }
        });
    let accident = async {
        sleep(Duration::from_secs(2)).await;
        say("two of the three nodes restart, and forget");
        nodes.node(0).restart_empty();
        nodes.node(1).restart_empty();
    };

    let (outcome, ()) = tokio::join!(export, accident);
    match outcome {
        Err(error) if error.is_lost() => {
            say(format_args!("the caller is told: {error}"));
            Ok(())
        }
        Err(error) => Err(error.to_string()),
        Ok(()) => Err("the export ended although its lock was lost".to_owned()),
    }
}
