//! Commands as bytes, in which only the owner and the token change.

use crate::recipe::{Word, token_now};

/// A command whose owner and tokens can be replaced in place.
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Where the owner's last sixteen digits are.
    owner: Option<usize>,
    /// Where tokens are, how long, and how much more than the token.
    tokens: Vec<(usize, usize, u64)>,
}

const DIGITS: usize = 16;

impl Template {
    pub(super) fn new(words: &[Word], key: &str) -> Self {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        let (mut owner, mut tokens) = (None, Vec::new());
        for word in words {
            let value = word.bytes(key, 0, token_now());
            bytes.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
            match word {
                Word::Owner(length) => owner = Some(bytes.len() + length.saturating_sub(DIGITS)),
                Word::Token(more) => tokens.push((bytes.len(), value.len(), *more)),
                Word::Same(_) | Word::Key(..) => {}
            }
            bytes.extend_from_slice(&value);
            bytes.extend_from_slice(b"\r\n");
        }
        Self {
            bytes,
            owner,
            tokens,
        }
    }

    /// The command of this cycle.
    pub(super) fn fill(&mut self, owner: u64, token: u64) -> &[u8] {
        if let Some(at) = self.owner {
            for (place, digit) in self.bytes[at..at + DIGITS].iter_mut().zip(0_u32..) {
                *place = b"0123456789abcdef"[(owner >> (60 - 4 * digit) & 15) as usize];
            }
        }
        for (at, length, more) in &self.tokens {
            let mut rest = token + more;
            for place in self.bytes[*at..at + length].iter_mut().rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        &self.bytes
    }
}
