//! The form of a command in a batch.

/// The form of a command in a batch: its letter in `begin.lua`, and its keys and arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(super) letter: u8,
    pub(super) has_fence: bool,
    pub(super) uses_waitlist: bool,
    pub(super) args: u8,
}

impl Part {
    pub(crate) const ACQUIRE: Self = Self::new(b'a', true, false, 3);
    /// With an inbox, or a block of tokens.
    pub(crate) const WAITING_ACQUIRE: Self = Self::new(b'w', true, true, 6);
    pub(crate) const EXTEND: Self = Self::new(b'e', true, false, 4);
    pub(crate) const PLAIN_EXTEND: Self = Self::new(b'x', false, false, 2);
    pub(crate) const RELEASE: Self = Self::new(b'r', true, true, 2);
    pub(crate) const PLAIN_RELEASE: Self = Self::new(b'p', false, true, 1);

    const fn new(letter: u8, has_fence: bool, uses_waitlist: bool, args: u8) -> Self {
        Self {
            letter,
            has_fence,
            uses_waitlist,
            args,
        }
    }

    /// How many keys it has.
    pub(super) fn keys(self) -> usize {
        1 + usize::from(self.has_fence) + usize::from(self.uses_waitlist)
    }
}
