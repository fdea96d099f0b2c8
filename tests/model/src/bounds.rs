//! The bounds of the models. Each model is a small part of the protocol that can be explored
//! completely.

use crate::config::{Config, Guard, Restart};
use crate::lists::{Lists, Rule};
use crate::moved::{FirstSight, MoveRule, Moved};
use crate::observed::{Newcomer, Observed};
use crate::permits::{self, Permits};
use crate::promoted::{Names, Promoted};
use crate::rwlock::{self, Sides};
use crate::ticket::{self, Tickets};

/// Any token at any time, retries after STALE, duplicated requests, early expiry.
pub(crate) const ACQUIRE: Config = Config {
    rounds: 2,
    tokens: 3,
    ttl: 3,
    drift: 1,
    duplicates: true,
    ..Config::acquire("acquire with duplicates", 3, 2, 1)
};

/// An attempt with its two retries. The release skips nodes that refused every request.
pub(crate) const RETRY: Config = Config {
    rounds: 3,
    tokens: 4,
    drift: 1,
    ..Config::acquire("acquire with two retries", 3, 2, 1)
};

/// Two attempts of each client. Requests of the first may still be in flight during the second.
pub(crate) const AGAIN: Config = Config {
    rounds: 1,
    tokens: 2,
    ttl: 1,
    ..Config::acquire("acquire again", 3, 2, 2)
};

pub(crate) const THREE_CLIENTS: Config = Config {
    rounds: 1,
    ..Config::acquire("acquire among three", 3, 3, 1)
};

pub(crate) const THREE_CLIENTS_RETRY: Config = Config {
    ttl: 1,
    ..Config::acquire("acquire among three with a retry", 3, 3, 1)
};

pub(crate) const FOUR_NODES: Config = Config {
    rounds: 1,
    ..Config::acquire("acquire on four nodes", 4, 2, 1)
};

pub(crate) const FIVE_NODES: Config = Config {
    rounds: 1,
    ..Config::acquire("acquire on five nodes", 5, 2, 1)
};

pub(crate) const FIVE_NODES_RETRY: Config = Config {
    ttl: 1,
    ..Config::acquire("acquire on five nodes with a retry", 5, 2, 1)
};

pub(crate) const FIVE_NODES_THREE: Config = Config {
    rounds: 1,
    tokens: 2,
    ttl: 1,
    ..Config::acquire("acquire on five nodes among three", 5, 3, 1)
};

/// Two extensions with different ttls that may overtake each other, and early expiry.
pub(crate) const EXTEND: Config = Config {
    rounds: 1,
    tokens: 2,
    ttl: 3,
    drift: 1,
    extend: &[2, 3],
    extensions: 2,
    ..Config::acquire("extend", 3, 2, 1)
};

/// Extension and acquire, with retries and duplicates.
pub(crate) const EXTEND_RETRY: Config = Config {
    extend: &[1, 2],
    extensions: 1,
    duplicates: true,
    ..Config::acquire("extend with retries and duplicates", 3, 2, 1)
};

pub(crate) const EXTEND_FIVE: Config = Config {
    rounds: 1,
    tokens: 2,
    extend: &[2],
    extensions: 1,
    ..Config::acquire("extend on five nodes", 5, 2, 1)
};

/// Cool-downs shorter and longer than the ttl, also after an extension.
pub(crate) const COOL_DOWN: Config = Config {
    rounds: 1,
    tokens: 2,
    extend: &[2],
    extensions: 1,
    cool_down: &[1, 3],
    ..Config::acquire("cool-down", 3, 2, 1)
};

/// A cool-down that is duplicated.
pub(crate) const COOL_DOWN_TWICE: Config = Config {
    rounds: 1,
    tokens: 2,
    cool_down: &[1, 3],
    duplicates: true,
    ..Config::acquire("cool-down with duplicates", 3, 2, 1)
};

/// A cool-down, and the next attempt of the same client during its window.
pub(crate) const COOL_DOWN_AGAIN: Config = Config {
    rounds: 1,
    tokens: 2,
    ttl: 1,
    cool_down: &[1, 2],
    ..Config::acquire("cool-down and again", 3, 2, 2)
};

/// A silent node that carries out buffered requests after the release has been in flight for longer
/// than the ttl, and a node that replies to releases with errors.
pub(crate) const LATE: Config = Config {
    rounds: 1,
    tokens: 2,
    ttl: 1,
    late: true,
    ..Config::acquire("late releases", 3, 2, 1)
};

/// The same for a cool-down, which becomes a release when its window has ended, and after an
/// extension.
pub(crate) const LATE_COOL_DOWN: Config = Config {
    name: "late cool-downs",
    extend: &[1],
    extensions: 1,
    cool_down: &[1],
    ..LATE
};

const RESTART: Config = Config {
    rounds: 1,
    tokens: 2,
    extend: &[2],
    extensions: 1,
    restarts: 2,
    restart_kinds: &[Restart::Whole, Restart::Empty],
    guard_time: 2,
    check_order: false,
    ..Config::acquire("restart", 3, 2, 1)
};

/// Restarts with and without data. The node itself replies QUARANTINED.
pub(crate) const RESTART_STRICT: Config = Config {
    name: "restart, guard Strict",
    guard: Guard::Strict,
    ..RESTART
};

/// The same, but the node writes and the client decides whether the vote counts when it reads the
/// reply.
pub(crate) const RESTART_OBSERVED: Config = Config {
    name: "restart, guard Observed",
    guard: Guard::Observed,
    ..RESTART
};

/// The same process loses its data. The client is notified before the next reply.
pub(crate) const EMPTIED_OBSERVED: Config = Config {
    name: "emptied under a living process, guard Observed",
    guard: Guard::Observed,
    restarts: 1,
    restart_kinds: &[Restart::Emptied],
    // An acquire that is in flight when the fence is lost may still arrive after its release.
    check_orphans: false,
    ..RESTART
};

/// The same, but the node notices that its marker is missing.
pub(crate) const EMPTIED_STRICT: Config = Config {
    name: "emptied under a living process, guard Strict",
    guard: Guard::Strict,
    ..EMPTIED_OBSERVED
};

/// A restart from an old snapshot, which restores old keys and fences. The key of an attempt that
/// has ended may reappear until its ttl ends, which cannot be prevented.
pub(crate) const RESTART_SNAPSHOT: Config = Config {
    name: "restart from a snapshot",
    restarts: 1,
    restart_kinds: &[Restart::Snapshot],
    check_orphans: false,
    ..RESTART
};

/// Two extensions after one restart. The second finds the key that the first has restored.
pub(crate) const RESTART_RESTORED: Config = Config {
    name: "restart and two extensions",
    extensions: 2,
    restarts: 1,
    restart_kinds: &[Restart::Empty],
    ..RESTART
};

pub(crate) const RESTART_FIVE: Config = Config {
    name: "restart on five nodes",
    nodes: 5,
    tokens: 1,
    extend: &[],
    extensions: 0,
    restarts: 2,
    restart_kinds: &[Restart::Empty],
    ..RESTART
};

/// A cool-down of at most the guard time survives a restart, even if the key was restored before
/// the cool-down.
pub(crate) const RESTART_COOL_DOWN: Config = Config {
    name: "restart and cool-down",
    cool_down: &[2],
    restarts: 1,
    restart_kinds: &[Restart::Empty],
    ..RESTART
};

/// Tokens from clocks that differ by up to `skew`, and a node that loses its fence. Guard time: ttl
/// + skew.
pub(crate) const RESTART_TOKENS: Config = Config {
    rounds: 1,
    skew: Some(2),
    horizon: 8,
    restarts: 1,
    restart_kinds: &[Restart::Empty],
    guard_time: 4,
    ..Config::acquire("restart and tokens", 3, 2, 1)
};

/// Tokens, extension and cool-down: no other grant between a grant and its cool-down.
pub(crate) const RESTART_WINDOW: Config = Config {
    name: "restart, tokens and cool-down",
    skew: Some(0),
    horizon: 6,
    guard_time: 2,
    extend: &[2],
    extensions: 1,
    cool_down: &[2],
    ..RESTART_TOKENS
};

/// The same with blocks of tokens. Guard time: ttl + skew + span.
pub(crate) const RESTART_BLOCKS: Config = Config {
    name: "restart and blocks",
    skew: Some(1),
    span: 1,
    guard_time: 4,
    ..RESTART_TOKENS
};

/// Blocks of two tokens. An extension requests a further block.
pub(crate) const BLOCKS: Config = Config {
    rounds: 1,
    tokens: 4,
    span: 1,
    extend: &[2],
    extensions: 1,
    further_blocks: true,
    ..Config::acquire("token blocks", 3, 2, 1)
};

/// The same on nodes that may be out of memory. They raise the expiry, and possibly not the fence.
pub(crate) const BLOCKS_FULL: Config = Config {
    name: "token blocks on full nodes",
    tokens: 3,
    ttl: 1,
    extend: &[1],
    may_be_full: true,
    ..BLOCKS
};

/// Two further blocks, or one that is asked for twice. It may never be confirmed.
pub(crate) const FURTHER_BLOCKS: Config = Config {
    name: "further token blocks",
    tokens: 4,
    extensions: 2,
    ..BLOCKS
};

/// Further blocks, while somebody else deletes the key of a majority. A holder that does not know yet that it has lost the lock hands
/// it on.
pub(crate) const DELETED_BLOCKS: Config = Config {
    name: "further token blocks of deleted keys",
    tokens: 3,
    ttl: 1,
    extend: &[1],
    extensions: 2,
    deletions: 2,
    check_order: false,
    check_orphans: false,
    ..BLOCKS
};

/// New clients that reach all nodes.
pub(crate) const NEWCOMERS: Observed = Observed {
    name: "newcomers that reach all nodes",
    nodes: 3,
    clients: 2,
    newcomer: Newcomer::ComparesMet,
    ttl: 3,
    guard_time: 3,
    tolerance: 1,
    restarts: 2,
    partial: false,
    meets_first: false,
    early_restarts: false,
    symmetric: true,
};

/// New clients that reach only some of the nodes, one after the other. One of the nodes has not
/// restarted before.
pub(crate) const NEWCOMERS_PARTIAL: Observed = Observed {
    name: "newcomers that reach an old node",
    partial: true,
    meets_first: true,
    ttl: 2,
    guard_time: 2,
    ..NEWCOMERS
};

/// The stricter rule, without these assumptions.
pub(crate) const NEWCOMERS_STRICTER: Observed = Observed {
    name: "newcomers with the stricter rule",
    newcomer: Newcomer::ComparesAll,
    restarts: 1,
    partial: true,
    early_restarts: true,
    ..NEWCOMERS
};

/// The lists `[a, b, c]` and `[a, b, d]` at the same time.
pub(crate) const ONE_EXCHANGED: Lists = Lists {
    name: "lists with one node exchanged",
    lists: [0b0_0111, 0b0_1011],
    rule: Rule::Announced,
    ttl: 1,
    counted: 1,
    lifetime: 2,
    partial: false,
};

/// The lists `[a, b]` and `[a, b, c]`, neither of which has to be refused.
pub(crate) const ONE_MORE: Lists = Lists {
    name: "lists with one node more",
    lists: [0b0_0011, 0b0_0111],
    ..ONE_EXCHANGED
};

/// The slot of a cluster moves to another server and back. The guard time covers a lease plus the
/// time for which votes count after the map was confirmed.
pub(crate) const SLOT_MOVES: Moved = Moved {
    name: "a slot that moves",
    clients: 2,
    rule: MoveRule::Moves,
    first_sight: FirstSight::Record { epoch: true },
    confirmed: Some(1),
    absence: 1,
    forgets: true,
    min_interval: 2,
    ttl: 3,
    guard_time: 4,
    moves: 2,
};

/// Sentinels replace the master, and later replace it back.
pub(crate) const MASTER_REPLACED: Moved = Moved {
    name: "a master that is replaced",
    rule: MoveRule::MarkedEpoch,
    first_sight: FirstSight::Trusts,
    forgets: false,
    min_interval: 0,
    ..SLOT_MOVES
};

/// A node becomes a replica, loses what its master has not got, and is promoted; all of that twice.
pub(crate) const PROMOTED: Promoted = Promoted {
    name: "a replica that is promoted",
    clients: 2,
    names: Names::Promotion,
    notices: true,
    remembers: 3,
    ttl: 3,
    guard_time: 3,
    promotions: 2,
};

/// A semaphore of two permits: exclusion and order.
pub(crate) const PERMITS: Permits = Permits {
    name: "permits of a semaphore",
    clients: 3,
    permits: 2,
    attempts: 1,
    tokens: 1,
    ttl: 1,
    rule: permits::Rule::KeyForEach,
    fixed_names: false,
};

/// The same with a second attempt of each client, for either permit.
pub(crate) const PERMITS_AGAIN: Permits = Permits {
    name: "permits that are requested again",
    clients: 2,
    attempts: 2,
    ..PERMITS
};

/// One permit, with tokens that may be stale.
pub(crate) const ONE_PERMIT: Permits = Permits {
    name: "one permit that is acquired again",
    permits: 1,
    tokens: 3,
    ..PERMITS_AGAIN
};

/// Two clients and two permits, with tokens that may be stale.
pub(crate) const TWO_CLIENTS_AND_PERMITS: Permits = Permits {
    name: "two clients of a semaphore",
    clients: 2,
    tokens: 2,
    ..PERMITS
};

/// A ticket that two clients adopt at the same time.
pub(crate) const TWO_ADOPTERS: Tickets = Tickets {
    name: "a ticket with two adopters",
    adopters: 2,
    stranger: false,
    extends: false,
    rounds: 1,
    tokens: 3,
    ttl: 2,
    rule: ticket::Rule::Design,
    fixed_names: false,
};

/// A ticket with one adopter, and another client that requests the lock without it (the stranger).
pub(crate) const ADOPTER_AND_STRANGER: Tickets = Tickets {
    name: "a ticket with an adopter and a stranger",
    adopters: 1,
    stranger: true,
    ..TWO_ADOPTERS
};

/// The same while an extension of the sender is in flight.
pub(crate) const LATE_EXTENSION: Tickets = Tickets {
    name: "a ticket whose sender has just extended",
    extends: true,
    ttl: 1,
    ..ADOPTER_AND_STRANGER
};

/// A ticket with one adopter and a stranger, with two rounds each.
pub(crate) const ADOPTER_IN_ROUNDS: Tickets = Tickets {
    name: "a ticket with an adopter and a stranger in two rounds",
    rounds: 2,
    tokens: 4,
    ttl: 1,
    ..ADOPTER_AND_STRANGER
};

/// A writer and two readers.
pub(crate) const WRITER_AND_READERS: Sides = Sides {
    name: "a writer and two readers",
    writers: 1,
    readers: 2,
    extends: false,
    rounds: 1,
    tokens: 2,
    ttl: 2,
    intents: false,
    rule: rwlock::Rule::Design,
    fixed_names: false,
};

/// Two writers and a reader.
pub(crate) const WRITERS_AND_READER: Sides = Sides {
    name: "two writers and a reader",
    writers: 2,
    readers: 1,
    ..WRITER_AND_READERS
};

/// Two writers and a reader, which extend.
pub(crate) const WRITERS_AND_READER_EXTEND: Sides = Sides {
    name: "two writers and a reader that extend",
    extends: true,
    tokens: 3,
    ttl: 1,
    ..WRITERS_AND_READER
};

/// A writer and two readers, which extend.
pub(crate) const WRITER_AND_READERS_EXTEND: Sides = Sides {
    name: "a writer and two readers that extend",
    writers: 1,
    readers: 2,
    ..WRITERS_AND_READER_EXTEND
};

/// A writer and a reader, which extend and send two rounds.
pub(crate) const SIDES_IN_ROUNDS: Sides = Sides {
    name: "a writer and a reader in two rounds",
    writers: 1,
    readers: 1,
    extends: true,
    rounds: 2,
    tokens: 3,
    ..WRITER_AND_READERS
};

/// A writer that leaves intents and two readers.
pub(crate) const WAITING_WRITER: Sides = Sides {
    name: "a writer that waits and two readers",
    intents: true,
    ..WRITER_AND_READERS
};

/// Two writers that leave intents and a reader.
pub(crate) const WAITING_WRITERS: Sides = Sides {
    name: "two writers that wait and a reader",
    intents: true,
    ..WRITERS_AND_READER
};

/// A writer that leaves intents and a reader, in two rounds each.
pub(crate) const WAITING_IN_ROUNDS: Sides = Sides {
    name: "a writer that waits and a reader in two rounds",
    writers: 1,
    readers: 1,
    rounds: 2,
    intents: true,
    ..WRITER_AND_READERS
};
