//! A server of a Redis Cluster: its map of slots, and redirections to the server of a key.

use super::{
    Reply, Server,
    commands::{error, is},
};
use crate::{key::slot::slot_of, memory::cluster::Owner};

impl Server {
    /// `CLUSTER`.
    pub(super) fn cluster_command(&self, words: &[&[u8]]) -> Reply {
        let Some(membership) = &self.cluster else {
            return error("ERR This instance has cluster support disabled");
        };
        membership.with_map(|map| match words {
            [_, word] if is(word, "SLOTS") => {
                let number = |number: usize| Reply::Int(i64::try_from(number).unwrap_or(i64::MAX));
                let ranges = map.ranges().into_iter().map(|(first, last, server)| {
                    let name = map.name(server);
                    let place = vec![Reply::bulk(name), Reply::Int(0), Reply::bulk(name)];
                    Reply::Array(vec![number(first), number(last), Reply::Array(place)])
                });
                Reply::Array(ranges.collect())
            }
            [_, word] if is(word, "INFO") => Reply::bulk(map.info()),
            [_, word] if is(word, "NODES") => Reply::bulk(map.nodes(membership.index)),
            _ => error("ERR unknown subcommand of CLUSTER"),
        })
    }

    /// The redirection of a command to the server that has its keys, if that is another one.
    pub(super) fn redirected(&mut self, number: u64, words: &[&[u8]]) -> Option<Reply> {
        let is_asking = words.first().is_some_and(|command| is(command, "ASKING"));
        let session = self.sessions.get_mut(&number)?;
        let asked = std::mem::replace(&mut session.asks, is_asking);
        self.redirection(words, asked)
    }

    /// `asked`: the client was redirected here while the slot is moving.
    fn redirection(&self, words: &[&[u8]], asked: bool) -> Option<Reply> {
        let membership = self.cluster.as_ref()?;
        let keys = keys_of(words);
        let slot = slot_of(keys.first()?);
        if keys.iter().any(|key| slot_of(key) != slot) {
            return Some(error(
                "CROSSSLOT Keys in request don't hash to the same slot",
            ));
        }
        let missing = keys.iter().filter(|key| self.store.value(key).is_none());
        let missing = missing.count();
        let try_again = || error("TRYAGAIN Multiple keys request during rehashing of slot");
        match membership.with_map(|map| map.owner_for(membership.index, slot)) {
            Owner::Myself => None,
            Owner::MovingTo(_) if missing == 0 => None,
            Owner::MovingTo(_) if missing < keys.len() => Some(try_again()),
            Owner::MovingTo(other) => Some(error(format!("ASK {slot} {other}"))),
            Owner::MovingFrom(_) if asked && keys.len() > 1 && missing > 0 => Some(try_again()),
            Owner::MovingFrom(_) if asked => None,
            Owner::MovingFrom(other) | Owner::Other(other) => {
                Some(error(format!("MOVED {slot} {other}")))
            }
        }
    }
}

/// The keys in a request.
fn keys_of<'a>(words: &'a [&'a [u8]]) -> &'a [&'a [u8]] {
    let Some((command, rest)) = words.split_first() else {
        return &[];
    };
    if is(command, "EVALSHA") || is(command, "EVAL") {
        let count = rest
            .get(1)
            .and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        let keys = rest.get(2..).unwrap_or_default();
        return keys.get(..count.unwrap_or(0)).unwrap_or_default();
    }
    let of_one_key = ["GET", "SET", "DEL", "EXISTS", "PTTL", "PEXPIRE"];
    match of_one_key.iter().any(|name| is(command, name)) {
        true => rest.get(..1).unwrap_or_default(),
        false => &[],
    }
}
