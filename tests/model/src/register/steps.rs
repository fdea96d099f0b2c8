//! The effect of a request on a node, and of the replies on its client.

use super::state::*;

impl Register {
    pub(super) fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    pub(super) fn quorum(&self) -> u8 {
        (self.nodes / 2 + 1) as u8
    }

    pub(super) fn expiry(&self, state: &State) -> u8 {
        state.now + self.retention + self.skew
    }

    /// Sends request `request` to all nodes, for the client that begins a step.
    pub(super) fn send(&self, state: &mut State, request: usize) {
        for node in &mut state.nodes[..self.nodes] {
            node.pending |= 1 << request;
        }
    }

    pub(super) fn client<'s>(&self, state: &'s mut State, request: usize) -> &'s mut Client {
        match request.checked_sub(OF_READER) {
            None => &mut state.holders[request / OF_HOLDER],
            Some(read) => &mut state.reads[read / 2],
        }
    }

    /// Whether a node votes on a version.
    pub(super) fn counts(&self, state: &State, node: &Node, of: u8) -> bool {
        let covered = match self.rule {
            Rule::GuardTimeOfLocks => 1,
            _ => self.retention + self.skew,
        };
        let skew = if self.is(Rule::SkewLeftOut) {
            0
        } else {
            self.skew
        };
        let started_before_the_first_write = match self.rule {
            Rule::StatedTooLate => node.started <= BEGIN,
            _ => !node.restarted,
        };
        started_before_the_first_write
            || state.now - node.started >= covered
            || token(of) > node.started + skew
    }

    pub(super) fn arrive(&self, state: &mut State, request: usize, at: usize) {
        let bit = 1 << request;
        if !self.duplicates {
            state.nodes[at].pending &= !bit;
        }
        let is_reader = request >= OF_READER;
        let kind = if is_reader {
            request % 2
        } else {
            request % OF_HOLDER
        };
        let first = state.nodes[at].answered & bit == 0;
        state.nodes[at].answered |= bit;
        let keeps = match self.rule {
            Rule::PromiseWithoutSkew => state.now + self.retention,
            _ => state.now + self.retention + self.skew,
        };
        if kind == READ {
            let by = self.client(state, request).token;
            let node = &mut state.nodes[at];
            if !is_reader {
                if node.promise > by {
                    return;
                }
                if !self.is(Rule::NoPromise) {
                    node.promise = by;
                    node.kept = node.kept.max(keeps);
                }
            }
            let node = *node;
            if first && self.client(state, request).step == Step::Reading {
                let counts =
                    self.counts(state, &node, node.entry.version) || self.is(Rule::ForgottenCounts);
                self.count(state, request, node.entry, counts);
            }
            return;
        }
        let entry = match (is_reader, kind) {
            (true, _) | (false, WRITE_BACK) => self.written_back(state, request),
            (false, write) => state.writes[request / OF_HOLDER][write - WRITE - 1],
        };
        let node = &mut state.nodes[at];
        let ignores = is_reader && self.is(Rule::ReaderIgnoresPromise)
            || kind == WRITE_BACK && self.is(Rule::WriteBackUnderOldVersion);
        if node.promise > token(entry.version) && !ignores {
            return;
        }
        if entry.version > node.entry.version || self.is(Rule::VersionsNotCompared) {
            node.entry = entry;
            node.promise = node.promise.max(token(entry.version));
            node.kept = node.kept.max(keeps);
        }
        let node = *node;
        let wanted = self.is_current(state, request, kind);
        if first && wanted {
            let counts = self.counts(state, &node, entry.version) || self.is(Rule::EveryAckCounts);
            self.client(state, request).votes += u8::from(counts);
        }
    }

    /// The content of a write-back, which stays in the client's entry until its next step.
    pub(super) fn written_back(&self, state: &State, request: usize) -> Entry {
        match request.checked_sub(OF_READER) {
            None => state.holders[request / OF_HOLDER].entry,
            Some(read) => state.reads[read / 2].entry,
        }
    }

    /// Whether the client still waits for this request.
    pub(super) fn is_current(&self, state: &mut State, request: usize, kind: usize) -> bool {
        let is_reader = request >= OF_READER;
        let client = self.client(state, request);
        match client.step {
            Step::WritingBack => kind == WRITE_BACK,
            Step::Writing => !is_reader && kind == WRITE + usize::from(client.written),
            Step::Idle | Step::Reading => false,
        }
    }

    pub(super) fn count(&self, state: &mut State, request: usize, found: Entry, counts: bool) {
        let any = self.is(Rule::AnyAnswer);
        let client = self.client(state, request);
        if !counts {
            return;
        }
        client.votes += 1;
        if found.version > client.entry.version || client.votes == 1 || any {
            (client.entry, client.found) = (found, found.version);
            client.agreeing = 1;
        } else if found.version == client.entry.version {
            client.agreeing += 1;
        }
    }

    /// Continues after a read with enough votes, or a write or write-back with enough
    /// acknowledgements.
    pub(super) fn decide(&self, state: &mut State, who: usize) {
        let quorum = self.quorum();
        let (is_reader, request) = match who.checked_sub(HOLDERS) {
            None => (false, who * OF_HOLDER + WRITE_BACK),
            Some(read) => (true, OF_READER + read * 2 + WRITE_BACK),
        };
        let expiry = self.expiry(state);
        let client = self.client(state, request);
        match client.step {
            Step::Reading if is_reader => {
                if client.agreeing >= quorum || self.is(Rule::ReaderBelieves) {
                    return self.has_read(state, request);
                }
                (client.step, client.votes) = (Step::WritingBack, 0);
                self.send(state, request);
            }
            Step::Reading => {
                let is_own = token(client.entry.version) == client.token;
                if is_own && client.agreeing >= quorum || self.is(Rule::NoWriteBack) {
                    return self.has_read(state, request);
                }
                if !is_own && !self.is(Rule::WriteBackUnderOldVersion) {
                    client.entry.version = version(client.token, 0);
                }
                if client.entry.origin == 0 {
                    client.entry.expires = expiry;
                }
                (client.step, client.votes) = (Step::WritingBack, 0);
                self.send(state, request);
            }
            Step::WritingBack => self.has_read(state, request),
            Step::Writing => {
                let written = usize::from(client.written);
                client.step = Step::Idle;
                let entry = state.writes[who][written - 1];
                let known = state.known;
                // A later holder has read the register without this write.
                state.unseen |= known.version > entry.version
                    && known.origin < entry.origin
                    && state.now < known.expires.min(entry.expires);
                if entry.version > known.version {
                    state.known = entry;
                }
            }
            Step::Idle => {}
        }
    }

    /// The client uses the value that it read.
    pub(super) fn has_read(&self, state: &mut State, request: usize) {
        let (now, expiry, known) = (state.now, self.expiry(state), state.known);
        let client = self.client(state, request);
        client.step = Step::Idle;
        let (mut read, before, found) = (client.entry, client.before, client.found);
        let is_holder = request < OF_READER;
        if is_holder && token(read.version) != client.token {
            // With its own version, even if a broken rule did not write it.
            read.version = version(client.token, 0);
        }
        if read.expires <= now {
            read.origin = 0;
        }
        if read.origin == 0 {
            read.expires = expiry;
        }
        state.unseen |= now < before.expires && read.origin < before.origin;
        // A holder sees every write of an earlier one that is ever confirmed.
        state.unseen |= is_holder
            && known.version < read.version
            && now < known.expires
            && read.origin < known.origin;
        state.older |=
            now < before.expires && found < before.version && read.origin != before.origin;
        if read.version > state.known.version {
            state.known = read;
        }
    }

    pub(super) fn begin_read(&self, state: &mut State, request: usize) {
        let before = state.known;
        let client = self.client(state, request);
        client.step = Step::Reading;
        (client.votes, client.agreeing) = (0, 0);
        (client.entry, client.before) = (Entry::default(), before);
        self.send(state, request);
    }

    pub(super) fn write(&self, state: &mut State, holder: usize) {
        let expires = self.expiry(state);
        let client = &mut state.holders[holder];
        client.written += 1;
        (client.step, client.votes) = (Step::Writing, 0);
        let seq = match self.rule {
            Rule::SameSeq => 1,
            _ => client.written,
        };
        let number = client.written;
        let written = version(client.token, seq);
        state.writes[holder][usize::from(number) - 1] = Entry {
            version: written,
            origin: version(client.token, number),
            expires,
        };
        self.send(state, holder * OF_HOLDER + WRITE + usize::from(number));
    }

    pub(super) fn tick(&self, state: &mut State) {
        state.now += 1;
        for node in &mut state.nodes[..self.nodes] {
            if node.kept <= state.now {
                (node.promise, node.entry, node.kept) = (0, Entry::default(), 0);
            }
        }
    }

    pub(super) fn current(&self, state: &State) -> Option<usize> {
        usize::from(state.started).checked_sub(1)
    }

    /// Holders continue as soon as they can, and so does a reader that need not write back.
    pub(super) fn decide_at_once(&self, state: &mut State, request: usize) {
        let client = match request.checked_sub(OF_READER) {
            None => request / OF_HOLDER,
            Some(read) => HOLDERS + read / 2,
        };
        let quorum = self.quorum();
        let waits = self.client(state, request).step == Step::Reading
            && self.client(state, request).agreeing < quorum
            && !self.is(Rule::ReaderBelieves);
        if self.may_decide(state, client) && !(client >= HOLDERS && waits) {
            self.decide(state, client);
        }
    }
}
