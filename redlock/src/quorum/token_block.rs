//! Blocks of fencing tokens: what a lease reserves, so that it is handed over in its process without a round trip.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::token::FencingToken;

/// The tokens that a lease has reserved: the first for the grant itself, the others for local hand-overs. A block grows at
/// its end by further tokens, which are used once a majority of the nodes has confirmed them.
///
/// One number, since every lock that is held has a block: the first token, which has at most 53 bits; below it, how many
/// parts the block has (0: a single token); and in the last bit whether a further part is not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenBlock(u64);

impl TokenBlock {
    /// Without fencing.
    pub(crate) const NONE: Self = Self(0);

    /// The number of tokens in the first part of a block, and in each further one.
    const FIRST: u64 = 256;
    const FURTHER: u64 = 2_048;
    /// The end of a block is at most this far above the clock of the tokens, in microseconds.
    pub(crate) const MOST_AHEAD: u64 = 4_096;
    /// A lease reserves a further part when it has had this many holds, and has fewer than that many tokens left. So most of the
    /// leases that are handed over never do, and the others have it long before they need it.
    const MANY_HOLDS: u32 = 32;
    const FEW_LEFT: u64 = 1_024;

    const PARTS: u32 = 10;
    const MOST_PARTS: u64 = (1 << Self::PARTS) - 1;
    /// The bits below the first token.
    const BELOW: u32 = Self::PARTS + 1;
    const UNCONFIRMED: u64 = 1;

    /// A single token, as for a lease that is not handed over.
    pub(crate) fn single(token: u64) -> Self {
        Self(token.min(u64::MAX >> Self::BELOW) << Self::BELOW)
    }

    /// The first part of a block, from `first` on.
    pub(crate) fn starting_at(first: u64) -> Self {
        let Self(single) = Self::single(first);
        Self(single | (1 << 1))
    }

    fn parts(self) -> u64 {
        (self.0 >> 1) & Self::MOST_PARTS
    }

    fn is_confirmed(self) -> bool {
        self.0 & Self::UNCONFIRMED == 0
    }

    /// The number of tokens in this many parts.
    fn length(parts: u64) -> u64 {
        match parts {
            0 => 1,
            parts => Self::FIRST + (parts - 1) * Self::FURTHER,
        }
    }

    pub(crate) fn first(self) -> Option<u64> {
        let first = self.0 >> Self::BELOW;
        (first > 0).then_some(first)
    }

    /// The highest token that was ever asked for, which the nodes store as the fence.
    pub(crate) fn last(self) -> Option<u64> {
        Some(self.first()? + Self::length(self.parts()) - 1)
    }

    /// The token of the `number`-th hold, from 0: [`FencingToken::NONE`] without fencing, `None` if those that are confirmed
    /// are used up.
    pub(crate) fn get(self, number: u32) -> Option<FencingToken> {
        let Some(first) = self.first() else {
            return Some(FencingToken::NONE);
        };
        let parts = self.parts() - (self.0 & Self::UNCONFIRMED);
        let number = u64::from(number);
        (number < Self::length(parts)).then(|| FencingToken::new(first + number))
    }

    /// The block with a further part to ask for, if the lease needs one at the `number`-th hold: tokens become few, and it does
    /// not wait for a part already.
    pub(crate) fn further(self, number: u32) -> Option<Self> {
        let parts = self.parts();
        let needed = parts > 0
            && parts < Self::MOST_PARTS
            && number >= Self::MANY_HOLDS
            && self.is_confirmed()
            && u64::from(number) + Self::FEW_LEFT > Self::length(parts);
        needed.then(|| Self((self.0 + (1 << 1)) | Self::UNCONFIRMED))
    }

    /// The same block, once a majority has confirmed all of it.
    fn confirmed(self) -> Self {
        Self(self.0 & !Self::UNCONFIRMED)
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

    /// Asks for a further part: all that is sent from now on asks for it. `false` if the block has changed since `from` was read.
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
        assert_eq!(first.further(31), None, "most leases never need them");
        let second = first.further(32).expect("few are left");
        assert_eq!(second.last(), Some(1_000 + 256 + 2_048 - 1));
        assert_eq!(second.further(255), None, "they are on their way");
        let second = second.confirmed();
        assert_eq!(second.further(1_280), None, "enough are left");
        assert_eq!(
            second.further(1_281).and_then(TokenBlock::last),
            Some(1_000 + 256 + 2 * 2_048 - 1)
        );
        assert_eq!(TokenBlock::single(7).further(32), None);
        assert_eq!(TokenBlock::NONE.further(32), None);
    }

    #[test]
    fn further_tokens_are_used_once_they_are_confirmed() {
        let block = TokenBlock::starting_at(1);
        let (lease, asked) = (
            AtomicTokenBlock::new(block),
            block.further(32).expect("one"),
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
        assert_eq!(of(lease.load(), 2_304), None);
    }
}
