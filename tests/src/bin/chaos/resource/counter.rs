//! The counters of one key: one checks fencing tokens, the other does not.
//!
//! Both are read and written by the same requests, so without the check they would lose the same
//! updates.

/// The two counters of one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    highest_token: u64,
    /// The client that read last and has not written.
    pub(super) inside: Option<String>,
    pub(crate) checked: u64,
    pub(crate) checked_writes: u64,
    pub(crate) refused: u64,
    pub(crate) unchecked: u64,
    pub(crate) unchecked_writes: u64,
}

impl Counters {
    /// Increments that another write has overwritten.
    pub(crate) fn checked_lost(&self) -> u64 {
        self.checked_writes.saturating_sub(self.checked)
    }

    pub(crate) fn unchecked_lost(&self) -> u64 {
        self.unchecked_writes.saturating_sub(self.unchecked)
    }

    /// Both values; the checked one only for a token that is not stale.
    pub(super) fn read(&mut self, client: &str, token: u64) -> (Option<u64>, u64) {
        self.inside = Some(client.to_owned());
        (self.admits(token).then_some(self.checked), self.unchecked)
    }

    pub(super) fn write(&mut self, client: &str, token: u64, checked: Option<u64>, unchecked: u64) {
        if self.inside.as_deref() == Some(client) {
            self.inside = None;
        }
        self.unchecked = unchecked;
        self.unchecked_writes += 1;
        if let Some(value) = checked
            && self.admits(token)
        {
            self.checked = value;
            self.checked_writes += 1;
        }
    }

    fn admits(&mut self, token: u64) -> bool {
        let admitted = token >= self.highest_token;
        if admitted {
            self.highest_token = token;
        } else {
            self.refused += 1;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_write_is_refused_with_tokens_and_loses_an_update_without() {
        let mut counters = Counters::default();
        let (paused, unchecked) = counters.read("a", 1);
        let (next, next_unchecked) = counters.read("b", 2);
        counters.write("b", 2, next.map(|value| value + 1), next_unchecked + 1);
        counters.write("a", 1, paused.map(|value| value + 1), unchecked + 1);
        assert_eq!(
            (
                counters.checked_writes,
                counters.checked_lost(),
                counters.refused
            ),
            (1, 0, 1)
        );
        assert_eq!(
            (counters.unchecked_writes, counters.unchecked_lost()),
            (2, 1)
        );
    }
}
