//! Which server of a cluster has which slots, and which slots have no vote because they moved.
//!
//! A server that takes over a slot may not know its locks. A replica lacks what was not replicated,
//! and an operator may assign slots to any server. A client cannot know whether a slot that was
//! moved on purpose kept its keys. So a slot whose server changed has no vote for the guard time.
//! The other slots of that server keep their votes.
//!
//! A server that was replaced may not know it yet. So a vote has to come from the server in the
//! slot map, and the map is refreshed periodically: see `node::cluster`.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    env::{clock::Instant, sync::lock},
    key::slot::SLOTS,
};

/// The index of a slot without a server.
const NO_SERVER: u16 = u16::MAX;

/// A server that may have slots, with the epoch of its last election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) id: Arc<str>,
    /// Its configuration epoch; 0 if it is not known.
    pub(crate) epoch: u64,
}

/// Appended to the id of a server in the record if the slot is migrating to another server.
const LEAVING: char = '>';

impl Server {
    /// The entry in a record for a slot that is migrating away from this server.
    fn leaving(&self) -> Self {
        Self {
            id: format!("{}{LEAVING}", self.id).into(),
            epoch: self.epoch,
        }
    }

    fn is_leaving(&self) -> bool {
        self.id.ends_with(LEAVING)
    }
}

/// A slot map as received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) ranges: &'a [Range],
    pub(crate) servers: &'a [Server],
    /// For each server that reported them, by its id: the slots that are migrating to another
    /// server.
    pub(crate) leaving: &'a [(String, Vec<u16>)],
    pub(crate) asked: Instant,
    pub(crate) now: Instant,
}

/// The first and the last slot of a range, and the index of its server.
pub(crate) type Range = (u16, u16, usize);

/// For how long slots that moved have no vote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MoveGuard {
    pub(crate) time: Duration,
    /// After this long without a map, a slot may have moved to another server and back. Its keys
    /// are then lost: a server deletes the keys of a slot that it gives away.
    pub(crate) absence: Duration,
}

/// The slots of one cluster, as one client knows them.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    known: Mutex<Known>,
    /// Until when any slot has no vote, in microseconds of the client's clock. Usually in the past.
    latest: AtomicU64,
    /// When a slot last moved, in microseconds of the client's clock; 0 if none has.
    last: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// The records of other clients, until the first map arrives.
    records: Vec<Owners>,
    /// The current or last server of each slot.
    owners: Owners,
    /// The server of each slot before the moves whose guard time has not passed.
    trusted: Owners,
    /// The slots that are migrating to another server, which has some of their locks.
    leaving: BTreeSet<u16>,
    /// Until when each slot has no vote. Empty if none has moved recently.
    no_vote_until: Vec<Instant>,
    /// When the last map was requested.
    seen: Option<Instant>,
}

impl Moves {
    /// Whether no map has arrived yet.
    pub(crate) fn is_new(&self) -> bool {
        lock(&self.known).seen.is_none()
    }

    /// Takes the records of earlier clients. A slot whose server in the first map differs from them
    /// has moved.
    pub(crate) fn remember(&self, records: &[String]) {
        lock(&self.known).records = records
            .iter()
            .filter_map(|text| Owners::read(text))
            .collect();
    }

    /// Records a map. Returns the slots that moved.
    pub(crate) fn adopt(&self, look: &Look<'_>, guard: MoveGuard) -> Vec<(u16, u16)> {
        let moved = lock(&self.known).adopt(look, guard);
        if !moved.is_empty() {
            self.latest
                .store(look.now.after(guard.time).micros(), Relaxed);
            self.last.store(look.now.micros(), Relaxed);
        }
        moved
    }

    /// When a slot last moved, in microseconds of the client's clock.
    pub(crate) fn last(&self) -> Option<i64> {
        let last = self.last.load(Relaxed);
        i64::try_from(last).ok().filter(|last| *last > 0)
    }

    /// Whether `slot` was migrating to another server in the last map.
    pub(crate) fn is_leaving(&self, slot: u16) -> bool {
        lock(&self.known).leaving.contains(&slot)
    }

    /// The record for later clients: which server has each slot with a vote, and which had each
    /// slot without one.
    pub(crate) fn record(&self, now: Instant) -> String {
        lock(&self.known).record(now)
    }

    /// For how long `slot` has no vote. Zero if a server other than `id` has it.
    pub(crate) fn no_vote(&self, slot: u16, id: &str, now: Instant) -> Option<Duration> {
        let known = lock(&self.known);
        known.seen?;
        let left = known.left((slot, slot), now);
        match known.owners.of(slot) {
            Some(server) if &*server.id == id => left,
            _ => Some(left.unwrap_or_default()),
        }
    }

    /// For how long `slot` has no vote, whichever server has it.
    pub(crate) fn left(&self, slot: u16, now: Instant) -> Option<Duration> {
        self.longest_within((slot, slot), now)
    }

    /// For how long any slot has no vote.
    pub(crate) fn longest(&self, now: Instant) -> Option<Duration> {
        self.longest_within((0, SLOTS - 1), now)
    }

    /// For how long any of these slots has no vote, from the first to the last.
    pub(crate) fn longest_within(&self, slots: (u16, u16), now: Instant) -> Option<Duration> {
        if self.latest.load(Relaxed) <= now.micros() {
            return None;
        }
        lock(&self.known).left(slots, now)
    }
}

/// Whether the records on all servers name this server for the slot. A record of a migration away
/// from it also counts if that migration is still in progress.
fn agree(records: &[Owners], slot: u16, server: &Server, leaves: Option<bool>) -> bool {
    records.iter().all(|record| {
        let was = record.of(slot);
        was == Some(server) || leaves == Some(true) && was == Some(&server.leaving())
    })
}

impl Known {
    fn left(&self, slots: (u16, u16), now: Instant) -> Option<Duration> {
        let slots = usize::from(slots.0)..=usize::from(slots.1);
        let until = self.no_vote_until.get(slots)?.iter().max()?;
        Some(until.saturating_since(now)).filter(|left| !left.is_zero())
    }

    fn adopt(&mut self, look: &Look<'_>, guard: MoveGuard) -> Vec<(u16, u16)> {
        let Look { asked, now, .. } = *look;
        if self.no_vote_until.iter().all(|until| *until <= now) {
            self.no_vote_until = Vec::new();
        }
        let new = self.seen.is_none();
        let absent = self
            .seen
            .is_some_and(|seen| now.saturating_since(seen) >= guard.absence);
        self.seen = Some(asked);
        let records = std::mem::take(&mut self.records);
        let mut owners = Owners::default();
        let mut moved: Vec<(u16, u16)> = Vec::new();
        let mut leaving = BTreeSet::new();
        for (slot, server) in by_slot(look.ranges, look.servers) {
            let stated = (look.leaving.iter()).find(|(id, _)| **id == *server.id);
            let leaves = stated.map(|(_, slots)| slots.contains(&slot));
            let left = self.leaving.contains(&slot);
            let same = match new {
                true => agree(&records, slot, server, leaves),
                // A slot whose migration was cancelled lacks the locks that the other server
                // granted meanwhile.
                false => !(left && leaves == Some(false)) && self.had(slot, server, absent),
            };
            owners.give(slot, server);
            if leaves.unwrap_or(left) {
                leaving.insert(slot);
            }
            match moved.last_mut() {
                _ if same => {}
                Some((_, last)) if last.checked_add(1) == Some(slot) => *last = slot,
                _ => moved.push((slot, slot)),
            }
        }
        self.remember_absent(&mut owners);
        self.owners = owners;
        self.leaving = leaving;
        if let Some(record) = records.into_iter().next() {
            self.trusted = record;
        }
        if !moved.is_empty() {
            self.no_vote_until
                .resize(usize::from(SLOTS), Instant::BEGINNING);
        }
        for (first, last) in &moved {
            let slots = usize::from(*first)..=usize::from(*last);
            self.no_vote_until[slots].fill(now.after(guard.time));
        }
        moved
    }

    /// Whether the server had the slot before. After an absence it counts as another server if its
    /// epoch changed.
    fn had(&self, slot: u16, server: &Server, absent: bool) -> bool {
        let was = self.owners.of(slot);
        was.is_some_and(|was| was.id == server.id && (was.epoch == server.epoch || !absent))
    }

    /// A slot without a server counts for the server that had it last.
    fn remember_absent(&self, owners: &mut Owners) {
        for slot in 0..SLOTS {
            if owners.of(slot).is_none()
                && let Some(was) = self.owners.of(slot)
            {
                owners.give(slot, was);
            }
        }
    }

    fn record(&mut self, now: Instant) -> String {
        let mut trusted = Owners::default();
        for slot in 0..SLOTS {
            let owner = match self.left((slot, slot), now) {
                Some(_) => self.trusted.of(slot),
                None => self.owners.of(slot),
            };
            match owner {
                Some(owner) if self.leaving.contains(&slot) && !owner.is_leaving() => {
                    trusted.give(slot, &owner.leaving());
                }
                Some(owner) => trusted.give(slot, owner),
                None => {}
            }
        }
        self.trusted = trusted;
        self.trusted.text()
    }
}

/// The slots that have a server, in their order.
fn by_slot<'a>(ranges: &[Range], servers: &'a [Server]) -> impl Iterator<Item = (u16, &'a Server)> {
    let mut of = vec![NO_SERVER; usize::from(SLOTS)];
    for (first, last, place) in ranges {
        let last = (*last).min(SLOTS - 1);
        if let Some(slots) = of.get_mut(usize::from(*first)..=usize::from(last)) {
            slots.fill(u16::try_from(*place).unwrap_or(NO_SERVER));
        }
    }
    (0..SLOTS)
        .filter_map(move |slot| Some((slot, servers.get(usize::from(of[usize::from(slot)]))?)))
}

/// Which server has each slot.
#[derive(Debug, Default)]
struct Owners {
    /// The index of each slot's server. Empty if no slot has one.
    of: Vec<u16>,
    servers: Vec<Server>,
}

impl Owners {
    fn of(&self, slot: u16) -> Option<&Server> {
        let place = self.of.get(usize::from(slot))?;
        self.servers.get(usize::from(*place))
    }

    fn give(&mut self, slot: u16, server: &Server) {
        if self.of.is_empty() {
            self.of = vec![NO_SERVER; usize::from(SLOTS)];
        }
        // Neighbouring slots usually have the same server.
        let is_same = |other: &Server| Arc::ptr_eq(&other.id, &server.id) || other.id == server.id;
        let mut known = self.servers.iter();
        let place = known.rposition(|other| other.epoch == server.epoch && is_same(other));
        let place = place.unwrap_or_else(|| {
            self.servers.push(server.clone());
            self.servers.len() - 1
        });
        if let Some(of) = self.of.get_mut(usize::from(slot)) {
            *of = u16::try_from(place).unwrap_or(NO_SERVER);
        }
    }

    /// `0-5460:id@epoch 5461-5461:id@epoch`
    fn text(&self) -> String {
        let mut ranges: Vec<(u16, u16, &Server)> = Vec::new();
        for slot in 0..SLOTS {
            let Some(server) = self.of(slot) else {
                continue;
            };
            match ranges.last_mut() {
                Some((_, last, same)) if *last + 1 == slot && *same == server => *last = slot,
                _ => ranges.push((slot, slot, server)),
            }
        }
        let texts = ranges
            .iter()
            .map(|(first, last, server)| format!("{first}-{last}:{}@{}", server.id, server.epoch));
        texts.collect::<Vec<_>>().join(" ")
    }

    fn read(text: &str) -> Option<Self> {
        let mut owners = Self::default();
        for range in text.split(' ') {
            let (slots, server) = range.split_once(':')?;
            let (first, last) = slots.split_once('-')?;
            let (id, epoch) = server.rsplit_once('@')?;
            let server = Server {
                id: id.into(),
                epoch: epoch.parse().ok()?,
            };
            for slot in first.parse().ok()?..=last.parse::<u16>().ok()?.min(SLOTS - 1) {
                owners.give(slot, &server);
            }
        }
        Some(owners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: MoveGuard = MoveGuard {
        time: Duration::from_secs(10),
        absence: Duration::from_secs(5),
    };

    fn server(id: &str, epoch: u64) -> Server {
        Server {
            id: id.into(),
            epoch,
        }
    }

    impl Moves {
        fn look(&self, ranges: &[Range], servers: &[Server], now: Instant) -> Vec<(u16, u16)> {
            self.look_at(ranges, servers, &[], now)
        }

        fn look_at(
            &self,
            ranges: &[Range],
            servers: &[Server],
            leaving: &[(String, Vec<u16>)],
            now: Instant,
        ) -> Vec<(u16, u16)> {
            let look = Look {
                ranges,
                servers,
                leaving,
                asked: now,
                now,
            };
            self.adopt(&look, GUARD)
        }
    }

    fn at(secs: u64) -> Instant {
        Instant::BEGINNING.after(Duration::from_secs(secs))
    }

    #[test]
    fn only_slots_that_moved_lose_their_vote() {
        let moves = Moves::default();
        let servers = [server("a", 1), server("b", 2)];
        let all = [(0, 99, 0), (100, SLOTS - 1, 1)];
        assert_eq!(moves.look(&all, &servers, at(1)), []);
        assert_eq!(moves.no_vote(7, "a", at(1)), None);
        assert_eq!(moves.no_vote(7, "b", at(1)), Some(Duration::ZERO));
        let later = [(0, 49, 0), (50, SLOTS - 1, 1)];
        assert_eq!(moves.look(&later, &servers, at(2)), [(50, 99)]);
        assert_eq!(moves.no_vote(49, "a", at(2)), None);
        assert_eq!(moves.no_vote(50, "b", at(3)), Some(Duration::from_secs(9)));
        assert_eq!(moves.no_vote(100, "b", at(3)), None);
        assert_eq!(moves.longest(at(3)), Some(Duration::from_secs(9)));
        assert_eq!(moves.longest(at(12)), None);
    }

    #[test]
    fn a_slot_without_a_server_counts_for_its_last_one() {
        let moves = Moves::default();
        let servers = [server("a", 1), server("b", 2)];
        let all = [(0, 99, 0), (100, SLOTS - 1, 1)];
        moves.look(&all, &servers, at(1));
        assert_eq!(moves.look(&all[1..], &servers[..], at(2)), []);
        assert_eq!(moves.look(&all, &servers, at(3)), []);
        assert_eq!(moves.look(&[(100, SLOTS - 1, 0)], &servers[1..], at(4)), []);
        assert_eq!(
            moves.look(&[(0, SLOTS - 1, 0)], &servers[1..], at(5)),
            [(0, 99)]
        );
    }

    #[test]
    fn a_slot_may_have_moved_and_returned_during_an_absence() {
        let moves = Moves::default();
        let all = [(0, SLOTS - 1, 0)];
        moves.look(&all, &[server("a", 1)], at(1));
        assert_eq!(moves.look(&all, &[server("a", 3)], at(2)), []);
        assert_eq!(moves.look(&all, &[server("a", 5)], at(7)), [(0, SLOTS - 1)]);
        assert_eq!(moves.look(&all, &[server("a", 5)], at(30)), []);
    }

    #[test]
    fn the_first_map_is_compared_with_the_records_of_other_clients() {
        let servers = [server("a", 1), server("b:7", 2)];
        let all = [(0, 99, 0), (100, SLOTS - 1, 1)];
        let before = Moves::default();
        before.look(&all, &servers, at(1));
        let record = before.record(at(1));
        assert_eq!(record, "0-99:a@1 100-16383:b:7@2");

        let later = [(0, 49, 0), (50, SLOTS - 1, 1)];
        let newcomer = Moves::default();
        newcomer.remember(std::slice::from_ref(&record));
        assert_eq!(newcomer.look(&later, &servers, at(2)), [(50, 99)]);
        // A slot without a vote is not recorded until its guard time is over.
        assert_eq!(newcomer.record(at(3)), record);
        assert_eq!(newcomer.record(at(12)), "0-49:a@1 50-16383:b:7@2");

        let elected = [server("a", 1), server("b:7", 3)];
        let newcomer = Moves::default();
        newcomer.remember(&[record, "nonsense".to_owned()]);
        assert_eq!(newcomer.look(&all, &elected, at(2)), [(100, SLOTS - 1)]);
        let first = Moves::default();
        first.remember(&[]);
        assert_eq!(first.look(&all, &servers, at(2)), []);
    }

    #[test]
    fn a_slot_whose_migration_was_cancelled_has_no_vote() {
        let servers = [server("a", 1), server("b", 2)];
        let all = [(0, 99, 0), (100, SLOTS - 1, 1)];
        let says = |slots: &[u16]| vec![("a".to_owned(), slots.to_vec())];
        let moves = Moves::default();
        assert_eq!(moves.look_at(&all, &servers, &says(&[]), at(1)), []);
        assert_eq!(moves.look_at(&all, &servers, &says(&[7]), at(2)), []);
        assert!(moves.is_leaving(7) && !moves.is_leaving(8));
        let record = moves.record(at(2));
        assert_eq!(record, "0-6:a@1 7-7:a>@1 8-99:a@1 100-16383:b@2");
        // Its server does not answer for now.
        assert_eq!(moves.look(&all, &servers, at(3)), []);
        assert!(moves.is_leaving(7));
        assert_eq!(moves.look_at(&all, &servers, &says(&[]), at(4)), [(7, 7)]);
        assert!(!moves.is_leaving(7));

        let on_its_way = Moves::default();
        on_its_way.remember(std::slice::from_ref(&record));
        assert_eq!(on_its_way.look_at(&all, &servers, &says(&[7]), at(5)), []);
        let newcomer = Moves::default();
        newcomer.remember(&[record]);
        assert_eq!(
            newcomer.look_at(&all, &servers, &says(&[]), at(5)),
            [(7, 7)]
        );
    }
}
