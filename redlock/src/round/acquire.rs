//! Acquiring: one attempt, of one round or, after stale tokens, of up to three.

use std::{sync::Arc, time::Duration};

use super::{Round, fan_out, release};
use crate::{
    command::{self, Command, Inbox, Inspect, Owner, Reply, Request},
    env::{clock::Instant, pending::Tracker},
    error::NodeError,
    events::lock as events,
    key::Key,
    mutant::{self, Mutant},
    node::{ConnectionSet, Endpoint, Nodes},
    quorum::{
        validity,
        votes::{Decision, NodeSet, Question, Tally},
    },
};

/// Rounds of one attempt: the first, and two more where tokens were stale.
const ROUNDS: u32 = 3;

/// How long the last nodes have to say why they have no vote, when there is no quorum without them.
const LAST_CAUSES: Duration = Duration::from_millis(10);

/// What is asked of the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) key: Arc<Key>,
    pub(crate) ttl: Duration,
    pub(crate) fencing: bool,
    /// How many tokens are reserved, for turns without a round trip; one or more.
    pub(crate) block: u64,
    /// The highest fence seen for the key so far.
    pub(crate) floor: u64,
    /// The key is known to be contended: one node is asked before the rest, so that votes do not split.
    pub(crate) contended: bool,
    /// Votes that are split and not decided at half-time, since nodes are silent, are given back: so that the other half
    /// is left for asking again. For those who do not wait.
    pub(crate) halves: bool,
    /// Where to be told that the key is free, should it be held.
    pub(crate) inbox: Option<Inbox>,
}

/// A majority said yes to one token of one round, and validity is left.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) owner: Owner,
    /// The first of the tokens that the nodes reserved.
    pub(crate) token: Option<u64>,
    /// How many they reserved.
    pub(crate) block: u64,
    pub(crate) started: Instant,
    /// Nodes that may hold the key for this owner from rounds before the winning one.
    pub(crate) earlier: NodeSet,
    pub(crate) round: Arc<Round>,
    pub(crate) rounds: u32,
}

impl Grant {
    /// The highest token that may be used; 0 without fencing.
    pub(crate) fn last_token(&self) -> u64 {
        self.token.map_or(0, |first| last_token(first, self.block))
    }
}

/// The last token of a block, which the nodes store as the fence.
fn last_token(first: u64, block: u64) -> u64 {
    first.saturating_add(block.saturating_sub(1))
}

/// Why an attempt won nothing. Whatever it wrote is on its way to be deleted.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Others hold the key, or the votes were split.
    Refused {
        /// When a quorum can be free, by the leases that were told.
        free_in: Option<Duration>,
        /// What the holder has left; `None` where no holder was seen.
        left: Option<Duration>,
        /// No other holder was seen on a majority.
        split: bool,
        /// The holder notifies those who wait, and a majority of the nodes knows the inbox.
        notified: bool,
    },
    /// Nobody holds the key, but it stays busy for what is left of a window.
    CoolingDown { left: Duration },
    /// Too few nodes could vote: how many could, and why each of the others could not.
    NoQuorum { able: usize, errors: Vec<NodeError> },
    /// Granted, but nothing was left of it.
    Expired { took: Duration },
    /// No token is left below the limit, by a fence that was seen.
    NoToken,
    /// The operating system has no random numbers for an owner.
    NoRandomness,
}

/// One attempt. On any end but a grant, and when dropped, what it may have written is released behind it.
///
/// `within` bounds the whole attempt. The highest fence seen is written back to `ask`.
pub(crate) async fn attempt(
    nodes: &Arc<Nodes>,
    connections: &Arc<ConnectionSet>,
    tracker: &Arc<Tracker>,
    ask: &mut Ask,
    within: Duration,
) -> Result<Grant, Failure> {
    let mut begun = nodes.now();
    let all = NodeSet::all(nodes.len());
    if ask.fencing && !nodes.tokens.is_told() || !nodes.lists.is_settled() {
        let left = || within.saturating_sub(nodes.now().saturating_since(begun));
        be_introduced(nodes, connections, &ask.key, ask.fencing, left).await?;
        // The first contact does not count against one look; a wait is a bound for everything.
        if ask.halves {
            begun = nodes.now();
        }
    }
    let owner = if mutant::on(Mutant::OwnerReused) {
        Owner::of((Arc::as_ptr(nodes).addr() as u128).to_ne_bytes())
    } else {
        Owner::fresh().ok_or(Failure::NoRandomness)?
    };
    let mut roll_back = Undo {
        nodes,
        connections,
        tracker,
        key: Arc::clone(&ask.key),
        owner,
        last: None,
        earlier: NodeSet::default(),
        round: None,
        asked: NodeSet::default(),
        armed: true,
    };
    let mut number = 1;
    loop {
        let started = nodes.now();
        let token = if ask.fencing {
            Some(
                nodes
                    .tokens
                    .propose(started, ask.floor)
                    .ok_or(Failure::NoToken)?,
            )
        } else {
            None
        };
        let order = ask.contended.then(|| order(nodes, &ask.key));
        let first = order.as_ref().and_then(|order| order.first().copied());
        let round = roll_back.next_round(ask, token, first);
        // A further round has the time for an answer, however late the one before was decided.
        let least = if number == 1 {
            Duration::ZERO
        } else {
            within / 5
        };
        let left = || {
            within
                .saturating_sub(nodes.now().saturating_since(begun))
                .max(least)
        };
        let mut refused = false;
        for node in order.iter().flatten().copied() {
            if !roll_back.asked.contains(node) {
                roll_back.asked.insert(node);
                round.send(connections, NodeSet::only(node));
            }
            // No longer than the rest can do without; who is silent is passed over, by all clients alike.
            round.voted(node, left() / 4).await;
            let (voted, no) = round.with_tally(|tally| {
                let voted = tally.has_voted(node) && !tally.has_failed(node);
                // One node alone may have kept an old cool-down: the others are asked too.
                (voted, tally.said_no(node) && !tally.is_cooling())
            });
            refused = no;
            if voted {
                break;
            }
        }
        if !refused && roll_back.asked != all {
            let rest = all.minus(roll_back.asked);
            roll_back.asked = all;
            round.send(connections, rest);
        }
        let early = if refused {
            Some(Decision::Refused)
        } else if ask.halves {
            let early = round.decided_early(left() / 2).await;
            early.or_else(|| {
                let contended = round.with_tally(Tally::is_contended);
                contended.then_some(Decision::Refused)
            })
        } else {
            None
        };
        let decision = match early {
            Some(decision) => decision,
            None => round.decided(left()).await,
        };
        let fence = round.with_tally(|tally| tally.fence);
        if fence > ask.floor {
            ask.floor = fence;
            if let Some(beyond) = nodes.tokens.learn(fence, nodes.now()) {
                events::fence_beyond_skew(&ask.key, beyond);
            }
        }
        match decision {
            Decision::Won => {
                let took = nodes.now().saturating_since(started);
                if took >= validity::usable(ask.ttl) && !mutant::on(Mutant::ExpiredGranted) {
                    return Err(Failure::Expired { took });
                }
                roll_back.armed = false;
                return Ok(Grant {
                    owner: roll_back.owner,
                    token,
                    block: ask.block,
                    started: if mutant::on(Mutant::CountedFromLastReply) {
                        nodes.now()
                    } else {
                        started
                    },
                    earlier: roll_back.earlier,
                    round,
                    rounds: number,
                });
            }
            Decision::Stale if number < ROUNDS => {
                // Above what this attempt reserved itself on nodes that said yes.
                ask.floor = ask.floor.max(roll_back.last.unwrap_or(0));
                number += 1;
            }
            Decision::Stale | Decision::Refused | Decision::Gone => {
                return Err(round.with_tally(|tally| match tally.cooling_down() {
                    Some(left) => Failure::CoolingDown { left },
                    None => Failure::Refused {
                        free_in: tally.quorum_free_in(),
                        left: tally.holder_left(),
                        // Who has the node that all ask first goes on until it has the rest.
                        split: tally.is_split() && !refused,
                        notified: tally.will_tell(),
                    },
                }));
            }
            Decision::NoQuorum => {
                round.complete(left().min(LAST_CAUSES)).await;
                let (able, errors) = round.faults(&nodes.states);
                return Err(Failure::NoQuorum { able, errors });
            }
        }
    }
}

/// A client that has met no majority yet asks one first, whatever it asks: nodes tell their time on connecting, and a token
/// is proposed by theirs; and they accept the list of nodes, or refuse it. A question about the key itself goes the way that
/// the acquire will go.
async fn be_introduced(
    nodes: &Arc<Nodes>,
    connections: &ConnectionSet,
    key: &Arc<Key>,
    fencing: bool,
    left: impl Fn() -> Duration,
) -> Result<(), Failure> {
    let lists = &nodes.lists;
    let is_told = || !fencing || nodes.tokens.is_told();
    // Nodes in memory know of the list before their answers are read.
    let in_memory = nodes.places.iter().all(Endpoint::is_memory);
    let is_met = in_memory || lists.known() >= nodes.quorum();
    if lists.refusal(nodes.now()).is_none() && !(is_met && is_told()) {
        let enough = |answers: &[&fan_out::Answer]| {
            let reached = answers
                .iter()
                .filter(|answer| !matches!(answer.reply, Reply::Failed(_)));
            is_told() && reached.count() >= nodes.quorum()
        };
        // Who cannot be reached, and why, the round itself will tell.
        let _ = fan_out::ask(
            nodes,
            connections,
            Arc::clone(key),
            Inspect.into(),
            left(),
            enough,
        )
        .await;
    }
    if !in_memory && lists.known() >= nodes.quorum() {
        lists.cool_down(left() / 2, || nodes.now()).await;
    }
    let Some(refusal) = lists.refusal(nodes.now()) else {
        return Ok(());
    };
    let errors = nodes
        .states
        .iter()
        .map(|node| NodeError::new(node.name(), refusal.kind, refusal.text.clone()));
    Err(Failure::NoQuorum {
        able: 0,
        errors: errors.collect(),
    })
}

/// The order in which all clients ask the nodes that are up for this key, one by one until one votes.
///
/// It goes by the nodes' own identities, so it is the same for clients that list the nodes in another order or by other
/// names, and it starts with another node for each key.
fn order(nodes: &Nodes, key: &Key) -> Vec<usize> {
    let ids = nodes.lists.ids();
    let weight = |node: usize| {
        let id = ids[node].as_deref().unwrap_or(nodes.states[node].name());
        // The same on every client, unlike the standard library's hashers.
        let bytes = id.bytes().chain([0]).chain(key.lock().bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let mut order: Vec<usize> = (0..nodes.len())
        .filter(|&node| nodes.states[node].is_up())
        .collect();
    order.sort_by_cached_key(|&node| weight(node));
    order
}

/// Releases what an attempt may have written, unless it won.
struct Undo<'a> {
    nodes: &'a Arc<Nodes>,
    connections: &'a Arc<ConnectionSet>,
    tracker: &'a Arc<Tracker>,
    key: Arc<Key>,
    owner: Owner,
    /// The last token asked for.
    last: Option<u64>,
    earlier: NodeSet,
    round: Option<Arc<Round>>,
    /// The nodes that the call of this round went to.
    asked: NodeSet,
    armed: bool,
}

impl Undo<'_> {
    /// Nodes that may hold what the round wrote: those that were never asked do not.
    fn touched(&self, round: &Round) -> NodeSet {
        round.with_tally(Tally::touched).and(self.asked)
    }

    fn next_round(&mut self, ask: &Ask, token: Option<u64>, first: Option<usize>) -> Arc<Round> {
        let mut settled = NodeSet::default();
        if let Some(round) = self.round.take() {
            round.give_up();
            if mutant::on(Mutant::RoundsAdded) {
                settled = round.with_tally(Tally::agreed);
            }
            self.earlier = self.earlier.union(self.touched(&round));
        }
        self.last = token.map(|first| last_token(first, ask.block));
        let request = Request {
            key: Arc::clone(&self.key),
            command: Command::Acquire(command::Acquire {
                owner: self.owner,
                ttl: ask.ttl,
                token,
                last: self.last,
                inbox: ask.inbox.clone(),
            }),
        };
        self.asked = first.map_or(NodeSet::all(self.nodes.len()), NodeSet::only);
        let round = Round::start(
            self.connections,
            self.nodes,
            request,
            Question::Acquire,
            self.asked,
            settled,
            None,
        );
        self.round = Some(Arc::clone(&round));
        round
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(round) = self.round.take().filter(|_| self.armed) else {
            return;
        };
        round.give_up();
        let touched = self.earlier.union(self.touched(&round));
        if touched.len() == 0 || mutant::on(Mutant::NotUndone) {
            return;
        }
        events::rolled_back(&self.key, touched.len());
        release::release(
            self.nodes,
            self.connections,
            self.tracker,
            release::Release {
                key: Arc::clone(&self.key),
                owner: self.owner,
                token: self.last,
                touched,
            },
        );
    }
}
