//! Which servers of a Redis Cluster have which hash slots.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{ConnectionInfo, RedisError, Value};
use tokio::time::timeout;

use super::{
    decode, login, resp,
    target::{Target, name},
    wire::Wire,
};
use crate::node::{Fault, FaultKind};

const SLOTS: u16 = 16_384;
/// How long after one server's answer the others' are waited for.
const TOGETHER: Duration = Duration::from_millis(20);

/// The masters of a cluster, and the slots of each.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Slots {
    servers: Vec<String>,
    /// The first and the last slot of a range, and the place of its server; what stands first goes first.
    ranges: Vec<(u16, u16, usize)>,
}

/// The slot of a key: its hash, or that of its tag.
pub(in crate::node) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    crc16(tag.unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, as the specification of Redis Cluster asks for.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

/// Where the server of `fault` says that a slot has gone.
pub(in crate::node) fn moved(fault: &Fault) -> Option<(u16, String)> {
    let mut words = fault.text.strip_prefix("MOVED ")?.split(' ');
    let slot = words.next()?.parse().ok()?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    // Without a host it is the one that answered, which the next look at the map will find out.
    (!host.is_empty()).then(|| (slot, server(host, port)))
}

impl Slots {
    /// Asks the seeds of `target` and the servers known so far, all at once. Of those who answer together, the one that
    /// knows of the latest change is believed: one that was cut off still tells of what was.
    pub(in crate::node) async fn ask(target: &Target, known: &[String]) -> Result<Self, Fault> {
        let seeds = target.seeds().iter().cloned();
        let known = known.iter().filter_map(|server| target.login_at(server));
        let mut answers: FuturesUnordered<_> =
            seeds.chain(known).map(|info| ask(info, target)).collect();
        let mut best: Option<((u64, usize), Self)> = None;
        let mut faults: Vec<(FaultKind, String)> = Vec::new();
        loop {
            let answer = if best.is_none() {
                answers.next().await
            } else {
                timeout(TOGETHER, answers.next()).await.unwrap_or(None)
            };
            let Some((asked, answer)) = answer else { break };
            let fault = match answer {
                Ok((slots, about)) => match Self::read(&slots, host_of(&asked)) {
                    Some(slots) => {
                        let knows = (epoch(&decode::text(&about)), slots.covered());
                        if best.as_ref().is_none_or(|(most, _)| knows > *most) {
                            best = Some((knows, slots));
                        }
                        continue;
                    }
                    None => refusal(slots),
                },
                Err(fault) => fault,
            };
            let text = format!("{asked}: {fault}");
            if faults.iter().all(|(_, other)| *other != text) {
                faults.push((fault.kind, text));
            }
        }
        best.map(|(_, slots)| slots).ok_or_else(|| {
            let kind = faults.first().map_or(FaultKind::Other, |(kind, _)| *kind);
            let texts: Vec<String> = faults.into_iter().map(|(_, text)| text).collect();
            Fault::untouched(kind, texts.join("; "))
        })
    }

    /// Reads a reply of `CLUSTER SLOTS`; `asked` is the host that gave it.
    fn read(reply: &Value, asked: &str) -> Option<Self> {
        let Value::Array(ranges) = reply else {
            return None;
        };
        let mut slots = Self::default();
        for range in ranges {
            let Value::Array(parts) = range else { continue };
            let [
                Value::Int(first),
                Value::Int(last),
                Value::Array(master),
                ..,
            ] = parts.as_slice()
            else {
                continue;
            };
            let [host, Value::Int(port), ..] = master.as_slice() else {
                continue;
            };
            let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(*last)) else {
                continue;
            };
            let host = match decode::text(host) {
                unknown if unknown == "?" => continue,
                same if same.is_empty() => asked.to_owned(),
                host => host,
            };
            let place = slots.place(server(&host, &port.to_string()));
            slots.ranges.push((first, last, place));
        }
        (!slots.ranges.is_empty()).then_some(slots)
    }

    fn place(&mut self, server: String) -> usize {
        let known = self.servers.iter().position(|other| *other == server);
        known.unwrap_or_else(|| {
            self.servers.push(server);
            self.servers.len() - 1
        })
    }

    /// The masters, as `host:port`.
    pub(in crate::node) fn servers(&self) -> &[String] {
        &self.servers
    }

    pub(in crate::node) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many slots have a server.
    fn covered(&self) -> usize {
        let ranges = self.ranges.iter();
        ranges
            .map(|(first, last, _)| usize::from(last.saturating_sub(*first)) + 1)
            .sum()
    }

    /// The place of a slot's server among [`servers`](Self::servers).
    pub(in crate::node) fn server_of(&self, slot: u16) -> Option<usize> {
        let mut ranges = self.ranges.iter();
        let range = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot));
        range.map(|(_, _, place)| *place)
    }

    /// One slot has gone to `server`.
    pub(in crate::node) fn give(&mut self, slot: u16, server: String) {
        let place = self.place(server);
        self.ranges
            .retain(|range| (range.0, range.1) != (slot, slot));
        self.ranges.insert(0, (slot, slot, place));
    }
}

/// The replies to `CLUSTER SLOTS` and `CLUSTER INFO`, and who gave them.
async fn ask(info: ConnectionInfo, target: &Target) -> (String, Result<(Value, Value), Fault>) {
    let answers = async {
        let mut wire = Wire::open(&info, &target.certificates).await?;
        login::write(&info, wire.out());
        for question in ["SLOTS", "INFO"] {
            resp::command(wire.out(), |ask| {
                ask.args(["CLUSTER", question]);
            });
        }
        login::read(&info, &mut wire).await?;
        Ok((wire.next().await?, wire.next().await?))
    };
    (name(info.addr(), 0), answers.await)
}

/// Why there is no map in a reply of `CLUSTER SLOTS`.
fn refusal(reply: Value) -> Fault {
    match reply {
        Value::ServerError(error) => {
            let fault = decode::fault(&RedisError::from(error));
            Fault::untouched(fault.kind, format!("CLUSTER SLOTS: {fault}"))
        }
        _ => Fault::untouched(
            FaultKind::Other,
            "the cluster is not set up: no server has slots",
        ),
    }
}

/// How often the cluster has changed, as `CLUSTER INFO` tells; 0 where it may not be asked.
fn epoch(about: &str) -> u64 {
    about
        .lines()
        .find_map(|line| line.strip_prefix("cluster_current_epoch:"))
        .and_then(|epoch| epoch.trim().parse().ok())
        .unwrap_or(0)
}

fn server(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn host_of(server: &str) -> &str {
    server.rsplit_once(':').map_or(server, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let server = Value::Array(vec![Value::BulkString(host.into()), Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), server])
    }

    #[test]
    fn slots_of_keys() {
        // From the specification.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of("{foo}{}:fence"), 12_182);
        assert_eq!(slot_of("lock:{foo}:1"), 12_182);
        assert_eq!(slot_of("lock:{foo}:1{}{}:fence"), 12_182);
        assert_eq!(slot_of("{}foo"), crc16(b"{}foo") % SLOTS);
    }

    #[test]
    fn reads_a_map() {
        let reply = Value::Array(vec![
            range(0, 100, "10.0.0.1", 1),
            range(101, 200, "", 2),
            range(300, 400, "?", 3),
            range(401, 16_383, "10.0.0.1", 1),
            Value::Nil,
        ]);
        let mut slots = Slots::read(&reply, "seed").expect("a map");
        assert_eq!(slots.servers(), ["10.0.0.1:1", "seed:2"]);
        assert_eq!(
            [0, 101, 250, 350, 16_383].map(|slot| slots.server_of(slot)),
            [Some(0), Some(1), None, None, Some(0)]
        );
        slots.give(101, "10.0.0.1:1".to_owned());
        slots.give(102, "::1:9".to_owned());
        assert_eq!(
            [101, 102, 103].map(|slot| slots.server_of(slot)),
            [Some(0), Some(2), Some(1)]
        );
        assert!(Slots::read(&Value::Array(Vec::new()), "seed").is_none());
    }

    #[test]
    fn reads_a_redirection() {
        let says = |text: &'static str| moved(&Fault::untouched(FaultKind::Other, text));
        assert_eq!(
            says("MOVED 3999 127.0.0.1:6381"),
            Some((3999, "127.0.0.1:6381".to_owned()))
        );
        assert_eq!(
            says("MOVED 3999 ::1:6381"),
            Some((3999, "[::1]:6381".to_owned()))
        );
        assert_eq!(says("MOVED 3999 :6381"), None);
        assert_eq!(says("MOVED"), None);
    }
}
