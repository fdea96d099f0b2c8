//! Connecting to a name by TCP.
//!
//! A name may have several addresses, and some may be unreachable. They are raced as in [RFC
//! 8305](https://www.rfc-editor.org/rfc/rfc8305): the two families alternate, each address has a
//! head start, and the first connection wins.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::step::{raise, step, unreachable};
use crate::fault::{Fault, FaultKind};

/// Minimum time-out for resolving a name: resolvers repeat a query only after a second or more.
const RESOLVED_WITHIN: Duration = Duration::from_secs(2);
/// The bounds of an address's head start: as in the RFC, but at most a quarter of its time-out.
const HEAD_START: Duration = Duration::from_millis(250);
const MIN_HEAD_START: Duration = Duration::from_millis(10);
/// Maximum number of addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// A connection to `port` of any address of `host`. Each address has `limit`.
pub(super) async fn tcp(host: &str, port: u16, limit: Duration) -> Result<TcpStream, Fault> {
    let resolved_within = limit.max(RESOLVED_WITHIN);
    let late = || {
        format!(
            "the name was not resolved within {} ms",
            resolved_within.as_millis()
        )
    };
    let resolved = step(resolved_within, late, async {
        let found = lookup_host((host, port)).await;
        Ok(found
            .map_err(|error| unreachable(&error))?
            .collect::<Vec<_>>())
    });
    race(in_turns(resolved.await?), limit).await
}

/// Alternates the families, beginning with the one that the resolver put first.
fn in_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv4) else {
        return VecDeque::new();
    };
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first);
    let mut turns = VecDeque::new();
    while turns.len() < MAX_ADDRESSES && !(one.is_empty() && other.is_empty()) {
        turns.extend(one.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}

async fn race(mut addresses: VecDeque<SocketAddr>, limit: Duration) -> Result<TcpStream, Fault> {
    let several = addresses.len() > 1;
    let head_start = (limit / 4).clamp(MIN_HEAD_START, HEAD_START);
    let mut attempts = FuturesUnordered::new();
    let mut faults: Vec<(SocketAddr, Fault)> = Vec::new();
    loop {
        if let Some(address) = addresses.pop_front() {
            attempts.push(async move { (address, connect(address, limit).await) });
        }
        let done = match addresses.is_empty() {
            true => Ok(attempts.next().await),
            false => timeout(head_start, attempts.next()).await,
        };
        match done {
            Ok(Some((_, Ok(stream)))) => return Ok(stream),
            Ok(Some((address, Err(fault)))) => faults.push((address, fault)),
            Ok(None) => return Err(all_failed(&faults, several)),
            // Start the next one beside it.
            Err(_) => {}
        }
    }
}

async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, Fault> {
    let late = || format!("no connection {}", raise(limit));
    step(limit, late, async {
        let connected = TcpStream::connect(address).await;
        connected.map_err(|error| unreachable(&error))
    })
    .await
}

fn all_failed(faults: &[(SocketAddr, Fault)], several: bool) -> Fault {
    match faults {
        [] => unreachable(&io::Error::other("the name has no address")),
        [(_, fault)] if !several => fault.clone(),
        // A cause that a host reported is more useful than a time-out.
        [(_, first), ..] => {
            let spoke = faults.iter().map(|(_, fault)| fault.kind);
            let kind = spoke
                .into_iter()
                .find(|kind| *kind != FaultKind::TimedOut)
                .unwrap_or(first.kind);
            let texts: Vec<String> = faults
                .iter()
                .map(|(address, fault)| format!("{address}: {fault}"))
                .collect();
            Fault::untouched(kind, texts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    /// A port whose queue is full: the system drops further attempts to connect.
    async fn silent() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free port");
        let listener = socket.listen(1).expect("listening");
        let address = listener.local_addr().expect("an address");
        let mut fillers = Vec::new();
        for _ in 0..64 {
            let filler = timeout(Duration::from_millis(100), TcpStream::connect(address));
            match filler.await {
                Ok(Ok(filler)) => fillers.push(filler),
                _ => return (address, listener, fillers),
            }
        }
        panic!("the system goes on accepting");
    }

    async fn listening() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        (listener.local_addr().expect("an address"), listener)
    }

    #[tokio::test]
    async fn f4_the_next_address_is_tried_while_one_is_silent() {
        let (silent, _queue, _fillers) = silent().await;
        let (good, _listener) = listening().await;
        for addresses in [vec![silent, good], vec![silent, silent, silent, good]] {
            let started = tokio::time::Instant::now();
            let stream = race(addresses.into(), LIMIT).await.expect("one is good");
            assert_eq!(stream.peer_addr().expect("a peer"), good);
            assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
        }
        // Also if each has little time.
        let little = Duration::from_millis(40);
        race(vec![silent, good].into(), little)
            .await
            .expect("one is good");
    }

    #[tokio::test]
    async fn f4_an_address_that_refuses_has_no_head_start() {
        let (good, _listener) = listening().await;
        let refusing = {
            let (address, _) = listening().await;
            address
        };
        let started = tokio::time::Instant::now();
        race(vec![refusing, refusing, good].into(), 100 * LIMIT)
            .await
            .expect("one is good");
        assert!(started.elapsed() < HEAD_START, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn f4_the_error_has_the_cause_of_every_address() {
        let (silent, _queue, _fillers) = silent().await;
        let refusing = {
            let (address, _) = listening().await;
            address
        };
        let limit = Duration::from_millis(200);
        let fault = race(vec![silent, refusing].into(), limit)
            .await
            .expect_err("none is good");
        assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
        for words in [
            silent.to_string(),
            refusing.to_string(),
            "node_timeout".to_owned(),
        ] {
            assert!(fault.text.contains(&words), "{fault}");
        }
        let fault = race(vec![silent].into(), limit).await.expect_err("silent");
        assert_eq!(fault.kind, FaultKind::TimedOut, "{fault}");
        race(VecDeque::new(), limit)
            .await
            .expect_err("nothing to connect to");
    }

    #[test]
    fn f4_families_take_turns() {
        let six = |n| SocketAddr::from((Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, n), 1));
        let four = |n| SocketAddr::from((Ipv4Addr::new(127, 0, 0, n), 1));
        let turns = in_turns(vec![six(1), six(2), six(3), four(1), four(2)]);
        assert_eq!(turns, [six(1), four(1), six(2), four(2), six(3)]);
        let turns = in_turns(vec![four(1), six(1), four(2)]);
        assert_eq!(turns, [four(1), six(1), four(2)]);
        assert!(in_turns((0..99).map(four).collect()).len() <= MAX_ADDRESSES + 1);
    }
}
