//! Asks all nodes about a lock, and collects who holds it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::Holder;
use crate::{
    command::{Command, HolderState, HoldersState, Reply},
    core::Core,
    error::{Error, Result},
    key::Key,
    quorum::token::FencingToken,
    round::fan_out::{Answer, Answers, fan_out},
};

/// A holder: the number of its permit or its side, and its owner.
type Place<'a> = (u32, &'a [u8]);

/// Asks all nodes until `enough` is known. An error unless a majority answered.
pub(super) async fn ask(
    core: &Arc<Core>,
    name: &str,
    key: &Arc<Key>,
    command: impl Into<Command>,
    enough: impl Fn(&[&Answer]) -> bool,
) -> Result<Answers> {
    core.open(Some(name))?;
    let (connections, nodes) = (core.connections()?, &core.nodes);
    let (key, command) = (Arc::clone(key), command.into());
    let answers = fan_out(nodes, &connections, key, command, nodes.timeout, enough).await;
    if answers.done().count() >= nodes.quorum() {
        return Ok(answers);
    }
    let errors = answers.errors(nodes);
    let able = nodes.len() - errors.len();
    Err(Error::no_quorum(Some(name), able, nodes.quorum(), errors))
}

/// Asks until it is known for each holder whether a majority has it.
pub(super) async fn ask_until_decided(
    core: &Arc<Core>,
    name: &str,
    key: &Arc<Key>,
    command: impl Into<Command>,
) -> Result<Answers> {
    let (nodes, quorum) = (core.nodes.len(), core.nodes.quorum());
    ask(core, name, key, command, |answers| {
        let silent = nodes - answers.len();
        let is_decided = |on: usize| on >= quorum || on + silent < quorum;
        let by_place = by_place(answers.iter().copied());
        // A node that failed has said nothing about holders.
        let failed = |answer: &&&Answer| matches!(answer.reply, Reply::Failed(_));
        let told = answers.len() - answers.iter().filter(failed).count();
        told >= quorum && by_place.values().all(|states| is_decided(states.len()))
    })
    .await
}

fn states<'a>(answers: impl Iterator<Item = &'a Answer>) -> impl Iterator<Item = &'a HoldersState> {
    answers.filter_map(|answer| match &answer.reply {
        Reply::Holders(state) => Some(state),
        _ => None,
    })
}

fn by_place<'a>(
    answers: impl Iterator<Item = &'a Answer>,
) -> HashMap<Place<'a>, Vec<&'a HolderState>> {
    let mut by_place: HashMap<_, Vec<_>> = HashMap::new();
    for holder in states(answers).flat_map(|state| &state.holders) {
        let place = (holder.place, &*holder.owner);
        by_place.entry(place).or_default().push(holder);
    }
    by_place
}

/// Those who hold the lock on a majority of the nodes, in the order of their places, and those that hold it longest first.
pub(super) fn holders(answers: &Answers, quorum: usize) -> Vec<(u32, Holder)> {
    let waiting = states(answers.done()).map(|state| state.waiting);
    let waiting = on_majority(waiting.collect(), quorum).unwrap_or(0);
    let by_place = by_place(answers.done()).into_iter();
    let holders = by_place.filter_map(|((place, owner), states)| {
        let left: Vec<Duration> = states.iter().map(|state| state.left).collect();
        // Not the highest of all: a request that was refused may have raised the fence of a minority when it rolled back.
        let fence = on_majority(states.iter().map(|state| state.fence).collect(), quorum);
        let holder = Holder {
            owner: String::from_utf8_lossy(owner).into_owned(),
            remaining: on_majority(left, quorum)?,
            token: FencingToken::new(fence.unwrap_or(0)),
            waiting,
        };
        Some((place, holder))
    });
    let mut holders: Vec<(u32, Holder)> = holders.collect();
    holders.sort_by(|(place, a), (other, b)| (place, b.remaining).cmp(&(other, a.remaining)));
    holders
}

/// The most that a majority of the nodes reports. `None` if fewer nodes report anything.
fn on_majority<T: Copy + Ord>(mut reported: Vec<T>, quorum: usize) -> Option<T> {
    reported.sort_unstable_by(|a, b| b.cmp(a));
    reported.get(quorum - 1).copied()
}

/// The owners that any node reported at a place that is `wanted`.
pub(super) fn owners(answers: &Answers, wanted: impl Fn(u32) -> bool) -> Vec<Vec<u8>> {
    let places = by_place(answers.done()).into_keys();
    let places = places.filter(|(place, _)| wanted(*place));
    places.map(|(_, owner)| owner.to_vec()).collect()
}

/// The highest token that any node reported.
pub(super) fn highest_token(answers: &Answers) -> u64 {
    let holders = states(answers.done()).flat_map(|state| &state.holders);
    holders.map(|holder| holder.fence).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(holders: &[(u32, &str, u64, u64)], waiting: u32) -> Answer {
        let holders = holders
            .iter()
            .map(|(place, owner, left, fence)| HolderState {
                place: *place,
                owner: owner.as_bytes().to_vec(),
                left: Duration::from_millis(*left),
                fence: *fence,
            });
        let state = HoldersState {
            holders: holders.collect(),
            waiting,
        };
        Answer {
            latency: Duration::ZERO,
            reply: Reply::Holders(state),
        }
    }

    #[test]
    fn a_holder_has_its_place_on_a_majority_and_for_as_long_as_a_majority_says() {
        let answers = Answers(vec![
            Ok(answer(&[(0, "a", 50, 7), (1, "b", 90, 3)], 2)),
            // A refused request raised this fence when it rolled back.
            Ok(answer(&[(0, "a", 20, 8), (1, "c", 90, 4)], 0)),
            Ok(answer(&[(0, "a", 30, 7), (1, "a", 90, 4)], 1)),
        ]);
        let [(place, holder)] = &holders(&answers, 2)[..] else {
            panic!("one holder");
        };
        assert_eq!((*place, &*holder.owner, holder.waiting), (0, "a", 1));
        assert_eq!(holder.remaining, Duration::from_millis(30));
        assert_eq!(holder.token.get(), 7);
        assert_eq!(owners(&answers, |place| place == 1).len(), 3);
        assert_eq!(highest_token(&answers), 8);
    }
}
