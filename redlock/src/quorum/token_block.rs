//! Blocks of fencing tokens: what a lease reserves, so that it is handed over in its process without a round trip.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::token::FencingToken;

/// The tokens that a lease has reserved: the first for the grant itself, the others for local hand-overs. A block grows at
/// its end by further tokens, which are used once a majority of the nodes has confirmed them.
///
/// One number, since every lock that is held has a block: the first token, which has at most 53 bits; below it, of how many
/// units the block consists (0: a single token), and how many of these are not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenBlock(u64);

impl TokenBlock {
    /// Without fencing.
    pub(crate) const NONE: Self = Self(0);

    /// The number of tokens by which a block grows, and with which it begins.
    pub(crate) const UNIT: u64 = 256;
    /// The end of a block is at most this far above the clock of the tokens, in microseconds. That is a few round trips, so the
    /// next lease of the key, whose token is the time again, is usually above what this one has reserved.
    pub(crate) const MOST_AHEAD: u64 = 1_024;
    /// A lease reserves further tokens when it has had this many holds, and has fewer than that many tokens left. So most of the
    /// leases that are handed over never do, and the others have them before they need them.
    const MANY_HOLDS: u32 = 32;
    const FEW_LEFT: u64 = 1_024;
    /// It asks for this many units at least, unless it has no more than one left: the fewer it asks for, the sooner it asks again.
    const LEAST: u64 = 4;

    const UNCONFIRMED_BITS: u32 = 3;
    /// The most units in one extension.
    const MOST_AT_ONCE: u64 = (1 << Self::UNCONFIRMED_BITS) - 1;
    const UNITS_BITS: u32 = 8;
    const MOST_UNITS: u64 = (1 << Self::UNITS_BITS) - 1;
    /// The bits below the first token.
    const BELOW: u32 = Self::UNITS_BITS + Self::UNCONFIRMED_BITS;

    /// A single token, as for a lease that is not handed over.
    pub(crate) fn single(token: u64) -> Self {
        Self(token.min(u64::MAX >> Self::BELOW) << Self::BELOW)
    }

    /// The first unit of a block, from `first` on.
    pub(crate) fn starting_at(first: u64) -> Self {
        Self::single(first).grown_by(1)
    }

    /// The block with more units.
    fn grown_by(self, units: u64) -> Self {
        Self(self.0 + (units << Self::UNCONFIRMED_BITS))
    }

    fn units(self) -> u64 {
        (self.0 >> Self::UNCONFIRMED_BITS) & Self::MOST_UNITS
    }

    fn unconfirmed(self) -> u64 {
        self.0 & Self::MOST_AT_ONCE
    }

    /// The same block, once a majority has confirmed all of it.
    fn confirmed(self) -> Self {
        Self(self.0 - self.unconfirmed())
    }

    /// The number of tokens in this many units.
    fn length(units: u64) -> u64 {
        match units {
            0 => 1,
            units => units * Self::UNIT,
        }
    }

    fn confirmed_length(self) -> u64 {
        Self::length(self.units() - self.unconfirmed())
    }

    pub(crate) fn first(self) -> Option<u64> {
        let first = self.0 >> Self::BELOW;
        (first > 0).then_some(first)
    }

    /// The highest token that was ever asked for, which the nodes store as the fence.
    pub(crate) fn last(self) -> Option<u64> {
        Some(self.first()? + Self::length(self.units()) - 1)
    }

    /// The highest token that a majority has confirmed. Whoever got the lock meanwhile has a higher one.
    pub(crate) fn last_confirmed(self) -> Option<u64> {
        Some(self.first()? + self.confirmed_length() - 1)
    }

    /// The token of the `number`-th hold, from 0: [`FencingToken::NONE`] without fencing, `None` if those that are confirmed
    /// are used up.
    pub(crate) fn get(self, number: u32) -> Option<FencingToken> {
        let Some(first) = self.first() else {
            return Some(FencingToken::NONE);
        };
        let number = u64::from(number);
        (number < self.confirmed_length()).then(|| FencingToken::new(first + number))
    }

    /// Whether the lease needs further tokens at the `number`-th hold: they become few, and it does not wait for some already.
    pub(crate) fn runs_out(self, number: u32) -> bool {
        number >= Self::MANY_HOLDS
            && self.units() > 0
            && self.unconfirmed() == 0
            && self.left(number) < Self::FEW_LEFT
    }

    fn left(self, number: u32) -> u64 {
        self.confirmed_length().saturating_sub(number.into())
    }

    /// The block with further tokens to ask for at the `number`-th hold, as many as there are up to `most`. `None` if these are
    /// too few.
    pub(crate) fn further(self, number: u32, most: u64) -> Option<Self> {
        let room = most.saturating_sub(self.last()?) / Self::UNIT;
        let most = Self::MOST_AT_ONCE.min(Self::MOST_UNITS - self.units());
        let more = room.min(most);
        let least = match self.left(number) {
            0..=Self::UNIT => 1,
            _ => Self::LEAST,
        };
        let Self(block) = self.grown_by(more);
        (more >= least).then_some(Self(block + more))
    }
}

/// The tokens of a lease that is in use.
#[derive(Debug)]
pub(crate) struct AtomicTokenBlock(AtomicU64);

/// Sequentially consistent: a lease that ends and an extension that asks for tokens see each other, see
/// `Lease::reserve_further`.
impl AtomicTokenBlock {
    pub(crate) fn new(tokens: TokenBlock) -> Self {
        Self(AtomicU64::new(tokens.0))
    }

    pub(crate) fn load(&self) -> TokenBlock {
        TokenBlock(self.0.load(SeqCst))
    }

    /// Asks for further tokens: all that is sent from now on asks for it. `false` if the block has changed since `from` was read.
    pub(crate) fn ask(&self, from: TokenBlock, further: TokenBlock) -> bool {
        let asked = self.0.compare_exchange(from.0, further.0, SeqCst, SeqCst);
        asked.is_ok()
    }

    /// A majority has confirmed all of `asked` in one round.
    pub(crate) fn confirm(&self, asked: TokenBlock) {
        let confirmed = asked.confirmed();
        // An error means that it was confirmed before.
        let _ = self
            .0
            .compare_exchange(asked.0, confirmed.0, SeqCst, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(block: TokenBlock, number: u32) -> Option<u64> {
        block.get(number).map(FencingToken::get)
    }

    #[test]
    fn each_hold_gets_the_next_token_of_the_block_until_none_is_left() {
        let single = TokenBlock::single(7);
        assert_eq!((single.first(), single.last()), (Some(7), Some(7)));
        assert_eq!([of(single, 0), of(single, 1)], [Some(7), None]);
        let block = TokenBlock::starting_at(7);
        assert_eq!((block.first(), block.last()), (Some(7), Some(262)));
        assert_eq!(
            [0, 1, 255, 256].map(|hold| of(block, hold)),
            [Some(7), Some(8), Some(262), None]
        );
        assert_eq!(
            (TokenBlock::NONE.first(), TokenBlock::NONE.last()),
            (None, None)
        );
        assert_eq!(TokenBlock::NONE.get(9), Some(FencingToken::NONE));
    }

    #[test]
    fn further_tokens_are_asked_for_before_the_others_are_used_up() {
        let first = TokenBlock::starting_at(1_000);
        assert_eq!(first.last(), Some(1_255));
        assert!(!first.runs_out(31), "most leases never need them");
        assert!(first.runs_out(32));
        assert_eq!(first.further(32, 1_510), None, "too few");
        let second = first.further(32, 1_511).expect("a unit");
        assert_eq!(second.last(), Some(1_511));
        assert_eq!(second.last_confirmed(), Some(1_255));
        assert!(!second.runs_out(255), "they are on their way");
        let second = second.confirmed();
        assert!(second.runs_out(255));
        assert_eq!(second.further(255, 2_534), None, "not yet");
        assert!(second.further(255, 2_535).is_some());
        assert!(second.further(256, 1_767).is_some(), "only a unit is left");
        let third = second.further(256, 1_000_000).expect("many");
        assert_eq!(third.last(), Some(1_511 + 7 * 256));
        let third = third.confirmed();
        assert!(!third.runs_out(1_280) && third.runs_out(1_281));
        assert!(!TokenBlock::single(7).runs_out(100) && !TokenBlock::NONE.runs_out(100));
    }

    #[test]
    fn a_block_has_an_end() {
        let mut block = TokenBlock::starting_at(1);
        while let Some(further) = block.further(u32::MAX, u64::MAX) {
            assert!(further.last() > block.last() && further.first() == Some(1));
            block = further.confirmed();
        }
        assert_eq!(block.last(), Some(255 * 256));
    }

    #[test]
    fn further_tokens_are_used_once_they_are_confirmed() {
        let block = TokenBlock::starting_at(1);
        let (lease, asked) = (
            AtomicTokenBlock::new(block),
            block.further(32, 768).expect("two units"),
        );
        lease.confirm(block);
        assert_eq!(lease.load(), block, "nothing was asked for");
        assert!(lease.ask(block, asked) && !lease.ask(block, asked));
        assert_eq!(of(lease.load(), 255), Some(256));
        assert_eq!(of(lease.load(), 256), None);
        lease.confirm(block);
        assert_eq!(
            of(lease.load(), 256),
            None,
            "an earlier round has confirmed less"
        );
        lease.confirm(asked);
        assert_eq!(of(lease.load(), 256), Some(257));
        assert_eq!(of(lease.load(), 767), Some(768));
        assert_eq!(of(lease.load(), 768), None);
    }
}
