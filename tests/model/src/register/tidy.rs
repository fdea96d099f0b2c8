//! Removes irrelevant parts of a state, so that fewer states have to be explored.

use super::state::*;

impl Register {
    /// Removes what can no longer make a difference.
    pub(super) fn tidy(&self, state: &mut State) {
        let forgetful = self.until > BEGIN || self.restarts > 0;
        for place in 0..self.nodes {
            let mut node = state.nodes[place];
            let requests =
                (0..u16::BITS as usize).filter(|request| node.pending & 1 << request != 0);
            let dropped =
                requests.filter(|request| self.is_pointless(state, *request, &node, forgetful));
            let dropped: u16 = dropped.map(|request| 1 << request).sum();
            node.pending &= !dropped;
            node.answered &= node.pending;
            state.nodes[place] = node;
        }
        for request in [1, 5, 9, 13, 15] {
            let pending = state
                .nodes
                .iter()
                .any(|node| node.pending & 1 << request != 0);
            let client = self.client(state, request);
            if client.step == Step::Idle {
                (client.votes, client.agreeing) = (0, 0);
                (client.found, client.before) = (0, Entry::default());
                if !pending {
                    client.entry = Entry::default();
                }
            }
        }
    }

    /// Whether a request has no effect on a node and no client waits for the reply.
    pub(super) fn is_pointless(
        &self,
        state: &State,
        request: usize,
        node: &Node,
        forgetful: bool,
    ) -> bool {
        let is_reader = request >= OF_READER;
        let kind = if is_reader {
            request % 2
        } else {
            request % OF_HOLDER
        };
        let answered = node.answered & 1 << request != 0;
        let mut copy = *state;
        let wanted = !answered
            && match kind {
                READ => self.client(&mut copy, request).step == Step::Reading,
                _ => self.is_current(&mut copy, request, kind),
            };
        if kind == READ {
            let by = self.client(&mut copy, request).token;
            let promised = is_reader || self.is(Rule::NoPromise);
            return (promised || !forgetful && node.promise >= by) && !wanted
                || !forgetful && !is_reader && node.promise > by;
        }
        let stores_anyway = [
            Rule::VersionsNotCompared,
            Rule::ReaderIgnoresPromise,
            Rule::WriteBackUnderOldVersion,
        ];
        if forgetful || stores_anyway.contains(&self.rule) {
            return false;
        }
        let entry = match (is_reader, kind) {
            (true, _) | (false, WRITE_BACK) => self.written_back(state, request),
            (false, write) => state.writes[request / OF_HOLDER][write - WRITE - 1],
        };
        node.promise > token(entry.version) || node.entry.version >= entry.version && !wanted
    }

    pub(super) fn may_decide(&self, state: &State, client: usize) -> bool {
        let (this, is_current) = match client.checked_sub(HOLDERS) {
            None => (&state.holders[client], self.current(state) == Some(client)),
            Some(read) => (&state.reads[read], true),
        };
        let works = match this.step {
            Step::Idle => false,
            // A write may be confirmed after the loss, which a read may not.
            Step::Writing => true,
            Step::Reading | Step::WritingBack => is_current,
        };
        works && this.votes >= self.quorum()
    }
}
