//! A relay to a node that exchanges the reply to a batch, on demand, for an error.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// What a server says whose operator ended a script.
const KILLED: &[u8] = b"-ERR Error running script: Script killed by user with SCRIPT KILL.\r\n";

pub(crate) struct Relay {
    address: SocketAddr,
    exchanges: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) async fn before(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let exchanges = Arc::new(AtomicBool::new(false));
        let on = Arc::clone(&exchanges);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, node, Arc::clone(&on)));
            }
        });
        Self { address, exchanges }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The next reply to a batch is lost, and an error comes in its place.
    pub(crate) fn exchange(&self) {
        self.exchanges.store(true, SeqCst);
    }

    /// Whether a reply was exchanged since.
    pub(crate) fn has_exchanged(&self) -> bool {
        !self.exchanges.load(SeqCst)
    }
}

async fn relay(client: TcpStream, node: SocketAddr, exchanges: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(node).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
        // The reply to a batch of which every command did well; small enough to arrive in one piece.
        let bytes = &buffer[..length];
        let is_batch = bytes.starts_with(b"*") && bytes.ends_with(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
        let sent = match is_batch && exchanges.swap(false, SeqCst) {
            true => to_client.write_all(KILLED).await,
            false => to_client.write_all(bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}
