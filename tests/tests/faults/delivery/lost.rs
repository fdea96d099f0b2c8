//! A release whose connection ends each time that it is sent: it is sent again, less and less often.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use redlock::Redlock;
use tests::{Cluster, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream, tcp},
    task::AbortHandle,
    time::sleep,
};

use super::{LONG, SOON};

/// A middlebox that closes a connection when it sees the name of the key in a request, which it does not pass on.
struct Middlebox {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct State {
    /// How many connections it still closes.
    closes: AtomicUsize,
    closed: AtomicUsize,
}

impl Middlebox {
    const KEY: &str = "k:1";

    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free loopback port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { shared.link(client, server).await });
            }
        });
        Self {
            address,
            state,
            accepting: accepting.abort_handle(),
        }
    }

    fn closes(&self, connections: usize) {
        self.state.closes.store(connections, Relaxed);
    }

    fn closed(&self) -> usize {
        self.state.closed.load(Relaxed)
    }
}

impl Drop for Middlebox {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    async fn link(&self, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let (mut requests, mut replies) = client.into_split();
        let (mut from, mut to) = TcpStream::connect(server).await?.into_split();
        tokio::select! {
            ended = self.pass(&mut requests, &mut to) => ended,
            ended = copy(&mut from, &mut replies) => ended.map(drop),
        }
    }

    /// Passes requests on until one of them has to be lost.
    async fn pass(
        &self,
        requests: &mut tcp::OwnedReadHalf,
        server: &mut tcp::OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let count = requests.read(&mut bytes).await?;
            let key = Middlebox::KEY.as_bytes();
            let names_key = bytes[..count].windows(key.len()).any(|part| part == key);
            let less = |left: usize| left.checked_sub(1);
            if count == 0 || names_key && self.closes.fetch_update(Relaxed, Relaxed, less).is_ok() {
                self.closed.fetch_add(usize::from(names_key), Relaxed);
                return Ok(());
            }
            server.write_all(&bytes[..count]).await?;
        }
    }
}

/// Three nodes, one of which has a middlebox in front, and a lock on all of them.
async fn locked() -> (Cluster, Middlebox, Redlock, redlock::Guard) {
    let cluster = Cluster::start(3).await;
    let middlebox = Middlebox::before(cluster.node(0).address()).await;
    let mut urls = cluster.urls();
    urls[0] = format!("redis://{}", middlebox.address);
    let redlock = Redlock::connect(urls).await.expect("all up");
    let guard = redlock.lock(Middlebox::KEY).ttl(LONG).keep_alive(false);
    let guard = guard.await.expect("free");
    eventually(SOON, async || {
        cluster.locked_on(Middlebox::KEY).await.len() == 3
    })
    .await;
    (cluster, middlebox, redlock, guard)
}

#[tokio::test]
async fn f6_a_release_that_is_lost_with_two_connections_is_sent_again() {
    for lost in [2, 3, 4] {
        let (cluster, middlebox, _redlock, guard) = locked().await;
        middlebox.closes(lost);
        guard.release().await.expect("two of three");
        // Nothing else is sent to the node meanwhile that would take the release along.
        eventually(SOON, async || {
            cluster.locked_on(Middlebox::KEY).await.is_empty()
        })
        .await;
        assert_eq!(middlebox.closed(), lost);
    }
}

#[tokio::test]
async fn f6_a_release_that_ends_each_connection_is_sent_less_and_less_often() {
    let (cluster, middlebox, _redlock, guard) = locked().await;
    middlebox.closes(usize::MAX);
    guard.release().await.expect("two of three");
    eventually(SOON, async || middlebox.closed() >= 6).await;
    sleep(Duration::from_secs(4)).await;
    let closed = middlebox.closed();
    assert!(closed < 60, "{closed} connections");
    middlebox.closes(0);
    eventually(SOON, async || {
        cluster.locked_on(Middlebox::KEY).await.is_empty()
    })
    .await;
}
