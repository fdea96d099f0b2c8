//! A clock that is wrong. Jobs go by the time of the nodes, so what changes is what the nodes tell this process.

use std::{
    io,
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

/// How a reply to `TIME` begins: an array of two texts, the first of ten digits.
const HEAD: &[u8] = b"*2\r\n$10\r\n";

/// The time of this machine, wrong by this many milliseconds.
pub(crate) fn wrong_by(shift: i64) -> SystemTime {
    let by = Duration::from_millis(shift.unsigned_abs());
    match shift < 0 {
        true => SystemTime::now() - by,
        false => SystemTime::now() + by,
    }
}

/// An address that leads to the node, whose answers to `TIME` are wrong by this many milliseconds.
pub(crate) async fn shifted(node: &str, shift: i64) -> String {
    if shift == 0 {
        return node.to_owned();
    }
    let node = node.trim_start_matches("redis://").to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let here = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, node.clone(), shift));
        }
    });
    format!("redis://{here}")
}

/// One connection. It ends when either side closes it.
async fn relay(client: TcpStream, node: String, shift: i64) -> io::Result<()> {
    let server = TcpStream::connect(node).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        // The time is told in the handshake, and never again.
        let mut told = Vec::new();
        let changed = loop {
            if from_server.read_buf(&mut told).await? == 0 {
                return Ok(0);
            }
            if let Some(changed) = with_other_time(&told, shift) {
                break changed;
            }
        };
        to_client.write_all(&changed).await?;
        copy(&mut from_server, &mut to_client).await
    };
    tokio::select! {
        ended = back => ended.map(drop),
        ended = copy(&mut from_client, &mut to_server) => ended.map(drop),
    }
}

/// The same bytes with another time, if there is one.
fn with_other_time(told: &[u8], shift: i64) -> Option<Vec<u8>> {
    let start = told.windows(HEAD.len()).position(|part| part == HEAD)?;
    let (before, reply) = told.split_at(start);
    // `*2`, `$10`, seconds, the length of the microseconds, microseconds, the rest.
    let mut lines = reply.splitn(6, |byte| *byte == b'\n').skip(2);
    let (seconds, micros) = (number(lines.next()?)?, number(lines.nth(1)?)?);
    let after = lines.next()?;
    let time = seconds * 1_000_000 + micros + shift * 1_000;
    let (seconds, micros) = (time / 1_000_000, (time % 1_000_000).to_string());
    let length = micros.len();
    let time = format!("{seconds}\r\n${length}\r\n{micros}\r\n");
    Some([before, HEAD, time.as_bytes(), after].concat())
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::with_other_time;

    #[test]
    fn the_time_among_other_replies_is_changed_as_soon_as_it_is_complete() {
        let told = b"+OK\r\n*2\r\n$10\r\n1700000000\r\n$6\r\n900000\r\n$1\r\na\r\n";
        let ahead = b"+OK\r\n*2\r\n$10\r\n1700000001\r\n$6\r\n400000\r\n$1\r\na\r\n";
        let behind = b"+OK\r\n*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n$1\r\na\r\n";
        assert_eq!(with_other_time(told, 500).as_deref(), Some(&ahead[..]));
        assert_eq!(with_other_time(told, -900).as_deref(), Some(&behind[..]));
        for cut in 0..told.len() - 7 {
            assert_eq!(with_other_time(&told[..cut], 500), None, "{cut}");
        }
    }
}
