//! An address that never answers a connection attempt, as behind a firewall that drops packets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// More than the kernel queues for a backlog of one.
const MAX_FILLERS: usize = 64;

/// A listener whose queue is full, so that the kernel drops further attempts to connect.
#[derive(Debug)]
pub struct Unanswered {
    address: SocketAddr,
    _listener: TcpListener,
    _fillers: Vec<TcpStream>,
}

impl Unanswered {
    /// Binds a loopback port and fills its queue.
    ///
    /// # Panics
    ///
    /// When there is no free port, or the system continues to accept.
    pub async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .expect("a free loopback port");
        let listener = socket.listen(1).expect("a listening socket");
        let address = listener
            .local_addr()
            .expect("the address of a bound socket");
        let mut fillers = Vec::new();
        while let Ok(connected) =
            timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            fillers.push(connected.expect("a place in the queue, or no answer"));
            assert!(
                fillers.len() < MAX_FILLERS,
                "the system accepts whatever its backlog says"
            );
        }
        Self {
            address,
            _listener: listener,
            _fillers: fillers,
        }
    }

    /// The address to give to a client.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}
