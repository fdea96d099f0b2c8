//! The whole content of a node in memory, for the conformance test.

use super::{Server, Wakers};
use crate::memory::store::Value;

/// The value of a key.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text(Vec<u8>),
    /// Scores and members, in their order.
    Sorted(Vec<(u64, Vec<u8>)>),
    Other,
}

/// A key, its value, and the reply to `PTTL`.
pub(crate) type Entry = (Vec<u8>, Content, i64);

impl Server {
    /// All keys, in order.
    pub(crate) fn keyspace(&mut self, wakers: &mut Wakers) -> Vec<Entry> {
        self.store.tick();
        let names = self.store.keys().into_iter().map(<[u8]>::to_vec);
        let names: Vec<Vec<u8>> = names.collect();
        let entries = names.into_iter().map(|name| {
            let content = match self.store.value(&name) {
                Some(Value::Text(text)) => Content::Text(text.clone()),
                Some(Value::Sorted(members)) => {
                    let members = members.iter();
                    let members = members.map(|(score, member)| (*score, member.to_vec()));
                    Content::Sorted(members.collect())
                }
                Some(Value::Hash) | None => Content::Other,
            };
            let left = self.redis(wakers).pttl(&name);
            (name, content, left)
        });
        entries.collect()
    }
}
