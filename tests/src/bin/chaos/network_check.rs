//! `--check-network`: whether links really cut, lose and delay packets, seen by a client and a
//! server at their ends.

use std::io;
use std::time::Duration;

use tests::Cluster;
use tests::network::{Link, LinkFault, Network};
use tests::proxy::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::args::Problem;
use crate::report;

/// Data that arrives at all arrives within this time.
const SILENCE: Duration = Duration::from_millis(400);
/// After a cut, the kernels retransmit within this time.
const RETRANSMITTED: Duration = Duration::from_secs(10);
const LINK: Link = Link { client: 0, node: 0 };
const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

pub(crate) async fn run() -> Result<bool, Problem> {
    let network = match Network::build(1, 1) {
        Ok(network) => network,
        Err(reason) => {
            report::print(&format!("no network faults: {reason}"));
            return Ok(true);
        }
    };
    report::print(&format!("network faults by {}", network.shaping()));
    let cluster = Cluster::builder(1).hosts(network.nodes()).start().await;
    let ends = Ends { network, cluster };
    let results = [
        (
            "requests cut: neither executed nor answered",
            ends.requests().await?,
        ),
        (
            "replies cut: executed and not answered",
            ends.replies().await?,
        ),
        (
            "partition: no connection, and no refusal either",
            ends.partition().await?,
        ),
        (
            "partition: the client does not see its server die",
            ends.half_open().await?,
        ),
        (
            "loss: some packets are dropped, all requests are answered",
            ends.loss().await?,
        ),
        ("delay: replies are late", ends.delay().await?),
    ];
    for (name, passed) in results {
        report::print(&format!(
            "  {:6} {name}",
            if passed { "ok" } else { "FAILED" }
        ));
    }
    Ok(results.iter().all(|(_, passed)| *passed))
}

/// A client's host and a node, and the link between them.
struct Ends {
    network: Network,
    cluster: Cluster,
}

impl Ends {
    async fn connect(&self) -> io::Result<TcpStream> {
        let server = self.cluster.node(0).address();
        let connected = timeout(SILENCE, self.network.client(0).connect(server)).await;
        connected.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The counter as the server has it. The observer's link does not fail.
    async fn counter(&self) -> Option<String> {
        self.cluster.node(0).get("counter").await
    }

    async fn requests(&self) -> Result<bool, Problem> {
        let mut client = self.connect().await?;
        let before = increment(&mut client, RETRANSMITTED).await.is_ok();
        let cut = self
            .network
            .impose(&[LINK], &[Direction::ToServer], LinkFault::Cut)
            .await?;
        let silent = increment(&mut client, SILENCE).await.is_err();
        let unexecuted = self.counter().await.as_deref() == Some("1");
        let dropped = self.network.lift(cut).await?;
        let healed = reply(&mut client, RETRANSMITTED).await.is_ok();
        let executed = self.counter().await.as_deref() == Some("2");
        Ok(before && silent && unexecuted && dropped > 0 && healed && executed)
    }

    async fn replies(&self) -> Result<bool, Problem> {
        let mut client = self.connect().await?;
        increment(&mut client, RETRANSMITTED).await?;
        let cut = self
            .network
            .impose(&[LINK], &[Direction::ToClient], LinkFault::Cut)
            .await?;
        let silent = increment(&mut client, SILENCE).await.is_err();
        let executed = self.counter().await.as_deref() == Some("4");
        let dropped = self.network.lift(cut).await?;
        let healed = reply(&mut client, RETRANSMITTED).await.is_ok();
        Ok(silent && executed && dropped > 0 && healed)
    }

    async fn partition(&self) -> Result<bool, Problem> {
        let cut = self.network.impose(&[LINK], &BOTH, LinkFault::Cut).await?;
        let refused = self.connect().await;
        let silent = refused.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
        let dropped = self.network.lift(cut).await?;
        Ok(silent && dropped > 0 && self.connect().await.is_ok())
    }

    async fn half_open(&self) -> Result<bool, Problem> {
        let mut client = self.connect().await?;
        increment(&mut client, RETRANSMITTED).await?;
        let cut = self.network.impose(&[LINK], &BOTH, LinkFault::Cut).await?;
        self.cluster.node(0).kill();
        // Neither an end of file nor a reset.
        let silent = timeout(SILENCE, client.read(&mut [0; 1])).await.is_err();
        self.cluster.node(0).start().await;
        let _ = self.network.lift(cut).await?;
        client.write_all(b"PING\r\n").await?;
        let reset = timeout(RETRANSMITTED, client.read(&mut [0; 1])).await?;
        Ok(silent && matches!(reset, Ok(0) | Err(_)))
    }

    async fn loss(&self) -> Result<bool, Problem> {
        let mut client = self.connect().await?;
        let loss = LinkFault::Loss(10);
        let lossy = self.network.impose(&[LINK], &BOTH, loss).await?;
        let mut answered = true;
        for _ in 0..30 {
            answered &= increment(&mut client, RETRANSMITTED * 3).await.is_ok();
        }
        Ok(answered && self.network.lift(lossy).await? > 0)
    }

    async fn delay(&self) -> Result<bool, Problem> {
        let mut client = self.connect().await?;
        let delay = Duration::from_millis(100);
        let slow = self
            .network
            .impose(&[LINK], &BOTH, LinkFault::Delay(delay))
            .await?;
        let start = Instant::now();
        // More than a token bucket lets pass at once.
        for _ in 0..16 {
            let request = format!("ECHO {}\r\n", "x".repeat(300));
            client.write_all(request.as_bytes()).await?;
            reply(&mut client, RETRANSMITTED).await?;
        }
        let late = start.elapsed() > delay * 4;
        sleep(delay).await;
        Ok(late && self.network.lift(slow).await? > 0)
    }
}

async fn increment(client: &mut TcpStream, within: Duration) -> io::Result<()> {
    client.write_all(b"INCR counter\r\n").await?;
    reply(client, within).await
}

/// Reads what comes until the end of a line.
async fn reply(client: &mut TcpStream, within: Duration) -> io::Result<()> {
    let read = async {
        let mut text = Vec::new();
        while !text.ends_with(b"\n") {
            if client.read_buf(&mut text).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    };
    timeout(within, read)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}
