//! The faults that may excuse a violation, with their times.

use std::cell::RefCell;

use crate::timestamp::{Timestamp, now};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A node was killed and restarted empty.
    Restarted { node: usize },
    /// A node was flushed under the same run id.
    Flushed { node: usize },
    /// A node was stopped.
    Hung { node: usize },
    /// A client process was stopped.
    Paused { client: String },
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) kind: EventKind,
}

/// All events of a run.
#[derive(Debug, Default)]
pub(crate) struct Events(RefCell<Vec<Event>>);

impl Events {
    /// Records an event that began at `from` and has ended now.
    pub(crate) fn record(&self, from: Timestamp, kind: EventKind) {
        self.0.borrow_mut().push(Event {
            from,
            to: now(),
            kind,
        });
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.borrow().clone()
    }
}

/// Whether the process of `client` was stopped for some of that time.
pub(crate) fn paused(events: &[Event], client: &str, from: Timestamp, to: Timestamp) -> bool {
    during(events, from, to)
        .any(|event| matches!(&event.kind, EventKind::Paused { client: who } if who == client))
}

/// The events that overlap that time.
pub(crate) fn during(
    events: &[Event],
    from: Timestamp,
    to: Timestamp,
) -> impl Iterator<Item = &Event> {
    events
        .iter()
        .filter(move |event| event.from <= to && from <= event.to)
}
