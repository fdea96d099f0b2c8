//! Messages to the subscribers of a channel.

use std::collections::BTreeMap;

use super::{Reply, Session, Wakers};

/// The subscribers.
#[derive(Debug)]
pub(crate) struct Channels<'a> {
    pub(super) sessions: &'a mut BTreeMap<u64, Session>,
    pub(super) wakers: &'a mut Wakers,
}

impl Channels<'_> {
    /// Sends `message` to all subscribers of `channel`. Returns how many there are. A client that
    /// is gone still counts until the server notices it.
    pub(crate) fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let push = Reply::Push(vec![
            Reply::bulk("message"),
            Reply::bulk(channel),
            Reply::bulk(message),
        ]);
        self.push_to(&push, |session| session.listens_to(channel))
    }

    /// Reports to the clients that track it that the data were emptied.
    pub(super) fn emptied(&mut self) {
        let push = Reply::Push(vec![Reply::bulk("invalidate"), Reply::Nil]);
        self.push_to(&push, |session| session.tracks);
    }

    fn push_to(&mut self, push: &Reply, wants: impl Fn(&Session) -> bool) -> usize {
        let mut sent = 0;
        self.sessions.retain(|_, session| {
            let here = !wants(session) || session.say(push, self.wakers);
            sent += usize::from(here && wants(session));
            here
        });
        sent
    }
}
