//! What the locks protect: numbers that everybody reads, adds one to, and writes back. A server of lines over TCP.
//!
//! Each key has two of them: one is guarded by the fencing token, the other trusts its callers. Both are read and
//! written by the same requests, so whoever spoils the one tried to spoil the other as well.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::args::Problem;

/// What was done to one key's numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    /// The highest token seen.
    seen: u64,
    /// Who read last and has not written.
    inside: Option<String>,
    pub(crate) checked: u64,
    pub(crate) checked_writes: u64,
    pub(crate) refused: u64,
    pub(crate) unchecked: u64,
    pub(crate) unchecked_writes: u64,
}

impl Cell {
    /// Additions that another one wrote over.
    pub(crate) fn checked_lost(&self) -> u64 {
        self.checked_writes.saturating_sub(self.checked)
    }

    pub(crate) fn unchecked_lost(&self) -> u64 {
        self.unchecked_writes.saturating_sub(self.unchecked)
    }

    /// The numbers; the guarded one only for a token that is not behind.
    fn read(&mut self, client: &str, token: u64) -> (Option<u64>, u64) {
        self.inside = Some(client.to_owned());
        (self.admits(token).then_some(self.checked), self.unchecked)
    }

    fn write(&mut self, client: &str, token: u64, checked: Option<u64>, unchecked: u64) {
        if self.inside.as_deref() == Some(client) {
            self.inside = None;
        }
        self.unchecked = unchecked;
        self.unchecked_writes += 1;
        if let Some(value) = checked
            && self.admits(token)
        {
            self.checked = value;
            self.checked_writes += 1;
        }
    }

    fn admits(&mut self, token: u64) -> bool {
        let admitted = token >= self.seen;
        if admitted {
            self.seen = token;
        } else {
            self.refused += 1;
        }
        admitted
    }
}

/// The server, in this process: nobody stops or kills it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    address: SocketAddr,
    state: Rc<State>,
}

#[derive(Debug)]
struct State {
    cells: RefCell<HashMap<String, Cell>>,
    /// Key and client of every read.
    entries: broadcast::Sender<(String, String)>,
}

impl Resource {
    /// Starts it, as local tasks.
    pub(crate) async fn start() -> Result<Self, Problem> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Rc::new(State {
            cells: RefCell::default(),
            entries: broadcast::Sender::new(1024),
        });
        let served = Rc::clone(&state);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(serve(stream, Rc::clone(&served)));
            }
        });
        Ok(Self { address, state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.state.cells.borrow().values().cloned().collect()
    }

    /// The next client that reads the numbers of `key`, if one does in that time.
    pub(crate) async fn next_entry(&self, key: &str, within: Duration) -> Option<String> {
        let mut entries = self.state.entries.subscribe();
        let entry = async {
            loop {
                match entries.recv().await {
                    Ok((read, client)) if read == key => return Some(client),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        };
        timeout(within, entry).await.ok().flatten()
    }

    /// Whether `client` has read the numbers of `key` and not written yet.
    pub(crate) fn is_inside(&self, key: &str, client: &str) -> bool {
        let cells = self.state.cells.borrow();
        cells
            .get(key)
            .is_some_and(|cell| cell.inside.as_deref() == Some(client))
    }
}

async fn serve(stream: TcpStream, state: Rc<State>) {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(answer) = state.answer(&line) else {
            return;
        };
        if to.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl State {
    /// `read KEY CLIENT TOKEN`, `write KEY CLIENT TOKEN CHECKED UNCHECKED`; a number that was refused is a `-`.
    fn answer(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let mut cells = self.cells.borrow_mut();
        match words[..] {
            ["read", key, client, token] => {
                let cell = cells.entry(key.to_owned()).or_default();
                let (checked, unchecked) = cell.read(client, token.parse().ok()?);
                // Nobody listens most of the time.
                let _ = self.entries.send((key.to_owned(), client.to_owned()));
                Some(format!("{} {unchecked}\n", word(checked)))
            }
            ["write", key, client, token, checked, unchecked] => {
                let cell = cells.entry(key.to_owned()).or_default();
                cell.write(
                    client,
                    token.parse().ok()?,
                    number(checked),
                    unchecked.parse().ok()?,
                );
                Some("written\n".to_owned())
            }
            _ => None,
        }
    }
}

fn word(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn number(word: &str) -> Option<u64> {
    word.parse().ok()
}

/// The way to the server from a client process.
#[derive(Debug)]
pub(crate) struct Access {
    stream: BufReader<TcpStream>,
    client: String,
}

/// The numbers as they were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    checked: Option<u64>,
    unchecked: u64,
}

impl Access {
    pub(crate) async fn open(address: SocketAddr, client: &str) -> Result<Self, Problem> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            client: client.to_owned(),
        })
    }

    pub(crate) async fn read(&mut self, key: &str, token: u64) -> Result<Numbers, Problem> {
        let answer = self
            .ask(format!("read {key} {} {token}\n", self.client))
            .await?;
        let (checked, unchecked) = answer.split_once(' ').ok_or("an answer of two numbers")?;
        Ok(Numbers {
            checked: number(checked),
            unchecked: unchecked.parse()?,
        })
    }

    /// Writes what was read, plus one.
    pub(crate) async fn write(
        &mut self,
        key: &str,
        token: u64,
        read: Numbers,
    ) -> Result<(), Problem> {
        let (checked, unchecked) = (
            word(read.checked.map(|value| value + 1)),
            read.unchecked + 1,
        );
        let line = format!(
            "write {key} {} {token} {checked} {unchecked}\n",
            self.client
        );
        self.ask(line).await.map(drop)
    }

    async fn ask(&mut self, line: String) -> Result<String, Problem> {
        self.stream.get_mut().write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer).await?;
        Ok(answer.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_write_is_refused_where_tokens_are_checked_and_loses_one_where_they_are_not() {
        let mut cell = Cell::default();
        let (paused, plain) = cell.read("a", 1);
        let (next, next_plain) = cell.read("b", 2);
        cell.write("b", 2, next.map(|value| value + 1), next_plain + 1);
        cell.write("a", 1, paused.map(|value| value + 1), plain + 1);
        assert_eq!(
            (cell.checked_writes, cell.checked_lost(), cell.refused),
            (1, 0, 1)
        );
        assert_eq!((cell.unchecked_writes, cell.unchecked_lost()), (2, 1));
    }
}
