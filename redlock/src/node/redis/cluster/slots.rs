//! Which servers of a Redis Cluster have which hash slots.

use crate::{
    fault::Fault,
    key::{
        reserved,
        slot::{SLOTS, slot_of},
    },
    node::trust::moves::{Range, Server},
    resp::{self, Value},
};

/// The masters of a cluster, and the slots of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::node) struct Slots {
    /// Where the masters are, as `host:port`.
    servers: Vec<String>,
    /// Their ids and epochs; one for each of `servers`.
    masters: Vec<Server>,
    /// The first one found goes first.
    ranges: Vec<Range>,
}

/// The key under which a master keeps a record of the slots. It ends like a fence, since it is kept
/// like one.
fn record(namespace: &str, number: u16) -> String {
    format!("{namespace}{}{number}}}:fence", reserved::SLOTS)
}

/// A redirection by a server that does not carry out a command itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) enum Redirection {
    /// The slot has moved to this server.
    Moved(u16, String),
    /// The slot is moving to this server, and if the key exists, it is already there.
    Ask(String),
    /// The slot is being moved, and some of the keys have moved.
    TryAgain,
}

/// The redirection in a fault of the server at `by`, if it is one.
pub(in crate::node) fn redirection(fault: &Fault, by: &str) -> Option<Redirection> {
    let mut words = fault.text.split(' ');
    let word = words.next()?;
    if word == "TRYAGAIN" {
        return Some(Redirection::TryAgain);
    }
    let slot = words.next()?.parse().ok()?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    // Without a host, or with an unknown one, it is the host that answered.
    let host = match host {
        "" | "?" => host_of(by),
        host => host,
    };
    match word {
        "MOVED" => Some(Redirection::Moved(slot, server(host, port))),
        "ASK" => Some(Redirection::Ask(server(host, port))),
        _ => None,
    }
}

impl Slots {
    /// Decodes a reply of `CLUSTER SLOTS` from the host `asked`.
    pub(in crate::node::redis) fn read(reply: &Value, asked: &str) -> Option<Self> {
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
            let [host, Value::Int(port), more @ ..] = master.as_slice() else {
                continue;
            };
            let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(*last)) else {
                continue;
            };
            let host = match resp::text(host) {
                unknown if unknown == "?" => continue,
                same if same.is_empty() => asked.to_owned(),
                host => host,
            };
            let id = more.first().map(resp::text).filter(|id| !id.is_empty());
            let place = slots.place(server(&host, &port.to_string()), id);
            slots.ranges.push((first, last, place));
        }
        // Servers report the same map in different orders.
        slots.ranges.sort_unstable();
        (!slots.ranges.is_empty()).then_some(slots)
    }

    fn place(&mut self, server: String, id: Option<String>) -> usize {
        let known = self.servers.iter().position(|other| *other == server);
        known.unwrap_or_else(|| {
            self.masters.push(Server {
                id: id.map_or_else(|| server.as_str().into(), Into::into),
                epoch: 0,
            });
            self.servers.push(server);
            self.servers.len() - 1
        })
    }

    /// The server with this id was elected in that epoch.
    pub(in crate::node::redis) fn elected(&mut self, id: &str, epoch: u64) {
        for master in &mut self.masters {
            if &*master.id == id {
                master.epoch = epoch;
            }
        }
    }

    /// The masters, in the order of [`servers`](Self::servers).
    pub(in crate::node) fn masters(&self) -> &[Server] {
        &self.masters
    }

    /// The key of the record that the master at `place` keeps for later clients, in one of its own
    /// slots.
    pub(in crate::node::redis) fn record_of(
        &self,
        place: usize,
        namespace: &str,
    ) -> Option<String> {
        let mut keys = (0..SLOTS).map(|number| record(namespace, number));
        keys.find(|key| self.server_of(slot_of(key)) == Some(place))
    }

    /// For each of [`servers`](Self::servers) a key in one of its slots: the first that `key` makes. `None` for a server that no
    /// key belongs to, since the namespace has a hash tag.
    pub(in crate::node) fn key_of_each<K>(
        &self,
        key: impl Fn(u16) -> Option<K>,
        name: impl Fn(&K) -> &str,
    ) -> Vec<Option<K>> {
        let mut keys: Vec<Option<K>> = self.servers.iter().map(|_| None).collect();
        let mut missing = keys.len();
        for key in (0..SLOTS).map_while(key) {
            if missing == 0 {
                break;
            }
            let place = self.server_of(slot_of(name(&key)));
            if let Some(empty) = place.and_then(|place| keys.get_mut(place))
                && empty.is_none()
            {
                *empty = Some(key);
                missing -= 1;
            }
        }
        keys
    }

    pub(in crate::node) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The masters, as `host:port`.
    pub(in crate::node) fn servers(&self) -> &[String] {
        &self.servers
    }

    /// The masters with the ranges of each.
    pub(in crate::node) fn by_server(&self) -> Vec<(&str, Vec<(u16, u16)>)> {
        let servers = self.servers.iter().enumerate();
        let with_ranges = servers.map(|(place, server)| {
            let ranges = self.ranges.iter().filter(|range| range.2 == place);
            let ranges = ranges.map(|(first, last, _)| (*first, *last));
            (server.as_str(), ranges.collect())
        });
        with_ranges.collect()
    }

    pub(in crate::node) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many slots have a server.
    pub(in crate::node::redis) fn covered(&self) -> usize {
        let ranges = self.ranges.iter();
        ranges
            .map(|(first, last, _)| usize::from(last.saturating_sub(*first)) + 1)
            .sum()
    }

    /// The index of a slot's server in [`servers`](Self::servers).
    pub(in crate::node) fn server_of(&self, slot: u16) -> Option<usize> {
        let mut ranges = self.ranges.iter();
        let range = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot));
        range.map(|(_, _, place)| *place)
    }

    /// One slot has moved to `server`.
    pub(in crate::node) fn give(&mut self, slot: u16, server: String) {
        let place = self.place(server, None);
        self.ranges
            .retain(|range| (range.0, range.1) != (slot, slot));
        self.ranges.insert(0, (slot, slot, place));
    }
}

fn server(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(in crate::node::redis) fn host_of(server: &str) -> &str {
    server.rsplit_once(':').map_or(server, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let server = Value::Array(vec![Value::BulkString(host.into()), Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), server])
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
        let says = |text: &'static str| {
            redirection(&Fault::untouched(FaultKind::Other, text), "10.0.0.7:6379")
        };
        let moved = |server: &str| Some(Redirection::Moved(3999, server.to_owned()));
        assert_eq!(says("MOVED 3999 127.0.0.1:6381"), moved("127.0.0.1:6381"));
        assert_eq!(says("MOVED 3999 ::1:6381"), moved("[::1]:6381"));
        assert_eq!(says("MOVED 3999 :6381"), moved("10.0.0.7:6381"));
        assert_eq!(says("MOVED 3999 ?:6381"), moved("10.0.0.7:6381"));
        assert_eq!(says("MOVED"), None);
        let ask = |server: &str| Some(Redirection::Ask(server.to_owned()));
        assert_eq!(says("ASK 3999 :6381"), ask("10.0.0.7:6381"));
        assert_eq!(
            says("TRYAGAIN Multiple keys request during rehashing of slot"),
            Some(Redirection::TryAgain)
        );
        assert_eq!(says("CLUSTERDOWN Hash slot not served"), None);
    }
}
