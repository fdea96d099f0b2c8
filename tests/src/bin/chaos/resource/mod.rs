//! The resource that the locks protect: counters that clients read, increment and write back, by a
//! line protocol on a unix socket.
//!
//! A unix socket is reachable from every network namespace, and no network fault affects it.
//! Requests are `read KEY CLIENT TOKEN` and `write KEY CLIENT TOKEN CHECKED UNCHECKED`; a value
//! that was refused is `-`. Tickets go from client to client by `post GRANT TICKET` and `fetch`.

mod access;
mod counter;
mod tickets;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::args::Problem;
pub(crate) use access::Access;
pub(crate) use counter::Counters;
use tickets::Tickets;

/// The server. It runs in this process, and no fault affects it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    socket: PathBuf,
    state: Rc<State>,
}

#[derive(Debug)]
struct State {
    counters: RefCell<HashMap<String, Counters>>,
    /// Each with the grant that it was made of.
    tickets: RefCell<Tickets>,
    /// Key and client of every read.
    entries: broadcast::Sender<(String, String)>,
}

impl Resource {
    /// Starts the server, as local tasks, with its socket in that folder.
    pub(crate) fn start(folder: &Path) -> Result<Self, Problem> {
        let socket = folder.join("resource.sock");
        let listener = UnixListener::bind(&socket)?;
        let state = Rc::new(State {
            counters: RefCell::default(),
            tickets: RefCell::default(),
            entries: broadcast::Sender::new(1024),
        });
        let shared = Rc::clone(&state);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(serve(stream, Rc::clone(&shared)));
            }
        });
        Ok(Self { socket, state })
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn counters(&self) -> Vec<Counters> {
        self.state.counters.borrow().values().cloned().collect()
    }

    /// The next client that reads the counters of `key`, if one does within that time.
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

    /// Whether `client` has read the counters of `key` and has not written yet.
    pub(crate) fn is_inside(&self, key: &str, client: &str) -> bool {
        let counters = self.state.counters.borrow();
        counters
            .get(key)
            .is_some_and(|counters| counters.inside.as_deref() == Some(client))
    }
}

async fn serve(stream: UnixStream, state: Rc<State>) {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(reply) = state.reply(&line) else {
            return;
        };
        if to.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl State {
    fn reply(&self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let mut all = self.counters.borrow_mut();
        match words[..] {
            ["read", key, client, token] => {
                let counters = all.entry(key.to_owned()).or_default();
                let (checked, unchecked) = counters.read(client, token.parse().ok()?);
                // Most of the time there is no subscriber.
                let _ = self.entries.send((key.to_owned(), client.to_owned()));
                Some(format!("{} {unchecked}\n", word(checked)))
            }
            ["write", key, client, token, checked, unchecked] => {
                let counters = all.entry(key.to_owned()).or_default();
                counters.write(
                    client,
                    token.parse().ok()?,
                    optional(checked),
                    unchecked.parse().ok()?,
                );
                Some("written\n".to_owned())
            }
            ["post", grant, ref ticket @ ..] => {
                let ticket = format!("{grant} {}", ticket.join(" "));
                self.tickets.borrow_mut().post(ticket);
                Some("posted\n".to_owned())
            }
            ["fetch"] => Some(format!("{}\n", word(self.tickets.borrow_mut().fetch()))),
            _ => None,
        }
    }
}

fn word(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn optional(word: &str) -> Option<u64> {
    word.parse().ok()
}
