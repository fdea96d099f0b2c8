//! Locks and releases as often as it is told, and tells how long each cycle took.
//!
//! `cycle [ADDRESS..]`: on these nodes, or on three in memory. First it says `ready`, and which events it was built with. Then it
//! reads how many cycles to make, a number in each line, and says `took`, and the nanoseconds of each.
//!
//! One thread does everything, so a cycle takes as little as it can, and what is added to it shows most.

use std::{error::Error, time::Instant};

use redlock::{Redlock, memory::Nodes};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tracing::level_filters::STATIC_MAX_LEVEL;

const KEY: &str = "invoice:42";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    let redlock = if addresses.is_empty() {
        Redlock::connect(Nodes::new(3).nodes()).await?
    } else {
        Redlock::connect(addresses).await?
    };
    println!(
        "ready events {STATIC_MAX_LEVEL} metrics {}",
        cfg!(feature = "metrics")
    );
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let mut took = Vec::new();
        for _ in 0..line.parse()? {
            let begun = Instant::now();
            redlock.lock(KEY).await?.release().await?;
            took.push(begun.elapsed().as_nanos().to_string());
        }
        println!("took {}", took.join(","));
    }
    Ok(())
}
