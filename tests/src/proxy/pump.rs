//! One connection through the proxy: two pumps that obey its rules.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Direction, Flow, Rules, Shared};

/// What one pump keeps at most; beyond it the sender feels back-pressure.
const MAX_HELD: usize = 4 << 20;

pub(super) async fn link(
    client: TcpStream,
    server: TcpStream,
    shared: &Shared,
    rules: watch::Receiver<Rules>,
    at_accept: Rules,
) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = Pump::new(
        Direction::ToServer,
        to_server,
        shared,
        rules.clone(),
        at_accept,
    );
    let down = Pump::new(Direction::ToClient, to_client, shared, rules, at_accept);
    tokio::join!(up.run(from_client), down.run(from_server));
}

struct Pump<'a> {
    direction: Direction,
    to: OwnedWriteHalf,
    shared: &'a Shared,
    rules: watch::Receiver<Rules>,
    at_accept: Rules,
    queue: VecDeque<(Instant, Vec<u8>)>,
    queued: usize,
}

impl<'a> Pump<'a> {
    fn new(
        direction: Direction,
        to: OwnedWriteHalf,
        shared: &'a Shared,
        rules: watch::Receiver<Rules>,
        at_accept: Rules,
    ) -> Self {
        Self {
            direction,
            to,
            shared,
            rules,
            at_accept,
            queue: VecDeque::new(),
            queued: 0,
        }
    }

    async fn run(mut self, from: OwnedReadHalf) {
        // `None` once the sender is done or cut off.
        let mut from = Some(from);
        let mut chunk = vec![0; 16 << 10];
        loop {
            let rules = *self.rules.borrow_and_update();
            if rules.cuts > self.at_accept.cuts {
                return self.reset();
            }
            let client_cut = rules.client_cuts > self.at_accept.client_cuts;
            let delivered = rules.delivered > self.at_accept.client_cuts;
            let mut flow = rules.flow(self.direction, &self.at_accept);
            if client_cut {
                match self.direction {
                    Direction::ToClient => return self.drain(from).await,
                    Direction::ToServer => {
                        from = None;
                        flow = if delivered { Flow::PASS } else { Flow::Hold };
                    }
                }
            }
            if flow == Flow::Lose {
                self.forget();
            }
            if from.is_none() && self.queue.is_empty() && flow != Flow::Hold {
                let _ = self.to.shutdown().await;
                return;
            }
            let due = match (flow, self.queue.front()) {
                (Flow::Pass { delay }, Some((arrived, _))) => Some(*arrived + delay),
                _ => None,
            };
            let full = self.queued >= MAX_HELD;
            tokio::select! {
                changed = self.rules.changed() => {
                    if changed.is_err() {
                        return self.reset();
                    }
                }
                read = read(from.as_mut(), &mut chunk), if !full => match read {
                    Ok(0) | Err(_) => from = None,
                    Ok(n) => self.keep(&chunk[..n]),
                },
                () = until(due), if due.is_some() => {
                    if self.write_front().await.is_err() {
                        return self.reset();
                    }
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.queue.push_back((Instant::now(), bytes.to_vec()));
        self.queued += bytes.len();
        self.shared.held[self.direction as usize].fetch_add(bytes.len(), Ordering::SeqCst);
    }

    fn forget(&mut self) {
        self.queue.clear();
        self.shared.held[self.direction as usize].fetch_sub(self.queued, Ordering::SeqCst);
        self.queued = 0;
    }

    async fn write_front(&mut self) -> std::io::Result<()> {
        let Some((_, bytes)) = self.queue.pop_front() else {
            return Ok(());
        };
        let side = self.direction as usize;
        self.queued -= bytes.len();
        self.shared.held[side].fetch_sub(bytes.len(), Ordering::SeqCst);
        // A peer that does not read must not make the pump deaf to a cut.
        let mut left = &bytes[..];
        while !left.is_empty() {
            tokio::select! {
                written = self.to.write(left) => {
                    let written = written?;
                    self.shared.passed[side].fetch_add(written, Ordering::SeqCst);
                    left = &left[written..];
                }
                _ = self.rules.changed() => {
                    if self.rules.borrow().cuts > self.at_accept.cuts {
                        return Err(std::io::ErrorKind::ConnectionReset.into());
                    }
                }
            }
        }
        self.rules.mark_changed();
        Ok(())
    }

    /// After the client is cut off: what the server still says goes nowhere, until the other pump is done with it.
    async fn drain(mut self, mut from: Option<OwnedReadHalf>) {
        let mut rules = self.rules.clone();
        let cuts = self.at_accept.cuts;
        self.forget();
        self.reset();
        let mut chunk = vec![0; 16 << 10];
        loop {
            tokio::select! {
                read = read(from.as_mut(), &mut chunk), if from.is_some() => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                changed = rules.changed() => {
                    if changed.is_err() || rules.borrow().cuts > cuts {
                        return;
                    }
                }
                else => return,
            }
        }
    }

    fn reset(mut self) {
        self.forget();
        let _ = self.to.as_ref().set_zero_linger();
        self.to.forget();
    }
}

/// Never resolves when there is nothing to read from any more.
async fn read(from: Option<&mut OwnedReadHalf>, chunk: &mut [u8]) -> std::io::Result<usize> {
    match from {
        Some(from) => from.read(chunk).await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
