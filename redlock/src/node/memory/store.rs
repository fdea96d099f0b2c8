//! The keys of a node in memory, and the scripts of the protocol on them.
//!
//! Each function here does what the Lua script of the same name does on a server.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use super::{
    path::Path,
    port::Client,
    record::Record,
    waiters::{Bell, Waiters},
};
use crate::{
    command::{
        self, Announcement, Command, KeyState, NodeRecord, Owner, Reply, Request, fingerprint,
    },
    env::clock::{Clock, Instant},
    fault::{Fault, FaultKind},
    key::Key,
    mutant::{self, Mutant},
    node::Strict,
    quorum::token::FencingToken,
};

/// Expired entries are swept out when this many stand there, and again at twice of what was left.
const SWEEP: usize = 1_024;

#[derive(Debug)]
pub(super) struct Store {
    entries: HashMap<Box<str>, Entry>,
    waiters: Waiters,
    records: HashMap<String, Record>,
    /// To be rung once the store is not locked.
    bells: Vec<Bell>,
    ahead: Duration,
    sweep_at: usize,
    /// Nothing that takes memory is carried out, as beyond `maxmemory`.
    full: bool,
}

#[derive(Debug)]
struct Entry {
    value: String,
    expires: Option<Instant>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            waiters: Waiters::default(),
            records: HashMap::new(),
            bells: Vec::new(),
            ahead: Duration::ZERO,
            sweep_at: SWEEP,
            full: false,
        }
    }
}

impl Store {
    pub(super) fn now(&self) -> Instant {
        Clock::Tokio.now().after(self.ahead)
    }

    pub(super) fn shift(&mut self, forward: Duration) {
        self.ahead += forward;
    }

    pub(super) fn fill(&mut self, full: bool) {
        self.full = full;
    }

    /// Forgets all keys; the clock goes on.
    pub(super) fn forget(&mut self) {
        *self = Self {
            ahead: self.ahead,
            ..Self::default()
        };
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        let now = self.now();
        self.entries
            .get(key)
            .filter(|entry| entry.expires.is_none_or(|at| at > now))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    pub(super) fn set(&mut self, key: &str, value: String, ttl: Option<Duration>) {
        let now = self.now();
        let expires = ttl.map(|ttl| now.after(ttl.max(Duration::from_millis(1))));
        self.entries.insert(key.into(), Entry { value, expires });
        if self.entries.len() >= self.sweep_at {
            self.entries
                .retain(|_, entry| entry.expires.is_none_or(|at| at > now));
            self.sweep_at = (self.entries.len() * 2).max(SWEEP);
        }
    }

    pub(super) fn delete(&mut self, key: &str) -> bool {
        let lived = self.entry(key).is_some();
        self.entries.remove(key);
        lived
    }

    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .entries
            .keys()
            .filter(|key| self.entry(key).is_some())
            .map(ToString::to_string)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// What is left of a key's ttl; `None` where it has none.
    pub(super) fn left(&self, key: &str) -> Option<Duration> {
        let expires = self.entry(key)?.expires?;
        Some(expires.saturating_since(self.now()))
    }

    /// The connections over this path are gone.
    pub(super) fn interrupt(&self, path: &Arc<Path>) {
        self.waiters.interrupt(path);
    }

    /// Whom the last call woke.
    pub(super) fn bells(&mut self) -> Vec<Bell> {
        mem::take(&mut self.bells)
    }

    #[cfg(test)]
    pub(super) fn is_waited_for_by_nobody(&self) -> bool {
        self.waiters.is_empty()
    }

    /// As the script of the same name.
    pub(super) fn introduce(&mut self, record: &str, said: &Announcement) -> NodeRecord {
        let now = self.now();
        let record = self.records.entry(record.to_owned());
        record
            .or_insert_with(|| Record::new(said, now))
            .introduce(said, now)
    }

    /// Carries out `request`, for a client that hears over `path`.
    pub(super) fn serve(
        &mut self,
        request: &Request,
        client: &Client,
        path: &Arc<Path>,
        run_id: &str,
    ) -> Outcome {
        let strict = client.strict.as_ref();
        let marked = matches!(
            request.command,
            Command::Acquire(_) | Command::Extend(_) | Command::CoolDown(_) | Command::Ping(_)
        );
        let abstains = match strict {
            Some(_) if mutant::on(Mutant::NoGuard) => None,
            Some(strict) if marked => self.abstains(strict, run_id),
            Some(strict) if matches!(request.command, Command::Trust(_)) => {
                self.trust(strict, run_id);
                None
            }
            _ => None,
        };
        match abstains {
            Some(failed @ Reply::Failed(_)) => Outcome::Vote(failed),
            abstains => match (
                self.carry_out(&request.key, &request.command, client, path),
                abstains,
            ) {
                (Outcome::Vote(Reply::Yes | Reply::Restored | Reply::Gone), Some(abstains))
                    if !mutant::on(Mutant::QuarantinedCounted) =>
                {
                    Outcome::Vote(abstains)
                }
                (outcome, _) => outcome,
            },
        }
    }

    fn carry_out(
        &mut self,
        key: &Key,
        command: &Command,
        client: &Client,
        path: &Arc<Path>,
    ) -> Outcome {
        let (retention, now) = (client.retention, self.now());
        Outcome::Vote(match command {
            Command::Acquire(command::Acquire {
                owner,
                ttl,
                token,
                last,
                inbox,
            }) => {
                let reply = self.acquire(key, owner, *ttl, token.zip(*last), retention);
                match (&reply, inbox) {
                    (Reply::Held { left, .. }, Some(inbox)) if !self.full => {
                        let until = now.after(left.saturating_add(Waiters::KEPT));
                        self.waiters
                            .join_waitlist(key.lock(), inbox, client, path, until, now);
                    }
                    (Reply::Yes, Some(inbox)) => self.waiters.strike(key.lock(), &inbox.name),
                    _ => {}
                }
                reply
            }
            Command::JoinWaitlist(command::JoinWaitlist { inbox }) => {
                let until = now.after(Waiters::KEPT);
                self.waiters
                    .join_waitlist(key.lock(), inbox, client, path, until, now);
                Reply::Yes
            }
            Command::LeaveWaitlist(command::LeaveWaitlist { inbox, by }) => {
                self.waiters.strike(key.lock(), inbox);
                if !by.is_empty() {
                    self.bells = self.waiters.wake(key.lock(), by, now);
                }
                Reply::Yes
            }
            Command::Extend(command::Extend { owner, ttl, token }) => {
                self.extend(key, owner, *ttl, *token, retention)
            }
            Command::Release(command::Release {
                owner, tombstone, ..
            }) => {
                if self.get(key.lock()) == Some(text(owner)) {
                    self.delete(key.lock());
                    self.bells = self.waiters.wake(key.lock(), text(owner), now);
                }
                self.bury(key, *tombstone, retention);
                if self.bells.is_empty() {
                    Reply::Yes
                } else {
                    Reply::Notified
                }
            }
            Command::CoolDown(command::CoolDown {
                owner,
                next,
                window,
                tombstone,
                ..
            }) => {
                let held = self.get(key.lock()) == Some(text(owner));
                // Sent again because the answer was lost: the window began before.
                let settled = self.get(key.lock()) == Some(text(next));
                if held {
                    self.set(key.lock(), text(next).to_owned(), Some(*window));
                    self.bells = self.waiters.wake_all(key.lock(), text(next), now);
                }
                self.bury(key, *tombstone, retention);
                if held || settled {
                    Reply::Yes
                } else {
                    Reply::Gone
                }
            }
            Command::ForceRelease(command::ForceRelease { by, from }) => {
                let owner = self.get(key.lock()).map(str::as_bytes);
                let is_meant = owner.is_none_or(|owner| {
                    let long = owner.len() > Owner::MAX_LEN;
                    from.iter()
                        .any(|from| from == owner || long && from.is_empty())
                });
                if is_meant {
                    if self.delete(key.lock()) {
                        self.bells = self.waiters.wake(key.lock(), text(by), now);
                    }
                    if let Ok(Some(fence)) = self.fence(key) {
                        self.set(key.fence(), (fence + 1).to_string(), Some(retention));
                    }
                }
                Reply::Yes
            }
            Command::Inspect(_) => {
                return Outcome::Saw(KeyState {
                    owner: self.get(key.lock()).map(|owner| owner.as_bytes().to_vec()),
                    left: self.left(key.lock()).unwrap_or_default(),
                    fence: self.fence(key).ok().flatten().unwrap_or(0),
                });
            }
            Command::Ping(_) | Command::Trust(_) => Reply::Yes,
        })
    }

    /// What the strict guard's marker says of this process, left where it is missing: whether a yes is no vote, and
    /// for how long.
    fn abstains(&mut self, strict: &Strict, run_id: &str) -> Option<Reply> {
        let marker = strict.marker(run_id, None);
        match self.get(&strict.marker_key) {
            Some(was) if was == marker => {}
            Some(was) if was.split(' ').next() == Some(run_id) => {
                return Some(Reply::Failed(command::other_max_ttl(was)));
            }
            _ => {
                self.set(
                    &strict.quarantine_key,
                    String::new(),
                    Some(strict.guard_time),
                );
                self.set(&strict.marker_key, marker, None);
            }
        }
        self.left(&strict.quarantine_key)
            .map(|left| Reply::Quarantined { left })
    }

    /// An operator vouches for this process.
    fn trust(&mut self, strict: &Strict, run_id: &str) {
        self.set(&strict.marker_key, strict.marker(run_id, None), None);
        self.delete(&strict.quarantine_key);
    }

    fn acquire(
        &mut self,
        key: &Key,
        owner: &Owner,
        ttl: Duration,
        tokens: Option<(u64, u64)>,
        retention: Duration,
    ) -> Reply {
        if let Some(holder) = self.get(key.lock())
            && (holder != text(owner) || tokens.is_none())
        {
            return match self.left(key.lock()) {
                Some(left) => Reply::Held {
                    left,
                    fence: self.fence(key).ok().flatten().unwrap_or(0),
                    by: fingerprint(holder.as_bytes()),
                    cools: Owner::is_cool_down(holder.as_bytes()),
                    notifies: !self.full && Owner::notifies(holder.as_bytes()),
                },
                None => Reply::Failed(command::no_expiry()),
            };
        }
        if let Some((token, last)) = tokens {
            match self.fence(key) {
                Err(fault) => return Reply::Failed(fault),
                Ok(Some(fence)) if fence >= token => return Reply::Stale { fence },
                Ok(_) if self.full => return out_of_memory(),
                Ok(_) => self.set(key.fence(), last.to_string(), Some(retention)),
            }
        }
        if self.full {
            return out_of_memory();
        }
        self.set(key.lock(), text(owner).to_owned(), Some(ttl));
        Reply::Yes
    }

    fn extend(
        &mut self,
        key: &Key,
        owner: &Owner,
        ttl: Duration,
        token: Option<u64>,
        retention: Duration,
    ) -> Reply {
        let held = match self.get(key.lock()) {
            Some(holder) if holder != text(owner) => return Reply::Gone,
            holder => holder.is_some(),
        };
        match token {
            None if !held => return Reply::Gone,
            None => {}
            Some(token) => match self.fence(key) {
                Err(fault) => return Reply::Failed(fault),
                Ok(Some(fence))
                    if fence > token && !held && !mutant::on(Mutant::AnyExtensionSets) =>
                {
                    return Reply::Gone;
                }
                Ok(_) if self.full && !held => return out_of_memory(),
                Ok(fence) => {
                    let fence = fence.map_or(token, |fence| fence.max(token));
                    self.set(key.fence(), fence.to_string(), Some(retention));
                }
            },
        }
        let longer = if mutant::on(Mutant::ExtensionLowers) {
            Duration::min
        } else {
            Duration::max
        };
        let longest = self.left(key.lock()).map_or(ttl, |left| longer(left, ttl));
        self.set(key.lock(), text(owner).to_owned(), Some(longest));
        if held || mutant::on(Mutant::AnyExtensionSets) {
            Reply::Yes
        } else {
            Reply::Restored
        }
    }

    /// Leaves a tombstone: the fence rises, never falls.
    fn bury(&mut self, key: &Key, tombstone: Option<u64>, retention: Duration) {
        if let Some(tombstone) = tombstone
            && let Ok(fence) = self.fence(key)
            && fence.is_none_or(|fence| fence < tombstone)
        {
            self.set(key.fence(), tombstone.to_string(), Some(retention));
        }
    }

    fn fence(&self, key: &Key) -> Result<Option<u64>, Fault> {
        match self.get(key.fence()) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(fence) if fence < FencingToken::LIMIT => Ok(Some(fence)),
                _ => Err(command::bad_fence()),
            },
        }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    Vote(Reply),
    Saw(KeyState),
}

fn out_of_memory() -> Reply {
    Reply::Failed(Fault::untouched(
        FaultKind::OutOfMemory,
        "OOM the node takes no new keys: its memory is full",
    ))
}

fn text(owner: &Owner) -> &str {
    owner.as_str()
}
