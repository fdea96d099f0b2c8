//! What the nemesis did, by the same clock: the checker excuses nothing that is not in here.

use std::cell::RefCell;

use crate::stamp::{Stamp, now};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A node was killed, and came back empty.
    Restart { node: usize },
    /// A node was flushed under the same run id.
    Flush { node: usize },
    /// A node did not run.
    Hung { node: usize },
    /// A client process did not run.
    Stopped { client: String },
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) from: Stamp,
    pub(crate) to: Stamp,
    pub(crate) what: What,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Events(RefCell<Vec<Event>>);

impl Events {
    /// Notes what began at `from` and is over now.
    pub(crate) fn note(&self, from: Stamp, what: What) {
        self.0.borrow_mut().push(Event {
            from,
            to: now(),
            what,
        });
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.borrow().clone()
    }
}

/// Whether the process of `client` was stopped for some of the time.
pub(crate) fn stopped(events: &[Event], client: &str, from: Stamp, to: Stamp) -> bool {
    during(events, from, to)
        .any(|event| matches!(&event.what, What::Stopped { client: who } if who == client))
}

/// What happened in that time, in full or in part.
pub(crate) fn during(events: &[Event], from: Stamp, to: Stamp) -> impl Iterator<Item = &Event> {
    events
        .iter()
        .filter(move |event| event.from <= to && from <= event.to)
}
