//! A cycle on three nodes in memory, beside the least that such nodes could take: tasks that answer whatever arrives over a
//! byte stream.

use std::time::Duration;

use redlock::{Redlock, memory::Nodes};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::{
    meter,
    nodes::Stage,
    outcome::Outcome,
    report::{Report, Sheet},
    stats::Sorted,
};

const TITLE: &str = "3 nodes in memory, 1 task";
const MICROS: &str = "µs/cycle";
const OF_FLOOR: &str = "times the floor";
const OURS: &str = "acquire and release";
const FLOOR: &str = "two round trips to three tasks";
const KEY: &str = "invoice:42";
/// About the size of an acquire.
const REQUEST: [u8; 300] = [b'*'; 300];
const REPLY: &[u8; 5] = b"+OK\r\n";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    let mut sheet = Sheet::new(TITLE);
    for _ in 0..stage.reps {
        let (redlock, time) = (redlock.clone(), stage.time(2_000, 300));
        let (floor, ours) = tokio::spawn(async move { cycles(&redlock, time).await }).await??;
        sheet.push(FLOOR, MICROS, floor / 1e3);
        sheet.push(OURS, MICROS, ours / 1e3);
        sheet.push(OURS, OF_FLOOR, ours / floor);
    }
    let ratio = sheet.series(OURS, OF_FLOOR);
    report.add(sheet);
    report.ratio("memory-cycle", &ratio);
    println!();
    Ok(())
}

/// Nanoseconds of the floor and of a cycle, in turns.
async fn cycles(redlock: &Redlock, time: Duration) -> Outcome<(f64, f64)> {
    let mut nodes: Vec<DuplexStream> = (0..3).map(|_| answering()).collect();
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    let begun = meter::now();
    while u128::from(meter::now() - begun) < time.as_nanos() {
        for _ in 0..50 {
            let started = meter::now();
            round(&mut nodes).await?;
            round(&mut nodes).await?;
            floor.push(meter::now() - started);
        }
        for _ in 0..50 {
            let started = meter::now();
            redlock.lock(KEY).await?.release().await?;
            ours.push(meter::now() - started);
        }
    }
    Ok((Sorted::new(floor).at(0.5), Sorted::new(ours).at(0.5)))
}

/// A request to each node, and their replies.
async fn round(nodes: &mut [DuplexStream]) -> Outcome<()> {
    for node in nodes.iter_mut() {
        node.write_all(&REQUEST).await?;
    }
    for node in nodes {
        node.read_exact(&mut [0; REPLY.len()]).await?;
    }
    Ok(())
}

/// The end of a stream whose other end answers each request, until this one is dropped.
fn answering() -> DuplexStream {
    let (here, mut there) = duplex(4096);
    tokio::spawn(async move {
        while there.read_exact(&mut [0; REQUEST.len()]).await.is_ok() {
            if there.write_all(REPLY).await.is_err() {
                return;
            }
        }
    });
    here
}
