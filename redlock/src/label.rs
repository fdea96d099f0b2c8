//! The label of a process: a human-readable name, after the random part of an owner.

use std::fmt;

/// A name that is part of every owner of a client. It is short, so it is `Copy`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    bytes: [u8; Label::MAX_LEN],
    len: u8,
}

impl Label {
    /// Maximum length: what fits into an owner after its random part and the separator.
    pub(crate) const MAX_LEN: usize = 31;

    /// Checks a label. The error names the mistake and the remedy.
    pub(crate) fn new(label: &str) -> Result<Self, String> {
        if label.is_empty() {
            return Err("is empty: leave it out, or name this process".to_owned());
        }
        if label.len() > Self::MAX_LEN {
            let (len, most) = (label.len(), Self::MAX_LEN);
            return Err(format!(
                "has {len} bytes, and at most {most} fit behind an owner: shorten it"
            ));
        }
        match Self::read(label.as_bytes()) {
            Some(label) => Ok(label),
            None => Err(
                "has something else than ASCII letters, digits and `-_.:/@`: leave that out"
                    .to_owned(),
            ),
        }
    }

    /// The label that an owner contains.
    pub(crate) fn read(label: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(byte);
        if label.is_empty() || label.len() > Self::MAX_LEN || !label.iter().all(plain) {
            return None;
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..label.len()].copy_from_slice(label);
        Some(Self {
            bytes,
            len: u8::try_from(label.len()).ok()?,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only ASCII passes the check.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
